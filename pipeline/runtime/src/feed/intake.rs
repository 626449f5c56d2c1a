//! A feed to its end: batches of commands, what follows them, and how each was decided.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::{
    Answer, BATCH_MAX, Backend, FeedError, FeedRejection, FeedReport, Submit, SubmitError,
};
use flightline_connectors::{
    Batch, Code, Push, PushCommand, PushConfig, Reject, Source, Tally, Unplaced, ids,
};
use flightline_ledger::command::{FeedCommand, Numbered};
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, FlightKey, Outcome, ProviderCode, Reason,
};
use tokio::sync::oneshot;

use super::closing::Closing;
use super::{agreed, connector, flights_around, now_ms, received};
use crate::backend::Inner;
use crate::terms::Configured;

/// Batches on their way at once: some gather while others are made durable and folded. With more, feeds are faster, and
/// who books beside one waits longer: see the bench `feeds`.
const IN_FLIGHT_MAX: usize = 16;

/// Flights whose terms are looked at together.
const TOUCHED_MAX: usize = 8192;

/// Messages of a feed that are noted together.
const NUMBERED_MAX: usize = 4096;

/// Commands in a batch.
const BATCH_ITEMS: usize = 1024;

struct Waiting {
    /// For each command its line; `None` for what is not counted: records that keep a reject, and
    /// what follows a schedule for which earlier reports waited.
    lines: Vec<Option<u64>>,
    submits: Vec<Submit>,
    receiver: oneshot::Receiver<Vec<Answer>>,
}

struct Intake<'a> {
    inner: &'a Inner,
    provider: ProviderCode,
    authority: u8,
    /// Terms of the configuration, for flights of which the provider states none.
    terms: Configured,
    /// Flights whose terms are to be looked at.
    touched: BTreeSet<FlightKey>,
    message: Arc<str>,
    tally: Tally,
    waiting: VecDeque<Waiting>,
    /// What has to follow schedules that were accepted.
    follow: Vec<PushCommand>,
    closing: Closing,
    /// Messages that began, and are noted when what they say is decided.
    numbered: Vec<Numbered>,
}

/// Takes a feed to its end. See [`Backend::ingest`].
pub(crate) fn ingest(
    inner: &Inner,
    provider: ProviderCode,
    format: &str,
    options: &[(String, String)],
    message: &str,
    body: Box<dyn Read + Send>,
) -> Result<FeedReport, FeedError> {
    let now_ms = now_ms();
    let feed = inner.feeds.iter().find(|feed| feed.provider == provider);
    let (format, options) = agreed(feed, format, options).map_err(FeedError::UnknownFormat)?;
    let connector =
        connector(&format, received(&format, options, now_ms)).map_err(FeedError::UnknownFormat)?;
    let mut intake = Intake {
        inner,
        provider,
        authority: inner.authority_of(provider),
        terms: Configured::of(inner, provider),
        touched: BTreeSet::new(),
        message: Arc::from(message),
        tally: Tally::default(),
        waiting: VecDeque::new(),
        follow: Vec::new(),
        closing: Closing::default(),
        numbered: Vec::new(),
    };
    let source = Source::new(message, BufReader::with_capacity(64 << 10, body));
    let config = PushConfig {
        authority: intake.authority,
        batch_items_max: BATCH_ITEMS,
        now_ms: Some(now_ms),
        ..PushConfig::new(provider)
    };
    let mut broke_off = None;
    for batch in Push::new(&*connector, source, config) {
        if let Some(why) = &batch.broke_off {
            broke_off = Some(why.clone());
        }
        intake.take(batch)?;
    }
    // What has come whole is closed, whatever broke off behind it.
    intake.close_all()?;
    // What is cut off may have been the end of the last message: it has not come.
    intake.note_numbered(usize::from(broke_off.is_some()))?;
    intake.finish()?;
    if let Err(failure) = crate::sale::tell_heard(inner, inner.sequencer.now_ms()) {
        tracing::warn!(%failure, "partitions were not told that a provider was heard");
    }
    // Who pushed, and searches then, finds what was pushed.
    inner.await_index();
    let report = report_of(intake.tally);
    match broke_off {
        Some(why) => Err(FeedError::BrokeOff {
            why,
            report: Box::new(report),
        }),
        None => Ok(report),
    }
}

fn report_of(tally: Tally) -> FeedReport {
    FeedReport {
        read: tally.read,
        accepted: tally.accepted,
        duplicate: tally.duplicate,
        stale: tally.stale,
        rejected: tally.rejected,
        rejects: tally
            .rejects
            .into_iter()
            .map(|r| FeedRejection {
                line: r.line,
                code: r.code,
                message: r.message,
            })
            .collect(),
    }
}

impl Intake<'_> {
    /// Notes messages that have come, but for the last so many. When they are in the stream, so is what they say.
    fn note_numbered(&mut self, but: usize) -> Result<(), FeedError> {
        let end = self.numbered.len().saturating_sub(but);
        let came: Vec<Numbered> = self.numbered.drain(..end).collect();
        let is_known = |numbered: &Numbered| self.inner.stats.has(self.provider, numbered);
        let news: Vec<_> = came.into_iter().filter(|one| !is_known(one)).collect();
        if news.is_empty() {
            return Ok(());
        }
        self.finish()?;
        for part in news.chunks(BATCH_MAX) {
            let notes = part
                .iter()
                .map(|one| self.note(FeedCommand::Numbered(*one)));
            let submits: Vec<Submit> = notes.collect();
            let lines = vec![None; submits.len()];
            self.send(submits, lines)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: Batch) -> Result<(), FeedError> {
        if !self.closing.is_empty() {
            let mut commands = batch.commands.iter();
            let is_about = commands.any(|command| self.closing.is_about(&command.flight));
            if is_about || !batch.unplaced.is_empty() {
                self.close_all()?;
            }
        }
        let mut submits = Vec::new();
        let mut lines = Vec::new();
        for command in batch.commands {
            lines.push(Some(command.line));
            submits.push(self.submit_of(command));
        }
        for reject in batch.rejects {
            self.tally.reject(&reject);
            lines.push(None);
            submits.push(self.reject_submit(&reject));
        }
        self.send(submits, lines)?;
        // Not only at the end, which may be far away: see `SCHEDULES_MAX`.
        self.send_follow()?;
        if self.touched.len() >= TOUCHED_MAX {
            self.finish()?;
        }
        self.look_up(&batch.unplaced)?;
        // Behind what the batch says; only the last message of it may go on in the next one.
        self.numbered.extend(batch.numbered);
        if self.numbered.len() > NUMBERED_MAX {
            self.note_numbered(1)?;
        }
        let Some(close) = batch.close else {
            return Ok(());
        };
        if self.closing.overlaps(&close) {
            self.close_all()?;
        }
        self.closing.push(close);
        if self.closing.is_full() {
            self.close_all()?;
        }
        Ok(())
    }

    /// Withdraws what the replacements that have ended did not name.
    fn close_all(&mut self) -> Result<(), FeedError> {
        if self.closing.is_empty() {
            return Ok(());
        }
        // Which flights there are can only be told when what the replacements named is decided and
        // in the index.
        self.finish()?;
        let closes = self.closing.take();
        // Noted first: an older schedule that another push brings meanwhile is withdrawn behind it, or is in the
        // index when it is looked at.
        for close in &closes {
            if let Some(note) = self.inner.late.closed(close) {
                let note = self.note(note);
                self.send(vec![note], vec![None])?;
            }
        }
        self.inner.await_index();
        for close in closes {
            let existing = self
                .inner
                .flights_of(self.provider, close.replacement.scope);
            let mut withdrawals = close.withdrawals(existing);
            loop {
                let part: Vec<_> = withdrawals.by_ref().take(BATCH_MAX).collect();
                if part.is_empty() {
                    break;
                }
                let lines = part.iter().map(|c| Some(c.line)).collect();
                let submits = part.into_iter().map(|c| self.submit_of(c)).collect();
                self.send(submits, lines)?;
            }
        }
        Ok(())
    }

    /// Sends reports that name a flight by number and day to the flights that there are, and keeps
    /// them for those to come.
    fn look_up(&mut self, unplaced: &[(u64, Unplaced)]) -> Result<(), FeedError> {
        if unplaced.is_empty() {
            return Ok(());
        }
        self.finish()?;
        self.inner.await_index();
        let flights = flights_around(self.inner, self.provider, unplaced.iter().map(|(_, e)| e));
        let mut submits = Vec::new();
        let mut lines = Vec::new();
        for (line, event) in unplaced {
            // Before what it makes: what it makes of flights to come, a restart finds in it.
            let note = self
                .inner
                .late
                .unplaced(self.provider, self.authority, event);
            if let Some(note) = note {
                lines.push(None);
                submits.push(self.note(note));
            }
            let mut found = false;
            for flight in flights.of(self.inner, event) {
                found = true;
                let command = event.command(flight, self.provider, self.authority, *line);
                // Behind another report, there is nothing to count.
                lines.push((!event.is_tidying()).then_some(*line));
                submits.push(self.submit_of(command));
            }
            if !found && !event.is_tidying() {
                let reason = format!("there is no {}; {}", event.flights, Code::NoFlight.remedy());
                let raw = event.to_line();
                let reject =
                    Reject::new(&self.message, *line, Code::NoFlight, reason, raw.as_bytes());
                self.tally.reject(&reject);
                lines.push(None);
                submits.push(self.reject_submit(&reject));
            }
        }
        self.send(submits, lines)
    }

    /// What names no single flight, for the stream.
    fn note(&self, command: FeedCommand) -> Submit {
        Submit {
            id: CommandId(0),
            command: Command::Feed(self.provider, Box::new(command)),
            ref_text: None,
            actor: Some(self.provider.as_str().into()),
        }
    }

    fn submit_of(&self, command: PushCommand) -> Submit {
        Submit {
            id: command.id,
            command: Command::Flight(command.flight, command.command),
            ref_text: command
                .observed
                .map(|observed| observed.note().into_boxed_str())
                .filter(|note| !note.is_empty()),
            actor: Some(self.provider.as_str().into()),
        }
    }

    fn reject_submit(&self, reject: &Reject) -> Submit {
        let reject = reject.to_feed_reject(self.provider);
        Submit {
            id: ids::feed_reject_id(&reject),
            command: Command::FeedReject(Box::new(reject)),
            ref_text: None,
            actor: Some(self.provider.as_str().into()),
        }
    }

    fn send(&mut self, submits: Vec<Submit>, lines: Vec<Option<u64>>) -> Result<(), FeedError> {
        if submits.is_empty() {
            return Ok(());
        }
        let receiver = submit_patiently(self.inner, &submits)?;
        self.waiting.push_back(Waiting {
            lines,
            submits,
            receiver,
        });
        while self.waiting.len() > IN_FLIGHT_MAX {
            self.settle_one()?;
        }
        Ok(())
    }

    fn settle_one(&mut self) -> Result<(), FeedError> {
        let Some(waiting) = self.waiting.pop_front() else {
            return Ok(());
        };
        let answers = waiting.receiver.blocking_recv().map_err(|_| {
            let closed = self.inner.sequencer.closed();
            let reason = closed.as_deref().unwrap_or("the log says why");
            FeedError::Submit(SubmitError::Unavailable {
                why: Arc::from(format!(
                    "it stopped while the feed was read ({reason}); push it again, what was taken counts as duplicate"
                )),
            })
        })?;
        self.settle_late(waiting.submits, &answers);
        for (line, answer) in waiting.lines.iter().zip(&answers) {
            let Some(line) = line else { continue };
            let decision = &answer.decision;
            let listed = self.tally.rejects.len();
            self.tally
                .decided(*line, &decision.outcome, decision.replay);
            if self.tally.rejects.len() > listed
                && let Some(text) = refusal(decision)
                && let Some(reject) = self.tally.rejects.last_mut()
            {
                reject.message = text;
            }
        }
        Ok(())
    }

    /// Keeps what came before its flight, and finds what waited for the flights that are there now.
    fn settle_late(&mut self, submits: Vec<Submit>, answers: &[Answer]) {
        for (submit, answer) in submits.into_iter().zip(answers) {
            if let Command::Flight(flight, FlightCommand::Provider(event)) = submit.command {
                let follow = self.inner.late.decided(flight, &event, &answer.decision);
                self.follow.extend(follow);
                let accepted = matches!(answer.decision.outcome, Outcome::Accepted { .. });
                if accepted && !self.terms.allowances.is_empty() {
                    self.touched.insert(flight);
                }
            }
        }
    }

    /// Waits until everything is decided, what follows included.
    fn finish(&mut self) -> Result<(), FeedError> {
        loop {
            while !self.waiting.is_empty() {
                self.settle_one()?;
            }
            let touched = std::mem::take(&mut self.touched);
            let terms = self.terms.missing(self.inner, touched, now_ms());
            self.follow.extend(terms.map_err(|failure| {
                FeedError::Submit(SubmitError::Unavailable {
                    why: Arc::from(failure.to_string()),
                })
            })?);
            if self.follow.is_empty() {
                return Ok(());
            }
            self.send_follow()?;
        }
    }

    /// Sends what has to follow the schedules that were decided so far.
    fn send_follow(&mut self) -> Result<(), FeedError> {
        let follow = std::mem::take(&mut self.follow);
        for part in follow.chunks(BATCH_MAX) {
            let submits = part.iter().cloned().map(|c| self.submit_of(c)).collect();
            self.send(submits, vec![None; part.len()])?;
        }
        Ok(())
    }
}

/// A full queue is back-pressure for a feed, not an error: it has all the time there is. Blocking.
pub(crate) fn submit_patiently(
    inner: &Inner,
    submits: &[Submit],
) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
    loop {
        match inner.submit_batch(submits.to_vec()) {
            Err(SubmitError::Overloaded { retry_after_ms }) => {
                std::thread::park_timeout(Duration::from_millis(retry_after_ms));
            }
            other => return other,
        }
    }
}

/// What the ledger's refusal of a provider's event means to the provider, and what to do.
fn refusal(decision: &Decision) -> Option<String> {
    let flight = decision.flight;
    Some(match decision.outcome.reason()? {
        Reason::NotScheduled => format!(
            "{flight} was never scheduled: the event is kept, and is applied behind the schedule when that comes"
        ),
        Reason::Retired => {
            format!("{flight} is over and was forgotten: nothing about it can change any more")
        }
        Reason::NotOwner => format!(
            "another provider owns the schedule of {flight}, and its times are taken; set a higher authority for this provider if its word should count"
        ),
        Reason::InvalidEvent => format!(
            "the event contradicts itself or what is known of {flight}: look at its stations, the order of its legs, its cabins and the range of its counts"
        ),
        _ => return None,
    })
}
