//! What the payment service tells unasked.
//!
//! A notice decides nothing: it makes the cashier ask what an order waits for at once, and not when
//! its turn would have come. So a notice may come twice, late, out of order or never. Facts that no
//! order asks about (a refund that failed after all, a dispute) are for people: they are logged and
//! counted, each once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flightline_api::backend::NoticeFault;
use flightline_connectors::payments::event::{DisputeState, RefundState};
use flightline_connectors::payments::stripe::webhook::{Notice, Webhook, WebhookError};
use flightline_connectors::payments::{PaymentEvent, PaymentFact};
use flightline_ledger::CommandId;
use parking_lot::Mutex;

use super::cashier::Cashier;

/// Facts of which it is remembered that they were told: more than come while a notice is repeated.
const FACTS_MAX: usize = 4096;

/// Counters, for metrics.
#[derive(Debug, Default)]
pub(crate) struct HintStats {
    /// Notices that were genuine.
    pub(crate) taken: AtomicU64,
    /// Of these, those that told what had been told before.
    pub(crate) repeated: AtomicU64,
    /// Notices that were not signed by the service, too old, or not readable.
    pub(crate) refused: AtomicU64,
    /// Asks that were made at once because of a notice.
    pub(crate) asked: AtomicU64,
    /// Refunds that failed after they had been taken on, and disputes: somebody has to look.
    pub(crate) trouble: AtomicU64,
}

/// Takes the payment service's notices.
pub(crate) struct Hints {
    /// Absent: none are taken.
    webhook: Option<Webhook>,
    cashier: Arc<Cashier>,
    told: Mutex<Told>,
    stats: HintStats,
}

/// The latest facts, so that each is shown to people once.
#[derive(Default)]
struct Told {
    known: HashSet<CommandId>,
    order: VecDeque<CommandId>,
}

impl Told {
    /// Is it new?
    fn add(&mut self, fact: CommandId) -> bool {
        if !self.known.insert(fact) {
            return false;
        }
        self.order.push_back(fact);
        if self.order.len() > FACTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Hints {
    pub(crate) fn new(webhook: Option<Webhook>, cashier: Arc<Cashier>) -> Self {
        Self {
            webhook,
            cashier,
            told: Mutex::default(),
            stats: HintStats::default(),
        }
    }

    pub(crate) fn stats(&self) -> &HintStats {
        &self.stats
    }

    /// The endpoint, when there is one.
    pub(crate) fn webhook(&self) -> Result<&Webhook, NoticeFault> {
        self.webhook.as_ref().ok_or_else(|| {
            NoticeFault::Off(
                "this replica takes no notices of Stripe: set STRIPE_WEBHOOK_SECRET to the signing \
                 secret of the endpoint (whsec_...) and payments.url to Stripe, and start it again"
                    .to_owned(),
            )
        })
    }

    /// Checks a notice and heeds it. `now_s`: Unix time in seconds. Gives how many asks it led to.
    pub(crate) fn take(
        &self,
        signature: Option<&str>,
        body: &[u8],
        now_s: i64,
    ) -> Result<usize, NoticeFault> {
        let notice = self.webhook()?.receive(signature, body, now_s);
        let notice = notice.map_err(|error| {
            let refused = self.stats.refused.fetch_add(1, Ordering::Relaxed) + 1;
            // Anybody can send here: the log grows with the logarithm of how often they do.
            if refused.is_power_of_two() {
                tracing::warn!(%error, refused, "notices of the payment service are not taken");
            } else {
                tracing::debug!(%error, "a notice of the payment service is not taken");
            }
            match error {
                WebhookError::Unreadable { .. } => NoticeFault::Unreadable(error.to_string()),
                _ => NoticeFault::Forged(error.to_string()),
            }
        })?;
        self.stats.taken.fetch_add(1, Ordering::Relaxed);
        let event = match notice {
            Notice::Fact(event) => event,
            Notice::Other { event, kind } => {
                tracing::debug!(event, kind, "a notice that nothing is done about");
                return Ok(0);
            }
        };
        let is_news = self.told.lock().add(event.key());
        if is_news {
            self.show(&event);
        } else {
            self.stats.repeated.fetch_add(1, Ordering::Relaxed);
        }
        // A repeated one too: whether something is still waited for, the cashier knows.
        let asked = self.cashier.hint(&event);
        self.stats.asked.fetch_add(asked as u64, Ordering::Relaxed);
        Ok(asked)
    }

    /// Shows people what they have to look at.
    fn show(&self, event: &PaymentEvent) {
        let (payment, notice) = (&event.reference, &event.event);
        let what = match &event.fact {
            PaymentFact::Refund {
                state: RefundState::Failed(reason),
                amount,
                ..
            } => format!("a refund of {amount} failed ({reason}): the money is still here"),
            PaymentFact::Dispute { state, amount, .. } => match state {
                DisputeState::Opened => format!("the payer's bank disputes {amount}"),
                DisputeState::Lost => format!("a dispute over {amount} is lost"),
                DisputeState::Won => {
                    tracing::info!(payment, notice, "a dispute over {amount} is won");
                    return;
                }
            },
            _ => {
                tracing::debug!(payment, notice, fact = ?event.fact, "the payment service tells");
                return;
            }
        };
        self.stats.trouble.fetch_add(1, Ordering::Relaxed);
        tracing::error!(payment, notice, "{what}: somebody has to look at it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_forgotten_oldest_first() {
        let mut told = Told::default();
        for fact in 0..FACTS_MAX as u128 + 1 {
            assert!(told.add(CommandId(fact)));
        }
        assert!(!told.add(CommandId(1)));
        assert!(told.add(CommandId(0)), "the oldest is forgotten");
        assert_eq!(told.known.len(), FACTS_MAX);
    }
}
