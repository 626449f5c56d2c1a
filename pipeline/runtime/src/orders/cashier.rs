//! Runs what orders ask of the payment service.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flightline_connectors::payments::{
    Answer, AuthoriseRequest, EffectId as Ask, PaymentService, Refusal,
};
use flightline_ledger::order::{Effect, EffectId, EffectResult, MoneyAsk, Work};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::desk::OrderDesk;
use crate::sequencer::Sequencer;

/// The payment service, and what is being asked of it now.
pub(crate) struct Cashier {
    service: Arc<dyn PaymentService>,
    desk: Arc<OrderDesk>,
    sequencer: Arc<Sequencer>,
    /// An effect that takes long is due again before it is done: it is not run beside itself.
    busy: Mutex<HashSet<EffectId>>,
}

/// Codes of a service are kept in the stream, and cut to what fits.
const CODE_BYTES_MAX: usize = 200;

impl Cashier {
    /// Runs effects until the desk is gone. Each is asked in a task of its own: a service that does
    /// not answer keeps nobody else waiting.
    pub(crate) async fn run(
        service: Arc<dyn PaymentService>,
        desk: Arc<OrderDesk>,
        sequencer: Arc<Sequencer>,
        mut effects: mpsc::UnboundedReceiver<Effect>,
    ) {
        let cashier = Arc::new(Self {
            service,
            desk,
            sequencer,
            busy: Mutex::default(),
        });
        while let Some(effect) = effects.recv().await {
            if !cashier.busy.lock().insert(effect.id) {
                continue;
            }
            let cashier = cashier.clone();
            tokio::spawn(async move {
                let result = cashier.ask(&effect).await;
                cashier.busy.lock().remove(&effect.id);
                cashier.desk.report(effect.order, effect.id, result);
            });
        }
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
