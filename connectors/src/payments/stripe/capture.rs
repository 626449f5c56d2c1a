//! Capture and void: the intent's one change from reserved to taken or given up.

use flightline_ledger::Money;

use super::authorise::out_of_keys;
use super::http::{Reply, Stop, read};
use super::wire::{Intent, WireError};
use super::{KEYS_MAX, Stripe, amount, check_reference, key};
use crate::payments::port::{Cause, EffectId, Refusal, RefusalKind, Unknown};

impl Stripe {
    pub(super) async fn capture_now(
        &self,
        effect: EffectId,
        reference: &str,
        amount: Money,
    ) -> Result<(), Stop> {
        check_reference(reference)?;
        let units = amount::to_units(amount).map_err(Stop::Refused)?;
        let units_text = units.to_string();
        self.change(
            effect,
            reference,
            "capture",
            &[("amount_to_capture", &units_text)],
            |intent| captured(intent, units),
        )
        .await
    }

    pub(super) async fn void_now(&self, effect: EffectId, reference: &str) -> Result<(), Stop> {
        check_reference(reference)?;
        self.change(
            effect,
            reference,
            "cancel",
            &[("cancellation_reason", "requested_by_customer")],
            voided,
        )
        .await
    }

    /// Asks for a change of state, and judges by the state: `judge` says whether the change is
    /// there, can no longer come, or (`None`) neither.
    async fn change(
        &self,
        effect: EffectId,
        reference: &str,
        step: &str,
        form: &[(&str, &str)],
        judge: impl Fn(&Intent) -> Option<Result<(), Stop>>,
    ) -> Result<(), Stop> {
        let path = format!("/v1/payment_intents/{reference}/{step}");
        let mut stored = None;
        for number in 1..=KEYS_MAX {
            match self
                .http
                .post(&path, &key(effect, step, number), form)
                .await
            {
                Reply::Object { value, .. } => {
                    let intent: Intent = read(value, &path)?;
                    return judge(&intent).unwrap_or_else(|| Err(strange(&intent, step)));
                }
                Reply::StoredFault(unknown) => {
                    stored = Some(unknown);
                    let intent = self.intent(reference).await?;
                    if let Some(judged) = judge(&intent) {
                        return judged;
                    }
                }
                Reply::Refused(error) if is_about_state(&error) => {
                    let intent = self.intent(reference).await?;
                    return judge(&intent).unwrap_or_else(|| Err(Stop::Refused(error.refusal())));
                }
                Reply::Refused(error) => return Err(Stop::Refused(error.refusal())),
                Reply::Unknown(unknown) => return Err(Stop::Unknown(unknown)),
            }
        }
        Err(out_of_keys(effect, stored))
    }
}

/// Whether a refusal may mean that the change is there already.
fn is_about_state(error: &WireError) -> bool {
    error.is_key_reused()
        || [
            "payment_intent_unexpected_state",
            "charge_already_captured",
            "charge_already_refunded",
        ]
        .iter()
        .any(|code| error.has_code(code))
}

fn state(code: &str, message: String) -> Option<Result<(), Stop>> {
    Some(Err(Stop::Refused(Refusal::new(
        RefusalKind::State,
        code,
        message,
    ))))
}

fn captured(intent: &Intent, units: i64) -> Option<Result<(), Stop>> {
    let id = &intent.id;
    match intent.status.as_str() {
        "succeeded" if intent.amount_received == units => Some(Ok(())),
        "succeeded" => state(
            "already_captured",
            format!(
                "{id} was captured before with {}, in the service's units; there is one capture",
                intent.amount_received
            ),
        ),
        "canceled" => state(
            "voided",
            format!("{id} was voided, or its authorisation lapsed"),
        ),
        "requires_capture" => None,
        "processing" => Some(Err(strange(intent, "capture"))),
        other => state("not_authorised", format!("{id} is {other}")),
    }
}

fn voided(intent: &Intent) -> Option<Result<(), Stop>> {
    match intent.status.as_str() {
        "canceled" => Some(Ok(())),
        "succeeded" => state(
            "already_captured",
            format!("{} was captured: refund it instead", intent.id),
        ),
        _ => None,
    }
}

/// The service said that it did it, and the state says otherwise.
fn strange(intent: &Intent, step: &str) -> Stop {
    Stop::Unknown(Unknown::new(
        Cause::Busy,
        format!("{} is {} after {step}", intent.id, intent.status),
    ))
}
