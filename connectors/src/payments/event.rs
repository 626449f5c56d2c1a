//! What a service tells unasked: facts about payments.
//!
//! A service's notices come late, twice, out of order, or never. So an event is read as a fact
//! that was true once and stays so ("captured 120.00"), not as a state that replaces another. Each
//! fact has a key made of what it says: the same fact, however often and by whichever notice it is
//! told, has the same key, and taking it in a second time is a replay. And since facts do not
//! replace each other, their order does not matter.

use flightline_ledger::{CommandId, Money};

use super::port::EffectId;

const PAYMENT_FACT: &str = "flightline command id of a payment fact, version 1";

/// A notice from a service, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// The service's [`name`](super::PaymentService::name).
    pub service: &'static str,
    /// The service's own id of the notice, to find it there. Another notice may tell the same.
    pub event: String,
    /// When the service says it happened, Unix time in seconds. Not a basis for decisions.
    pub occurred_s: i64,
    /// Whether it is about test money.
    pub is_test: bool,
    /// The payment.
    pub reference: String,
    /// The effect of ours that it belongs to, when the service's books name it: the authorise
    /// effect, or for a refund the refund effect.
    pub effect: Option<EffectId>,
    /// What is so.
    pub fact: PaymentFact,
}

/// Something that is so from now on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PaymentFact {
    /// Money was reserved.
    Authorised {
        /// How much.
        amount: Money,
    },
    /// An attempt to reserve money was declined.
    Declined {
        /// The service's name of the attempt; empty when it has none.
        attempt: String,
        /// The code of the refusal.
        code: String,
    },
    /// Money was taken.
    Captured {
        /// How much.
        amount: Money,
    },
    /// The authorisation was given up, or lapsed.
    Voided,
    /// Money is given back.
    Refund {
        /// The service's name of the refund.
        refund: String,
        /// How much.
        amount: Money,
        /// How far it is.
        state: RefundState,
    },
    /// The payer's bank takes the money back, or has asked about it.
    Dispute {
        /// The service's name of the dispute.
        dispute: String,
        /// How much.
        amount: Money,
        /// How far it is.
        state: DisputeState,
    },
}

/// How far a refund is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefundState {
    /// Taken on.
    Pending,
    /// Carried out.
    Done,
    /// Not carried out, for this reason: the money is still here.
    Failed(String),
}

/// How far a dispute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DisputeState {
    /// Opened.
    Opened,
    /// Closed, the money is ours.
    Won,
    /// Closed, the money is gone.
    Lost,
}

impl PaymentEvent {
    /// The key of the fact: equal for notices that tell the same of the same payment. It can serve
    /// as the id of the command that takes the fact into the stream, whose details are then
    /// `reference` and `fact`.
    pub fn key(&self) -> CommandId {
        let mut bytes = Vec::with_capacity(128);
        text(&mut bytes, self.service);
        text(&mut bytes, &self.reference);
        match &self.fact {
            PaymentFact::Authorised { amount } => {
                bytes.push(1);
                money(&mut bytes, *amount);
            }
            PaymentFact::Declined { attempt, code } => {
                bytes.push(2);
                text(&mut bytes, attempt);
                text(&mut bytes, code);
            }
            PaymentFact::Captured { amount } => {
                bytes.push(3);
                money(&mut bytes, *amount);
            }
            PaymentFact::Voided => bytes.push(4),
            PaymentFact::Refund {
                refund,
                amount,
                state,
            } => {
                bytes.push(5);
                text(&mut bytes, refund);
                money(&mut bytes, *amount);
                match state {
                    RefundState::Pending => bytes.push(1),
                    RefundState::Done => bytes.push(2),
                    RefundState::Failed(reason) => {
                        bytes.push(3);
                        text(&mut bytes, reason);
                    }
                }
            }
            PaymentFact::Dispute {
                dispute,
                amount,
                state,
            } => {
                bytes.push(6);
                text(&mut bytes, dispute);
                money(&mut bytes, *amount);
                bytes.push(match state {
                    DisputeState::Opened => 1,
                    DisputeState::Won => 2,
                    DisputeState::Lost => 3,
                });
            }
        }
        let hash = blake3::derive_key(PAYMENT_FACT, &bytes);
        let mut first = [0; 16];
        first.copy_from_slice(&hash[..16]);
        CommandId(u128::from_be_bytes(first))
    }
}

/// Texts are prefixed by their length, so that `("ab", "c")` and `("a", "bc")` differ.
fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

fn money(bytes: &mut Vec<u8>, money: Money) {
    bytes.extend_from_slice(&money.minor.to_be_bytes());
    bytes.extend_from_slice(money.currency.as_str().as_bytes());
    bytes.push(money.exponent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fact: PaymentFact) -> PaymentEvent {
        PaymentEvent {
            service: "stripe",
            event: "evt_1".into(),
            occurred_s: 0,
            is_test: true,
            reference: "pi_1".into(),
            effect: None,
            fact,
        }
    }

    fn usd(minor: i64) -> Money {
        Money {
            minor,
            currency: "USD".parse().unwrap(),
            exponent: 2,
        }
    }

    #[test]
    fn the_key_is_of_the_fact_and_not_of_the_notice() {
        let told = event(PaymentFact::Captured { amount: usd(100) });
        let told_again = PaymentEvent {
            event: "evt_2".into(),
            occurred_s: 9,
            effect: Some(EffectId(3)),
            ..told.clone()
        };
        assert_eq!(told.key(), told_again.key());
    }

    #[test]
    fn different_facts_have_different_keys() {
        let refund = |refund: &str, state| PaymentFact::Refund {
            refund: refund.into(),
            amount: usd(5),
            state,
        };
        let dispute = |state| PaymentFact::Dispute {
            dispute: "dp_1".into(),
            amount: usd(5),
            state,
        };
        let declined = |attempt: &str, code: &str| PaymentFact::Declined {
            attempt: attempt.into(),
            code: code.into(),
        };
        let facts = [
            PaymentFact::Authorised { amount: usd(100) },
            PaymentFact::Authorised { amount: usd(101) },
            PaymentFact::Captured { amount: usd(100) },
            PaymentFact::Voided,
            declined("ab", "c"),
            declined("a", "bc"),
            refund("re_1", RefundState::Pending),
            refund("re_1", RefundState::Done),
            refund(
                "re_1",
                RefundState::Failed("expired_or_canceled_card".into()),
            ),
            refund("re_2", RefundState::Done),
            dispute(DisputeState::Opened),
            dispute(DisputeState::Won),
            dispute(DisputeState::Lost),
        ];
        let keys: std::collections::BTreeSet<_> =
            facts.iter().map(|f| event(f.clone()).key()).collect();
        assert_eq!(keys.len(), facts.len());
        let elsewhere = PaymentEvent {
            reference: "pi_2".into(),
            ..event(PaymentFact::Voided)
        };
        assert!(!keys.contains(&elsewhere.key()));
    }

    /// Keys stand in streams: they never change.
    #[test]
    fn keys_are_stable() {
        let told = event(PaymentFact::Captured { amount: usd(100) });
        assert_eq!(told.key().to_string(), "dcd4189d61c7b06ae55cf8a4753e9eec");
        let refund = event(PaymentFact::Refund {
            refund: "re_1".into(),
            amount: usd(100),
            state: RefundState::Failed("x".into()),
        });
        assert_eq!(refund.key().to_string(), "a5ee1b2e00e8d1b0c9f5a9f2d41aee4f");
    }
}
