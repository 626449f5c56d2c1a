//! Short texts written without allocation and without the formatting machinery.
//!
//! A hold's answer carries a flight key, an instant and three numbers; printed through `Display`
//! they cost more than the rest of the answer together.

use flightline_ledger::{CommandId, Date, FlightKey, Money};
use serde::{Serialize, Serializer};

/// ASCII text of at most `N` bytes, on the stack. What does not fit is a bug of the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only ASCII is pushed; the check costs a few nanoseconds.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn push(&mut self, byte: u8) {
        debug_assert!(byte.is_ascii());
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        debug_assert!(text.is_ascii());
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text.as_bytes());
        self.len += text.len();
    }

    /// A number without leading zeros.
    pub(crate) fn push_number(&mut self, mut n: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        let text = &digits[at..];
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// The last `width` digits of a number, with leading zeros.
    pub(crate) fn push_padded(&mut self, mut n: u64, width: usize) {
        for at in (self.len..self.len + width).rev() {
            self.bytes[at] = b'0' + (n % 10) as u8;
            n /= 10;
        }
        self.len += width;
    }

    fn push_date(&mut self, date: Date) {
        let (year, month, day) = date.ymd();
        self.push_padded(year as u64, 4);
        self.push(b'-');
        self.push_padded(u64::from(month), 2);
        self.push(b'-');
        self.push_padded(u64::from(day), 2);
    }

    fn push_time(&mut self, second_of_day: u64) {
        self.push_padded(second_of_day / 3600, 2);
        self.push(b':');
        self.push_padded(second_of_day / 60 % 60, 2);
        self.push(b':');
        self.push_padded(second_of_day % 60, 2);
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The longest a flight key can be: `BAW1234A.2026-12-31.LHR`.
pub(crate) type KeyText = Text<24>;

/// A flight key in its one text form.
pub(crate) fn flight_key(key: &FlightKey) -> KeyText {
    let mut out = Text::new();
    out.push_str(key.carrier.as_str());
    out.push_number(u64::from(key.number));
    if key.suffix != 0 {
        out.push(key.suffix);
    }
    out.push(b'.');
    out.push_date(key.origin_date);
    out.push(b'.');
    out.push_str(key.board.as_str());
    out
}

/// A day.
pub(crate) fn date(date: Date) -> Text<10> {
    let mut out = Text::new();
    out.push_date(clamp(date));
    out
}

/// An instant as Duffel's clients want it: UTC, `Z`, microseconds.
pub(crate) fn instant(at_ms: i64) -> Text<27> {
    let days = at_ms.div_euclid(86_400_000);
    let ms = at_ms.rem_euclid(86_400_000) as u64;
    let mut out = Text::new();
    out.push_date(clamp_days(days));
    out.push(b'T');
    out.push_time(ms / 1000);
    out.push(b'.');
    out.push_padded(ms % 1000, 3);
    out.push_str("000Z");
    out
}

/// Local wall-clock time: what `at_s` is `offset_min` minutes ahead of UTC, without a zone.
pub(crate) fn local_time(at_s: i64, offset_min: i16) -> Text<19> {
    let local = at_s.saturating_add(i64::from(offset_min) * 60);
    let mut out = Text::new();
    out.push_date(clamp_days(local.div_euclid(86_400)));
    out.push(b'T');
    out.push_time(local.rem_euclid(86_400) as u64);
    out
}

/// An amount of money as a decimal number: `120.00`.
pub(crate) fn amount(money: &Money) -> Text<24> {
    let scale = 10_u64.pow(u32::from(money.exponent.min(4)));
    let abs = money.minor.unsigned_abs();
    let mut out = Text::new();
    if money.minor < 0 {
        out.push(b'-');
    }
    out.push_number(abs / scale);
    if scale > 1 {
        out.push(b'.');
        out.push_padded(abs % scale, usize::from(money.exponent.min(4)));
    }
    out
}

/// A command id: 32 hexadecimal digits.
pub(crate) fn command_id(id: CommandId) -> Text<32> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = Text::new();
    for byte in id.0.to_be_bytes() {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
    out
}

/// `PARTITION:OFFSET`
pub(crate) fn position(partition: u32, offset: u64) -> Text<31> {
    let mut out = Text::new();
    out.push_number(u64::from(partition));
    out.push(b':');
    out.push_number(offset);
    out
}

/// An HTTP date, such as `Tue, 24 Nov 2020 08:22:00 GMT`.
pub(crate) fn http_date(at_s: i64) -> Text<29> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let day = clamp_days(at_s.div_euclid(86_400));
    let (year, month, day_of_month) = day.ymd();
    let mut out = Text::new();
    out.push_str(DAYS[day.0.rem_euclid(7) as usize]);
    out.push_str(", ");
    out.push_padded(u64::from(day_of_month), 2);
    out.push(b' ');
    out.push_str(MONTHS[month as usize - 1]);
    out.push(b' ');
    out.push_padded(year as u64, 4);
    out.push(b' ');
    out.push_time(at_s.rem_euclid(86_400) as u64);
    out.push_str(" GMT");
    out
}

/// Years of four digits: what lies outside is shown as the nearest day that has one.
fn clamp(date: Date) -> Date {
    clamp_days(i64::from(date.0))
}

fn clamp_days(days: i64) -> Date {
    const FIRST: i64 = -719_162; // 0001-01-01
    const LAST: i64 = 2_932_896; // 9999-12-31
    Date(days.clamp(FIRST, LAST) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_utc_with_microseconds() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999000Z"),
            (1_767_323_045_123, "2026-01-02T03:04:05.123000Z"),
            (i64::MAX, "9999-12-31T07:12:55.807000Z"),
        ] {
            assert_eq!(instant(ms).as_str(), text);
        }
    }

    #[test]
    fn local_times_have_no_zone() {
        assert_eq!(
            local_time(1_767_323_045, -300).as_str(),
            "2026-01-01T22:04:05"
        );
        assert_eq!(local_time(0, 345).as_str(), "1970-01-01T05:45:00");
    }

    #[test]
    fn keys_and_amounts_read_like_their_display() {
        for text in [
            "UA1545.2027-01-05.EWR",
            "BAW1234A.2026-12-31.LHR",
            "9E1.2028-02-29.JFK",
        ] {
            let key: FlightKey = text.parse().unwrap();
            assert_eq!(flight_key(&key).as_str(), text);
        }
        let currency = "KWD".parse().unwrap();
        for (minor, exponent) in [(0, 2), (-105, 2), (i64::MIN, 4), (i64::MAX, 0), (7, 3)] {
            let money = Money {
                minor,
                currency,
                exponent,
            };
            assert_eq!(amount(&money).as_str(), money.to_string());
        }
    }

    #[test]
    fn http_dates_name_the_day() {
        assert_eq!(
            http_date(1_606_206_120).as_str(),
            "Tue, 24 Nov 2020 08:22:00 GMT"
        );
        assert_eq!(http_date(0).as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn the_longest_texts_fit() {
        assert_eq!(
            position(u32::MAX, u64::MAX).as_str(),
            "4294967295:18446744073709551615"
        );
        assert_eq!(command_id(CommandId(u128::MAX)).as_str(), "f".repeat(32));
        assert_eq!(command_id(CommandId(1)).as_str(), CommandId(1).to_string());
    }
}
