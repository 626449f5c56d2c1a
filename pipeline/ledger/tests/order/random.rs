//! Random histories of orders over real flights and a payment service with books, before the judge.
//!
//! Results come late, twice, out of order, wrong, or never; notices too; replicas crash and forget
//! what they were to run; clients repeat, change their minds and ask for nonsense; providers cancel,
//! cut, retime. After every record the fold must say what the model says. In the end, when everything
//! outstanding was run and time has passed, every order is settled, flights have sold exactly what
//! orders have, and the payment service keeps exactly the money it should.

use std::collections::{BTreeMap, BTreeSet};

use flightline_ledger::order::{
    Effect, EffectId, EffectResult, FlightChange, FlightNotice, OfferRequestId, Order, OrderAction,
    OrderCommand, OrderId, OrderOutcome, OrderSettings, OrderState, Orders, Outward, Payment,
    QuoteId, RefundTerms, Seat, Step, Terms, Wait, Work,
};
use flightline_ledger::{CommandId, HoldState, Reason, Silent};

use crate::model::{Facts, Model};
use crate::outside::Outside;
use crate::rng::Rng;
use crate::support::{
    DAY_MS, DEPARTS_MS, Ear, HOUR_MS, MINUTE_MS, START_MS, create, flight, other, provider,
    references, segment, text, usd,
};

const PARTITION: u32 = 2;

/// What came up, over many histories.
#[derive(Default)]
pub(crate) struct Coverage {
    pub(crate) orders: u64,
    pub(crate) records: u64,
    pub(crate) seen: BTreeMap<String, u64>,
}

impl Coverage {
    fn add(&mut self, what: String) {
        *self.seen.entry(what).or_default() += 1;
    }
}

/// One partition, its judge, and the world outside.
struct Play {
    rng: Rng,
    orders: Orders,
    model: Model,
    outside: Outside,
    offset: u64,
    now_ms: i64,
    /// How far the flights' clock is before that of the orders; may be behind.
    skew_ms: i64,
    serial: u128,
    /// The partition's records, to fold them again.
    records: Vec<(i64, CommandId, OrderCommand)>,
    /// Effects that were told and not run.
    inbox: Vec<Effect>,
    /// Commands on their way to the stream.
    mail: Vec<(CommandId, OrderId, OrderAction)>,
    ids: Vec<OrderId>,
    quotes: Vec<(OrderId, QuoteId)>,
    coverage: Coverage,
}

/// Plays one history.
pub(crate) fn play(seed: u64, orders: usize, flights: usize) -> Coverage {
    let mut rng = Rng::new(seed);
    let seats = 1 + rng.below(orders) as u16;
    let skew_ms = rng.pick(&[0, 2_000, -2_000, -90_000]);
    let mut outside = Outside::new(flights, seats, START_MS + skew_ms);
    outside.refuses = rng.pick(&[0, 10, 30]);
    outside.silent = rng.pick(&[0, 20, 60]);
    let mut play = Play {
        rng,
        orders: Orders::new(PARTITION, references()),
        model: Model::new(PARTITION, references()),
        outside,
        offset: 0,
        now_ms: START_MS,
        skew_ms,
        serial: 1 << 64,
        records: Vec::new(),
        inbox: Vec::new(),
        mail: Vec::new(),
        ids: Vec::new(),
        quotes: Vec::new(),
        coverage: Coverage::default(),
    };
    if play.rng.percent(60) {
        let settings = play.settings();
        play.say(OrderCommand::Configure(settings));
    }
    let mut request = 0;
    let steps = orders * 40;
    for step in 0..steps {
        if request < orders && step % 25 == 0 {
            request += 1;
            play.create(request as u128);
        }
        play.step(flights, seats);
    }
    play.settle();
    play.compare_with_outside(flights);
    play.fold_again();
    play.coverage.orders = play.orders.orders_ever() as u64;
    play.coverage.records = play.offset;
    play.coverage
}

impl Play {
    fn settings(&mut self) -> OrderSettings {
        OrderSettings {
            instant_hold_ms: self
                .rng
                .pick(&[2_000, MINUTE_MS as u64, 15 * MINUTE_MS as u64]),
            pay_grace_ms: self.rng.pick(&[0, 1_000, 5 * MINUTE_MS as u64]),
            quote_ms: self.rng.pick(&[1, MINUTE_MS as u64, HOUR_MS as u64]),
            ask_again_first_ms: self.rng.pick(&[0, 1, 1_000]),
            ask_again_max_ms: self.rng.pick(&[0, 10_000, 10 * MINUTE_MS as u64]),
            claim_max_ms: self.rng.pick(&[0, 500, MINUTE_MS as u64]),
            place_within_ms: self.rng.pick(&[0, 5_000, HOUR_MS as u64, HOUR_MS as u64]),
            outward: match self.rng.below(4) {
                0 => Vec::new(),
                1 => vec![provider()],
                _ => vec![provider(), other()],
            },
            ..OrderSettings::default()
        }
    }

    fn fresh(&mut self) -> CommandId {
        self.serial += 1;
        CommandId(self.serial)
    }

    /// A record with an id of its own.
    fn say(&mut self, command: OrderCommand) -> OrderOutcome {
        let id = self.fresh();
        self.record(id, command)
    }

    fn ask(&mut self, order: OrderId, action: OrderAction) {
        let id = self.fresh();
        // Clients repeat themselves, at once or later, and not always faithfully.
        if action.kind().is_client() && self.rng.percent(15) {
            let again = if self.rng.percent(80) {
                action.clone()
            } else {
                OrderAction::QuoteCancel
            };
            self.mail.push((id, order, again));
        }
        self.record(id, OrderCommand::Order(order, action));
    }

    /// One record, for the fold and its judge.
    fn record(&mut self, id: CommandId, command: OrderCommand) -> OrderOutcome {
        let mut ear = Ear::default();
        let (offset, at_ms) = (self.offset, self.now_ms);
        self.offset += 1;
        let decision = self.orders.apply(offset, at_ms, id, &command, &mut ear);
        let (mut expected, replay) = self.model.apply(offset, at_ms, id, &command);
        if let (OrderCommand::Order(order, _), OrderOutcome::Quoted { quote: ours, .. }) =
            (&command, &mut expected)
            && let OrderOutcome::Quoted { quote, .. } = decision.outcome
            && decision.replay == flightline_ledger::outcome::Replay::First
        {
            self.model.name_quote(*order, quote);
            *ours = quote;
            self.quotes.push((*order, quote));
        }
        assert_eq!(
            (decision.outcome, decision.replay),
            (expected, replay),
            "{command:?}"
        );
        let sorted = |effects: &[Effect]| {
            let mut effects = effects.to_vec();
            effects.sort_by_key(|effect| effect.id);
            effects
        };
        assert_eq!(
            sorted(&ear.due),
            sorted(&self.model.due),
            "due after {command:?}"
        );
        self.compare(&command);
        let what = match (&command, decision.outcome.reason()) {
            (OrderCommand::Order(_, OrderAction::EffectDone { result, .. }), None) => {
                format!("{} {}", result.name(), decision.outcome.name())
            }
            (_, Some(reason)) => format!("{} {}", decision.kind.name(), reason.code()),
            (_, None) => format!("{} {}", decision.kind.name(), decision.outcome.name()),
        };
        self.coverage.add(what);
        self.inbox.extend(ear.due);
        self.records.push((at_ms, id, command));
        decision.outcome
    }

    /// Every order as the model has it.
    fn compare(&self, command: &OrderCommand) {
        assert_eq!(self.orders.orders_ever(), self.model.orders.len());
        for facts in &self.model.orders {
            let Some(at) = self.orders.find(facts.id) else {
                assert!(facts.retired, "{}: retired", facts.id);
                continue;
            };
            assert!(!facts.retired, "{}: not retired", facts.id);
            let order = self.orders.get(at).unwrap();
            compare_order(order, facts, command);
        }
    }

    fn create(&mut self, request: u128) {
        let count = 1 + self.rng.below(3);
        let terms = if self.rng.percent(50) {
            Terms::Instant {
                method: text("card"),
            }
        } else {
            Terms::Hold {
                pay_by_ms: self.rng.pick(&[1_000, MINUTE_MS as u64, HOUR_MS as u64]),
            }
        };
        let mut details = create(request, count, terms);
        if self.rng.percent(40) {
            let waits = [1_000, MINUTE_MS as u64, HOUR_MS as u64, 3 * HOUR_MS as u64];
            details.wait_ms = Some(self.rng.pick(&waits));
        }
        for slice in &mut details.slices {
            let number = self.rng.below(3);
            slice[0] = segment(number);
            slice[0].seats = 1 + self.rng.below(2) as u16;
        }
        details.refund = self.rng.pick(&[
            RefundTerms::Full,
            RefundTerms::Nothing,
            RefundTerms::Penalty(30_00),
        ]);
        let id = OrderId::of(OfferRequestId(request));
        if !self.ids.contains(&id) {
            self.ids.push(id);
        }
        self.ask(id, OrderAction::Create(Box::new(details)));
    }

    fn step(&mut self, flights: usize, seats: u16) {
        match self.rng.below(100) {
            0..45 => self.run_something(),
            45..63 => self.deliver(),
            63..75 => self.pass_time(),
            75..92 => self.client(),
            92..95 => self.claim(),
            95..98 => self.provider(flights, seats),
            98 => self.nonsense(),
            _ => self.crash(),
        }
        self.look_at_waiting();
        let notices = std::mem::take(&mut self.outside.notices);
        for notice in notices {
            self.send_notice(notice);
        }
    }

    /// Word of holds that waited comes unasked, and not always.
    fn look_at_waiting(&mut self) {
        let mut waiting = Vec::new();
        for (_, order) in self.orders.orders() {
            for one in order.outstanding() {
                let Work::Seats { segment, .. } = one.effect.work else {
                    continue;
                };
                let seat = order.segments()[usize::from(segment)].seat;
                if seat == Seat::Waiting {
                    waiting.push(one.effect);
                }
            }
        }
        for effect in waiting {
            let result = self.outside.waited(&effect);
            let still = matches!(result, EffectResult::Waiting { .. });
            if still && !self.rng.percent(2) || !self.rng.percent(60) {
                continue;
            }
            let id = self.fresh();
            let effect_id = effect.id;
            let done = OrderAction::EffectDone {
                effect: effect_id,
                result,
            };
            match self.rng.below(10) {
                0..7 => drop(self.record(id, OrderCommand::Order(effect.order, done))),
                _ => self.mail.push((id, effect.order, done)),
            }
        }
    }

    /// To every order that the fold names for the flight; some notices get lost.
    fn send_notice(&mut self, notice: FlightNotice) {
        let on_it: Vec<_> = self.orders.on_flight(&notice.flight).collect();
        for at in on_it {
            let id = self.orders.get(at).unwrap().id();
            if self.rng.percent(80) {
                let command = self.fresh();
                self.mail
                    .push((command, id, OrderAction::FlightChanged(notice)));
            }
        }
    }

    fn run_something(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let at = self.rng.below(self.inbox.len());
        // Sometimes it is run and stays in the box, to be run again.
        let effect = if self.rng.percent(90) {
            self.inbox.swap_remove(at)
        } else {
            self.inbox[at].clone()
        };
        self.outside.now_ms = self.now_ms + self.skew_ms;
        let result = self.outside.run(&effect, &mut self.rng);
        let done = OrderAction::EffectDone {
            effect: effect.id,
            result,
        };
        let id = self.fresh();
        match self.rng.below(10) {
            0..7 => drop(self.record(id, OrderCommand::Order(effect.order, done))),
            7..9 => self.mail.push((id, effect.order, done)),
            _ => {}
        }
    }

    fn deliver(&mut self) {
        if self.mail.is_empty() {
            return;
        }
        let at = self.rng.below(self.mail.len());
        let (id, order, action) = if self.rng.percent(80) {
            self.mail.swap_remove(at)
        } else {
            self.mail[at].clone()
        };
        self.record(id, OrderCommand::Order(order, action));
    }

    fn pass_time(&mut self) {
        let ms = match self.rng.below(20) {
            0..12 => self.rng.below(500),
            12..17 => self.rng.below(10_000),
            17..19 => self.rng.below(5 * MINUTE_MS as usize),
            _ => self.rng.below(HOUR_MS as usize),
        };
        self.now_ms += ms as i64;
        // Some records come with an older time.
        let back_ms = self.rng.pick(&[0, 0, 0, 5_000]);
        self.now_ms -= back_ms;
        self.say(OrderCommand::Tick);
        self.now_ms += back_ms;
    }

    fn client(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let order = self.rng.pick(&self.ids);
        let total = self.orders.find(order);
        let total = total.map(|at| self.orders.get(at).unwrap().details().total);
        let action = match self.rng.below(20) {
            0..9 => OrderAction::Pay(Payment {
                amount: match self.rng.below(20) {
                    0 => usd(1),
                    1 => flightline_ledger::Money {
                        currency: "EUR".parse().unwrap(),
                        ..usd(100_00)
                    },
                    _ => total.unwrap_or(usd(100_00)),
                },
                method: text("card_2"),
            }),
            9..13 => OrderAction::QuoteCancel,
            13..16 => {
                let mut quotes = self.quotes.iter().rev();
                let newest = quotes.find(|(of, _)| *of == order).map(|(_, quote)| *quote);
                let any = if self.quotes.is_empty() {
                    QuoteId(3)
                } else {
                    self.rng.pick(&self.quotes).1
                };
                OrderAction::ConfirmCancel {
                    quote: newest.filter(|_| self.rng.percent(80)).unwrap_or(any),
                }
            }
            16 => OrderAction::SetMetadata(vec![(text("k"), text("v"))]),
            17 => OrderAction::AcceptChanges,
            _ => {
                let requests = self.ids.len();
                let request = 1 + self.rng.below(requests) as u128;
                return self.create(request);
            }
        };
        self.ask(order, action);
    }

    fn claim(&mut self) {
        let waiting: Vec<_> = self.orders.outstanding().collect();
        if waiting.is_empty() {
            return;
        }
        let one = self.rng.pick(&waiting);
        let until_ms = self.now_ms + self.rng.below(20_000) as i64 - 100;
        let claim = OrderAction::Claim {
            effect: one.effect.id,
            replica: self.rng.below(3) as u64,
            until_ms,
        };
        self.ask(one.effect.order, claim);
    }

    fn provider(&mut self, flights: usize, seats: u16) {
        let number = self.rng.below(flights);
        match self.rng.below(8) {
            0 => self.outside.cancel(number),
            1 => self.outside.reinstate(number),
            2 => {
                let seats = self.rng.below(usize::from(seats) + 1) as i32;
                self.outside.capacity(number, seats);
            }
            3 => self.outside.capacity(number, i32::from(seats)),
            4 => {
                let minor = self.rng.pick(&[100_00, 100_00, 110_00]);
                self.outside.fare(number, minor);
            }
            5 => {
                self.outside.fare(number, 100_00);
                let minor = self.rng.pick(&[90_00, 100_00, 110_00]);
                self.outside.second(number, seats, minor);
            }
            6 => {
                let departs_ms = DEPARTS_MS + self.rng.below(DAY_MS as usize) as i64;
                self.outside.retime(number, departs_ms);
            }
            _ => {
                // Leaves soon: orders come to be cancelled when a part of them was flown.
                let departs_ms = self.now_ms + self.rng.below(HOUR_MS as usize) as i64;
                self.outside.retime(number, departs_ms);
            }
        }
    }

    /// What nobody should send.
    fn nonsense(&mut self) {
        let waiting: Vec<_> = self.orders.outstanding().collect();
        let (order, effect) = if waiting.is_empty() || self.rng.percent(30) {
            (OrderId(9), EffectId(9))
        } else {
            let one = self.rng.pick(&waiting);
            (one.effect.order, one.effect.id)
        };
        let step = waiting.iter().find(|one| one.effect.id == effect);
        let wrong = match step.map(|one| one.effect.work.step()) {
            Some(Step::Capture) => EffectResult::Voided,
            Some(Step::Hold) => EffectResult::Released,
            Some(Step::Release) => EffectResult::Confirmed,
            _ => EffectResult::Captured,
        };
        let action = match self.rng.below(3) {
            0 => OrderAction::EffectDone {
                effect,
                result: wrong,
            },
            1 => OrderAction::EffectDone {
                effect: EffectId(7),
                result: EffectResult::Refused(Reason::Closed),
            },
            _ => OrderAction::FlightChanged(FlightNotice {
                flight: flight(77),
                offset: 3,
                change: FlightChange::Cancelled,
            }),
        };
        self.ask(order, action);
    }

    /// The replica dies: what it was told is forgotten, what it sent may still arrive. The next one
    /// folds the stream and finds what is outstanding.
    fn crash(&mut self) {
        self.inbox.clear();
        self.mail.retain(|_| self.rng.percent(70));
        self.orders = self.orders.clone();
        let waiting = self.orders.outstanding();
        let ready = waiting.filter(|one| !matches!(one.wait, Wait::Later { .. }));
        self.inbox.extend(ready.map(|one| one.effect));
        self.coverage.add("crash".to_owned());
    }

    /// Runs all that is outstanding, with services that answer, until nothing is.
    fn settle(&mut self) {
        self.mail.clear();
        (self.outside.refuses, self.outside.silent) = (0, 0);
        for round in 0.. {
            assert!(round < 100, "it never settles");
            self.now_ms += 20 * MINUTE_MS;
            self.inbox.clear();
            self.say(OrderCommand::Tick);
            self.inbox.clear();
            let waiting: Vec<_> = self.orders.outstanding().collect();
            let unpaid = self.orders.by_deadline().next().is_some();
            if waiting.is_empty() && !unpaid {
                break;
            }
            for one in waiting {
                self.outside.now_ms = self.now_ms + self.skew_ms;
                let result = self.outside.run(&one.effect, &mut self.rng);
                let effect = one.effect.id;
                let done = OrderAction::EffectDone { effect, result };
                self.say(OrderCommand::Order(one.effect.order, done));
            }
        }
        self.orders.check_invariants();
    }

    fn compare_with_outside(&mut self, flights: usize) {
        let mut sales = BTreeSet::new();
        let mut kept = BTreeMap::new();
        let mut tags = Vec::new();
        let mut placed = BTreeSet::new();
        for (_, order) in self.orders.orders() {
            let id = order.id();
            assert!(
                order.state().is_settled(),
                "{id} is {}",
                order.state().name()
            );
            for segment in order.segments() {
                if matches!(segment.seat, Seat::Confirmed | Seat::Kept) {
                    sales.insert(segment.hold);
                }
            }
            for (segment, at) in order.segments().iter().zip(0..) {
                let attempt = u64::from(order.attempt()) | u64::from(segment.reseats) << 32;
                let placement = EffectId::derive(id, Step::Place, at, attempt);
                if segment.outward == Outward::Acknowledged {
                    placed.insert(placement);
                }
                if segment.reseats > 0 && order.state() == OrderState::Booked {
                    tags.push("end booked elsewhere".to_owned());
                }
                tags.push(format!("end {} at the provider", segment.outward.name()));
            }
            if let Some(reference) = &order.charge().reference {
                kept.insert(reference.clone(), order.kept().minor);
            } else {
                assert_eq!(order.kept().minor, 0, "{id}: keeps money that it never had");
            }
            tags.push(match order.ending() {
                None => "end booked".to_owned(),
                Some(end) => format!("end {} {}", end.state.name(), end.cause.name()),
            });
            if order.has_waited() {
                let state = order.state().name();
                tags.push(format!("end {state} after waiting"));
                if order.state() == OrderState::Cancelled {
                    let cause = order.ending().unwrap().cause.name();
                    tags.push(format!("end cancelled {cause} after waiting"));
                }
            }
            let flown = order.segments().iter().any(|s| s.seat == Seat::Kept);
            if flown {
                tags.push("end with a part flown".to_owned());
            }
            if order.attempt() > 1 && order.state() == OrderState::Booked {
                tags.push("end booked at a later attempt".to_owned());
            }
        }
        tags.into_iter().for_each(|tag| self.coverage.add(tag));
        for number in 0..flights {
            let at = self.outside.ledger.find(&flight(number)).unwrap();
            for hold in self.outside.ledger.flight(at).holds() {
                let sold = hold.state == HoldState::Confirmed;
                let left = matches!(hold.state, HoldState::Held | HoldState::Waiting);
                assert!(!left, "{}: left {}", hold.id, hold.state.name());
                assert_eq!(
                    sold,
                    sales.remove(&hold.id),
                    "{}: {:?}",
                    hold.id,
                    hold.state
                );
                assert!([provider(), other()].contains(&hold.provider));
            }
        }
        assert!(
            sales.is_empty(),
            "sold by orders, not by flights: {sales:?}"
        );
        for (placement, is_there) in &self.outside.placements {
            // One that its provider refused to forget may be of an attempt before.
            let kept = *is_there && self.outside.refused_to_forget(*placement);
            assert_eq!(
                *is_there,
                placed.remove(placement) || kept,
                "{placement} at its provider"
            );
        }
        assert!(placed.is_empty(), "no provider has {placed:?}");
        for (reference, account) in &self.outside.accounts {
            let with_us = account.captured - account.refunded;
            // An authorisation of an earlier attempt or payment has nothing left on it.
            let due = kept.get(reference).copied().unwrap_or(0);
            assert_eq!(with_us, due, "{reference}: {account:?}");
            let open = !account.voided && account.captured == 0;
            assert!(!open, "{reference}: left authorised");
        }
    }

    fn fold_again(&mut self) {
        let mut again = Orders::new(PARTITION, references());
        for (offset, (at_ms, id, command)) in self.records.iter().enumerate() {
            again.apply(offset as u64, *at_ms, *id, command, &mut Silent);
        }
        assert_eq!(again.hash_state(), self.orders.hash_state(), "folded again");
    }
}

fn compare_order(order: &Order, facts: &Facts, command: &OrderCommand) {
    let id = facts.id;
    assert_eq!(order.state(), facts.state(), "{id} after {command:?}");
    let ending = order
        .ending()
        .map(|end| (&end.cause, end.state, end.refund_minor));
    let stop = facts.stop.as_ref();
    let stop = stop.map(|stop| (&stop.cause, stop.end, stop.refund));
    assert_eq!(ending, stop, "{id} after {command:?}");
    let pending: BTreeSet<_> = order
        .pending()
        .iter()
        .map(|p| (p.step, usize::from(p.segment), p.asks, told(p.wait)))
        .collect();
    let asked = facts.asked.iter().filter(|asked| asked.answer.is_none());
    let asked: BTreeSet<_> = asked
        .map(|a| (a.step, a.segment, a.asks, told(a.wait)))
        .collect();
    assert_eq!(pending, asked, "{id} after {command:?}");
    assert_eq!(
        order.kept().minor,
        facts.kept_minor(),
        "{id} after {command:?}"
    );
    assert_eq!(
        order.has_waited(),
        facts.has_waited(),
        "{id} after {command:?}"
    );
    assert_eq!(
        order.changes_pending(),
        facts.disagrees,
        "{id} after {command:?}"
    );
    let deadline_ms = match facts.state() {
        OrderState::AwaitingPayment => facts.deadline_ms(),
        _ => None,
    };
    assert_eq!(
        order.payment_required_by_ms(),
        deadline_ms,
        "{id} after {command:?}"
    );
    for (at, segment) in order.segments().iter().enumerate() {
        let ours = matches!(segment.seat, Seat::Confirmed | Seat::Kept);
        assert_eq!(
            ours,
            facts.keeps_seats(at),
            "{id} segment {at} after {command:?}"
        );
        assert_eq!(
            segment.departs_ms, facts.departs_ms[at],
            "{id} after {command:?}"
        );
    }
}

/// Comparable.
fn told(wait: Wait) -> (u8, u64, i64) {
    match wait {
        Wait::Ready { again_ms } => (0, 0, again_ms),
        Wait::Later { at_ms } => (1, 0, at_ms),
        Wait::Claimed { replica, until_ms } => (2, replica, until_ms),
    }
}

/// Plays until so many orders were made.
fn run(orders: u64, first_seed: u64) -> Coverage {
    let mut all = Coverage::default();
    for seed in first_seed.. {
        if all.orders >= orders {
            break;
        }
        let count = 1 + (seed % 12) as usize;
        let played = std::panic::catch_unwind(|| play(seed, count, 3));
        let Ok(played) = played else {
            panic!("seed {seed}, {count} orders: see above");
        };
        all.orders += played.orders;
        all.records += played.records;
        for (what, times) in played.seen {
            *all.seen.entry(what).or_default() += times;
        }
    }
    all
}

/// What a run must have met to mean anything.
const MUST_COME_UP: &[&str] = &[
    "crash",
    "create created",
    "create already_booked",
    "create still_undoing",
    "pay payment_started",
    "pay still_holding",
    "pay payment_in_progress",
    "pay already_paid",
    "pay already_cancelled",
    "pay order_refused",
    "pay past_deadline",
    "pay schedule_changed",
    "pay not_payable",
    "pay amount_mismatch",
    "pay currency_mismatch",
    "quote_cancel quoted",
    "quote_cancel not_cancellable",
    "quote_cancel departed",
    "confirm_cancel cancel_started",
    "confirm_cancel quote_stale",
    "confirm_cancel quote_expired",
    "confirm_cancel unknown_quote",
    "accept_changes changes_accepted",
    "accept_changes nothing_to_accept",
    "held heard",
    "confirmed heard",
    "released heard",
    "cancelled heard",
    "refused heard",
    "authorised heard",
    "declined heard",
    "captured heard",
    "voided heard",
    "refunded heard",
    "ticketed heard",
    "failed heard",
    "failed asked_again",
    "unknown asked_again",
    "effect_done not_outstanding",
    "effect_done wrong_result",
    "effect_done unknown_order",
    "claim claimed",
    "claim claimed_by_another",
    "claim not_due",
    "claim claim_over",
    "flight_changed heard",
    "flight_changed stale",
    "flight_changed not_its_flight",
    "end booked",
    "end booked at a later attempt",
    "end with a part flown",
    "end refused seats_refused",
    "end refused holds_timed_out",
    "end refused declined",
    "end refused payment_timed_out",
    "end refused capture_failed",
    "end refused ticket_failed",
    "end refused flight_cancelled",
    "end refused displaced",
    "waiting heard",
    "waiting stale",
    "end refused times_changed",
    "end booked after waiting",
    "placed heard",
    "noted heard",
    "withdrawn heard",
    "end booked elsewhere",
    "end acknowledged at the provider",
    "end withdrawn at the provider",
    "end kept at the provider",
    "end refused placement_refused",
    "end cancelled placement_refused",
    "end refused placing_timed_out",
    "end cancelled placing_timed_out",
    "end refused after waiting",
    "end expired after waiting",
    "end cancelled by_client after waiting",
    "end expired not_paid",
    "end expired payment_timed_out",
    "end cancelled by_client",
    "end cancelled seats_refused",
    "end cancelled capture_failed",
    "end cancelled ticket_failed",
    "end cancelled flight_cancelled",
    "end cancelled displaced",
];

fn check_coverage(coverage: &Coverage) {
    let missing: Vec<_> = MUST_COME_UP
        .iter()
        .filter(|what| !coverage.seen.contains_key(**what))
        .collect();
    assert!(
        missing.is_empty(),
        "never came up: {missing:#?}\n{:#?}",
        coverage.seen
    );
}

#[test]
fn orders_agree_with_the_model_and_with_the_world_outside() {
    check_coverage(&run(20_000, 1));
}

/// The documented long run: `cargo test --release -p flightline-ledger --test order -- --ignored`.
#[test]
#[ignore = "takes many minutes: cargo test --release -p flightline-ledger --test order -- --ignored"]
fn a_million_orders_agree_with_the_model_and_with_the_world_outside() {
    let coverage = run(1_000_000, 1_000_000);
    assert!(coverage.orders >= 1_000_000);
    check_coverage(&coverage);
}
