//! Gzip by its first bytes, plain otherwise.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// The two bytes every gzip member begins with.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

type Whole<R> = Chain<Cursor<Vec<u8>>, R>;

/// A reader that unpacks gzip when its first two bytes say so. Looks at nothing before it is read,
/// so that making one neither blocks nor fails.
pub(crate) enum MaybeGz<R: BufRead> {
    /// Nothing read yet. Empty only while the state changes.
    Unread(Option<R>),
    Plain(Whole<R>),
    Gzip(Box<BufReader<MultiGzDecoder<Whole<R>>>>),
}

impl<R: BufRead> MaybeGz<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::Unread(Some(reader))
    }

    fn decided(&mut self) -> io::Result<&mut dyn BufRead> {
        if let Self::Unread(reader) = self {
            let Some(mut inner) = reader.take() else {
                // Looking at the first bytes failed before: the error was reported then.
                return Err(io::Error::other("the input failed before"));
            };
            // `fill_buf` may give a single byte, hence two bytes by hand, put back in front.
            let mut head = Vec::with_capacity(GZIP_MAGIC.len());
            inner
                .by_ref()
                .take(GZIP_MAGIC.len() as u64)
                .read_to_end(&mut head)?;
            let gzip = head == GZIP_MAGIC;
            let whole = Cursor::new(head).chain(inner);
            *self = if gzip {
                Self::Gzip(Box::new(BufReader::with_capacity(
                    64 * 1024,
                    MultiGzDecoder::new(whole),
                )))
            } else {
                Self::Plain(whole)
            };
        }
        match self {
            Self::Plain(reader) => Ok(reader),
            Self::Gzip(reader) => Ok(reader.as_mut()),
            Self::Unread(_) => unreachable!("decided above"),
        }
    }
}

impl<R: BufRead> Read for MaybeGz<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.decided()?.read(buf)
    }
}

impl<R: BufRead> BufRead for MaybeGz<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.decided()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Self::Plain(reader) => reader.consume(amount),
            Self::Gzip(reader) => reader.consume(amount),
            // Nothing was handed out, so there is nothing to consume.
            Self::Unread(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        // A buffer of one byte is the hardest case for telling the format.
        MaybeGz::new(BufReader::with_capacity(1, bytes)).read_to_end(&mut out)?;
        Ok(out)
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn plain_and_gzip_read_the_same() {
        for text in [&b""[..], b"a", b"\x1f", b"\x1fx", b"hello\n", &[7; 100_000]] {
            assert_eq!(read(text).unwrap(), text);
            assert_eq!(read(&gz(text)).unwrap(), text);
        }
    }

    #[test]
    fn members_follow_each_other_and_cut_ones_are_errors() {
        let two = [gz(b"one"), gz(b"two")].concat();
        assert_eq!(read(&two).unwrap(), b"onetwo");
        let cut = &gz(b"hello hello hello")[..20];
        assert_eq!(read(cut).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(read(&GZIP_MAGIC).is_err());
    }
}
