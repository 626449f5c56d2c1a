//! The one shape of every connector.
//!
//! A connector turns a [`Source`] into an iterator of [`Parsed`] items, in the order of the input.
//! It never panics, whatever the bytes; its memory is bounded by the longest line it takes; it
//! reads nothing but the source and its own configuration. `tests/conformance.rs` holds every
//! connector to that.

use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use flightline_ledger::FlightKey;
use flightline_ledger::command::Numbered;

use crate::canonical::CanonicalEvent;
use crate::input::MaybeGz;
use crate::reject::Reject;
use crate::replacement::Replacement;
use crate::unplaced::Unplaced;

/// One provider format.
pub trait Connector: fmt::Debug + Send + Sync {
    /// The name under which it is registered, as in `--format NAME`.
    fn name(&self) -> &'static str;

    /// Reads a source to its end, item by item.
    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a>;
}

/// What [`Connector::parse`] gives.
pub type Parser<'a> = Box<dyn Iterator<Item = Parsed> + Send + 'a>;

/// The bytes of one file or message. Gzip is recognised by its first bytes and unpacked.
pub struct Source<'a> {
    pub(crate) message: Arc<str>,
    pub(crate) reader: Box<dyn BufRead + Send + 'a>,
}

impl<'a> Source<'a> {
    /// `message` is how rejects name the input: a file name, or the id of a request.
    pub fn new(message: impl Into<Arc<str>>, reader: impl BufRead + Send + 'a) -> Self {
        Self {
            message: message.into(),
            reader: Box::new(MaybeGz::new(reader)),
        }
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// One item of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A provider's report about one flight.
    Event {
        /// Line of the record, from 1. One record can give several events.
        line: u64,
        /// The report.
        event: CanonicalEvent,
    },
    /// A provider's report about flights that it names by number and day: see [`Unplaced`].
    Unplaced {
        /// Line of the record, from 1.
        line: u64,
        /// The report.
        event: Unplaced,
    },
    /// A full replacement begins: the events up to its end are all there is in its scope.
    ReplaceBegin {
        /// Line of the mark, from 1.
        line: u64,
        /// What it replaces.
        replacement: Replacement,
    },
    /// The full replacement that is open ends. The flights of the provider in its scope that no
    /// event (and no rejected record) since the begin named are to be withdrawn, provided every
    /// rejected record in between told its flight. [`Push`](crate::Push) keeps count of that.
    ReplaceEnd {
        /// Line of the mark, from 1.
        line: u64,
        /// What it replaces, the same as at its begin.
        replacement: Replacement,
    },
    /// A record that was set aside.
    Reject(Reject),
    /// A message begins that its sender numbers: what its records say follows.
    Numbered {
        /// Line where it begins, from 1.
        line: u64,
        /// Its number.
        numbered: Numbered,
    },
    /// Something its sender should know about a record that was taken all the same.
    Warning(Warning),
}

/// A remark on a record that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line of the record, from 1.
    pub line: u64,
    /// The flight, where it is about one.
    pub flight: Option<FlightKey>,
    /// What was found and what was done about it, for people.
    pub text: String,
}
