//! Booking references: six characters that a traveller can read out, unique without being looked up.
//!
//! A partition numbers its orders from 0. The pair (partition, number) becomes one number below
//! 30⁶, and a keyed permutation of the numbers below 30⁶ becomes six characters of an alphabet of
//! 30. Two orders cannot get the same reference, because a permutation has no collisions; it goes
//! backwards too, so an order is found by its reference without any table.
//!
//! The permutation is a Feistel network of eight rounds over the least even number of bits that hold
//! the space, walked until it lands inside the space. When the 729,000,000 references of six
//! characters are used up, those of seven begin, then of eight: being longer, they differ too.
//!
//! The key hides how many orders there are. It is no secret that guards anything: a reference names
//! an order, it does not prove a right to see it.

use core::fmt;
use core::str::FromStr;

use super::print::Print;
use crate::codes::BadCode;

/// Digits and capital letters without those that are taken for each other when read or heard: 0 and
/// O, 1, I and L, and U (V).
const ALPHABET: [u8; 30] = *b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTHS: [usize; 3] = [6, 7, 8];
const ROUNDS: u64 = 8;
const LENGTH_MAX: usize = 8;

/// A booking reference (PNR, record locator), such as `K7M2XQ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BookingReference([u8; LENGTH_MAX]);

impl BookingReference {
    /// The text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(LENGTH_MAX);
        core::str::from_utf8(&self.0[..len]).unwrap_or("?")
    }

    /// The reference as a number of base 30, below 30⁶ for six characters: as unique as it is.
    pub fn number(&self) -> u64 {
        let digit = |b: u8| ALPHABET.iter().position(|a| *a == b).unwrap_or(0) as u64;
        let digits = self.as_str().bytes().map(digit);
        digits.fold(0, |value, digit| value * 30 + digit)
    }

    /// The bytes, padded with zeros.
    pub const fn bytes(self) -> [u8; LENGTH_MAX] {
        self.0
    }
}

impl fmt::Display for BookingReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for BookingReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BookingReference {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        let known = s.bytes().all(|b| ALPHABET.contains(&b));
        if !LENGTHS.contains(&s.len()) || !known {
            return Err(BadCode(
                "a booking reference is 6 to 8 of the digits 2 to 9 and the capital letters but I, L, O and U",
            ));
        }
        let mut bytes = [0; LENGTH_MAX];
        bytes[..s.len()].copy_from_slice(s.as_bytes());
        Ok(Self(bytes))
    }
}

/// What turns (partition, number) into references and back. Fixed for the life of a stream: with
/// another key or number of partitions the same order would get another reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    key: u64,
    partitions: u32,
}

impl References {
    /// For a stream of so many partitions. Panics when there are none.
    pub const fn new(key: u64, partitions: u32) -> Self {
        assert!(partitions > 0, "a stream has at least one partition");
        Self { key, partitions }
    }

    /// The reference of the `number`th order (from 0) of a partition.
    ///
    /// # Panics
    /// When the partition is not one of the stream's, or all references of eight characters are used
    /// up, which takes 678,000,000,000 orders.
    pub fn name(&self, partition: u32, number: u64) -> BookingReference {
        assert!(
            partition < self.partitions,
            "partition {partition} of {}",
            self.partitions
        );
        let mut index = u128::from(number) * u128::from(self.partitions) + u128::from(partition);
        for length in LENGTHS {
            let space = space(length);
            if index < u128::from(space) {
                return spell(self.walk(length, index as u64, Self::forwards), length);
            }
            index -= u128::from(space);
        }
        panic!("partition {partition} has no booking reference left for order {number}");
    }

    /// The partition and number that a reference names, whether or not there is such an order yet.
    pub fn find(&self, reference: &BookingReference) -> (u32, u64) {
        let text = reference.as_str().as_bytes();
        let digit = |b: &u8| ALPHABET.iter().position(|a| a == b).unwrap_or(0) as u64;
        let value = text.iter().fold(0, |value, b| value * 30 + digit(b));
        let shorter = LENGTHS.iter().filter(|length| **length < text.len());
        let before: u64 = shorter.map(|length| space(*length)).sum();
        let index = before + self.walk(text.len(), value, Self::backwards);
        let partitions = u64::from(self.partitions);
        ((index % partitions) as u32, index / partitions)
    }

    /// Permutes until inside the space again. It ends, since the permutation's cycle through `value`
    /// comes back to `value` at the latest.
    fn walk(&self, length: usize, value: u64, permute: fn(&Self, usize, u64) -> u64) -> u64 {
        let mut at = permute(self, length, value);
        while at >= space(length) {
            at = permute(self, length, at);
        }
        at
    }

    fn forwards(&self, length: usize, value: u64) -> u64 {
        let (mut left, mut right) = halves(length, value);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(length, round, right));
        }
        left << half_bits(length) | right
    }

    fn backwards(&self, length: usize, value: u64) -> u64 {
        let (mut left, mut right) = halves(length, value);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(length, round, left), left);
        }
        left << half_bits(length) | right
    }

    fn mix(&self, length: usize, round: u64, half: u64) -> u64 {
        let mut print = Print::new([self.key, u64::from_le_bytes(*b"referenc")]);
        print.add((length as u64) << 8 | round);
        print.add(half);
        print.get() as u64 & mask(length)
    }
}

const fn space(length: usize) -> u64 {
    30_u64.pow(length as u32)
}

/// Half the bits that hold every number below the space.
const fn half_bits(length: usize) -> u32 {
    (u64::BITS - (space(length) - 1).leading_zeros()).div_ceil(2)
}

const fn mask(length: usize) -> u64 {
    (1 << half_bits(length)) - 1
}

const fn halves(length: usize, value: u64) -> (u64, u64) {
    (value >> half_bits(length), value & mask(length))
}

fn spell(mut value: u64, length: usize) -> BookingReference {
    let mut bytes = [0; LENGTH_MAX];
    for at in (0..length).rev() {
        bytes[at] = ALPHABET[(value % 30) as usize];
        value /= 30;
    }
    BookingReference(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn references_are_unique_unambiguous_and_lead_back() {
        let references = References::new(0x5eed, 64);
        let mut seen = BTreeSet::new();
        for partition in [0, 1, 63] {
            for number in 0..30_000 {
                let reference = references.name(partition, number);
                assert_eq!(reference.as_str().len(), 6);
                assert!(!reference.as_str().contains(['0', 'O', '1', 'I', 'L', 'U']));
                assert_eq!(references.find(&reference), (partition, number));
                assert_eq!(reference.as_str().parse(), Ok(reference));
                assert!(seen.insert(reference), "{reference} twice");
            }
        }
    }

    #[test]
    fn longer_references_follow_when_the_short_ones_are_used_up() {
        let references = References::new(1, 3);
        let ends = [
            space(6),
            space(6) + space(7),
            space(6) + space(7) + space(8),
        ];
        for (end, length) in ends.into_iter().zip(LENGTHS) {
            let last = references.name(((end - 1) % 3) as u32, (end - 1) / 3);
            assert_eq!(last.as_str().len(), length);
            assert_eq!(
                references.find(&last),
                (((end - 1) % 3) as u32, (end - 1) / 3)
            );
        }
        let first_long = references.name((ends[0] % 3) as u32, ends[0] / 3);
        assert_eq!(first_long.as_str().len(), 7);
        assert_eq!(
            references.find(&first_long),
            ((ends[0] % 3) as u32, ends[0] / 3)
        );
    }

    #[test]
    fn the_key_changes_the_order_and_neighbours_look_unrelated() {
        let [a, b] = [1, 2].map(|key| References::new(key, 1));
        let same = (0..1000).filter(|n| a.name(0, *n) == b.name(0, *n)).count();
        assert_eq!(same, 0);
        // A counter would share its first four characters nearly always.
        let alike =
            (0..1000).filter(|n| a.name(0, *n).as_str()[..4] == a.name(0, n + 1).as_str()[..4]);
        assert_eq!(alike.count(), 0);
    }

    /// References are printed on paper: what they were they stay.
    #[test]
    fn references_never_change() {
        let references = References::new(0, 64);
        let texts = [0, 1, 1_000_000].map(|number| references.name(5, number).to_string());
        assert_eq!(texts, ["DNSXC2", "ZCRHNK", "TMCZZ9"]);
    }

    #[test]
    fn malformed_references_are_refused() {
        for text in ["", "ABCDE", "ABCDEFGHJ", "ABCDE0", "abcdef", "ABCDEÜ"] {
            assert!(
                text.parse::<BookingReference>().is_err(),
                "{text} was taken"
            );
        }
    }
}
