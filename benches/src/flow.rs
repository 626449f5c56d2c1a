//! The dataflow under measurement: records as the stream hands them over, and sinks that only count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record};
use flightline_ledger::{Command, Decision, FlightKey, Input, Ledger, Observer, Outcome, Reason};
use flightline_stream::partition_of_flight;

/// What was decided, in a few numbers that do not depend on the order between partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records decided.
    pub decisions: u64,
    /// Holds made.
    pub held: u64,
    /// Commands refused.
    pub refused: u64,
    /// A sum over every (flight, offset, outcome): two folds that differ anywhere differ in it.
    pub mark: u64,
}

impl Tally {
    /// Adds a decision.
    #[inline]
    pub fn add(&mut self, decision: &Decision) {
        let outcome = match decision.outcome {
            Outcome::Held { seats, .. } => {
                self.held += 1;
                1 + u64::from(seats) * 8
            }
            Outcome::Refused(reason) => {
                self.refused += 1;
                match reason {
                    Reason::SoldOut { available } => 2 + u64::from(available) * 8,
                    _ => 3,
                }
            }
            Outcome::Accepted { displaced, .. } => 4 + u64::from(displaced) * 8,
            _ => 5,
        };
        self.decisions += 1;
        let at = decision.offset << 16 | u64::from(decision.flight.number);
        let mixed = (at ^ outcome.rotate_left(48)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.mark = self.mark.wrapping_add(mixed ^ (mixed >> 32));
    }
}

impl Observer for Tally {
    #[inline]
    fn decided(&mut self, _input: &Input, decision: &Decision) {
        self.add(decision);
    }
}

/// Counts decisions as they are told.
#[derive(Debug)]
pub struct Decisions {
    decisions: AtomicU64,
    held: AtomicU64,
    refused: AtomicU64,
    mark: AtomicU64,
    waiting: Thread,
}

impl Decisions {
    /// For the calling thread, which is the one that will wait.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            decisions: AtomicU64::new(0),
            held: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            waiting: std::thread::current(),
        })
    }

    /// What was told so far.
    pub fn tally(&self) -> Tally {
        // The count is added last and read first: the others are those of at least so many.
        Tally {
            decisions: self.decisions.load(Ordering::Acquire),
            held: self.held.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            mark: self.mark.load(Ordering::Relaxed),
        }
    }

    /// Waits until so many decisions were told in all.
    ///
    /// # Errors
    /// When nothing was told for a minute: the dataflow is stuck.
    pub fn wait(&self, decisions: u64) -> anyhow::Result<()> {
        let mut seen = 0;
        let mut since = Instant::now();
        loop {
            let now = self.decisions.load(Ordering::Acquire);
            if now >= decisions {
                return Ok(());
            }
            if now != seen {
                seen = now;
                since = Instant::now();
            }
            ensure!(
                since.elapsed() < Duration::from_secs(60),
                "{now} of {decisions} records were decided, and none for a minute"
            );
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

impl DecisionSink for Decisions {
    fn decided(&self, _partition: u32, decisions: &[Decision]) {
        let mut tally = Tally::default();
        decisions.iter().for_each(|decision| tally.add(decision));
        self.held.fetch_add(tally.held, Ordering::Relaxed);
        self.refused.fetch_add(tally.refused, Ordering::Relaxed);
        self.mark.fetch_add(tally.mark, Ordering::Relaxed);
        self.decisions.fetch_add(tally.decisions, Ordering::Release);
        self.waiting.unpark();
    }
}

/// What came out for the sinks.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Number of the epoch.
    pub number: u64,
    /// When it was complete.
    pub at: Instant,
    /// Rows of all views that changed, decisions left aside.
    pub rows: u64,
    /// Sum of the offsets that it covers.
    pub covers: u64,
}

/// Notes when epochs come and drops them.
#[derive(Debug)]
pub struct Arrivals(pub crossbeam_channel::Sender<Arrival>);

impl EpochSink for Arrivals {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let at = Instant::now();
        let rows = epoch.flights.len()
            + epoch.legs.len()
            + epoch.inventory.len()
            + epoch.holds.len()
            + epoch.drift.len()
            + epoch.offers.len()
            + epoch.availability_by_route_day.len()
            + epoch.cheapest_by_route_day.len()
            + epoch.load_factor.len()
            + epoch.oversold.len();
        // Nobody listens any more once a benchmark has what it wants.
        let _ = self.0.send(Arrival {
            number: epoch.number,
            at,
            rows: rows as u64,
            covers: epoch.covers.iter().sum(),
        });
    }
}

/// Records in batches, each a partition at a time, as a stream hands its groups over.
#[derive(Clone, Debug)]
pub struct Batches {
    /// The batches.
    pub batches: Vec<Vec<Record>>,
    /// By partition, the offset after its last record.
    pub ends: Vec<u64>,
}

impl Batches {
    /// Spreads inputs over partitions, beginning at the offsets in `next`.
    pub fn new(inputs: &[Input], batch: usize, next: &mut [u64]) -> Self {
        let partitions = next.len() as u32;
        let batches = inputs
            .chunks(batch)
            .map(|inputs| {
                let mut records: Vec<Record> = inputs
                    .iter()
                    .map(|input| Record {
                        partition: partition_of_flight(&flight_of(input), partitions),
                        input: input.clone(),
                        note: None,
                    })
                    .collect();
                records.sort_by_key(|record| record.partition);
                for record in &mut records {
                    let next = &mut next[record.partition as usize];
                    record.input.offset = *next;
                    *next += 1;
                }
                records
            })
            .collect();
        Self {
            batches,
            ends: next.to_vec(),
        }
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }

    /// No records.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }
}

/// The flight that a record is about.
pub fn flight_of(input: &Input) -> FlightKey {
    match &input.command {
        Command::Flight(key, _) => *key,
        _ => FlightKey::NONE,
    }
}

/// The fold alone: the same ledgers as the dataflow's, in a plain loop.
pub struct Bare {
    ledgers: Vec<Ledger>,
    /// By batch, the runs of each partition.
    runs: Vec<(u32, Vec<Input>)>,
}

/// Keeps decisions, as the dataflow must to hand them on.
struct Decide<'a>(&'a mut Vec<Decision>);

impl Observer for Decide<'_> {
    #[inline]
    fn decided(&mut self, _input: &Input, decision: &Decision) {
        self.0.push(*decision);
    }
}

impl Bare {
    /// Ledgers that have folded `first`, ready to fold `then`.
    pub fn new(first: &Batches, then: &Batches) -> Self {
        let runs_of = |batches: &Batches| {
            let mut runs: Vec<(u32, Vec<Input>)> = Vec::new();
            for batch in &batches.batches {
                for (at, record) in batch.iter().enumerate() {
                    if at == 0 || batch[at - 1].partition != record.partition {
                        runs.push((record.partition, Vec::new()));
                    }
                    if let Some((_, run)) = runs.last_mut() {
                        run.push(record.input.clone());
                    }
                }
            }
            runs
        };
        let mut bare = Self {
            ledgers: vec![Ledger::new(); first.ends.len()],
            runs: runs_of(first),
        };
        bare.fold();
        bare.runs = runs_of(then);
        bare
    }

    /// Folds all of it.
    pub fn fold(&mut self) -> Tally {
        let mut tally = Tally::default();
        let mut decisions = Vec::new();
        for (partition, inputs) in &self.runs {
            let ledger = &mut self.ledgers[*partition as usize];
            ledger.apply_batch(inputs, &mut Decide(&mut decisions));
            decisions.iter().for_each(|decision| tally.add(decision));
            decisions.clear();
        }
        tally
    }
}
