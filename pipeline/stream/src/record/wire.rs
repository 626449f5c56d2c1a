//! The primitives of the record format: little-endian fixed fields, and variable-length integers.
//!
//! Every value has exactly one encoding; the reader refuses the others. So a record that decodes
//! encodes to the same bytes again.

use flightline_ledger::codes::BadCode;

use super::error::DecodeError;

/// Appends an unsigned integer, seven bits to a byte, lowest first.
#[inline]
pub(super) fn put_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed integer, small magnitudes in few bytes.
#[inline]
pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a length and the bytes.
#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote. Never panics, and never allocates more than it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[b]| b)
    }

    #[inline]
    pub(super) fn uint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of 0 is a longer way to write a shorter number.
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(DecodeError::bad(field, "is not a shortest-form integer"))
    }

    /// An unsigned integer that must fit its type.
    #[inline]
    pub(super) fn small<T: TryFrom<u64>>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        T::try_from(self.uint(field)?).map_err(|_| DecodeError::bad(field, "is out of range"))
    }

    #[inline]
    pub(super) fn int(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let raw = self.uint(field)?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A signed integer that must fit its type.
    #[inline]
    pub(super) fn small_int<T: TryFrom<i64>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, DecodeError> {
        T::try_from(self.int(field)?).map_err(|_| DecodeError::bad(field, "is out of range"))
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = self.small::<usize>(field)?;
        self.take(len)
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(field)?;
        core::str::from_utf8(bytes).map_err(|_| DecodeError::bad(field, "is not UTF-8"))
    }

    /// A list: its length, then its items. `each` must read at least one byte, so that the length
    /// cannot ask for more memory than the record could fill.
    pub(super) fn list<T>(
        &mut self,
        field: &'static str,
        mut each: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.small::<usize>(field)?;
        if count > self.remaining() {
            return Err(DecodeError::Short);
        }
        // Items are larger in memory than on the wire: grow with what really comes.
        let mut items = Vec::with_capacity(count.min(32));
        for _ in 0..count {
            items.push(each(self)?);
        }
        Ok(items)
    }

    /// A set of bits of which only those in `known` have a meaning.
    #[inline]
    pub(super) fn bits(&mut self, field: &'static str, known: u8) -> Result<u8, DecodeError> {
        let bits = self.byte()?;
        if bits & !known != 0 {
            return Err(DecodeError::bad(field, "has bits without a meaning"));
        }
        Ok(bits)
    }
}

/// Names the field of a code that was refused.
pub(super) fn code<T>(field: &'static str, value: Result<T, BadCode>) -> Result<T, DecodeError> {
    value.map_err(|bad| DecodeError::bad(field, bad.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_at_their_edges() {
        for value in [
            0,
            1,
            127,
            128,
            16_383,
            16_384,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut out = Vec::new();
            put_uint(&mut out, value);
            let mut reader = Reader::new(&out);
            assert_eq!(reader.uint("n"), Ok(value));
            assert_eq!(reader.remaining(), 0);
            for cut in 0..out.len() {
                assert_eq!(Reader::new(&out[..cut]).uint("n"), Err(DecodeError::Short));
            }
        }
        for value in [0, -1, 1, 63, -64, 64, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(Reader::new(&out).int("n"), Ok(value));
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in [
            &[0x80, 0][..],
            &[0xff, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            &[0xff; 11],
        ] {
            assert!(
                Reader::new(bytes).uint("n").is_err(),
                "{bytes:x?} was taken"
            );
        }
    }

    #[test]
    fn a_list_cannot_ask_for_more_than_is_there() {
        let mut out = Vec::new();
        put_uint(&mut out, u64::MAX >> 1);
        let read = Reader::new(&out).list("items", |r| r.byte());
        assert_eq!(read, Err(DecodeError::Short));
    }
}
