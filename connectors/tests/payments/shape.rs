//! What is sent to Stripe, byte by byte where it matters, and what its answers are taken for.

use std::sync::{Arc, Mutex};

use flightline_connectors::payments::{Answer, Cause, PaymentService, RefusalKind};
use serde_json::json;

use crate::fake::FakeStripe;
use crate::http::{Request, Response, serve};
use crate::support::{Method, Subject, done, effect, money, refused, request, stripe_at, usd};

fn requests(fake: &FakeStripe) -> Vec<Request> {
    std::mem::take(&mut fake.state.lock().unwrap().requests)
}

fn form(request: &Request) -> Vec<(&str, &str)> {
    let pairs = request.form.iter();
    pairs.map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

#[tokio::test]
async fn requests_are_as_stripe_wants_them() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let ask = request(&fake, Method::Good, money("12.340", "KWD"));
    let id = ask.effect.to_string();
    let reference = done(service.authorise(&ask).await).reference;
    let seen = requests(&fake);
    let lines: Vec<String> = seen
        .iter()
        .map(|r| format!("{} {}", r.method, r.path))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /v1/payment_intents".to_owned(),
            format!("POST /v1/payment_intents/{reference}/confirm"),
        ]
    );
    for r in &seen {
        assert_eq!(r.header("authorization"), Some("Bearer sk_test_flightline"));
        assert_eq!(r.header("stripe-version"), Some("2026-08-26.dahlia"));
        let kind = r.header("content-type");
        assert_eq!(kind, Some("application/x-www-form-urlencoded"));
        assert!(r.header("user-agent").unwrap().starts_with("flightline/"));
    }
    assert_eq!(
        form(&seen[0]),
        [
            ("amount", "12340"),
            ("currency", "kwd"),
            ("capture_method", "manual"),
            ("payment_method_types[]", "card"),
            ("payment_method", "pm_good"),
            ("description", &format!("Order {}", ask.order)),
            ("metadata[flightline_effect]", &id),
            ("metadata[flightline_order]", &ask.order),
            ("metadata[booking_reference]", "ABC234"),
        ]
    );
    let key = |r: &Request| r.header("idempotency-key").unwrap().to_owned();
    assert_eq!(key(&seen[0]), format!("flightline-{id}-create"));
    assert_eq!(key(&seen[1]), format!("flightline-{id}-confirm"));
    assert_eq!(form(&seen[1]), [("payment_method", "pm_good")]);

    let capture = effect();
    done(
        service
            .capture(capture, &reference, money("12.340", "KWD"))
            .await,
    );
    let seen = requests(&fake);
    assert_eq!(seen.len(), 1);
    let path = format!("/v1/payment_intents/{reference}/capture");
    assert_eq!(seen[0].path, path);
    assert_eq!(form(&seen[0]), [("amount_to_capture", "12340")]);
    assert_eq!(key(&seen[0]), format!("flightline-{capture}-capture"));

    let refund = effect();
    done(
        service
            .refund(refund, &reference, money("2.340", "KWD"))
            .await,
    );
    let seen = requests(&fake);
    assert_eq!(seen.len(), 2, "the list, then the refund");
    assert_eq!(seen[0].path, "/v1/refunds");
    assert_eq!(seen[0].field("payment_intent"), Some(&*reference));
    assert_eq!(
        form(&seen[1]),
        [
            ("payment_intent", &*reference),
            ("amount", "2340"),
            ("metadata[flightline_effect]", &refund.to_string()),
        ]
    );
    assert_eq!(key(&seen[1]), format!("flightline-{refund}-refund"));
}

#[tokio::test]
async fn a_saved_method_is_charged_without_its_customer() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let mut ask = request(&fake, Method::Good, usd("10.00"));
    ask.method = "cus_7/pm_good".into();
    done(service.authorise(&ask).await);
    let seen = requests(&fake);
    assert_eq!(seen[0].field("customer"), Some("cus_7"));
    assert_eq!(seen[0].field("payment_method"), Some("pm_good"));
    assert_eq!(seen[1].field("off_session"), Some("true"));
}

#[tokio::test]
async fn a_method_that_is_not_there_is_invalid() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    for method in ["pm_missing", "card", "tok_visa", "pm_good/../x"] {
        let mut ask = request(&fake, Method::Good, usd("10.00"));
        ask.method = method.into();
        let refusal = refused(service.authorise(&ask).await);
        assert_eq!(refusal.kind, RefusalKind::Invalid, "{method}: {refusal}");
    }
    assert_eq!(requests(&fake).len(), 1, "what is no method is not sent");
}

/// What waits for its payer is given up, so that it can never hold money behind the order's back.
#[tokio::test]
async fn what_nobody_can_approve_is_cancelled() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let ask = request(&fake, Method::Authentication, usd("10.00"));
    let refusal = refused(service.authorise(&ask).await);
    assert_eq!(refusal.code, "authentication_required");
    let seen = requests(&fake);
    assert!(seen[2].path.ends_with("/cancel"));
    assert_eq!(seen[2].field("cancellation_reason"), Some("abandoned"));
}

#[tokio::test]
async fn amounts_that_cannot_be_charged_exactly_are_not_sent() {
    let fake = FakeStripe::start().await;
    let service = fake.service();
    let ask = request(&fake, Method::Good, money("12.345", "KWD"));
    let refusal = refused(service.authorise(&ask).await);
    assert_eq!(refusal.code, "amount_not_chargeable");
    let refusal = refused(
        service
            .capture(effect(), "pi_1", money("0.001", "KWD"))
            .await,
    );
    assert_eq!(refusal.code, "amount_not_chargeable");
    assert!(requests(&fake).is_empty());
}

/// An adapter whose Stripe gives one answer to everything.
async fn answering(response: Response) -> Arc<dyn PaymentService> {
    let base = serve(move |_| response.clone()).await;
    stripe_at(&base, 2_000)
}

fn stripe_error(status: u16, kind: &str, code: &str) -> Response {
    let body = json!({ "error": { "type": kind, "code": code, "message": "Said the service." } });
    Response::new(status, body.to_string())
}

#[tokio::test]
async fn errors_are_what_they_prove() {
    let invalid = "invalid_request_error";
    for (response, want) in [
        (stripe_error(400, invalid, "amount_too_small"), None),
        (stripe_error(404, invalid, "resource_missing"), None),
        (stripe_error(402, "card_error", "expired_card"), None),
        (
            stripe_error(401, invalid, "api_key_expired"),
            Some(Cause::Credentials),
        ),
        (
            stripe_error(403, invalid, "permission"),
            Some(Cause::Credentials),
        ),
        (
            stripe_error(409, "idempotency_error", "idempotency_key_in_use"),
            Some(Cause::Busy),
        ),
        (
            stripe_error(429, invalid, "lock_timeout"),
            Some(Cause::RateLimited),
        ),
        (
            stripe_error(500, "api_error", "x"),
            Some(Cause::ServiceFault),
        ),
        (Response::new(503, "<html>"), Some(Cause::ServiceFault)),
        (Response::new(404, "<html>"), Some(Cause::Unreadable)),
        (Response::new(200, "<html>"), Some(Cause::Unreadable)),
        (
            Response::new(200, r#"{"object":"payment_intent","id":5}"#),
            Some(Cause::Unreadable),
        ),
        (
            Response::new(302, "").with("location", "http://127.0.0.1:9/"),
            Some(Cause::Unreadable),
        ),
    ] {
        let what = format!("{response:?}");
        let fake = FakeStripe::start().await;
        let ask = request(&fake, Method::Good, usd("10.00"));
        let service = answering(response).await;
        let answers = [
            service.authorise(&ask).await.map(|_| ()),
            service.capture(effect(), "pi_1", usd("10.00")).await,
            service.void(effect(), "pi_1").await,
            service
                .refund(effect(), "pi_1", usd("10.00"))
                .await
                .map(|_| ()),
            service.payment("pi_1").await.map(|_| ()),
        ];
        for answer in answers {
            match (answer, want) {
                (Answer::Unknown(unknown), Some(cause)) => {
                    assert_eq!(unknown.cause, cause, "{what}");
                    assert!(!unknown.detail.contains("sk_test"), "{}", unknown.detail);
                }
                (Answer::Refused(refusal), None) => {
                    assert!(refusal.message.contains("Said the service."), "{refusal}");
                }
                (answer, _) => panic!("{what}: {answer:?}"),
            }
        }
    }
}

#[tokio::test]
async fn rate_limits_carry_their_pause() {
    let limited = Response::new(429, r#"{"error":{"type":"invalid_request_error"}}"#);
    let service = answering(limited.with("Retry-After", "12")).await;
    let Answer::Unknown(unknown) = service.void(effect(), "pi_1").await else {
        panic!("a rate limit is unknown");
    };
    assert_eq!(unknown.cause, Cause::RateLimited);
    assert_eq!(unknown.pause_ms, Some(12_000));
}

#[tokio::test]
async fn the_bank_s_reason_is_passed_on() {
    let body = json!({ "error": {
        "type": "card_error", "code": "card_declined", "decline_code": "stolen_card",
        "message": "Your card was declined.",
    } });
    let fake = FakeStripe::start().await;
    let ask = request(&fake, Method::Good, usd("10.00"));
    let service = answering(Response::new(402, body.to_string())).await;
    let refusal = refused(service.authorise(&ask).await);
    assert_eq!(refusal.kind, RefusalKind::Declined);
    assert_eq!(refusal.code, "stolen_card");
}

/// A service whose answers never end, or never come, is unknown in bounded time and memory.
#[tokio::test]
async fn endless_and_silent_services_are_unknown() {
    let endless = answering(Response::new(200, vec![b' '; 9 << 20])).await;
    let Answer::Unknown(unknown) = endless.void(effect(), "pi_1").await else {
        panic!("should be unknown");
    };
    assert_eq!(unknown.cause, Cause::Unreadable);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = stripe_at(&format!("http://{address}"), 100);
    let Answer::Unknown(unknown) = silent.void(effect(), "pi_1").await else {
        panic!("should be unknown");
    };
    assert_eq!(unknown.cause, Cause::TimedOut);
}

/// A refund that fails later is seen as failed by the next ask, whatever the key remembers.
#[tokio::test]
async fn a_refund_s_state_is_read_and_not_remembered() {
    let id = effect();
    let status = Arc::new(Mutex::new("pending"));
    let served = Arc::clone(&status);
    let base = serve(move |r| {
        let refund = json!({
            "id": "re_1", "object": "refund", "amount": 500, "currency": "usd",
            "status": *served.lock().unwrap(), "payment_intent": "pi_1",
            "failure_reason": "expired_or_canceled_card",
            "metadata": { "flightline_effect": id.to_string() },
        });
        assert_eq!(r.method, "GET", "a refund that is there is not asked for");
        let list = json!({ "object": "list", "has_more": false, "data": [refund] });
        Response::new(200, list.to_string())
    })
    .await;
    let service = stripe_at(&base, 2_000);
    assert!(done(service.refund(id, "pi_1", usd("5.00")).await).is_pending);
    *status.lock().unwrap() = "succeeded";
    assert!(!done(service.refund(id, "pi_1", usd("5.00")).await).is_pending);
    *status.lock().unwrap() = "failed";
    let refusal = refused(service.refund(id, "pi_1", usd("5.00")).await);
    assert_eq!(refusal.code, "expired_or_canceled_card");
    assert_eq!(refusal.kind, RefusalKind::State);
}
