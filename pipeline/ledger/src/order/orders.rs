//! The fold over the orders of one partition.

use std::collections::BTreeSet;

use super::command::{OrderAction, OrderCommand, OrderSettings};
use super::details;
use super::effect::{Effect, EffectResult};
use super::ids::{OrderId, QuoteId};
use super::log::LogEvent;
use super::memo::{Memo, Memos};
use super::observer::{OrderIx, OrderObserver};
use super::outcome::{OrderDecision, OrderKind, OrderOutcome, OrderReason};
use super::reference::{BookingReference, References};
use super::saga::Context;
use super::state::{Order, Queued, Wait};
use crate::codes::{CommandId, FlightKey};
use crate::index::Index;
use crate::mix;
use crate::outcome::Replay;

/// The orders of one partition.
///
/// Feed it every record of the partition in offset order: those about orders as they are, all others
/// as [`OrderCommand::Tick`], since they too move the clock. The rules are in `docs/orders.md`. No
/// input makes it panic; a broken invariant of its own does.
///
/// ```
/// use flightline_ledger::order::{OrderCommand, OrderOutcome, Orders, References};
/// use flightline_ledger::{CommandId, Silent};
///
/// let mut orders = Orders::new(0, References::new(7, 64));
/// let decision = orders.apply(0, 1_000, CommandId(1), &OrderCommand::Tick, &mut Silent);
/// assert_eq!(decision.outcome, OrderOutcome::Noted);
/// assert_eq!(orders.clock_ms(), 1_000);
/// ```
#[derive(Clone)]
pub struct Orders {
    partition: u32,
    references: References,
    pub(super) clock_ms: i64,
    pub(super) settings: OrderSettings,
    index: Index,
    /// By [`OrderIx`], kept for ever.
    pub(super) ids: Vec<OrderId>,
    /// By [`OrderIx`]; a retired order leaves nothing.
    pub(super) orders: Vec<Option<Box<Order>>>,
    /// When orders have something to do, one entry for each that has.
    pub(super) wakes: BTreeSet<(i64, OrderIx)>,
    /// Orders that await payment, by deadline.
    pub(super) deadlines: BTreeSet<(i64, OrderIx)>,
    /// Flights of orders that have not ended.
    pub(super) flights: BTreeSet<(FlightKey, OrderIx)>,
    /// Retired by the last call, still there to be read.
    graveyard: Vec<OrderIx>,
}

/// An effect that was asked for and has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// The effect.
    pub effect: Effect,
    /// What it waits for. After a restart, run what is [`Wait::Ready`], and what the restarted
    /// replica had claimed itself.
    pub wait: Wait,
}

impl Orders {
    /// The state before the first record of a partition.
    pub fn new(partition: u32, references: References) -> Self {
        Self {
            partition,
            references,
            clock_ms: i64::MIN,
            settings: OrderSettings::default(),
            index: Index::default(),
            ids: Vec::new(),
            orders: Vec::new(),
            wakes: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            flights: BTreeSet::new(),
            graveyard: Vec::new(),
        }
    }

    /// Decides the next record: its offset in the partition, its time (Unix time in milliseconds),
    /// its command's id, and what it asks.
    pub fn apply<O: OrderObserver>(
        &mut self,
        offset: u64,
        at_ms: i64,
        id: CommandId,
        command: &OrderCommand,
        observer: &mut O,
    ) -> OrderDecision {
        for at in self.graveyard.drain(..) {
            self.orders[at as usize] = None;
        }
        self.clock_ms = self.clock_ms.max(at_ms);
        if let OrderCommand::Configure(settings) = command {
            let keeps = settings.retire_after_ms == self.settings.retire_after_ms;
            self.settings = settings.clone();
            if !keeps {
                self.requeue_all();
            }
        }
        self.pass_time(offset, observer);
        let mut decision = OrderDecision {
            offset,
            at_ms: self.clock_ms,
            id,
            order: None,
            kind: OrderKind::Tick,
            outcome: OrderOutcome::Noted,
            replay: Replay::First,
        };
        match command {
            OrderCommand::Order(order, action) => {
                decision.order = Some(*order);
                decision.kind = action.kind();
                (decision.outcome, decision.replay) =
                    self.decide(offset, id, *order, action, observer);
            }
            OrderCommand::Tick => {}
            OrderCommand::Configure(_) => decision.kind = OrderKind::Configure,
        }
        observer.decided(&decision);
        decision
    }

    /// Moves the clock for a record that is about no order, if that is all that it does: the same as
    /// [`Orders::apply`] with [`OrderCommand::Tick`], but much cheaper. Does nothing and says `false`
    /// when something has become due by then.
    #[inline]
    pub fn pass(&mut self, at_ms: i64) -> bool {
        if self.wakes.first().is_some_and(|first| first.0 <= at_ms) {
            return false;
        }
        // What the last call retired can be read until a call that does more than this.
        self.clock_ms = self.clock_ms.max(at_ms);
        true
    }

    /// Deadlines pass, effects become due again, orders retire. Every order whose time has come is
    /// looked at once, so that no clock can keep it busy for ever.
    fn pass_time(&mut self, offset: u64, observer: &mut dyn OrderObserver) {
        if self
            .wakes
            .first()
            .is_none_or(|first| first.0 > self.clock_ms)
        {
            return;
        }
        let due = self.wakes.range(..=(self.clock_ms, OrderIx::MAX));
        let due: Vec<OrderIx> = due.map(|(_, at)| *at).collect();
        for at in due {
            let mut cx = Context {
                offset,
                clock_ms: self.clock_ms,
                settings: &self.settings,
                observer,
            };
            let Some(order) = self.orders[at as usize].as_deref_mut() else {
                panic!("order {at} is queued and retired");
            };
            let mut changed = order.wake(&mut cx);
            if changed {
                order.note(LogEvent::Deadline, &cx);
            }
            let retires_at_ms = order.retires_at_ms(&self.settings);
            if retires_at_ms.is_some_and(|at_ms| at_ms <= self.clock_ms) {
                order.retired = true;
                changed = true;
            }
            order.revision += u64::from(changed);
            order.reach_milestones(&cx);
            let (id, retired) = (order.id, order.retired);
            self.requeue(at);
            if changed {
                observer.order_changed(at);
            }
            if retired {
                self.graveyard.push(at);
                observer.order_retired(at, id);
            }
        }
    }

    fn decide(
        &mut self,
        offset: u64,
        id: CommandId,
        order_id: OrderId,
        action: &OrderAction,
        observer: &mut dyn OrderObserver,
    ) -> (OrderOutcome, Replay) {
        let first = |outcome| (outcome, Replay::First);
        let refused = |reason| first(OrderOutcome::Refused(reason));
        let mut cx = Context {
            offset,
            clock_ms: self.clock_ms,
            settings: &self.settings,
            observer,
        };
        let Some(at) = locate(&self.index, &self.ids, order_id) else {
            let OrderAction::Create(details) = action else {
                return refused(OrderReason::UnknownOrder);
            };
            if let Err(field) = details.valid(order_id, cx.settings) {
                return refused(OrderReason::Invalid(field));
            }
            let at = self.ids.len() as OrderIx;
            let booking = self.references.name(self.partition, u64::from(at));
            let mut order = Order::new(order_id, at, booking, details, &cx);
            let outcome = order.ask_for_seats(&mut cx);
            order.remember(id, action, outcome, &cx);
            order.revision += 1;
            order.reach_milestones(&cx);
            self.index.insert(mix::hash_id(CommandId(order_id.0)), at);
            self.ids.push(order_id);
            self.orders.push(Some(Box::new(order)));
            self.requeue(at);
            observer.order_changed(at);
            return first(outcome);
        };
        let order = match self.orders[at as usize].as_deref_mut() {
            Some(order) if !order.retired => order,
            _ => return refused(OrderReason::Retired),
        };
        let is_client = action.kind().is_client();
        if is_client {
            if let Some(memo) = order.memos.find(id) {
                let first_offset = memo.offset;
                let replay = if memo.details == details::print(action) {
                    Replay::Same { first_offset }
                } else {
                    Replay::Different { first_offset }
                };
                return (memo.outcome, replay);
            }
            let remembered = order.memos.as_slice().len();
            let is_note = matches!(action, OrderAction::SetMetadata(_));
            let full = remembered >= Memos::LEN_MAX || is_note && remembered >= Memos::NOTES_MAX;
            if full {
                return refused(OrderReason::TooManyCommands);
            }
        }
        let outcome = order.decide(action, &mut cx);
        if is_client {
            order.remember(id, action, outcome, &cx);
        }
        let changed = changes_order(&outcome) || is_failure(action, &outcome);
        order.revision += u64::from(changed);
        if changed {
            order.reach_milestones(&cx);
        }
        self.requeue(at);
        if changed {
            observer.order_changed(at);
        }
        first(outcome)
    }

    /// Puts an order of a stored state, or the place of one that is over, behind all others.
    pub(super) fn put_back(&mut self, id: OrderId, order: Option<Box<Order>>) {
        let at = self.ids.len() as OrderIx;
        self.index.insert(mix::hash_id(CommandId(id.0)), at);
        self.ids.push(id);
        self.orders.push(order);
        self.requeue(at);
    }

    /// Puts an order where it now belongs in the queues.
    fn requeue(&mut self, at: OrderIx) {
        let Some(order) = self.orders[at as usize].as_deref_mut() else {
            return;
        };
        let now = order.belongs(&self.settings);
        let before = core::mem::replace(&mut order.queued, now);
        move_entry(&mut self.wakes, before.wake_ms, now.wake_ms, at);
        move_entry(&mut self.deadlines, before.deadline_ms, now.deadline_ms, at);
        if before.flights != now.flights {
            for segment in &order.segments {
                if now.flights {
                    self.flights.insert((segment.request.flight, at));
                } else {
                    self.flights.remove(&(segment.request.flight, at));
                }
            }
        }
    }

    /// When orders retire has changed.
    fn requeue_all(&mut self) {
        for at in 0..self.orders.len() {
            self.requeue(at as OrderIx);
        }
    }
}

impl Order {
    fn decide(&mut self, action: &OrderAction, cx: &mut Context<'_>) -> OrderOutcome {
        let answer = match action {
            OrderAction::Create(details) => self.create_again(details, cx),
            OrderAction::Pay(payment) => self.pay(payment, cx),
            OrderAction::QuoteCancel => self.quote_cancel(cx),
            OrderAction::ConfirmCancel { quote } => self.confirm_cancel(*quote, cx),
            OrderAction::SetMetadata(metadata) => self.set_metadata(metadata),
            OrderAction::AcceptChanges => self.accept_changes(),
            OrderAction::EffectDone { effect, result } => Ok(self.hear(*effect, result, cx)),
            OrderAction::Claim {
                effect,
                replica,
                until_ms,
            } => Ok(self.claim(*effect, *replica, *until_ms, cx)),
            OrderAction::FlightChanged(notice) => Ok(self.notice(notice, cx)),
        };
        answer.unwrap_or_else(OrderOutcome::Refused)
    }

    fn remember(
        &mut self,
        id: CommandId,
        action: &OrderAction,
        outcome: OrderOutcome,
        cx: &Context<'_>,
    ) {
        self.memos.push(Memo {
            id,
            details: details::print(action),
            offset: cx.offset,
            outcome,
        });
        let kind = action.kind();
        self.note(LogEvent::Command { kind, id, outcome }, cx);
    }

    /// Where it belongs in the queues of the fold.
    pub(super) fn belongs(&self, settings: &OrderSettings) -> Queued {
        if self.retired {
            return Queued::default();
        }
        let state = self.state();
        Queued {
            wake_ms: self.wake_ms(settings),
            deadline_ms: self.payment_required_by_ms(),
            flights: !state.is_end(),
        }
    }
}

fn move_entry(
    queue: &mut BTreeSet<(i64, OrderIx)>,
    before: Option<i64>,
    now: Option<i64>,
    at: OrderIx,
) {
    if before == now {
        return;
    }
    if let Some(before) = before {
        queue.remove(&(before, at));
    }
    if let Some(now) = now {
        queue.insert((now, at));
    }
}

/// Did the command change anything that [`OrderObserver::order_changed`] tells of?
fn changes_order(outcome: &OrderOutcome) -> bool {
    !matches!(
        outcome,
        OrderOutcome::Refused(_)
            | OrderOutcome::Stale
            | OrderOutcome::Noted
            | OrderOutcome::Claimed { .. }
            | OrderOutcome::AskedAgain { .. }
    )
}

/// Was a void or refund refused? It is asked for anew, and counted for people to see.
fn is_failure(action: &OrderAction, outcome: &OrderOutcome) -> bool {
    let failed = matches!(
        action,
        OrderAction::EffectDone {
            result: EffectResult::Failed { .. },
            ..
        }
    );
    failed && matches!(outcome, OrderOutcome::AskedAgain { .. })
}

fn locate(index: &Index, ids: &[OrderId], id: OrderId) -> Option<OrderIx> {
    index.find(mix::hash_id(CommandId(id.0)), |at| ids[at as usize] == id)
}

impl Orders {
    /// The partition's clock: the highest time seen, Unix time in milliseconds.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// The settings that hold now.
    pub fn settings(&self) -> &OrderSettings {
        &self.settings
    }

    /// An order that is not retired.
    pub fn find(&self, id: OrderId) -> Option<OrderIx> {
        let at = locate(&self.index, &self.ids, id)?;
        self.get(at)
            .is_some_and(|order| !order.retired)
            .then_some(at)
    }

    /// Is the order over, so that its id is all that is known of it?
    pub fn is_retired(&self, id: OrderId) -> bool {
        locate(&self.index, &self.ids, id).is_some() && self.find(id).is_none()
    }

    /// An order by its index, unless it was retired before the last call.
    pub fn get(&self, at: OrderIx) -> Option<&Order> {
        self.orders.get(at as usize)?.as_deref()
    }

    /// The order of this partition that a booking reference names, retired ones included: the
    /// reference of another partition's order names none.
    pub fn named(&self, booking: &BookingReference) -> Option<(OrderIx, OrderId)> {
        let (partition, number) = self.references.find(booking);
        let at = usize::try_from(number).ok()?;
        let id = *self.ids.get(at)?;
        (partition == self.partition).then_some((at as OrderIx, id))
    }

    /// The orders that are not retired, in the order in which they were first created.
    pub fn orders(&self) -> impl Iterator<Item = (OrderIx, &Order)> + '_ {
        let orders = self.orders.iter().zip(0..);
        orders.filter_map(|(order, at)| Some((at, order.as_deref()?)).filter(|(_, o)| !o.retired))
    }

    /// How many orders were ever created: their indices are below this.
    pub fn orders_ever(&self) -> usize {
        self.ids.len()
    }

    /// Every effect that was asked for and has no result: what a replica that starts has to run.
    pub fn outstanding(&self) -> impl Iterator<Item = Outstanding> + '_ {
        self.orders().flat_map(|(_, order)| order.outstanding())
    }

    /// Orders that await payment, by deadline (Unix time in milliseconds by the stream's clock).
    pub fn by_deadline(&self) -> impl Iterator<Item = (i64, OrderIx)> + '_ {
        self.deadlines.iter().copied()
    }

    /// Orders with a segment on the flight that have not ended: whom to tell of its changes.
    pub fn on_flight(&self, flight: &FlightKey) -> impl Iterator<Item = OrderIx> + '_ {
        let from = (*flight, OrderIx::MIN);
        let to = (*flight, OrderIx::MAX);
        self.flights.range(from..=to).map(|(_, at)| *at)
    }

    /// When the clock next has something to do. Absent = never. A partition to which nothing else is
    /// appended needs a tick then.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.wakes.first().map(|(at_ms, _)| *at_ms)
    }
}

impl Order {
    /// The effects that it waits for, with all that is needed to run them.
    pub fn outstanding(&self) -> impl Iterator<Item = Outstanding> + '_ {
        self.pending.iter().map(|pending| Outstanding {
            effect: self.effect(pending),
            wait: pending.wait,
        })
    }

    /// Every quote that was made for it and is remembered, oldest first.
    pub fn quotes(&self) -> impl Iterator<Item = OrderOutcome> + '_ {
        let outcomes = self.memos.as_slice().iter().map(|memo| memo.outcome);
        outcomes.filter(|o| matches!(o, OrderOutcome::Quoted { .. }))
    }

    /// The answer to a quote that was ever made for it, by its id: what it would have given back.
    pub fn quoted(&self, id: QuoteId) -> Option<OrderOutcome> {
        let outcomes = self.memos.as_slice().iter().map(|memo| memo.outcome);
        let mut quotes = outcomes.filter(|o| matches!(o, OrderOutcome::Quoted { .. }));
        quotes.find(|o| matches!(o, OrderOutcome::Quoted { quote, .. } if *quote == id))
    }
}
