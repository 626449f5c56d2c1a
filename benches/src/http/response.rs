//! Heads of answers: as much of HTTP/1.1 as the servers under measurement speak.

use anyhow::{Context, bail};

/// A whole answer, as it lies in the connection's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// The head, status line included.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// A header's value by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    Chunked,
}

/// A head, and where the body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) bytes: usize,
    pub(super) length: Length,
}

/// Reads a head; `None` while it is not whole.
pub(super) fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = &bytes[..end + 2];
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok())
        .context("the server's answer is not HTTP/1.1")?;
    let length = match header(head, "content-length") {
        Some(text) => Length::Known(text.parse().context("content-length")?),
        None if header(head, "transfer-encoding") == Some("chunked") => Length::Chunked,
        None => bail!("an answer says neither its length nor that it is chunked"),
    };
    Ok(Some(Head {
        status,
        bytes: end + 4,
        length,
    }))
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.len() > name.len()
            && line[name.len()] == b':'
            && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
        {
            return std::str::from_utf8(&line[name.len() + 1..])
                .ok()
                .map(str::trim);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text =
            b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nflightline-offset: 5:77\r\n\r\nabc";
        for cut in 0..text.len() - 3 {
            assert_eq!(head(&text[..cut]).unwrap(), None, "{cut}");
        }
        let found = head(text).unwrap().unwrap();
        assert_eq!((found.status, found.length), (201, Length::Known(3)));
        assert_eq!(&text[found.bytes..], b"abc");
        assert_eq!(header(text, "flightline-offset"), Some("5:77"));
        assert_eq!(header(text, "offset"), None);
    }

    #[test]
    fn what_cannot_be_delimited_is_refused() {
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(head(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").is_err());
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked).unwrap().unwrap().length, Length::Chunked);
    }
}
