//! Numbers and texts as bytes: seven bits to a byte, so that small numbers are short.

/// Writes a body.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// Numbers of either sign; those near 0 are short.
    pub(super) fn signed(&mut self, n: i64) {
        self.number((n.wrapping_shl(1) ^ (n >> 63)) as u64);
    }

    /// A text of at most 255 bytes.
    pub(super) fn text(&mut self, text: &str) {
        self.byte(text.len() as u8);
        self.bytes(text.as_bytes());
    }
}

/// Reads a body; every method is `None` when it does not hold what is asked for.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut n = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            n |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let n = self.number()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let len = self.byte()?;
        std::str::from_utf8(self.take(usize::from(len))?).ok()
    }

    /// How many of something follow: at most `max`.
    pub(super) fn count(&mut self, max: usize) -> Option<usize> {
        let count = usize::from(self.byte()?);
        (count <= max).then_some(count)
    }

    /// `Some` when everything was read.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, -1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut writer = Writer::default();
            writer.signed(n);
            writer.number(n as u64);
            let mut reader = Reader(&writer.0);
            assert_eq!(reader.signed(), Some(n));
            assert_eq!(reader.number(), Some(n as u64));
            assert_eq!(reader.end(), Some(()));
            assert_eq!(reader.byte(), None);
        }
        assert_eq!(Reader(&[0xff; 10]).number(), None);
        assert_eq!(Reader(&[3, b'a']).text(), None);
    }
}
