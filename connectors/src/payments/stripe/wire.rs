//! The parts of Stripe's objects that are read. Fields that are not named here are left alone, so
//! that Stripe can add some.

use std::collections::BTreeMap;

use flightline_ledger::Money;
use serde::Deserialize;
use serde_json::Value;

use super::amount;
use crate::payments::port::{EffectId, Payment, PaymentState, Refusal, RefusalKind};

/// The key of our effect in the metadata of Stripe's objects.
pub(super) const EFFECT_KEY: &str = "flightline_effect";
/// The key of the order.
pub(super) const ORDER_KEY: &str = "flightline_order";

/// A PaymentIntent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: i64,
    #[serde(default)]
    pub(super) amount_received: i64,
    pub(super) currency: String,
    /// An id, or the charge itself when it was asked for.
    #[serde(default)]
    pub(super) latest_charge: Option<Value>,
    #[serde(default)]
    pub(super) last_payment_error: Option<WireError>,
    #[serde(default)]
    pub(super) payment_method: Option<String>,
    #[serde(default)]
    pub(super) cancellation_reason: Option<String>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
}

/// A refund.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireRefund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) failure_reason: Option<String>,
    #[serde(default)]
    pub(super) payment_intent: Option<String>,
    #[serde(default)]
    pub(super) metadata: Option<BTreeMap<String, String>>,
}

/// A dispute.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireDispute {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) payment_intent: Option<String>,
}

/// A page of a list or of a search.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// The object under `error`, and a PaymentIntent's `last_payment_error`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct WireError {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) decline_code: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) param: Option<String>,
    #[serde(default)]
    pub(super) charge: Option<String>,
}

/// The body of an answer that is an error.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: WireError,
}

impl Intent {
    pub(super) fn effect(&self) -> Option<EffectId> {
        effect_of(&self.metadata)
    }

    fn charge_amount(&self, field: &str) -> i64 {
        self.latest_charge
            .as_ref()
            .and_then(|charge| charge.get(field)?.as_i64())
            .unwrap_or(0)
    }

    /// As the port shows payments; needs the charge itself for what was refunded. `None` when the
    /// amounts cannot be expressed.
    pub(super) fn payment(&self) -> Option<Payment> {
        let money = |units| amount::from_units(units, &self.currency);
        Some(Payment {
            reference: self.id.clone(),
            effect: self.effect(),
            state: match self.status.as_str() {
                "requires_capture" => PaymentState::Authorised,
                "succeeded" => PaymentState::Captured,
                "canceled" if self.is_abandoned() => PaymentState::Declined,
                "canceled" => PaymentState::Voided,
                "requires_payment_method" if self.last_payment_error.is_some() => {
                    PaymentState::Declined
                }
                _ => PaymentState::Open,
            },
            amount: money(self.amount)?,
            captured_minor: money(self.amount_received)?.minor,
            refunded_minor: money(self.charge_amount("amount_refunded"))?.minor,
        })
    }

    /// Cancelled by us because the payer would have had to approve it in person.
    pub(super) fn is_abandoned(&self) -> bool {
        self.cancellation_reason.as_deref() == Some(ABANDONED)
    }

    /// Whether money was reserved before it was cancelled.
    pub(super) fn had_authorisation(&self) -> bool {
        !self.is_abandoned() && self.latest_charge.is_some() && self.last_payment_error.is_none()
    }
}

/// The reason that we give Stripe for cancelling what nobody can approve.
pub(super) const ABANDONED: &str = "abandoned";

impl WireRefund {
    pub(super) fn effect(&self) -> Option<EffectId> {
        self.metadata.as_ref().and_then(effect_of)
    }

    pub(super) fn money(&self) -> Option<Money> {
        amount::from_units(self.amount, &self.currency)
    }
}

fn effect_of(metadata: &BTreeMap<String, String>) -> Option<EffectId> {
    metadata.get(EFFECT_KEY)?.parse().ok()
}

impl WireError {
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// The same key was used with other parameters.
    pub(super) fn is_key_reused(&self) -> bool {
        self.kind == "idempotency_error"
    }

    /// Whose fault, from the type and the code.
    fn refusal_kind(&self) -> RefusalKind {
        const STATE_CODES: [&str; 6] = [
            "payment_intent_unexpected_state",
            "charge_already_captured",
            "charge_already_refunded",
            "charge_disputed",
            "charge_expired_for_capture",
            "capture_charge_authorization_expired",
        ];
        match self.code.as_deref() {
            _ if self.kind == "card_error" => RefusalKind::Declined,
            Some(code) if STATE_CODES.contains(&code) => RefusalKind::State,
            _ => RefusalKind::Invalid,
        }
    }

    /// The code that says most: the bank's reason where it gave one.
    fn best_code(&self) -> String {
        let bank = self.decline_code.as_deref();
        let code = bank
            .filter(|code| *code != "generic_decline")
            .or(self.code.as_deref())
            .or(bank)
            .unwrap_or(&self.kind);
        if code.is_empty() { "refused" } else { code }.to_owned()
    }

    pub(super) fn refusal(&self) -> Refusal {
        let message = self
            .message
            .clone()
            .unwrap_or_else(|| "the service gave no reason".to_owned());
        let message = match &self.param {
            Some(param) => format!("{message} (parameter {param})"),
            None => message,
        };
        Refusal::new(self.refusal_kind(), self.best_code(), message)
    }
}
