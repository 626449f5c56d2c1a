//! The fields that are read. All are optional here; what must be there is checked where it is used, so
//! that the reason can say for what.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::market::scalar;

type Text<'a> = Cow<'a, str>;

/// What a record can be: told by the fields that it has.
#[derive(Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow, default, deserialize_with = "scalar::text")]
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
    pub(super) slices: Option<Slices<'a>>,
    #[serde(borrow, default)]
    pub(super) added: Option<Vec<Slice<'a>>>,
    #[serde(borrow, default)]
    pub(super) removed: Option<Vec<Slice<'a>>>,
    /// Of an offer request: its offers, which are records of their own.
    #[serde(default)]
    pub(super) offers: Option<IgnoredAny>,
    /// Of an order: likewise.
    #[serde(default)]
    pub(super) airline_initiated_changes: Option<IgnoredAny>,
    /// Orders have one.
    #[serde(default)]
    pub(super) booking_reference: Option<IgnoredAny>,
    #[serde(borrow, default)]
    pub(super) errors: Option<Vec<Problem<'a>>>,
}

/// The slices of an offer; those of a change of an order are something else.
pub(super) enum Slices<'a> {
    List(Vec<Slice<'a>>),
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Slices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<'a>(PhantomData<Slices<'a>>);

        impl<'de: 'a, 'a> Visitor<'de> for Either<'a> {
            type Value = Slices<'a>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of slices")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut slices = Vec::new();
                while let Some(slice) = list.next_element()? {
                    slices.push(slice);
                }
                Ok(Slices::List(slices))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Slices::Other)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
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
    /// Told in the place of the type.
    #[serde(default, deserialize_with = "scalar::count")]
    pub(super) age: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Slice<'a> {
    #[serde(borrow, default)]
    pub(super) origin: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) destination: Option<Place<'a>>,
    #[serde(borrow, default)]
    pub(super) segments: Option<Vec<Segment<'a>>>,
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
    /// What airline-initiated changes were seen to call it.
    #[serde(borrow, default)]
    pub(super) departure_datetime: Option<Text<'a>>,
    /// Likewise.
    #[serde(borrow, default)]
    pub(super) arrival_datetime: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) duration: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) marketing_carrier: Option<Coded<'a>>,
    #[serde(borrow, default, deserialize_with = "scalar::text")]
    pub(super) marketing_carrier_flight_number: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(super) operating_carrier: Option<Coded<'a>>,
    #[serde(borrow, default, deserialize_with = "scalar::text")]
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

impl<'a> Slice<'a> {
    /// Its segments.
    pub(super) fn all(&self) -> &[Segment<'a>] {
        self.segments.as_deref().unwrap_or_default()
    }
}
