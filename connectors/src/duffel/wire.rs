//! The fields that are read. All are optional here; what must be there is checked where it is used, so
//! that the reason can say for what.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

type Text<'a> = Cow<'a, str>;

/// What a record can be: told by the fields that it has.
#[derive(Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) created_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) updated_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) expires_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) total_amount: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) total_currency: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) passengers: Option<Vec<Passenger<'a>>>,
    #[serde(borrow, default)]
    pub(super) slices: Option<Vec<Slice<'a>>>,
    #[serde(borrow, default)]
    pub(super) added: Option<Vec<Slice<'a>>>,
    #[serde(borrow, default)]
    pub(super) removed: Option<Vec<Slice<'a>>>,
    /// Of an offer request: its offers, which are records of their own.
    #[serde(default)]
    pub(super) offers: Option<IgnoredAny>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<Problem<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Problem<'a> {
    #[serde(borrow, default)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) code: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Passenger<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Slice<'a> {
    #[serde(borrow, default)]
    pub(super) origin: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) destination: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) segments: Vec<Segment<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Place<'a> {
    #[serde(borrow, default)]
    pub(super) iata_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) time_zone: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Coded<'a> {
    #[serde(borrow, default)]
    pub(super) iata_code: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Segment<'a> {
    #[serde(borrow, default)]
    pub(super) origin: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) destination: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) departing_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) arriving_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) duration: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) marketing_carrier: Option<Coded<'a>>,
    #[serde(borrow, default)]
    pub(super) marketing_carrier_flight_number: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) operating_carrier: Option<Coded<'a>>,
    #[serde(borrow, default)]
    pub(super) operating_carrier_flight_number: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) aircraft: Option<Coded<'a>>,
    #[serde(borrow, default)]
    pub(super) stops: Option<Vec<Stop<'a>>>,
    #[serde(borrow, default)]
    pub(super) passengers: Option<Vec<Seated<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Stop<'a> {
    #[serde(borrow, default)]
    pub(super) airport: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) arriving_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) departing_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Seated<'a> {
    #[serde(borrow, default)]
    pub(super) cabin_class: Option<Text<'a>>,
}
