//! Authorise: create a PaymentIntent, then confirm it.

use super::http::{Reply, Stop, read};
use super::method::{PayWith, pay_with};
use super::wire::{ABANDONED, EFFECT_KEY, Intent, ORDER_KEY, Page, WireError};
use super::{KEY_LIFE_MS, KEYS_MAX, Stripe, amount, key};
use crate::payments::port::{
    AuthoriseRequest, Authorised, Cause, EffectId, Refusal, RefusalKind, Unknown,
};

/// More changes of state than an authorisation can go through.
const STATES_MAX: u32 = 12;

impl Stripe {
    pub(super) async fn authorise_now(
        &self,
        request: &AuthoriseRequest,
    ) -> Result<Authorised, Stop> {
        request.check().map_err(Stop::Refused)?;
        let units = amount::to_units(request.amount).map_err(Stop::Refused)?;
        let pay_with = pay_with(&request.method).map_err(Stop::Refused)?;
        // When Stripe may have forgotten the keys, a new creation would be a second payment; its
        // index has long caught up by then.
        let known = if request.asked_ms_ago >= KEY_LIFE_MS {
            self.search(request.effect).await?
        } else {
            None
        };
        let intent = match known {
            Some(intent) => intent,
            None => self.create(request, units, pay_with).await?,
        };
        let currency = request.amount.currency.as_str();
        if intent.amount != units || !intent.currency.eq_ignore_ascii_case(currency) {
            return Err(Stop::Refused(Refusal::different_details(request.effect)));
        }
        self.confirm(request.effect, pay_with, intent).await
    }

    /// The intent that an authorise effect created, by Stripe's search index.
    pub(super) async fn search(&self, effect: EffectId) -> Result<Option<Intent>, Stop> {
        let query = format!("metadata[\"{EFFECT_KEY}\"]:\"{effect}\"");
        let found: Page<Intent> = self
            .http
            .get(
                "/v1/payment_intents/search",
                &[("query", &query), ("limit", "100")],
            )
            .await?;
        // Creations that were repeated under a further key leave empty intents: the one that
        // holds money goes first, then the one that came furthest.
        let rank = |intent: &Intent| match intent.status.as_str() {
            "succeeded" => 0,
            "requires_capture" => 1,
            "canceled" => 2,
            "requires_confirmation" => 4,
            _ => 3,
        };
        Ok(found
            .data
            .into_iter()
            .filter(|intent| intent.effect() == Some(effect))
            .min_by(|a, b| (rank(a), &a.id).cmp(&(rank(b), &b.id))))
    }

    async fn create(
        &self,
        request: &AuthoriseRequest,
        units: i64,
        pay_with: PayWith<'_>,
    ) -> Result<Intent, Stop> {
        const PATH: &str = "/v1/payment_intents";
        let effect = request.effect;
        let amount = units.to_string();
        let currency = request.amount.currency.as_str().to_ascii_lowercase();
        let description = format!("Order {}", request.order);
        let effect_text = effect.to_string();
        let effect_field = format!("metadata[{EFFECT_KEY}]");
        let order_field = format!("metadata[{ORDER_KEY}]");
        let more: Vec<(String, &str)> = request
            .metadata
            .iter()
            .map(|(key, value)| (format!("metadata[{key}]"), value.as_str()))
            .collect();
        let mut form = vec![
            ("amount", amount.as_str()),
            ("currency", &currency),
            ("capture_method", "manual"),
            ("payment_method_types[]", "card"),
            ("payment_method", pay_with.method),
            ("description", &description),
            (&effect_field, &effect_text),
            (&order_field, &request.order),
        ];
        if let Some(customer) = pay_with.customer {
            form.push(("customer", customer));
        }
        form.extend(more.iter().map(|(key, value)| (key.as_str(), *value)));

        let mut stored = None;
        for number in 1..=KEYS_MAX {
            match self
                .http
                .post(PATH, &key(effect, "create", number), &form)
                .await
            {
                // A replay is the intent as it was then: the confirmation finds out what became of
                // it.
                Reply::Object { value, .. } => return read(value, PATH),
                // Whether or not that one was created, it holds nothing.
                Reply::StoredFault(unknown) => stored = Some(unknown),
                // The key was used with other details: by a caller that changed its mind, or by an
                // earlier version of this program that described the same payment otherwise.
                Reply::Refused(error) if error.is_key_reused() => {
                    return match self.search(effect).await? {
                        Some(intent) => same_payment(request, pay_with, intent),
                        None => Err(not_found_yet(effect, &error)),
                    };
                }
                Reply::Refused(error) => return Err(Stop::Refused(error.refusal())),
                Reply::Unknown(unknown) => return Err(Stop::Unknown(unknown)),
            }
        }
        Err(out_of_keys(effect, stored))
    }

    /// Brings the intent from whatever state it is in to an answer.
    async fn confirm(
        &self,
        effect: EffectId,
        pay_with: PayWith<'_>,
        mut intent: Intent,
    ) -> Result<Authorised, Stop> {
        let path = format!("/v1/payment_intents/{}/confirm", intent.id);
        let mut form = vec![("payment_method", pay_with.method)];
        if pay_with.customer.is_some() {
            form.push(("off_session", "true"));
        }
        let mut number = 1;
        let mut stored = None;
        for _ in 0..STATES_MAX {
            match intent.status.as_str() {
                // Captured since: the authorisation was there, and that is what was asked.
                "requires_capture" | "succeeded" => {
                    return Ok(Authorised {
                        reference: intent.id,
                    });
                }
                "canceled" => return cancelled(intent),
                "requires_payment_method" => return Err(Stop::Refused(declined(&intent))),
                "requires_action" => intent = self.abandon(effect, intent).await?,
                "requires_confirmation" => {
                    if number > KEYS_MAX {
                        return Err(out_of_keys(effect, stored));
                    }
                    let key = key(effect, "confirm", number);
                    intent = match self.http.post(&path, &key, &form).await {
                        Reply::Object { value, is_replay } => {
                            let then: Intent = read(value, &path)?;
                            match is_replay {
                                true => self.intent(&intent.id).await?,
                                false => then,
                            }
                        }
                        Reply::StoredFault(unknown) => {
                            stored = Some(unknown);
                            number += 1;
                            self.intent(&intent.id).await?
                        }
                        Reply::Refused(error) => self.after_refusal(intent, &error).await?,
                        Reply::Unknown(unknown) => return Err(Stop::Unknown(unknown)),
                    };
                }
                "processing" => return Err(busy(&intent)),
                other => {
                    return Err(Stop::Unknown(Unknown::new(
                        Cause::Unreadable,
                        format!(
                            "{} is in a state that is not known here: {other}",
                            intent.id
                        ),
                    )));
                }
            }
        }
        Err(busy(&intent))
    }

    /// A confirmation was refused: final, unless the intent has moved on meanwhile.
    async fn after_refusal(&self, intent: Intent, error: &WireError) -> Result<Intent, Stop> {
        let may_have_moved =
            error.is_key_reused() || error.has_code("payment_intent_unexpected_state");
        if may_have_moved {
            let now = self.intent(&intent.id).await?;
            if now.status != intent.status {
                return Ok(now);
            }
        }
        Err(Stop::Refused(error.refusal()))
    }

    /// Nobody is there to approve the payment, so it is given up: left open, it could hold money
    /// later, unknown to the order.
    async fn abandon(&self, effect: EffectId, intent: Intent) -> Result<Intent, Stop> {
        let path = format!("/v1/payment_intents/{}/cancel", intent.id);
        let form = [("cancellation_reason", ABANDONED)];
        let mut stored = None;
        for number in 1..=KEYS_MAX {
            match self
                .http
                .post(&path, &key(effect, "abandon", number), &form)
                .await
            {
                Reply::Object { value, .. } => return read(value, &path),
                Reply::StoredFault(unknown) => stored = Some(unknown),
                Reply::Refused(error) => {
                    let now = self.intent(&intent.id).await?;
                    if now.status == intent.status {
                        return Err(Stop::Refused(error.refusal()));
                    }
                    return Ok(now);
                }
                Reply::Unknown(unknown) => return Err(Stop::Unknown(unknown)),
            }
            let now = self.intent(&intent.id).await?;
            if now.status != intent.status {
                return Ok(now);
            }
        }
        Err(out_of_keys(effect, stored))
    }
}

/// An intent that was found under a key that was used with other details: it is ours when it is
/// about the same payment.
fn same_payment(
    request: &AuthoriseRequest,
    pay_with: PayWith<'_>,
    intent: Intent,
) -> Result<Intent, Stop> {
    let is_same_order = intent.metadata.get(ORDER_KEY) == Some(&request.order);
    // Stripe clears the method of an intent that was declined.
    let is_same_method = intent
        .payment_method
        .as_deref()
        .is_none_or(|method| method == pay_with.method);
    if is_same_order && is_same_method {
        return Ok(intent);
    }
    Err(Stop::Refused(Refusal::different_details(request.effect)))
}

fn not_found_yet(effect: EffectId, error: &WireError) -> Stop {
    let message = error.refusal().message;
    Stop::Unknown(Unknown::new(
        Cause::Busy,
        format!("effect {effect} was asked for before, and is not to be found yet: {message}"),
    ))
}

fn cancelled(intent: Intent) -> Result<Authorised, Stop> {
    if intent.had_authorisation() {
        return Ok(Authorised {
            reference: intent.id,
        });
    }
    Err(Stop::Refused(if intent.is_abandoned() {
        Refusal::new(
            RefusalKind::Declined,
            Refusal::AUTHENTICATION_REQUIRED,
            "the payer's bank wants the payer to approve this payment in person",
        )
    } else {
        Refusal::new(
            RefusalKind::State,
            "voided",
            "the payment was cancelled before money was reserved",
        )
    }))
}

fn declined(intent: &Intent) -> Refusal {
    match &intent.last_payment_error {
        Some(error) => error.refusal(),
        None => Refusal::new(
            RefusalKind::Declined,
            "requires_payment_method",
            "the payment method cannot be used",
        ),
    }
}

fn busy(intent: &Intent) -> Stop {
    Stop::Unknown(Unknown::new(
        Cause::Busy,
        format!("{} is {}", intent.id, intent.status),
    ))
}

/// Every key of the step has a fault stored: in a day Stripe forgets them.
pub(super) fn out_of_keys(effect: EffectId, stored: Option<Unknown>) -> Stop {
    Stop::Unknown(stored.unwrap_or_else(|| {
        Unknown::new(
            Cause::ServiceFault,
            format!("effect {effect}: every key of this step ended in a fault"),
        )
    }))
}
