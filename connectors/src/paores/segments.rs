//! Bytes to EDIFACT segments.

use std::borrow::Cow;
use std::io::{BufRead, ErrorKind};

use crate::reject::{Code, Fault, RAW_BYTES_MAX};

/// The most bytes of a segment. Real ones have some hundred.
const SEGMENT_BYTES_MAX: usize = 16 * 1024;

/// One segment: elements of components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) tag: String,
    pub(super) elements: Vec<Vec<String>>,
    /// As it came, without its end.
    pub(super) raw: Vec<u8>,
}

impl Segment {
    /// A component, both counted from 1; empty where there is none.
    pub(super) fn get(&self, element: usize, component: usize) -> &str {
        self.elements
            .get(element - 1)
            .and_then(|components| components.get(component - 1))
            .map_or("", String::as_str)
    }
}

/// Reads segments.
pub(super) struct Segments<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    component: u8,
    element: u8,
    release: u8,
    end: u8,
    line: u64,
    /// The first segment of the interchange was read.
    started: bool,
    /// One was.
    any: bool,
    ended: bool,
}

/// A segment, or why there is none, with where and what was read of it.
pub(super) type Read = Result<Segment, (u64, Fault, Vec<u8>)>;

impl<'a> Segments<'a> {
    pub(super) fn new(reader: Box<dyn BufRead + Send + 'a>) -> Self {
        Self {
            reader,
            component: b':',
            element: b'+',
            release: b'?',
            end: b'\'',
            line: 1,
            started: false,
            any: false,
            ended: false,
        }
    }

    /// Line up to which was read.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Component, element, release and end.
    fn separate(&mut self, [component, element, release, end]: &[u8; 4]) {
        (self.component, self.element) = (*component, *element);
        (self.release, self.end) = (*release, *end);
    }

    fn byte(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let next = match self.reader.fill_buf() {
                Ok(chunk) => chunk.first().copied(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(Fault::new(
                        Code::Truncated,
                        format!("the input ends too early; {}", Code::Truncated.remedy()),
                    ));
                }
                Err(error) => {
                    return Err(Fault::new(
                        Code::Unreadable,
                        format!(
                            "the input cannot be read on: {error}; {}",
                            Code::Unreadable.remedy()
                        ),
                    ));
                }
            };
            if let Some(byte) = next {
                self.reader.consume(1);
                if byte == b'\n' {
                    self.line += 1;
                }
            }
            return Ok(next);
        }
    }

    /// The next segment; `None` at the end.
    pub(super) fn next_segment(&mut self) -> Option<Read> {
        if self.ended {
            return None;
        }
        let mut raw = Vec::new();
        let mut line = self.line;
        let mut released = false;
        let mut too_long = false;
        loop {
            let byte = match self.byte() {
                Ok(Some(byte)) => byte,
                Ok(None) => {
                    self.ended = true;
                    if raw.is_empty() {
                        return None;
                    }
                    // The first segment may be cut, too.
                    if !self.any && raw[..raw.len().min(2)] != b"UN"[..raw.len().min(2)] {
                        let fault = Fault::new(
                            Code::BadEdifact,
                            "there is no EDIFACT in it: an interchange begins with UNA or UNB; choose the format that it has",
                        );
                        raw.truncate(RAW_BYTES_MAX);
                        return Some(Err((line, fault, raw)));
                    }
                    let fault = Fault::new(
                        Code::Truncated,
                        format!(
                            "the input ends inside of a segment; {}",
                            Code::Truncated.remedy()
                        ),
                    );
                    return Some(Err((line, fault, raw)));
                }
                Err(fault) => {
                    self.ended = true;
                    return Some(Err((line, fault, raw)));
                }
            };
            if raw.is_empty() {
                if byte.is_ascii_whitespace() {
                    line = self.line;
                    continue;
                }
                if !self.started && matches!(byte, 0xef | 0xbb | 0xbf) {
                    continue;
                }
            }
            let in_service_string = !self.started && raw.starts_with(b"UNA") && raw.len() < 9;
            if !released && byte == self.end && !in_service_string {
                break;
            }
            released = !released && byte == self.release && !in_service_string;
            if raw.len() < SEGMENT_BYTES_MAX {
                raw.push(byte);
            } else {
                too_long = true;
            }
            // Without one, the byte behind the first tag tells which of the two usual sets it is.
            if !self.started && raw.len() == 4 && raw.starts_with(b"UNB") {
                match byte {
                    b'+' => self.separate(b":+?'"),
                    0x1d => self.separate(&[0x1f, 0x1d, 0, 0x1c]),
                    _ => {}
                }
            }
            // The service string: six characters that say which ones separate.
            if !self.started && raw.len() == 9 && raw.starts_with(b"UNA") {
                let separators = [raw[3], raw[4], raw[6], raw[8]];
                self.separate(&separators);
                self.started = true;
                raw.clear();
                released = false;
            }
        }
        self.any = true;
        // Separators are those of one interchange.
        self.started = !raw.starts_with(b"UNZ");
        if too_long {
            raw.truncate(RAW_BYTES_MAX);
            let fault = Fault::new(
                Code::LineTooLong,
                format!("the segment has more than {SEGMENT_BYTES_MAX} bytes"),
            );
            return Some(Err((line, fault, raw)));
        }
        Some(Ok(self.split(line, raw)))
    }

    fn split(&self, line: u64, raw: Vec<u8>) -> Segment {
        // Level C is of one byte a character; what is read here is of ASCII in all of them.
        let text = match std::str::from_utf8(&raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => encoding_rs::mem::decode_latin1(&raw),
        };
        let mut elements: Vec<Vec<String>> = vec![vec![String::new()]];
        let mut released = false;
        for c in text.chars() {
            let byte = u8::try_from(c).unwrap_or(0);
            let is = |separator: u8| !released && byte == separator && c.is_ascii();
            if is(self.release) {
                released = true;
                continue;
            }
            if is(self.element) {
                elements.push(vec![String::new()]);
            } else if let Some(components) = elements.last_mut() {
                if is(self.component) {
                    components.push(String::new());
                } else if !matches!(c, '\r' | '\n')
                    && let Some(component) = components.last_mut()
                {
                    component.push(c);
                }
            }
            released = false;
        }
        let tag = elements.remove(0).into_iter().next().unwrap_or_default();
        Segment {
            line,
            tag: tag.trim().to_owned(),
            elements,
            raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<String> {
        let mut segments = Segments::new(Box::new(text));
        let mut out = Vec::new();
        while let Some(read) = segments.next_segment() {
            out.push(match read {
                Ok(segment) => format!("{} {} {:?}", segment.line, segment.tag, segment.elements),
                Err((line, fault, _)) => format!("{line} {}", fault.code),
            });
        }
        out
    }

    #[test]
    fn segments_are_split_and_released_characters_kept() {
        assert_eq!(
            read(b"UNB+A:1'\r\nTVL+a?+b?:c??:d++x'\n\nUNZ'\n"),
            [
                "1 UNB [[\"A\", \"1\"]]",
                "2 TVL [[\"a+b:c?\", \"d\"], [\"\"], [\"x\"]]",
                "4 UNZ []",
            ]
        );
    }

    #[test]
    fn the_service_string_says_what_separates() {
        assert_eq!(
            read(b"UNA|*.! ~UNB*A|1~TVL*b!*c~"),
            ["1 UNB [[\"A\", \"1\"]]", "1 TVL [[\"b*c\"]]"]
        );
        // The usual ones, and none that releases.
        for usual in ["UNA:+.? 'UNB+A:1'TVL+b?+c'", "UNA:+.  '\nUNB+A:1'TVL+b?+c'"] {
            let read = read(usual.as_bytes());
            assert!(read[0].ends_with("UNB [[\"A\", \"1\"]]"), "{read:?}");
            assert_eq!(read.len(), 2);
        }
        assert_eq!(read(b"UNA:+.? 'TVL+b?+c'"), ["1 TVL [[\"b+c\"]]"]);
    }

    #[test]
    fn separators_are_those_of_one_interchange() {
        let level_b = b"UNB\x1dIATB\x1f1\x1cTVL\x1da+b?\x1fc\x1cUNZ\x1d1\x1c";
        let read_b = [
            "1 UNB [[\"IATB\", \"1\"]]",
            "1 TVL [[\"a+b?\", \"c\"]]",
            "1 UNZ [[\"1\"]]",
        ];
        assert_eq!(read(level_b), read_b);
        let both = [
            level_b.as_slice(),
            b"UNA|*.! ~UNB*A|1~UNZ*1~",
            b"UNB+A:1'UNZ+1'",
        ]
        .concat();
        let read = read(&both);
        assert_eq!(read[..3], read_b);
        assert_eq!(read[3], read[5]);
        assert_eq!(read[4], read[6]);
    }

    #[test]
    fn what_is_no_edifact_is_told_so() {
        assert_eq!(read(b"{\"data\":[]}\n"), ["1 bad_edifact"]);
    }

    #[test]
    fn a_cut_segment_is_told() {
        assert_eq!(read(b"UNB+A'TVL+1"), ["1 UNB [[\"A\"]]", "1 truncated"]);
        assert_eq!(
            read(b"UNB+A'IFT+3+Z\xfcrich'TVL+1'")[1..],
            ["1 IFT [[\"3\"], [\"Zürich\"]]", "1 TVL [[\"1\"]]"]
        );
        let long = [b"UNB+".as_slice(), &[b'x'; 20_000], b"'TVL'"].concat();
        assert_eq!(read(&long), ["1 line_too_long", "1 TVL []"]);
        assert_eq!(read(b" \n"), [""; 0]);
    }
}
