//! Lines that go to the stream together.

use std::time::{Duration, Instant};

use flightline_ledger::{CommandId, FlightCommand, FlightKey, HoldRequest};
use tokio::sync::oneshot;

use super::lines::{LINE_BYTES_MAX, Line};
use super::{Batch, is_overloaded};
use crate::backend::{Answer, BATCH_MAX, Submit, SubmitError};
use crate::handlers::command;
use crate::handlers::holds::HOLD_KIND;
use crate::http::error::ApiError;
use crate::http::faults;
use crate::http::ids::new_hold_id;
use crate::wire::hold::parse_line;

/// Lines in a slab: enough that the stream's group commit pays, few enough that parsing them does
/// not keep a thread from other requests for long.
pub(crate) const LINES_MAX: usize = 1024;

const _: () = assert!(LINES_MAX <= BATCH_MAX);

/// The lines.
pub(crate) struct Slab {
    /// Number of the next line, from 1.
    next_line: u64,
    /// Ids of holds, one after the other.
    ids: String,
    pub(crate) lines: Vec<Entry>,
    holds: usize,
}

/// One line that is not blank.
pub(crate) struct Entry {
    pub(crate) line: u64,
    pub(crate) what: What,
}

pub(crate) enum What {
    Hold(Hold),
    Bad(ApiError),
}

/// A hold that is asked for.
pub(crate) struct Hold {
    /// Where its id ends in the slab's ids, and how long it is.
    id_end: u32,
    id_len: u32,
    pub(crate) flight: FlightKey,
    command: CommandId,
    pub(crate) request: HoldRequest,
}

/// Where the answers of a slab come from.
pub(crate) enum Waiting {
    /// It has no holds.
    Nothing,
    All(oneshot::Receiver<Vec<Answer>>),
    /// Submitted one by one.
    Each(Vec<Result<oneshot::Receiver<Answer>, SubmitError>>),
    /// None was taken.
    Failed(SubmitError),
}

impl Slab {
    pub(crate) fn new(next_line: u64) -> Self {
        Self {
            next_line,
            ids: String::new(),
            lines: Vec::new(),
            holds: 0,
        }
    }

    pub(crate) fn next_line(&self) -> u64 {
        self.next_line
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lines.len() >= LINES_MAX
    }

    pub(crate) fn id(&self, hold: &Hold) -> &str {
        let end = hold.id_end as usize;
        &self.ids[end - hold.id_len as usize..end]
    }

    /// Takes a line. Blank ones are counted and skipped.
    pub(crate) fn push(&mut self, line: Line, batch: &Batch) {
        let number = self.next_line;
        self.next_line += 1;
        let what = match line {
            Line::TooLong => What::Bad(ApiError::new(
                &faults::BODY_TOO_LARGE,
                format!("a line may have {LINE_BYTES_MAX} bytes"),
            )),
            Line::Text(text) if text.trim_ascii().is_empty() => return,
            Line::Text(text) => match self.hold(&text, number, batch) {
                Ok(hold) => {
                    self.holds += 1;
                    What::Hold(hold)
                }
                Err(error) => What::Bad(error),
            },
        };
        self.lines.push(Entry { line: number, what });
    }

    fn hold(&mut self, text: &[u8], number: u64, batch: &Batch) -> Result<Hold, ApiError> {
        let asked = parse_line(text)?;
        let start = self.ids.len();
        match (&asked.id, &batch.key) {
            (Some(id), _) => self.ids.push_str(id),
            (None, Some(key)) => {
                self.ids.push_str(key);
                self.ids.push(':');
                self.ids.push_str(&number.to_string());
            }
            (None, None) => self.ids.push_str(new_hold_id().as_str()),
        }
        let id = &self.ids[start..];
        Ok(Hold {
            // A slab has at most 1024 ids of at most 201 bytes.
            id_end: self.ids.len() as u32,
            id_len: id.len() as u32,
            flight: asked.flight,
            command: (batch.app.config.command_id)(&batch.caller.name, HOLD_KIND, id),
            request: asked.request,
        })
    }

    fn each_hold(&self) -> impl Iterator<Item = &Hold> {
        self.lines.iter().filter_map(|entry| match &entry.what {
            What::Hold(hold) => Some(hold),
            What::Bad(_) => None,
        })
    }

    fn submit_of(&self, hold: &Hold, batch: &Batch) -> Submit {
        let what = FlightCommand::Hold(hold.request);
        command::submit(
            hold.command,
            hold.flight,
            what,
            self.id(hold),
            &batch.caller,
        )
    }

    /// Hands the holds to the stream; waits while it is full.
    pub(crate) async fn submit(&self, batch: &Batch) -> Waiting {
        if self.holds == 0 {
            return Waiting::Nothing;
        }
        let patience = Patience::new(batch);
        loop {
            let mut submits = Vec::with_capacity(self.holds);
            submits.extend(self.each_hold().map(|hold| self.submit_of(hold, batch)));
            match batch.app.backend.submit_batch(submits) {
                Ok(answers) => return Waiting::All(answers),
                // One of them is at fault, and the others must not suffer for it.
                Err(SubmitError::IdInUse { .. }) => return self.submit_each(batch).await,
                Err(error) => {
                    if !patience.wait(&error).await {
                        return Waiting::Failed(error);
                    }
                }
            }
        }
    }

    async fn submit_each(&self, batch: &Batch) -> Waiting {
        let patience = Patience::new(batch);
        let mut out = Vec::with_capacity(self.holds);
        for hold in self.each_hold() {
            out.push(loop {
                match batch.app.backend.submit(self.submit_of(hold, batch)) {
                    Ok(answer) => break Ok(answer),
                    Err(error) => {
                        if !patience.wait(&error).await {
                            break Err(error);
                        }
                    }
                }
            });
        }
        Waiting::Each(out)
    }
}

/// How long a full stream is waited for.
struct Patience {
    until: Instant,
}

impl Patience {
    fn new(batch: &Batch) -> Self {
        let patience = Duration::from_millis(batch.app.config.request_timeout_ms);
        Self {
            until: Instant::now() + patience,
        }
    }

    /// Waits before another attempt; `false` when there is to be none.
    async fn wait(&self, error: &SubmitError) -> bool {
        match is_overloaded(error) {
            Some(pause) if Instant::now() < self.until => {
                tokio::time::sleep(pause).await;
                true
            }
            _ => false,
        }
    }
}
