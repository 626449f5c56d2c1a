//! The JSON of each type of event, field by field.
//!
//! Texts are kept as they came and checked in `body`, where the fault can be named in the words of
//! the field; here only names and JSON types are checked.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use flightline_ledger::ProviderBody;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

type Text<'a> = Cow<'a, str>;

/// A whole number. One outside of 64 bits is kept as the nearest that fits, so that it fails the
/// range check of its field and not the JSON reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Count(pub(super) i64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Count, E> {
                Ok(Count(n))
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Count, E> {
                Ok(Count(i64::try_from(n).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_i64(CountVisitor)
    }
}

impl Count {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

const ZERO: Count = Count(0);

fn zero() -> Count {
    ZERO
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A JSON object. Without this, serde would also take a list with the values of the fields in the
/// order in which they are declared here, and that order would be part of the format.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<T> Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Object<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// What decides how the rest of the line is read.
#[derive(Deserialize)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
}

/// What is looked for in a line that could not be taken, to tell which flight it was about.
#[derive(Deserialize)]
pub(super) struct FlightOnly<'a> {
    #[serde(borrow)]
    pub(super) flight_key: Text<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version<'a> {
    #[serde(borrow)]
    pub(super) time: Text<'a>,
    #[serde(default = "zero", skip_serializing_if = "Count::is_zero")]
    pub(super) group: Count,
    #[serde(default = "zero", skip_serializing_if = "Count::is_zero")]
    pub(super) sequence: Count,
}

/// The fields that every event has.
pub(super) struct Common<'a> {
    pub(super) flight_key: Text<'a>,
    pub(super) source_version: Version<'a>,
    pub(super) message_id: Option<Text<'a>>,
    pub(super) quality: Vec<Text<'a>>,
    pub(super) observed: Option<Observed<'a>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Observed<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) offer: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) destination: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) point_of_sale: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) journey: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) total_amount: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) total_currency: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) passengers: Option<Count>,
}

/// An event: the common fields (repeated in each, since serde cannot refuse unknown fields of
/// flattened ones) and its own.
macro_rules! event {
    ($name:ident { $($(#[$attr:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name<'a> {
            #[serde(borrow)]
            pub(super) r#type: Text<'a>,
            #[serde(borrow)]
            pub(super) flight_key: Text<'a>,
            #[serde(borrow)]
            pub(super) source_version: Object<Version<'a>>,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub(super) message_id: Option<Text<'a>>,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub(super) quality: Vec<Text<'a>>,
            #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
            pub(super) observed: Option<Object<Observed<'a>>>,
            $($(#[$attr])* pub(super) $field: $type,)*
        }

        impl<'a> $name<'a> {
            pub(super) fn common(&mut self) -> Common<'a> {
                Common {
                    flight_key: std::mem::take(&mut self.flight_key),
                    source_version: Version {
                        time: std::mem::take(&mut self.source_version.time),
                        group: self.source_version.group,
                        sequence: self.source_version.sequence,
                    },
                    message_id: self.message_id.take(),
                    quality: std::mem::take(&mut self.quality),
                    observed: self.observed.take().map(|observed| observed.0),
                }
            }
        }
    };
}

event! { Schedule {
    #[serde(borrow)]
    legs: Vec<Object<Leg<'a>>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    restricted: Vec<(Text<'a>, Text<'a>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operating: Option<Text<'a>>,
} }

event! { TimeChange {
    #[serde(borrow)]
    legs: Vec<Object<LegTimes<'a>>>,
} }

event! { Equipment {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    board: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aircraft: Option<Text<'a>>,
    #[serde(borrow)]
    cabins: Vec<Object<Cabin<'a>>>,
} }

event! { Availability {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    board: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    off: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cabin: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    class: Option<Text<'a>>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seats: Option<Count>,
    #[serde(default, skip_serializing_if = "is_false")]
    seats_is_floor: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<Text<'a>>,
} }

event! { Fares {
    #[serde(borrow)]
    fares: Vec<Object<Fare<'a>>>,
} }

event! { Terms {
    #[serde(borrow)]
    overbooking: Vec<Object<Overbooking<'a>>>,
} }

// `cancel`, `reinstate` and `withdraw` say all with their type.
event! { Status {} }

event! { Acknowledge {
    holds: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Text<'a>>,
} }

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replace<'a> {
    #[serde(borrow)]
    pub(super) r#type: Text<'a>,
    #[serde(borrow)]
    pub(super) source_version: Object<Version<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message_id: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) carrier: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) from: Text<'a>,
    #[serde(borrow)]
    pub(super) to: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) events: Option<Count>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leg<'a> {
    #[serde(borrow)]
    pub(super) board: Text<'a>,
    #[serde(borrow)]
    pub(super) off: Text<'a>,
    #[serde(borrow)]
    pub(super) departs: Text<'a>,
    #[serde(borrow)]
    pub(super) arrives: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aircraft: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) cabins: Vec<Object<Cabin<'a>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LegTimes<'a> {
    #[serde(borrow)]
    pub(super) board: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) off: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) departs: Text<'a>,
    #[serde(borrow)]
    pub(super) arrives: Text<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cabin<'a> {
    #[serde(borrow)]
    pub(super) cabin: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seats: Option<Count>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authorised: Option<Count>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    pub(super) classes: Vec<Object<Class<'a>>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Class<'a> {
    #[serde(borrow)]
    pub(super) class: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<Count>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fare<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) board: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) off: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) cabin: Text<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) class: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) amount: Text<'a>,
    #[serde(borrow)]
    pub(super) currency: Text<'a>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Overbooking<'a> {
    #[serde(borrow)]
    pub(super) cabin: Text<'a>,
    pub(super) seats: Count,
}

/// Every value of `type`, as reasons list them.
pub(super) const TYPES: &str = "schedule, time_change, equipment, availability, fares, terms, \
    cancel, reinstate, withdraw, acknowledge, replace_begin, replace_end";

/// The value of `type` for a report.
pub(super) const fn type_name(body: &ProviderBody) -> &'static str {
    match body {
        ProviderBody::Schedule(_) => "schedule",
        ProviderBody::TimeChange(_) => "time_change",
        ProviderBody::Equipment(_) => "equipment",
        ProviderBody::Availability(_) => "availability",
        ProviderBody::Fares(_) => "fares",
        ProviderBody::Terms(_) => "terms",
        ProviderBody::Cancel => "cancel",
        ProviderBody::Reinstate => "reinstate",
        ProviderBody::Withdraw => "withdraw",
        ProviderBody::Acknowledge(_) => "acknowledge",
        ProviderBody::Refuse(_) => "refuse",
    }
}
