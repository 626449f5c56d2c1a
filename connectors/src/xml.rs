//! XML cut into records, without reading a document as a whole.
//!
//! The reader goes through the document and builds a small tree of each element that is asked for by
//! its local name (prefixes and name spaces differ from version to version and from provider to
//! provider, and mean nothing here). Everything else is passed over.
//!
//! - here: the reader. `node`: the tree of an element.

mod node;

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_xml::events::{BytesStart, Event};

use crate::encoding::decoded;
use crate::reject::{Code, Fault, RAW_BYTES_MAX};

pub(crate) use node::{Node, outline};

/// The most bytes of one document: 32 MiB.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 32 << 20;

/// The most bytes of one tag or text: 1 MiB.
const PIECE_BYTES_MAX: u64 = 1 << 20;

/// The most elements in one record.
const NODES_MAX: usize = 200_000;

/// The deepest nesting that is followed.
const DEPTH_MAX: usize = 256;

/// What the reader finds.
#[derive(Debug)]
pub(crate) enum Item {
    /// The first element of a document: its local name and version attributes.
    Root { line: u64, node: Node },
    /// A message begins: one of those that [`Records::messages`] names. Stands for the root where it is it.
    Message { node: Node },
    /// It has ended, and everything in it was told.
    MessageEnd,
    /// An element that was asked for.
    Record { line: u64, node: Node },
    /// A record, or the rest of the document, that cannot be read.
    Fault {
        line: u64,
        fault: Fault,
        raw: Vec<u8>,
    },
    /// The document has ended.
    End,
}

/// Reads records out of an XML document.
pub(crate) struct Records<'a> {
    reader: quick_xml::Reader<Counted<'a>>,
    lines: Arc<AtomicU64>,
    wanted: &'static [&'static str],
    /// Parts of records that nobody reads.
    skipped: &'static [&'static str],
    /// How the names of messages end.
    messages: &'static [&'static str],
    message_ended: bool,
    /// How deep inside of such a part.
    skipping: usize,
    buffer: Vec<u8>,
    /// Names of elements that are open and no part of a record.
    outer: Vec<Box<str>>,
    /// The record that is open, the innermost element last.
    open: Vec<Node>,
    open_line: u64,
    nodes: usize,
    fault: Option<Fault>,
    rooted: bool,
    strayed: bool,
    ended: bool,
}

/// Counts lines and bytes, and keeps the last bytes for rejects.
struct Counted<'a> {
    inner: Box<dyn BufRead + Send + 'a>,
    lines: Arc<AtomicU64>,
    bytes: u64,
    /// Where the tag or text begins that is read.
    piece_from: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let n = chunk.len().min(out.len());
        out[..n].copy_from_slice(&chunk[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes >= DOCUMENT_BYTES_MAX || self.bytes - self.piece_from >= PIECE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the document is too large",
            ));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        if let Ok(chunk) = self.inner.fill_buf() {
            let lines = chunk[..n.min(chunk.len())]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            self.lines.fetch_add(lines as u64, Ordering::Relaxed);
        }
        self.bytes += n as u64;
        self.inner.consume(n);
    }
}

impl<'a> Records<'a> {
    /// `wanted`: local names of the elements to build. One inside of another belongs to the outer.
    /// `skipped`: of what is left out of them.
    pub(crate) fn new(
        inner: Box<dyn BufRead + Send + 'a>,
        wanted: &'static [&'static str],
        skipped: &'static [&'static str],
    ) -> Self {
        let lines = Arc::new(AtomicU64::new(1));
        let mut reader = quick_xml::Reader::from_reader(Counted {
            inner: decoded(inner),
            lines: Arc::clone(&lines),
            bytes: 0,
            piece_from: 0,
        });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        // Names are compared here: a wrong end costs its record, not the document.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        Self {
            reader,
            lines,
            wanted,
            skipped,
            messages: &[],
            message_ended: false,
            skipping: 0,
            buffer: Vec::new(),
            outer: Vec::new(),
            open: Vec::new(),
            open_line: 1,
            nodes: 0,
            fault: None,
            rooted: false,
            strayed: false,
            ended: false,
        }
    }

    /// Tells where messages begin and end whose local names end so: they may stand in an envelope, and
    /// several behind each other.
    pub(crate) fn messages(mut self, names: &'static [&'static str]) -> Self {
        self.messages = names;
        self
    }

    fn is_message(&self, name: &str) -> bool {
        self.messages.iter().any(|known| name.ends_with(known))
    }

    /// Leaves the elements around the records down to this depth.
    fn leave(&mut self, depth: usize) {
        let left = self.outer.split_off(depth);
        if left.iter().any(|name| self.is_message(name)) {
            self.message_ended = true;
        }
    }

    /// Line up to which was read: within a record, a little ahead of it.
    fn line(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// The next item; `None` behind [`Item::End`] or a fatal fault.
    pub(crate) fn next_item(&mut self) -> Option<Item> {
        while !self.ended {
            if std::mem::take(&mut self.message_ended) {
                return Some(Item::MessageEnd);
            }
            self.buffer.clear();
            let line = self.line();
            let counted = self.reader.get_mut();
            counted.piece_from = counted.bytes;
            let mut buffer = std::mem::take(&mut self.buffer);
            let item = match self.reader.read_event_into(&mut buffer) {
                Err(error) => Some(self.broken(&error)),
                Ok(event) => {
                    // An event borrows the buffer and the reader's state does not: handled by copy.
                    let event = event.into_owned();
                    self.event(line, &event)
                }
            };
            self.buffer = buffer;
            if item.is_some() {
                return item;
            }
        }
        None
    }

    fn event(&mut self, line: u64, event: &Event<'_>) -> Option<Item> {
        match event {
            Event::Start(start) => self.start(line, start),
            Event::End(end) => self.end(end.local_name().as_ref()),
            Event::Text(text) => {
                let text = text.xml10_content();
                if self.outer.is_empty() && self.open.is_empty() && !is_blank(&text) {
                    return self.stray(line, &text);
                }
                self.text(&text);
                None
            }
            Event::CData(text) => {
                self.text(&text.xml10_content());
                None
            }
            Event::GeneralRef(reference) => {
                let name: &str = reference;
                match resolve(name) {
                    Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                    None => self.spoil(format!("&{name}; is no entity that XML knows")),
                }
                None
            }
            Event::Eof => {
                self.ended = true;
                if !self.outer.is_empty() || !self.open.is_empty() {
                    return Some(self.cut());
                }
                self.rooted.then_some(Item::End)
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => None,
            Event::Empty(_) => None,
        }
    }

    fn start(&mut self, line: u64, start: &BytesStart<'_>) -> Option<Item> {
        if self.skipping > 0
            || (!self.open.is_empty() && self.skipped.contains(&start.local_name().as_ref()))
        {
            self.skipping += 1;
            return None;
        }
        let node = match Node::of(start) {
            Ok(node) => node,
            Err(why) => {
                self.spoil(why);
                Node {
                    name: start.local_name().as_ref().into(),
                    ..Node::default()
                }
            }
        };
        if self.outer.len() + self.open.len() >= DEPTH_MAX {
            self.ended = true;
            return Some(Item::Fault {
                line,
                fault: Fault::new(
                    Code::BadXml,
                    format!("elements are nested deeper than {DEPTH_MAX}"),
                ),
                raw: node.name.as_bytes().to_vec(),
            });
        }
        if !self.open.is_empty() || self.wanted.contains(&&*node.name) {
            if self.open.is_empty() {
                self.open_line = line;
                self.nodes = 0;
            }
            self.nodes += 1;
            if self.nodes > NODES_MAX {
                self.spoil(format!("the record has more than {NODES_MAX} elements"));
            }
            self.open.push(node);
            return None;
        }
        self.outer.push(node.name.clone());
        let is_root = !std::mem::replace(&mut self.rooted, true);
        if self.is_message(&node.name) {
            return Some(Item::Message { node });
        }
        if is_root {
            return Some(Item::Root { line, node });
        }
        None
    }

    fn end(&mut self, name: &str) -> Option<Item> {
        if self.skipping > 0 {
            self.skipping -= 1;
            return None;
        }
        let Some(last) = self.open.last() else {
            if let Some(at) = self.outer.iter().rposition(|outer| &**outer == name) {
                self.leave(at);
            }
            return None;
        };
        if &*last.name != name {
            let why = format!("</{name}> stands where </{}> should", last.name);
            self.spoil(why);
            match self.open.iter().rposition(|open| &*open.name == name) {
                Some(at) => self.open.truncate(at + 1),
                None => {
                    // The end of something around the record ends the record, too.
                    let at = self.outer.iter().rposition(|outer| &**outer == name)?;
                    self.leave(at);
                    self.open.truncate(1);
                }
            }
        }
        let mut done = self.open.pop()?;
        let trimmed = done.text.trim();
        if trimmed.len() < done.text.len() {
            done.text = trimmed.to_owned();
        }
        match self.open.last_mut() {
            Some(parent) => {
                // What was spoiled needs no memory any more.
                if self.fault.is_none() {
                    parent.children.push(done);
                }
                None
            }
            None => {
                self.rooted = true;
                let line = self.open_line;
                Some(match self.fault.take() {
                    None => Item::Record { line, node: done },
                    Some(fault) => Item::Fault {
                        line,
                        fault,
                        raw: outline(&done),
                    },
                })
            }
        }
    }

    fn text(&mut self, text: &str) {
        if self.skipping > 0 {
            return;
        }
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
        }
    }

    /// Text outside of the document, told once.
    fn stray(&mut self, line: u64, text: &str) -> Option<Item> {
        if std::mem::replace(&mut self.strayed, true) {
            return None;
        }
        let mut raw = text.as_bytes().to_vec();
        raw.truncate(RAW_BYTES_MAX);
        Some(Item::Fault {
            line,
            fault: Fault::new(
                Code::BadXml,
                format!(
                    "text stands outside of any element; {}",
                    Code::BadXml.remedy()
                ),
            ),
            raw,
        })
    }

    /// The record that is open cannot be taken.
    fn spoil(&mut self, why: String) {
        if !self.open.is_empty() && self.fault.is_none() {
            self.fault = Some(Fault::new(
                Code::BadXml,
                format!("{why}; {}", Code::BadXml.remedy()),
            ));
        }
    }

    fn cut(&mut self) -> Item {
        let raw = self.open.first().map(outline).unwrap_or_default();
        Item::Fault {
            line: self.line(),
            fault: Fault::new(
                Code::Truncated,
                format!(
                    "the input ends inside of the XML document; {}",
                    Code::Truncated.remedy()
                ),
            ),
            raw,
        }
    }

    fn broken(&mut self, error: &quick_xml::Error) -> Item {
        self.ended = true;
        let (code, why) = match error {
            quick_xml::Error::Io(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    (Code::Truncated, "the input ends too early".to_owned())
                }
                io::ErrorKind::FileTooLarge => (
                    Code::MessageTooLarge,
                    format!(
                        "the document has more than {DOCUMENT_BYTES_MAX} bytes, or a tag or text of more than {PIECE_BYTES_MAX}"
                    ),
                ),
                io::ErrorKind::InvalidData => (Code::NotUtf8, error.to_string()),
                _ => (
                    Code::Unreadable,
                    format!("the input cannot be read on: {error}"),
                ),
            },
            quick_xml::Error::Encoding(error) => (Code::NotUtf8, error.to_string()),
            quick_xml::Error::Syntax(error) if is_unclosed(error) => {
                return self.cut();
            }
            other => (Code::BadXml, format!("not well-formed: {other}")),
        };
        Item::Fault {
            line: self.line(),
            fault: Fault::new(code, format!("{why}; {}", code.remedy())),
            raw: self.open.first().map(outline).unwrap_or_default(),
        }
    }
}

/// Nothing, but for space and a byte order mark.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c == '\u{feff}')
}

fn is_unclosed(error: &quick_xml::errors::SyntaxError) -> bool {
    use quick_xml::errors::SyntaxError as E;
    !matches!(error, E::InvalidBangMarkup)
}

/// The character of a reference such as `amp` or `#233`.
fn resolve(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<String> {
        let mut records = Records::new(Box::new(text), &["Offer", "Segment"], &["Skip"]);
        let mut out = Vec::new();
        while let Some(item) = records.next_item() {
            out.push(match item {
                Item::Root { node, .. } => format!("root {}", node.name),
                Item::Message { node } => format!("message {}", node.name),
                Item::MessageEnd => "message end".to_owned(),
                Item::Record { line, node } => {
                    format!("{line} {}", String::from_utf8(outline(&node)).unwrap())
                }
                Item::Fault { line, fault, .. } => format!("{line} {}", fault.code),
                Item::End => "end".to_owned(),
            });
        }
        out
    }

    #[test]
    fn records_are_found_by_local_name_wherever_they_stand() {
        let text = b"\xef\xbb\xbf<?xml version='1.0'?>\n<a:RS xmlns:a='u'>\n<a:List><a:Offer x:id='1'> <T>A &amp; &#66;</T><![CDATA[<c>]]><Skip><T>x</T></Skip><Offer/></a:Offer></a:List>\n<Segment/><x/></a:RS>";
        assert_eq!(
            read(text),
            [
                "root RS",
                "3 <Offer id=\"1\"><c><T>A & B</T><Offer></Offer></Offer>",
                "4 <Segment></Segment>",
                "end"
            ]
        );
    }

    #[test]
    fn messages_are_told_in_envelopes_and_behind_each_other() {
        let read = |text: &str| {
            let reader = Box::new(std::io::Cursor::new(text.as_bytes().to_vec()));
            let mut records = Records::new(reader, &["Offer"], &[]).messages(&["ShoppingRS"]);
            let mut out = Vec::new();
            while let Some(item) = records.next_item() {
                out.push(match item {
                    Item::Root { node, .. } => format!("root {}", node.name),
                    Item::Message { node } => format!("message {}", node.name),
                    Item::MessageEnd => "message end".to_owned(),
                    Item::Record { .. } => "record".to_owned(),
                    Item::Fault { fault, .. } => fault.code.to_string(),
                    Item::End => "end".to_owned(),
                });
            }
            out.join(", ")
        };
        assert_eq!(
            read("<E><B><s:AirShoppingRS><Offer/></s:AirShoppingRS></B></E>"),
            "root E, message AirShoppingRS, record, message end, end"
        );
        assert_eq!(
            read("<ShoppingRS><Offer/></ShoppingRS><!-- x --><ShoppingRS/>"),
            "message ShoppingRS, record, message end, message ShoppingRS, message end, end"
        );
        // The end of the message ends the record that was not closed.
        assert_eq!(
            read("<ShoppingRS><Offer><a></ShoppingRS>"),
            "message ShoppingRS, bad_xml, message end, end"
        );
        assert_eq!(
            read("<ShoppingRS><Offer/>"),
            "message ShoppingRS, record, truncated"
        );
    }

    #[test]
    fn a_malformed_record_costs_itself_alone() {
        for bad in [
            "<Offer><a></b></Offer>",
            "<Offer><a></Offer>",
            "<Offer>&nope;</Offer>",
            "<Offer><a x='1' x='2'/></Offer>",
            "<Offer><a x=1/></Offer>",
        ] {
            let text = format!("<RS><L>{bad}</L><Segment/></RS>");
            let items = read(text.as_bytes());
            assert_eq!(
                items,
                ["root RS", "1 bad_xml", "1 <Segment></Segment>", "end"],
                "{bad}"
            );
        }
        let items = read(b"<RS><L><Offer><a></L><Segment/></RS>");
        assert_eq!(items[1..], ["1 bad_xml", "1 <Segment></Segment>", "end"]);
    }

    #[test]
    fn a_cut_or_broken_document_is_told_once_and_ends() {
        let whole = "<RS><Segment/><Offer><T>x</T></Offer></RS>";
        for cut in 5..whole.len() {
            let items = read(&whole.as_bytes()[..cut]);
            assert!(items.last().unwrap().ends_with("truncated"), "{items:?}");
        }
        assert!(
            read(b"<RS><Segment>\xff</Segment></RS>")
                .last()
                .unwrap()
                .contains("not_utf8")
        );
        let deep = "<a>".repeat(1000);
        assert!(read(deep.as_bytes()).last().unwrap().contains("bad_xml"));
        assert_eq!(read(b""), [""; 0]);
        assert_eq!(read(b"no xml"), ["1 bad_xml"]);
        assert_eq!(read(b"<RS/>\nmore\n"), ["root RS", "1 bad_xml", "end"]);
    }
}
