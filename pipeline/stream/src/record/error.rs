//! Why bytes are not a record, and why a command cannot be one.

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the record does.
    #[error("the record is cut off")]
    Short,
    /// The bytes are not those that were written.
    #[error(
        "the record's checksum is {found:08x} where {stored:08x} is stored: its bytes were changed"
    )]
    Checksum {
        /// What the record says.
        stored: u32,
        /// What its bytes give.
        found: u32,
    },
    /// A whole record, of a later version of the format.
    #[error(
        "the record has format version {0}, and this program knows versions up to {newest}: upgrade \
         this replica before it reads on", newest = super::VERSION
    )]
    NewerVersion(u8),
    /// A whole record, of a kind that is not known.
    #[error(
        "the record's kind {0} is unknown here: a newer program wrote it; upgrade this replica \
         before it reads on"
    )]
    UnknownKind(u8),
    /// A field that no writer of this format writes.
    #[error("{field} {what}")]
    Bad {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Bytes after the end.
    #[error("{0} bytes follow the end of the record")]
    Trailing(usize),
}

impl DecodeError {
    pub(super) fn bad(field: &'static str, what: &'static str) -> Self {
        DecodeError::Bad { field, what }
    }
}

/// Why a command cannot be written as a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field holds what no reader would take back.
    #[error("{field} {what}")]
    Bad {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A text is too long.
    #[error("{field} of {bytes} bytes is above the limit of {limit}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its size.
        bytes: usize,
        /// The most there can be.
        limit: usize,
    },
}
