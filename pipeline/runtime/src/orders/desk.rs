//! Hears the fold of orders on the dataflow's threads, so everything here is quick.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flightline_api::backend::{OrderAnswer, Settled, Submit};
use flightline_connectors::vault::KeyId;
use flightline_dataflows::changelog::Change;
use flightline_dataflows::rows::{HoldRow, OrderRow};
use flightline_dataflows::{OrderChange, OrderNews};
use flightline_failpoints::{Point, reach};
use flightline_ledger::order::{
    BookingReference, Effect, EffectId, EffectResult, OrderAction, OrderDecision, OrderId,
    OrderState, Seat, Work,
};
use flightline_ledger::{Command, CommandId, Decision, FlightCommand, FlightKey, Replay};
use flightline_stream::{StreamKey, partition_of_flight};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::waits::{Look, Waits};
use crate::hold_index::HoldIndex;
use crate::sequencer::{Job, Sequencer};
use crate::waiters::Waiter;

/// Counters, for metrics.
#[derive(Debug, Default)]
pub struct OrderStats {
    /// Effects asked of flights.
    pub seats: AtomicU64,
    /// Effects asked of the payment service, and how many of these had an unknown outcome.
    pub money: AtomicU64,
    /// Outcomes that were unknown, and are asked for again.
    pub unknown: AtomicU64,
    /// Tickets issued.
    pub tickets: AtomicU64,
    /// Effects asked of providers.
    pub outward: AtomicU64,
    /// Of these, how many were refused for good.
    pub outward_refused: AtomicU64,
    /// Of these, how many wait for a certain answer now.
    pub outward_open: AtomicU64,
}

/// What the fold of orders asks for, and who waits for an order.
#[derive(Debug)]
pub struct OrderDesk {
    partitions: u32,
    sequencer: Arc<Sequencer>,
    holds: Arc<HoldIndex>,
    /// False while history is folded: its effects were asked for in their time.
    live: AtomicBool,
    /// Other replicas fold the same orders.
    is_shared: bool,
    cashier: mpsc::UnboundedSender<Effect>,
    courier: mpsc::UnboundedSender<Effect>,
    waits: Waits,
    watchers: Mutex<HashMap<OrderId, Vec<oneshot::Sender<Settled>>>>,
    /// Decisions about orders that are about to be told, by partition.
    decided: Vec<Mutex<Vec<OrderDecision>>>,
    stats: OrderStats,
    /// The highest key of personal data that the history names.
    last_key: AtomicU64,
}

/// The partition of an order's stream.
pub(crate) fn partition_of_order(order: OrderId, partitions: u32) -> u32 {
    StreamKey::Order(&order.to_string()).partition(partitions)
}

/// Number of the document of a booking: 999, since no airline issues it, and the booking reference
/// as ten digits. As unique as the reference.
pub(crate) fn ticket_number(booking: BookingReference) -> String {
    format!("999{:010}", booking.number())
}

impl OrderDesk {
    /// `is_shared`: other replicas fold the same orders. A desk, the effects for the cashier, those for the
    /// courier, and the waiting holds that have to be looked at.
    pub(crate) fn new(
        partitions: u32,
        sequencer: Arc<Sequencer>,
        holds: Arc<HoldIndex>,
        is_shared: bool,
    ) -> (
        Arc<Self>,
        mpsc::UnboundedReceiver<Effect>,
        mpsc::UnboundedReceiver<Effect>,
        mpsc::UnboundedReceiver<Look>,
    ) {
        let (cashier, effects) = mpsc::unbounded_channel();
        let (courier, outward) = mpsc::unbounded_channel();
        let (waits, looks) = Waits::new();
        let desk = Self {
            partitions,
            sequencer,
            holds,
            live: AtomicBool::new(false),
            is_shared,
            cashier,
            courier,
            waits,
            watchers: Mutex::default(),
            decided: (0..partitions).map(|_| Mutex::default()).collect(),
            stats: OrderStats::default(),
            last_key: AtomicU64::new(0),
        };
        (Arc::new(desk), effects, outward, looks)
    }

    /// Counters.
    pub fn stats(&self) -> &OrderStats {
        &self.stats
    }

    /// A record of the history names this key.
    pub(crate) fn note_key(&self, key: KeyId) {
        self.last_key.fetch_max(key.0, Ordering::Relaxed);
    }

    /// The highest key that the history names.
    pub(crate) fn last_key(&self) -> KeyId {
        KeyId(self.last_key.load(Ordering::Relaxed))
    }

    /// The history is folded: from now on effects are run.
    pub(crate) fn go_live(&self) {
        self.live.store(true, Ordering::Release);
    }

    /// Do other replicas fold the same orders?
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Hears of an order when nothing more happens to it by itself.
    pub(crate) fn watch(&self, order: OrderId, watcher: oneshot::Sender<Settled>) {
        let mut all = self.watchers.lock();
        let watchers = all.entry(order).or_default();
        // Those who gave up waiting.
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push(watcher);
    }

    /// Tells those who wait for an order, if it is settled.
    pub(crate) fn settle(&self, partition: u32, until: u64, change: &OrderChange) {
        let is_settled = change.state.is_settled()
            || matches!(
                change.state,
                OrderState::AwaitingPayment | OrderState::Waiting
            );
        if !is_settled {
            return;
        }
        let watchers = self.watchers.lock().remove(&change.order);
        for watcher in watchers.into_iter().flatten() {
            // Whoever waited may have gone.
            let _ = watcher.send(Settled {
                partition,
                until,
                state: change.state,
            });
        }
    }

    /// Lets go of those who wait for an order that is not there.
    pub(crate) fn forget(&self, order: OrderId) {
        self.watchers.lock().remove(&order);
    }

    /// Lets go of everybody who waits for an order.
    pub(crate) fn drop_watchers(&self) {
        self.watchers.lock().clear();
    }

    /// What the orders of a partition have to tell, before the decisions of the same records.
    /// Every replica hears of every effect; the one whose record made it due runs it (`is_own`). When that
    /// one is gone, the effect is due again by the stream's clock, with the record of another.
    pub(crate) fn news(&self, partition: u32, news: &mut OrderNews, is_own: impl Fn(u64) -> bool) {
        let until = news.until;
        *self.decided[partition as usize].lock() = news.decisions().copied().collect();
        if !self.is_live() {
            return;
        }
        for (effect, offset) in news.effects.drain(..).zip(news.effects_at.drain(..)) {
            if is_own(offset) {
                self.run(effect);
            }
        }
        for change in &news.changed {
            self.settle(partition, until, change);
        }
    }

    /// The decision about an order at an offset, of the news told last.
    pub(crate) fn decision(&self, partition: u32, offset: u64) -> Option<OrderDecision> {
        let decided = self.decided[partition as usize].lock();
        let at = decided.binary_search_by_key(&offset, |decision| decision.offset);
        at.ok().map(|at| decided[at])
    }

    /// Runs an effect. Running one twice does no harm.
    pub(crate) fn run(&self, effect: Effect) {
        match &effect.work {
            Work::Seats { .. } => {
                if let Some((flight, command)) = effect.work.flight_command() {
                    self.stats.seats.fetch_add(1, Ordering::Relaxed);
                    self.ask_flight(&effect, flight, Command::Flight(flight, command));
                }
            }
            Work::Ticket { booking } => {
                if let Err(injected) = reach(Point::EffectTicket) {
                    return tracing::warn!(%injected, "a ticket is not issued");
                }
                self.stats.tickets.fetch_add(1, Ordering::Relaxed);
                let number = ticket_number(*booking).into();
                self.report(effect.order, effect.id, EffectResult::Ticketed { number });
            }
            // The cashier goes last, when nothing is taken any more: a start runs it.
            Work::Money(_) => drop(self.cashier.send(effect)),
            Work::Outward(_) => drop(self.courier.send(effect)),
        }
    }

    fn ask_flight(&self, effect: &Effect, flight: FlightKey, command: Command) {
        if let Err(injected) = reach(Point::EffectSeats) {
            // It is due again by the stream's clock.
            return tracing::warn!(%injected, "a flight is not asked");
        }
        let id = CommandId::from(effect.id);
        match &command {
            Command::Flight(_, FlightCommand::Hold(_) | FlightCommand::Reseat(_)) => {
                self.holds.claim(id, &flight);
            }
            // The order gives it up: what becomes of it is no news any more.
            Command::Flight(_, FlightCommand::Release { hold }) => {
                self.waits.remove(*hold);
            }
            _ => {}
        }
        self.sequencer.push_own(Job {
            partition: partition_of_flight(&flight, self.partitions),
            submit: Submit {
                id,
                command,
                ref_text: None,
                actor: Some(ACTOR.into()),
            },
            waiter: Waiter::Effect {
                order: effect.order,
                effect: effect.id,
            },
        });
    }

    /// A flight answered an effect.
    pub(crate) fn answered(&self, order: OrderId, effect: EffectId, decision: &Decision) {
        let result = EffectResult::of_flight(decision).unwrap_or_else(|| {
            tracing::error!(
                %order, %effect, ?decision,
                "a flight's answer to an effect cannot be one: it is asked again"
            );
            EffectResult::Unknown
        });
        if let EffectResult::Waiting { .. } = result {
            if decision.replay != Replay::First {
                // The answer of then: the hold may have come to its seats since.
                return self.waits.look(Look {
                    order,
                    effect,
                    flight: decision.flight,
                });
            }
            self.waits.add(order, effect);
        }
        self.report(order, effect, result);
    }

    /// How a hold stands that was on a waitlist before somebody listened.
    pub(crate) fn looked(&self, order: OrderId, effect: EffectId, result: EffectResult) {
        if !matches!(result, EffectResult::Waiting { .. }) {
            self.waits.remove(effect.into());
        }
        self.report(order, effect, result);
    }

    /// Holds have changed: tells orders of those that waited.
    pub(crate) fn holds_changed(&self, holds: &[Change<HoldRow>]) {
        if self.waits.len() == 0 {
            return;
        }
        for (row, _) in holds.iter().filter(|(_, diff)| *diff > 0) {
            if let Some((order, effect, result)) = self.waits.hear(row) {
                self.report(order, effect, result);
            }
        }
    }

    /// A start: of every order that waits, looks how its holds stand now.
    pub(crate) fn resume_waits(&self, orders: &[Arc<OrderRow>]) {
        for order in orders {
            for segment in &order.segments {
                if segment.seat == Seat::Waiting {
                    self.waits.look(Look {
                        order: order.order,
                        effect: EffectId(segment.hold.0),
                        flight: segment.flight,
                    });
                }
            }
        }
    }

    /// Holds of orders that wait for seats.
    pub(crate) fn waiting(&self) -> usize {
        self.waits.len()
    }

    /// Puts the result of an effect into the order's stream.
    pub(crate) fn report(&self, order: OrderId, effect: EffectId, result: EffectResult) {
        if result == EffectResult::Unknown {
            self.stats.unknown.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(injected) = reach(Point::EffectReport) {
            return tracing::warn!(%injected, "what became of an effect is not told");
        }
        self.tell(order, OrderAction::EffectDone { effect, result });
    }

    /// Puts a record of the replica's own into an order's stream.
    pub(crate) fn tell(&self, order: OrderId, action: OrderAction) {
        self.sequencer.push_own(Job {
            partition: partition_of_order(order, self.partitions),
            submit: Submit {
                id: CommandId(0),
                command: Command::Order(order, Box::new(action)),
                ref_text: None,
                actor: None,
            },
            waiter: Waiter::None,
        });
    }

    /// As [`OrderDesk::tell`]; what is decided comes back, unless the replica stops before.
    pub(crate) fn ask(
        &self,
        order: OrderId,
        action: OrderAction,
    ) -> oneshot::Receiver<OrderAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.sequencer.push_own(Job {
            partition: partition_of_order(order, self.partitions),
            submit: Submit {
                id: CommandId(0),
                command: Command::Order(order, Box::new(action)),
                ref_text: None,
                actor: None,
            },
            waiter: Waiter::Order(sender),
        });
        receiver
    }

    /// Answers a command about an order.
    pub(crate) fn answer(&self, partition: u32, offset: u64, sender: oneshot::Sender<OrderAnswer>) {
        let Some(decision) = self.decision(partition, offset) else {
            panic!(
                "partition {partition}: record {offset} about an order was not decided by orders"
            );
        };
        // The client may have gone: its command is decided all the same.
        let _ = sender.send(OrderAnswer {
            partition,
            decision,
        });
    }
}

/// Who asks flights for seats of orders, in the table of decisions.
const ACTOR: &str = "order";
