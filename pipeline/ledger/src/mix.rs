//! Hashing by functions of our own, which never change: ids and keys into tables, and details of
//! commands and whole states into fingerprints that two builds can compare.

use crate::codes::{CommandId, FlightKey};

// Odd constants without structure: the fraction bits of pi.
const K: [u64; 4] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7345,
    0xa409_3822_299f_31d1,
    0x082e_fa98_ec4e_6c89,
];

/// Multiplies to 128 bits and folds the halves: every input bit reaches every output bit.
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let wide = (a as u128).wrapping_mul(b as u128);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[inline(always)]
const fn hash_128(value: u128) -> u32 {
    // Each half by a constant factor of its own, then both again: no value of one half can cancel
    // the other one, and counters in either spread.
    let low = fold((value as u64) ^ K[0], K[1]);
    let high = fold(((value >> 64) as u64) ^ K[2], K[3]);
    (fold(low ^ high.rotate_left(32), K[0]) >> 32) as u32
}

/// Hash of a command id, for tables in memory. Ids may be hostile: counters, or equal in either half.
#[inline(always)]
pub(crate) const fn hash_id(id: CommandId) -> u32 {
    hash_128(id.0)
}

/// Hash of a flight key, for tables in memory.
#[inline(always)]
pub(crate) fn hash_key(key: &FlightKey) -> u32 {
    let three = |[a, b, c]: [u8; 3]| u64::from(u32::from_le_bytes([a, b, c, 0]));
    let flight =
        three(key.carrier.bytes()) | u64::from(key.number) << 24 | u64::from(key.suffix) << 40;
    let place = three(key.board.bytes()) | u64::from(key.origin_date.0 as u32) << 32;
    hash_128(u128::from(flight) << 64 | u128::from(place))
}

/// A running fingerprint of a sequence of numbers, in 64 bits.
#[derive(Clone, Copy)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Starts one; different purposes take different seeds.
    #[inline(always)]
    pub(crate) const fn new(seed: u64) -> Self {
        // Mixed, or a seed and a first number that differ in the same bits would cancel.
        Self(fold(seed ^ K[2], K[0]))
    }

    /// Takes in a number. Order matters.
    #[inline(always)]
    pub(crate) const fn add(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value, K[1]).wrapping_add(K[3]);
    }

    /// Takes in a signed number.
    #[inline(always)]
    pub(crate) const fn add_signed(&mut self, value: i64) {
        self.add(value as u64);
    }

    /// Takes in 128 bits.
    #[inline(always)]
    pub(crate) const fn add_wide(&mut self, value: u128) {
        self.add(value as u64);
        self.add((value >> 64) as u64);
    }

    /// Takes in an optional number, so that absent differs from every value.
    #[inline(always)]
    pub(crate) const fn add_optional(&mut self, value: Option<u64>) {
        match value {
            None => self.add(0),
            Some(value) => {
                self.add(1);
                self.add(value);
            }
        }
    }

    /// The fingerprint.
    #[inline(always)]
    pub(crate) const fn get(&self) -> u64 {
        fold(self.0 ^ K[0], K[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_differ_in_either_half_spread() {
        let spread = |id: &dyn Fn(u128) -> u128| {
            let mut seen: Vec<u32> = (0..4096).map(|i| hash_id(CommandId(id(i))) >> 20).collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len()
        };
        // 4096 balls in 4096 boxes fill 63 % of them.
        for (name, id) in [
            ("low", &(|i| i) as &dyn Fn(u128) -> u128),
            ("high", &|i| i << 64),
            ("both", &|i| i << 64 | i),
            ("cancelling", &|i| i << 64 | u128::from(K[0])),
            ("steps", &|i| i << 20),
        ] {
            let boxes = spread(id);
            assert!((2400..2800).contains(&boxes), "{name}: {boxes}");
        }
    }

    #[test]
    fn fingerprint_sees_order_and_absence() {
        let of = |f: &dyn Fn(&mut Fingerprint)| {
            let mut print = Fingerprint::new(1);
            f(&mut print);
            print.get()
        };
        let one = of(&|p| {
            p.add(1);
            p.add(2);
        });
        let two = of(&|p| {
            p.add(2);
            p.add(1);
        });
        assert_ne!(one, two);
        assert_ne!(
            of(&|p| p.add_optional(None)),
            of(&|p| p.add_optional(Some(0)))
        );
    }
}
