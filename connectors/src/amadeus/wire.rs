//! The JSON fields that are read. All are optional here; what must be there is checked where it is
//! used.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use crate::market::scalar;

type Text<'a> = Cow<'a, str>;

/// A list, where `null` is an empty one.
fn or_none<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What a record can be: told by the fields that it has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) id: Option<Text<'a>>,
    #[serde(default, deserialize_with = "scalar::count")]
    pub(super) number_of_bookable_seats: Option<i64>,
    #[serde(borrow, default)]
    pub(super) itineraries: Option<Vec<Itinerary<'a>>>,
    #[serde(borrow, default)]
    pub(super) price: Option<Price<'a>>,
    #[serde(borrow, default, deserialize_with = "or_none")]
    pub(super) traveler_pricings: Vec<Traveler<'a>>,
    #[serde(borrow, default)]
    pub(super) segments: Option<Vec<Segment<'a>>>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<Problem<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct Problem<'a> {
    #[serde(borrow, default)]
    pub(super) title: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) detail: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Itinerary<'a> {
    #[serde(borrow, default, deserialize_with = "or_none")]
    pub(super) segments: Vec<Segment<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Price<'a> {
    #[serde(borrow, default)]
    pub(super) currency: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) total: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) grand_total: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Traveler<'a> {
    #[serde(borrow, default)]
    pub(super) traveler_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) price: Option<Price<'a>>,
    #[serde(borrow, default, deserialize_with = "or_none")]
    pub(super) fare_details_by_segment: Vec<FareDetails<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FareDetails<'a> {
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) segment_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) cabin: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) class: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment<'a> {
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) departure: Option<End<'a>>,
    #[serde(borrow, default)]
    pub(super) arrival: Option<End<'a>>,
    #[serde(borrow, default)]
    pub(super) carrier_code: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) number: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) aircraft: Option<Aircraft<'a>>,
    #[serde(borrow, default)]
    pub(super) operating: Option<Operating<'a>>,
    #[serde(borrow, default)]
    pub(super) duration: Option<Text<'a>>,
    #[serde(default, deserialize_with = "scalar::count")]
    pub(super) number_of_stops: Option<i64>,
    #[serde(borrow, default, deserialize_with = "or_none")]
    pub(super) stops: Vec<Stop<'a>>,
    #[serde(borrow, default)]
    pub(super) closed_status: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "or_none")]
    pub(super) availability_classes: Vec<AvailabilityClass<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End<'a> {
    #[serde(borrow, default)]
    pub(super) iata_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) at: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Aircraft<'a> {
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) code: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operating<'a> {
    #[serde(borrow, default)]
    pub(super) carrier_code: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) number: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stop<'a> {
    #[serde(borrow, default)]
    pub(super) iata_code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) arrival_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) departure_at: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AvailabilityClass<'a> {
    #[serde(borrow, default)]
    pub(super) class: Option<Text<'a>>,
    #[serde(default, deserialize_with = "scalar::count")]
    pub(super) number_of_bookable_seats: Option<i64>,
    #[serde(borrow, default)]
    pub(super) closed_status: Option<Text<'a>>,
}
