//! The canonical provider format: newline-delimited JSON, one event about one flight per line.
//!
//! This is the format for providers that write to us by themselves, and the one into which every
//! other format can be printed. [`to_line`] prints what the parser reads: reading it back gives
//! the same event. The fields, and why each is there, are in `docs/provider.md`.
//!
//! - `config`: its options (none).
//! - `wire`: the JSON of each type of event, field by field. Unknown fields are refused.
//! - `read`: a line to an event, with the fault named by field.
//! - `body`: the checks and conversions of each type of event.
//! - `time`: times with offset, in UTC, or local to the station.
//! - `write`: an event to a line.
//!
//! Deliberately absent: the provider (it is whoever pushes; a field could only lie about it), its
//! weight against other providers (the operator's decision), and times of receipt (stamped where a
//! record is appended).

mod body;
mod config;
mod parser;
mod read;
pub(crate) mod time;
mod wire;
mod write;

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{CommandId, FlightKey, ProviderBody, ProviderCode, ProviderEvent};

use crate::connector::{Connector, Parser, Source};
use crate::ids;
use crate::observed::Observed;
use crate::replacement::Replacement;

pub use config::Config;
pub use write::{to_line, to_replace_begin_line, to_replace_end_line};

/// The most bytes a line may have: 1 MiB.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// The most holds one `acknowledge` may name.
pub const HOLDS_MAX: usize = 10_000;

/// The most bytes of a `message_id`.
pub const MESSAGE_ID_BYTES_MAX: usize = 200;

/// A provider's report about one flight, in no provider's format any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalEvent {
    /// The flight.
    pub flight: FlightKey,
    /// Its place in the provider's own order.
    pub version: SourceVersion,
    /// The provider's name for the message it came in, where it gave one. Names the message in
    /// rejects and logs; no part of the event's identity.
    pub message_id: Option<Box<str>>,
    /// What was repaired or guessed: bits of [`flightline_ledger::command::quality`].
    pub quality: u32,
    /// What is reported.
    pub body: ProviderBody,
    /// How it was seen, when it was: absent in what a provider states of its own flights.
    pub observed: Option<Box<Observed>>,
}

impl CanonicalEvent {
    /// The value of its `type` field.
    pub const fn type_name(&self) -> &'static str {
        wire::type_name(&self.body)
    }

    /// Availability that was seen holds as long as what was seen does.
    pub(crate) fn lapse_with_observation(&mut self) {
        let until = self.observed.as_ref().and_then(|seen| seen.expires_ms);
        if let (ProviderBody::Availability(report), Some(until)) = (&mut self.body, until) {
            report.expires_ms = Some(until);
        }
    }

    /// The same as a command to the ledger, from this provider with this weight (see
    /// [`ProviderEvent::authority`]), with its id.
    pub fn into_command(
        mut self,
        provider: ProviderCode,
        authority: u8,
    ) -> (CommandId, FlightKey, ProviderEvent) {
        self.lapse_with_observation();
        let event = ProviderEvent {
            provider,
            version: self.version,
            authority,
            quality: self.quality,
            body: self.body,
        };
        let id = ids::provider_event_id(&self.flight, &event);
        (id, self.flight, event)
    }
}

/// One line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LineItem {
    Event(CanonicalEvent),
    ReplaceBegin(Replacement),
    /// With the number of events it says stand between begin and end.
    ReplaceEnd(Replacement, Option<u64>),
}

/// The connector.
#[derive(Clone, Copy, Debug, Default)]
pub struct Canonical {
    config: Config,
}

impl Canonical {
    /// With its configuration.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Connector for Canonical {
    fn name(&self) -> &'static str {
        "canonical"
    }

    fn parse<'a>(&self, source: Source<'a>) -> Parser<'a> {
        Box::new(parser::Lines::new(self.config, source))
    }
}
