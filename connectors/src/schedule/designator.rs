//! An airline, a flight number and an operational suffix.

use std::fmt;

use flightline_ledger::{Carrier, Date, FlightKey, Station};

/// A flight number, without day and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Designator {
    /// The airline.
    pub(crate) carrier: Carrier,
    /// The number, 1 to 9999.
    pub(crate) number: u16,
    /// Operational suffix letter, 0 when there is none.
    pub(crate) suffix: u8,
}

impl Designator {
    /// Reads `UT422`, `KL 2561`, `AF 0012A`: blanks do not matter, leading zeros neither.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let packed: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
        let letters = packed.iter().take(3).filter(|b| b.is_ascii_uppercase());
        let split = if packed.len() > 3 && letters.count() == 3 {
            3
        } else {
            2
        };
        let (carrier, rest) = packed.split_at_checked(split)?;
        let (digits, suffix) = match rest.split_last()? {
            (last, digits) if last.is_ascii_uppercase() => (digits, *last),
            _ => (rest, 0),
        };
        Some(Self {
            carrier: std::str::from_utf8(carrier).ok()?.parse().ok()?,
            number: number(std::str::from_utf8(digits).ok()?)?,
            suffix,
        })
    }

    /// The flight of this number on a day from a station.
    pub(crate) const fn on(self, origin_date: Date, board: Station) -> FlightKey {
        FlightKey {
            carrier: self.carrier,
            number: self.number,
            suffix: self.suffix,
            origin_date,
            board,
        }
    }
}

impl fmt::Display for Designator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.carrier, self.number)?;
        if self.suffix != 0 {
            write!(f, "{}", char::from(self.suffix))?;
        }
        Ok(())
    }
}

/// A flight number of 1 to 4 digits that is not 0; blanks around it do not matter.
pub(crate) fn number(text: &str) -> Option<u16> {
    let digits = text.trim_matches(' ');
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_they_are_padded() {
        for (text, want) in [
            ("UT422", Some("UT422")),
            ("KL 2561", Some("KL2561")),
            ("KL 0012A", Some("KL12A")),
            ("W6  12", Some("W612")),
            ("BAW1", Some("BAW1")),
            ("9W9999Z", Some("9W9999Z")),
            ("UT", None),
            ("UT0", None),
            ("UT12345", None),
            ("", None),
            ("12345", None),
        ] {
            let read = Designator::read(text).map(|d| d.to_string());
            assert_eq!(read.as_deref(), want, "{text}");
        }
    }
}
