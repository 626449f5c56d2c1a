//! Runs what orders ask of the payment service.
//!
//! With several replicas an effect is claimed before it is run: a command in the order's stream, of which
//! the first in the order counts, until its time is over by the stream's clock. So each runs at one of
//! them; and when that one dies, or answers too late, at another one too, under the same id, by which
//! the payment service does it once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flightline_connectors::payments::{
    Answer, AuthoriseRequest, EffectId as Ask, PaymentEvent, PaymentService, Refusal,
};
use flightline_failpoints::{Point, reach};
use flightline_ledger::order::{
    Effect, EffectId, EffectResult, MoneyAsk, OrderAction, OrderOutcome, Work,
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::desk::OrderDesk;
use crate::sequencer::Sequencer;

/// The payment service, and what is being asked of it.
pub(crate) struct Cashier {
    service: Arc<dyn PaymentService>,
    desk: Arc<OrderDesk>,
    sequencer: Arc<Sequencer>,
    /// Effects that were asked for and have no certain answer yet.
    open: Mutex<HashMap<EffectId, Open>>,
    /// By what name this replica claims effects; absent = it is the only one.
    claims_as: Option<u64>,
}

/// An effect without an answer.
struct Open {
    effect: Effect,
    /// It is being asked now. One that takes long is due again before it is done: it is not run
    /// beside itself.
    is_busy: bool,
    /// The service told of it meanwhile: an unknown outcome is asked for again at once.
    is_hinted: bool,
}

/// Why an effect is asked for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Its turn has come.
    Due,
    /// The service told something about it.
    Told,
}

/// How long a claim lasts, in milliseconds: longer than a payment service takes to answer, and as short as
/// an effect may stay undone when the replica that claimed it dies.
const CLAIM_MS: i64 = 20_000;

/// Codes of a service are kept in the stream, and cut to what fits.
const CODE_BYTES_MAX: usize = 200;

impl Cashier {
    pub(crate) fn new(
        service: Arc<dyn PaymentService>,
        desk: Arc<OrderDesk>,
        sequencer: Arc<Sequencer>,
        claims_as: Option<u64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            service,
            desk,
            sequencer,
            open: Mutex::default(),
            claims_as,
        })
    }

    /// Runs effects until the desk is gone. Each is asked in a task of its own: a service that does
    /// not answer keeps nobody else waiting.
    pub(crate) async fn run(self: Arc<Self>, mut effects: mpsc::UnboundedReceiver<Effect>) {
        while let Some(effect) = effects.recv().await {
            self.start(effect, Why::Due);
        }
    }

    /// Remembers an effect of which it is not known what became, without asking for it yet.
    pub(crate) fn note(&self, effect: Effect) {
        let id = effect.id;
        self.open.lock().entry(id).or_insert(Open {
            effect,
            is_busy: false,
            is_hinted: false,
        });
    }

    /// Asks for an effect, unless it is being asked for.
    fn start(self: &Arc<Self>, effect: Effect, why: Why) {
        let id = effect.id;
        {
            let mut all = self.open.lock();
            let open = all.entry(id).or_insert(Open {
                effect: effect.clone(),
                is_busy: false,
                is_hinted: false,
            });
            if open.is_busy {
                return;
            }
            open.effect = effect;
            open.is_busy = true;
            open.is_hinted = false;
        }
        tokio::spawn(self.clone().settle(id, why));
    }

    async fn settle(self: Arc<Self>, id: EffectId, why: Why) {
        loop {
            let Some(effect) = self.open.lock().get(&id).map(|open| open.effect.clone()) else {
                return;
            };
            // Before it is due nobody can claim it. That it is asked for twice does no harm.
            if why == Why::Due && !self.claim(&effect).await {
                // Another replica's, or answered meanwhile. If nobody runs it, it is due again.
                self.open.lock().remove(&id);
                return;
            }
            let mut result = match reach(Point::EffectAsk) {
                Ok(()) => self.ask(&effect).await,
                Err(_) => EffectResult::Unknown,
            };
            if reach(Point::EffectAnswered).is_err() {
                result = EffectResult::Unknown;
            }
            {
                let mut all = self.open.lock();
                if result != EffectResult::Unknown {
                    all.remove(&id);
                } else if let Some(open) = all.get_mut(&id) {
                    if std::mem::take(&mut open.is_hinted) {
                        // Each hint is good for one more ask.
                        continue;
                    }
                    open.is_busy = false;
                }
            }
            self.desk.report(effect.order, id, result);
            return;
        }
    }

    /// The service told something of a payment: what is open about it is asked for at once. Gives how
    /// many effects these are. Must be called on the async runtime.
    pub(crate) fn hint(self: &Arc<Self>, event: &PaymentEvent) -> usize {
        let mut idle = Vec::new();
        let mut found = 0;
        for open in self.open.lock().values_mut() {
            if !is_about(event, &open.effect) {
                continue;
            }
            found += 1;
            if open.is_busy {
                open.is_hinted = true;
            } else {
                idle.push(open.effect.clone());
            }
        }
        for effect in idle {
            self.start(effect, Why::Told);
        }
        found
    }

    /// May this replica run the effect?
    async fn claim(&self, effect: &Effect) -> bool {
        let Some(replica) = self.claims_as else {
            return true;
        };
        let claim = OrderAction::Claim {
            effect: effect.id,
            replica,
            until_ms: self.sequencer.now_ms().saturating_add(CLAIM_MS),
        };
        let answer = self.desk.ask(effect.order, claim).await;
        answer.is_ok_and(|answer| matches!(answer.decision.outcome, OrderOutcome::Claimed { .. }))
    }

    async fn ask(&self, effect: &Effect) -> EffectResult {
        let Work::Money(ask) = &effect.work else {
            return EffectResult::Unknown;
        };
        self.desk.stats().money.fetch_add(1, Ordering::Relaxed);
        let id = Ask(effect.id.0);
        match ask {
            MoneyAsk::Authorise { amount, method } => {
                let ago = self.sequencer.now_ms().saturating_sub(effect.since_ms);
                let request = AuthoriseRequest {
                    effect: id,
                    order: format!("ord_{}", effect.order),
                    amount: *amount,
                    method: method.to_string(),
                    metadata: Vec::new(),
                    // At most: an ask that is thought older than it is costs a look at the books.
                    asked_ms_ago: u64::try_from(ago).unwrap_or(0),
                };
                let answer = self.service.authorise(&request).await;
                self.result(effect, answer, |authorised| EffectResult::Authorised {
                    reference: authorised.reference.into(),
                })
            }
            MoneyAsk::Capture { amount, reference } => {
                let answer = self.service.capture(id, reference, *amount).await;
                self.result(effect, answer, |()| EffectResult::Captured)
            }
            MoneyAsk::Void { reference } => {
                let answer = self.service.void(id, reference).await;
                self.result(effect, answer, |()| EffectResult::Voided)
            }
            MoneyAsk::Refund { amount, reference } => {
                let answer = self.service.refund(id, reference, *amount).await;
                self.result(effect, answer, |_| EffectResult::Refunded)
            }
        }
    }

    fn result<T>(
        &self,
        effect: &Effect,
        answer: Answer<T>,
        done: impl FnOnce(T) -> EffectResult,
    ) -> EffectResult {
        let step = effect.work.step();
        match answer {
            Answer::Done(value) => done(value),
            Answer::Refused(refusal) => {
                let order = effect.order;
                tracing::info!(%order, %step, %refusal, "the payment service refused");
                let code = code_of(&refusal);
                match step {
                    flightline_ledger::order::Step::Authorise => EffectResult::Declined { code },
                    _ => EffectResult::Failed { code },
                }
            }
            Answer::Unknown(unknown) => {
                let (order, asks) = (effect.order, effect.asks);
                tracing::warn!(
                    %order, %step, asks, %unknown,
                    "nobody knows what became of a payment's step: it is asked again by the same id"
                );
                EffectResult::Unknown
            }
        }
    }
}

/// Does the event tell of what the effect asks?
fn is_about(event: &PaymentEvent, effect: &Effect) -> bool {
    let is_named = event.effect.is_some_and(|named| named.0 == effect.id.0);
    match &effect.work {
        Work::Money(MoneyAsk::Authorise { .. }) => is_named,
        Work::Money(
            MoneyAsk::Capture { reference, .. }
            | MoneyAsk::Void { reference }
            | MoneyAsk::Refund { reference, .. },
        ) => is_named || **reference == *event.reference,
        Work::Seats { .. } | Work::Ticket { .. } | Work::Outward(_) => false,
    }
}

fn code_of(refusal: &Refusal) -> Box<str> {
    let mut end = refusal.code.len().min(CODE_BYTES_MAX);
    while !refusal.code.is_char_boundary(end) {
        end -= 1;
    }
    match &refusal.code[..end] {
        "" => "refused".into(),
        code => code.into(),
    }
}
