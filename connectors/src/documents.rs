//! JSON documents cut into records, without reading a document as a whole.
//!
//! A response is one object with thousands of offers in it. This finds where each begins and ends by
//! counting brackets outside of texts, and hands out its bytes; what stands in them is for a real
//! JSON reader. Records may lie inside of each other (an offer request and its offers): the inner ones
//! come first, and the outer one comes without them.
//!
//! Several documents may follow each other, as in newline-delimited JSON.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind};

use crate::encoding::decoded;
use crate::reject::{Code, Fault, RAW_BYTES_MAX};

/// The deepest nesting that is followed.
const DEPTH_MAX: usize = 128;

/// The longest name of a field that is looked at.
const NAME_BYTES_MAX: usize = 64;

/// Where in a document a record lies: names of fields, and `[]` for an element of a list.
pub(crate) type Path = &'static [&'static str];

/// One record.
#[derive(Debug)]
pub(crate) struct Record {
    /// Line on which it begins, from 1.
    pub(crate) line: u64,
    /// Its bytes, or what it began with when `fault` says why there is no more.
    pub(crate) bytes: Vec<u8>,
    /// Where it lay: an index into the paths asked for.
    pub(crate) path: usize,
    pub(crate) fault: Option<Fault>,
}

struct Frame {
    /// `[]` in a list, else the field whose value comes.
    part: Vec<u8>,
    is_list: bool,
    /// A record begins here.
    is_record: bool,
    /// The elements of this list are records: nothing of them stays in the record around it.
    holds_records: bool,
}

/// A record that has begun.
struct Open {
    path: usize,
    line: u64,
    /// Where its bytes begin in the buffer.
    from: usize,
    too_long: bool,
}

/// Reads records out of documents.
pub(crate) struct Documents<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    paths: &'static [Path],
    /// The most bytes of a record without those inside of it.
    bytes_max: usize,
    line: u64,
    frames: Vec<Frame>,
    open: Vec<Open>,
    /// Bytes of the records that are open, the inner behind the outer.
    buffer: Vec<u8>,
    in_text: bool,
    escaped: bool,
    /// The text that is read, while it may be a field's name.
    name: Option<Vec<u8>>,
    /// What stands where a record should, and is none.
    stray: Vec<u8>,
    ready: VecDeque<Record>,
    ended: bool,
    at_start: bool,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(
        reader: Box<dyn BufRead + Send + 'a>,
        paths: &'static [Path],
        bytes_max: usize,
    ) -> Self {
        Self {
            reader: decoded(reader),
            paths,
            bytes_max,
            line: 1,
            frames: Vec::new(),
            open: Vec::new(),
            buffer: Vec::new(),
            in_text: false,
            escaped: false,
            name: None,
            stray: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
            at_start: true,
        }
    }

    /// The next record, inner ones first.
    pub(crate) fn next_record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(record);
            }
            if self.ended {
                return None;
            }
            self.read_on();
        }
    }

    fn read_on(&mut self) {
        let chunk = match self.reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(error) => {
                let fault = match error.kind() {
                    ErrorKind::UnexpectedEof => Fault::new(
                        Code::Truncated,
                        format!("the input ends too early; {}", Code::Truncated.remedy()),
                    ),
                    _ => Fault::new(
                        Code::Unreadable,
                        format!(
                            "the input cannot be read on: {error}; {}",
                            Code::Unreadable.remedy()
                        ),
                    ),
                };
                return self.end(Some(fault));
            }
        };
        if chunk.is_empty() {
            return self.end(None);
        }
        // The state is borrowed as a whole while a chunk is gone through, hence the copy.
        let bytes = chunk[..chunk.len().min(16 * 1024)].to_vec();
        self.reader.consume(bytes.len());
        for byte in &bytes {
            // A byte order mark can only be told when three bytes are there; bytewise readers give it
            // in parts, each of which is skipped here.
            if self.at_start && matches!(byte, 0xef | 0xbb | 0xbf) {
                continue;
            }
            self.at_start &= byte.is_ascii_whitespace();
            if let Err(fault) = self.byte(*byte) {
                return self.end(Some(fault));
            }
        }
    }

    fn end(&mut self, fault: Option<Fault>) {
        self.ended = true;
        self.end_stray(self.line);
        let fault = match (fault, self.frames.is_empty() && !self.in_text) {
            (Some(fault), _) => fault,
            (None, true) => return,
            (None, false) => Fault::new(
                Code::Truncated,
                format!(
                    "the input ends inside of a JSON document; {}",
                    Code::Truncated.remedy()
                ),
            ),
        };
        let (path, line, from) = match self.open.last() {
            Some(open) => (open.path, open.line, open.from),
            None => (0, self.line, self.buffer.len()),
        };
        let mut bytes = self.buffer.split_off(from.min(self.buffer.len()));
        bytes.truncate(RAW_BYTES_MAX);
        self.ready.push_back(Record {
            line,
            bytes,
            path,
            fault: Some(fault),
        });
    }

    /// Adds a byte to the innermost open record.
    fn keep(&mut self, byte: u8) {
        if let Some(open) = self.open.last_mut() {
            if self.buffer.len() - open.from < self.bytes_max {
                self.buffer.push(byte);
            } else {
                open.too_long = true;
            }
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Fault> {
        let line = self.line;
        if byte == b'\n' {
            self.line += 1;
        }
        if self.in_text {
            self.text_byte(byte);
            return Ok(());
        }
        let Some(frame) = self.frames.last_mut() else {
            return self.top(byte, line);
        };
        if frame.holds_records && !matches!(byte, b'{' | b']' | b'}') {
            return self.between(byte, line);
        }
        match byte {
            b'{' | b'[' => self.open(byte, line)?,
            b'}' | b']' => self.close(byte)?,
            b'"' => {
                self.name = (!frame.is_list).then(Vec::new);
                self.in_text = true;
                self.keep(byte);
            }
            b':' => {
                if let Some(name) = self.name.take() {
                    frame.part = name;
                }
                self.keep(byte);
            }
            _ => self.keep(byte),
        }
        Ok(())
    }

    fn text_byte(&mut self, byte: u8) {
        if self.frames.last().is_some_and(|frame| frame.holds_records) {
            self.stray(byte);
        } else {
            self.keep(byte);
        }
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.in_text = false;
            return;
        }
        if let Some(name) = &mut self.name
            && name.len() < NAME_BYTES_MAX
        {
            name.push(byte);
        }
    }

    fn stray(&mut self, byte: u8) {
        if self.stray.len() < RAW_BYTES_MAX {
            self.stray.push(byte);
        }
    }

    /// A byte of a list of records that begins none.
    fn between(&mut self, byte: u8, line: u64) -> Result<(), Fault> {
        match byte {
            b',' => self.end_stray(line),
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'[' => {
                self.stray(byte);
                self.end_stray(line);
                self.open(byte, line)?;
            }
            b'"' => {
                self.in_text = true;
                self.name = None;
                self.stray(byte);
            }
            _ => self.stray(byte),
        }
        Ok(())
    }

    /// A byte outside of any document.
    fn top(&mut self, byte: u8, line: u64) -> Result<(), Fault> {
        match byte {
            b'{' | b'[' => {
                self.end_stray(line);
                return self.open(byte, line);
            }
            b'\n' => self.end_stray(line),
            b' ' | b'\t' | b'\r' if self.stray.is_empty() => {}
            b'\r' => {}
            _ => self.stray(byte),
        }
        Ok(())
    }

    /// Tells of what is no record where one should be: once a line, or once an element.
    fn end_stray(&mut self, line: u64) {
        if self.stray.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.stray);
        let code = match std::str::from_utf8(&bytes) {
            Ok(_) => Code::BadJson,
            Err(_) => Code::NotUtf8,
        };
        self.ready.push_back(Record {
            line,
            bytes,
            path: 0,
            fault: Some(Fault::new(
                code,
                format!(
                    "a JSON object belongs here; {}",
                    match code {
                        Code::NotUtf8 => Code::NotUtf8.remedy(),
                        _ => "send the provider's response as it came",
                    }
                ),
            )),
        });
    }

    fn open(&mut self, byte: u8, line: u64) -> Result<(), Fault> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(Fault::new(
                Code::BadJson,
                format!("the JSON is nested deeper than {DEPTH_MAX}; send the response as it came"),
            ));
        }
        let is_list = byte == b'[';
        let path = self.path_index(is_list);
        let holds_records = is_list && self.is_list_of_records();
        match path {
            None => self.keep(byte),
            Some(path) => {
                self.open.push(Open {
                    path,
                    line,
                    from: self.buffer.len(),
                    too_long: false,
                });
                self.buffer.push(byte);
            }
        }
        self.frames.push(Frame {
            part: if is_list { b"[]".to_vec() } else { Vec::new() },
            is_list,
            is_record: path.is_some(),
            holds_records,
        });
        self.name = None;
        Ok(())
    }

    /// Is what opens here, an object, a record? Lists are none.
    fn path_index(&self, is_list: bool) -> Option<usize> {
        if is_list {
            return None;
        }
        self.paths.iter().position(|path| {
            path.len() == self.frames.len()
                && self
                    .frames
                    .iter()
                    .zip(path.iter())
                    .all(|(frame, part)| frame.part == part.as_bytes())
        })
    }

    fn is_list_of_records(&self) -> bool {
        self.paths.iter().any(|path| {
            path.len() == self.frames.len() + 1
                && path.last() == Some(&"[]")
                && self
                    .frames
                    .iter()
                    .zip(path.iter())
                    .all(|(frame, part)| frame.part == part.as_bytes())
        })
    }

    fn close(&mut self, byte: u8) -> Result<(), Fault> {
        let is_list = byte == b']';
        let Some(frame) = self.frames.last() else {
            return Ok(());
        };
        if frame.is_list != is_list {
            return Err(Fault::new(
                Code::BadJson,
                format!(
                    "{:?} closes what was not opened so; what follows cannot be told apart: send the response as it came",
                    char::from(byte)
                ),
            ));
        }
        let is_record = frame.is_record;
        if frame.holds_records {
            self.end_stray(self.line);
        }
        self.name = None;
        self.keep(byte);
        self.frames.pop();
        if !is_record {
            return Ok(());
        }
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let mut bytes = self.buffer.split_off(open.from);
        let fault = open.too_long.then(|| {
            bytes.truncate(RAW_BYTES_MAX);
            Fault::new(
                Code::LineTooLong,
                format!(
                    "the record has more than {} bytes; send the response as it came",
                    self.bytes_max
                ),
            )
        });
        // In the record around it, unless that is a list of records, stands a null instead.
        if self.frames.last().is_some_and(|frame| !frame.holds_records) {
            for byte in b"null" {
                self.keep(*byte);
            }
        }
        self.ready.push_back(Record {
            line: open.line,
            bytes,
            path: open.path,
            fault,
        });
        Ok(())
    }
}

/// Reads a record's JSON; a fault names the field.
pub(crate) fn json<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Fault::new(
            Code::NotUtf8,
            format!(
                "byte {} of the record is not UTF-8; {}",
                error.valid_up_to() + 1,
                Code::NotUtf8.remedy()
            ),
        )
    })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path: String = error.path().to_string().chars().take(100).collect();
        let inner = error.inner();
        let code = match inner.classify() {
            serde_json::error::Category::Data => Code::BadType,
            _ => Code::BadJson,
        };
        let why: String = inner.to_string().chars().take(300).collect();
        match path.as_str() {
            "" | "." => Fault::new(code, why),
            path => Fault::at(code, path, why),
        }
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: &[Path] = &[&[], &["data"], &["data", "[]"], &["data", "offers", "[]"]];

    fn read(text: &str) -> Vec<(u64, usize, String, Option<Code>)> {
        let mut documents = Documents::new(Box::new(text.as_bytes()), PATHS, 200);
        let mut out = Vec::new();
        while let Some(record) = documents.next_record() {
            out.push((
                record.line,
                record.path,
                String::from_utf8_lossy(&record.bytes).into_owned(),
                record.fault.map(|fault| fault.code),
            ));
        }
        out
    }

    fn ok(line: u64, path: usize, text: &str) -> (u64, usize, String, Option<Code>) {
        (line, path, text.to_owned(), None)
    }

    #[test]
    fn elements_come_before_what_holds_them_and_are_not_in_it() {
        assert_eq!(
            read(
                "{\"data\": [\n {\"a\": \"}]\\\"\"},\n {\"b\": [1, {}]}],\n \"meta\": {\"data\": {}}}"
            ),
            [
                ok(2, 2, "{\"a\": \"}]\\\"\"}"),
                ok(3, 2, "{\"b\": [1, {}]}"),
                ok(1, 0, "{\"data\": [],\n \"meta\": {\"data\": {}}}"),
            ]
        );
        assert_eq!(
            read("{\"data\":{\"id\":1,\"offers\":[{\"x\":2}],\"z\":3}}{\"data\":null}"),
            [
                ok(1, 3, "{\"x\":2}"),
                ok(1, 1, "{\"id\":1,\"offers\":[],\"z\":3}"),
                ok(1, 0, "{\"data\":null}"),
                ok(1, 0, "{\"data\":null}"),
            ]
        );
    }

    #[test]
    fn what_is_no_record_is_told_and_costs_itself_alone() {
        let codes = |text: &str| -> Vec<_> {
            read(text)
                .into_iter()
                .filter_map(|(line, _, bytes, code)| Some((line, bytes, code?)))
                .collect()
        };
        let bad = |line, text: &str| (line, text.to_owned(), Code::BadJson);
        assert_eq!(
            codes("{\"data\":[1,\n\"a,]\",{},[{}],true\n]}"),
            [bad(1, "1"), bad(2, "\"a,]\""), bad(2, "["), bad(3, "true")]
        );
        assert_eq!(
            codes("garbage\n{}\nmore \"garbage"),
            [bad(1, "garbage"), bad(3, "more \"garbage")]
        );
        let long = format!("{{\"data\":[{{\"a\":\"{}\"}},{{}}]}}", "x".repeat(300));
        let items = read(&long);
        assert_eq!(items[0].3, Some(Code::LineTooLong));
        assert_eq!(items[1], ok(1, 2, "{}"));
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn a_cut_or_crossed_document_is_told_once() {
        for (text, code) in [
            ("{\"data\":[{}, {\"a\":", Code::Truncated),
            ("{\"data\":[{}, \"", Code::Truncated),
            ("{\"data\":[{}}", Code::BadJson),
            ("{\"data\":[{}, {\"a\":[}", Code::BadJson),
        ] {
            let faults: Vec<_> = read(text).into_iter().filter_map(|r| r.3).collect();
            assert_eq!(faults.last(), Some(&code), "{text}");
        }
        let deep = "[".repeat(1000);
        assert_eq!(read(&deep).last().unwrap().3, Some(Code::BadJson));
        assert_eq!(read(""), []);
    }
}
