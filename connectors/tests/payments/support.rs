//! Requests, services under test, and looks into their books.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flightline_connectors::payments::{
    Answer, AuthoriseRequest, EffectId, Patience, Payment, PaymentService, PaymentState, Refusal,
    Secret, Stripe, settle,
    stripe::{API_VERSION, StripeConfig},
};
use flightline_ledger::Money;

/// How a test pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Good,
    Declined,
    NoFunds,
    Authentication,
}

pub(crate) type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A service under test, with what the suite needs to know of it.
pub(crate) trait Subject: Send + Sync {
    fn service(&self) -> Arc<dyn PaymentService>;
    fn method(&self, method: Method) -> String;
    /// Every payment in the service's own books, read behind the adapter's back.
    fn books(&self) -> Soon<'_, Vec<Payment>>;
}

/// Effect ids that no other test of this process uses.
pub(crate) fn effect() -> EffectId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    EffectId(0xf117_0000_0000_0000_0000_0000_0000_0000 | u128::from(n))
}

pub(crate) fn money(decimal: &str, currency: &str) -> Money {
    let exponent = match currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    };
    Money::from_decimal(decimal, currency.parse().unwrap(), exponent).unwrap()
}

pub(crate) fn usd(decimal: &str) -> Money {
    money(decimal, "USD")
}

pub(crate) fn request(subject: &dyn Subject, method: Method, amount: Money) -> AuthoriseRequest {
    let effect = effect();
    AuthoriseRequest {
        effect,
        order: format!("ord_{:x}", effect.0 as u64),
        amount,
        method: subject.method(method),
        metadata: vec![("booking_reference".into(), "ABC234".into())],
        asked_ms_ago: 0,
    }
}

/// Asks again at once: nothing here needs to be spared.
pub(crate) const EAGER: Patience = Patience {
    attempts: 60,
    first_pause_ms: 1,
    pause_ms_max: 20,
};

/// Settles an effect, or fails the test.
macro_rules! settled {
    ($effect:expr, $ask:expr) => {{
        let effect = $effect;
        let answer =
            flightline_connectors::payments::settle(effect, crate::support::EAGER, || $ask).await;
        assert!(!answer.is_unknown(), "never settled: {answer:?}");
        answer
    }};
}
pub(crate) use settled;

#[track_caller]
pub(crate) fn done<T: std::fmt::Debug>(answer: Answer<T>) -> T {
    match answer {
        Answer::Done(value) => value,
        other => panic!("should be done: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Answer<T>) -> Refusal {
    match answer {
        Answer::Refused(refusal) => refusal,
        other => panic!("should be refused: {other:?}"),
    }
}

/// The reference of a new authorisation.
pub(crate) async fn authorised(subject: &dyn Subject, amount: Money) -> String {
    let request = request(subject, Method::Good, amount);
    let service = subject.service();
    let answer = settle(request.effect, EAGER, || service.authorise(&request)).await;
    done(answer).reference
}

/// State, captured and refunded minor units of the one payment of an effect in the books that
/// holds or held money. Fails when there are two.
pub(crate) async fn books_of(
    subject: &dyn Subject,
    authorise: EffectId,
) -> Option<(PaymentState, i64, i64)> {
    let mut found: Vec<Payment> = subject.books().await;
    found.retain(|p| p.effect == Some(authorise) && p.state != PaymentState::Open);
    assert!(found.len() <= 1, "the effect is there twice: {found:?}");
    found
        .first()
        .map(|p| (p.state, p.captured_minor, p.refunded_minor))
}

/// An adapter for a Stripe at an address.
pub(crate) fn stripe_at(base: &str, request_timeout_ms: u64) -> Arc<dyn PaymentService> {
    let secret = Secret::new("sk_test_flightline", "the test").unwrap();
    let config = StripeConfig {
        base: base.parse().unwrap(),
        secret,
        api_version: API_VERSION.into(),
        connect_timeout_ms: 2_000,
        request_timeout_ms,
    };
    Arc::new(Stripe::new(&config).unwrap())
}
