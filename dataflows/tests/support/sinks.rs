//! Sinks that remember, and the run of a history through a dataflow.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use flightline_dataflows::changelog::{Change, DecisionSink, Epoch, EpochSink, Record};
use flightline_dataflows::{Config, Dataflow, Folded, OrderChange, OrderNews};
use flightline_ledger::Decision;
use flightline_ledger::order::{Effect, OrderDecision};

/// Remembers decisions by partition.
#[derive(Default)]
pub struct Decisions(pub Mutex<BTreeMap<u32, Vec<Decision>>>);

impl DecisionSink for Decisions {
    fn decided(&self, partition: u32, decisions: &[Decision]) {
        assert!(!decisions.is_empty(), "told of nothing");
        let mut all = self.0.lock().unwrap();
        all.entry(partition).or_default().extend(decisions);
    }
}

/// One call of the decision sink, as far as orders go.
#[derive(Clone, Debug)]
pub enum Word {
    /// The orders had news.
    News {
        until: u64,
        decisions: Vec<OrderDecision>,
        effects: Vec<Effect>,
        changed: Vec<OrderChange>,
    },
    /// Records were decided, up to this offset.
    Decided(u64),
}

/// Remembers, by partition, what was told of orders and when.
#[derive(Default)]
pub struct Words(pub Mutex<BTreeMap<u32, Vec<Word>>>);

impl DecisionSink for Words {
    fn decided(&self, partition: u32, decisions: &[Decision]) {
        let until = decisions.last().unwrap().offset + 1;
        let mut all = self.0.lock().unwrap();
        all.entry(partition).or_default().push(Word::Decided(until));
    }

    fn orders(&self, partition: u32, news: &mut OrderNews) {
        let word = Word::News {
            until: news.until,
            decisions: news.decisions().copied().collect(),
            // Taken, as the runtime takes them.
            effects: std::mem::take(&mut news.effects),
            changed: news.changed.clone(),
        };
        self.0
            .lock()
            .unwrap()
            .entry(partition)
            .or_default()
            .push(word);
    }
}

/// Remembers epochs.
#[derive(Clone, Default)]
pub struct Epochs(pub Arc<Mutex<Vec<Arc<Epoch>>>>);

impl EpochSink for Epochs {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.0.lock().unwrap().push(epoch);
    }
}

/// What came out of a run.
#[derive(Debug, PartialEq)]
pub struct Run {
    pub epochs: Vec<Arc<Epoch>>,
    pub decisions: BTreeMap<u32, Vec<Decision>>,
}

/// How to feed a history.
#[derive(Clone, Debug)]
pub struct Feed {
    pub partitions: u32,
    pub workers: usize,
    /// Records per call of `send`.
    pub batch: usize,
    /// Records per epoch, over and over.
    pub epochs: Vec<usize>,
    /// The first epoch is a snapshot up to this vector.
    pub snapshot: Option<Vec<u64>>,
    /// What is before this vector was folded plainly and stored; the dataflow goes on from there. At
    /// or before the snapshot.
    pub resume: Option<Vec<u64>>,
}

impl Feed {
    pub fn run(&self, history: &[Record]) -> Run {
        let decisions = Arc::new(Decisions::default());
        let epochs = self.run_into(history, decisions.clone());
        let decisions = Arc::into_inner(decisions).unwrap().0.into_inner().unwrap();
        Run { epochs, decisions }
    }

    /// The epochs of a run whose decisions go to `sink`.
    pub fn run_into(&self, history: &[Record], sink: Arc<impl DecisionSink>) -> Vec<Arc<Epoch>> {
        let epochs = Epochs::default();
        let mut config = Config::new(self.partitions).with_workers(self.workers);
        // Which flights are packed changes nothing that comes out.
        config.flights_unpacked = match (self.workers, history.len()) {
            (1, _) => config.flights_unpacked,
            // Packed by the thousand, but not at every word.
            (_, 10_000..) => 1_000,
            (2, _) => 1,
            _ => 50,
        };
        let mut rest: Vec<Record> = history.to_vec();
        let folded = match &self.resume {
            None => Vec::new(),
            Some(from) => {
                let is_before = |r: &Record| r.input.offset < from[r.partition as usize];
                let (before, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_before);
                rest = after;
                stored(&before, self.partitions)
            }
        };
        let mut dataflow = Dataflow::resume(config, sink, epochs.clone(), folded).unwrap();
        if let Some(until) = &self.snapshot {
            dataflow.snapshot_epoch(until);
            let is_before = |r: &Record| r.input.offset < until[r.partition as usize];
            let (before, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_before);
            for batch in before.chunks(self.batch) {
                dataflow.send(batch.to_vec()).unwrap();
            }
            dataflow.close_epoch().unwrap();
            rest = after;
        }
        let mut sizes = self.epochs.iter().cycle();
        let mut rest = &rest[..];
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap()).min(rest.len());
            let (epoch, later) = rest.split_at(size);
            for batch in epoch.chunks(self.batch) {
                dataflow.send(batch.to_vec()).unwrap();
            }
            dataflow.close_epoch().unwrap();
            rest = later;
        }
        let reader = dataflow.reader();
        dataflow.shutdown().unwrap();
        assert_eq!(
            reader.backlog(),
            Default::default(),
            "nothing is left behind"
        );
        drop(reader);
        epochs.0.lock().unwrap().clone()
    }
}

/// Partitions folded plainly, stored, and read back.
pub fn stored(before: &[Record], partitions: u32) -> Vec<Folded> {
    let fold = |partition| {
        let mut folded = Folded::new(partition, partitions);
        for record in before.iter().filter(|r| r.partition == partition) {
            folded.apply(&record.input);
        }
        let bytes = folded.save();
        let again = Folded::load(
            partition,
            partitions,
            folded.next_offset(),
            &bytes.ledger,
            &bytes.orders,
            &bytes.versions,
        );
        let mut again = again.unwrap_or_else(|bad| panic!("partition {partition}: {bad}"));
        assert_eq!(again.hash_state(), folded.hash_state());
        again.ledger().check_invariants();
        again.orders().check_invariants();
        assert_eq!(again.save(), bytes, "partition {partition}: stored again");
        again
    };
    (0..partitions).map(fold).collect()
}

/// A collection as a sink keeps it: rows added and taken away, never out of nothing.
#[derive(Debug, PartialEq)]
pub struct Rows<R>(pub BTreeSet<R>);

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<R: Ord + Clone + Debug> Rows<R> {
    /// Applies the changes of an epoch and holds them to what `changelog` promises.
    pub fn apply<K: Ord + Debug>(&mut self, changes: &[Change<R>], key: impl Fn(&R) -> K) {
        assert!(
            changes.is_sorted_by(|a, b| a.0 < b.0),
            "an epoch's changes are not sorted, or a row is there twice"
        );
        let mut seen = BTreeSet::new();
        for (row, diff) in changes {
            assert!(
                matches!(*diff, -1 | 1),
                "a change of {diff} of a keyed row: {row:?}"
            );
            assert!(
                seen.insert((key(row), *diff)),
                "two changes of {diff} under one key in an epoch: {row:?}"
            );
        }
        for (row, _) in changes.iter().filter(|(_, diff)| *diff < 0) {
            assert!(self.0.remove(row), "a row went that was not there: {row:?}");
        }
        for (row, _) in changes.iter().filter(|(_, diff)| *diff > 0) {
            assert!(
                self.0.insert(row.clone()),
                "a row came that was there: {row:?}"
            );
        }
        let mut keys = BTreeSet::new();
        for row in &self.0 {
            assert!(keys.insert(key(row)), "two rows under one key: {row:?}");
        }
    }
}
