//! Rows as they travel through the dataflow: one string of bytes each.
//!
//! Values are encoded one after the other such that comparing two rows byte by byte is comparing
//! them value by value, NULL last, text by its bytes: so rows sort, compare and hash at the price of
//! their bytes, and the values of a group arrive in order. Small values are short: an integer takes
//! as many bytes as it needs, and one more.
//!
//! Two decimals that are equal but show another number of decimals are different bytes. Whatever
//! groups or joins by value normalises them first.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calendar::Interval;
use super::datum::Datum;
use super::decimal::Decimal;

/// First bytes of values. An integer's tells its sign and length: below `ZERO` it is negative.
mod tag {
    pub(super) const FALSE: u8 = 0x10;
    pub(super) const TRUE: u8 = 0x11;
    pub(super) const INT_ZERO: u8 = 0x28;
    pub(super) const INT_MIN: u8 = INT_ZERO - 8;
    pub(super) const INT_MAX: u8 = INT_ZERO + 8;
    pub(super) const DECIMAL_NEGATIVE: u8 = 0x38;
    pub(super) const DECIMAL_ZERO: u8 = 0x39;
    pub(super) const DECIMAL_POSITIVE: u8 = 0x3a;
    pub(super) const TEXT: u8 = 0x40;
    pub(super) const DATE: u8 = 0x50;
    pub(super) const INSTANT: u8 = 0x58;
    pub(super) const INTERVAL: u8 = 0x60;
    /// Above all others: NULLs are last.
    pub(super) const NULL: u8 = 0xf0;
}

/// The end of a text, which has no such byte within.
const TEXT_END: u8 = 0;

/// A row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row(Arc<[u8]>);

impl Row {
    /// The row of these values.
    pub fn of<'a, 'd: 'a>(values: impl IntoIterator<Item = &'a Datum<'d>>) -> Self {
        let mut writer = RowWriter::default();
        for value in values {
            writer.push(value);
        }
        writer.finish()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes of the first so many values.
    pub fn prefix(&self, values: usize) -> &[u8] {
        let mut rest = self.values();
        for _ in 0..values {
            rest.next();
        }
        &self.0[..self.0.len() - rest.rest.len()]
    }

    /// The values, in order.
    pub fn values(&self) -> Values<'_> {
        Values { rest: &self.0 }
    }

    /// Appends the values to `out`.
    pub fn unpack<'a>(&'a self, out: &mut Vec<Datum<'a>>) {
        out.extend(self.values());
    }

    /// Appends the values that are wanted, and NULL in the place of each other one, up to the last that is wanted.
    ///
    /// # Panics
    /// As [`Values::next`].
    pub(crate) fn unpack_some<'a>(&'a self, wanted: &[bool], out: &mut Vec<Datum<'a>>) {
        let mut values = self.values();
        for wanted in wanted {
            if *wanted {
                let Some(value) = values.next() else { return };
                out.push(value);
            } else if values.skip_one() {
                out.push(Datum::Null);
            } else {
                return;
            }
        }
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (at, value) in self.values().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{value}")?;
        }
        f.write_str(")")
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0[..].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Vec::<u8>::deserialize(deserializer)?.into()))
    }
}

/// Writes rows, one after the other, into the same memory.
#[derive(Debug, Default)]
pub struct RowWriter {
    bytes: Vec<u8>,
}

/// Flips the sign, so that negative numbers sort first as bytes.
fn flip_32(value: i32) -> [u8; 4] {
    ((value as u32) ^ (1 << 31)).to_be_bytes()
}

fn flip_64(value: i64) -> [u8; 8] {
    ((value as u64) ^ (1 << 63)).to_be_bytes()
}

impl RowWriter {
    /// Appends a value.
    pub fn push(&mut self, value: &Datum<'_>) {
        match value {
            Datum::Null => self.bytes.push(tag::NULL),
            Datum::Bool(false) => self.bytes.push(tag::FALSE),
            Datum::Bool(true) => self.bytes.push(tag::TRUE),
            Datum::Int(value) => self.int(*value),
            Datum::Decimal(value) => self.decimal(*value),
            Datum::Text(text) => self.text(text.as_str()),
            Datum::Date(days) => {
                self.bytes.push(tag::DATE);
                self.bytes.extend(flip_32(*days));
            }
            Datum::Instant(micros) => self.instant(*micros),
            Datum::Interval(interval) => {
                self.bytes.push(tag::INTERVAL);
                let total = (interval.total() as u128) ^ (1 << 127);
                self.bytes.extend(total.to_be_bytes());
                self.bytes.extend(flip_32(interval.months));
                self.bytes.extend(flip_32(interval.days));
                self.bytes.extend(flip_64(interval.micros));
            }
        }
    }

    /// Appends an integer.
    pub fn int(&mut self, value: i64) {
        let bytes = value.to_be_bytes();
        // Leading bytes that only repeat the sign are left out.
        let filler = if value < 0 { 0xff } else { 0 };
        let skip = bytes.iter().take_while(|byte| **byte == filler).count();
        let len = (8 - skip) as u8;
        self.bytes.push(if value < 0 {
            tag::INT_ZERO - len.max(1)
        } else {
            tag::INT_ZERO + len
        });
        // Of −1 all bytes are the sign; one is kept, since the tag of none is that of 0.
        let skip = if value < 0 { skip.min(7) } else { skip };
        self.bytes.extend(&bytes[skip..]);
    }

    /// Appends a text. A zero byte, which PostgreSQL's texts cannot hold, becomes the character that
    /// stands for what cannot be shown.
    pub fn text(&mut self, text: &str) {
        self.bytes.push(tag::TEXT);
        if text.as_bytes().contains(&0) {
            self.bytes.extend(text.replace('\0', "\u{fffd}").as_bytes());
        } else {
            self.bytes.extend(text.as_bytes());
        }
        self.bytes.push(TEXT_END);
    }

    /// Appends an instant, in microseconds from 1970.
    pub fn instant(&mut self, micros: i64) {
        self.bytes.push(tag::INSTANT);
        self.bytes.extend(flip_64(micros));
    }

    fn decimal(&mut self, value: Decimal) {
        let (sign, magnitude, high, low) = value.parts();
        if sign == Ordering::Equal {
            self.bytes.extend([tag::DECIMAL_ZERO, value.scale()]);
            return;
        }
        // The further from zero, the later; of a negative number the other way round.
        let mask = if sign.is_lt() { 0xff } else { 0 };
        self.bytes.push(if sign.is_lt() {
            tag::DECIMAL_NEGATIVE
        } else {
            tag::DECIMAL_POSITIVE
        });
        self.bytes.push((magnitude as u8 ^ 0x80) ^ mask);
        self.bytes
            .extend(high.to_be_bytes().map(|byte| byte ^ mask));
        self.bytes.push(u8::from(low > 0) ^ mask);
        if low > 0 {
            self.bytes.extend(low.to_be_bytes().map(|byte| byte ^ mask));
        }
        self.bytes.push(value.scale());
    }

    /// Appends values that are encoded already.
    pub fn raw(&mut self, row: &Row) {
        self.bytes.extend(row.bytes());
    }

    /// Appends bytes of a row: whole values of it.
    pub(super) fn raw_values(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Appends a value such that greater ones sort first.
    pub fn push_descending(&mut self, value: &Datum<'_>) {
        let at = self.bytes.len();
        self.push(value);
        for byte in &mut self.bytes[at..] {
            *byte = !*byte;
        }
    }

    /// The row, and an empty writer.
    pub fn finish(&mut self) -> Row {
        let row = Row(self.bytes[..].into());
        self.bytes.clear();
        row
    }
}

/// Values of a row.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
}

impl<'a> Values<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// The bytes of what is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Goes past a value without reading it; false at the end.
    ///
    /// # Panics
    /// As [`Values::next`].
    pub(super) fn skip_one(&mut self) -> bool {
        let Some((tag, rest)) = self.rest.split_first() else {
            return false;
        };
        let tag = *tag;
        let len = match tag {
            tag::NULL | tag::FALSE | tag::TRUE => Some(0),
            tag::INT_MIN..=tag::INT_MAX => Some(usize::from(tag.abs_diff(tag::INT_ZERO))),
            tag::DECIMAL_ZERO => Some(1),
            tag::DECIMAL_NEGATIVE | tag::DECIMAL_POSITIVE => {
                // Magnitude, high, whether there is a low, low, scale.
                let none = if tag == tag::DECIMAL_NEGATIVE {
                    0xff
                } else {
                    0
                };
                rest.get(9).map(|more| if *more == none { 11 } else { 19 })
            }
            tag::TEXT => rest
                .iter()
                .position(|byte| *byte == TEXT_END)
                .map(|end| end + 1),
            tag::DATE => Some(4),
            tag::INSTANT => Some(8),
            tag::INTERVAL => Some(32),
            _ => None,
        };
        let behind = len.and_then(|len| rest.get(len..));
        assert!(behind.is_some(), "bytes that are no row ({tag:#x})");
        self.rest = behind.unwrap_or_default();
        true
    }

    fn read(&mut self, tag: u8) -> Option<Datum<'a>> {
        Some(match tag {
            tag::NULL => Datum::Null,
            tag::FALSE => Datum::Bool(false),
            tag::TRUE => Datum::Bool(true),
            tag::INT_MIN..=tag::INT_MAX => {
                let len = usize::from(tag.abs_diff(tag::INT_ZERO));
                let (bytes, rest) = self.rest.split_at_checked(len)?;
                self.rest = rest;
                let start: i64 = if tag < tag::INT_ZERO { -1 } else { 0 };
                Datum::Int(bytes.iter().fold(start, |n, b| (n << 8) | i64::from(*b)))
            }
            tag::DECIMAL_ZERO => {
                let [scale] = self.take()?;
                Datum::Decimal(Decimal::new(0, scale.into()).ok()?)
            }
            tag::DECIMAL_NEGATIVE | tag::DECIMAL_POSITIVE => {
                let negative = tag == tag::DECIMAL_NEGATIVE;
                let mask = if negative { 0xff } else { 0 };
                let [magnitude] = self.take()?;
                let high = u64::from_be_bytes(self.take::<8>()?.map(|byte| byte ^ mask));
                let [more] = self.take()?;
                let low = match more ^ mask {
                    0 => 0,
                    _ => u64::from_be_bytes(self.take::<8>()?.map(|byte| byte ^ mask)),
                };
                let [scale] = self.take()?;
                let magnitude = (magnitude ^ mask ^ 0x80) as i8;
                let value = Decimal::from_parts(negative, magnitude, (high, low), scale);
                Datum::Decimal(value?)
            }
            tag::TEXT => {
                let end = self.rest.iter().position(|byte| *byte == TEXT_END)?;
                let text = std::str::from_utf8(&self.rest[..end]).ok()?;
                self.rest = &self.rest[end + 1..];
                Datum::text(text)
            }
            tag::DATE => Datum::Date((u32::from_be_bytes(self.take()?) ^ (1 << 31)) as i32),
            tag::INSTANT => Datum::Instant((u64::from_be_bytes(self.take()?) ^ (1 << 63)) as i64),
            tag::INTERVAL => {
                let _: [u8; 16] = self.take()?;
                Datum::Interval(Interval {
                    months: (u32::from_be_bytes(self.take()?) ^ (1 << 31)) as i32,
                    days: (u32::from_be_bytes(self.take()?) ^ (1 << 31)) as i32,
                    micros: (u64::from_be_bytes(self.take()?) ^ (1 << 63)) as i64,
                })
            }
            _ => return None,
        })
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Datum<'a>;

    /// # Panics
    /// When the bytes are no row: they were not made here.
    fn next(&mut self) -> Option<Datum<'a>> {
        let (tag, rest) = self.rest.split_first()?;
        self.rest = rest;
        let value = self.read(*tag);
        assert!(value.is_some(), "bytes that are no row ({tag:#x})");
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Datum<'static>> {
        let dec = |text| Datum::Decimal(Decimal::parse(text).unwrap());
        let interval = |text| Datum::Interval(Interval::parse(text).unwrap());
        let mut values = vec![Datum::Bool(false), Datum::Bool(true)];
        let mut ints = vec![0, i64::MIN, i64::MAX];
        for shift in 0..63 {
            ints.extend([
                1 << shift,
                (1 << shift) - 1,
                -(1_i64 << shift),
                -(1_i64 << shift) - 1,
            ]);
        }
        ints.sort_unstable();
        ints.dedup();
        values.extend(ints.into_iter().map(Datum::Int));
        values.extend(
            [
                "-1000",
                "-1.5",
                "-0.01",
                "0",
                "0.01",
                "1.5",
                "1.51",
                "999",
                "12345678901234567890123",
            ]
            .map(dec),
        );
        values.extend(["", "A", "AB", "B", "é", "\u{1f600}"].map(Datum::text));
        values.extend([-700_000, -1, 0, 1, 20_000].map(Datum::Date));
        values.extend([i64::MIN, -1, 0, 1, i64::MAX].map(Datum::Instant));
        values.extend(
            [
                "-1 day", "0 days", "00:00:01", "1 day", "1 month", "31 days",
            ]
            .map(interval),
        );
        values.push(Datum::Null);
        values
    }

    #[test]
    fn values_come_back() {
        let values = all();
        let row = Row::of(&values);
        assert_eq!(row.values().collect::<Vec<_>>(), values);
        let negative_zero = Datum::Decimal(Decimal::parse("0.00").unwrap());
        assert_eq!(
            Row::of([&negative_zero]).values().next(),
            Some(negative_zero)
        );
    }

    #[test]
    fn values_are_skipped_as_they_are_read() {
        let values = all();
        let row = Row::of(&values);
        let (mut read, mut skipped) = (row.values(), row.values());
        while read.next().is_some() {
            assert!(skipped.skip_one());
            assert_eq!(read.rest(), skipped.rest());
        }
        assert!(!skipped.skip_one());
        // Every third, and what lies behind the last wanted one is left out.
        let wanted: Vec<bool> = (0..values.len() - 4).map(|at| at % 3 == 0).collect();
        let mut some = Vec::new();
        row.unpack_some(&wanted, &mut some);
        assert_eq!(some.len(), wanted.len());
        for ((value, some), wanted) in values.iter().zip(&some).zip(&wanted) {
            assert_eq!(some, if *wanted { value } else { &Datum::Null });
        }
        // More are wanted than there are.
        some.clear();
        let row = Row::of([&Datum::Int(5)]);
        row.unpack_some(&[false, true, false], &mut some);
        assert_eq!(some, [Datum::Null]);
    }

    #[test]
    fn rows_sort_like_their_values() {
        let values = all();
        let mut writer = RowWriter::default();
        for pair in values.windows(2) {
            let (a, b) = (Row::of([&pair[0]]), Row::of([&pair[1]]));
            assert!(a < b, "{a} < {b}");
            writer.push_descending(&pair[0]);
            let a = writer.finish();
            writer.push_descending(&pair[1]);
            assert!(a > writer.finish(), "{:?} descending", pair);
        }
        // A value never runs on into the next one.
        let (a, b) = (Datum::text("A"), Datum::text("AB"));
        assert!(Row::of([&a, &Datum::Null]) < Row::of([&b, &Datum::Int(0)]));
    }

    #[test]
    fn small_values_are_short() {
        assert_eq!(Row::of([&Datum::Int(0)]).bytes().len(), 1);
        assert_eq!(Row::of([&Datum::Int(-1)]).bytes().len(), 2);
        assert_eq!(Row::of([&Datum::Int(200)]).bytes().len(), 2);
        assert_eq!(Row::of([&Datum::text("EWR")]).bytes().len(), 5);
    }
}
