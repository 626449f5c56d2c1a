//! A partition to play with, and short names for what is said to it.

use std::collections::BTreeMap;

use flightline_ledger::order::{
    CreateOrder, Effect, EffectId, EffectResult, FlightChange, FlightNotice, OfferRequestId, Order,
    OrderAction, OrderCommand, OrderDecision, OrderId, OrderIx, OrderObserver, OrderOutcome,
    OrderReason, OrderSettings, OrderState, Orders, Payment, QuoteId, References, RefundTerms,
    SegmentRequest, Step, Terms, Wait,
};
use flightline_ledger::outcome::Replay;
use flightline_ledger::{Cabin, CommandId, FlightKey, Money, ProviderCode, Silent};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// When every test begins.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
/// When the first segment of every order leaves; the others follow at three hours' distance.
pub(crate) const DEPARTS_MS: i64 = START_MS + 10 * DAY_MS;

pub(crate) fn usd(minor: i64) -> Money {
    Money {
        minor,
        currency: "USD".parse().unwrap(),
        exponent: 2,
    }
}

/// The nth flight.
pub(crate) fn flight(number: usize) -> FlightKey {
    format!("UA{}.2027-01-25.EWR", number + 1).parse().unwrap()
}

pub(crate) fn provider() -> ProviderCode {
    "own".parse().unwrap()
}

/// Another one on the same flights.
pub(crate) fn other() -> ProviderCode {
    "rival".parse().unwrap()
}

pub(crate) fn text(text: &str) -> Box<str> {
    text.into()
}

/// One seat for 100.00 on the nth flight.
pub(crate) fn segment(number: usize) -> SegmentRequest {
    SegmentRequest {
        flight: flight(number),
        provider: Some(provider()),
        cabin: Cabin::new(b'Y').unwrap(),
        class: None,
        board: None,
        off: None,
        seats: 1,
        price: usd(100_00),
        departs_ms: DEPARTS_MS + number as i64 * 3 * HOUR_MS,
    }
}

/// An order for one seat on each of the first flights, each a slice of its own.
pub(crate) fn create(request: u128, segments: usize, terms: Terms) -> CreateOrder {
    CreateOrder {
        offer_request: OfferRequestId(request),
        offer: text("off_1"),
        client: text("client"),
        terms,
        wait_ms: None,
        slices: (0..segments).map(|at| vec![segment(at)]).collect(),
        passengers: 1,
        sealed: text("sealed/1"),
        total: usd(100_00 * segments as i64),
        refund: RefundTerms::Penalty(30_00),
        metadata: vec![(text("trip"), text("7"))],
    }
}

pub(crate) fn instant() -> Terms {
    Terms::Instant {
        method: text("card_1"),
    }
}

/// To be paid within an hour.
pub(crate) fn on_hold() -> Terms {
    Terms::Hold {
        pay_by_ms: HOUR_MS as u64,
    }
}

pub(crate) fn held(offset: u64) -> EffectResult {
    EffectResult::Held {
        provider: provider(),
        deadline_ms: i64::MAX,
        offset,
    }
}

pub(crate) fn authorised() -> EffectResult {
    EffectResult::Authorised {
        reference: text("auth_1"),
    }
}

pub(crate) fn declined() -> EffectResult {
    EffectResult::Declined {
        code: text("insufficient_funds"),
    }
}

pub(crate) fn ticketed() -> EffectResult {
    EffectResult::Ticketed {
        number: text("016-1"),
    }
}

pub(crate) fn placed() -> EffectResult {
    EffectResult::Placed {
        reference: text("theirs_1"),
    }
}

pub(crate) fn failed() -> EffectResult {
    EffectResult::Failed {
        code: text("broken"),
    }
}

/// What a step answers when all goes well.
pub(crate) fn success(step: Step) -> EffectResult {
    match step {
        Step::Hold => held(1),
        Step::Confirm => EffectResult::Confirmed,
        Step::Release => EffectResult::Released,
        Step::Cancel => EffectResult::Cancelled,
        Step::Authorise => authorised(),
        Step::Capture => EffectResult::Captured,
        Step::Void => EffectResult::Voided,
        Step::Refund => EffectResult::Refunded,
        Step::Ticket => ticketed(),
        Step::Place => placed(),
        Step::Acknowledge | Step::Refuse => EffectResult::Noted,
        Step::Withdraw => EffectResult::Withdrawn,
    }
}

pub(crate) const fn refused(reason: OrderReason) -> OrderOutcome {
    OrderOutcome::Refused(reason)
}

/// Keeps what it hears.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) due: Vec<Effect>,
    pub(crate) changed: Vec<OrderIx>,
    pub(crate) retired: Vec<OrderId>,
    pub(crate) decided: Vec<OrderDecision>,
}

impl OrderObserver for Ear {
    fn decided(&mut self, decision: &OrderDecision) {
        self.decided.push(*decision);
    }
    fn effect_due(&mut self, effect: &Effect) {
        self.due.push(effect.clone());
    }
    fn order_changed(&mut self, order: OrderIx) {
        self.changed.push(order);
    }
    fn order_retired(&mut self, _: OrderIx, id: OrderId) {
        self.retired.push(id);
    }
}

/// One partition with its records. Every step checks the invariants; when it is dropped its records
/// are folded again, and must end in the same state.
pub(crate) struct World {
    pub(crate) orders: Orders,
    pub(crate) records: Vec<(i64, CommandId, OrderCommand)>,
    pub(crate) now_ms: i64,
    /// What the last record told.
    pub(crate) ear: Ear,
    serial: u128,
}

pub(crate) fn references() -> References {
    References::new(11, 4)
}

/// The order of request 1, which most tests are about.
pub(crate) fn one() -> OrderId {
    OrderId::of(OfferRequestId(1))
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            orders: Orders::new(2, references()),
            records: Vec::new(),
            now_ms: START_MS,
            ear: Ear::default(),
            serial: 1 << 64,
        }
    }

    /// With an order of so many segments, of which nothing is answered yet.
    pub(crate) fn with(segments: usize, terms: Terms) -> Self {
        let mut world = Self::new();
        let outcome = world.create(create(1, segments, terms));
        assert!(
            matches!(outcome, OrderOutcome::Created { .. }),
            "{outcome:?}"
        );
        world
    }

    /// As [`World::with`], where the provider wants to be told of what is sold.
    pub(crate) fn outward(segments: usize, terms: Terms) -> Self {
        let mut world = Self::new();
        world.command(OrderCommand::Configure(OrderSettings {
            outward: vec![provider()],
            ..OrderSettings::default()
        }));
        world.create(create(1, segments, terms));
        world
    }

    /// An instant order as far as it comes when all goes well.
    pub(crate) fn booked(segments: usize) -> Self {
        let mut world = Self::with(segments, instant());
        world.all_well();
        assert_eq!(world.state(), OrderState::Booked);
        world
    }

    /// A held order that awaits its payment.
    pub(crate) fn awaiting(segments: usize) -> Self {
        let mut world = Self::with(segments, on_hold());
        world.all_well();
        assert_eq!(world.state(), OrderState::AwaitingPayment);
        world
    }

    pub(crate) fn record(&mut self, id: CommandId, command: OrderCommand) -> OrderDecision {
        self.ear = Ear::default();
        let offset = self.records.len() as u64;
        let decision = self
            .orders
            .apply(offset, self.now_ms, id, &command, &mut self.ear);
        self.orders.check_invariants();
        assert_eq!(self.ear.decided, [decision]);
        assert_eq!(decision.offset, offset);
        self.records.push((self.now_ms, id, command));
        decision
    }

    pub(crate) fn next_id(&mut self) -> CommandId {
        self.serial += 1;
        CommandId(self.serial)
    }

    pub(crate) fn command(&mut self, command: OrderCommand) -> OrderOutcome {
        let id = self.next_id();
        let decision = self.record(id, command);
        assert_eq!(decision.replay, Replay::First);
        decision.outcome
    }

    /// Something about the order of request 1.
    pub(crate) fn action(&mut self, action: OrderAction) -> OrderOutcome {
        self.command(OrderCommand::Order(one(), action))
    }

    pub(crate) fn create(&mut self, details: CreateOrder) -> OrderOutcome {
        let id = OrderId::of(details.offer_request);
        self.command(OrderCommand::Order(
            id,
            OrderAction::Create(Box::new(details)),
        ))
    }

    pub(crate) fn pay(&mut self, minor: i64) -> OrderOutcome {
        self.action(OrderAction::Pay(Payment {
            amount: usd(minor),
            method: text("card_2"),
        }))
    }

    pub(crate) fn quote(&mut self) -> QuoteId {
        match self.action(OrderAction::QuoteCancel) {
            OrderOutcome::Quoted { quote, .. } => quote,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn done(&mut self, effect: EffectId, result: EffectResult) -> OrderOutcome {
        self.action(OrderAction::EffectDone { effect, result })
    }

    /// The result of the outstanding effect of a step, of the lowest segment.
    pub(crate) fn result(&mut self, step: Step, result: EffectResult) -> OrderOutcome {
        let effect = self.effect(step);
        self.done(effect, result)
    }

    pub(crate) fn notice(
        &mut self,
        number: usize,
        offset: u64,
        change: FlightChange,
    ) -> OrderOutcome {
        self.action(OrderAction::FlightChanged(FlightNotice {
            flight: flight(number),
            offset,
            change,
        }))
    }

    pub(crate) fn tick(&mut self, later_ms: i64) {
        self.now_ms += later_ms;
        let outcome = self.command(OrderCommand::Tick);
        assert_eq!(outcome, OrderOutcome::Noted);
    }

    pub(crate) fn order(&self) -> &Order {
        let at = self.orders.find(one()).unwrap();
        self.orders.get(at).unwrap()
    }

    pub(crate) fn state(&self) -> OrderState {
        self.order().state()
    }

    /// Name of the cause for which it is undone.
    pub(crate) fn cause(&self) -> &'static str {
        self.order()
            .ending()
            .map_or("", |ending| ending.cause.name())
    }

    /// What it waits for.
    pub(crate) fn waits(&self) -> Vec<(Step, u8)> {
        self.order()
            .pending()
            .iter()
            .map(|p| (p.step, p.segment))
            .collect()
    }

    pub(crate) fn wait(&self, step: Step) -> Wait {
        let mut pending = self.order().pending().iter();
        pending.find(|p| p.step == step).unwrap().wait
    }

    pub(crate) fn effect(&self, step: Step) -> EffectId {
        let mut pending = self.order().pending().iter();
        let found = pending.find(|p| p.step == step);
        found
            .unwrap_or_else(|| panic!("{step} is not outstanding"))
            .id
    }

    /// Everything it waits for goes well, until it waits for nothing.
    pub(crate) fn all_well(&mut self) {
        self.well_until(|_| false);
    }

    /// Everything it waits for goes well, until it waits for this step.
    pub(crate) fn well_up_to(&mut self, step: Step) {
        self.well_until(|world| world.waits().iter().any(|wait| wait.0 == step));
        assert!(
            self.waits().iter().any(|wait| wait.0 == step),
            "never came to {step}"
        );
    }

    fn well_until(&mut self, stop: impl Fn(&Self) -> bool) {
        // At the end of time an order is forgotten as soon as it waits for nothing.
        while self.orders.find(one()).is_some() && !stop(self) {
            let Some(pending) = self.order().pending().first().copied() else {
                break;
            };
            let outcome = self.done(pending.id, success(pending.step));
            assert_eq!(outcome, OrderOutcome::Heard);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut again = Orders::new(2, references());
        let half = self.records.len() / 2;
        for (offset, (at_ms, id, command)) in self.records.iter().enumerate() {
            if offset == half {
                let mut stored = Vec::new();
                again.save(&mut stored);
                again =
                    Orders::load(2, references(), &stored).expect("what was stored can be read");
                again.check_invariants();
            }
            again.apply(offset as u64, *at_ms, *id, command, &mut Silent);
        }
        assert_eq!(again.hash_state(), self.orders.hash_state(), "folded again");
        let outstanding = |orders: &Orders| -> BTreeMap<_, _> {
            orders.outstanding().map(|o| (o.effect.id, o)).collect()
        };
        assert_eq!(outstanding(&again), outstanding(&self.orders));
    }
}
