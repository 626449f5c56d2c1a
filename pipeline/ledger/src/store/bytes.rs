//! Numbers and sequences as bytes: small numbers take few.

use std::collections::BTreeMap;

/// Why bytes are not a stored state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadState {
    /// Where in the bytes.
    pub at: usize,
    /// What is there.
    pub what: &'static str,
}

impl core::fmt::Display for BadState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "byte {} of the stored state: {}", self.at, self.what)
    }
}

impl core::error::Error for BadState {}

/// What is written so far.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Seven bits a byte, lowest first.
    #[inline]
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Numbers near zero take few bytes, whatever their sign.
    #[inline]
    pub(crate) fn signed(&mut self, value: i64) {
        self.number((value << 1 ^ value >> 63) as u64);
    }

    /// How far `value` is from `base`, which the reader knows.
    #[inline]
    pub(crate) fn distance(&mut self, base: i64, value: i64) {
        self.signed(value.wrapping_sub(base));
    }

    /// A number that is not small as a rule: eight bytes.
    #[inline]
    pub(crate) fn wide(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// How many come.
    #[inline]
    pub(crate) fn len(&mut self, len: usize) {
        self.number(len as u64);
    }
}

/// What is left to read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Something is wrong with what was read last.
    #[cold]
    pub(crate) fn bad(&self, what: &'static str) -> BadState {
        BadState { at: self.at, what }
    }

    /// How much was read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// What was read since a position.
    pub(crate) fn since(&self, position: usize) -> &'a [u8] {
        &self.bytes[position..self.at]
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, BadState> {
        let byte = *self
            .bytes
            .get(self.at)
            .ok_or_else(|| self.bad("it is cut off"))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], BadState> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or_else(|| self.bad("it is cut off"))?;
        self.at += len;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], BadState> {
        let rest = &self.bytes[self.at..];
        let taken = rest
            .first_chunk::<N>()
            .ok_or_else(|| self.bad("it is cut off"))?;
        self.at += N;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, BadState> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.bad("a number without an end"))
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Result<i64, BadState> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    #[inline]
    pub(crate) fn distance(&mut self, base: i64) -> Result<i64, BadState> {
        Ok(base.wrapping_add(self.signed()?))
    }

    #[inline]
    pub(crate) fn wide(&mut self) -> Result<u64, BadState> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// How many come; each takes a byte at least, so that no memory is asked for in vain.
    #[inline]
    pub(crate) fn len(&mut self) -> Result<usize, BadState> {
        let len = self.number()?;
        let left = (self.bytes.len() - self.at) as u64;
        if len > left {
            return Err(self.bad("more entries than bytes"));
        }
        Ok(len as usize)
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), BadState> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.bad("there is more than there should be"))
        }
    }
}

/// Something with a stored form.
pub(crate) trait Stored: Sized {
    fn put(&self, out: &mut Writer);
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState>;
}

macro_rules! unsigned {
    ($($name:ty),*) => { $(
        impl Stored for $name {
            #[inline]
            fn put(&self, out: &mut Writer) {
                out.number(u64::from(*self));
            }
            #[inline]
            fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
                let value = input.number()?;
                Self::try_from(value).map_err(|_| input.bad("a number out of range"))
            }
        }
    )* };
}

macro_rules! signed {
    ($($name:ty),*) => { $(
        impl Stored for $name {
            #[inline]
            fn put(&self, out: &mut Writer) {
                out.signed(i64::from(*self));
            }
            #[inline]
            fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
                let value = input.signed()?;
                Self::try_from(value).map_err(|_| input.bad("a number out of range"))
            }
        }
    )* };
}

unsigned!(u16, u32, u64);
signed!(i16, i32, i64);

impl Stored for u8 {
    fn put(&self, out: &mut Writer) {
        out.byte(*self);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        input.byte()
    }
}

impl Stored for u128 {
    fn put(&self, out: &mut Writer) {
        out.bytes(&self.to_le_bytes());
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        Ok(u128::from_le_bytes(input.array()?))
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Writer) {
        out.byte(u8::from(*self));
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        match input.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(input.bad("neither yes nor no")),
        }
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn put(&self, out: &mut Writer) {
        out.bytes(self);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        input.array()
    }
}

impl Stored for Box<str> {
    fn put(&self, out: &mut Writer) {
        out.len(self.len());
        out.bytes(self.as_bytes());
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let len = input.len()?;
        let bytes = input.bytes(len)?;
        let text = core::str::from_utf8(bytes).map_err(|_| input.bad("text that is no text"))?;
        Ok(text.into())
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Writer) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        Ok(if bool::get(input)? {
            Some(T::get(input)?)
        } else {
            None
        })
    }
}

impl<T: Stored> Stored for Box<T> {
    fn put(&self, out: &mut Writer) {
        (**self).put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        Ok(Box::new(T::get(input)?))
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Writer) {
        out.len(self.len());
        self.iter().for_each(|value| value.put(out));
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let len = input.len()?;
        // Entries may be much larger in memory than here: grown as they come.
        let mut values = Vec::with_capacity(len.min(1024));
        for _ in 0..len {
            values.push(T::get(input)?);
        }
        Ok(values)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        Ok((A::get(input)?, B::get(input)?))
    }
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn put(&self, out: &mut Writer) {
        out.len(self.len());
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }
    fn get(input: &mut Reader<'_>) -> Result<Self, BadState> {
        let len = input.len()?;
        let mut map = BTreeMap::new();
        for _ in 0..len {
            map.insert(K::get(input)?, V::get(input)?);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Stored + PartialEq + core::fmt::Debug>(value: T, len: usize) {
        let mut out = Writer::default();
        value.put(&mut out);
        assert_eq!(out.0.len(), len, "{value:?}");
        let mut input = Reader::new(&out.0);
        assert_eq!(T::get(&mut input).as_ref(), Ok(&value));
        assert_eq!(input.end(), Ok(()));
        for cut in 0..out.0.len() {
            let mut input = Reader::new(&out.0[..cut]);
            assert!(T::get(&mut input).is_err(), "{value:?} cut at {cut}");
        }
    }

    #[test]
    fn values_come_back_and_small_ones_are_small() {
        there_and_back(0_u64, 1);
        there_and_back(127_u64, 1);
        there_and_back(128_u64, 2);
        there_and_back(u64::MAX, 10);
        there_and_back(-1_i64, 1);
        there_and_back(i64::MIN, 10);
        there_and_back(i64::MAX, 10);
        there_and_back(i16::MIN, 3);
        there_and_back(u32::MAX, 5);
        there_and_back(u128::MAX, 16);
        there_and_back(Some(true), 2);
        there_and_back(Box::<str>::from("Zürich"), 8);
        there_and_back(vec![(1_u16, -2_i32), (300, 4)], 6);
        there_and_back(BTreeMap::from([(1_u32, [1, 2, 3])]), 5);
        for (base, value) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (5, -5)] {
            let mut out = Writer::default();
            out.distance(base, value);
            assert_eq!(Reader::new(&out.0).distance(base), Ok(value));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let bad = |bytes: &[u8]| Reader::new(bytes).number().unwrap_err().what;
        assert_eq!(bad(&[0xff; 11]), "a number without an end");
        let many = [0xff, 0xff, 0x03, 0];
        let found = Vec::<u8>::get(&mut Reader::new(&many)).unwrap_err();
        assert_eq!(found.what, "more entries than bytes");
        let wide = [0x80, 0x80, 0x04];
        assert!(u16::get(&mut Reader::new(&wide)).is_err());
        assert!(bool::get(&mut Reader::new(&[2])).is_err());
        assert!(Box::<str>::get(&mut Reader::new(&[1, 0xff])).is_err());
        assert!(Reader::new(&[0]).end().is_err());
    }
}
