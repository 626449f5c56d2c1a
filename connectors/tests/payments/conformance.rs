//! What every payment service must do. One suite; each service is one call of it.

use std::sync::Arc;

use flightline_connectors::payments::{AuthoriseRequest, PaymentState, Refusal, RefusalKind};

use crate::fake::FakeStripe;
use crate::sandbox::SandboxSubject;
use crate::support::{
    Method, Subject, authorised, books_of, done, effect, money, refused, request, settled, usd,
};
use crate::world;

/// Every check, in turn. Each starts a payment of its own.
pub(crate) async fn conforms(subject: &dyn Subject) {
    takes_and_gives_back(subject).await;
    repeats_are_answered_alike(subject).await;
    already_done_is_done(subject).await;
    nothing_follows_a_void(subject).await;
    capture_is_bounded(subject).await;
    refunds_are_bounded(subject).await;
    declines(subject).await;
    other_details_are_refused(subject).await;
    strangers_are_refused(subject).await;
    bad_requests_are_refused(subject).await;
    currencies_keep_their_decimals(subject).await;
    payments_are_found(subject).await;
    many_at_once_are_one(subject).await;
    capture_and_void_race(subject).await;
}

#[tokio::test]
async fn the_sandbox_conforms() {
    conforms(&SandboxSubject::in_memory()).await;
}

#[tokio::test]
async fn the_sandbox_conforms_with_books_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&SandboxSubject::in_file(&folder.path().join("books"))).await;
}

#[tokio::test]
async fn the_stripe_adapter_conforms_against_the_fake() {
    conforms(&FakeStripe::start().await).await;
}

#[tokio::test]
async fn the_stripe_adapter_conforms_against_stripe_world() {
    let Some(world) = world::fresh("conformance").await else {
        return;
    };
    conforms(&world).await;
}

async fn takes_and_gives_back(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("120.50"));
    let id = request.effect;
    assert_eq!(books_of(subject, id).await, None);

    let reference = done(service.authorise(&request).await).reference;
    let held = Some((PaymentState::Authorised, 0, 0));
    assert_eq!(books_of(subject, id).await, held);

    done(service.capture(effect(), &reference, usd("120.50")).await);
    let taken = Some((PaymentState::Captured, 12_050, 0));
    assert_eq!(books_of(subject, id).await, taken);

    let refund = done(service.refund(effect(), &reference, usd("20.50")).await);
    assert!(!refund.refund.is_empty());
    done(service.refund(effect(), &reference, usd("100.00")).await);
    let given_back = Some((PaymentState::Captured, 12_050, 12_050));
    assert_eq!(books_of(subject, id).await, given_back);
}

async fn repeats_are_answered_alike(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("80.00"));
    let (capture, refund) = (effect(), effect());

    let first = done(service.authorise(&request).await);
    let reference = first.reference.clone();
    assert_eq!(done(service.authorise(&request).await), first);
    for _ in 0..3 {
        done(service.capture(capture, &reference, usd("80.00")).await);
    }
    // The authorisation was there, whatever became of it.
    assert_eq!(done(service.authorise(&request).await), first);
    let back = done(service.refund(refund, &reference, usd("30.00")).await);
    for _ in 0..2 {
        let again = done(service.refund(refund, &reference, usd("30.00")).await);
        assert_eq!(again, back);
    }
    assert_eq!(done(service.authorise(&request).await), first);
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Captured, 8_000, 3_000))
    );

    // An ask that comes days later finds what the first one did.
    let late = AuthoriseRequest {
        asked_ms_ago: 3 * 86_400_000,
        ..request.clone()
    };
    assert_eq!(done(settled!(late.effect, service.authorise(&late))), first);
}

async fn already_done_is_done(subject: &dyn Subject) {
    let service = subject.service();
    let reference = authorised(subject, usd("10.00")).await;
    for _ in 0..2 {
        done(service.capture(effect(), &reference, usd("10.00")).await);
    }
    let other = refused(service.capture(effect(), &reference, usd("9.00")).await);
    assert_eq!(other.kind, RefusalKind::State, "{other}");
    assert_eq!(other.code, "already_captured");

    let reference = authorised(subject, usd("10.00")).await;
    for _ in 0..2 {
        done(service.void(effect(), &reference).await);
    }
}

async fn nothing_follows_a_void(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("55.00"));
    let first = done(service.authorise(&request).await);
    let reference = first.reference.clone();
    done(service.void(effect(), &reference).await);

    let capture = refused(service.capture(effect(), &reference, usd("55.00")).await);
    assert_eq!(capture.kind, RefusalKind::State, "{capture}");
    assert_eq!(capture.code, "voided");
    let refund = refused(service.refund(effect(), &reference, usd("55.00")).await);
    assert_eq!(refund.kind, RefusalKind::State, "{refund}");
    assert_eq!(done(service.authorise(&request).await), first);
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Voided, 0, 0))
    );

    let reference = authorised(subject, usd("55.00")).await;
    done(service.capture(effect(), &reference, usd("55.00")).await);
    let void = refused(service.void(effect(), &reference).await);
    assert_eq!(void.kind, RefusalKind::State, "{void}");
    assert_eq!(void.code, "already_captured");
}

async fn capture_is_bounded(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("40.00"));
    let reference = done(service.authorise(&request).await).reference;
    let above = refused(service.capture(effect(), &reference, usd("40.01")).await);
    assert_eq!(above.code, "amount_too_large");
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Authorised, 0, 0))
    );
    // Less may be taken; the rest is released.
    done(service.capture(effect(), &reference, usd("25.00")).await);
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Captured, 2_500, 0))
    );
}

async fn refunds_are_bounded(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("60.00"));
    let reference = done(service.authorise(&request).await).reference;
    let early = refused(service.refund(effect(), &reference, usd("60.00")).await);
    assert_eq!(early.kind, RefusalKind::State, "{early}");
    assert_eq!(early.code, "not_captured");

    done(service.capture(effect(), &reference, usd("50.00")).await);
    let above = refused(service.refund(effect(), &reference, usd("50.01")).await);
    assert_eq!(above.kind, RefusalKind::State, "{above}");
    assert_eq!(above.code, "refund_too_large");
    let part = effect();
    done(service.refund(part, &reference, usd("30.00")).await);
    let changed = refused(service.refund(part, &reference, usd("20.00")).await);
    assert_eq!(changed.code, Refusal::DIFFERENT_DETAILS);
    let above = refused(service.refund(effect(), &reference, usd("20.01")).await);
    assert_eq!(above.kind, RefusalKind::State, "{above}");
    done(service.refund(effect(), &reference, usd("20.00")).await);
    let nothing_left = refused(service.refund(effect(), &reference, usd("0.01")).await);
    assert_eq!(nothing_left.kind, RefusalKind::State, "{nothing_left}");
    // The first one is still the same.
    done(service.refund(part, &reference, usd("30.00")).await);
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Captured, 5_000, 5_000))
    );
}

async fn declines(subject: &dyn Subject) {
    let service = subject.service();
    for (method, code) in [
        (Method::Declined, "card_declined"),
        (Method::NoFunds, "insufficient_funds"),
        (Method::Authentication, Refusal::AUTHENTICATION_REQUIRED),
    ] {
        let request = request(subject, method, usd("33.00"));
        let first = refused(service.authorise(&request).await);
        assert_eq!(first.kind, RefusalKind::Declined, "{first}");
        assert_eq!(first.code, code);
        assert!(!first.message.is_empty());
        let again = refused(service.authorise(&request).await);
        assert_eq!((again.kind, again.code), (first.kind, first.code));
        let late = AuthoriseRequest {
            asked_ms_ago: 3 * 86_400_000,
            ..request.clone()
        };
        let late = refused(settled!(late.effect, service.authorise(&late)));
        assert_eq!(late.code, code);
        assert_eq!(
            books_of(subject, request.effect).await,
            Some((PaymentState::Declined, 0, 0)),
            "{method:?}"
        );
        let found = done(service.find(request.effect).await).expect("it is in the books");
        assert_eq!(found.state, PaymentState::Declined, "{method:?}");
        // Another effect is another try.
        let other = AuthoriseRequest {
            effect: effect(),
            method: subject.method(Method::Good),
            ..request
        };
        done(service.authorise(&other).await);
    }
}

async fn other_details_are_refused(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("70.00"));
    let reference = done(service.authorise(&request).await).reference;
    let other_amount = AuthoriseRequest {
        amount: usd("71.00"),
        ..request.clone()
    };
    let other_order = AuthoriseRequest {
        order: "ord_other".into(),
        ..request.clone()
    };
    for other in [other_amount, other_order] {
        let refusal = refused(settled!(other.effect, service.authorise(&other)));
        assert_eq!(refusal.code, Refusal::DIFFERENT_DETAILS, "{refusal}");
    }
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Authorised, 0, 0))
    );
    done(service.capture(effect(), &reference, usd("70.00")).await);
}

async fn strangers_are_refused(subject: &dyn Subject) {
    let service = subject.service();
    for reference in ["pi_nobody", "sandbox_nobody", "", "../x", "pi_1/../../x"] {
        for refusal in [
            refused(service.capture(effect(), reference, usd("1.00")).await),
            refused(service.void(effect(), reference).await),
            refused(service.refund(effect(), reference, usd("1.00")).await),
            refused(service.payment(reference).await),
        ] {
            assert_eq!(refusal.kind, RefusalKind::Invalid, "{reference}: {refusal}");
        }
    }
}

async fn bad_requests_are_refused(subject: &dyn Subject) {
    let service = subject.service();
    let good = request(subject, Method::Good, usd("10.00"));
    let mut bad = vec![good.clone(); 4];
    bad[0].amount.minor = 0;
    bad[1].amount.exponent = 3;
    bad[2].order.clear();
    bad[3].method = "no method".into();
    for request in bad {
        let refusal = refused(service.authorise(&request).await);
        assert_eq!(refusal.kind, RefusalKind::Invalid, "{refusal}");
    }
    assert_eq!(books_of(subject, good.effect).await, None);
    // The id was not used up by what was never asked of the service.
    done(service.authorise(&good).await);
}

async fn currencies_keep_their_decimals(subject: &dyn Subject) {
    let service = subject.service();
    for (amount, minor) in [
        (money("12000", "JPY"), 12_000),
        (money("12.34", "EUR"), 1_234),
        (money("12.340", "KWD"), 12_340),
    ] {
        let request = request(subject, Method::Good, amount);
        let reference = done(service.authorise(&request).await).reference;
        done(service.capture(effect(), &reference, amount).await);
        done(service.refund(effect(), &reference, amount).await);
        let payment = done(service.payment(&reference).await);
        assert_eq!(payment.amount, amount);
        assert_eq!(
            (payment.captured_minor, payment.refunded_minor),
            (minor, minor)
        );
    }
}

async fn payments_are_found(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("15.00"));
    assert_eq!(done(service.find(request.effect).await), None);
    let reference = done(service.authorise(&request).await).reference;
    let found = done(service.find(request.effect).await).expect("it is there");
    assert_eq!(found.reference, reference);
    assert_eq!(found.effect, Some(request.effect));
    assert_eq!(found.state, PaymentState::Authorised);
    assert_eq!(done(service.payment(&reference).await), found);
    done(service.void(effect(), &reference).await);
    let found = done(service.payment(&reference).await);
    assert_eq!(found.state, PaymentState::Voided);
}

async fn many_at_once_are_one(subject: &dyn Subject) {
    let service = subject.service();
    let request = Arc::new(request(subject, Method::Good, usd("90.00")));
    let (capture, refund) = (effect(), effect());
    let mut asks = Vec::new();
    for _ in 0..8 {
        let (service, request) = (Arc::clone(&service), Arc::clone(&request));
        asks.push(tokio::spawn(async move {
            let reference = done(settled!(request.effect, service.authorise(&request))).reference;
            done(settled!(
                capture,
                service.capture(capture, &reference, usd("90.00"))
            ));
            done(settled!(
                refund,
                service.refund(refund, &reference, usd("45.00"))
            ));
            reference
        }));
    }
    let mut references = Vec::new();
    for ask in asks {
        references.push(ask.await.unwrap());
    }
    references.dedup();
    assert_eq!(references.len(), 1, "{references:?}");
    assert_eq!(
        books_of(subject, request.effect).await,
        Some((PaymentState::Captured, 9_000, 4_500))
    );
}

async fn capture_and_void_race(subject: &dyn Subject) {
    let service = subject.service();
    let request = request(subject, Method::Good, usd("44.00"));
    let reference = done(service.authorise(&request).await).reference;
    let (capture, void) = (effect(), effect());
    let (captured, voided) = tokio::join!(
        async { settled!(capture, service.capture(capture, &reference, usd("44.00"))) },
        async { settled!(void, service.void(void, &reference)) },
    );
    assert_ne!(captured.is_done(), voided.is_done(), "exactly one of them");
    let state = if captured.is_done() {
        (PaymentState::Captured, 4_400, 0)
    } else {
        (PaymentState::Voided, 0, 0)
    };
    assert_eq!(books_of(subject, request.effect).await, Some(state));
}
