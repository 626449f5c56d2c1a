//! A file or request body in, batches of commands and rejects out.
//!
//! [`Push`] is what the command line and the HTTP interface both put between a connector and the
//! stream: it makes commands with ids, keeps line numbers, and watches full replacements, which may
//! only close what they did not name when they came whole. [`Tally`] counts the answers.

mod tally;

use std::collections::HashSet;
use std::fmt;
use std::iter::Peekable;
use std::sync::Arc;

use flightline_ledger::command::Numbered;
use flightline_ledger::{CommandId, FlightCommand, FlightKey, ProviderCode};

use crate::canonical::{self, CanonicalEvent};
use crate::connector::{Connector, Parsed, Parser, Source, Warning};
use crate::observed::{Observed, time_text};
use crate::reject::{Code, Reject};
use crate::replacement::{Replacement, ReplacementClose, Scope};
use crate::unplaced::Unplaced;

pub use tally::{REJECTS_KEPT_MAX, RejectLine, Tally};

/// Who pushes, and how much at a time.
#[derive(Clone, Copy, Debug)]
pub struct PushConfig {
    /// Whose events these are.
    pub provider: ProviderCode,
    /// The provider's weight against others on the same flight, see
    /// [`ProviderEvent::authority`](flightline_ledger::ProviderEvent::authority).
    pub authority: u8,
    /// About the most commands and rejects together in one batch. With 1, everything is handed out
    /// as soon as it is read, and nothing is read ahead: right for a stream that stays open.
    pub batch_items_max: usize,
    /// The most flights that a full replacement may name. Its memory is this many keys; one that
    /// names more is set aside and withdraws nothing.
    pub replace_flights_max: usize,
    /// When the push began, Unix time in milliseconds: observations that had expired by then are set
    /// aside. Absent: none is.
    pub now_ms: Option<i64>,
}

impl PushConfig {
    /// For a provider, with weight 0, batches of 512 and replacements of up to 5,000,000 flights
    /// (some 150 MB).
    pub fn new(provider: ProviderCode) -> Self {
        Self {
            provider,
            authority: 0,
            batch_items_max: 512,
            replace_flights_max: 5_000_000,
            now_ms: None,
        }
    }
}

/// A command to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCommand {
    /// Line of the record it came from, from 1.
    pub line: u64,
    /// Its id: the same for the same report, whenever and in whatever file it comes.
    pub id: CommandId,
    /// The flight.
    pub flight: FlightKey,
    /// Always [`FlightCommand::Provider`].
    pub command: FlightCommand,
    /// How the event was seen, when it was an observation.
    pub observed: Option<Box<Observed>>,
}

/// Part of a source, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// To append, in this order.
    pub commands: Vec<PushCommand>,
    /// Reports about flights that are to be looked up, each with its line: when the commands are
    /// decided. Versions put them into their order.
    pub unplaced: Vec<(u64, Unplaced)>,
    /// Records that were set aside, to append as
    /// [`Command::FeedReject`](flightline_ledger::Command::FeedReject).
    pub rejects: Vec<Reject>,
    /// Remarks on records that were taken.
    pub warnings: Vec<Warning>,
    /// Messages that began, with their numbers: to be noted when what they say is decided.
    pub numbered: Vec<Numbered>,
    /// A full replacement that is whole with this batch: to be resolved after its commands. See
    /// [`ReplacementClose::withdrawals`].
    pub close: Option<ReplacementClose>,
    /// Records read for this batch. One record may give several commands.
    pub records: u64,
    /// The input ended before its end, or could not be read on: why. The reject that says so is
    /// among `rejects`; what came before it stands.
    pub broke_off: Option<String>,
}

/// The iterator over the batches of one source.
pub struct Push<'a> {
    items: Peekable<Parser<'a>>,
    message: Arc<str>,
    config: PushConfig,
    open: Option<Named>,
    last_line: u64,
}

/// What a full replacement that is under way has named.
struct Named {
    scope: Scope,
    flights: HashSet<FlightKey>,
    /// Why it must not close: the first record of which it is not known what flight it names.
    spoiled: Option<String>,
    /// Flights that are none of its, for which it is said one by one only at first.
    outside: u64,
}

/// How many flights outside of a replacement are told one by one.
const OUTSIDE_TOLD_MAX: u64 = 5;

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("message", &self.message)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl<'a> Push<'a> {
    /// Reads the source with the connector.
    pub fn new(connector: &dyn Connector, source: Source<'a>, config: PushConfig) -> Self {
        let message = Arc::clone(&source.message);
        Self {
            items: connector.parse(source).peekable(),
            message,
            config,
            open: None,
            last_line: 0,
        }
    }

    /// The input's name in rejects.
    pub fn message(&self) -> &Arc<str> {
        &self.message
    }

    fn record(&mut self, line: u64, batch: &mut Batch) {
        // A fault can be told of an earlier line, which was counted then.
        if line > self.last_line {
            self.last_line = line;
            batch.records += 1;
        }
    }

    fn take(&mut self, item: Parsed, batch: &mut Batch) {
        match item {
            Parsed::Event { line, event } => {
                self.record(line, batch);
                if let Some(reject) = self.expired(line, &event) {
                    if let Some(open) = &mut self.open {
                        open.name(event.flight, self.config.replace_flights_max);
                    }
                    batch.rejects.push(reject);
                    return;
                }
                let mut event = event;
                event.lapse_with_observation();
                let observed = event.observed.take();
                let (id, flight, event) =
                    event.into_command(self.config.provider, self.config.authority);
                if let Some(open) = &mut self.open {
                    open.name(flight, self.config.replace_flights_max);
                    if !open.scope.contains(&flight) {
                        open.outside += 1;
                        if open.outside <= OUTSIDE_TOLD_MAX {
                            let more = if open.outside == OUTSIDE_TOLD_MAX {
                                "; further ones are taken without a word"
                            } else {
                                ""
                            };
                            batch.warnings.push(Warning {
                                line,
                                flight: Some(flight),
                                text: format!(
                                    "the flight is outside of the replacement ({}): taken as a change of its own{more}",
                                    open.scope
                                ),
                            });
                        }
                    }
                }
                batch.commands.push(PushCommand {
                    line,
                    id,
                    flight,
                    command: FlightCommand::Provider(Box::new(event)),
                    observed,
                });
            }
            Parsed::Reject(reject) => {
                self.record(reject.line, batch);
                if let Some(open) = &mut self.open {
                    match reject.flight {
                        Some(flight) => open.name(flight, self.config.replace_flights_max),
                        None => open.spoil(format!(
                            "line {} was rejected ({}) and may name any flight",
                            reject.line, reject.code
                        )),
                    }
                }
                if matches!(reject.code, Code::Truncated | Code::Unreadable) {
                    batch.broke_off = Some(reject.reason.clone());
                }
                batch.rejects.push(reject);
            }
            Parsed::Warning(warning) => batch.warnings.push(warning),
            Parsed::Numbered { numbered, .. } => batch.numbered.push(numbered),
            Parsed::Unplaced { line, event } => {
                self.record(line, batch);
                batch.unplaced.push((line, event));
            }
            Parsed::ReplaceBegin { line, replacement } => {
                self.record(line, batch);
                self.open = Some(Named {
                    scope: replacement.scope,
                    flights: HashSet::new(),
                    spoiled: None,
                    outside: 0,
                });
            }
            Parsed::ReplaceEnd { line, replacement } => {
                self.record(line, batch);
                self.end(line, replacement, batch);
            }
        }
    }

    /// Sets an observation aside that does not hold any more.
    fn expired(&self, line: u64, event: &CanonicalEvent) -> Option<Reject> {
        let now_ms = self.config.now_ms?;
        let expires_ms = event.observed.as_ref()?.expires_ms?;
        if expires_ms > now_ms {
            return None;
        }
        let reason = format!(
            "what was seen of {} held until {}; {}",
            event.flight,
            time_text(expires_ms),
            Code::Expired.remedy()
        );
        let raw = canonical::to_line(event);
        let mut reject = Reject::new(&self.message, line, Code::Expired, reason, raw.as_bytes());
        reject.flight = Some(event.flight);
        Some(reject)
    }

    fn end(&mut self, line: u64, replacement: Replacement, batch: &mut Batch) {
        let Some(open) = self.open.take() else {
            // The connector matches the marks; without a begin nothing is known to be named.
            return;
        };
        match open.spoiled {
            None => {
                batch.close = Some(ReplacementClose {
                    line,
                    provider: self.config.provider,
                    authority: self.config.authority,
                    replacement,
                    named: open.flights,
                });
            }
            Some(why) => {
                let reason = format!(
                    "{why}: nothing was withdrawn; {}",
                    Code::BadReplace.remedy()
                );
                let raw = canonical::to_replace_end_line(&replacement, None);
                batch.rejects.push(Reject::new(
                    &self.message,
                    line,
                    Code::BadReplace,
                    reason,
                    raw.as_bytes(),
                ));
            }
        }
    }
}

impl Named {
    fn name(&mut self, flight: FlightKey, flights_max: usize) {
        if self.spoiled.is_some() || !self.scope.contains(&flight) {
            return;
        }
        if self.flights.len() < flights_max || self.flights.contains(&flight) {
            self.flights.insert(flight);
        } else {
            self.spoil(format!(
                "the replacement names more than {flights_max} flights; send it in shorter periods"
            ));
        }
    }

    fn spoil(&mut self, why: String) {
        if self.spoiled.is_none() {
            self.spoiled = Some(why);
            // It will not close: its names need no memory any more.
            self.flights = HashSet::new();
        }
    }
}

impl Iterator for Push<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.items.peek()?;
        let mut batch = Batch::default();
        // A close ends its batch, since it comes after the commands before it.
        let most = self.config.batch_items_max.max(1);
        while batch.commands.len() + batch.rejects.len() + batch.unplaced.len() < most
            && batch.warnings.len() < most
            && batch.close.is_none()
        {
            let Some(item) = self.items.next() else { break };
            self.take(item, &mut batch);
        }
        Some(batch)
    }
}
