//! Stripe's notices: their signature, and what they say about payments.
//!
//! Pure: the time and the secrets are arguments. Who receives the requests answers 2xx for what
//! was read, [`Notice::Other`] too, and 400 for what was not: Stripe sends it again then, for days.

use flightline_ledger::Money;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::Sha256;

use super::amount;
use super::wire::{Intent, WireDispute, WireRefund};
use crate::payments::event::{DisputeState, PaymentEvent, PaymentFact, RefundState};
use crate::payments::port::Refusal;
use crate::payments::secret::{Secret, SecretError};

/// The tolerance that Stripe's own libraries have, in seconds.
pub const TOLERANCE_S: u64 = 300;
/// More signatures than any rotation of secrets needs.
const SIGNATURES_MAX: usize = 16;

/// A webhook endpoint, as the one who receives for it sees it.
#[derive(Clone, Debug)]
pub struct Webhook {
    secrets: Vec<Secret>,
    tolerance_s: u64,
}

/// A notice, signed and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It tells something about a payment.
    Fact(PaymentEvent),
    /// It is of a kind that says nothing here that others do not.
    Other {
        /// Stripe's id of it.
        event: String,
        /// Its type.
        kind: String,
    },
}

/// Why a notice is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No `Stripe-Signature` header.
    #[error("the Stripe-Signature header is missing: only Stripe may send here")]
    NoSignature,
    /// The header has no time, no `v1` signature, or is otherwise not as Stripe writes it.
    #[error(
        "the Stripe-Signature header is malformed: it must read t=SECONDS,v1=SIGNATURE with 64 \
         hexadecimal digits"
    )]
    Malformed,
    /// No signature in it fits any secret.
    #[error(
        "no signature fits: check that {} is the signing secret of this endpoint (whsec_...), and \
         that nothing on the way changes the body",
        super::WEBHOOK_SECRET_ENV
    )]
    WrongSignature,
    /// Signed too long ago, or in the future.
    #[error(
        "signed {age_s} s ago, and {tolerance_s} s are tolerated: an old notice that is sent \
         again, or a clock that is wrong"
    )]
    WrongTime {
        /// Age in seconds; negative = in the future.
        age_s: i64,
        /// The limit.
        tolerance_s: u64,
    },
    /// Signed by Stripe, but not as its interface describes it.
    #[error("the notice {event} cannot be read: {reason}")]
    Unreadable {
        /// Stripe's id of it, empty when even that is missing.
        event: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    livemode: bool,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Value,
}

impl Webhook {
    /// An endpoint. Several secrets are for the days in which one replaces another. The tolerance
    /// is in seconds, usually [`TOLERANCE_S`].
    pub fn new(secrets: Vec<Secret>, tolerance_s: u64) -> Self {
        Self {
            secrets,
            tolerance_s,
        }
    }

    /// The endpoint whose signing secret is in [`WEBHOOK_SECRET_ENV`](super::WEBHOOK_SECRET_ENV), with
    /// the usual tolerance. While one secret replaces another both are there, with a comma between.
    ///
    /// # Errors
    /// When the variable is not set, or what it holds is no secret.
    pub fn from_env() -> Result<Self, SecretError> {
        let name = super::WEBHOOK_SECRET_ENV;
        let text = std::env::var(name).map_err(|_| SecretError::Missing(name.to_owned()))?;
        Self::from_text(&text, name)
    }

    /// As [`Webhook::from_env`], from the variable's text; `source` names it in errors.
    ///
    /// # Errors
    /// When one of the secrets is none.
    pub fn from_text(text: &str, source: &str) -> Result<Self, SecretError> {
        let secrets = text.split(',').map(|one| Secret::new(one.trim(), source));
        Ok(Self::new(secrets.collect::<Result<_, _>>()?, TOLERANCE_S))
    }

    /// Checks and reads one notice: the `Stripe-Signature` header, the body byte for byte as it
    /// came, and the time now in Unix seconds.
    pub fn receive(
        &self,
        header: Option<&str>,
        body: &[u8],
        now_s: i64,
    ) -> Result<Notice, WebhookError> {
        self.verify(header, body, now_s)?;
        read(body)
    }

    /// Checks the signature alone.
    pub fn verify(
        &self,
        header: Option<&str>,
        body: &[u8],
        now_s: i64,
    ) -> Result<(), WebhookError> {
        let header = Header::read(header.ok_or(WebhookError::NoSignature)?)?;
        // The signature first: the time means nothing before it is known to be Stripe's.
        let mut is_signed = false;
        for secret in &self.secrets {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
                continue;
            };
            mac.update(header.time.as_bytes());
            mac.update(b".");
            mac.update(body);
            for signature in &header.signatures {
                // Compares in constant time.
                is_signed |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        if !is_signed {
            return Err(WebhookError::WrongSignature);
        }
        let age_s = now_s.saturating_sub(header.time_s);
        if age_s.unsigned_abs() > self.tolerance_s {
            return Err(WebhookError::WrongTime {
                age_s,
                tolerance_s: self.tolerance_s,
            });
        }
        Ok(())
    }
}

struct Header<'a> {
    /// As it was signed.
    time: &'a str,
    time_s: i64,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    fn read(text: &'a str) -> Result<Self, WebhookError> {
        let mut time = None;
        let mut signatures = Vec::new();
        for part in text.split(',') {
            match part.trim().split_once('=') {
                Some(("t", value)) if time.is_none() => time = Some(value),
                Some(("t", _)) => return Err(WebhookError::Malformed),
                Some(("v1", value)) => {
                    if signatures.len() == SIGNATURES_MAX {
                        return Err(WebhookError::Malformed);
                    }
                    // One that is malformed fits nothing; another may.
                    signatures.extend(from_hex(value));
                }
                // Other schemes are for others: v0 is that of test clocks.
                Some(_) => {}
                None => return Err(WebhookError::Malformed),
            }
        }
        let time = time.ok_or(WebhookError::Malformed)?;
        let is_number = (1..=12).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_digit());
        if !is_number || signatures.is_empty() {
            return Err(WebhookError::Malformed);
        }
        Ok(Self {
            time,
            time_s: time.parse().map_err(|_| WebhookError::Malformed)?,
            signatures,
        })
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

fn read(body: &[u8]) -> Result<Notice, WebhookError> {
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| WebhookError::Unreadable {
            event: String::new(),
            reason: format!("it is no event: {error}"),
        })?;
    let found = match envelope.kind.as_str() {
        "payment_intent.amount_capturable_updated"
        | "payment_intent.succeeded"
        | "payment_intent.canceled"
        | "payment_intent.payment_failed" => of_intent(&envelope)?,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            of_refund(&envelope)?
        }
        "charge.dispute.created" | "charge.dispute.closed" => of_dispute(&envelope)?,
        _ => None,
    };
    Ok(match found {
        Some(event) => Notice::Fact(event),
        None => Notice::Other {
            event: envelope.id,
            kind: envelope.kind,
        },
    })
}

impl Envelope {
    fn object<T: DeserializeOwned>(&self) -> Result<T, WebhookError> {
        T::deserialize(&self.data.object).map_err(|error| self.unreadable(error.to_string()))
    }

    fn unreadable(&self, reason: String) -> WebhookError {
        WebhookError::Unreadable {
            event: self.id.clone(),
            reason: format!("{}: {reason}", self.kind),
        }
    }

    fn money(&self, units: i64, currency: &str) -> Result<Money, WebhookError> {
        amount::from_units(units, currency)
            .ok_or_else(|| self.unreadable(format!("{units} {currency} is no amount of money")))
    }

    fn event(&self, reference: String, fact: PaymentFact) -> PaymentEvent {
        PaymentEvent {
            service: "stripe",
            event: self.id.clone(),
            occurred_s: self.created,
            is_test: !self.livemode,
            reference,
            effect: None,
            fact,
        }
    }
}

fn of_intent(envelope: &Envelope) -> Result<Option<PaymentEvent>, WebhookError> {
    let intent: Intent = envelope.object()?;
    let fact = match envelope.kind.as_str() {
        "payment_intent.amount_capturable_updated" if intent.status == "requires_capture" => {
            PaymentFact::Authorised {
                amount: envelope.money(intent.amount, &intent.currency)?,
            }
        }
        "payment_intent.succeeded" => PaymentFact::Captured {
            amount: envelope.money(intent.amount_received, &intent.currency)?,
        },
        "payment_intent.canceled" if intent.is_abandoned() => PaymentFact::Declined {
            attempt: String::new(),
            code: Refusal::AUTHENTICATION_REQUIRED.to_owned(),
        },
        "payment_intent.canceled" => PaymentFact::Voided,
        "payment_intent.payment_failed" => {
            let error = intent.last_payment_error.clone().unwrap_or_default();
            PaymentFact::Declined {
                attempt: error.charge.clone().unwrap_or_default(),
                code: error.refusal().code,
            }
        }
        _ => return Ok(None),
    };
    let effect = intent.effect();
    Ok(Some(PaymentEvent {
        effect,
        ..envelope.event(intent.id, fact)
    }))
}

fn of_refund(envelope: &Envelope) -> Result<Option<PaymentEvent>, WebhookError> {
    let refund: WireRefund = envelope.object()?;
    let amount = refund
        .money()
        .ok_or_else(|| envelope.unreadable("the amount is no amount of money".into()))?;
    let state = match refund.status.as_deref() {
        Some("pending" | "requires_action") => RefundState::Pending,
        Some("succeeded") => RefundState::Done,
        Some("failed" | "canceled") => {
            let reason = refund.failure_reason.clone();
            RefundState::Failed(reason.unwrap_or_else(|| "refund_failed".into()))
        }
        other => return Err(envelope.unreadable(format!("a refund that is {other:?}"))),
    };
    let effect = refund.effect();
    // A refund of a charge without an intent is none of ours.
    let Some(reference) = refund.payment_intent else {
        return Ok(None);
    };
    let fact = PaymentFact::Refund {
        refund: refund.id,
        amount,
        state,
    };
    Ok(Some(PaymentEvent {
        effect,
        ..envelope.event(reference, fact)
    }))
}

fn of_dispute(envelope: &Envelope) -> Result<Option<PaymentEvent>, WebhookError> {
    let dispute: WireDispute = envelope.object()?;
    let state = match (envelope.kind.as_str(), dispute.status.as_str()) {
        ("charge.dispute.created", _) => DisputeState::Opened,
        (_, "lost") => DisputeState::Lost,
        (_, "won" | "warning_closed" | "prevented") => DisputeState::Won,
        (_, other) => {
            return Err(envelope.unreadable(format!("a closed dispute that is {other:?}")));
        }
    };
    let amount = envelope.money(dispute.amount, &dispute.currency)?;
    let Some(reference) = dispute.payment_intent else {
        return Ok(None);
    };
    let fact = PaymentFact::Dispute {
        dispute: dispute.id,
        amount,
        state,
    };
    Ok(Some(envelope.event(reference, fact)))
}
