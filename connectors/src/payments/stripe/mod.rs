//! Stripe: PaymentIntents with manual capture, refunds, and signed webhooks.
//!
//! How each effect happens once, whatever gets lost:
//!
//! - An authorisation takes two requests. The first creates a PaymentIntent, which holds nothing;
//!   the second confirms it, which its own state lets happen once. So even where a creation is
//!   repeated and Stripe has forgotten the key, at worst an empty intent is left behind.
//! - Capture and cancel change the state of the one intent: when Stripe says that it is not in the
//!   state for that, its state tells whether the effect is there.
//! - A refund carries its effect in its metadata: the refunds of the intent are read first.
//! - Every POST has an idempotency key made of the effect and the step. Stripe remembers keys for
//!   a day, faults included: a fault that it repeats from a key is settled by reading the state,
//!   and where nothing happened the next key in a fixed series is used.
//!
//! - `http`: requests, and what answers prove.
//! - `authorise`, `capture`, `refund`: the effects.
//! - `wire`, `amount`, `method`: Stripe's objects, units and payment methods.
//! - [`webhook`]: notices, their signature and their meaning.

mod amount;
mod authorise;
mod capture;
mod http;
mod method;
mod refund;
pub mod webhook;
mod wire;

use std::fmt;

use flightline_ledger::Money;
use reqwest::Url;

use self::http::{Http, Stop};
use self::wire::Intent;
use super::port::{
    Answer, Asked, AuthoriseRequest, Authorised, Cause, EffectId, Payment, PaymentService,
    Refunded, Refusal, Unknown,
};
use super::secret::Secret;
use super::url::{PaymentsUrlError, check_base};

/// The version of Stripe's interface that this adapter was written and tested against.
pub const API_VERSION: &str = "2026-08-26.dahlia";
/// The environment variable with the secret key.
pub const SECRET_ENV: &str = "STRIPE_SECRET_KEY";
/// The environment variable with the signing secret of the webhook endpoint.
pub const WEBHOOK_SECRET_ENV: &str = "STRIPE_WEBHOOK_SECRET";

/// How long Stripe surely remembers an idempotency key: it promises 24 hours, this leaves room for
/// clocks that differ.
const KEY_LIFE_MS: u64 = 23 * 3_600_000;
/// How many keys there are for one step of one effect.
const KEYS_MAX: u32 = 5;

/// How to reach Stripe.
#[derive(Clone, Debug)]
pub struct StripeConfig {
    /// Base of the interface, such as `https://api.stripe.com`.
    pub base: Url,
    /// The secret or restricted key.
    pub secret: Secret,
    /// Sent as `Stripe-Version`.
    pub api_version: String,
    /// Time to wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Time to wait for a whole answer, in milliseconds. An effect takes up to a few requests.
    pub request_timeout_ms: u64,
}

impl StripeConfig {
    /// The usual settings: 5 s for a connection, 30 s for an answer.
    pub fn new(base: Url, secret: Secret) -> Self {
        Self {
            base,
            secret,
            api_version: API_VERSION.to_owned(),
            connect_timeout_ms: 5_000,
            request_timeout_ms: 30_000,
        }
    }
}

/// Why there is no adapter with these settings.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// The base address will not do.
    #[error(transparent)]
    Base(#[from] PaymentsUrlError),
    /// The key cannot stand in a header.
    #[error("the Stripe key has characters that no key has: set {SECRET_ENV} again")]
    Key,
    /// Nor can the version.
    #[error("the Stripe version must be a text such as {API_VERSION}")]
    Version,
    /// The HTTP client could not be made.
    #[error("no HTTP client for Stripe: {0}")]
    Client(#[source] reqwest::Error),
}

/// Stripe, as one account sees it.
pub struct Stripe {
    http: Http,
    base: Url,
    is_test: bool,
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe")
            .field("base", &self.base.as_str())
            .field("is_test", &self.is_test)
            .finish_non_exhaustive()
    }
}

impl Stripe {
    /// An adapter; no request is made yet.
    pub fn new(config: &StripeConfig) -> Result<Self, StripeError> {
        check_base(&config.base)?;
        let key = config.secret.reveal();
        Ok(Self {
            http: Http::new(config)?,
            base: config.base.clone(),
            is_test: key.starts_with("sk_test_") || key.starts_with("rk_test_"),
        })
    }

    /// The intent as it is now.
    async fn intent(&self, reference: &str) -> Result<Intent, Stop> {
        self.http
            .get(&format!("/v1/payment_intents/{reference}"), &[])
            .await
    }

    async fn payment_now(&self, reference: &str) -> Result<Payment, Stop> {
        check_reference(reference)?;
        let path = format!("/v1/payment_intents/{reference}");
        let intent: Intent = self
            .http
            .get(&path, &[("expand[]", "latest_charge")])
            .await?;
        intent.payment().ok_or_else(|| {
            Stop::Unknown(Unknown::new(
                Cause::Unreadable,
                format!(
                    "{path}: an amount in {} that cannot be expressed",
                    intent.currency
                ),
            ))
        })
    }

    async fn find_now(&self, authorise: EffectId) -> Result<Option<Payment>, Stop> {
        match self.search(authorise).await? {
            Some(intent) => self.payment_now(&intent.id).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The idempotency key of a step of an effect; `number` counts from 1.
fn key(effect: EffectId, step: &str, number: u32) -> String {
    match number {
        1 => format!("flightline-{effect}-{step}"),
        _ => format!("flightline-{effect}-{step}-{number}"),
    }
}

/// References stand in paths, so nothing else passes.
fn check_reference(reference: &str) -> Result<(), Stop> {
    let is_intent = reference.len() <= 100
        && reference.strip_prefix("pi_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
    if is_intent {
        return Ok(());
    }
    Err(Stop::Refused(Refusal::invalid(
        "unknown_reference",
        format!("{reference:?} is no payment of Stripe's: they start with pi_"),
    )))
}

fn answer<T>(result: Result<T, Stop>) -> Answer<T> {
    match result {
        Ok(done) => Answer::Done(done),
        Err(Stop::Refused(refusal)) => Answer::Refused(refusal),
        Err(Stop::Unknown(unknown)) => Answer::Unknown(unknown),
    }
}

impl PaymentService for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn is_test(&self) -> bool {
        self.is_test
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(async move { answer(self.authorise_now(request).await) })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        Box::pin(async move { answer(self.capture_now(effect, reference, amount).await) })
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { answer(self.void_now(effect, reference).await) })
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        Box::pin(async move { answer(self.refund_now(effect, reference, amount).await) })
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        Box::pin(async move { answer(self.find_now(authorise).await) })
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        Box::pin(async move { answer(self.payment_now(reference).await) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_of_effect_and_step() {
        let effect = EffectId(10);
        let first = key(effect, "capture", 1);
        assert_eq!(first, "flightline-0000000000000000000000000000000a-capture");
        assert_eq!(key(effect, "capture", 2), format!("{first}-2"));
        // Stripe takes keys of up to 255 characters.
        assert!(key(EffectId(u128::MAX), "authorise", KEYS_MAX).len() < 255);
    }

    #[test]
    fn references_cannot_leave_their_place_in_the_path() {
        assert!(check_reference("pi_3Nabc_9").is_ok());
        for bad in [
            "",
            "pi_",
            "ch_1",
            "pi_1/../x",
            "pi_1?a",
            "pi_1 ",
            "sandbox_1",
        ] {
            assert!(check_reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let secret = Secret::new("sk_test_abcdef", "TEST").unwrap();
        let base = Url::parse("https://api.stripe.com").unwrap();
        let config = StripeConfig::new(base, secret);
        let stripe = Stripe::new(&config).unwrap();
        let shown = format!("{config:?} {stripe:?} {stripe:#?}");
        assert!(!shown.contains("abcdef"), "{shown}");
        assert!(stripe.is_test());
    }
}
