//! The record: what is stored for one command, byte for byte.
//!
//! Version 1, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0..4 | CRC-32 (IEEE) of everything after it |
//! | 4 | format version, 1 |
//! | 5 | flags: 1 = a reference text follows the header, 2 = an actor does |
//! | 6 | kind of the command |
//! | 7..11 | the producer's epoch |
//! | 11..19 | producer id |
//! | 19..27 | sequence: counts the producer's records in this partition and epoch from 0 |
//! | 27..43 | command id |
//! | 43..51 | `at`: Unix time in milliseconds, signed |
//! | 51.. | reference text, then actor, each one length byte and UTF-8, as the flags say |
//! | .. | the body, as the kind says, to the end |
//!
//! In every version, past and future, the first five bytes mean what they mean here, so that a
//! damaged record and a newer one can be told apart. A record does not hold its own length; what
//! holds the record does.
//!
//! The bodies (`body.rs`, `provider.rs`, `order.rs`) are this crate's, not an image of the ledger's types: those
//! may change, and records written once stay readable. Golden files of every version that was ever
//! written are kept under `tests/golden/stream/`.

mod body;
mod error;
mod feed;
mod order;
mod order_result;
mod provider;
mod wire;

use flightline_ledger::{Command, CommandId, Input};

pub use error::{DecodeError, EncodeError};
use wire::Reader;

/// The version that is written.
pub const VERSION: u8 = 1;

/// Size of the fixed part, in bytes.
pub const HEADER_BYTES: usize = 51;

/// The longest reference text, in bytes.
pub const REF_TEXT_BYTES_MAX: usize = 200;

/// The longest actor, in bytes.
pub const ACTOR_BYTES_MAX: usize = 64;

/// Holds fit into this; what does not makes the buffer grow on its own.
const USUAL_BYTES: usize = 192;

const CRC_BYTES: usize = 4;
const VERSION_AT: usize = 4;
const FLAG_REF_TEXT: u8 = 1;
const FLAG_ACTOR: u8 = 2;

/// Who wrote a record, and which of his it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The producer.
    pub producer: u64,
    /// Counts the producer's lives: higher is later.
    pub epoch: u32,
    /// Counts the producer's records in one partition and epoch, from 0.
    pub sequence: u64,
}

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who wrote it.
    pub stamp: Stamp,
    /// Identity of the command.
    pub id: CommandId,
    /// When it was appended, Unix time in milliseconds.
    pub at_ms: i64,
    /// Kind of the command, as stored.
    pub kind: u8,
}

/// A command on its way into a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draft<'a> {
    /// Identity of the command.
    pub id: CommandId,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// What is asked.
    pub command: &'a Command,
    /// The client's own text for the id, at most [`REF_TEXT_BYTES_MAX`].
    pub ref_text: Option<&'a str>,
    /// Who sent it: the name of a token or a provider, at most [`ACTOR_BYTES_MAX`].
    pub actor: Option<&'a str>,
}

impl<'a> Draft<'a> {
    /// A draft without texts.
    pub fn new(id: CommandId, at_ms: i64, command: &'a Command) -> Self {
        Self {
            id,
            at_ms,
            command,
            ref_text: None,
            actor: None,
        }
    }
}

/// Appends the record to the buffer. On an error the buffer may hold a part of it; truncate it, as
/// [`crate::Group::push_with`] does.
pub fn encode(out: &mut Vec<u8>, stamp: Stamp, draft: &Draft<'_>) -> Result<(), EncodeError> {
    let start = out.len();
    // Enough for most, so that it does not grow piece by piece.
    out.reserve(USUAL_BYTES);
    let ref_text = checked_text("ref_text", draft.ref_text, REF_TEXT_BYTES_MAX)?;
    let actor = checked_text("actor", draft.actor, ACTOR_BYTES_MAX)?;

    let mut header = [0; HEADER_BYTES];
    header[4] = VERSION;
    header[5] = if ref_text.is_some() { FLAG_REF_TEXT } else { 0 }
        | if actor.is_some() { FLAG_ACTOR } else { 0 };
    header[6] = body::kind_of(draft.command);
    header[7..11].copy_from_slice(&stamp.epoch.to_le_bytes());
    header[11..19].copy_from_slice(&stamp.producer.to_le_bytes());
    header[19..27].copy_from_slice(&stamp.sequence.to_le_bytes());
    header[27..43].copy_from_slice(&draft.id.0.to_le_bytes());
    header[43..51].copy_from_slice(&draft.at_ms.to_le_bytes());
    out.extend_from_slice(&header);
    for text in [ref_text, actor].into_iter().flatten() {
        // At most 200: fits.
        out.push(text.len() as u8);
        out.extend_from_slice(text.as_bytes());
    }
    body::put(out, draft.command)?;

    let crc = crc32fast::hash(&out[start + CRC_BYTES..]);
    out[start..start + CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

fn checked_text<'a>(
    field: &'static str,
    text: Option<&'a str>,
    limit: usize,
) -> Result<Option<&'a str>, EncodeError> {
    match text {
        Some(t) if t.len() > limit => Err(EncodeError::TooLong {
            field,
            bytes: t.len(),
            limit,
        }),
        other => Ok(other),
    }
}

/// The header alone, without a look at the checksum or the body: for routing and for display of
/// records that cannot be decoded. `None` when there are too few bytes or the version is another.
pub fn peek(bytes: &[u8]) -> Option<Header> {
    if bytes.get(VERSION_AT) != Some(&VERSION) {
        return None;
    }
    let mut reader = Reader::new(bytes.get(CRC_BYTES + 2..)?);
    read_header(&mut reader).ok()
}

fn read_header(reader: &mut Reader<'_>) -> Result<Header, DecodeError> {
    let kind = reader.byte()?;
    let epoch = u32::from_le_bytes(reader.array()?);
    let producer = u64::from_le_bytes(reader.array()?);
    let sequence = u64::from_le_bytes(reader.array()?);
    let id = CommandId(u128::from_le_bytes(reader.array()?));
    let at_ms = i64::from_le_bytes(reader.array()?);
    Ok(Header {
        stamp: Stamp {
            producer,
            epoch,
            sequence,
        },
        id,
        at_ms,
        kind,
    })
}

/// A record whose checksum holds; the body is decoded on demand.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    header: Header,
    ref_text: Option<&'a str>,
    actor: Option<&'a str>,
    body: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Checks the checksum and reads all but the body.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (stored, rest) = bytes
            .split_first_chunk::<CRC_BYTES>()
            .ok_or(DecodeError::Short)?;
        let stored = u32::from_le_bytes(*stored);
        let found = crc32fast::hash(rest);
        if stored != found {
            return Err(DecodeError::Checksum { stored, found });
        }
        let mut reader = Reader::new(rest);
        match reader.byte()? {
            VERSION => {}
            newer if newer > VERSION => return Err(DecodeError::NewerVersion(newer)),
            _ => return Err(DecodeError::bad("version", "0 was never written")),
        }
        let flags = reader.bits("flags", FLAG_REF_TEXT | FLAG_ACTOR)?;
        let header = read_header(&mut reader)?;
        let mut text = |flag, field, limit| {
            if flags & flag == 0 {
                return Ok(None);
            }
            let len = usize::from(reader.byte()?);
            if len > limit {
                return Err(DecodeError::bad(field, "is too long"));
            }
            let text = core::str::from_utf8(reader.take(len)?);
            text.map(Some)
                .map_err(|_| DecodeError::bad(field, "is not UTF-8"))
        };
        let ref_text = text(FLAG_REF_TEXT, "ref_text", REF_TEXT_BYTES_MAX)?;
        let actor = text(FLAG_ACTOR, "actor", ACTOR_BYTES_MAX)?;
        Ok(Self {
            header,
            ref_text,
            actor,
            body: reader.rest(),
        })
    }

    /// The fixed part.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The client's own text for the id.
    pub fn ref_text(&self) -> Option<&'a str> {
        self.ref_text
    }

    /// Who sent the command.
    pub fn actor(&self) -> Option<&'a str> {
        self.actor
    }

    /// Decodes the body.
    pub fn command(&self) -> Result<Command, DecodeError> {
        let mut reader = Reader::new(self.body);
        let command = body::get(self.header.kind, &mut reader)?;
        match reader.remaining() {
            0 => Ok(command),
            n => Err(DecodeError::Trailing(n)),
        }
    }

    /// The record as the ledger takes it.
    pub fn input(&self, offset: u64) -> Result<Input, DecodeError> {
        Ok(Input {
            offset,
            at_ms: self.header.at_ms,
            id: self.header.id,
            command: self.command()?,
        })
    }
}

/// A whole decoded record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The fixed part.
    pub header: Header,
    /// The client's own text for the id.
    pub ref_text: Option<String>,
    /// Who sent the command.
    pub actor: Option<String>,
    /// What is asked.
    pub command: Command,
}

impl Record {
    /// Decodes a record. Takes any bytes and never panics.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let view = RecordView::parse(bytes)?;
        Ok(Self {
            header: *view.header(),
            ref_text: view.ref_text().map(str::to_owned),
            actor: view.actor().map(str::to_owned),
            command: view.command()?,
        })
    }

    /// The draft it was made from.
    pub fn draft(&self) -> Draft<'_> {
        Draft {
            id: self.header.id,
            at_ms: self.header.at_ms,
            command: &self.command,
            ref_text: self.ref_text.as_deref(),
            actor: self.actor.as_deref(),
        }
    }
}
