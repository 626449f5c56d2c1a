//! A body as a blocking reader, for connectors that read in a thread of their own.

use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;

use crate::http::body::Encoding;

/// What comes from the connection.
#[derive(Debug)]
pub(crate) enum Piece {
    Bytes(Bytes),
    /// The body is whole. A channel that closes without it means that the client is gone.
    End,
    Broken(String),
}

/// Reads pieces as they come.
#[derive(Debug)]
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

impl BodyReader {
    pub(crate) fn new(pieces: mpsc::Receiver<Piece>) -> Self {
        Self {
            pieces,
            current: Bytes::new(),
            ended: false,
        }
    }

    /// The next bytes that are there, or none at the end.
    fn fill(&mut self) -> io::Result<&Bytes> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(why)) => return Err(io::Error::other(why)),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the client closed the connection before the end of the body",
                    ));
                }
            }
        }
        Ok(&self.current)
    }
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.fill()?.len().min(out.len());
        self.current.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}

/// Takes off the encoding that the headers name, and then gzip when the content itself begins with
/// its mark: a `.gz` file is often sent as it is.
pub(crate) fn unpack(reader: BodyReader, encoding: Encoding) -> Box<dyn Read + Send> {
    match encoding {
        Encoding::Identity => Box::new(Sniffed::new(reader)),
        Encoding::Gzip => Box::new(Sniffed::new(MultiGzDecoder::new(reader))),
    }
}

/// Finds out on the first read whether the content is gzip. Not before: reading blocks, and may fail.
enum Sniffed<R: Read> {
    Fresh(Option<R>),
    Plain(io::Chain<io::Cursor<Vec<u8>>, R>),
    Gzip(Box<MultiGzDecoder<io::Chain<io::Cursor<Vec<u8>>, R>>>),
}

impl<R: Read> Sniffed<R> {
    fn new(reader: R) -> Self {
        Self::Fresh(Some(reader))
    }
}

impl<R: Read> Read for Sniffed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        const MARK: [u8; 2] = [0x1f, 0x8b];
        if let Self::Fresh(reader) = self
            && let Some(mut reader) = reader.take()
        {
            let mut first = Vec::with_capacity(MARK.len());
            reader
                .by_ref()
                .take(MARK.len() as u64)
                .read_to_end(&mut first)?;
            let is_gzip = first == MARK;
            let whole = Read::chain(io::Cursor::new(first), reader);
            *self = if is_gzip {
                Self::Gzip(Box::new(MultiGzDecoder::new(whole)))
            } else {
                Self::Plain(whole)
            };
        }
        match self {
            // The first read failed: the input cannot be read on.
            Self::Fresh(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Plain(reader) => reader.read(out),
            Self::Gzip(reader) => reader.read(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn read(pieces: Vec<Piece>, encoding: Encoding) -> io::Result<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(piece).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        unpack(BodyReader::new(receiver), encoding).read_to_end(&mut out)?;
        Ok(out)
    }

    fn pieces(bytes: &[u8], size: usize) -> Vec<Piece> {
        let cut = bytes
            .chunks(size)
            .map(|c| Piece::Bytes(Bytes::copy_from_slice(c)));
        cut.chain([Piece::End]).collect()
    }

    #[test]
    fn bodies_come_out_plain() {
        let plain = b"one\ntwo\n".repeat(1000);
        let once = gzip(&plain);
        let twice = gzip(&once);
        let two_members = [gzip(b"a"), gzip(b"b")].concat();
        for size in [1, 3, 1 << 20] {
            let read = |bytes: &[u8], encoding| read(pieces(bytes, size), encoding).unwrap();
            assert_eq!(read(&plain, Encoding::Identity), plain);
            assert_eq!(read(&once, Encoding::Identity), plain);
            assert_eq!(read(&once, Encoding::Gzip), plain);
            assert_eq!(read(&twice, Encoding::Gzip), plain);
            assert_eq!(read(&two_members, Encoding::Identity), b"ab");
            assert_eq!(read(b"", Encoding::Identity), b"");
            assert_eq!(read(b"x", Encoding::Identity), b"x");
        }
    }

    #[test]
    fn a_broken_body_is_an_error() {
        let plain = b"one\ntwo\n".repeat(1000);
        let packed = gzip(&plain);
        let cut = &packed[..packed.len() / 2];
        assert!(read(pieces(cut, 7), Encoding::Identity).is_err());
        assert!(read(pieces(&plain, 7), Encoding::Gzip).is_err());
        let gone = read(
            vec![Piece::Bytes(Bytes::from_static(b"abc"))],
            Encoding::Identity,
        );
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let broken = read(vec![Piece::Broken("why".into())], Encoding::Identity);
        assert_eq!(broken.unwrap_err().to_string(), "why");
    }
}
