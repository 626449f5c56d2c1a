//! Offer requests: what is sent, and what comes back.

use serde::Serialize;
use utoipa::ToSchema;

use super::offer::{Offer, Passenger};
use super::place::Place;

/// A search and what it found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferRequest {
    /// Its id: it says all that was asked for, signed, but for names.
    pub(crate) id: String,
    /// Whether money moves when an offer is booked.
    pub(crate) live_mode: bool,
    /// When it was made.
    pub(crate) created_at: String,
    /// The cabin class that was asked for; null = any.
    pub(crate) cabin_class: Option<&'static str>,
    /// Empty: there are no keys for browsers.
    pub(crate) client_key: String,
    /// The ways that were asked for.
    pub(crate) slices: Vec<RequestedSlice>,
    /// Those who travel.
    pub(crate) passengers: Vec<Passenger>,
    /// What was found; absent in lists and when it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) offers: Option<Vec<Offer>>,
}

/// A way that was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestedSlice {
    /// Where it begins.
    pub(crate) origin: Place,
    /// Where it ends.
    pub(crate) destination: Place,
    /// `airport` or `city`
    pub(crate) origin_type: &'static str,
    /// `airport` or `city`
    pub(crate) destination_type: &'static str,
    /// Local day of departure.
    pub(crate) departure_date: String,
    /// When the first flight may depart.
    pub(crate) departure_time: Option<TimeRange>,
    /// When the last flight may arrive.
    pub(crate) arrival_time: Option<TimeRange>,
}

/// A part of the day, by local time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TimeRange {
    /// `HH:MM`, included.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub(crate) from: String,
    /// `HH:MM`, included; before `from`: over midnight.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub(crate) to: String,
}
