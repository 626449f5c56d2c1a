//! The judge: an independent model of `docs/orders.md`, slow and obvious.
//!
//! It keeps no states and no queues. It keeps what was asked for and what was answered, and works
//! out everything else from that, each time anew: where an order stands, what should have been asked
//! for by now, when it is too late. Every record looks at every order.

use flightline_ledger::order::{
    Cause, CreateOrder, Effect, EffectId, EffectResult, FlightChange, FlightNotice, MoneyAsk,
    OrderAction, OrderCommand, OrderId, OrderKind, OrderOutcome, OrderReason, OrderSettings,
    OrderState, OutwardAsk, OutwardWork, QuoteId, References, RefundTerms, SeatsAsk,
    SegmentRequest, Step, Terms, Wait, Work,
};
use flightline_ledger::outcome::Replay;
use flightline_ledger::{CommandId, HoldRequest, Money, ProviderCode, Reason, Reseat};

/// Something that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) step: Step,
    pub(crate) segment: usize,
    pub(crate) attempt: u64,
    pub(crate) asks: u32,
    pub(crate) wait: Wait,
    /// Of a hold: the flight has put it on its waitlist, until then.
    pub(crate) waits_until_ms: Option<i64>,
    pub(crate) answer: Option<EffectResult>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) cause: Cause,
    pub(crate) end: OrderState,
    pub(crate) refund: i64,
}

#[derive(Clone, Debug)]
struct Quote {
    id: QuoteId,
    refund: i64,
    expires_ms: i64,
    spoiled: bool,
}

/// One order, as facts.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) id: OrderId,
    number: u64,
    seen: Vec<(CommandId, OrderAction, u64, OrderOutcome)>,
    attempt: u64,
    payments_ever: u64,
    quotes: Vec<Quote>,
    // Of this attempt.
    order: CreateOrder,
    segments: Vec<SegmentRequest>,
    created_ms: i64,
    /// When it last got seats that it had waited for.
    seated_ms: Option<i64>,
    ttl_ms: u64,
    pub(crate) asked: Vec<Asked>,
    /// Numbers and methods.
    payments: Vec<(u64, Box<str>)>,
    told_held: bool,
    /// Since all seats were sold: until when providers have to have taken them.
    place_by_ms: Option<i64>,
    /// The provider of a sold segment is to be told.
    outward: Vec<bool>,
    /// What a provider said when it refused a segment last.
    codes: Vec<Box<str>>,
    lost: Vec<bool>,
    flown: Vec<bool>,
    gone: Vec<Option<u64>>,
    retimed: Vec<Option<u64>>,
    pub(crate) departs_ms: Vec<i64>,
    pub(crate) disagrees: bool,
    pub(crate) stop: Option<Stop>,
    pub(crate) retired: bool,
}

/// All orders of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    partition: u32,
    references: References,
    clock_ms: i64,
    settings: OrderSettings,
    pub(crate) orders: Vec<Facts>,
    /// What the last record made due.
    pub(crate) due: Vec<Effect>,
}

fn later(clock_ms: i64, settings: &OrderSettings, times: u32) -> i64 {
    let mut wait_ms = settings.ask_again_first_ms.max(1);
    for _ in 1..times {
        wait_ms = wait_ms
            .saturating_mul(2)
            .min(settings.ask_again_max_ms.max(1));
    }
    clock_ms.saturating_add_unsigned(wait_ms.min(settings.ask_again_max_ms.max(1)))
}

impl Facts {
    fn is_hold(&self) -> bool {
        matches!(self.order.terms, Terms::Hold { .. })
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.segments.len()
    }

    /// The newest of a step; of a segment's, of its newest seats.
    fn asked_for(&self, step: Step, segment: usize) -> Option<&Asked> {
        let mut asked = self.asked.iter().rev();
        let of_seats = step.is_about_seats() || step.is_outward();
        let attempt = of_seats.then(|| self.seats_attempt(segment));
        asked.find(|asked| {
            let is_newest = attempt.is_none_or(|attempt| asked.attempt == attempt);
            asked.step == step && asked.segment == segment && is_newest
        })
    }

    /// How often the seats of a segment were looked for elsewhere.
    pub(crate) fn reseats(&self, segment: usize) -> u64 {
        let holds = self.asked.iter();
        let holds = holds.filter(|a| (a.step, a.segment) == (Step::Hold, segment));
        (holds.count() as u64).saturating_sub(1)
    }

    fn seats_attempt(&self, segment: usize) -> u64 {
        self.attempt | self.reseats(segment) << 32
    }

    fn is_refused_by_provider(&self, at: usize) -> bool {
        matches!(
            self.answer(Step::Place, at),
            Some(EffectResult::Failed { .. })
        )
    }

    /// Is the segment sold, and known to the provider if it wants to be told?
    fn is_placed(&self, at: usize) -> bool {
        let is_known = !self.outward[at] || self.answer(Step::Acknowledge, at).is_some();
        self.confirmed(at) && is_known
    }

    fn answer(&self, step: Step, segment: usize) -> Option<&EffectResult> {
        self.asked_for(step, segment)?.answer.as_ref()
    }

    fn held(&self, at: usize) -> Option<(i64, u64)> {
        match self.answer(Step::Hold, at) {
            Some(EffectResult::Held {
                deadline_ms,
                offset,
                ..
            }) => Some((*deadline_ms, *offset)),
            _ => None,
        }
    }

    /// Until when the flight of a segment keeps it on its waitlist.
    fn waits(&self, at: usize) -> Option<i64> {
        let hold = self.asked_for(Step::Hold, at)?;
        hold.waits_until_ms.filter(|_| hold.answer.is_none())
    }

    fn is_waiting(&self) -> bool {
        self.all().any(|at| self.waits(at).is_some())
    }

    pub(crate) fn has_waited(&self) -> bool {
        let of_attempt = self.asked.iter();
        of_attempt.filter(|a| a.waits_until_ms.is_some()).count() > 0
    }

    fn confirmed(&self, at: usize) -> bool {
        self.answer(Step::Confirm, at) == Some(&EffectResult::Confirmed)
            || self.answer(Step::Release, at)
                == Some(&EffectResult::Refused(Reason::AlreadyConfirmed))
    }

    fn authorised(&self) -> Option<Box<str>> {
        match self.answer(Step::Authorise, 0) {
            Some(EffectResult::Authorised { reference }) => Some(reference.clone()),
            _ => None,
        }
    }

    fn captured(&self) -> bool {
        self.answer(Step::Capture, 0) == Some(&EffectResult::Captured)
    }

    fn idle(&self) -> bool {
        self.asked.iter().all(|asked| asked.answer.is_some())
    }

    pub(crate) fn state(&self) -> OrderState {
        if let Some(stop) = &self.stop {
            return if self.idle() {
                stop.end
            } else {
                OrderState::Undoing
            };
        }
        if matches!(
            self.answer(Step::Ticket, 0),
            Some(EffectResult::Ticketed { .. })
        ) {
            OrderState::Booked
        } else if self.captured() {
            OrderState::Ticketing
        } else if self.asked_for(Step::Capture, 0).is_some() {
            OrderState::Capturing
        } else if self.authorised().is_some() && self.place_by_ms.is_some() {
            OrderState::Placing
        } else if self.authorised().is_some() {
            OrderState::Confirming
        } else if self
            .asked_for(Step::Authorise, 0)
            .is_some_and(|a| a.answer.is_none())
        {
            OrderState::Authorising
        } else if self.told_held {
            OrderState::AwaitingPayment
        } else {
            let unanswered = |at| self.answer(Step::Hold, at).is_none();
            let silent = |at| unanswered(at) && self.waits(at).is_none();
            if self.is_waiting() && !self.all().any(silent) {
                OrderState::Waiting
            } else {
                OrderState::Holding
            }
        }
    }

    /// Seats that are ours for good or until given back.
    pub(crate) fn keeps_seats(&self, at: usize) -> bool {
        self.confirmed(at)
            && self.asked_for(Step::Cancel, at).is_none()
            && !self.is_refused_by_provider(at)
    }

    pub(crate) fn kept_minor(&self) -> i64 {
        if !self.captured() {
            return 0;
        }
        let back = self.answer(Step::Refund, 0) == Some(&EffectResult::Refunded);
        let refund = self.stop.as_ref().map_or(0, |stop| stop.refund);
        self.order.total.minor - if back { refund } else { 0 }
    }

    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        if self.stop.is_some() {
            return None;
        }
        let allowed_ms = match self.order.terms {
            Terms::Hold { pay_by_ms } => pay_by_ms,
            Terms::Instant { .. } => self.ttl_ms,
        };
        let mut times = Vec::new();
        for at in self.all() {
            times.extend(self.held(at).map(|(deadline_ms, _)| deadline_ms));
        }
        match self.state() {
            OrderState::Holding | OrderState::Waiting if self.is_waiting() => {
                let half_ms = self.ttl_ms / 2;
                let halves = times.into_iter();
                let halves = halves.map(|at_ms| at_ms.saturating_sub_unsigned(half_ms));
                let waits = self.all().filter_map(|at| self.waits(at));
                halves.chain(waits).min()
            }
            OrderState::Holding | OrderState::AwaitingPayment => {
                let from_ms = self.seated_ms.unwrap_or(self.created_ms);
                times.push(from_ms.saturating_add_unsigned(allowed_ms));
                times.into_iter().min()
            }
            OrderState::Authorising => times.into_iter().min(),
            OrderState::Placing => self.place_by_ms,
            _ => None,
        }
    }

    fn stop_for(&mut self, cause: Cause, clock_ms: i64) {
        if self.stop.is_some() {
            return;
        }
        let state = self.state();
        let booked = state == OrderState::Booked;
        let is_new = matches!(state, OrderState::Holding | OrderState::Waiting);
        let had_it = booked || (self.is_hold() && !is_new);
        let end = match &cause {
            Cause::ByClient { .. } => OrderState::Cancelled,
            _ if !had_it => OrderState::Refused,
            Cause::NotPaid | Cause::PaymentTimedOut => OrderState::Expired,
            _ => OrderState::Cancelled,
        };
        let mut refund = self.order.total.minor;
        if let Cause::FlightCancelled { .. } = cause
            && booked
        {
            for at in self.all() {
                self.flown[at] = self.departs_ms[at] <= clock_ms && self.gone[at].is_none();
            }
            if self.flown.contains(&true) {
                let open = self.all().filter(|at| !self.flown[*at]);
                let price = |s: &SegmentRequest| s.price.minor * i64::from(s.seats);
                refund = refund.min(open.map(|at| price(&self.segments[at])).sum());
            }
        }
        if let Cause::ByClient { .. } = cause {
            refund = self.quotes.last().map_or(0, |quote| quote.refund);
        }
        self.quotes
            .iter_mut()
            .for_each(|quote| quote.spoiled = true);
        self.stop = Some(Stop { cause, end, refund });
    }

    /// What should have been asked for by now.
    fn wanted(&self) -> Vec<(Step, usize, u64)> {
        let mut wanted: Vec<_> = self
            .all()
            .map(|at| (Step::Hold, at, self.seats_attempt(at)))
            .collect();
        let charge = self.payments.last().map_or(0, |(number, _)| *number << 32);
        if self.stop.is_none() {
            if charge > 0 {
                wanted.push((Step::Authorise, 0, charge));
            }
            if charge > 0 && self.authorised().is_some() {
                for at in self.all() {
                    let attempt = self.seats_attempt(at);
                    if self.reseats(at) == 0 || self.held(at).is_some() {
                        wanted.push((Step::Confirm, at, attempt));
                    }
                    if self.place_by_ms.is_none() {
                        continue;
                    }
                    if self.confirmed(at) && self.outward[at] {
                        wanted.push((Step::Place, at, attempt));
                    }
                    match self.answer(Step::Place, at) {
                        Some(EffectResult::Placed { .. }) => {
                            wanted.push((Step::Acknowledge, at, attempt));
                        }
                        Some(_) => wanted.push((Step::Refuse, at, attempt)),
                        None => {}
                    }
                    if self.answer(Step::Refuse, at).is_some() {
                        wanted.push((Step::Hold, at, attempt + (1 << 32)));
                    }
                }
                if self.place_by_ms.is_some() && self.all().all(|at| self.is_placed(at)) {
                    wanted.push((Step::Capture, 0, charge));
                    if self.captured() {
                        wanted.push((Step::Ticket, 0, self.attempt));
                    }
                }
            }
            return wanted;
        }
        for at in self.all() {
            let hold = self.asked_for(Step::Hold, at);
            if hold.is_some_and(|hold| hold.answer == Some(EffectResult::Unknown)) {
                wanted.push((Step::Release, at, self.seats_attempt(at)));
            }
            let untouched = self.asked_for(Step::Confirm, at).is_none();
            if self.held(at).is_some() && untouched && !self.lost[at] {
                wanted.push((Step::Release, at, self.seats_attempt(at)));
            }
            let placed = self.asked_for(Step::Place, at);
            let is_left = match placed.map(|placed| &placed.answer) {
                // Nobody knows what became of it.
                Some(Some(EffectResult::Unknown)) => true,
                Some(Some(EffectResult::Placed { .. })) => {
                    self.answer(Step::Acknowledge, at).is_some() && !self.flown[at]
                }
                _ => false,
            };
            if is_left {
                wanted.push((Step::Withdraw, at, self.seats_attempt(at)));
            }
            let is_withdrawn = placed.is_none() || self.answer(Step::Withdraw, at).is_some();
            let is_sold = self.confirmed(at) && !self.is_refused_by_provider(at);
            if is_sold && !self.flown[at] && is_withdrawn {
                wanted.push((Step::Cancel, at, self.seats_attempt(at)));
            }
        }
        let refused = |step: Step| {
            let failed = |a: &&Asked| matches!(a.answer, Some(EffectResult::Failed { .. }));
            let of_step = self.asked.iter().filter(|a| a.step == step);
            of_step.filter(failed).count() as u64
        };
        let capture = self.asked_for(Step::Capture, 0);
        let not_taken = capture.is_none() || refused(Step::Capture) > 0;
        if self.authorised().is_some() && not_taken {
            wanted.push((Step::Void, 0, charge | refused(Step::Void)));
        }
        if self.captured() && self.stop.as_ref().is_some_and(|stop| stop.refund > 0) {
            wanted.push((Step::Refund, 0, charge | refused(Step::Refund)));
        }
        wanted
    }

    pub(crate) fn effect(&self, asked: &Asked, references: &References, partition: u32) -> Effect {
        let at = asked.segment;
        let hold_of = |attempt| EffectId::derive(self.id, Step::Hold, at as u8, attempt).into();
        let hold = || hold_of(asked.attempt);
        let held = self
            .asked
            .iter()
            .find(|a| (a.step, a.segment, a.attempt) == (Step::Hold, asked.segment, asked.attempt));
        let provider = || match held.and_then(|held| held.answer.as_ref()) {
            Some(EffectResult::Held { provider, .. }) => *provider,
            _ => ProviderCode::default(),
        };
        let reference = || self.authorised().unwrap();
        let amount = self.order.total;
        let ask = match asked.step {
            Step::Hold if asked.attempt >> 32 > 0 => Some(SeatsAsk::Reseat(Reseat {
                hold: hold_of(asked.attempt - (1 << 32)),
                ttl_ms: self.ttl_ms,
                price_max: self.segments[at].price,
            })),
            Step::Acknowledge => Some(SeatsAsk::Acknowledge {
                hold: hold(),
                provider: provider(),
            }),
            Step::Refuse => Some(SeatsAsk::Refuse {
                hold: hold(),
                provider: provider(),
            }),
            Step::Hold => {
                let segment = &self.segments[at];
                Some(SeatsAsk::Hold(HoldRequest {
                    provider: segment.provider,
                    cabin: segment.cabin,
                    class: segment.class,
                    board: segment.board,
                    off: segment.off,
                    seats: segment.seats,
                    ttl_ms: Some(self.ttl_ms),
                    expected_price: Some(segment.price),
                    wait_ms: self.order.wait_ms,
                }))
            }
            Step::Confirm => Some(SeatsAsk::Confirm { hold: hold() }),
            Step::Release => Some(SeatsAsk::Release { hold: hold() }),
            Step::Cancel => Some(SeatsAsk::Cancel { hold: hold() }),
            _ => None,
        };
        let work = match (ask, asked.step) {
            (Some(ask), _) => Work::Seats {
                segment: at as u8,
                flight: self.segments[at].flight,
                ask,
            },
            (None, Step::Authorise) => Work::Money(MoneyAsk::Authorise {
                amount,
                method: self.payments.last().unwrap().1.clone(),
            }),
            (None, Step::Capture) => Work::Money(MoneyAsk::Capture {
                amount,
                reference: reference(),
            }),
            (None, Step::Void) => Work::Money(MoneyAsk::Void {
                reference: reference(),
            }),
            (None, Step::Refund) => Work::Money(MoneyAsk::Refund {
                amount: Money {
                    minor: self.stop.as_ref().unwrap().refund,
                    ..amount
                },
                reference: reference(),
            }),
            (None, Step::Ticket) => Work::Ticket {
                booking: references.name(partition, self.number),
            },
            (None, step) => Work::Outward(Box::new(OutwardWork {
                segment: at as u8,
                provider: provider(),
                placement: EffectId::derive(self.id, Step::Place, at as u8, asked.attempt),
                booking: references.name(partition, self.number),
                request: self.segments[at].clone(),
                hold: hold(),
                passengers: self.order.passengers,
                sealed: self.order.sealed.clone(),
                ask: if step == Step::Place {
                    OutwardAsk::Place
                } else {
                    OutwardAsk::Withdraw {
                        reference: match self.answer(Step::Place, at) {
                            Some(EffectResult::Placed { reference }) => Some(reference.clone()),
                            _ => None,
                        },
                    }
                },
            })),
        };
        Effect {
            id: EffectId::derive(self.id, asked.step, at as u8, asked.attempt),
            order: self.id,
            since_ms: self.created_ms,
            asks: asked.asks,
            work,
        }
    }

    fn effect_id(&self, asked: &Asked) -> EffectId {
        EffectId::derive(self.id, asked.step, asked.segment as u8, asked.attempt)
    }
}

impl Model {
    pub(crate) fn new(partition: u32, references: References) -> Self {
        Self {
            partition,
            references,
            clock_ms: i64::MIN,
            settings: OrderSettings::default(),
            orders: Vec::new(),
            due: Vec::new(),
        }
    }

    pub(crate) fn apply(
        &mut self,
        offset: u64,
        at_ms: i64,
        id: CommandId,
        command: &OrderCommand,
    ) -> (OrderOutcome, Replay) {
        self.due.clear();
        self.clock_ms = self.clock_ms.max(at_ms);
        if let OrderCommand::Configure(settings) = command {
            self.settings = settings.clone();
        }
        for at in 0..self.orders.len() {
            self.pass_time(at);
        }
        match command {
            OrderCommand::Order(order, action) => self.decide(offset, id, *order, action),
            _ => (OrderOutcome::Noted, Replay::First),
        }
    }

    fn pass_time(&mut self, at: usize) {
        if self.orders[at].retired {
            return;
        }
        self.heed_deadline(at);
        let (clock_ms, settings) = (self.clock_ms, self.settings.clone());
        for ask in 0..self.orders[at].asked.len() {
            let asked = &mut self.orders[at].asked[ask];
            let until_ms = match asked.wait {
                Wait::Ready { again_ms } => again_ms,
                Wait::Later { at_ms } => at_ms,
                Wait::Claimed { until_ms, .. } => until_ms,
            };
            if asked.answer.is_none() && until_ms <= clock_ms {
                asked.asks += 1;
                asked.wait = Wait::Ready {
                    again_ms: later(clock_ms, &settings, asked.asks),
                };
                self.tell(at, ask);
            }
        }
        self.go_on(at);
        let order = &mut self.orders[at];
        let state = order.state();
        let last_ms = order.departs_ms.iter().max().copied().unwrap();
        let over_ms = last_ms.saturating_add_unsigned(settings.retire_after_ms);
        let settled = state == OrderState::Booked || state.is_end();
        order.retired = settled && over_ms <= clock_ms;
    }

    fn tell(&mut self, at: usize, ask: usize) {
        let order = &self.orders[at];
        let effect = order.effect(&order.asked[ask], &self.references, self.partition);
        self.due.push(effect);
    }

    fn heed_deadline(&mut self, at: usize) {
        let clock_ms = self.clock_ms;
        let order = &mut self.orders[at];
        if order
            .deadline_ms()
            .is_none_or(|deadline_ms| deadline_ms > clock_ms)
        {
            return;
        }
        let cause = match order.state() {
            OrderState::Holding | OrderState::Waiting => Cause::HoldsTimedOut,
            OrderState::AwaitingPayment => Cause::NotPaid,
            OrderState::Placing => Cause::PlacingTimedOut,
            _ => Cause::PaymentTimedOut,
        };
        order.stop_for(cause, clock_ms);
    }

    /// Asks for whatever should have been asked for and was not.
    fn go_on(&mut self, at: usize) {
        for _ in 0..3 {
            let within_ms = self.settings.place_within_ms;
            let clock_ms = self.clock_ms;
            let order = &mut self.orders[at];
            let sold = order.all().all(|s| order.confirmed(s));
            if order.stop.is_none() && sold && order.place_by_ms.is_none() {
                order.place_by_ms = Some(clock_ms.saturating_add_unsigned(within_ms));
                // Who waits for nobody is late for nothing.
                if order.all().all(|s| order.is_placed(s)) {
                    order.place_by_ms = Some(i64::MAX);
                }
            }
            self.heed_deadline(at);
            let order = &mut self.orders[at];
            // Nor does it wait for a provider: what may have been placed is withdrawn.
            for asked in &mut order.asked {
                if order.stop.is_some() && asked.step == Step::Place && asked.answer.is_none() {
                    asked.answer = Some(EffectResult::Unknown);
                }
            }
            let outdated = order.disagrees && order.has_waited();
            if outdated && !order.is_hold() && order.payments.is_empty() {
                order.stop_for(Cause::TimesChanged, clock_ms);
            }
            // Whoever turns around does not listen to a waitlist any more, but leaves it.
            for s in order
                .all()
                .filter(|s| order.waits(*s).is_some())
                .collect::<Vec<_>>()
            {
                if order.stop.is_none() {
                    break;
                }
                let of_segment = |a: &&mut Asked| (a.step, a.segment) == (Step::Hold, s);
                let hold = order.asked.iter_mut().rfind(of_segment).unwrap();
                hold.answer = Some(EffectResult::Unknown);
            }
            let held = order
                .all()
                .all(|s| order.held(s).is_some() && !order.lost[s]);
            if order.stop.is_none() && held {
                match &order.order.terms {
                    Terms::Hold { .. } => order.told_held = true,
                    Terms::Instant { method } if order.payments.is_empty() => {
                        order.payments_ever += 1;
                        order.payments.push((order.payments_ever, method.clone()));
                        let quotes = order.quotes.iter_mut();
                        quotes.for_each(|quote| quote.spoiled = true);
                    }
                    Terms::Instant { .. } => {}
                }
            }
            for (step, segment, attempt) in self.orders[at].wanted() {
                self.want(at, step, segment, attempt);
            }
        }
    }

    fn want(&mut self, at: usize, step: Step, segment: usize, attempt: u64) {
        let (clock_ms, settings) = (self.clock_ms, self.settings.clone());
        let order = &mut self.orders[at];
        let what = (step, segment, attempt);
        if order
            .asked
            .iter()
            .any(|a| (a.step, a.segment, a.attempt) == what)
        {
            return;
        }
        // A void or refund that was refused before is not tried anew at once.
        let refusals = match step {
            Step::Void | Step::Refund => attempt as u32,
            _ => 0,
        };
        let (asks, wait) = if refusals > 0 {
            let at_ms = later(clock_ms, &settings, refusals);
            (0, Wait::Later { at_ms })
        } else {
            let again_ms = later(clock_ms, &settings, 1);
            (1, Wait::Ready { again_ms })
        };
        order.asked.push(Asked {
            step,
            segment,
            attempt,
            asks,
            wait,
            waits_until_ms: None,
            answer: None,
        });
        if asks == 1 {
            self.tell(at, self.orders[at].asked.len() - 1);
        }
    }

    fn decide(
        &mut self,
        offset: u64,
        id: CommandId,
        order_id: OrderId,
        action: &OrderAction,
    ) -> (OrderOutcome, Replay) {
        let by_client = action.kind() < OrderKind::EffectDone;
        let Some(at) = self.orders.iter().position(|order| order.id == order_id) else {
            let outcome = match action {
                OrderAction::Create(create) => match create.valid(order_id, &self.settings) {
                    Err(field) => OrderOutcome::Refused(OrderReason::Invalid(field)),
                    Ok(()) => {
                        self.orders.push(self.create(order_id, create));
                        self.go_on(self.orders.len() - 1);
                        let outcome = OrderOutcome::Created {
                            booking: self
                                .references
                                .name(self.partition, self.orders.len() as u64 - 1),
                        };
                        let seen = (id, action.clone(), offset, outcome);
                        self.orders.last_mut().unwrap().seen.push(seen);
                        outcome
                    }
                },
                _ => OrderOutcome::Refused(OrderReason::UnknownOrder),
            };
            return (outcome, Replay::First);
        };
        if self.orders[at].retired {
            return (OrderOutcome::Refused(OrderReason::Retired), Replay::First);
        }
        if by_client {
            let mut seen = self.orders[at].seen.iter();
            if let Some((_, first, first_offset, outcome)) = seen.find(|seen| seen.0 == id) {
                let first_offset = *first_offset;
                let replay = if first == action {
                    Replay::Same { first_offset }
                } else {
                    Replay::Different { first_offset }
                };
                return (*outcome, replay);
            }
            let remembered = self.orders[at].seen.len();
            let notes = matches!(action, OrderAction::SetMetadata(_));
            if remembered >= 256 || notes && remembered >= 192 {
                let refused = OrderOutcome::Refused(OrderReason::TooManyCommands);
                return (refused, Replay::First);
            }
        }
        let outcome = match self.answer(at, action) {
            Ok(outcome) => outcome,
            Err(reason) => OrderOutcome::Refused(reason),
        };
        if by_client {
            self.orders[at]
                .seen
                .push((id, action.clone(), offset, outcome));
        }
        (outcome, Replay::First)
    }

    fn create(&self, id: OrderId, create: &CreateOrder) -> Facts {
        let segments: Vec<_> = create.slices.concat();
        let none = vec![None; segments.len()];
        let no = vec![false; segments.len()];
        Facts {
            id,
            number: self.orders.len() as u64,
            seen: Vec::new(),
            attempt: 1,
            payments_ever: 0,
            quotes: Vec::new(),
            order: create.clone(),
            created_ms: self.clock_ms,
            seated_ms: None,
            ttl_ms: match create.terms {
                Terms::Instant { .. } => self.settings.instant_hold_ms,
                Terms::Hold { pay_by_ms } => pay_by_ms + self.settings.pay_grace_ms,
            },
            asked: Vec::new(),
            payments: Vec::new(),
            told_held: false,
            place_by_ms: None,
            outward: no.clone(),
            codes: vec![Box::default(); segments.len()],
            lost: no.clone(),
            flown: no,
            gone: none.clone(),
            retimed: none,
            departs_ms: segments.iter().map(|s| s.departs_ms).collect(),
            segments,
            disagrees: false,
            stop: None,
            retired: false,
        }
    }

    fn answer(&mut self, at: usize, action: &OrderAction) -> Result<OrderOutcome, OrderReason> {
        let (clock_ms, settings) = (self.clock_ms, self.settings.clone());
        let order = &mut self.orders[at];
        let state = order.state();
        let over = match order.stop.as_ref().map(|stop| stop.end) {
            None => Ok(()),
            Some(OrderState::Cancelled) => Err(OrderReason::AlreadyCancelled),
            Some(OrderState::Expired) => Err(OrderReason::PastDeadline),
            Some(_) => Err(OrderReason::OrderRefused),
        };
        let departed = order
            .departs_ms
            .iter()
            .any(|departs_ms| *departs_ms <= clock_ms);
        let cancellable = match state {
            OrderState::AwaitingPayment => Ok(()),
            OrderState::Holding | OrderState::Waiting if order.is_waiting() => Ok(()),
            OrderState::Booked if departed => Err(OrderReason::Departed),
            OrderState::Booked => Ok(()),
            _ => Err(OrderReason::NotCancellable),
        };
        let total = order.order.total;
        match action {
            OrderAction::Create(create) => {
                match (state, over) {
                    (OrderState::Refused, _) => {}
                    (OrderState::Undoing, Err(OrderReason::OrderRefused)) => {
                        return Err(OrderReason::StillUndoing);
                    }
                    _ => return Err(OrderReason::AlreadyBooked),
                }
                let valid = create.valid(order.id, &settings);
                valid.map_err(OrderReason::Invalid)?;
                let fresh = self.create(self.orders[at].id, create);
                let old = &mut self.orders[at];
                *old = Facts {
                    number: old.number,
                    seen: std::mem::take(&mut old.seen),
                    attempt: old.attempt + 1,
                    payments_ever: old.payments_ever,
                    quotes: std::mem::take(&mut old.quotes),
                    ..fresh
                };
                self.go_on(at);
                Ok(OrderOutcome::Created {
                    booking: self.references.name(self.partition, self.orders[at].number),
                })
            }
            OrderAction::Pay(payment) => {
                if !order.is_hold() {
                    return Err(OrderReason::NotPayable);
                }
                over?;
                match state {
                    OrderState::AwaitingPayment => {}
                    OrderState::Holding | OrderState::Waiting => {
                        return Err(OrderReason::StillHolding);
                    }
                    OrderState::Ticketing | OrderState::Booked => {
                        return Err(OrderReason::AlreadyPaid);
                    }
                    _ => return Err(OrderReason::PaymentInProgress),
                }
                if order.disagrees {
                    return Err(OrderReason::ScheduleChanged);
                }
                let amount = payment.amount;
                if amount.currency != total.currency || amount.exponent != total.exponent {
                    return Err(OrderReason::CurrencyMismatch);
                }
                if amount.minor != total.minor {
                    return Err(OrderReason::AmountMismatch);
                }
                order
                    .quotes
                    .iter_mut()
                    .for_each(|quote| quote.spoiled = true);
                order.payments_ever += 1;
                order
                    .payments
                    .push((order.payments_ever, payment.method.clone()));
                let payment = order.payments_ever as u32;
                self.go_on(at);
                Ok(OrderOutcome::PaymentStarted { payment })
            }
            OrderAction::QuoteCancel => {
                over?;
                cancellable?;
                let refund = match (state, order.order.refund) {
                    (_, RefundTerms::Nothing) => 0,
                    (state, _) if state != OrderState::Booked => 0,
                    (_, RefundTerms::Full) => total.minor,
                    (_, RefundTerms::Penalty(penalty)) => total.minor - penalty,
                };
                // The id is the fold's own; its uniqueness is tested elsewhere.
                let id = QuoteId(u128::from(order.quotes.len() as u32) + 1);
                let expires_ms = clock_ms.saturating_add_unsigned(settings.quote_ms);
                order
                    .quotes
                    .iter_mut()
                    .for_each(|quote| quote.spoiled = true);
                order.quotes.push(Quote {
                    id,
                    refund,
                    expires_ms,
                    spoiled: false,
                });
                Ok(OrderOutcome::Quoted {
                    quote: id,
                    refund: Money {
                        minor: refund,
                        ..total
                    },
                    unpaid: state != OrderState::Booked,
                    expires_at_ms: expires_ms,
                })
            }
            OrderAction::ConfirmCancel { quote } => {
                let Some(quote) = order.quotes.iter().find(|q| q.id == *quote).cloned() else {
                    return Err(OrderReason::UnknownQuote);
                };
                over?;
                if quote.spoiled {
                    return Err(OrderReason::QuoteStale);
                }
                if quote.expires_ms <= clock_ms {
                    return Err(OrderReason::QuoteExpired);
                }
                cancellable?;
                order.stop_for(Cause::ByClient { quote: quote.id }, clock_ms);
                self.go_on(at);
                Ok(OrderOutcome::CancelStarted {
                    refund: Money {
                        minor: quote.refund,
                        ..total
                    },
                })
            }
            OrderAction::SetMetadata(metadata) => {
                order.order.metadata.clone_from(metadata);
                Ok(OrderOutcome::MetadataSet)
            }
            OrderAction::AcceptChanges => {
                over?;
                if !std::mem::take(&mut order.disagrees) {
                    return Err(OrderReason::NothingToAccept);
                }
                Ok(OrderOutcome::ChangesAccepted)
            }
            OrderAction::EffectDone { effect, result } => self.hear(at, *effect, result),
            OrderAction::Claim {
                effect,
                replica,
                until_ms,
            } => {
                let ids: Vec<_> = order.asked.iter().map(|a| order.effect_id(a)).collect();
                let mut open = order.asked.iter_mut().zip(ids);
                let Some((asked, _)) = open.find(|(a, id)| a.answer.is_none() && id == effect)
                else {
                    return Err(OrderReason::NotOutstanding);
                };
                match asked.wait {
                    Wait::Later { at_ms } => return Err(OrderReason::NotDue { at_ms }),
                    Wait::Claimed {
                        replica: holder,
                        until_ms,
                    } if holder != *replica => {
                        return Err(OrderReason::ClaimedByAnother { until_ms });
                    }
                    _ => {}
                }
                let until_ms = *until_ms.min(&(clock_ms + settings.claim_max_ms as i64));
                if until_ms <= clock_ms {
                    return Err(OrderReason::ClaimOver);
                }
                asked.wait = Wait::Claimed {
                    replica: *replica,
                    until_ms,
                };
                Ok(OrderOutcome::Claimed { until_ms })
            }
            OrderAction::FlightChanged(notice) => self.notice(at, notice),
        }
    }

    fn hear(
        &mut self,
        at: usize,
        effect: EffectId,
        result: &EffectResult,
    ) -> Result<OrderOutcome, OrderReason> {
        let (clock_ms, settings) = (self.clock_ms, self.settings.clone());
        let order = &mut self.orders[at];
        let open = |a: &Asked| a.answer.is_none() && order.effect_id(a) == effect;
        let Some(ask) = order.asked.iter().position(open) else {
            return Err(OrderReason::NotOutstanding);
        };
        let Asked { step, segment, .. } = order.asked[ask];
        if *result == EffectResult::Unknown {
            let asked = &mut order.asked[ask];
            let at_ms = match asked.wait {
                Wait::Later { at_ms } => at_ms,
                _ => later(clock_ms, &settings, asked.asks),
            };
            asked.wait = Wait::Later { at_ms };
            return Ok(OrderOutcome::AskedAgain { at_ms });
        }
        let mut fits = match step {
            Step::Hold if order.order.wait_ms.is_some() && order.reseats(segment) == 0 => {
                vec!["held", "refused", "waiting"]
            }
            Step::Hold => vec!["held", "refused"],
            Step::Confirm => vec!["confirmed", "refused"],
            Step::Release => vec!["released", "cancelled", "refused"],
            Step::Cancel => vec!["cancelled", "refused"],
            Step::Authorise => vec!["authorised", "declined"],
            Step::Capture => vec!["captured", "failed"],
            Step::Void => vec!["voided", "failed"],
            Step::Refund => vec!["refunded", "failed"],
            Step::Ticket => vec!["ticketed", "failed"],
            Step::Place => vec!["placed", "failed"],
            Step::Acknowledge | Step::Refuse => vec!["noted", "refused"],
            Step::Withdraw => vec!["withdrawn", "failed"],
        }
        .into_iter();
        if !fits.any(|name| name == result.name()) {
            return Err(OrderReason::WrongResult);
        }
        if let EffectResult::Waiting { deadline_ms } = result {
            let asked = &mut order.asked[ask];
            if asked.waits_until_ms.is_some() {
                return Ok(OrderOutcome::Stale);
            }
            asked.waits_until_ms = Some(*deadline_ms);
            let at_ms = deadline_ms.saturating_add_unsigned(settings.ask_again_max_ms);
            asked.wait = Wait::Later { at_ms };
            self.go_on(at);
            return Ok(OrderOutcome::Heard);
        }
        if order.asked[ask].waits_until_ms.is_some() && result.name() == "held" {
            order.seated_ms = Some(clock_ms);
        }
        // Where it stood before the answer decides how it ends.
        let mut before = order.clone();
        order.asked[ask].answer = Some(result.clone());
        let at_segment = segment as u8;
        if let (Step::Confirm, EffectResult::Confirmed) = (step, result) {
            let provider = match order.answer(Step::Hold, segment) {
                Some(EffectResult::Held { provider, .. }) => *provider,
                other => panic!("confirmed, and {other:?}"),
            };
            order.outward[segment] = settings.outward.contains(&provider);
        }
        if let (Step::Place, EffectResult::Failed { code }) = (step, result) {
            order.codes[segment] = code.clone();
        }
        let refused_by_provider = Cause::PlacementRefused {
            segment: at_segment,
            code: order.codes[segment].clone(),
        };
        let elsewhere = order.reseats(segment);
        let cause = match result {
            EffectResult::Refused(_) if step == Step::Hold && elsewhere > 0 => {
                Some(refused_by_provider)
            }
            _ if step == Step::Refuse && elsewhere >= 8 => Some(refused_by_provider),
            EffectResult::Refused(reason) if matches!(step, Step::Hold | Step::Confirm) => {
                Some(Cause::SeatsRefused {
                    segment: at_segment,
                    step,
                    reason: *reason,
                })
            }
            EffectResult::Held { offset, .. } if order.gone[segment] > Some(*offset) => {
                Some(Cause::FlightCancelled {
                    segment: at_segment,
                })
            }
            EffectResult::Declined { code } if !order.is_hold() => {
                Some(Cause::Declined { code: code.clone() })
            }
            EffectResult::Failed { code } if step == Step::Capture => {
                Some(Cause::CaptureFailed { code: code.clone() })
            }
            EffectResult::Failed { code } if step == Step::Ticket => {
                Some(Cause::TicketFailed { code: code.clone() })
            }
            _ => None,
        };
        if let Some(cause) = cause {
            before.stop_for(cause, clock_ms);
            order.stop = before.stop;
            order.flown = before.flown;
            order.quotes = before.quotes;
        }
        self.go_on(at);
        let again = |a: &&Asked| a.answer.is_none() && a.step == step;
        let retried = self.orders[at].asked.iter().find(again);
        match (step, result, retried) {
            (Step::Void | Step::Refund, EffectResult::Failed { .. }, Some(asked)) => {
                Ok(OrderOutcome::AskedAgain {
                    at_ms: asked.wait.until_ms(),
                })
            }
            _ => Ok(OrderOutcome::Heard),
        }
    }

    fn notice(&mut self, at: usize, notice: &FlightNotice) -> Result<OrderOutcome, OrderReason> {
        let clock_ms = self.clock_ms;
        let order = &mut self.orders[at];
        let on_it: Vec<_> = order
            .all()
            .filter(|s| order.segments[*s].flight == notice.flight)
            .collect();
        if on_it.is_empty() {
            return Err(OrderReason::NotItsFlight);
        }
        if order.state().is_end() {
            return Ok(OrderOutcome::Stale);
        }
        let mut news = false;
        let mut causes = Vec::new();
        for s in on_it {
            let segment = s as u8;
            match notice.change {
                FlightChange::Cancelled => {
                    let known = order.gone[s].is_some_and(|known| known >= notice.offset);
                    let held = order.held(s).map(|(_, offset)| offset);
                    if known || held.is_some_and(|held| held > notice.offset) {
                        continue;
                    }
                    news = true;
                    order.gone[s] = Some(notice.offset);
                    if held.is_some() {
                        causes.push(Cause::FlightCancelled { segment });
                    }
                }
                FlightChange::Displaced { hold } => {
                    let attempt = order.seats_attempt(s);
                    let ours = EffectId::derive(order.id, Step::Hold, segment, attempt);
                    let unanswered = order.answer(Step::Hold, s).is_none();
                    let live = order.held(s).is_some()
                        && order.asked_for(Step::Confirm, s).is_none()
                        && order.asked_for(Step::Release, s).is_none()
                        && !order.lost[s];
                    let matters = live || unanswered && order.stop.is_none();
                    if hold == CommandId::from(ours) && matters {
                        news = true;
                        causes.push(Cause::Displaced { segment });
                        order.lost[s] = live;
                    }
                }
                FlightChange::Times { board, departs_ms } => {
                    let boards = order.segments[s].board.unwrap_or(notice.flight.board);
                    let known = order.retimed[s].is_some_and(|known| known >= notice.offset);
                    if boards != board || known || order.is_free(s) {
                        continue;
                    }
                    news = true;
                    order.retimed[s] = Some(notice.offset);
                    order.disagrees |= order.departs_ms[s] != departs_ms;
                    order.departs_ms[s] = departs_ms;
                }
            }
        }
        if !news {
            return Ok(OrderOutcome::Stale);
        }
        for cause in causes {
            order.stop_for(cause, clock_ms);
        }
        self.go_on(at);
        Ok(OrderOutcome::Heard)
    }

    /// Takes over the id that the fold gave to a quote made just now.
    pub(crate) fn name_quote(&mut self, order: OrderId, id: QuoteId) {
        let order = self.orders.iter_mut().find(|o| o.id == order).unwrap();
        assert!(
            order.quotes.iter().all(|quote| quote.id != id),
            "{id} twice"
        );
        order.quotes.last_mut().unwrap().id = id;
        let (.., outcome) = order.seen.last_mut().unwrap();
        let OrderOutcome::Quoted { quote, .. } = outcome else {
            panic!("{outcome:?} is not a quote");
        };
        *quote = id;
    }
}

impl Facts {
    /// Is nothing of the segment's seats ours or on its way to be?
    fn is_free(&self, at: usize) -> bool {
        let refused = |step| {
            let answer = self.answer(step, at);
            matches!(answer, Some(EffectResult::Refused(_)))
        };
        let back = match self.answer(Step::Release, at) {
            Some(EffectResult::Refused(Reason::AlreadyConfirmed)) | None => false,
            Some(_) => true,
        };
        self.lost[at]
            || refused(Step::Hold)
            || refused(Step::Confirm)
            || back
            || self.answer(Step::Cancel, at).is_some()
            || self.answer(Step::Refuse, at).is_some()
    }
}
