//! An event to the line that reads as the same event.

use std::borrow::Cow;

use flightline_ledger::codes::FlightKey;
use flightline_ledger::command::{CabinPlan, Counts, LegTimes, Level, SourceVersion, quality};
use flightline_ledger::{ProviderBody, Station};
use serde::Serialize;

use super::wire::{self, Count, Object};
use super::{CanonicalEvent, body, time};
use crate::observed::Observed;
use crate::replacement::Replacement;

type Text = Cow<'static, str>;

/// The event as one line of JSON, without line end.
pub fn to_line(event: &CanonicalEvent) -> String {
    macro_rules! line {
        ($wire:ident { $($field:ident: $value:expr),* $(,)? }) => {
            json(&wire::$wire {
                r#type: Cow::Borrowed(event.type_name()),
                flight_key: text(&event.flight),
                source_version: Object(version(event.version)),
                message_id: event.message_id.as_deref().map(Cow::Borrowed),
                quality: marks(event.quality),
                observed: event.observed.as_deref().map(observed),
                $($field: $value),*
            })
        };
    }
    match &event.body {
        ProviderBody::Schedule(schedule) => line!(Schedule {
            legs: schedule
                .legs
                .iter()
                .map(|leg| {
                    let (departs, arrives) = times(&leg.times);
                    Object(wire::Leg {
                        board: text(&leg.board),
                        off: text(&leg.off),
                        departs,
                        arrives,
                        aircraft: aircraft(leg.aircraft),
                        service: Some(Cow::Owned(char::from(leg.service).to_string())),
                        cabins: cabins(&leg.cabins),
                    })
                })
                .collect(),
            restricted: schedule
                .restricted
                .iter()
                .map(|(board, off)| (text(board), text(off)))
                .collect(),
            operating: schedule.operating.as_ref().map(|key: &FlightKey| text(key)),
        }),
        ProviderBody::TimeChange(legs) => line!(TimeChange {
            legs: legs
                .iter()
                .map(|leg| {
                    let (departs, arrives) = times(leg);
                    Object(wire::LegTimes {
                        board: text(&leg.board),
                        off: None,
                        departs,
                        arrives,
                    })
                })
                .collect(),
        }),
        ProviderBody::Equipment(equipment) => line!(Equipment {
            board: equipment.board.as_ref().map(text),
            aircraft: aircraft(equipment.aircraft),
            cabins: cabins(&equipment.cabins),
        }),
        ProviderBody::Availability(availability) => {
            let (board, off) = match availability.level {
                Level::Flight => (None, None),
                Level::Leg(board) => (Some(text(&board)), None),
                Level::Segment(board, off) => (Some(text(&board)), Some(text(&off))),
            };
            line!(Availability {
                board: board,
                off: off,
                cabin: availability.cabin.as_ref().map(text),
                class: availability.class.as_ref().map(text),
                status: Cow::Borrowed(body::status_text(availability.status)),
                seats: availability.seats.map(|n| Count(i64::from(n))),
                seats_is_floor: availability.is_floor,
                counts: availability
                    .seats
                    .map(|_| Cow::Borrowed(match availability.counts {
                        Counts::Total => "total",
                        Counts::Remaining => "remaining",
                    })),
            })
        }
        ProviderBody::Fares(fares) => line!(Fares {
            fares: fares
                .iter()
                .map(|fare| {
                    let station = |pick: fn((Station, Station)) -> Station| {
                        fare.segment.map(|segment| text(&pick(segment)))
                    };
                    Object(wire::Fare {
                        board: station(|(board, _)| board),
                        off: station(|(_, off)| off),
                        cabin: text(&fare.cabin),
                        class: fare.class.as_ref().map(text),
                        amount: text(&fare.price),
                        currency: text(&fare.price.currency),
                    })
                })
                .collect(),
        }),
        ProviderBody::Terms(terms) => line!(Terms {
            overbooking: terms
                .iter()
                .map(|(cabin, seats)| Object(wire::Overbooking {
                    cabin: text(cabin),
                    seats: Count(i64::from(*seats)),
                }))
                .collect(),
        }),
        ProviderBody::Cancel | ProviderBody::Reinstate | ProviderBody::Withdraw => {
            line!(Status {})
        }
        // Reports do not say this, but it can be shown.
        ProviderBody::Acknowledge(holds) | ProviderBody::Refuse(holds) => line!(Acknowledge {
            holds: holds.iter().map(text).collect(),
            client: None,
        }),
    }
}

/// The mark that begins a full replacement, without line end.
pub fn to_replace_begin_line(replacement: &Replacement) -> String {
    mark("replace_begin", replacement, None)
}

/// The mark that ends a full replacement, without line end. `events` is how many events stand
/// between the marks, where that is known: a line lost on the way is noticed by it.
pub fn to_replace_end_line(replacement: &Replacement, events: Option<u64>) -> String {
    let events = events.map(|n| Count(i64::try_from(n).unwrap_or(i64::MAX)));
    mark("replace_end", replacement, events)
}

fn mark(kind: &'static str, replacement: &Replacement, events: Option<Count>) -> String {
    json(&wire::Replace {
        r#type: Cow::Borrowed(kind),
        source_version: Object(version(replacement.version)),
        message_id: replacement.message_id.as_deref().map(Cow::Borrowed),
        carrier: replacement.scope.carrier.as_ref().map(text),
        from: text(&replacement.scope.from),
        to: text(&replacement.scope.to),
        events,
    })
}

fn json(value: &impl Serialize) -> String {
    // Maps with keys that are no texts and writers that fail are all that can go wrong, and there
    // are neither.
    serde_json::to_string(value).expect("wire types are plain JSON")
}

fn text(value: &impl ToString) -> Text {
    Cow::Owned(value.to_string())
}

fn observed(seen: &Observed) -> Object<wire::Observed<'static>> {
    let owned = |text: &Option<Box<str>>| text.as_deref().map(|t| Cow::Owned(t.to_owned()));
    Object(wire::Observed {
        expires_at: seen.expires_ms.map(|ms| Cow::Owned(time::instant_text(ms))),
        offer: owned(&seen.offer),
        origin: seen.origin.as_ref().map(text),
        destination: seen.destination.as_ref().map(text),
        point_of_sale: owned(&seen.point_of_sale),
        journey: seen.journey.iter().map(text).collect(),
        total_amount: seen.total.as_ref().map(text),
        total_currency: seen.total.as_ref().map(|total| text(&total.currency)),
        passengers: seen.passengers.map(|n| Count(i64::from(n))),
    })
}

fn version(version: SourceVersion) -> wire::Version<'static> {
    wire::Version {
        time: Cow::Owned(time::instant_text(version.time_ms)),
        group: Count(i64::from(version.group)),
        sequence: Count(i64::from(version.sequence)),
    }
}

fn marks(bits: u32) -> Vec<Text> {
    quality::NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, name)| Cow::Borrowed(*name))
        .collect()
}

fn times(times: &LegTimes) -> (Text, Text) {
    (
        Cow::Owned(time::moment_text(times.departs_s, times.departs_offset_min)),
        Cow::Owned(time::moment_text(times.arrives_s, times.arrives_offset_min)),
    )
}

fn aircraft(code: [u8; 3]) -> Option<Text> {
    (code != [0; 3]).then(|| Cow::Owned(code.iter().map(|b| char::from(*b)).collect()))
}

fn cabins(plans: &[CabinPlan]) -> Vec<Object<wire::Cabin<'static>>> {
    let count = |n: u16| Count(i64::from(n));
    plans
        .iter()
        .map(|plan| {
            Object(wire::Cabin {
                cabin: text(&plan.cabin),
                seats: plan.seats.map(count),
                authorised: plan.authorised.map(count),
                classes: plan
                    .classes
                    .iter()
                    .map(|class| {
                        Object(wire::Class {
                            class: text(&class.class),
                            limit: class.limit.map(count),
                        })
                    })
                    .collect(),
            })
        })
        .collect()
}
