//! Orders of the random world: a real fold of random commands, whose rows and decisions the epochs
//! carry. Texts and times are hostile where the fold takes them.

use std::sync::Arc;

use flightline_dataflows::references;
use flightline_dataflows::rows::{DecisionRow, Note, OrderRow};
use flightline_ledger::order::{
    CreateOrder, EffectResult, FlightChange, FlightNotice, OfferRequestId, OrderAction,
    OrderCommand, OrderId, OrderIx, OrderObserver, OrderOutcome, OrderSettings, Orders,
    Outstanding, Payment, QuoteId, RefundTerms, SegmentRequest, Step, Terms,
};
use flightline_ledger::outcome::{Kind, Outcome, Reason, Replay};
use flightline_ledger::{Cabin, Class, CommandId, Decision, FlightKey, Money};
use rand::{Rng, RngExt};

use super::{PROVIDERS, Table, World};

pub(crate) const CLIENTS: [&str; 4] = ["shop", "Zürich ✈", "'; drop table orders --", "A\0B"];

const HOUR_MS: i64 = 3_600_000;

/// The orders of every partition, and the rows that show them.
pub(crate) struct OrderWorld {
    folds: Vec<Orders>,
    pub(crate) rows: Table<OrderId, Arc<OrderRow>>,
    now_ms: i64,
    requests: u128,
    ids: u128,
    quotes: Vec<(OrderId, QuoteId)>,
    /// Clients' commands, to ask them again.
    asked: Vec<(CommandId, OrderId, OrderAction)>,
}

#[derive(Default)]
struct Ear {
    changed: Vec<OrderIx>,
    retired: Vec<OrderId>,
}

impl OrderObserver for Ear {
    fn order_changed(&mut self, order: OrderIx) {
        self.changed.push(order);
    }

    fn order_retired(&mut self, _: OrderIx, id: OrderId) {
        self.retired.push(id);
    }
}

impl OrderWorld {
    pub(super) fn new(partitions: u32) -> Self {
        let folds = (0..partitions).map(|p| Orders::new(p, references(partitions)));
        let mut folds: Vec<_> = folds.collect();
        // Orders are forgotten soon after they are over.
        let settings = OrderCommand::Configure(OrderSettings {
            retire_after_ms: HOUR_MS as u64,
            outward: vec![PROVIDERS[2].parse().unwrap()],
            ..OrderSettings::default()
        });
        for fold in &mut folds {
            fold.apply(0, 0, CommandId(0), &settings, &mut Ear::default());
        }
        Self {
            folds,
            rows: Table::default(),
            now_ms: 1_798_000_000_000,
            requests: 0,
            ids: 1 << 100,
            quotes: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Folds a record and keeps the rows of what changed.
    fn fold(
        &mut self,
        partition: u32,
        offset: u64,
        id: CommandId,
        command: &OrderCommand,
    ) -> flightline_ledger::order::OrderDecision {
        let fold = &mut self.folds[partition as usize];
        let mut ear = Ear::default();
        let decision = fold.apply(offset, self.now_ms, id, command, &mut ear);
        for at in ear.changed {
            if let Some(order) = fold.get(at) {
                let row = OrderRow::of(order, partition, None);
                self.rows.set(order.id(), Some(Arc::new(row)));
            }
        }
        for order in ear.retired {
            self.rows.set(order, None);
        }
        decision
    }
}

impl World {
    /// One random thing happens to an order.
    pub(crate) fn order_step(&mut self) {
        self.orders.now_ms += match self.rng.random_range(0..60) {
            0 if self.rng.random_ratio(1, 3) => 5 * HOUR_MS,
            0 | 1 => 12 * 60_000,
            _ => self.rng.random_range(0..5_000),
        };
        match self.rng.random_range(0..100) {
            0..=11 => self.create_order(),
            12..=71 => self.effect_done(),
            72..=93 => self.ask_order(),
            _ => self.tell_order(),
        }
    }

    fn say(&mut self, id: CommandId, order: OrderId, action: OrderAction) {
        let partition = (order.0 % self.covers.len() as u128) as u32;
        let offset = self.offset(partition);
        let command = OrderCommand::Order(order, action);
        let decision = self.orders.fold(partition, offset, id, &command);
        if let (Some(order), OrderOutcome::Quoted { quote, .. }) =
            (decision.order, decision.outcome)
        {
            self.orders.quotes.push((order, quote));
        }
        let note = self.rng.random_ratio(1, 2).then(|| {
            Box::new(Note {
                ref_text: self.rng.random_ratio(1, 3).then(|| self.text().into()),
                actor: self.rng.random_ratio(1, 2).then(|| "token é".into()),
            })
        });
        self.decisions.push(DecisionRow {
            partition,
            // What the ledger says of a record about an order.
            decision: Decision {
                offset,
                at_ms: decision.at_ms,
                id,
                flight: FlightKey::NONE,
                kind: Kind::Order,
                outcome: Outcome::Noted,
                replay: Replay::First,
            },
            order: Some(Box::new(decision)),
            note,
        });
    }

    fn next_id(&mut self) -> CommandId {
        self.orders.ids += 1;
        CommandId(self.orders.ids)
    }

    fn ask(&mut self, order: OrderId, action: OrderAction) {
        let id = self.next_id();
        self.orders.asked.push((id, order, action.clone()));
        self.say(id, order, action);
    }

    fn any_order(&mut self) -> OrderId {
        let back = u128::from(self.rng.random_range(0..20_u32));
        OrderId::of(OfferRequestId(self.orders.requests.saturating_sub(back)))
    }

    fn outstanding(&mut self) -> Option<Outstanding> {
        let folds = self.orders.folds.iter();
        let waiting: Vec<_> = folds.flat_map(Orders::outstanding).collect();
        let at = self.rng.random_range(0..waiting.len().max(1));
        waiting.into_iter().nth(at)
    }

    fn order_money(&mut self, minor: i64) -> Money {
        let (code, exponent) = self.pick(&[("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)]);
        Money {
            minor,
            currency: code.parse().unwrap(),
            exponent,
        }
    }

    /// Text that the fold takes, however odd.
    fn some_text(&mut self) -> Box<str> {
        match &*self.text() {
            "" => "x".into(),
            text => text.chars().take(60).collect::<String>().into(),
        }
    }

    fn create_order(&mut self) {
        // One that was refused can be made again.
        let request = if self.rng.random_ratio(1, 3) {
            let back = self.rng.random_range(0..30_u32);
            self.orders.requests.saturating_sub(u128::from(back))
        } else {
            self.orders.requests += 1;
            self.orders.requests
        };
        let minor = self.rng.random_range(1..1_000_000);
        let total = self.order_money(minor);
        let slices = (0..self.rng.random_range(1..=2))
            .map(|_| {
                let segments = self.rng.random_range(1..=2);
                (0..segments).map(|_| self.order_segment(total)).collect()
            })
            .collect();
        let terms = if self.rng.random_ratio(1, 2) {
            Terms::Instant {
                method: self.some_text(),
            }
        } else {
            Terms::Hold {
                pay_by_ms: self.rng.random_range(1..10 * HOUR_MS as u64),
            }
        };
        let details = CreateOrder {
            offer_request: OfferRequestId(request),
            offer: self.some_text(),
            client: self.pick(&CLIENTS).into(),
            terms,
            wait_ms: self.rng.random_ratio(1, 3).then_some(5 * HOUR_MS as u64),
            slices,
            // Sometimes more than there can be.
            passengers: self.rng.random_range(1..1_020),
            sealed: "sealed".into(),
            total,
            refund: match self.rng.random_range(0..3) {
                0 => RefundTerms::Full,
                1 => RefundTerms::Penalty(total.minor / 3),
                _ => RefundTerms::Nothing,
            },
            metadata: Vec::new(),
        };
        let order = OrderId::of(details.offer_request);
        self.ask(order, OrderAction::Create(Box::new(details)));
    }

    fn order_segment(&mut self, total: Money) -> SegmentRequest {
        let flight = self.any_flight();
        let flight = flight.unwrap_or_else(|| "ZZ1.2027-01-05.EWR".parse().unwrap());
        let departs_ms = match self.rng.random_range(0..12) {
            0 => i64::MAX,
            1 => i64::MIN,
            _ => self.orders.now_ms + self.rng.random_range(-2 * HOUR_MS..30 * HOUR_MS),
        };
        SegmentRequest {
            flight,
            provider: self
                .rng
                .random_ratio(1, 3)
                .then(|| PROVIDERS[1].parse().unwrap()),
            cabin: Cabin::new(b'Y').unwrap(),
            class: self.pick(&[None, Class::new(b'M').ok()]),
            board: self.rng.random_ratio(1, 3).then_some(flight.board),
            off: self.pick(&[None, "ORD".parse().ok()]),
            seats: self.rng.random_range(1..=999),
            price: Money {
                minor: self.rng.random_range(0..300_000),
                ..total
            },
            departs_ms,
        }
    }

    /// The result of an effect that an order waits for; sometimes of none.
    fn effect_done(&mut self) {
        let Some(Outstanding { effect, .. }) = self.outstanding() else {
            return;
        };
        let result = match self.rng.random_range(0..12) {
            0 => EffectResult::Unknown,
            1 => self.failure(effect.work.step()),
            _ => self.success(effect.work.step()),
        };
        let id = self.next_id();
        let done = OrderAction::EffectDone {
            effect: effect.id,
            result,
        };
        self.say(id, effect.order, done);
    }

    fn success(&mut self, step: Step) -> EffectResult {
        match step {
            // Refused when the order did not ask to wait.
            Step::Hold if self.rng.random_ratio(1, 4) => EffectResult::Waiting {
                deadline_ms: self.orders.now_ms + self.rng.random_range(0..10 * HOUR_MS),
            },
            Step::Hold => EffectResult::Held {
                provider: PROVIDERS[2].parse().unwrap(),
                deadline_ms: match self.rng.random_range(0..8) {
                    0 => i64::MAX,
                    _ => self.orders.now_ms + self.rng.random_range(0..20 * HOUR_MS),
                },
                offset: self.rng.random_range(0..1_000_000),
            },
            Step::Confirm => EffectResult::Confirmed,
            Step::Release => EffectResult::Released,
            Step::Cancel => EffectResult::Cancelled,
            Step::Authorise => EffectResult::Authorised {
                reference: self.some_text(),
            },
            Step::Capture => EffectResult::Captured,
            Step::Void => EffectResult::Voided,
            Step::Refund => EffectResult::Refunded,
            Step::Ticket => EffectResult::Ticketed {
                number: format!("999{:010}", self.orders.ids).into(),
            },
            Step::Place => EffectResult::Placed {
                reference: self.some_text(),
            },
            Step::Acknowledge | Step::Refuse => EffectResult::Noted,
            Step::Withdraw => EffectResult::Withdrawn,
        }
    }

    fn failure(&mut self, step: Step) -> EffectResult {
        let code = self.some_text();
        match step {
            Step::Authorise => EffectResult::Declined { code },
            Step::Capture
            | Step::Void
            | Step::Refund
            | Step::Ticket
            | Step::Place
            | Step::Withdraw => EffectResult::Failed { code },
            Step::Hold
            | Step::Confirm
            | Step::Release
            | Step::Cancel
            | Step::Acknowledge
            | Step::Refuse => {
                EffectResult::Refused(self.pick(&[Reason::Closed, Reason::AlreadyConfirmed]))
            }
        }
    }

    fn ask_order(&mut self) {
        let order = self.any_order();
        let action = match self.rng.random_range(0..10) {
            0..=2 => {
                let row = self.orders.rows.rows.get(&order);
                let amount = row.map(|row| row.asked.total);
                OrderAction::Pay(Payment {
                    amount: amount.unwrap_or_else(|| self.order_money(7)),
                    method: self.some_text(),
                })
            }
            3 | 4 => OrderAction::QuoteCancel,
            5 | 6 => {
                let Some((order, quote)) = self.orders.quotes.last().copied() else {
                    return;
                };
                return self.ask(order, OrderAction::ConfirmCancel { quote });
            }
            7 => OrderAction::SetMetadata(vec![("trip".into(), self.some_text())]),
            8 => OrderAction::AcceptChanges,
            _ => {
                let n = self.orders.asked.len();
                if n == 0 {
                    return;
                }
                let at = n - 1 - self.rng.random_range(0..n.min(20));
                let (id, order, mut action) = self.orders.asked[at].clone();
                if self.rng.random_ratio(1, 3) {
                    action = OrderAction::SetMetadata(Vec::new());
                }
                return self.say(id, order, action);
            }
        };
        self.ask(order, action);
    }

    /// A claim, or word of a flight.
    fn tell_order(&mut self) {
        let id = self.next_id();
        if self.rng.random_ratio(1, 3) {
            let Some(one) = self.outstanding() else {
                return;
            };
            let claim = OrderAction::Claim {
                effect: one.effect.id,
                replica: self.rng.next_u64(),
                until_ms: self.orders.now_ms + 10_000,
            };
            return self.say(id, one.effect.order, claim);
        }
        let order = self.any_order();
        let Some(row) = self.orders.rows.rows.get(&order) else {
            return;
        };
        let (flight, hold) = (row.segments[0].flight, row.segments[0].hold);
        let change = match self.rng.random_range(0..4) {
            0 => FlightChange::Cancelled,
            1 => FlightChange::Displaced { hold },
            _ => FlightChange::Times {
                board: flight.board,
                departs_ms: self.orders.now_ms + self.rng.random_range(0..20 * HOUR_MS),
            },
        };
        let notice = FlightNotice {
            flight,
            offset: self.rng.random_range(0..1_000_000),
            change,
        };
        self.say(id, order, OrderAction::FlightChanged(notice));
    }
}
