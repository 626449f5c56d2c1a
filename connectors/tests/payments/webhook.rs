//! Stripe's notices: who may send them, and what they say in whatever order.

use std::collections::BTreeMap;

use flightline_connectors::payments::event::{
    DisputeState, PaymentEvent, PaymentFact, RefundState,
};
use flightline_connectors::payments::stripe::webhook::{Notice, Webhook, WebhookError};
use flightline_connectors::payments::{EffectId, PaymentState, Secret};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Method, Subject, authorised, done, effect, money, refused, request, usd};
use crate::world;

const NOW_S: i64 = 1_790_000_000;
const SECRET: &str = "whsec_test";

fn webhook() -> Webhook {
    Webhook::new(vec![Secret::new(SECRET, "the test").unwrap()], 300)
}

fn signature(secret: &str, time_s: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time_s}.").as_bytes());
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn header(secret: &str, time_s: i64, body: &[u8]) -> String {
    format!("t={time_s},v1={}", signature(secret, time_s, body))
}

fn notice(kind: &str, object: Value) -> Vec<u8> {
    json!({
        "id": "evt_1", "object": "event", "type": kind, "created": NOW_S, "livemode": false,
        "data": { "object": object },
    })
    .to_string()
    .into_bytes()
}

fn receive(body: &[u8]) -> Result<Notice, WebhookError> {
    webhook().receive(Some(&header(SECRET, NOW_S, body)), body, NOW_S)
}

fn fact(kind: &str, object: Value) -> PaymentEvent {
    match receive(&notice(kind, object)) {
        Ok(Notice::Fact(event)) => event,
        other => panic!("{kind} should tell a fact: {other:?}"),
    }
}

fn intent(status: &str) -> Value {
    json!({
        "id": "pi_1", "object": "payment_intent", "status": status, "amount": 5000,
        "amount_received": 4000, "currency": "usd",
        "metadata": { "flightline_effect": "0000000000000000000000000000002a" },
    })
}

/// From the description of the scheme, computed with OpenSSL: `printf '%s' "1790000000.{}" |
/// openssl dgst -sha256 -hmac whsec_test`.
#[test]
fn a_signature_made_elsewhere_is_right() {
    let known = "1c2847ad1f8158a1da978f36627ac1f07f7fd027321ac9ad40bccc06743f8396";
    let header = format!("t={NOW_S},v1={known}");
    assert_eq!(webhook().verify(Some(&header), b"{}", NOW_S), Ok(()));
}

#[test]
fn only_the_signed_body_passes() {
    let body = notice("payment_intent.succeeded", intent("succeeded"));
    let good = header(SECRET, NOW_S, &body);
    let check = |header: Option<&str>, body: &[u8]| webhook().verify(header, body, NOW_S);
    assert_eq!(check(Some(&good), &body), Ok(()));
    assert_eq!(check(None, &body), Err(WebhookError::NoSignature));
    let wrong = Err(WebhookError::WrongSignature);
    let mut changed = body.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(check(Some(&good), &changed), wrong);
    assert_eq!(check(Some(&good), &body[..body.len() - 1]), wrong);
    assert_eq!(
        check(Some(&header("whsec_other", NOW_S, &body)), &body),
        wrong
    );
    // A later time does not fit the signature.
    let moved = good.replace(&NOW_S.to_string(), &(NOW_S + 1).to_string());
    assert_eq!(check(Some(&moved), &body), wrong);
    let sig = signature(SECRET, NOW_S, &body);
    for bad in [
        String::new(),
        "t".into(),
        format!("v1={sig}"),
        format!("t={NOW_S}"),
        format!("t=,v1={sig}"),
        format!("t=-5,v1={sig}"),
        format!("t=+5,v1={sig}"),
        format!("t=9999999999999,v1={sig}"),
        format!("t={NOW_S},t={NOW_S},v1={sig}"),
        format!("t={NOW_S},v1=zz"),
        format!("t={NOW_S},v0={sig}"),
        format!("t={NOW_S}{}", format!(",v1={sig}").repeat(17)),
    ] {
        assert_eq!(
            check(Some(&bad), &body),
            Err(WebhookError::Malformed),
            "{bad}"
        );
    }
}

#[test]
fn any_of_several_signatures_and_secrets_will_do() {
    let body = b"{}";
    let right = signature(SECRET, NOW_S, body);
    let wrong = signature("whsec_old", NOW_S, body);
    for header in [
        format!("t={NOW_S},v1={wrong},v1={right},v0={wrong}"),
        format!("t={NOW_S}, v1={right}, v1={wrong}"),
        format!("v1={right},t={NOW_S}"),
        format!("t={NOW_S},v1=short,v1={right}"),
    ] {
        assert_eq!(
            webhook().verify(Some(&header), body, NOW_S),
            Ok(()),
            "{header}"
        );
    }
    let both = ["whsec_new", SECRET].map(|s| Secret::new(s, "the test").unwrap());
    let rotating = Webhook::new(both.to_vec(), 300);
    let header = format!("t={NOW_S},v1={right}");
    assert_eq!(rotating.verify(Some(&header), body, NOW_S), Ok(()));
    let none = Webhook::new(Vec::new(), 300);
    assert_eq!(
        none.verify(Some(&header), body, NOW_S),
        Err(WebhookError::WrongSignature)
    );
    assert!(!format!("{rotating:?}").contains("whsec"));
}

#[test]
fn old_and_future_notices_are_refused() {
    let body = b"{}";
    let header = header(SECRET, NOW_S, body);
    for (late_s, is_taken) in [
        (0, true),
        (300, true),
        (301, false),
        (-300, true),
        (-301, false),
    ] {
        let result = webhook().verify(Some(&header), body, NOW_S + late_s);
        let want = if is_taken {
            Ok(())
        } else {
            Err(WebhookError::WrongTime {
                age_s: late_s,
                tolerance_s: 300,
            })
        };
        assert_eq!(result, want, "{late_s}");
    }
}

#[test]
fn notices_are_read_as_facts() {
    let authorised = fact(
        "payment_intent.amount_capturable_updated",
        intent("requires_capture"),
    );
    assert_eq!(authorised.reference, "pi_1");
    assert_eq!(authorised.effect, Some(EffectId(42)));
    assert!(authorised.is_test);
    assert_eq!(
        authorised.fact,
        PaymentFact::Authorised {
            amount: usd("50.00")
        }
    );
    assert_eq!(
        fact("payment_intent.succeeded", intent("succeeded")).fact,
        PaymentFact::Captured {
            amount: usd("40.00")
        }
    );
    assert_eq!(
        fact("payment_intent.canceled", intent("canceled")).fact,
        PaymentFact::Voided
    );
    let mut failed = intent("requires_payment_method");
    failed["last_payment_error"] = json!({
        "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
        "charge": "ch_1",
    });
    assert_eq!(
        fact("payment_intent.payment_failed", failed).fact,
        PaymentFact::Declined {
            attempt: "ch_1".into(),
            code: "insufficient_funds".into()
        }
    );
    let refund = |status: &str| {
        json!({
            "id": "re_1", "object": "refund", "amount": 300, "currency": "jpy",
            "status": status, "payment_intent": "pi_1",
            "metadata": { "flightline_effect": "0000000000000000000000000000002b" },
        })
    };
    for (kind, status, state) in [
        ("refund.created", "pending", RefundState::Pending),
        ("refund.updated", "succeeded", RefundState::Done),
        ("charge.refund.updated", "succeeded", RefundState::Done),
        (
            "refund.failed",
            "failed",
            RefundState::Failed("refund_failed".into()),
        ),
    ] {
        let told = fact(kind, refund(status));
        assert_eq!(told.effect, Some(EffectId(43)));
        assert_eq!(
            told.fact,
            PaymentFact::Refund {
                refund: "re_1".into(),
                amount: money("300", "JPY"),
                state
            }
        );
    }
    // Two notices of the same: one key.
    let keys = ["refund.updated", "charge.refund.updated"]
        .map(|kind| fact(kind, refund("succeeded")).key());
    assert_eq!(keys[0], keys[1]);
    let dispute = |status: &str| {
        json!({ "id": "dp_1", "object": "dispute", "amount": 5000, "currency": "usd",
                "status": status, "payment_intent": "pi_1" })
    };
    for (kind, status, state) in [
        (
            "charge.dispute.created",
            "needs_response",
            DisputeState::Opened,
        ),
        ("charge.dispute.closed", "won", DisputeState::Won),
        ("charge.dispute.closed", "lost", DisputeState::Lost),
    ] {
        assert_eq!(
            fact(kind, dispute(status)).fact,
            PaymentFact::Dispute {
                dispute: "dp_1".into(),
                amount: usd("50.00"),
                state
            }
        );
    }
}

#[test]
fn other_notices_pass_and_unreadable_ones_say_which() {
    let other = receive(&notice("customer.created", json!({ "id": "cus_1" })));
    assert!(matches!(other, Ok(Notice::Other { .. })), "{other:?}");
    let of_none = json!({ "id": "re_1", "amount": 5, "currency": "usd", "status": "succeeded" });
    let other = receive(&notice("refund.created", of_none));
    assert!(matches!(other, Ok(Notice::Other { .. })), "{other:?}");

    let unreadable = |body: &[u8]| match receive(body) {
        Err(WebhookError::Unreadable { event, reason }) => (event, reason),
        other => panic!("should be unreadable: {other:?}"),
    };
    assert_eq!(unreadable(b"[]").0, "");
    assert_eq!(unreadable(b"not json").0, "");
    let mut strange = intent("succeeded");
    strange["currency"] = json!("qqq");
    let (event, reason) = unreadable(&notice("payment_intent.succeeded", strange));
    assert_eq!(event, "evt_1");
    assert!(reason.contains("qqq"), "{reason}");
    let (_, reason) = unreadable(&notice("payment_intent.succeeded", json!({ "id": 5 })));
    assert!(reason.contains("payment_intent.succeeded"), "{reason}");
}

/// Takes notices in, in any order and any number of times: what is known afterwards.
fn take_in<'a>(
    notices: impl Iterator<Item = &'a Vec<u8>>,
) -> BTreeMap<String, (String, PaymentFact)> {
    let mut known = BTreeMap::new();
    for body in notices {
        if let Ok(Notice::Fact(event)) = receive(body) {
            let details = (event.reference.clone(), event.fact.clone());
            let before = known.insert(event.key().to_string(), details.clone());
            // The same key always has the same details: a replay, never a conflict.
            assert!(before.is_none_or(|before| before == details));
        }
    }
    known
}

fn all_orders_say_the_same(notices: &[Vec<u8>]) -> BTreeMap<String, (String, PaymentFact)> {
    let known = take_in(notices.iter());
    assert_eq!(take_in(notices.iter().rev()), known);
    assert_eq!(take_in(notices.iter().chain(notices).chain(notices)), known);
    for turn in 0..notices.len() {
        let (a, b) = notices.split_at(turn);
        assert_eq!(take_in(b.iter().chain(a).chain(b)), known);
    }
    known
}

#[test]
fn doubled_and_reordered_notices_do_no_harm() {
    let refund = |status: &str| {
        json!({ "id": "re_1", "amount": 300, "currency": "usd", "status": status,
                "payment_intent": "pi_1" })
    };
    let notices = [
        notice(
            "payment_intent.amount_capturable_updated",
            intent("requires_capture"),
        ),
        notice("payment_intent.succeeded", intent("succeeded")),
        notice("refund.created", refund("pending")),
        notice("refund.updated", refund("succeeded")),
        notice("charge.refund.updated", refund("succeeded")),
        notice("charge.captured", json!({})),
    ];
    assert_eq!(all_orders_say_the_same(&notices).len(), 4);
}

/// The real thing's events of a whole day at the counter, signed, doubled and in other orders.
#[tokio::test]
async fn stripe_world_s_events_tell_its_books() {
    let Some(world) = world::fresh("webhook").await else {
        return;
    };
    let service = world.service();
    let a = authorised(&world, usd("10.00")).await;
    done(service.capture(effect(), &a, usd("10.00")).await);
    let back = effect();
    done(service.refund(back, &a, usd("4.00")).await);
    let b = authorised(&world, usd("20.00")).await;
    done(service.void(effect(), &b).await);
    let no = request(&world, Method::NoFunds, usd("30.00"));
    refused(service.authorise(&no).await);
    let unapproved = request(&world, Method::Authentication, usd("40.00"));
    refused(service.authorise(&unapproved).await);

    let events = world.list("/v1/events").await;
    assert!(events.len() > 10, "{} events", events.len());
    let notices: Vec<Vec<u8>> = events.iter().map(|e| e.to_string().into_bytes()).collect();
    for body in &notices {
        assert!(receive(body).is_ok(), "{:?}", receive(body));
    }
    let known = all_orders_say_the_same(&notices);
    let of = |reference: &str| -> Vec<PaymentFact> {
        let mut facts: Vec<PaymentFact> = known
            .values()
            .filter(|(r, _)| r == reference)
            .map(|(_, fact)| fact.clone())
            .collect();
        facts.sort();
        facts
    };
    let facts = of(&a);
    assert_eq!(facts.len(), 3, "{facts:?}");
    assert_eq!(
        facts[..2],
        [
            PaymentFact::Authorised {
                amount: usd("10.00")
            },
            PaymentFact::Captured {
                amount: usd("10.00")
            },
        ]
    );
    assert!(
        matches!(&facts[2], PaymentFact::Refund { amount, state: RefundState::Done, .. } if *amount == usd("4.00"))
    );
    assert_eq!(
        of(&b),
        [
            PaymentFact::Authorised {
                amount: usd("20.00")
            },
            PaymentFact::Voided,
        ]
    );
    for (request, code) in [
        (no, "insufficient_funds"),
        (unapproved, "authentication_required"),
    ] {
        let found = done(service.find(request.effect).await).unwrap();
        assert_eq!(found.state, PaymentState::Declined);
        let facts = of(&found.reference);
        assert!(
            matches!(&facts[..], [PaymentFact::Declined { code: c, .. }] if c == code),
            "{facts:?}"
        );
    }
    // A refund's event names the refund's effect.
    let told = notices.iter().filter_map(|body| match receive(body) {
        Ok(Notice::Fact(event)) => event.effect,
        _ => None,
    });
    assert!(told.into_iter().any(|id| id == back));
}
