//! Who waits for which decision.
//!
//! The sequencer registers a waiter under the offset that its record got before it hands the record
//! to the dataflow; the dataflow's decision then finds it. Decisions come in offset order for each
//! partition, so a queue per partition is all there is to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flightline_api::backend::{Answer, OrderAnswer};
use flightline_dataflows::OrderNews;
use flightline_dataflows::changelog::DecisionSink;
use flightline_ledger::order::{EffectId, OrderId};
use flightline_ledger::{Decision, FlightKey, ProviderCode, ProviderEvent};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::late::LateDesk;
use crate::orders::OrderDesk;
use crate::provider_stats::{ProviderStats, Report};
use crate::telemetry::Traced;

/// Somebody who waits for a decision.
#[derive(Debug)]
pub enum Waiter {
    /// Nobody does: a record of our own, or one that is folded again at a start.
    None,
    /// What comes before its flight is kept: an event that is folded again at a start.
    Past(Box<(FlightKey, ProviderEvent)>),
    /// One request.
    One(oneshot::Sender<Answer>),
    /// One place in a batch that is answered as a whole.
    Place(Arc<BatchWaiter>, u32),
    /// One request about an order.
    Order(oneshot::Sender<OrderAnswer>),
    /// One of the others, for a command that is recorded in a trace. Never here: it is taken off when the
    /// command has its place.
    Traced(Box<Traced>),
    /// An order, for what it asked of a flight.
    Effect {
        /// The order.
        order: OrderId,
        /// What it asked for.
        effect: EffectId,
    },
}

/// A batch that is answered when its last decision has come.
#[derive(Debug)]
pub struct BatchWaiter {
    state: Mutex<BatchState>,
}

#[derive(Debug)]
struct BatchState {
    answers: Vec<Option<Answer>>,
    missing: usize,
    sender: Option<oneshot::Sender<Vec<Answer>>>,
}

impl BatchWaiter {
    /// A batch of `len` places.
    pub fn new(len: usize, sender: oneshot::Sender<Vec<Answer>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(BatchState {
                answers: vec![None; len],
                missing: len,
                sender: Some(sender),
            }),
        })
    }

    fn answer(&self, place: u32, answer: Answer) {
        let mut state = self.state.lock();
        let slot = &mut state.answers[place as usize];
        assert!(slot.is_none(), "a place in a batch was answered twice");
        *slot = Some(answer);
        state.missing -= 1;
        if state.missing == 0
            && let Some(sender) = state.sender.take()
        {
            let answers = std::mem::take(&mut state.answers);
            drop(state);
            // The client may have gone: its commands are decided all the same.
            let _ = sender.send(answers.into_iter().flatten().collect());
        }
    }
}

#[derive(Debug)]
struct Pending {
    offset: u64,
    waiter: Waiter,
    report: Option<(ProviderCode, Report)>,
}

/// Every waiter, by partition.
#[derive(Debug)]
pub struct Waiters {
    partitions: Vec<Mutex<VecDeque<Pending>>>,
    answered: Vec<AtomicU64>,
    stats: Arc<ProviderStats>,
    decided: AtomicU64,
    /// Offsets of records that this replica appended and that are not decided yet, by partition; absent =
    /// it appends all there are.
    own: Option<Vec<Mutex<VecDeque<u64>>>>,
    desk: Arc<OrderDesk>,
    late: Arc<LateDesk>,
}

impl Waiters {
    /// For so many partitions.
    /// `is_shared`: other replicas append to the stream too.
    pub(crate) fn new(
        partitions: u32,
        stats: Arc<ProviderStats>,
        desk: Arc<OrderDesk>,
        late: Arc<LateDesk>,
        is_shared: bool,
    ) -> Self {
        let own = || (0..partitions).map(|_| Mutex::default()).collect();
        Self {
            own: is_shared.then(own),
            desk,
            late,
            partitions: (0..partitions).map(|_| Mutex::default()).collect(),
            answered: (0..partitions).map(|_| AtomicU64::new(0)).collect(),
            stats,
            decided: AtomicU64::new(0),
        }
    }

    /// The decisions before these offsets were made in an earlier life.
    pub fn resume(&self, offsets: &[u64]) {
        for (answered, offset) in self.answered.iter().zip(offsets) {
            answered.store(*offset, Ordering::Release);
        }
        self.decided.store(offsets.iter().sum(), Ordering::Relaxed);
    }

    /// Registers who waits for the record at an offset, before the record is sent on. Offsets of a
    /// partition must rise.
    pub fn register(
        &self,
        partition: u32,
        offset: u64,
        waiter: Waiter,
        report: Option<(ProviderCode, Report)>,
    ) {
        self.partitions[partition as usize]
            .lock()
            .push_back(Pending {
                offset,
                waiter,
                report,
            });
    }

    /// This replica appended the record at an offset. Called before the record is sent on.
    pub(crate) fn note_own(&self, partition: u32, offset: u64) {
        if let Some(own) = &self.own {
            own[partition as usize].lock().push_back(offset);
        }
    }

    /// Did this replica append the record, which is being decided?
    fn is_own(&self, partition: u32, offset: u64) -> bool {
        self.own.as_ref().is_none_or(|own| {
            let own = own[partition as usize].lock();
            own.binary_search(&offset).is_ok()
        })
    }

    /// The offset after the last decision that was made in the partition.
    pub fn answered(&self, partition: u32) -> u64 {
        self.answered[partition as usize].load(Ordering::Acquire)
    }

    /// Decisions made since the start, history included.
    pub fn decided_count(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }

    /// Lets go of everybody: their requests end with "outcome unknown, ask again".
    pub fn drop_all(&self) {
        for partition in &self.partitions {
            partition.lock().clear();
        }
        self.desk.drop_watchers();
    }
}

impl DecisionSink for Waiters {
    fn orders(&self, partition: u32, news: &mut OrderNews) {
        let is_own = |offset| self.is_own(partition, offset);
        self.desk.news(partition, news, is_own);
    }

    fn decided(&self, partition: u32, decisions: &[Decision]) {
        let Some(last) = decisions.last() else { return };
        self.decided
            .fetch_add(decisions.len() as u64, Ordering::Relaxed);
        // Before the answers go out: a client that reads after its answer must find this value.
        self.answered[partition as usize].store(last.offset + 1, Ordering::Release);
        if let Some(own) = &self.own {
            let mut own = own[partition as usize].lock();
            let past = own.partition_point(|offset| *offset <= last.offset);
            own.drain(..past);
        }
        let mut queue = self.partitions[partition as usize].lock();
        for decision in decisions {
            let Some(front) = queue.front() else { break };
            if front.offset > decision.offset {
                continue;
            }
            assert!(
                front.offset == decision.offset,
                "partition {partition}: the record at offset {} was never decided",
                front.offset
            );
            let Some(pending) = queue.pop_front() else {
                break;
            };
            if let Some((provider, report)) = pending.report {
                self.stats.note(provider, report, decision);
            }
            let answer = Answer {
                partition,
                decision: *decision,
            };
            match pending.waiter {
                Waiter::None => {}
                Waiter::Traced(_) => unreachable!("taken off when the command got its place"),
                Waiter::Past(told) => {
                    let (flight, event) = *told;
                    self.late.folded(flight, event, decision);
                }
                // The client may have gone: its command is decided all the same.
                Waiter::One(sender) => drop(sender.send(answer)),
                Waiter::Place(batch, place) => batch.answer(place, answer),
                Waiter::Order(sender) => self.desk.answer(partition, decision.offset, sender),
                Waiter::Effect { order, effect } => self.desk.answered(order, effect, decision),
            }
        }
    }
}
