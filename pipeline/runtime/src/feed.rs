//! Provider feeds in: a file or body becomes commands, and the commands' decisions become a report.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flightline_api::backend::{
    Answer, BATCH_MAX, Backend, FeedError, FeedRejection, FeedReport, Submit, SubmitError,
};
use flightline_connectors::{
    Batch, Code, Connector, OBSERVED_AT, Options, Parsed, Push, PushCommand, PushConfig, Reject,
    Scope, Source, Tally, Unplaced, canonical, ids, nycflights13, observed::time_text, ssm,
};
use flightline_ledger::command::FeedCommand;
use flightline_ledger::{
    Carrier, Command, CommandId, Date, Decision, FlightCommand, FlightKey, Outcome, ProviderCode,
    Reason,
};
use tokio::sync::oneshot;

use crate::backend::Inner;
use crate::config::ProviderFeed;
use crate::terms::Configured;

/// Batches on their way at once: one gathers while others are made durable, and memory is bounded.
const IN_FLIGHT_MAX: usize = 8;

/// Flights whose terms are looked at together.
const TOUCHED_MAX: usize = 8192;

/// Commands in a batch.
const BATCH_ITEMS: usize = 1024;

/// The connector of a format with these options.
fn connector(
    format: &str,
    options: impl IntoIterator<Item = (String, String)>,
) -> Result<Box<dyn Connector>, String> {
    let format = flightline_connectors::format(format).map_err(|e| e.to_string())?;
    let options = options
        .into_iter()
        .fold(Options::new(), |all, (name, value)| all.with(name, value));
    let options = match options.get(ssm::RECEIVED) {
        // Days without a year are those nearest to today, unless it is said when they were sent.
        None if format
            .options
            .iter()
            .any(|(name, _)| *name == ssm::RECEIVED) =>
        {
            options.with(ssm::RECEIVED, today().to_string())
        }
        _ => options,
    };
    format.connector(&options).map_err(|e| e.to_string())
}

fn today() -> Date {
    Date((now_ms() / 86_400_000) as i32)
}

/// Format and options of a push: what it says, and for the rest what is configured for the provider.
fn agreed(
    feed: Option<&ProviderFeed>,
    format: &str,
    options: &[(String, String)],
) -> Result<(String, Vec<(String, String)>), String> {
    let configured = feed.and_then(|feed| feed.format.as_deref());
    let format = match (format, configured) {
        ("", Some(configured)) => configured,
        ("", None) => {
            return Err(
                "no format is given and none is configured for the provider: name one (format=...), or set it in [providers.NAME]"
                    .to_owned(),
            );
        }
        (given, _) => given,
    };
    let mut all = options.to_vec();
    // Options are of a format: those of another one say nothing about this one.
    if let Some(feed) = feed.filter(|_| configured == Some(format)) {
        for (name, value) in &feed.options {
            if !options.iter().any(|(given, _)| given == name) {
                all.push((name.clone(), value.clone()));
            }
        }
    }
    Ok((format.to_owned(), all))
}

/// With the time of receipt, where the format wants it and nobody gave it.
fn received(
    format: &str,
    mut options: Vec<(String, String)>,
    now_ms: i64,
) -> Vec<(String, String)> {
    let wants = flightline_connectors::format(format).is_ok_and(|f| f.has_option(OBSERVED_AT));
    if wants && !options.iter().any(|(name, _)| name == OBSERVED_AT) {
        options.push((OBSERVED_AT.to_owned(), time_text(now_ms)));
    }
    options
}

/// A format with its options, as a push and the configuration agree on them.
pub(crate) struct ConfiguredFormat {
    format: String,
    options: Vec<(String, String)>,
}

impl ConfiguredFormat {
    pub(crate) fn agreed(
        feed: Option<&ProviderFeed>,
        format: &str,
        options: &[(String, String)],
    ) -> Result<Self, String> {
        let (format, options) = agreed(feed, format, options)?;
        let options = received(&format, options, now_ms());
        Ok(Self { format, options })
    }

    pub(crate) fn connector(self) -> Result<Box<dyn Connector>, String> {
        connector(&self.format, self.options)
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

struct Waiting {
    /// For each command its line; `None` for what is not counted: records that keep a reject, and
    /// what follows a schedule for which earlier reports waited.
    lines: Vec<Option<u64>>,
    submits: Vec<Submit>,
    receiver: oneshot::Receiver<Vec<Answer>>,
}

/// Carrier, number and suffix of a flight.
type Number = (Carrier, u16, u8);

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
    fn take(&mut self, batch: Batch) -> Result<(), FeedError> {
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
        let Some(close) = batch.close else {
            return Ok(());
        };
        // Which flights there are can only be told when what the replacement named is decided and
        // in the index.
        self.finish()?;
        self.inner.await_index();
        let existing = self
            .inner
            .flights_of(self.provider, close.replacement.scope);
        if let Some(note) = self.inner.late.closed(&close) {
            let note = self.note(note);
            self.send(vec![note], vec![None])?;
        }
        let mut withdrawals = close.withdrawals(existing);
        loop {
            let part: Vec<_> = withdrawals.by_ref().take(BATCH_MAX).collect();
            if part.is_empty() {
                return Ok(());
            }
            let lines = part.iter().map(|c| Some(c.line)).collect();
            let submits = part.into_iter().map(|c| self.submit_of(c)).collect();
            self.send(submits, lines)?;
        }
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
        let receiver = submit_patiently(self.inner, submits.clone())?;
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
            FeedError::Submit(SubmitError::Unavailable {
                why: Arc::from(
                    "it stopped while the feed was read; push it again, what was taken counts as duplicate",
                ),
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
    submits: Vec<Submit>,
) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
    loop {
        match inner.submit_batch(submits.clone()) {
            Err(SubmitError::Overloaded { retry_after_ms }) => {
                std::thread::park_timeout(Duration::from_millis(retry_after_ms));
            }
            other => return other,
        }
    }
}

/// A provider's flights by number, over some days.
pub(crate) struct FlightsAround(HashMap<Number, Vec<FlightKey>>);

/// The provider's flights by number, over the days that the reports are about.
pub(crate) fn flights_around<'a>(
    inner: &Inner,
    provider: ProviderCode,
    events: impl Iterator<Item = &'a Unplaced>,
) -> FlightsAround {
    let mut days: BTreeMap<Carrier, (Date, Date)> = BTreeMap::new();
    for event in events {
        let (from, to) = event.flights.dates();
        let known = days.entry(event.flights.carrier).or_insert((from, to));
        *known = (known.0.min(from), known.1.max(to));
    }
    let mut flights: HashMap<Number, Vec<FlightKey>> = HashMap::new();
    for (carrier, (from, to)) in days {
        let scope = Scope {
            carrier: Some(carrier),
            from,
            to,
        };
        for flight in inner.flights_of(provider, scope) {
            let number = (flight.carrier, flight.number, flight.suffix);
            flights.entry(number).or_default().push(flight);
        }
    }
    FlightsAround(flights)
}

impl FlightsAround {
    /// Those that a report is about.
    pub(crate) fn of<'a>(
        &'a self,
        inner: &'a Inner,
        event: &'a Unplaced,
    ) -> impl Iterator<Item = FlightKey> + 'a {
        let which = &event.flights;
        let number = (which.carrier, which.number, which.suffix);
        let flights = self.0.get(&number).into_iter().flatten();
        flights.copied().filter(move |flight| {
            let departs_s = || {
                let plan = inner.serving.plan(flight)?;
                plan.departures.first().map(|(_, departs_s)| *departs_s)
            };
            which.contains(flight, which.utc.then(departs_s).flatten())
        })
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

/// What [`check`] finds.
#[derive(Debug)]
pub enum Checked<'a> {
    /// An event, as a canonical line.
    Event(&'a str),
    /// A record that would be set aside.
    Reject {
        /// Line, from 1.
        line: u64,
        /// Stable code.
        code: &'static str,
        /// What was wrong and what to do.
        reason: &'a str,
    },
    /// A remark on a record that would be taken.
    Warning {
        /// Line, from 1.
        line: u64,
        /// What was found.
        text: &'a str,
    },
}

/// Why a check could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Unknown format or option.
    #[error("{0}")]
    Use(String),
    /// The result could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Parses a file and hands out canonical lines and rejects; sends nothing.
pub fn check(
    format: &str,
    options: &[(String, String)],
    message: &str,
    body: Box<dyn Read + Send + '_>,
    mut visit: impl FnMut(Checked<'_>) -> std::io::Result<()>,
) -> Result<(), CheckError> {
    let options = received(format, options.to_vec(), now_ms());
    let connector = connector(format, options).map_err(CheckError::Use)?;
    let source = Source::new(message, BufReader::with_capacity(64 << 10, body));
    for item in connector.parse(source) {
        match item {
            Parsed::Event { event, .. } => visit(Checked::Event(&canonical::to_line(&event)))?,
            Parsed::Unplaced { event, .. } => visit(Checked::Event(&event.to_line()))?,
            Parsed::ReplaceBegin { replacement, .. } => {
                visit(Checked::Event(&canonical::to_replace_begin_line(
                    &replacement,
                )))?;
            }
            Parsed::ReplaceEnd { replacement, .. } => {
                visit(Checked::Event(&canonical::to_replace_end_line(
                    &replacement,
                    None,
                )))?;
            }
            Parsed::Reject(reject) => visit(Checked::Reject {
                line: reject.line,
                code: reject.code.name(),
                reason: &reject.reason,
            })?,
            Parsed::Warning(warning) => visit(Checked::Warning {
                line: warning.line,
                text: &warning.text,
            })?,
        }
    }
    Ok(())
}

/// Every (board, off, date) of the bundled schedule, moved by so many days: for the demo and for
/// load generators.
pub fn bundled_routes(shift_days: i64) -> Result<Vec<(String, String, String)>, CheckError> {
    let options = [("shift_days".to_owned(), shift_days.to_string())];
    let connector = connector("nycflights13", options).map_err(CheckError::Use)?;
    let source = Source::new(
        nycflights13::JANUARY_NAME,
        BufReader::new(nycflights13::JANUARY_CSV_GZ),
    );
    let mut routes = Vec::new();
    for item in connector.parse(source) {
        let Parsed::Event { event, .. } = item else {
            continue;
        };
        if let flightline_ledger::ProviderBody::Schedule(schedule) = &event.body
            && let (Some(first), Some(last)) = (schedule.legs.first(), schedule.legs.last())
        {
            routes.push((
                first.board.to_string(),
                last.off.to_string(),
                event.flight.origin_date.to_string(),
            ));
        }
    }
    Ok(routes)
}
