//! Stream keys, and which partition a key lives in.
//!
//! The mapping is part of the durable format: it is the same on every backend and for ever, since a
//! key that moved to another partition would lose its order.
//!
//! `partition = floor(XXH3_64(text of the key, seed 0) × partitions / 2^64)`

use std::fmt;

use flightline_ledger::FlightKey;
use xxhash_rust::xxh3::xxh3_64;

/// A partition's number, from 0 to the partition count less one.
pub type PartitionId = u32;

/// How many partitions a stream gets when nothing else is asked for.
pub const PARTITIONS_DEFAULT: u32 = 64;

/// The most partitions a stream can have.
pub const PARTITIONS_MAX: u32 = 4096;

/// The name of one ordered stream: everything with the same key is in one total order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKey<'a> {
    /// `flight/UA1545.2027-01-05.EWR`
    Flight(FlightKey),
    /// `order/ID`
    Order(&'a str),
    /// `feed/PROVIDER`: what a provider sent that belongs to no flight.
    Feed(&'a str),
}

impl StreamKey<'_> {
    /// The partition of the key in a stream with `partitions` partitions.
    ///
    /// # Panics
    /// When `partitions` is 0.
    #[inline]
    pub fn partition(&self, partitions: u32) -> PartitionId {
        match self {
            // The usual case, without the formatting machinery and without an allocation.
            StreamKey::Flight(key) => {
                let mut text = FlightText::default();
                text.write(key);
                partition_of_text(text.as_bytes(), partitions)
            }
            StreamKey::Order(_) | StreamKey::Feed(_) => {
                partition_of_text(self.to_string().as_bytes(), partitions)
            }
        }
    }
}

impl fmt::Display for StreamKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamKey::Flight(key) => write!(f, "flight/{key}"),
            StreamKey::Order(id) => write!(f, "order/{id}"),
            StreamKey::Feed(provider) => write!(f, "feed/{provider}"),
        }
    }
}

/// The partition of a key given as text.
///
/// # Panics
/// When `partitions` is 0.
#[inline]
pub fn partition_of_text(key: &[u8], partitions: u32) -> PartitionId {
    assert!(partitions > 0, "a stream has at least one partition");
    let hash = u128::from(xxh3_64(key));
    // Below `partitions`, so it fits.
    ((hash * u128::from(partitions)) >> 64) as u32
}

/// The partition of a flight in a stream with `partitions` partitions.
///
/// # Panics
/// When `partitions` is 0.
#[inline]
pub fn partition_of_flight(key: &FlightKey, partitions: u32) -> PartitionId {
    StreamKey::Flight(*key).partition(partitions)
}

/// `flight/…` on the stack. 7 + 3 + 5 + 1 + 1 + 12 + 1 + 3 bytes is the longest there can be.
struct FlightText {
    bytes: [u8; 40],
    len: usize,
}

impl Default for FlightText {
    fn default() -> Self {
        Self {
            bytes: [0; 40],
            len: 0,
        }
    }
}

/// The digits of 00 to 99, one after the other.
const TWO_DIGITS: [u8; 200] = {
    let mut digits = [0; 200];
    let mut n = 0;
    while n < 100 {
        digits[2 * n] = b'0' + (n / 10) as u8;
        digits[2 * n + 1] = b'0' + (n % 10) as u8;
        n += 1;
    }
    digits
};

impl FlightText {
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Decimal digits, at least `width` of them.
    fn digits(&mut self, value: u32, width: usize) {
        let mut reversed = [b'0'; 10];
        let mut rest = value;
        let mut n = 0;
        while rest > 0 || n < width {
            reversed[n] = b'0' + (rest % 10) as u8;
            rest /= 10;
            n += 1;
        }
        reversed[..n].reverse();
        self.put(&reversed[..n]);
    }

    fn write(&mut self, key: &FlightKey) {
        self.put(b"flight/");
        let carrier = key.carrier.bytes();
        self.put(&carrier[..if carrier[2] == 0 { 2 } else { 3 }]);
        self.digits(u32::from(key.number), 1);
        if key.suffix != 0 {
            self.put(&[key.suffix]);
        }
        self.put(b".");
        let (year, month, day) = key.origin_date.ymd();
        if year < 0 {
            self.put(b"-");
            self.digits(year.unsigned_abs(), 3);
        } else {
            self.digits(year.unsigned_abs(), 4);
        }
        // Months and days are below 100 by the calendar.
        let [m, d] = [month, day].map(|n| 2 * (n % 100) as usize);
        self.put(&[
            b'-',
            TWO_DIGITS[m],
            TWO_DIGITS[m + 1],
            b'-',
            TWO_DIGITS[d],
            TWO_DIGITS[d + 1],
            b'.',
        ]);
        self.put(&key.board.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_the_text_is_the_same_text() {
        for text in [
            "UA1545.2027-01-05.EWR",
            "9E3.2027-01-01.JFK",
            "BAW12A.1900-02-28.LHR",
            "AA9999Z.2999-12-31.DFW",
        ] {
            let key: FlightKey = text.parse().unwrap();
            let mut short = FlightText::default();
            short.write(&key);
            assert_eq!(
                std::str::from_utf8(short.as_bytes()).unwrap(),
                StreamKey::Flight(key).to_string()
            );
        }
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut counts = [0_u32; 64];
        for number in 1..=9999 {
            let key: FlightKey = format!("UA{number}.2027-01-05.EWR").parse().unwrap();
            counts[partition_of_flight(&key, 64) as usize] += 1;
        }
        // 156 on average; four standard deviations are 50.
        assert!(
            counts.iter().all(|n| (100..220).contains(n)),
            "uneven: {counts:?}"
        );
    }
}
