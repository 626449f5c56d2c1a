//! Offers.

use serde::Serialize;
use utoipa::ToSchema;

use super::carrier::Airline;
use super::slice::{Condition, OfferSlice};

/// Flights at a price, for a party, until an instant.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BookingOffer)]
pub(crate) struct Offer {
    /// Its id: it says all of the offer, signed.
    pub(crate) id: String,
    /// Whether money moves when it is booked.
    pub(crate) live_mode: bool,
    /// Always false: all slices are there.
    pub(crate) partial: bool,
    /// When it was searched for.
    pub(crate) created_at: String,
    /// When it was last priced.
    pub(crate) updated_at: String,
    /// Until when it is good.
    pub(crate) expires_at: String,
    /// What all passengers pay together.
    pub(crate) total_amount: String,
    /// ISO 4217.
    pub(crate) total_currency: String,
    /// The same: providers do not tell taxes apart.
    pub(crate) base_amount: String,
    /// ISO 4217.
    pub(crate) base_currency: String,
    /// Not told apart.
    pub(crate) tax_amount: Option<String>,
    /// Not told apart.
    pub(crate) tax_currency: Option<String>,
    /// Not known here.
    pub(crate) total_emissions_kg: Option<String>,
    /// The airline of the first flight.
    pub(crate) owner: Airline,
    /// Those who travel; the ids are those of the offer request.
    pub(crate) passengers: Vec<Passenger>,
    /// When it must be paid.
    pub(crate) payment_requirements: PaymentRequirements,
    /// What may be done once it is booked.
    pub(crate) conditions: Conditions,
    /// Always false.
    pub(crate) passenger_identity_documents_required: bool,
    /// Always empty.
    pub(crate) supported_passenger_identity_document_types: Vec<String>,
    /// The name of the former in version 1.
    pub(crate) allowed_passenger_identity_document_types: Vec<String>,
    /// Always empty.
    pub(crate) supported_loyalty_programmes: Vec<String>,
    /// Always empty.
    pub(crate) private_fares: Vec<String>,
    /// Always empty: there are no extra services.
    pub(crate) available_services: Vec<String>,
    /// The ways, in the order asked for.
    pub(crate) slices: Vec<OfferSlice>,
    /// Our own: what would have to be waited for; null when all flights have seats for all. Never
    /// anything else unless the search said `include_sold_out`.
    pub(crate) waitlist: Option<OfferWaitlist>,
}

/// What an order of the offer would wait for: it must say `waitlist`, too, and how long it waits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OfferWaitlist {
    /// The longest that an order may wait, in seconds.
    pub(crate) wait_s_max: u64,
    /// The flights with too few seats.
    #[schema(min_items = 1)]
    pub(crate) flights: Vec<ShortFlight>,
}

/// A flight with fewer seats than the party needs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShortFlight {
    /// The flight, as in the segment.
    pub(crate) flight_key: String,
    /// Seats that can be had now; 0 as a rule.
    pub(crate) seats_left: u16,
}

/// Somebody who travels.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OfferPassenger)]
pub(crate) struct Passenger {
    /// The passenger's id.
    pub(crate) id: String,
    /// `adult`, `child` or `infant_without_seat`, when that was given.
    #[serde(rename = "type")]
    pub(crate) kind: Option<&'static str>,
    /// In years, when that was given.
    #[schema(minimum = 0, maximum = 17)]
    pub(crate) age: Option<u8>,
    /// As it was given.
    pub(crate) fare_type: Option<&'static str>,
    /// Only in the answer to the search itself: names are not kept.
    pub(crate) given_name: Option<String>,
    /// As `given_name`.
    pub(crate) family_name: Option<String>,
    /// As `given_name`; empty otherwise.
    pub(crate) loyalty_programme_accounts: Vec<LoyaltyAccount>,
}

/// Membership in an airline's programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LoyaltyProgrammeAccount)]
pub(crate) struct LoyaltyAccount {
    /// The airline.
    pub(crate) airline_iata_code: String,
    /// The number.
    pub(crate) account_number: String,
}

/// When an offer must be paid.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PaymentRequirements {
    /// False: it can be held first.
    pub(crate) requires_instant_payment: bool,
    /// Until when a held order must be paid; null when it cannot be held.
    pub(crate) payment_required_by: Option<String>,
    /// Until when the price of a held order stands; null when it cannot be held.
    pub(crate) price_guarantee_expires_at: Option<String>,
}

/// What may be done with an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OfferConditions)]
pub(crate) struct Conditions {
    /// Changing flights.
    pub(crate) change_before_departure: Option<Condition>,
    /// Giving it back.
    pub(crate) refund_before_departure: Option<Condition>,
}
