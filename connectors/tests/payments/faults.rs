//! The same money through a network that breaks: whatever is lost, each effect is in the service's
//! books exactly once after it was settled.

use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::payments::{Payment, PaymentService, PaymentState};

use crate::fake::{FakeStripe, Fault};
use crate::proxy::{Break, Proxy};
use crate::support::{
    Method, Soon, Subject, books_of, done, effect, refused, request, settled, stripe_at, usd,
};
use crate::world;

/// A service behind the proxy: its books are read directly.
struct Behind<'a> {
    inner: &'a dyn Subject,
    service: Arc<dyn PaymentService>,
}

impl Subject for Behind<'_> {
    fn service(&self) -> Arc<dyn PaymentService> {
        Arc::clone(&self.service)
    }

    fn method(&self, method: Method) -> String {
        self.inner.method(method)
    }

    fn books(&self) -> Soon<'_, Vec<Payment>> {
        self.inner.books()
    }
}

/// Authorise, capture, give a part back; then another one that is voided, and one declined.
async fn journey(subject: &dyn Subject, proxy: &Proxy, what: &str) {
    let service = subject.service();
    let kept = request(subject, Method::Good, usd("120.00"));
    let (capture, refund) = (effect(), effect());
    let reference = done(settled!(kept.effect, service.authorise(&kept))).reference;
    done(settled!(
        capture,
        service.capture(capture, &reference, usd("120.00"))
    ));
    done(settled!(
        refund,
        service.refund(refund, &reference, usd("50.00"))
    ));

    let given_up = request(subject, Method::Good, usd("75.00"));
    let void = effect();
    let reference = done(settled!(given_up.effect, service.authorise(&given_up))).reference;
    done(settled!(void, service.void(void, &reference)));

    let declined = request(subject, Method::NoFunds, usd("10.00"));
    let refusal = refused(settled!(declined.effect, service.authorise(&declined)));
    assert_eq!(refusal.code, "insufficient_funds", "{what}");
    let unapproved = request(subject, Method::Authentication, usd("11.00"));
    let refusal = refused(settled!(unapproved.effect, service.authorise(&unapproved)));
    assert_eq!(refusal.code, "authentication_required", "{what}");

    // What is late is in by now.
    proxy.quiet().await;
    for (id, state) in [
        (kept.effect, (PaymentState::Captured, 12_000, 5_000)),
        (given_up.effect, (PaymentState::Voided, 0, 0)),
        (declined.effect, (PaymentState::Declined, 0, 0)),
        (unapproved.effect, (PaymentState::Declined, 0, 0)),
    ] {
        assert_eq!(books_of(subject, id).await, Some(state), "{what}");
    }
}

/// A number from 0 to `below`, from a seed: the same in every run.
fn dice(seed: u64, turn: usize, below: usize) -> usize {
    let mut x = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(turn as u64)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 29;
    (x % below as u64) as usize
}

/// Every way to break at every request of the journey, then journeys in which every other request
/// breaks somehow.
async fn survives(subject: &dyn Subject, base: &str, wait_ms: u64, seeds: u64) -> usize {
    let proxy = Proxy::start(base, Duration::from_millis(wait_ms * 3 / 2)).await;
    let behind = Behind {
        inner: subject,
        service: stripe_at(&proxy.base, wait_ms),
    };
    journey(&behind, &proxy, "nothing breaks").await;
    let requests = proxy.seen();
    assert!(requests >= 10, "the journey has {requests} requests");

    let mut journeys = 1;
    for what in Break::ALL {
        for at in 0..requests {
            proxy.set(move |number| if number == at { what } else { Break::Pass });
            journey(&behind, &proxy, &format!("{what:?} at request {at}")).await;
            journeys += 1;
        }
    }
    for seed in 0..seeds {
        proxy.set(move |number| match dice(seed, number, 2) {
            0 => Break::Pass,
            _ => Break::ALL[dice(seed + 1_000, number, Break::ALL.len())],
        });
        journey(&behind, &proxy, &format!("seed {seed}")).await;
        journeys += 1;
    }
    journeys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_effect_is_there_once_whatever_breaks() {
    let fake = FakeStripe::start().await;
    survives(&fake, &fake.base, 80, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_effect_is_there_once_whatever_breaks_before_stripe_world() {
    let Some(world) = world::fresh("faults").await else {
        return;
    };
    let journeys = survives(&world, &world.base, 400, 12).await;
    eprintln!("{journeys} journeys through the breaking proxy to stripe-world");
}

/// Stripe stores faults under the key and repeats them: asking again with the same key alone would
/// never end.
#[tokio::test]
async fn stored_faults_are_settled_by_the_state() {
    for fault in [Fault::Before, Fault::After] {
        for path in ["payment_intents", "confirm", "capture", "refunds", "cancel"] {
            for times in 1..=4 {
                let fake = FakeStripe::start().await;
                for _ in 0..times {
                    fake.fail_next(path, fault);
                }
                let proxy = Proxy::start(&fake.base, Duration::ZERO).await;
                let behind = Behind {
                    inner: &fake,
                    service: stripe_at(&proxy.base, 2_000),
                };
                let what = format!("{fault:?} at {path}, {times} times");
                journey(&behind, &proxy, &what).await;
            }
        }
    }
}

/// A fault at every key stays unknown: it is not guessed at.
#[tokio::test]
async fn faults_without_end_stay_unknown() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let request = request(&fake, Method::Good, usd("20.00"));
    for _ in 0..100 {
        fake.fail_next("confirm", Fault::Before);
    }
    for _ in 0..20 {
        assert!(service.authorise(&request).await.is_unknown());
    }
    assert_eq!(books_of(&fake, request.effect).await, None);
    // A day later the keys are forgotten, and the service is well again.
    fake.forget_keys();
    fake.state.lock().unwrap().clear_faults();
    let late = flightline_connectors::payments::AuthoriseRequest {
        asked_ms_ago: 86_400_000,
        ..request.clone()
    };
    done(service.authorise(&late).await);
    assert_eq!(
        books_of(&fake, request.effect).await,
        Some((PaymentState::Authorised, 0, 0))
    );
    assert_eq!(fake.intents(), 1, "the first creation is carried on");
}

/// When the service has forgotten the keys, nothing may happen twice either.
#[tokio::test]
async fn forgotten_keys_do_no_harm() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let mut request = request(&fake, Method::Good, usd("120.00"));
    let (capture, refund, void) = (effect(), effect(), effect());
    let reference = done(service.authorise(&request).await).reference;
    fake.forget_keys();
    request.asked_ms_ago = 86_400_000;
    for _ in 0..2 {
        assert_eq!(done(service.authorise(&request).await).reference, reference);
        fake.forget_keys();
        done(service.capture(capture, &reference, usd("120.00")).await);
        fake.forget_keys();
        done(service.refund(refund, &reference, usd("50.00")).await);
        fake.forget_keys();
    }
    assert_eq!(
        books_of(&fake, request.effect).await,
        Some((PaymentState::Captured, 12_000, 5_000))
    );
    assert_eq!(fake.intents(), 1);

    let other = crate::support::authorised(&fake, usd("10.00")).await;
    for _ in 0..2 {
        done(service.void(void, &other).await);
        fake.forget_keys();
    }
}

/// The keys of one effect are not equally old: the creation's may be known still when the
/// confirmation's is not.
#[tokio::test]
async fn keys_that_are_forgotten_one_by_one_do_no_harm() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    for method in [Method::Good, Method::NoFunds, Method::Authentication] {
        let ask = request(&fake, method, usd("12.00"));
        let first = service.authorise(&ask).await;
        assert!(!first.is_unknown());
        for step in ["-confirm", "-abandon"] {
            fake.forget_keys_of(step);
            let again = service.authorise(&ask).await;
            assert_eq!(again.is_done(), first.is_done(), "{method:?} {step}");
            let state = match method {
                Method::Good => PaymentState::Authorised,
                _ => PaymentState::Declined,
            };
            let books = books_of(&fake, ask.effect).await;
            assert_eq!(books, Some((state, 0, 0)), "{method:?} {step}");
        }
    }
}

/// Every refund of a payment is looked through, not just the newest.
#[tokio::test]
async fn old_refunds_are_found_among_newer_ones() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let ask = request(&fake, Method::Good, usd("100.00"));
    let reference = done(service.authorise(&ask).await).reference;
    done(service.capture(effect(), &reference, usd("100.00")).await);
    let refunds: Vec<_> = (0..4).map(|_| effect()).collect();
    for refund in &refunds {
        done(service.refund(*refund, &reference, usd("10.00")).await);
    }
    fake.forget_keys();
    for refund in &refunds {
        done(service.refund(*refund, &reference, usd("10.00")).await);
    }
    assert_eq!(
        books_of(&fake, ask.effect).await,
        Some((PaymentState::Captured, 10_000, 4_000))
    );
}

/// Down for an hour: every ask is unknown, and the first one afterwards is not a second payment.
#[tokio::test]
async fn a_service_that_is_down_is_unknown() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let request = request(&fake, Method::Good, usd("120.00"));
    let nobody = stripe_at("http://127.0.0.1:9", 500);
    for _ in 0..3 {
        assert!(nobody.authorise(&request).await.is_unknown());
        assert!(nobody.void(effect(), "pi_1").await.is_unknown());
        assert!(nobody.payment("pi_1").await.is_unknown());
        assert!(nobody.find(request.effect).await.is_unknown());
    }
    done(service.authorise(&request).await);
    assert!(books_of(&fake, request.effect).await.is_some());
}
