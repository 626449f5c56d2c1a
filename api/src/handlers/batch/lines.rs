//! A body in pieces, cut into lines of bounded length.

use bytes::{Bytes, BytesMut};

/// The longest line taken.
pub(crate) const LINE_BYTES_MAX: usize = 64 << 10;

/// A line, blank or not, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text(Bytes),
    TooLong,
}

/// Pieces on their way to lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    piece: Bytes,
    /// The beginning of a line whose end has not come yet.
    begun: BytesMut,
    /// The line is too long: it is dropped up to its end.
    dropping: bool,
}

impl Lines {
    /// Takes the next piece. The one before must have been used up.
    pub(crate) fn feed(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty());
        self.piece = piece;
    }

    /// The next whole line of what there is.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        let Some(end) = memchr::memchr(b'\n', &self.piece) else {
            let rest = std::mem::take(&mut self.piece);
            self.begin(&rest);
            return None;
        };
        let mut line = self.piece.split_to(end + 1);
        line.truncate(end);
        if self.begun.is_empty() && !self.dropping {
            return Some(whole(line));
        }
        self.begin(&line);
        Some(self.end())
    }

    /// What is left when the body has ended without the end of a line.
    pub(crate) fn last_line(&mut self) -> Option<Line> {
        let left = self.dropping || !self.begun.is_empty();
        left.then(|| self.end())
    }

    fn begin(&mut self, part: &[u8]) {
        // One more than the longest, for a carriage return at its end.
        if self.dropping || self.begun.len() + part.len() > LINE_BYTES_MAX + 1 {
            self.dropping = true;
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(part);
        }
    }

    fn end(&mut self) -> Line {
        if std::mem::take(&mut self.dropping) {
            Line::TooLong
        } else {
            whole(self.begun.split().freeze())
        }
    }
}

fn whole(mut line: Bytes) -> Line {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    if line.len() > LINE_BYTES_MAX {
        Line::TooLong
    } else {
        Line::Text(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8], size: usize) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for piece in text.chunks(size) {
            lines.feed(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next_line() {
                out.push(line);
            }
        }
        out.extend(lines.last_line());
        out
    }

    #[test]
    fn lines_are_the_same_however_the_body_is_cut() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let too_long = "y".repeat(LINE_BYTES_MAX + 1);
        let text = format!("a\r\n\nbc\n{long}\r\n{too_long}\n{too_long}y\r\nd");
        let text_line = |t: &str| Line::Text(Bytes::copy_from_slice(t.as_bytes()));
        let expected = [
            text_line("a"),
            text_line(""),
            text_line("bc"),
            text_line(&long),
            Line::TooLong,
            Line::TooLong,
            text_line("d"),
        ];
        for size in [1, 2, 3, 7, 1000, 65_536, 65_537, text.len()] {
            assert_eq!(cut(text.as_bytes(), size), expected, "pieces of {size}");
        }
        assert_eq!(cut(b"", 1), []);
        assert_eq!(cut(b"a\n", 1), [text_line("a")]);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.feed(Bytes::from(vec![b'x'; LINE_BYTES_MAX]));
            assert_eq!(lines.next_line(), None);
            assert!(lines.begun.capacity() <= 4 * LINE_BYTES_MAX);
        }
        assert_eq!(lines.last_line(), Some(Line::TooLong));
    }
}
