//! Lines of bounded length, numbered from 1, with every fault of the text told apart.

use std::io::{self, BufRead, Read};

use crate::reject::{Code, Fault, RAW_BYTES_MAX};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads lines; blank ones are counted and skipped.
pub(crate) struct Lines<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    /// The longest line taken, in bytes, without its line end.
    bytes_max: usize,
    buffer: Vec<u8>,
    number: u64,
    ended: bool,
}

/// A line that is not blank.
pub(crate) struct Line<'b> {
    /// From 1.
    pub(crate) number: u64,
    /// As it came, without line end and byte order mark; cut when it is too long.
    pub(crate) raw: &'b [u8],
    /// Its text, or why it has none.
    pub(crate) text: Result<&'b str, Fault>,
    /// Whether a line end followed. The last line of a cut file has none.
    pub(crate) complete: bool,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(reader: Box<dyn BufRead + Send + 'a>, bytes_max: usize) -> Self {
        assert!(
            bytes_max >= RAW_BYTES_MAX,
            "a line is shorter than a reject"
        );
        Self {
            reader,
            bytes_max,
            buffer: Vec::new(),
            number: 0,
            ended: false,
        }
    }

    /// The next line that is not blank, or `None` at the end.
    pub(crate) fn next_line(&mut self) -> Option<Line<'_>> {
        loop {
            if self.ended {
                return None;
            }
            self.buffer.clear();
            self.number += 1;
            // Two more than the longest line: its CR and LF.
            let limit = self.bytes_max as u64 + 2;
            let read = self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer);
            let fault = match read {
                Err(error) => Some(self.broken(&error)),
                Ok(0) => {
                    self.ended = true;
                    return None;
                }
                Ok(_) => None,
            };
            let complete = self.buffer.last() == Some(&b'\n');
            if complete {
                self.buffer.pop();
                if self.buffer.last() == Some(&b'\r') {
                    self.buffer.pop();
                }
            }
            let fault = match fault {
                None if self.buffer.len() > self.bytes_max => Some(self.too_long(complete)),
                fault => fault,
            };
            let start = if self.number == 1 && self.buffer.starts_with(BOM) {
                BOM.len()
            } else {
                0
            };
            if fault.is_none() && self.buffer[start..].iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let raw = &self.buffer[start..];
            let text = match fault {
                Some(fault) => Err(fault),
                None => text_of(raw),
            };
            return Some(Line {
                number: self.number,
                raw,
                text,
                complete,
            });
        }
    }

    /// Drops the rest of an overlong line without keeping it.
    fn too_long(&mut self, complete: bool) -> Fault {
        self.buffer.truncate(RAW_BYTES_MAX);
        let reason = format!(
            "the line has more than {} bytes; {}",
            self.bytes_max,
            Code::LineTooLong.remedy()
        );
        if !complete && let Err(error) = self.reader.skip_until(b'\n') {
            return self.broken(&error);
        }
        Fault::new(Code::LineTooLong, reason)
    }

    /// The input cannot be read on.
    fn broken(&mut self, error: &io::Error) -> Fault {
        self.ended = true;
        let code = match error.kind() {
            io::ErrorKind::UnexpectedEof => Code::Truncated,
            _ => Code::Unreadable,
        };
        let what = match code {
            Code::Truncated => "the input ends too early".to_owned(),
            _ => format!("the input cannot be read on: {error}"),
        };
        Fault::new(code, format!("{what}; {}", code.remedy()))
    }
}

/// A line of a teletype message as it counts: capitals, without blanks and the characters around it
/// with which lines of telegrams begin and end their texts.
pub(crate) fn telegram(line: &str) -> String {
    line.trim_matches(|c: char| {
        c.is_whitespace() || matches!(c, '\u{1}'..='\u{4}' | '\u{b}' | '\u{1a}')
    })
    .to_ascii_uppercase()
}

fn text_of(raw: &[u8]) -> Result<&str, Fault> {
    let is_utf16 = looks_like_utf16(raw);
    let bad = match std::str::from_utf8(raw) {
        // Letters of UTF-16 are UTF-8, with a NUL at each: every format would find something else to say.
        Ok(_) if is_utf16 => raw.iter().position(|byte| *byte == 0).unwrap_or(0),
        Ok(text) => return Ok(text),
        Err(error) => error.valid_up_to(),
    };
    let hint = if is_utf16 {
        " (it looks like UTF-16)"
    } else {
        ""
    };
    Err(Fault::new(
        Code::NotUtf8,
        format!(
            "byte {} of the line is not UTF-8{hint}; {}",
            bad + 1,
            Code::NotUtf8.remedy()
        ),
    ))
}

/// Has it the mark of UTF-16, or are so many of its bytes NUL as only in UTF-16?
fn looks_like_utf16(raw: &[u8]) -> bool {
    let nuls = raw.iter().filter(|byte| **byte == 0).count();
    raw.starts_with(b"\xff\xfe") || raw.starts_with(b"\xfe\xff") || nuls * 3 > raw.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<(u64, Result<String, Code>, bool)> {
        let mut lines = Lines::new(Box::new(bytes), RAW_BYTES_MAX);
        let mut out = Vec::new();
        while let Some(line) = lines.next_line() {
            assert!(line.raw.len() <= RAW_BYTES_MAX);
            out.push((
                line.number,
                line.text.map(str::to_owned).map_err(|f| f.code),
                line.complete,
            ));
        }
        out
    }

    #[test]
    fn lines_are_numbered_over_blank_ones_and_line_ends_do_not_matter() {
        let ok = |n, text: &str, complete| (n, Ok(text.to_owned()), complete);
        assert_eq!(
            read(b"\xef\xbb\xbfa\r\n\n  \t\r\nb\n\xff\nc"),
            [
                ok(1, "a", true),
                ok(4, "b", true),
                (5, Err(Code::NotUtf8), true),
                ok(6, "c", false)
            ]
        );
        assert_eq!(read(b""), []);
        assert_eq!(read(b"\n\r\n"), []);
        assert_eq!(read(b"a"), [ok(1, "a", false)]);
    }

    #[test]
    fn every_line_of_utf_16_says_so_whatever_its_order_of_bytes() {
        let text = "# one\ntwo\n";
        let little = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: [Vec<u8>; 2] = [little, big];
        for bytes in cases {
            let mut lines = Lines::new(Box::new(&bytes[..]), RAW_BYTES_MAX);
            for number in 1..=2 {
                let fault = lines.next_line().unwrap().text.unwrap_err();
                assert_eq!(fault.code, Code::NotUtf8);
                assert!(
                    fault.reason.contains("UTF-16"),
                    "{number}: {}",
                    fault.reason
                );
            }
        }
        // A byte that was lost on the way is for the format to judge.
        assert_eq!(read(b"ab\0c\n"), [(1, Ok("ab\0c".to_owned()), true)]);
    }

    #[test]
    fn an_overlong_line_is_cut_and_the_next_one_read() {
        for (length, fits) in [
            (RAW_BYTES_MAX, true),
            (RAW_BYTES_MAX + 1, false),
            (RAW_BYTES_MAX + 2, false),
            (RAW_BYTES_MAX + 3, false),
            (100 * RAW_BYTES_MAX, false),
        ] {
            for end in ["\n", "\r\n"] {
                let text = format!("{}{end}next\n", "x".repeat(length));
                let lines = read(text.as_bytes());
                assert_eq!(lines.len(), 2, "{length}");
                assert_eq!(lines[0].1.is_ok(), fits, "{length}");
                assert_eq!(lines[1].1.as_deref(), Ok("next"));
            }
        }
    }

    #[test]
    fn a_broken_input_is_told_once_and_ends() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the line is dead"))
            }
        }
        let reader = io::BufReader::new(b"one\ntw".chain(Breaks));
        let mut lines = Lines::new(Box::new(reader), RAW_BYTES_MAX);
        assert!(lines.next_line().unwrap().text.is_ok());
        let line = lines.next_line().unwrap();
        assert_eq!((line.number, line.raw), (2, &b"tw"[..]));
        let fault = line.text.unwrap_err();
        assert_eq!(fault.code, Code::Unreadable);
        assert!(fault.reason.contains("the line is dead"));
        assert!(lines.next_line().is_none());
    }
}
