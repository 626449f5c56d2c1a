//! Cabins and booking classes. The dataset has none: these are made up from the seats alone, the
//! same for every carrier.
//!
//! - From 100 seats on there is a first class cabin `F` of a twelfth of the seats, rounded down to
//!   an even number; the rest is economy, `Y`. Smaller aircraft have economy only.
//! - `F` sells as `F`, and nested below it `A` up to half the cabin.
//! - `Y` sells as `Y`, and nested below it `B` up to 90, `M` 75, `H` 55 and `Q` 35 of a hundred
//!   seats of the cabin, rounded down.

use flightline_ledger::command::{CabinPlan, ClassPlan};
use flightline_ledger::{Cabin, Class};

/// A booking class: its letter, and how much of its cabin it may sell, in per cent; `None` = all.
pub(super) type ClassShare = (u8, Option<u32>);

/// Booking classes of first, highest first.
pub(super) const FIRST: [ClassShare; 2] = [(b'F', None), (b'A', Some(50))];

/// Booking classes of economy, highest first.
pub(super) const ECONOMY: [ClassShare; 5] = [
    (b'Y', None),
    (b'B', Some(90)),
    (b'M', Some(75)),
    (b'H', Some(55)),
    (b'Q', Some(35)),
];

/// The fewest seats of an aircraft with a first class cabin.
const SEATS_WITH_FIRST_MIN: u16 = 100;

/// The cabins of an aircraft with so many seats.
pub(super) fn cabins(seats: u16) -> Vec<CabinPlan> {
    let first = if seats >= SEATS_WITH_FIRST_MIN {
        seats / 12 / 2 * 2
    } else {
        0
    };
    let mut plans = Vec::with_capacity(2);
    if first > 0 {
        plans.push(plan(b'F', first, &FIRST));
    }
    plans.push(plan(b'Y', seats - first, &ECONOMY));
    plans
}

fn plan(cabin: u8, seats: u16, classes: &[ClassShare]) -> CabinPlan {
    CabinPlan {
        cabin: cabin_of(cabin),
        seats: Some(seats),
        authorised: None,
        classes: classes
            .iter()
            .map(|(letter, per_cent)| ClassPlan {
                class: class_of(*letter),
                limit: per_cent.map(|share| (u32::from(seats) * share / 100) as u16),
            })
            .collect(),
    }
}

pub(super) fn cabin_of(letter: u8) -> Cabin {
    Cabin::new(letter).expect("a capital letter of the tables here")
}

pub(super) fn class_of(letter: u8) -> Class {
    Class::new(letter).expect("a capital letter of the tables here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cabins_follow_the_stated_formula() {
        let shown = |seats| {
            cabins(seats)
                .iter()
                .map(|plan| {
                    let limits: Vec<_> = plan
                        .classes
                        .iter()
                        .map(|c| format!("{}{}", c.class, c.limit.map_or(-1, i32::from)))
                        .collect();
                    format!("{}{} {}", plan.cabin, plan.seats.unwrap(), limits.join(" "))
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(149), ["F12 F-1 A6", "Y137 Y-1 B123 M102 H75 Q47"]);
        assert_eq!(shown(55), ["Y55 Y-1 B49 M41 H30 Q19"]);
        assert_eq!(shown(100)[0], "F8 F-1 A4");
        assert_eq!(shown(99).len(), 1);
    }

    #[test]
    fn no_seat_is_lost_or_made() {
        for seats in 0..=850 {
            let sum: u16 = cabins(seats).iter().map(|c| c.seats.unwrap()).sum();
            assert_eq!(sum, seats);
        }
    }
}
