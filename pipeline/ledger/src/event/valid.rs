//! Does an event contradict itself?

use crate::codes::{Cabin, FlightKey, Station};
use crate::command::{CabinPlan, Fare, Leg, LegTimes, Schedule};
use crate::view::LegView;

/// First and last second of the years 1900 to 2999.
const TIMES_S: core::ops::RangeInclusive<i64> = -2_208_988_800..=32_503_679_999;
const SEATS_MAX: u16 = 2000;
pub(super) const COUNT_MAX: u16 = 9999;
const EXPONENT_MAX: u8 = 4;

pub(super) fn schedule(key: &FlightKey, plan: &Schedule) -> bool {
    let connected = plan
        .legs
        .windows(2)
        .all(|pair| pair[0].off == pair[1].board);
    let calls_at = |station: &Station| {
        plan.legs
            .iter()
            .any(|leg| leg.board == *station || leg.off == *station)
    };
    (1..=Schedule::LEGS_MAX).contains(&plan.legs.len())
        && plan.legs[0].board == key.board
        && connected
        && times(plan.legs.iter().map(|leg| &leg.times))
        && plan.legs.iter().all(|leg| cabins(&leg.cabins))
        && plan
            .restricted
            .iter()
            .all(|(board, off)| board != off && calls_at(board) && calls_at(off))
        && plan.operating.as_ref() != Some(key)
}

/// Times of consecutive legs.
fn times<'a>(legs: impl Iterator<Item = &'a LegTimes>) -> bool {
    let mut latest_s = i64::MIN;
    for leg in legs {
        let follows = latest_s <= leg.departs_s;
        let in_range = TIMES_S.contains(&leg.departs_s) && TIMES_S.contains(&leg.arrives_s);
        if !follows || !in_range || leg.departs_s > leg.arrives_s {
            return false;
        }
        latest_s = leg.departs_s;
    }
    true
}

/// The legs with new times, if these are valid.
pub(super) fn new_times(legs: &[LegView], changes: &[LegTimes]) -> Option<Vec<LegView>> {
    let mut legs = legs.to_vec();
    let mut named = Vec::new();
    for change in changes {
        let at = legs.iter().position(|leg| leg.board == change.board)?;
        if named.contains(&at) {
            return None;
        }
        named.push(at);
        legs[at].times = *change;
    }
    times(legs.iter().map(|leg| &leg.times)).then_some(legs)
}

/// Cabins and classes of one leg.
pub(super) fn cabins(cabins: &[CabinPlan]) -> bool {
    // A bit per letter: unique letters are at most 26.
    let (mut seen, mut seen_classes) = (0_u32, 0_u32);
    let is_new = |seen: &mut u32, letter: u8| {
        let bit = 1_u32 << (letter - b'A');
        let is_new = *seen & bit == 0;
        *seen |= bit;
        is_new
    };
    cabins.iter().all(|plan| {
        is_new(&mut seen, plan.cabin.letter())
            && plan.seats.is_none_or(|seats| seats <= SEATS_MAX)
            && plan.authorised.is_none_or(|count| count <= COUNT_MAX)
            && plan.classes.iter().all(|class| {
                is_new(&mut seen_classes, class.class.letter())
                    && class.limit.is_none_or(|limit| limit <= COUNT_MAX)
            })
    })
}

pub(super) fn fares(fares: &[Fare]) -> bool {
    let valid = |fare: &Fare| fare.price.minor >= 0 && fare.price.exponent <= EXPONENT_MAX;
    !fares.is_empty() && fares.iter().all(valid)
}

pub(super) fn terms(terms: &[(Cabin, u16)]) -> bool {
    let mut seen = 0_u32;
    terms.iter().all(|(cabin, allowance)| {
        let bit = 1_u32 << (cabin.letter() - b'A');
        let is_new = seen & bit == 0;
        seen |= bit;
        is_new && *allowance <= COUNT_MAX
    })
}

/// Do the legs go where the flight goes?
pub(super) fn same_route(legs: &[LegView], plan: &[Leg]) -> bool {
    legs.len() == plan.len()
        && legs
            .iter()
            .zip(plan)
            .all(|(leg, plan)| (leg.board, leg.off) == (plan.board, plan.off))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::Date;

    #[test]
    fn times_are_the_years_1900_to_2999() {
        let day = |y, m, d| i64::from(Date::from_ymd(y, m, d).unwrap().0) * 86_400;
        assert_eq!(*TIMES_S.start(), day(1900, 1, 1));
        assert_eq!(*TIMES_S.end(), day(2999, 12, 31) + 86_399);
    }
}
