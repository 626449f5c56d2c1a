//! Refunds: each carries its effect, so that it is found again whatever was lost.

use flightline_ledger::Money;

use super::authorise::out_of_keys;
use super::http::{Reply, Stop, read};
use super::wire::{EFFECT_KEY, Page, WireError, WireRefund};
use super::{KEYS_MAX, Stripe, amount, check_reference, key};
use crate::payments::port::{Cause, EffectId, Refunded, Refusal, RefusalKind, Unknown};

/// Pages of a hundred refunds that are read of one payment.
const PAGES_MAX: usize = 20;

impl Stripe {
    pub(super) async fn refund_now(
        &self,
        effect: EffectId,
        reference: &str,
        amount: Money,
    ) -> Result<Refunded, Stop> {
        const PATH: &str = "/v1/refunds";
        check_reference(reference)?;
        let units = amount::to_units(amount).map_err(Stop::Refused)?;
        let units_text = units.to_string();
        let effect_text = effect.to_string();
        let effect_field = format!("metadata[{EFFECT_KEY}]");
        let form = [
            ("payment_intent", reference),
            ("amount", &units_text),
            (&effect_field, &effect_text),
        ];
        let mut stored = None;
        for number in 1..=KEYS_MAX {
            // First, since what is there must not come a second time when the key is forgotten.
            if let Some(refund) = self.refund_of(effect, reference).await? {
                return judge(effect, units, amount, &refund);
            }
            match self
                .http
                .post(PATH, &key(effect, "refund", number), &form)
                .await
            {
                Reply::Object { value, .. } => {
                    let refund: WireRefund = read(value, PATH)?;
                    return judge(effect, units, amount, &refund);
                }
                Reply::StoredFault(unknown) => stored = Some(unknown),
                Reply::Refused(error) => {
                    return match self.refund_of(effect, reference).await? {
                        Some(refund) => judge(effect, units, amount, &refund),
                        None => Err(self.why_refused(effect, reference, &error).await?),
                    };
                }
                Reply::Unknown(unknown) => return Err(Stop::Unknown(unknown)),
            }
        }
        Err(out_of_keys(effect, stored))
    }

    /// The refund that an effect made, from the list of the payment's refunds.
    async fn refund_of(
        &self,
        effect: EffectId,
        reference: &str,
    ) -> Result<Option<WireRefund>, Stop> {
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![("payment_intent", reference), ("limit", "100")];
            if let Some(after) = &after {
                query.push(("starting_after", after));
            }
            let page: Page<WireRefund> = self.http.get("/v1/refunds", &query).await?;
            let last = page.data.last().map(|refund| refund.id.clone());
            if let Some(refund) = page.data.into_iter().find(|r| r.effect() == Some(effect)) {
                return Ok(Some(refund));
            }
            match last {
                Some(last) if page.has_more => after = Some(last),
                _ => return Ok(None),
            }
        }
        Err(Stop::Unknown(Unknown::new(
            Cause::Unreadable,
            format!("{reference} has more refunds than can be read through"),
        )))
    }

    /// Stripe names no code for some refusals: the payment's state tells what they mean.
    async fn why_refused(
        &self,
        effect: EffectId,
        reference: &str,
        error: &WireError,
    ) -> Result<Stop, Stop> {
        if error.is_key_reused() {
            return Ok(Stop::Refused(Refusal::different_details(effect)));
        }
        let refusal = error.refusal();
        if error.code.is_some() && refusal.kind != RefusalKind::Invalid {
            return Ok(Stop::Refused(refusal));
        }
        let code = if self.intent(reference).await?.status != "succeeded" {
            "not_captured"
        } else if error.param.as_deref() == Some("amount") {
            "refund_too_large"
        } else {
            return Ok(Stop::Refused(refusal));
        };
        Ok(Stop::Refused(Refusal::new(
            RefusalKind::State,
            code,
            refusal.message,
        )))
    }
}

fn judge(
    effect: EffectId,
    units: i64,
    amount: Money,
    refund: &WireRefund,
) -> Result<Refunded, Stop> {
    let is_same = refund.amount == units
        && refund
            .currency
            .eq_ignore_ascii_case(amount.currency.as_str());
    if !is_same {
        return Err(Stop::Refused(Refusal::different_details(effect)));
    }
    let is_pending = match refund.status.as_deref() {
        Some("succeeded") => false,
        Some("pending" | "requires_action") => true,
        Some("failed" | "canceled") => {
            let reason = refund.failure_reason.as_deref();
            return Err(Stop::Refused(Refusal::new(
                RefusalKind::State,
                reason.unwrap_or("refund_failed"),
                format!(
                    "{} could not be carried out: the money is still here",
                    refund.id
                ),
            )));
        }
        other => {
            return Err(Stop::Unknown(Unknown::new(
                Cause::Unreadable,
                format!(
                    "{} is in a state that is not known here: {other:?}",
                    refund.id
                ),
            )));
        }
    };
    Ok(Refunded {
        refund: refund.id.clone(),
        is_pending,
    })
}
