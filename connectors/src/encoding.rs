//! UTF-8 out of what a document says it is written in.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// How far the declaration of an XML document is looked for.
const HEAD_BYTES: u64 = 256;

/// Reads a document as UTF-8, whatever its byte order mark or its XML declaration names. Bytes of UTF-8
/// come as they are, with the wrong ones among them. Looks at nothing before it is read.
pub(crate) fn decoded<'a>(reader: Box<dyn BufRead + Send + 'a>) -> Box<dyn BufRead + Send + 'a> {
    Box::new(Decoded::Unread(Some(reader)))
}

enum Decoded<'a> {
    /// Nothing read yet. Empty only while the state changes.
    Unread(Option<Box<dyn BufRead + Send + 'a>>),
    Read(Box<dyn BufRead + Send + 'a>),
}

impl<'a> Decoded<'a> {
    fn decided(&mut self) -> io::Result<&mut Box<dyn BufRead + Send + 'a>> {
        if let Self::Unread(reader) = self {
            let Some(mut inner) = reader.take() else {
                // Looking at the first bytes failed before: the error was reported then.
                return Err(io::Error::other("the input failed before"));
            };
            let mut head = Vec::new();
            // What was read is told before the error, which the next reading meets again or not at all.
            let failed = inner.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err();
            let encoding = named(&head);
            let whole = Cursor::new(head).chain(Failing(failed)).chain(inner);
            *self = Self::Read(match encoding {
                None => Box::new(whole),
                Some(encoding) => Box::new(BufReader::with_capacity(
                    64 * 1024,
                    DecodeReaderBytesBuilder::new()
                        .encoding(Some(encoding))
                        .build(whole),
                )),
            });
        }
        match self {
            Self::Read(reader) => Ok(reader),
            Self::Unread(_) => unreachable!("decided above"),
        }
    }
}

/// An error in its place behind what was read before it.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

impl BufRead for Failing {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.take().map_or(Ok(&[]), Err)
    }

    fn consume(&mut self, _: usize) {}
}

impl Read for Decoded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.decided()?.read(out)
    }
}

impl BufRead for Decoded<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.decided()?.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Self::Read(reader) = self {
            reader.consume(amount);
        }
    }
}

/// The encoding that the first bytes name, unless it is UTF-8.
fn named(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xff, 0xfe, ..] | [b'<' | b'{' | b'[', 0, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] | [0, b'<' | b'{' | b'[', ..] => return Some(UTF_16BE),
        _ => {}
    }
    let text = head.trim_ascii_start().strip_prefix(b"<?xml")?;
    let text = &text[..text.iter().position(|byte| *byte == b'>')?];
    let text = std::str::from_utf8(text).ok()?;
    let value = text.split_once("encoding")?.1.trim_start();
    let value = value.strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value[1..].split(quote).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A declaration that can be read byte for byte is in none of two bytes: it was left standing when
    // the document was written anew.
    (encoding != UTF_8 && encoding.is_ascii_compatible()).then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        decoded(Box::new(BufReader::with_capacity(1, bytes)))
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    fn utf16(text: &str, mark: bool, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = mark
            .then_some(0xfeff)
            .into_iter()
            .chain(text.encode_utf16());
        units.flat_map(order).collect()
    }

    #[test]
    fn utf_16_comes_as_utf_8_with_and_without_its_mark() {
        for text in [
            "<?xml version='1.0' encoding='UTF-16'?><a>Zürich</a>",
            "[\"é\"]",
            "{}",
        ] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                for mark in [true, false] {
                    assert_eq!(read(&utf16(text, mark, order)), text.as_bytes());
                }
            }
        }
    }

    #[test]
    fn an_xml_declaration_names_the_encoding() {
        for (label, byte, c) in [("ISO-8859-1", 0xfc, 'ü'), ("windows-1252", 0x80, '€')] {
            let head = format!("<?xml version=\"1.0\" encoding=\"{label}\"?><a>");
            let bytes = [head.as_bytes(), &[byte], b"</a>"].concat();
            assert_eq!(read(&bytes), format!("{head}{c}</a>").as_bytes());
        }
    }

    #[test]
    fn utf_8_comes_as_it_is() {
        for bytes in [
            &b""[..],
            b"<",
            b"\xef\xbb\xbf<?xml encoding='utf-8'?><a>\xff</a>",
            b"<?xml version='1.0' encoding='UTF-16'?><a>\xc3\xbc</a>",
            b"<?xml version='1.0' encoding='no such'?><a/>",
            b"<a encoding='ISO-8859-1'>\xff</a>",
            &[b'x'; 5000],
        ] {
            assert_eq!(read(bytes), bytes);
        }
    }
}
