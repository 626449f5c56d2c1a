//! The field's vocabulary as small, comparable, copyable values.
//!
//! Every code parses from and prints as the text people use, and refuses anything else, so that
//! the fold never meets a malformed one.

use core::fmt;
use core::str::FromStr;

mod date;

pub use date::Date;

/// Why a text is not the code it should be. Says what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCode(pub &'static str);

impl fmt::Display for BadCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for BadCode {}

/// Identity of a command: 128 bits, made at the edge from what the client or provider gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u128);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for CommandId {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode("a command id is 32 lower-case hexadecimal digits");
        if s.len() != 32 || s.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(BAD);
        }
        u128::from_str_radix(s, 16).map(CommandId).map_err(|_| BAD)
    }
}

macro_rules! text3 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 3]);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                let len = self.0.iter().position(|b| *b == 0).unwrap_or(3);
                core::str::from_utf8(&self.0[..len]).unwrap_or("?")
            }

            /// The bytes, padded with zeros.
            pub const fn bytes(self) -> [u8; 3] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

text3! {
    /// An airport by its IATA code: three capital letters.
    Station
}
text3! {
    /// An airline designator: two capital letters or digits, not both digits, or three letters.
    Carrier
}
text3! {
    /// A currency by its ISO 4217 code: three capital letters.
    Currency
}

fn three_letters(s: &str) -> Option<[u8; 3]> {
    let b: [u8; 3] = s.as_bytes().try_into().ok()?;
    b.iter().all(u8::is_ascii_uppercase).then_some(b)
}

impl Station {
    /// From the padded bytes a record carries.
    pub fn from_bytes(bytes: [u8; 3]) -> Result<Self, BadCode> {
        core::str::from_utf8(&bytes)
            .map_err(|_| BadCode("a station is three capital letters"))?
            .parse()
    }
}

impl FromStr for Station {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        three_letters(s)
            .map(Self)
            .ok_or(BadCode("a station is three capital letters, such as EWR"))
    }
}

impl Currency {
    /// From the bytes a record carries.
    pub fn from_bytes(bytes: [u8; 3]) -> Result<Self, BadCode> {
        core::str::from_utf8(&bytes)
            .map_err(|_| BadCode("a currency is three capital letters"))?
            .parse()
    }
}

impl FromStr for Currency {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        three_letters(s)
            .map(Self)
            .ok_or(BadCode("a currency is three capital letters, such as USD"))
    }
}

impl Carrier {
    /// From the padded bytes a record carries.
    pub fn from_bytes(bytes: [u8; 3]) -> Result<Self, BadCode> {
        let len = if bytes[2] == 0 { 2 } else { 3 };
        core::str::from_utf8(&bytes[..len])
            .map_err(|_| BadCode("a carrier is two or three letters or digits"))?
            .parse()
    }
}

impl FromStr for Carrier {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode(
            "a carrier is two capital letters or digits, such as UA or 9E, or three letters",
        );
        match *s.as_bytes() {
            [a, b] => {
                let ok = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit();
                if ok(a) && ok(b) && !(a.is_ascii_digit() && b.is_ascii_digit()) {
                    Ok(Self([a, b, 0]))
                } else {
                    Err(BAD)
                }
            }
            _ => three_letters(s).map(Self).ok_or(BAD),
        }
    }
}

macro_rules! letter {
    ($(#[$doc:meta])* $name:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u8);

        impl $name {
            /// From its letter.
            pub const fn new(letter: u8) -> Result<Self, BadCode> {
                if letter.is_ascii_uppercase() {
                    Ok(Self(letter))
                } else {
                    Err(BadCode($message))
                }
            }

            /// The letter.
            pub const fn letter(self) -> u8 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = BadCode;
            fn from_str(s: &str) -> Result<Self, BadCode> {
                match *s.as_bytes() {
                    [b] => Self::new(b),
                    _ => Err(BadCode($message)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad((self.0 as char).encode_utf8(&mut [0; 4]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0 as char)
            }
        }
    };
}

letter! {
    /// A cabin by its letter: `F` first, `C` or `J` business, `W` premium economy, `Y` or `M`
    /// economy, as the provider's configuration names them.
    Cabin,
    "a cabin is one capital letter, such as Y"
}
letter! {
    /// A booking class (RBD) by its letter.
    Class,
    "a booking class is one capital letter, such as Y"
}

/// A provider's name: 1 to 16 of `a-z`, `0-9`, `_`, `-`, the first a letter or digit.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderCode([u8; 16]);

impl ProviderCode {
    /// The text.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(16);
        core::str::from_utf8(&self.0[..len]).unwrap_or("?")
    }

    /// The bytes, padded with zeros.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl FromStr for ProviderCode {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode(
            "a provider is 1 to 16 of a-z, 0-9, '_' and '-', and begins with a letter or digit",
        );
        let b = s.as_bytes();
        let ok = |c: &u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        if b.is_empty() || b.len() > 16 || !b.iter().all(ok) || matches!(b[0], b'_' | b'-') {
            return Err(BAD);
        }
        let mut bytes = [0; 16];
        bytes[..b.len()].copy_from_slice(b);
        Ok(Self(bytes))
    }
}

impl fmt::Display for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for ProviderCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of money in minor units (cents), with the currency's number of decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    /// Amount in minor units.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
    /// Decimals of the currency: 2 for USD, 0 for JPY, 3 for KWD. At most 4.
    pub exponent: u8,
}

impl Money {
    /// From a decimal text such as `120.00`, which must have at most `exponent` decimals.
    pub fn from_decimal(text: &str, currency: Currency, exponent: u8) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode("an amount is a decimal number such as 120.00");
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || exponent > 4 {
            return Err(BAD);
        }
        if fraction.len() > exponent as usize {
            return Err(BadCode("the amount has more decimals than its currency"));
        }
        let mut minor: i64 = 0;
        let padding = core::iter::repeat_n(b'0', exponent as usize - fraction.len());
        for b in whole.bytes().chain(fraction.bytes()).chain(padding) {
            minor = minor
                .checked_mul(10)
                .and_then(|m| m.checked_add(i64::from(b - b'0')))
                .ok_or(BadCode("the amount is too large"))?;
        }
        Ok(Self {
            minor: if negative { -minor } else { minor },
            currency,
            exponent,
        })
    }
}

impl fmt::Display for Money {
    /// The amount alone, as a decimal number: `120.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(u32::from(self.exponent.min(4)));
        let sign = if self.minor < 0 { "-" } else { "" };
        let abs = self.minor.unsigned_abs();
        if scale == 1 {
            write!(f, "{sign}{abs}")
        } else {
            let width = self.exponent as usize;
            write!(f, "{sign}{}.{:0width$}", abs / scale, abs % scale)
        }
    }
}

/// Identity of a flight: carrier, number, suffix, origin date and first station.
///
/// Text form `CARRIER+NUMBER+SUFFIX?.YYYY-MM-DD.BOARD`, such as `UA1545.2027-01-05.EWR`. The origin
/// date is the local calendar day of departure at the first station. The number has no leading
/// zeros. One flight has one text form.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlightKey {
    /// The airline.
    pub carrier: Carrier,
    /// Flight number, 1 to 9999.
    pub number: u16,
    /// Operational suffix letter, 0 when there is none.
    pub suffix: u8,
    /// Local day of departure at the first station.
    pub origin_date: Date,
    /// First station.
    pub board: Station,
}

impl FlightKey {
    /// What stands in a decision about no flight.
    pub const NONE: FlightKey = FlightKey {
        carrier: Carrier([0; 3]),
        number: 0,
        suffix: 0,
        origin_date: Date(0),
        board: Station([0; 3]),
    };

    /// Is this [`FlightKey::NONE`]?
    pub fn is_none(&self) -> bool {
        self.number == 0
    }

    /// The 13 bytes of the key, in an order that sorts like the key; never changes.
    pub fn to_bytes(self) -> [u8; 13] {
        let mut out = [0; 13];
        out[0..3].copy_from_slice(&self.carrier.0);
        out[3..5].copy_from_slice(&self.number.to_be_bytes());
        out[5] = self.suffix;
        out[6..10].copy_from_slice(&((self.origin_date.0 as u32) ^ 0x8000_0000).to_be_bytes());
        out[10..13].copy_from_slice(&self.board.0);
        out
    }

    /// Back from [`FlightKey::to_bytes`], checked.
    pub fn from_bytes(b: [u8; 13]) -> Result<Self, BadCode> {
        let number = u16::from_be_bytes([b[3], b[4]]);
        if number == 0 || number > 9999 || !(b[5] == 0 || b[5].is_ascii_uppercase()) {
            return Err(BadCode(
                "a flight number is 1 to 9999 with an optional letter",
            ));
        }
        let days = (u32::from_be_bytes([b[6], b[7], b[8], b[9]]) ^ 0x8000_0000) as i32;
        let first = Date::from_ymd(1900, 1, 1).unwrap_or_default();
        let last = Date::from_ymd(2999, 12, 31).unwrap_or_default();
        if days < first.0 || days > last.0 {
            return Err(BadCode("an origin date is between 1900 and 2999"));
        }
        Ok(Self {
            carrier: Carrier::from_bytes([b[0], b[1], b[2]])?,
            number,
            suffix: b[5],
            origin_date: Date(days),
            board: Station::from_bytes([b[10], b[11], b[12]])?,
        })
    }
}

impl FromStr for FlightKey {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode(
            "a flight key is CARRIER NUMBER SUFFIX? . YYYY-MM-DD . STATION, such as UA1545.2027-01-05.EWR",
        );
        let mut parts = s.split('.');
        let (Some(flight), Some(date), Some(board), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD);
        };
        if !flight.is_ascii() || flight.len() < 3 {
            return Err(BAD);
        }
        // Three letters in front can only be a three-letter designator: the number follows it.
        let split = if flight.as_bytes()[..3].iter().all(u8::is_ascii_uppercase) {
            3
        } else {
            2
        };
        let (carrier, rest) = flight.split_at(split);
        let (digits, suffix) = match rest.as_bytes().last() {
            Some(c) if c.is_ascii_uppercase() => (&rest[..rest.len() - 1], *c),
            _ => (rest, 0),
        };
        let canonical = (1..=4).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if !canonical {
            return Err(BAD);
        }
        Ok(Self {
            carrier: carrier.parse()?,
            number: digits.parse().map_err(|_| BAD)?,
            suffix,
            origin_date: date.parse()?,
            board: board.parse()?,
        })
    }
}

impl fmt::Display for FlightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.carrier, self.number)?;
        if self.suffix != 0 {
            write!(f, "{}", self.suffix as char)?;
        }
        write!(f, ".{}.{}", self.origin_date, self.board)
    }
}

impl fmt::Debug for FlightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flight_keys_round_trip() {
        for text in [
            "UA1545.2027-01-05.EWR",
            "9E3538.2027-01-01.JFK",
            "W29896.2026-12-31.BUD",
            "BAW12.2026-02-28.LHR",
            "AA1A.2028-02-29.JFK",
        ] {
            let key: FlightKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(FlightKey::from_bytes(key.to_bytes()), Ok(key));
        }
    }

    #[test]
    fn malformed_flight_keys_are_refused() {
        for text in [
            "",
            "UA1545",
            "UA.2027-01-05.EWR",
            "UA0154.2027-01-05.EWR",
            "UA15455.2027-01-05.EWR",
            "UA1545.2027-02-30.EWR",
            "UA1545.2027-01-05.ewr",
            "UA1545.2027-01-05.EWR.X",
            "12345.2027-01-05.EWR",
            "UA1545.20270105.EWR",
            "ÜA154.2027-01-05.EWR",
            "UA1545 .2027-01-05.EWR",
        ] {
            assert!(text.parse::<FlightKey>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn dates_round_trip_over_every_day() {
        let first = Date::from_ymd(1900, 1, 1).unwrap();
        let last = Date::from_ymd(2999, 12, 31).unwrap();
        for days in first.0..=last.0 {
            let (y, m, d) = Date(days).ymd();
            assert_eq!(Date::from_ymd(y, m, d), Some(Date(days)));
        }
        assert_eq!(Date::from_ymd(1970, 1, 1), Some(Date(0)));
    }

    #[test]
    fn money_reads_and_prints_minor_units() {
        let usd: Currency = "USD".parse().unwrap();
        for (text, exponent, minor) in [
            ("120.00", 2, 12_000),
            ("120.5", 2, 12_050),
            ("-0.01", 2, -1),
            ("7", 0, 7),
            ("1.234", 3, 1234),
        ] {
            assert_eq!(
                Money::from_decimal(text, usd, exponent).unwrap().minor,
                minor
            );
        }
        assert!(Money::from_decimal("1.234", usd, 2).is_err());
        assert!(Money::from_decimal("99999999999999999999", usd, 2).is_err());
        assert_eq!(
            Money {
                minor: -105,
                currency: usd,
                exponent: 2
            }
            .to_string(),
            "-1.05"
        );
    }
}
