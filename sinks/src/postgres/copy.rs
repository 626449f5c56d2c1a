//! PostgreSQL's binary COPY format: rows written, and values shown again for people.

use bytes::{BufMut, Bytes};
use flightline_ledger::{CommandId, Date, FlightKey, Money};

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_S: i64 = EPOCH_DAYS as i64 * 86_400;

/// The head of a COPY stream: signature, no flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Its end.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Latest and earliest instants that PostgreSQL can tell, in microseconds from its epoch: 4713 BC to
/// 294276 AD. What lies beyond is ±infinity.
const MICROS_MIN: i64 = -211_813_488_000_000_000;
const MICROS_END: i64 = 9_223_371_331_200_000_000;

/// Types of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Text,
    Texts,
    Bytes,
    Numeric,
    Date,
    /// With or without zone: the same bytes.
    Timestamp,
    Interval,
}

/// Bytes in pieces, so that much can be added without copying what is there.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    full: Vec<Bytes>,
    open: Vec<u8>,
    len: usize,
}

/// Pieces are sent as they are; PostgreSQL's own programs use 64 KiB.
const CHUNK: usize = 64 << 10;

impl Chunks {
    /// Adds one row.
    pub(super) fn row(&mut self, columns: usize, write: impl FnOnce(&mut Row<'_>)) {
        let before = self.open.len();
        let mut row = Row {
            out: &mut self.open,
            left: columns,
        };
        row.out.put_i16(columns as i16);
        write(&mut row);
        assert_eq!(
            row.left, 0,
            "a row has another number of columns than its table"
        );
        self.len += self.open.len() - before;
        if self.open.len() >= CHUNK {
            let full = std::mem::replace(&mut self.open, Vec::with_capacity(CHUNK + CHUNK / 8));
            self.full.push(full.into());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn into_pieces(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.full.push(self.open.into());
        }
        self.full
    }
}

/// A row that is being written.
pub(super) struct Row<'a> {
    out: &'a mut Vec<u8>,
    left: usize,
}

impl Row<'_> {
    fn head(&mut self, len: usize) {
        assert!(self.left > 0, "a row has more columns than its table");
        self.left -= 1;
        self.out.put_i32(len as i32);
    }

    pub(super) fn null(&mut self) {
        self.head(0);
        // The length of null is −1.
        let at = self.out.len() - 4;
        self.out.truncate(at);
        self.out.put_i32(-1);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.head(1);
        self.out.put_u8(u8::from(value));
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.head(2);
        self.out.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.head(4);
        self.out.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.head(8);
        self.out.put_i64(value);
    }

    /// An offset or a count; the largest that PostgreSQL has when it is larger still.
    pub(super) fn u64(&mut self, value: u64) {
        self.i64(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// PostgreSQL's text cannot hold a zero byte; the character for what cannot be shown stands in.
    pub(super) fn text(&mut self, value: &str) {
        if value.as_bytes().contains(&0) {
            let value = value.replace('\0', "\u{fffd}");
            self.head(value.len());
            self.out.put_slice(value.as_bytes());
        } else {
            self.head(value.len());
            self.out.put_slice(value.as_bytes());
        }
    }

    pub(super) fn text_or_null(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.text(value),
            None => self.null(),
        }
    }

    /// A letter, or nothing.
    pub(super) fn letter(&mut self, letter: Option<u8>) {
        match letter {
            Some(letter) if letter != 0 => {
                let mut buffer = [0; 4];
                self.text(char::from(letter).encode_utf8(&mut buffer));
            }
            _ => self.text(""),
        }
    }

    /// Text that is written by formatting, without a copy.
    pub(super) fn display(&mut self, value: impl std::fmt::Display) {
        use std::io::Write;
        self.head(0);
        let at = self.out.len();
        // Writing to memory does not fail.
        let _ = write!(self.out, "{value}");
        self.close(at);
    }

    /// The text form of a flight key, which most rows have at least once: written by hand.
    pub(super) fn flight(&mut self, key: &FlightKey) {
        self.head(0);
        let at = self.out.len();
        self.out.extend_from_slice(key.carrier.as_str().as_bytes());
        let (number, mut digits, mut len) = (key.number, [0; 5], 0);
        let mut rest = number;
        while rest > 0 || len == 0 {
            len += 1;
            digits[5 - len] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.out.extend_from_slice(&digits[5 - len..]);
        if key.suffix != 0 {
            self.out.push(key.suffix);
        }
        let (year, month, day) = key.origin_date.ymd();
        let year = year.clamp(0, 9999) as u32;
        let digit = |n: u32| b'0' + (n % 10) as u8;
        let date = [
            b'.',
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
            b'.',
        ];
        self.out.extend_from_slice(&date);
        self.out.extend_from_slice(key.board.as_str().as_bytes());
        self.close(at);
    }

    /// The text form of a command id, written by hand for the same reason.
    pub(super) fn id(&mut self, id: CommandId) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.head(32);
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(id.0.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        self.out.extend_from_slice(&text);
    }

    /// Puts the length in front of what was written from `at` on.
    fn close(&mut self, at: usize) {
        let len = (self.out.len() - at) as i32;
        self.out[at - 4..at].copy_from_slice(&len.to_be_bytes());
    }

    pub(super) fn texts(&mut self, values: &[&str]) {
        let elements: usize = values.iter().map(|value| 4 + value.len()).sum();
        self.head(12 + if values.is_empty() { 0 } else { 8 + elements });
        self.out.put_i32(i32::from(!values.is_empty()));
        self.out.put_i32(0);
        // The type of the elements: text.
        self.out.put_i32(25);
        if !values.is_empty() {
            self.out.put_i32(values.len() as i32);
            self.out.put_i32(1);
            for value in values {
                self.out.put_i32(value.len() as i32);
                self.out.put_slice(value.as_bytes());
            }
        }
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.head(value.len());
        self.out.put_slice(value);
    }

    pub(super) fn date(&mut self, value: Date) {
        self.i32(value.0.saturating_sub(EPOCH_DAYS));
    }

    /// An instant in milliseconds from 1970.
    pub(super) fn timestamp_ms(&mut self, ms: i64) {
        let micros = ms
            .checked_sub(EPOCH_S * 1000)
            .and_then(|ms| ms.checked_mul(1000));
        self.timestamp(micros, ms);
    }

    /// An instant in seconds from 1970.
    pub(super) fn timestamp_s(&mut self, s: i64) {
        let micros = s
            .checked_sub(EPOCH_S)
            .and_then(|s| s.checked_mul(1_000_000));
        self.timestamp(micros, s);
    }

    fn timestamp(&mut self, micros: Option<i64>, sign: i64) {
        let told = micros.filter(|micros| (MICROS_MIN..MICROS_END).contains(micros));
        let infinity = if sign < 0 { i64::MIN } else { i64::MAX };
        self.i64(told.unwrap_or(infinity));
    }

    /// Microseconds from 1970.
    pub(super) fn timestamp_us(&mut self, us: i64) {
        self.timestamp(us.checked_sub(EPOCH_S * 1_000_000), us);
    }

    pub(super) fn days(&mut self, days: i32) {
        self.i32(days.saturating_sub(EPOCH_DAYS));
    }

    pub(super) fn interval(&mut self, months: i32, days: i32, micros: i64) {
        self.head(16);
        self.out.put_i64(micros);
        self.out.put_i32(days);
        self.out.put_i32(months);
    }

    /// `digits / 10^scale`, as [`Row::numeric`] writes amounts.
    pub(super) fn decimal(&mut self, digits: i128, scale: u8) {
        let abs = digits.unsigned_abs();
        let unit = 10_u128.pow(scale.into());
        let (mut whole, fraction) = (abs / unit, abs % unit);
        // Groups of four decimal digits, from the last one behind the point on.
        let behind = usize::from(scale).div_ceil(4);
        let filler = (behind * 4) as u32 - u32::from(scale);
        let mut groups: Vec<i16> = Vec::with_capacity(20);
        // At most 38 digits: what fills the last group up is added in it alone.
        let (last, mut rest) = match 4 - filler {
            4 => ((fraction % 10_000) as i16, fraction / 10_000),
            digits => {
                let cut = 10_u128.pow(digits);
                (
                    (fraction % cut * 10_u128.pow(filler)) as i16,
                    fraction / cut,
                )
            }
        };
        if behind > 0 {
            groups.push(last);
            for _ in 1..behind {
                groups.push((rest % 10_000) as i16);
                rest /= 10_000;
            }
        }
        while whole > 0 {
            groups.push((whole % 10_000) as i16);
            whole /= 10_000;
        }
        let first = groups.iter().rposition(|group| *group != 0);
        let last = groups.iter().position(|group| *group != 0);
        let kept: &[i16] = match (last, first) {
            (Some(last), Some(first)) => &groups[last..=first],
            _ => &[],
        };
        self.head(8 + 2 * kept.len());
        self.out.put_i16(kept.len() as i16);
        let weight = first.map_or(0, |first| first as i16 - behind as i16);
        self.out.put_i16(weight);
        self.out.put_u16(if digits < 0 { 0x4000 } else { 0 });
        self.out.put_u16(u16::from(scale));
        for group in kept.iter().rev() {
            self.out.put_i16(*group);
        }
    }

    /// An amount, with as many decimals as its currency has. Digits are in base 10,000, without
    /// zeros in front or behind, as PostgreSQL stores them: rows that are equal have equal bytes.
    pub(super) fn numeric(&mut self, money: &Money) {
        assert!(
            money.exponent <= 4,
            "an amount has {} decimals",
            money.exponent
        );
        let exponent = u32::from(money.exponent);
        let scale = 10_u64.pow(exponent);
        let abs = money.minor.unsigned_abs();
        // Base 10,000 from the right, fraction first. A u64 has 20 decimal digits: 5 groups.
        let mut groups = [0_i16; 6];
        groups[0] = ((abs % scale) * 10_u64.pow(4 - exponent)) as i16;
        let mut whole = abs / scale;
        for group in &mut groups[1..] {
            *group = (whole % 10_000) as i16;
            whole /= 10_000;
        }
        let first = groups.iter().rposition(|group| *group != 0);
        let last = groups.iter().position(|group| *group != 0);
        let digits: &[i16] = match (last, first) {
            (Some(last), Some(first)) => &groups[last..=first],
            _ => &[],
        };
        self.head(8 + 2 * digits.len());
        self.out.put_i16(digits.len() as i16);
        self.out.put_i16(first.map_or(0, |first| first as i16 - 1));
        self.out.put_u16(if money.minor < 0 { 0x4000 } else { 0 });
        self.out.put_u16(u16::from(money.exponent));
        for digit in digits.iter().rev() {
            self.out.put_i16(*digit);
        }
    }
}

/// Fields of one row in binary form: `None` for null. `None` when the bytes are no whole row.
pub(super) fn fields(row: &[u8]) -> Option<Vec<Option<&[u8]>>> {
    let (count, mut rest) = row.split_first_chunk::<2>()?;
    let mut fields = Vec::new();
    for _ in 0..i16::from_be_bytes(*count) {
        let (len, tail) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*len)) {
            Err(_) => {
                fields.push(None);
                rest = tail;
            }
            Ok(len) => {
                let (field, tail) = tail.split_at_checked(len)?;
                fields.push(Some(field));
                rest = tail;
            }
        }
    }
    rest.is_empty().then_some(fields)
}

/// A value as people read it.
pub(super) fn show(ty: Type, field: Option<&[u8]>) -> String {
    let Some(field) = field else {
        return "null".to_owned();
    };
    let int = || {
        let negative = field.first().is_some_and(|byte| byte & 0x80 != 0);
        let start: i64 = if negative { -1 } else { 0 };
        let bytes = field.iter().take(8);
        bytes.fold(start, |value, byte| (value << 8) | i64::from(*byte))
    };
    match ty {
        Type::Bool => (field != [0]).to_string(),
        Type::Int2 | Type::Int4 | Type::Int8 => int().to_string(),
        Type::Text => format!("{:?}", String::from_utf8_lossy(field)),
        Type::Texts => show_texts(field).unwrap_or_else(|| hex(field)),
        Type::Bytes => hex(field),
        Type::Numeric => show_numeric(field).unwrap_or_else(|| hex(field)),
        Type::Interval => hex(field),
        Type::Date => Date((int() as i32).saturating_add(EPOCH_DAYS)).to_string(),
        Type::Timestamp => match int() {
            i64::MAX => "infinity".to_owned(),
            i64::MIN => "-infinity".to_owned(),
            micros => {
                let seconds = micros.div_euclid(1_000_000);
                let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
                let date = Date((days as i32).saturating_add(EPOCH_DAYS));
                let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
                let micros = micros.rem_euclid(1_000_000);
                format!("{date} {h:02}:{m:02}:{s:02}.{micros:06}")
            }
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("\\x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn show_numeric(field: &[u8]) -> Option<String> {
    let words: Vec<i16> = field
        .chunks(2)
        .map(|pair| Some(i16::from_be_bytes(pair.try_into().ok()?)))
        .collect::<Option<_>>()?;
    let [_, weight, sign, scale, digits @ ..] = &words[..] else {
        return None;
    };
    let digit = |place: i16| -> i16 {
        let at = usize::try_from(weight - place).ok();
        at.and_then(|at| digits.get(at)).copied().unwrap_or(0)
    };
    let mut text = if *sign == 0x4000 { "-" } else { "" }.to_owned();
    let mut whole = String::new();
    for place in (0..=*weight.max(&0)).rev() {
        whole.push_str(&format!("{:04}", digit(place)));
    }
    let whole = whole.trim_start_matches('0');
    text.push_str(if whole.is_empty() { "0" } else { whole });
    if *scale > 0 {
        let fraction = format!("{:04}", digit(-1));
        text.push('.');
        text.push_str(fraction.get(..*scale as usize)?);
    }
    Some(text)
}

fn show_texts(field: &[u8]) -> Option<String> {
    let (_, mut rest) = field.split_at_checked(20)?;
    let mut texts = Vec::new();
    while let Some((len, tail)) = rest.split_first_chunk::<4>() {
        let (text, tail) = tail.split_at_checked(i32::from_be_bytes(*len) as usize)?;
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = tail;
    }
    Some(format!("{{{}}}", texts.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(write: impl FnOnce(&mut Row<'_>)) -> Vec<u8> {
        let mut chunks = Chunks::default();
        chunks.row(1, write);
        let row: Vec<u8> = chunks.into_pieces().concat();
        let fields = fields(&row).unwrap();
        assert_eq!(fields.len(), 1);
        fields[0].unwrap().to_vec()
    }

    #[test]
    fn amounts_are_shown_as_they_print() {
        for exponent in 0..=4 {
            for minor in [
                0,
                1,
                -1,
                9,
                10,
                9_999,
                10_000,
                10_001,
                120_000_000,
                i64::MAX,
                i64::MIN,
            ] {
                let currency = "USD".parse().unwrap();
                let money = Money {
                    minor,
                    currency,
                    exponent,
                };
                let field = one(|row| row.numeric(&money));
                let zeros = field[8..].chunks(2).next_back() == Some(&[0, 0])
                    || field[8..].chunks(2).next() == Some(&[0, 0]);
                assert!(!zeros, "{money} has digits that PostgreSQL would drop");
                assert_eq!(show(Type::Numeric, Some(&field)), money.to_string());
            }
        }
    }

    #[test]
    fn instants_beyond_the_calendar_are_infinite() {
        let show = |field: Vec<u8>| show(Type::Timestamp, Some(&field));
        assert_eq!(
            show(one(|row| row.timestamp_ms(0))),
            "1970-01-01 00:00:00.000000"
        );
        assert_eq!(
            show(one(|row| row.timestamp_ms(-1))),
            "1969-12-31 23:59:59.999000"
        );
        assert_eq!(show(one(|row| row.timestamp_ms(i64::MAX))), "infinity");
        assert_eq!(show(one(|row| row.timestamp_ms(i64::MIN))), "-infinity");
        assert_eq!(
            show(one(|row| row.timestamp_s(10_000_000_000_000))),
            "infinity"
        );
    }

    #[test]
    fn texts_survive() {
        let text = |value: &str| one(|row| row.text(value));
        assert_eq!(text("a\0b"), "a\u{fffd}b".as_bytes());
        assert_eq!(
            one(|row| row.display(format_args!("{}-{}", 1, "x"))),
            b"1-x"
        );
        assert_eq!(one(|row| row.letter(None)), b"");
        let array = one(|row| row.texts(&["a", "bc"]));
        assert_eq!(show(Type::Texts, Some(&array)), "{a,bc}");
    }

    #[test]
    fn keys_and_ids_are_written_as_they_print() {
        for text in [
            "UA1545.2027-01-05.EWR",
            "9E1.1900-12-31.JFK",
            "BAW9999Z.2999-02-28.LHR",
            "AA10A.2028-02-29.JFK",
        ] {
            let key: FlightKey = text.parse().unwrap();
            assert_eq!(one(|row| row.flight(&key)), text.as_bytes());
        }
        for id in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef] {
            let id = CommandId(id);
            assert_eq!(one(|row| row.id(id)), id.to_string().as_bytes());
        }
    }

    #[test]
    fn pieces_add_up() {
        let mut chunks = Chunks::default();
        for n in 0..20_000 {
            chunks.row(1, |row| row.i64(n));
        }
        let len = chunks.len();
        let pieces = chunks.into_pieces();
        assert!(pieces.len() > 1);
        assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), len);
        assert_eq!(len, 20_000 * 14);
    }
}
