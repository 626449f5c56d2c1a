//! What is said to orders: by clients, by whoever runs effects, by flights.

use flightline_ledger::order::{
    CreateOrder, EffectId, EffectResult, FlightChange, FlightNotice, OfferRequestId, OrderAction,
    OrderId, OrderSettings, Orders, Outstanding, Payment, RefundTerms, SegmentRequest, Step, Terms,
};
use flightline_ledger::{Command, CommandId, Money, Reason};

use super::{Maker, remember};

const HOUR_MS: u64 = 3_600_000;

fn usd(minor: i64) -> Money {
    Money {
        minor,
        currency: "USD".parse().unwrap(),
        exponent: 2,
    }
}

impl Maker {
    pub(super) fn create(&mut self, request: u128) {
        let terms = if self.dice.one_in(2) {
            Terms::Instant {
                method: "balance".into(),
            }
        } else {
            Terms::Hold {
                pay_by_ms: self.dice.below(20 * HOUR_MS),
            }
        };
        let slices = 1 + self.dice.below(2);
        let slices: Vec<Vec<SegmentRequest>> = (0..slices)
            .map(|_| {
                let segments = 1 + self.dice.below(2);
                (0..segments).map(|_| self.segment()).collect()
            })
            .collect();
        let refund = match self.dice.below(3) {
            0 => RefundTerms::Full,
            1 => RefundTerms::Penalty(3_000),
            _ => RefundTerms::Nothing,
        };
        let details = CreateOrder {
            offer_request: OfferRequestId(request),
            offer: "off_1".into(),
            client: self.dice.pick(&["shop", "desk"]).into(),
            terms,
            wait_ms: self.dice.one_in(3).then_some(5 * HOUR_MS),
            slices,
            passengers: 1 + self.dice.below(3) as u16,
            sealed: "sealed".into(),
            total: usd(30_000),
            refund,
            metadata: Vec::new(),
        };
        let order = OrderId::of(details.offer_request);
        self.ask(order, OrderAction::Create(Box::new(details)));
    }

    fn segment(&mut self) -> SegmentRequest {
        let recent = self.flights.len().min(60) as u64;
        let back = 1 + self.dice.below(recent) as usize;
        SegmentRequest {
            flight: self.flights[self.flights.len() - back],
            provider: None,
            cabin: "Y".parse().unwrap(),
            class: None,
            board: None,
            off: None,
            seats: self.dice.below(4) as u16 + u16::from(!self.dice.one_in(20)),
            price: usd(10_000),
            departs_ms: self.departure(),
        }
    }

    /// Some have left already, so that what is over is forgotten at once.
    fn departure(&mut self) -> i64 {
        let ahead_ms = if self.dice.one_in(4) {
            -1
        } else {
            self.dice.below(40 * HOUR_MS) as i64
        };
        self.now_ms + ahead_ms
    }

    /// The result of an effect that an order waits for.
    pub(super) fn answer(&mut self) {
        let Some(Outstanding { effect, .. }) = self.outstanding() else {
            return;
        };
        let step = effect.work.step();
        let result = if self.dice.one_in(12) {
            EffectResult::Unknown
        } else if self.dice.one_in(12) {
            failure(step)
        } else {
            self.success(step)
        };
        let done = OrderAction::EffectDone {
            effect: effect.id,
            result,
        };
        remember(&mut self.mail, (effect.order, done.clone()));
        if !self.dice.one_in(15) {
            self.say(effect.order, done);
        }
    }

    fn success(&mut self, step: Step) -> EffectResult {
        match step {
            // Refused when the order did not ask to wait.
            Step::Hold if self.dice.one_in(4) => EffectResult::Waiting {
                deadline_ms: self.now_ms + self.dice.below(10 * HOUR_MS) as i64,
            },
            Step::Hold => EffectResult::Held {
                provider: "alpha".parse().unwrap(),
                deadline_ms: self.now_ms + self.dice.below(30 * HOUR_MS) as i64,
                offset: self.dice.below(500),
            },
            Step::Confirm => EffectResult::Confirmed,
            Step::Release => EffectResult::Released,
            Step::Cancel => EffectResult::Cancelled,
            Step::Authorise => EffectResult::Authorised {
                reference: format!("auth-{}", self.ids).into(),
            },
            Step::Capture => EffectResult::Captured,
            Step::Void => EffectResult::Voided,
            Step::Refund => EffectResult::Refunded,
            Step::Ticket => EffectResult::Ticketed {
                number: format!("999-{}", self.ids).into(),
            },
            Step::Place => EffectResult::Placed {
                reference: format!("theirs-{}", self.ids).into(),
            },
            Step::Acknowledge | Step::Refuse => EffectResult::Noted,
            Step::Withdraw => EffectResult::Withdrawn,
        }
    }

    /// Something that was told, or should have been: late, or twice.
    pub(super) fn mail(&mut self) {
        if self.mail.is_empty() {
            return;
        }
        let (order, action) = self.dice.pick(&self.mail);
        self.say(order, action);
    }

    pub(super) fn nonsense(&mut self) {
        let (order, effect) = match self.outstanding() {
            Some(one) => (one.effect.order, one.effect.id),
            None => (OrderId(9), EffectId(9)),
        };
        let results = [
            EffectResult::Voided,
            EffectResult::Ticketed { number: "".into() },
            EffectResult::Refused(Reason::Closed),
        ];
        let result = self.dice.pick(&results);
        let effect = if self.dice.one_in(3) {
            EffectId(7)
        } else {
            effect
        };
        self.say(order, OrderAction::EffectDone { effect, result });
    }

    pub(super) fn client(&mut self) {
        let order = self.order();
        let action = match self.dice.below(33) {
            0..=9 => OrderAction::Pay(Payment {
                amount: self.dice.pick(&[usd(30_000), usd(30_000), usd(1)]),
                method: "card".into(),
            }),
            10..=15 => OrderAction::QuoteCancel,
            16..=20 => {
                let Some((order, quote)) = self.quotes.last().copied() else {
                    return;
                };
                let action = OrderAction::ConfirmCancel { quote };
                return self.ask(order, action);
            }
            21..=24 => {
                let value = self.dice.below(3).to_string();
                OrderAction::SetMetadata(vec![("trip".into(), value.into())])
            }
            25 => OrderAction::AcceptChanges,
            26..=28 => {
                let Some(one) = self.outstanding() else {
                    return;
                };
                let claim = OrderAction::Claim {
                    effect: one.effect.id,
                    replica: self.dice.below(2),
                    until_ms: self.now_ms + self.dice.below(20_000) as i64 - 100,
                };
                return self.say(one.effect.order, claim);
            }
            _ if self.asked.is_empty() => return,
            n => {
                let (id, order, mut action) = self.dice.pick(&self.asked);
                if n == 32 {
                    action = OrderAction::SetMetadata(Vec::new());
                }
                return self.tell(id, order, action);
            }
        };
        self.ask(order, action);
    }

    /// A client agrees with new times.
    pub(super) fn accept(&mut self) {
        let orders = self.orders.iter().flat_map(Orders::orders);
        let waiting: Vec<OrderId> = orders
            .filter(|(_, order)| order.changes_pending())
            .map(|(_, order)| order.id())
            .collect();
        if waiting.is_empty() {
            return;
        }
        let order = self.dice.pick(&waiting);
        self.ask(order, OrderAction::AcceptChanges);
    }

    pub(super) fn settings(&mut self) {
        let settings = OrderSettings {
            instant_hold_ms: 60_000 + self.dice.below(HOUR_MS),
            ask_again_first_ms: 1 + self.dice.below(60_000),
            retire_after_ms: self.dice.below(3) * 5 * HOUR_MS,
            outward: match self.dice.one_in(3) {
                true => Vec::new(),
                false => vec!["alpha".parse().unwrap()],
            },
            ..OrderSettings::default()
        };
        let partition = self.dice.below(u64::from(self.partitions)) as u32;
        self.ids += 1;
        let command = Command::ConfigureOrders(Box::new(settings));
        self.push(partition, CommandId(self.ids), command, None);
    }

    pub(super) fn notice(&mut self) {
        let order = self.order();
        let fold = &self.orders[(order.0 % u128::from(self.partitions)) as usize];
        let Some(order) = fold.find(order).and_then(|at| fold.get(at)) else {
            return;
        };
        let segment = &order.segments()[0];
        let (id, flight, hold) = (order.id(), segment.request.flight, segment.hold);
        let change = match self.dice.below(4) {
            0 => FlightChange::Cancelled,
            1 => FlightChange::Displaced { hold },
            _ => FlightChange::Times {
                board: flight.board,
                departs_ms: self.now_ms + self.dice.below(40 * HOUR_MS) as i64,
            },
        };
        let notice = FlightNotice {
            flight,
            offset: self.dice.below(800),
            change,
        };
        self.say(id, OrderAction::FlightChanged(notice));
    }
}

fn failure(step: Step) -> EffectResult {
    let code = "broken".into();
    match step {
        Step::Authorise => EffectResult::Declined { code },
        Step::Capture | Step::Void | Step::Refund | Step::Ticket | Step::Place | Step::Withdraw => {
            EffectResult::Failed { code }
        }
        Step::Hold
        | Step::Confirm
        | Step::Release
        | Step::Cancel
        | Step::Acknowledge
        | Step::Refuse => EffectResult::Refused(Reason::Closed),
    }
}
