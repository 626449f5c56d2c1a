//! Schedules and equipment: valid, changed, and broken ones.

use flightline_ledger::codes::Date;
use flightline_ledger::command::{
    CabinPlan, ClassPlan, Equipment, Leg, LegTimes, ProviderBody, Schedule,
};
use flightline_ledger::{Class, FlightKey, Station};

use super::aim;
use super::rng::Rng;
use crate::model::Flight;

/// What a history is like throughout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flavour {
    /// Usual seats of a cabin.
    pub(crate) seats: i64,
    /// Legs of a flight, at most.
    pub(crate) legs: i64,
    /// Values at the bounds of their types come up everywhere.
    pub(crate) hostile: bool,
    /// Hundreds of providers on a flight.
    pub(crate) crowd: bool,
    /// Stations repeat within a flight.
    pub(crate) repeats: bool,
    /// Share of provider events, in 1000.
    pub(crate) events: u32,
    /// Settings change often, those of when sale closes by much.
    pub(crate) unsettled: bool,
    /// Providers fall silent, are stopped and go on often.
    pub(crate) fickle: bool,
}

fn times(board: Station, departs_s: i64, arrives_s: i64) -> LegTimes {
    LegTimes {
        board,
        departs_s,
        arrives_s,
        departs_offset_min: -300,
        arrives_offset_min: -360,
    }
}

fn count(rng: &mut Rng, flavour: &Flavour) -> u16 {
    let seats = match rng.below(20) {
        0 if rng.chance(300) => 0,
        0..=2 => flavour.seats * 2,
        3..=4 => flavour.seats / 2,
        _ => rng.between(flavour.seats * 2 / 3, flavour.seats),
    };
    // More than an aircraft can have is invalid: seldom wanted.
    seats.min(if rng.chance(20) { 2001 } else { 2000 }) as u16
}

/// Cabins of a leg: mostly those that the flight has, so that not every change of the equipment
/// leaves one without seats.
pub(crate) fn cabins(rng: &mut Rng, flavour: &Flavour, flight: Option<&Flight>) -> Vec<CabinPlan> {
    let mut all = Vec::new();
    if rng.chance(20) {
        return all;
    }
    let letters: &[(&str, u32, &[&str])] = &[
        ("Y", 950, &["Y", "B", "M", "Q"]),
        ("C", 450, &["J", "C", "D"]),
        ("F", 60, &["F", "A"]),
    ];
    for (cabin, per_mille, classes) in letters {
        let has = |flight: &Flight| flight.aircraft.keys().any(|(_, c)| c.to_string() == *cabin);
        let per_mille = match flight.map(has) {
            None => *per_mille,
            Some(true) => 900,
            Some(false) => *per_mille / 5,
        };
        if !rng.chance(per_mille) {
            continue;
        }
        let seats = count(rng, flavour);
        let mut nest: Vec<Class> = classes.iter().map(|c| aim::code::<Class>(c)).collect();
        // A nest in another order, or with a class missing, is a change of the nest.
        if rng.chance(200) {
            let (a, b) = (rng.below(nest.len()), rng.below(nest.len()));
            nest.swap(a, b);
        }
        let named = if rng.chance(300) {
            0
        } else {
            rng.below(nest.len() + 1)
        };
        nest.truncate(named);
        if rng.chance(30) {
            let class = aim::any_class(rng);
            if !nest.contains(&class) {
                nest.push(class);
            }
        }
        let classes = nest
            .into_iter()
            .map(|class| ClassPlan {
                class,
                limit: if rng.chance(500) {
                    Some(rng.between(0, i64::from(seats)) as u16)
                } else {
                    None
                },
            })
            .collect();
        all.push(CabinPlan {
            cabin: aim::code(cabin),
            seats: if rng.chance(if flavour.seats > 2000 { 100 } else { 880 }) {
                Some(seats)
            } else {
                None
            },
            authorised: if rng.chance(450) {
                Some(if flavour.seats > 2000 && rng.chance(800) {
                    9999
                } else {
                    rng.between(i64::from(seats) / 2, i64::from(seats) + 2) as u16
                })
            } else {
                None
            },
            classes,
        });
    }
    if rng.chance(12) {
        break_cabins(rng, &mut all);
    }
    all
}

fn break_cabins(rng: &mut Rng, cabins: &mut Vec<CabinPlan>) {
    let Some(plan) = cabins.first().cloned() else {
        return;
    };
    let class = ClassPlan {
        class: aim::code("Y"),
        limit: None,
    };
    match rng.below(8) {
        0 => cabins.push(plan),
        1 => cabins[0].seats = Some(rng.pick(&[2000, 2001, u16::MAX])),
        2 => cabins[0].authorised = Some(rng.pick(&[9999, 10_000, u16::MAX])),
        3 => cabins[0].classes = vec![class; 2],
        4 => {
            // The same class in two cabins of one leg.
            cabins.push(CabinPlan {
                cabin: aim::code("W"),
                classes: vec![class],
                ..plan
            });
            cabins[0].classes.push(class);
        }
        5 => {
            cabins[0].classes = vec![ClassPlan {
                limit: Some(10_000),
                ..class
            }]
        }
        6 => {
            let letters = (b'A'..=b'Z').filter_map(|b| Class::new(b).ok());
            cabins.truncate(1);
            cabins[0].classes = letters
                .map(|class| ClassPlan {
                    class,
                    limit: Some(9999),
                })
                .collect();
        }
        _ => *cabins = vec![plan; 300],
    }
}

/// A way from the station on, with times from `departs_s` on.
fn route(
    rng: &mut Rng,
    flavour: &Flavour,
    flight: Option<&Flight>,
    first: Station,
    count: usize,
    departs_s: i64,
) -> Vec<Leg> {
    let mut legs: Vec<Leg> = Vec::new();
    let mut board = first;
    let mut departs_s = departs_s;
    let one_plan = cabins(rng, flavour, flight);
    let alike = rng.chance(600);
    for _ in 0..count {
        let mut off = aim::station(rng);
        let been = |s: Station, legs: &[Leg]| s == first || legs.iter().any(|l| l.off == s);
        if !flavour.repeats {
            for _ in 0..20 {
                if off != board && !been(off, &legs) {
                    break;
                }
                off = aim::station(rng);
            }
        }
        let arrives_s = departs_s + rng.between(1800, 9000);
        legs.push(Leg {
            board,
            off,
            times: times(board, departs_s, arrives_s),
            aircraft: rng.pick(&[*b"738", *b"32N", [0; 3]]),
            service: b'J',
            cabins: if alike {
                one_plan.clone()
            } else {
                cabins(rng, flavour, flight)
            },
        });
        board = off;
        departs_s = arrives_s + rng.between(0, 3600);
    }
    legs
}

/// The first schedule of a flight, or one that knows nothing of it.
pub(crate) fn new_schedule(
    rng: &mut Rng,
    flavour: &Flavour,
    key: FlightKey,
    now_ms: i64,
) -> Schedule {
    let first = if rng.chance(985) {
        key.board
    } else {
        aim::station(rng)
    };
    let hours = if rng.chance(60) {
        rng.between(-3, 1)
    } else {
        rng.between(1, 16)
    };
    let now_s = (now_ms / 1000).clamp(-1_000_000_000, 30_000_000_000);
    let count = rng.between(1, flavour.legs) as usize;
    let departs_s = now_s + hours * 3600 + rng.between(0, 3599);
    let legs = route(rng, flavour, None, first, count, departs_s);
    let mut schedule = Schedule {
        legs,
        restricted: Vec::new(),
        operating: None,
    };
    decorate(rng, &mut schedule, key);
    if rng.chance(if flavour.hostile { 120 } else { 25 }) {
        break_schedule(rng, &mut schedule, key);
    }
    schedule
}

fn decorate(rng: &mut Rng, schedule: &mut Schedule, key: FlightKey) {
    if rng.chance(150) && schedule.legs.len() > 1 {
        let ends: Vec<Station> = schedule
            .legs
            .iter()
            .flat_map(|l| [l.board, l.off])
            .collect();
        let (a, b) = (rng.pick(&ends), rng.pick(&ends));
        if a != b || rng.chance(50) {
            schedule.restricted.push((a, b));
        }
    }
    if rng.chance(25) {
        let mut operating = key;
        operating.number = operating.number % 9999 + 1;
        if rng.chance(100) {
            operating = key;
        }
        schedule.operating = Some(operating);
    }
}

/// A schedule of a flight that exists: mostly with its stations, sometimes with others.
pub(crate) fn next_schedule(
    rng: &mut Rng,
    flavour: &Flavour,
    flight: &Flight,
    now_ms: i64,
) -> Schedule {
    if rng.chance(40) {
        return new_schedule(rng, flavour, flight.key, now_ms);
    }
    let mut legs: Vec<Leg> = Vec::new();
    let plan = cabins(rng, flavour, Some(flight));
    let alike = rng.chance(500);
    let shift = if rng.chance(300) {
        rng.between(-3600, 7200)
    } else {
        0
    };
    for leg in &flight.legs {
        let t = leg.times;
        legs.push(Leg {
            board: leg.board,
            off: leg.off,
            times: times(leg.board, t.departs_s + shift, t.arrives_s + shift),
            aircraft: *b"739",
            service: b'J',
            cabins: if alike {
                plan.clone()
            } else {
                cabins(rng, flavour, Some(flight))
            },
        });
    }
    if rng.chance(220) {
        reroute(rng, flavour, flight, &mut legs);
    }
    let mut schedule = Schedule {
        legs,
        restricted: Vec::new(),
        operating: None,
    };
    decorate(rng, &mut schedule, flight.key);
    if rng.chance(if flavour.hostile { 120 } else { 25 }) {
        break_schedule(rng, &mut schedule, flight.key);
    }
    schedule
}

/// A leg more, a leg less, or another way between.
fn reroute(rng: &mut Rng, flavour: &Flavour, flight: &Flight, legs: &mut Vec<Leg>) {
    let Some(last) = legs.last().cloned() else {
        return;
    };
    match rng.below(4) {
        0 => {
            let departs_s = last.times.arrives_s + 600;
            legs.extend(route(rng, flavour, Some(flight), last.off, 1, departs_s));
        }
        1 if legs.len() > 1 => {
            legs.pop();
        }
        2 if legs.len() > 1 => {
            // One stop is left out.
            let at = rng.below(legs.len() - 1);
            let next = legs.remove(at + 1);
            legs[at].off = next.off;
            legs[at].times.arrives_s = next.times.arrives_s;
        }
        _ => {
            // One stop more.
            let at = rng.below(legs.len());
            let via = aim::station(rng);
            let mut second = legs[at].clone();
            legs[at].off = via;
            second.board = via;
            second.times.board = via;
            legs.insert(at + 1, second);
        }
    }
}

fn break_schedule(rng: &mut Rng, schedule: &mut Schedule, key: FlightKey) {
    let at = rng.below(schedule.legs.len());
    let legs = &mut schedule.legs;
    match rng.below(14) {
        0 => legs.clear(),
        1 => {
            let leg = legs[0].clone();
            let n = rng.pick(&[12, 13, 400]);
            legs.clear();
            for _ in 0..n {
                // A flight in circles: connects, and repeats every station.
                legs.push(Leg {
                    off: leg.board,
                    ..leg.clone()
                });
            }
        }
        2 => legs[at].off = aim::station(rng),
        3 => legs[at].board = aim::station(rng),
        4 => legs[at].times.arrives_s = legs[at].times.departs_s - 1,
        5 => legs[at].times.departs_s = rng.pick(&[i64::MIN, i64::MAX, 0]),
        6 => legs[at].times.arrives_s = rng.pick(&[i64::MIN, i64::MAX, 32_503_680_000]),
        7 => {
            // The very last second that is allowed, and the very first.
            let end = Date::from_ymd(2999, 12, 31).map_or(0, |d| i64::from(d.0) * 86_400 + 86_399);
            let start = Date::from_ymd(1900, 1, 1).map_or(0, |d| i64::from(d.0) * 86_400);
            let off = rng.between(-1, 1);
            legs[at].times.arrives_s = end + off;
            if rng.chance(500) {
                legs[0].times.departs_s = start + off;
            }
        }
        8 => schedule.operating = Some(key),
        9 => schedule.restricted.push((key.board, key.board)),
        10 => schedule
            .restricted
            .push((aim::station(rng), aim::station(rng))),
        11 => schedule.restricted = vec![(aim::station(rng), key.board); 500],
        12 => break_cabins(rng, &mut legs[at].cabins),
        _ => {
            for leg in legs {
                leg.times.departs_s = 0;
                leg.times.arrives_s = 0;
            }
        }
    }
}

pub(crate) fn time_change(rng: &mut Rng, flavour: &Flavour, flight: &Flight) -> ProviderBody {
    let mut changes = Vec::new();
    let shift = rng.between(-7200, 7200);
    let from = rng.below(flight.legs.len());
    for leg in &flight.legs[from..] {
        let t = leg.times;
        changes.push(times(leg.board, t.departs_s + shift, t.arrives_s + shift));
    }
    if rng.chance(40) {
        let change = changes[0];
        match rng.below(5) {
            0 => changes.push(change),
            1 => changes.clear(),
            2 => changes[0].board = aim::station(rng),
            3 => changes[0].arrives_s = change.departs_s - 1,
            _ => changes[0].departs_s = rng.pick(&[i64::MIN, i64::MAX, -1]),
        }
    }
    if flavour.hostile && rng.chance(30) {
        changes = vec![
            changes
                .first()
                .copied()
                .unwrap_or(times(aim::station(rng), 0, 0));
            1000
        ];
    }
    ProviderBody::TimeChange(changes)
}

pub(crate) fn equipment(rng: &mut Rng, flavour: &Flavour, flight: Option<&Flight>) -> ProviderBody {
    ProviderBody::Equipment(Equipment {
        board: if rng.chance(500) {
            Some(aim::departure(rng, flight))
        } else {
            None
        },
        aircraft: *b"73H",
        cabins: cabins(rng, flavour, flight),
    })
}
