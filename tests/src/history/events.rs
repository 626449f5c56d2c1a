//! Provider events.

use flightline_ledger::command::{
    Availability, Counts, Fare, Level, ProviderBody, ProviderEvent, SaleStatus, SourceVersion,
};
use flightline_ledger::{Cabin, CommandId, FlightKey, Money, ProviderCode};

use super::aim::{self, Versions};
use super::generate::MINUTE_MS;
use super::rng::Rng;
use super::schedules::{self, Flavour};
use crate::model::{Flight, HoldState};

#[derive(Clone, Copy)]
enum What {
    Schedule,
    TimeChange,
    Equipment,
    Availability,
    Fares,
    Terms,
    Cancel,
    Reinstate,
    Withdraw,
    Acknowledge,
    Refuse,
}

pub(crate) fn event(
    rng: &mut Rng,
    flavour: &Flavour,
    versions: &mut Versions,
    key: FlightKey,
    flight: Option<&Flight>,
    now_ms: i64,
) -> ProviderEvent {
    if let Some(late) = flight
        .filter(|_| rng.chance(30))
        .and_then(|f| late_schedule(rng, flavour, f, now_ms))
    {
        return late;
    }
    let mut provider = aim::provider_on(rng, flight, flavour.crowd);
    let what = match flight {
        None => rng.weighted(&[
            (700, What::Schedule),
            (10, What::TimeChange),
            (10, What::Equipment),
            (10, What::Availability),
            (10, What::Fares),
            (10, What::Terms),
            (10, What::Cancel),
            (10, What::Reinstate),
            (10, What::Withdraw),
            (10, What::Acknowledge),
            (10, What::Refuse),
        ]),
        Some(flight) if flight.cancelled && rng.chance(350) => {
            provider = flight.owner;
            What::Reinstate
        }
        Some(_) => rng.weighted(&[
            (190, What::Schedule),
            (50, What::TimeChange),
            (110, What::Equipment),
            (310, What::Availability),
            (110, What::Fares),
            (40, What::Terms),
            (22, What::Cancel),
            (30, What::Reinstate),
            (18, What::Withdraw),
            (120, What::Acknowledge),
            (40, What::Refuse),
        ]),
    };
    let body = match (what, flight) {
        (What::Schedule, Some(flight)) => {
            ProviderBody::Schedule(schedules::next_schedule(rng, flavour, flight, now_ms))
        }
        (What::Schedule, None) => {
            ProviderBody::Schedule(schedules::new_schedule(rng, flavour, key, now_ms))
        }
        (What::TimeChange, Some(flight)) => {
            if rng.chance(600) {
                provider = flight.owner;
            }
            schedules::time_change(rng, flavour, flight)
        }
        (What::TimeChange, None) => ProviderBody::TimeChange(Vec::new()),
        (What::Equipment, flight) => schedules::equipment(rng, flavour, flight),
        (What::Availability, flight) => {
            ProviderBody::Availability(availability(rng, flavour, provider, flight, now_ms))
        }
        (What::Fares, flight) => ProviderBody::Fares(fares(rng, flavour, provider, flight)),
        (What::Terms, _) => ProviderBody::Terms(terms(rng, flavour)),
        (What::Cancel, _) => ProviderBody::Cancel,
        (What::Reinstate, _) => ProviderBody::Reinstate,
        (What::Withdraw, _) => ProviderBody::Withdraw,
        (What::Acknowledge, flight) => {
            ProviderBody::Acknowledge(acknowledged(rng, flavour, provider, flight))
        }
        (What::Refuse, flight) => {
            let mut ids = acknowledged(rng, flavour, provider, flight);
            if rng.chance(800) {
                ids.truncate(2);
            }
            ProviderBody::Refuse(ids)
        }
    };
    let mut version = versions.next(rng, flavour.hostile);
    if matches!(what, What::Acknowledge | What::Refuse) && rng.chance(400) {
        // What it answers to an order.
        version = SourceVersion::default();
    }
    ProviderEvent {
        provider,
        version,
        authority: rng.weighted(&[(500, 1), (300, 2), (40, 3), (20, 4), (10, 5), (1, u8::MAX)]),
        quality: rng.below(128) as u32,
        body,
    }
}

/// A schedule that takes the flight over, sent before its provider's withdrawal and met after it.
fn late_schedule(
    rng: &mut Rng,
    flavour: &Flavour,
    flight: &Flight,
    now_ms: i64,
) -> Option<ProviderEvent> {
    let (code, provider) = flight
        .providers
        .iter()
        .find(|(code, provider)| !provider.sells && **code != flight.owner)?;
    let mut version = provider.status?;
    version.time_ms = version.time_ms.checked_sub(1)?;
    Some(ProviderEvent {
        provider: *code,
        version,
        authority: flight.authority.checked_add(1)?,
        quality: 0,
        body: ProviderBody::Schedule(schedules::next_schedule(rng, flavour, flight, now_ms)),
    })
}

fn availability(
    rng: &mut Rng,
    flavour: &Flavour,
    provider: ProviderCode,
    flight: Option<&Flight>,
    now_ms: i64,
) -> Availability {
    let level = match rng.weighted(&[(50, 0), (22, 1), (28, 2)]) {
        0 => Level::Leg(aim::departure(rng, flight)),
        1 => {
            let (board, off) = aim::segment(rng, flight);
            Level::Segment(board, off)
        }
        _ => Level::Flight,
    };
    let cabin = rng
        .chance(650)
        .then(|| aim::cabin_of(rng, flight, Some(provider), None));
    let class = rng.chance(380).then(|| {
        let cabin = cabin.unwrap_or_else(|| aim::cabin_of(rng, flight, Some(provider), None));
        aim::class_of(rng, flight, Some(provider), cabin, None)
    });
    let seats = match rng.weighted(&[(250, 0), (600, 1), (60, 2), (30, 3), (10, 4)]) {
        0 => None,
        1 => Some(rng.between(flavour.seats / 4, flavour.seats * 3 / 2) as i32),
        2 => Some(rng.between(-5, 0) as i32),
        3 => Some(rng.pick(&[9999, -9999])),
        _ => Some(rng.pick(&[10_000, -10_000, i32::MIN, i32::MAX])),
    };
    Availability {
        level,
        cabin,
        class,
        status: rng.weighted(&[
            (870, SaleStatus::Open),
            (40, SaleStatus::Closed),
            (30, SaleStatus::Request),
            (30, SaleStatus::WaitlistOpen),
            (30, SaleStatus::NotOperating),
        ]),
        seats,
        is_floor: rng.chance(100),
        counts: if rng.chance(600) {
            Counts::Remaining
        } else {
            Counts::Total
        },
        expires_ms: match rng.weighted(&[(930, 0), (65, 1), (5, 2)]) {
            0 => None,
            1 => Some(now_ms + rng.between(-MINUTE_MS, 40 * MINUTE_MS)),
            _ => Some(rng.pick(&[i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX])),
        },
    }
}

fn fares(
    rng: &mut Rng,
    flavour: &Flavour,
    provider: ProviderCode,
    flight: Option<&Flight>,
) -> Vec<Fare> {
    if rng.chance(20) {
        return Vec::new();
    }
    let count = if flavour.hostile && rng.chance(50) {
        500
    } else {
        rng.between(1, 3)
    };
    let bad_segments = rng.chance(50);
    let mut all = Vec::new();
    for _ in 0..count {
        let cabin = aim::cabin_of(rng, flight, Some(provider), None);
        let known: Vec<_> = flight
            .and_then(|flight| flight.providers.get(&provider))
            .map(|p| p.fares.keys().copied().collect())
            .unwrap_or_default();
        if let (Some((segment, cabin, class)), true) = (rng.pick_some(&known), rng.chance(400)) {
            let price = aim::price(rng);
            all.push(Fare {
                segment,
                cabin,
                class,
                price,
            });
            continue;
        }
        let segment = if rng.chance(600) {
            let found = aim::segment(rng, flight);
            Some(match flight {
                // One bad segment spoils the event: take another unless that is wanted.
                Some(f) if !f.is_segment(found) && !bad_segments => {
                    (f.legs[0].board, f.legs[0].off)
                }
                _ => found,
            })
        } else {
            None
        };
        all.push(Fare {
            segment,
            cabin,
            class: rng
                .chance(400)
                .then(|| aim::class_of(rng, flight, Some(provider), cabin, None)),
            price: aim::price(rng),
        });
    }
    if rng.chance(25) {
        let price = all[0].price;
        all[0].price = match rng.below(4) {
            0 => Money { minor: -1, ..price },
            1 => Money {
                minor: rng.pick(&[i64::MIN, i64::MAX]),
                ..price
            },
            2 => Money {
                exponent: rng.pick(&[4, 5, u8::MAX]),
                ..price
            },
            _ => Money { minor: 0, ..price },
        };
    }
    all
}

fn terms(rng: &mut Rng, flavour: &Flavour) -> Vec<(Cabin, u16)> {
    let mut all: Vec<(Cabin, u16)> = Vec::new();
    for cabin in ["Y", "C", "F"] {
        if rng.chance(500) {
            all.push((aim::code(cabin), rng.between(0, 4) as u16));
        }
    }
    if rng.chance(60) {
        match (rng.below(3), all.first().copied()) {
            (0, Some(first)) => all.push(first),
            (1, Some(_)) => all[0].1 = rng.pick(&[9999, 10_000, u16::MAX]),
            (2, Some(first)) if flavour.hostile => all = vec![first; 1000],
            _ => {}
        }
    }
    all
}

fn acknowledged(
    rng: &mut Rng,
    flavour: &Flavour,
    provider: ProviderCode,
    flight: Option<&Flight>,
) -> Vec<CommandId> {
    let mut ids = Vec::new();
    for hold in flight.into_iter().flat_map(|flight| &flight.holds) {
        let sale = hold.state == HoldState::Confirmed && hold.provider == provider;
        if rng.chance(if sale { 600 } else { 20 }) {
            ids.push(hold.id);
        }
    }
    if rng.chance(100) {
        ids.push(aim::unknown_id(rng));
    }
    if let (Some(first), true) = (ids.first().copied(), rng.chance(50)) {
        ids.push(first);
    }
    if flavour.hostile && rng.chance(50) {
        ids.extend((0..2000).map(CommandId));
    }
    ids
}
