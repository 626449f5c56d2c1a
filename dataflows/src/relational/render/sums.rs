//! Counts and sums of a group as a difference that adds up: what a row brings when it comes it takes
//! along when it goes, so that no row of the group need be kept.

use differential_dataflow::difference::{Abelian, IsZero, Monoid, Multiply, Semigroup};
use serde::{Deserialize, Serialize};

use crate::relational::decimal::{Decimal, TooLarge};

/// Rows of a group, and sums of some values of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Sums {
    /// How many rows.
    pub(super) rows: i64,
    /// In the order of (slot, scale); none is zero.
    parts: Vec<Part>,
}

/// The values of one slot that show so many decimals. What a sum shows follows from which there are,
/// and it must forget them again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Part {
    slot: u16,
    scale: u8,
    count: i64,
    /// Upper and lower half of the digits, summed apart: neither overflows before 2⁶³ values.
    high: i128,
    low: i128,
}

impl Part {
    fn is_zero(&self) -> bool {
        self.count == 0 && self.high == 0 && self.low == 0
    }
}

impl Sums {
    /// What a row brings before its values.
    pub(super) fn row() -> Self {
        Self {
            rows: 1,
            parts: Vec::new(),
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.parts.capacity() * size_of::<Part>()
    }

    /// Adds a value to a slot. Slots are filled in order.
    pub(super) fn push(&mut self, slot: u16, digits: i128, scale: u8) {
        self.parts.push(Part {
            slot,
            scale,
            count: 1,
            high: digits >> 64,
            low: digits & i128::from(u64::MAX),
        });
    }

    /// How many values a slot has.
    pub(super) fn count(&self, slot: u16) -> i64 {
        let of = self.parts.iter().filter(|part| part.slot == slot);
        of.map(|part| part.count).sum()
    }

    /// Their sum, with as many decimals as the value that shows most.
    pub(super) fn sum(&self, slot: u16) -> Result<Decimal, TooLarge> {
        let mut sum = Decimal::ZERO;
        for part in self.parts.iter().filter(|part| part.slot == slot) {
            let high = part.high.checked_mul(1 << 64).ok_or(TooLarge)?;
            let digits = high.checked_add(part.low).ok_or(TooLarge)?;
            sum = sum.plus(Decimal::new(digits, part.scale.into())?)?;
        }
        Ok(sum)
    }
}

impl IsZero for Sums {
    fn is_zero(&self) -> bool {
        self.rows == 0 && self.parts.is_empty()
    }
}

impl Semigroup for Sums {
    fn plus_equals(&mut self, other: &Self) {
        self.rows += other.rows;
        for part in &other.parts {
            let key = (part.slot, part.scale);
            match self.parts.binary_search_by_key(&key, |p| (p.slot, p.scale)) {
                Ok(at) => {
                    let own = &mut self.parts[at];
                    own.count += part.count;
                    own.high += part.high;
                    own.low += part.low;
                    if own.is_zero() {
                        self.parts.remove(at);
                    }
                }
                Err(at) => self.parts.insert(at, *part),
            }
        }
    }
}

impl Monoid for Sums {
    fn zero() -> Self {
        Self::default()
    }
}

impl Abelian for Sums {
    fn negate(&mut self) {
        self.rows = -self.rows;
        for part in &mut self.parts {
            part.count = -part.count;
            part.high = -part.high;
            part.low = -part.low;
        }
    }
}

impl Multiply<isize> for Sums {
    type Output = Self;

    fn multiply(mut self, by: &isize) -> Self {
        let wide = *by as i64;
        self.rows *= wide;
        for part in &mut self.parts {
            part.count *= wide;
            part.high *= i128::from(wide);
            part.low *= i128::from(wide);
        }
        self.parts.retain(|part| !part.is_zero());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Sums {
        let value = Decimal::parse(text).unwrap();
        let mut sums = Sums::row();
        sums.push(0, value.digits(), value.scale());
        sums
    }

    #[test]
    fn what_goes_is_forgotten_with_its_decimals() {
        let mut sums = of("1.5");
        sums.plus_equals(&of("2.25"));
        sums.plus_equals(&of("-3"));
        assert_eq!((sums.rows, sums.count(0)), (3, 3));
        assert_eq!(sums.sum(0).unwrap().to_string(), "0.75");
        let mut gone = of("2.25");
        gone.negate();
        sums.plus_equals(&gone);
        assert_eq!(sums.sum(0).unwrap().to_string(), "-1.5");
        sums.plus_equals(&of("1.5").multiply(&-1));
        sums.plus_equals(&of("-3").multiply(&-1));
        assert!(sums.is_zero());
    }

    #[test]
    fn sums_of_large_numbers_are_exact_or_refused() {
        let large = "99999999999999999999999999999999999999";
        let mut sums = of(large);
        sums.plus_equals(&of(large));
        assert_eq!(sums.sum(0), Err(TooLarge));
        sums.plus_equals(&of(large).multiply(&-1));
        assert_eq!(sums.sum(0).unwrap().to_string(), large);
    }
}
