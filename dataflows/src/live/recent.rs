//! The source `decisions`: what views want of it, for as long as they do.
//!
//! It grows for ever, so that nobody keeps it. What a view reads of it ([`window`]) is kept in a trace, like a view that
//! others read, from the moment on at which the first of them comes; a decision leaves when the stream's clock says so.
//! Nothing is done for decisions while no view reads them.
//!
//! What was decided before a view came, or before a start, is in no epoch any more: whoever runs the views folds it
//! again ([`History`]). At a start that is asked for once the first epoch says where it begins, and the workers
//! wait for it before they take that epoch. Later it is asked for before the view comes, while the workers
//! put aside what is decided meanwhile. Neither keeps what no view wants ([`Sieve`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use differential_dataflow::input::InputSession;
use parking_lot::{Condvar, Mutex};
use timely::worker::Worker;

use super::feed::{Feed, SourceTrace, share};
use super::kept::Size;
use crate::changelog::Epoch;
use crate::failure::Shared;
use crate::relational::eval::{Program, Scratch};
use crate::relational::recent::{Window, window};
use crate::relational::render::meter::Meter;
use crate::relational::sources::SourceWriter;
use crate::relational::{Plan, Row, RowWriter};
use crate::rows::DecisionRow;

/// Knows what was decided before.
pub trait History: Send + Sync + 'static {
    /// Gives every decision that tables record ([`crate::rows::is_recorded`]) before the offsets `until` (one for each
    /// partition) and after `after_ms` by its partition's clock, those of a partition in order. Earlier ones may come
    /// too. Stops when `give` says `false`.
    ///
    /// # Errors
    /// Why they cannot be told.
    fn decisions(
        &self,
        until: &[u64],
        after_ms: i64,
        give: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String>;
}

/// A decision as a row of the source, and when it was made, in microseconds.
pub(super) type Decided = (i64, Row);

/// Makes rows of decisions.
pub(super) fn written(writer: &mut SourceWriter, row: &DecisionRow) -> Decided {
    (row.at_ms().saturating_mul(1_000), writer.decisions(row))
}

/// The windows that plans read, each once.
pub(super) fn windows<'p>(plans: impl IntoIterator<Item = &'p Plan>) -> Vec<Plan> {
    let mut found: Vec<Plan> = Vec::new();
    for plan in plans {
        plan.walk(&mut |plan| {
            if window(plan).is_some() && !found.contains(plan) {
                found.push(plan.clone());
            }
        });
    }
    found
}

/// Tells which decisions one window wants, and until when.
struct Filter {
    program: Program,
    micros: i64,
    scratch: Scratch,
    nothing: RowWriter,
}

impl Filter {
    fn new(window: Window<'_>) -> Self {
        Self {
            program: Program::new(window.filters, &[]),
            micros: window.micros,
            scratch: Scratch::of(window.filters),
            nothing: RowWriter::default(),
        }
    }

    /// When it leaves, if it is wanted at all and still there at `clock`. All in microseconds.
    fn until(&mut self, (at, row): &Decided, clock: i64) -> Option<i64> {
        let until = at.saturating_add(self.micros);
        if until <= clock {
            return None;
        }
        let passes = self
            .scratch
            .with(row, |values| self.program.run(values, &mut self.nothing));
        // Filters that can fail are not among them.
        (passes == Ok(true)).then_some(until)
    }
}

/// Tells which decisions any of several windows wants.
pub(super) struct Sieve(Vec<Filter>);

impl Sieve {
    pub(super) fn new(windows: &[Plan]) -> Self {
        let filters = windows.iter().filter_map(window).map(Filter::new);
        Self(filters.collect())
    }

    /// Does a window want it that is there at `clock_ms`?
    pub(super) fn wants(&mut self, decided: &Decided, clock_ms: i64) -> bool {
        let clock = clock_ms.saturating_mul(1_000);
        let mut filters = self.0.iter_mut();
        filters.any(|filter| filter.until(decided, clock).is_some())
    }

    /// How far back the longest goes, in milliseconds, rounded such that none is missed.
    fn longest_ms(&self) -> i64 {
        let micros = self.0.iter().map(|filter| filter.micros).max();
        micros.unwrap_or(0) / 1_000 + 1
    }
}

/// What was decided before, once it is known.
#[derive(Default)]
pub(super) struct Past {
    rows: Mutex<Option<Arc<Vec<Decided>>>>,
    known: Condvar,
}

impl Past {
    pub(super) fn tell(&self, rows: Vec<Decided>) {
        *self.rows.lock() = Some(Arc::new(rows));
        self.known.notify_all();
    }

    /// Waits for it; `None` when everything is given up.
    pub(super) fn wait(&self, shared: &Shared) -> Option<Arc<Vec<Decided>>> {
        let mut rows = self.rows.lock();
        while rows.is_none() && !shared.is_stopped() {
            self.known.wait_for(&mut rows, Duration::from_millis(100));
        }
        rows.clone()
    }
}

/// Where what was decided before ends, and what of it is wanted.
pub(super) struct Request {
    pub(super) until: Vec<u64>,
    pub(super) clock_ms: i64,
    pub(super) windows: Vec<Plan>,
}

impl Request {
    /// Records that it is about.
    pub(super) fn records(&self) -> u64 {
        self.until.iter().sum()
    }

    /// Reads it. `seen` hears how many of all records that is through with, and says whether to go on: when it does not,
    /// there is no answer.
    pub(super) fn read(
        &self,
        history: Option<&Arc<dyn History>>,
        mut seen: impl FnMut(u64, u64) -> bool,
    ) -> Result<Option<Vec<Decided>>, String> {
        let of = self.records();
        if of == 0 {
            return Ok(Some(Vec::new()));
        }
        let history = history.ok_or("nobody knows what was decided before")?;
        let mut sieve = Sieve::new(&self.windows);
        let after_ms = self.clock_ms.saturating_sub(sieve.longest_ms());
        let (mut rows, mut writer) = (Vec::new(), SourceWriter::default());
        let mut goes_on = true;
        let give = &mut |row: DecisionRow| {
            if row.at_ms() > after_ms {
                let decided = written(&mut writer, &row);
                if sieve.wants(&decided, self.clock_ms) {
                    rows.push(decided);
                }
            }
            let before = self.until.iter().take(row.partition as usize);
            let read = before.sum::<u64>() + row.decision.offset + 1;
            goes_on = seen(read, of);
            goes_on
        };
        history.decisions(&self.until, after_ms, give)?;
        Ok(goes_on.then_some(rows))
    }
}

/// What of a backlog is one of several workers' to keep.
pub(super) fn own<'a>(rows: &'a [Decided], feed: &Feed) -> &'a [Decided] {
    share(rows, feed.index, feed.peers)
}

/// What one worker keeps for one window.
pub(super) struct Recent {
    input: InputSession<u64, Row, isize>,
    filter: Filter,
    /// The stream's clock, in microseconds.
    clock: i64,
    /// By when they leave.
    due: BTreeMap<i64, Vec<Row>>,
    /// Says when the next one leaves.
    next: Arc<AtomicI64>,
    meter: Meter,
}

impl Recent {
    /// Makes the trace, empty, open for `feed.since()`.
    pub(super) fn new(
        worker: &mut Worker,
        feed: &Feed,
        window: Window<'_>,
        size: &Arc<Size>,
    ) -> (Self, SourceTrace) {
        let mut input = InputSession::new();
        let trace = feed.tally.of(worker, size, |worker| {
            worker.dataflow_named("Decisions", |scope| {
                let rows = input.to_collection(scope);
                rows.arrange_by_self_named("decisions").trace
            })
        });
        input.advance_to(feed.since());
        let recent = Self {
            input,
            filter: Filter::new(window),
            clock: feed.clock_ms.saturating_mul(1_000),
            due: BTreeMap::new(),
            next: feed.dues.place(),
            meter: size.meter(),
        };
        (recent, trace)
    }

    /// Takes a decision, if it is wanted and its time is not over.
    pub(super) fn put(&mut self, decided: &Decided) {
        let Some(until) = self.filter.until(decided, self.clock) else {
            return;
        };
        let (_, row) = decided;
        self.meter.see(row.bytes().len());
        self.input.insert(row.clone());
        self.due.entry(until).or_default().push(row.clone());
    }

    /// Time passes: what is over leaves.
    fn advance(&mut self, clock_ms: i64) {
        self.clock = self.clock.max(clock_ms.saturating_mul(1_000));
        while let Some(entry) = self.due.first_entry()
            && *entry.key() <= self.clock
        {
            for row in entry.remove() {
                self.input.remove(row);
            }
        }
    }

    /// What comes next belongs to the epoch that is open.
    pub(super) fn close(&mut self, open: u64) {
        self.input.advance_to(open);
        self.input.flush();
        let next = self.due.first_key_value().map_or(i64::MAX, |(at, _)| *at);
        self.next.store(next, Ordering::Relaxed);
    }

    /// Takes one worker's share of an epoch, before it is closed.
    pub(super) fn take(&mut self, epoch: &Epoch, rows: &[Decided]) {
        if let Some(clock_ms) = epoch.clock_ms {
            self.advance(clock_ms);
        }
        rows.iter().for_each(|row| self.put(row));
    }
}

#[cfg(test)]
mod tests {
    use flightline_ledger::outcome::{Decision, Kind, Outcome, Reason, Replay};
    use flightline_ledger::{CommandId, FlightKey};

    use super::*;
    use crate::sql::{Text, compile};

    const NOW_MS: i64 = 10_000_000;

    /// Three partitions of a hundred decisions, one in ten of them a refusal, a second apart until now.
    struct Stream;

    impl History for Stream {
        fn decisions(
            &self,
            until: &[u64],
            _: i64,
            give: &mut dyn FnMut(DecisionRow) -> bool,
        ) -> Result<(), String> {
            for (partition, until) in (0..).zip(until) {
                for offset in 0..*until {
                    let outcome = match offset % 10 {
                        0 => Outcome::Refused(Reason::SoldOut { available: 0 }),
                        _ => Outcome::Noted,
                    };
                    let decision = Decision {
                        offset,
                        at_ms: NOW_MS - (*until - offset) as i64 * 1_000,
                        id: CommandId(offset.into()),
                        flight: FlightKey::NONE,
                        kind: Kind::Hold,
                        outcome,
                        replay: Replay::First,
                    };
                    let row = DecisionRow {
                        partition,
                        decision,
                        order: None,
                        note: None,
                    };
                    if !give(row) {
                        return Ok(());
                    }
                }
            }
            Ok(())
        }
    }

    fn request(queries: &[(&str, &str)]) -> Request {
        let view = |(at, (long, query)): (usize, &(&str, &str))| {
            Text {
            file: format!("view_{at}.yaml"),
            text: format!(
                "name: view_{at}\ndescription: A test.\ndecisions: {long}\nsql: SELECT partition, \\\"offset\\\" FROM \
                 decisions {query}\nsink: {{postgres: {{key: [partition, offset]}}}}\n"
            )
            .replace('\\', ""),
        }
        };
        let views = compile(queries.iter().enumerate().map(view).collect()).unwrap();
        Request {
            until: vec![100; 3],
            clock_ms: NOW_MS,
            windows: windows(views.iter().map(|view| view.running_plan())),
        }
    }

    #[test]
    fn of_what_was_decided_before_no_more_is_held_than_some_window_wants() {
        let refused = ("1 hour", "WHERE outcome = 'refused'");
        let last = ("25 seconds", "");
        for (asked, expected) in [
            (vec![refused], 3 * 10),
            (vec![last], 3 * 24),
            // Of the last 24 two are refused.
            (vec![refused, last], 3 * (8 + 24)),
        ] {
            let request = request(&asked);
            let mut shown = Vec::new();
            let read = request.read(Some(&(Arc::new(Stream) as _)), |read, of| {
                shown.push((read, of));
                true
            });
            assert_eq!(read.unwrap().unwrap().len(), expected, "{asked:?}");
            let counted: Vec<(u64, u64)> = (1..=300).map(|read| (read, 300)).collect();
            assert_eq!(shown, counted);
        }
    }

    #[test]
    fn who_gives_up_reading_has_nothing() {
        let request = request(&[("1 hour", "")]);
        let read = request.read(Some(&(Arc::new(Stream) as _)), |read, _| read < 7);
        assert_eq!(read, Ok(None));
    }
}
