//! The payment service's notices over real HTTP: what it tells is asked for at once, and whatever else
//! comes changes nothing.
//!
//! Unknown outcomes are asked for again after an hour here, so that only a notice can make an order go
//! on within the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use flightline_connectors::payments::port::Asked;
use flightline_connectors::payments::stripe::webhook::Webhook;
use flightline_connectors::payments::{
    AuthoriseRequest, Authorised, EffectId, Payment, PaymentService, PaymentState, Refunded,
    Sandbox,
};
use flightline_ledger::Money;
use flightline_ledger::order::{OrderAction, OrderOutcome, OrderSettings, OrderState};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::world::{Draft, PATIENCE, Setup, World};

const A: &str = "UA1.2027-03-01.EWR";
pub(crate) const SECRET: &str = "whsec_new";
const OLD_SECRET: &str = "whsec_old";

/// What the service signs with is known, beside what it signed with before.
pub(crate) fn webhook() -> Webhook {
    Webhook::from_text(&format!("{SECRET}, {OLD_SECRET}"), "the test").unwrap()
}

pub(crate) fn setup() -> Setup {
    Setup {
        settings: OrderSettings {
            ask_again_first_ms: 3_600_000,
            ask_again_max_ms: 3_600_000,
            ..super::world::settings()
        },
        notices: Some(webhook()),
        ..Setup::default()
    }
}

async fn world() -> World {
    World::start_as(Arc::new(Sandbox::in_memory()), setup()).await
}

pub(crate) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

pub(crate) fn signed(secret: &str, at_s: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at_s}.{body}").as_bytes());
    let bytes = mac.finalize().into_bytes();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("t={at_s},v1={hex}")
}

/// One request on a connection of its own: status and body.
pub(crate) async fn send(world: &World, signature: Option<&str>, body: &str) -> (u16, Value) {
    let head = match signature {
        Some(signature) => format!("Stripe-Signature: {signature}\r\n"),
        None => String::new(),
    };
    let request = format!(
        "POST /payments/stripe/notices HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json; charset=utf-8\r\ncontent-length: {}\r\n{head}\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(world.replica().address()).await.unwrap();
    // What is refused for its size is not read to its end.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// A notice as the service sends it; gives how many asks it led to.
pub(crate) async fn tell(world: &World, body: &str) -> u64 {
    let (status, answer) = send(world, Some(&signed(SECRET, now_s(), body)), body).await;
    assert_eq!(
        (status, &answer["received"]),
        (200, &json!(true)),
        "{answer}"
    );
    answer["asked"].as_u64().unwrap()
}

fn event(kind: &str, object: Value) -> String {
    json!({
        "id": format!("evt_{kind}"), "object": "event", "type": kind, "created": now_s(),
        "livemode": false, "data": {"object": object},
    })
    .to_string()
}

fn intent(payment: &Payment, status: &str, received: i64) -> Value {
    json!({
        "id": payment.reference, "object": "payment_intent", "status": status,
        "amount": payment.amount.minor, "amount_received": received, "currency": "usd",
        "metadata": {"flightline_effect": payment.effect.unwrap().to_string()},
    })
}

pub(crate) fn authorised(payment: &Payment) -> String {
    let kind = "payment_intent.amount_capturable_updated";
    event(kind, intent(payment, "requires_capture", 0))
}

fn captured(payment: &Payment) -> String {
    let received = payment.amount.minor;
    event(
        "payment_intent.succeeded",
        intent(payment, "succeeded", received),
    )
}

fn refunded(payment: &Payment, status: &str) -> String {
    let refund = json!({
        "id": "re_1", "amount": payment.amount.minor, "currency": "usd", "status": status,
        "failure_reason": "lost_or_stolen_card", "payment_intent": payment.reference,
    });
    event("refund.updated", refund)
}

/// Asks for an order without waiting for it.
pub(crate) async fn start(world: &World, draft: &Draft) {
    let action = OrderAction::Create(Box::new(draft.create.clone()));
    let decision = world.act(draft.id, "create", action).await;
    assert_eq!(decision.outcome.reason(), None);
}

/// The one payment, once it stands so in the service's books.
pub(crate) async fn payment(world: &World, state: PaymentState) -> Payment {
    let found = async {
        loop {
            let books = world.sandbox.payments();
            if let Some(payment) = books.into_iter().find(|p| p.state == state) {
                return payment;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_settles_an_authorisation_whose_answer_was_lost() {
    let world = world().await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_lost");
    start(&world, &order).await;
    let payment = payment(&world, PaymentState::Authorised).await;
    // Out of order, and about another payment: neither is asked about.
    let mut other = payment.clone();
    other.effect = Some(EffectId(7));
    other.reference = "pi_other".into();
    assert_eq!(tell(&world, &authorised(&other)).await, 0);
    assert_eq!(tell(&world, &authorised(&payment)).await, 1);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    // Doubled, and late: the order waits for nothing any more.
    for _ in 0..2 {
        assert_eq!(tell(&world, &authorised(&payment)).await, 0);
        assert_eq!(tell(&world, &captured(&payment)).await, 0);
    }
    assert_eq!(world.captured().len(), 1);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_settles_a_capture_and_a_refund_after_a_restart() {
    let mut world = world().await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_capture_lost");
    start(&world, &order).await;
    let payment_then = payment(&world, PaymentState::Captured).await;
    world.restart().await;
    assert_eq!(world.row(order.id).await.state, OrderState::Capturing);
    assert_eq!(tell(&world, &captured(&payment_then)).await, 1);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);

    let order = world.paid_by(&[A], 1, "sandbox_refund_lost");
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
    let OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    let cancel = OrderAction::ConfirmCancel { quote };
    world.act(order.id, "cancel", cancel).await;
    let given_back = async {
        loop {
            let books = world.sandbox.payments();
            if let Some(payment) = books.into_iter().find(|p| p.refunded_minor > 0) {
                return payment;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let payment = tokio::time::timeout(PATIENCE, given_back).await.unwrap();
    assert_eq!(tell(&world, &refunded(&payment, "succeeded")).await, 1);
    assert_eq!(world.settled(order.id).await.state, OrderState::Cancelled);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_services_is_refused_and_changes_nothing() {
    let world = world().await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_lost");
    start(&world, &order).await;
    let payment = payment(&world, PaymentState::Authorised).await;
    let body = authorised(&payment);
    let (now, forged) = (now_s(), "{\"id\":\"evt_1\"}");
    let refused: [(Option<String>, &str, &str, &str); 7] = [
        (None, &body, "invalid_signature", "missing"),
        (
            Some("garbage".into()),
            &body,
            "invalid_signature",
            "malformed",
        ),
        (
            Some(signed("whsec_else", now, &body)),
            &body,
            "invalid_signature",
            "no signature fits",
        ),
        (
            Some(signed(SECRET, now, &body)),
            forged,
            "invalid_signature",
            "no signature fits",
        ),
        (
            Some(signed(SECRET, now - 3600, &body)),
            &body,
            "invalid_signature",
            "signed 3",
        ),
        (
            Some(signed(SECRET, now + 3600, &body)),
            &body,
            "invalid_signature",
            "a clock that is wrong",
        ),
        (
            Some(signed(SECRET, now, forged)),
            forged,
            "bad_request",
            "cannot be read",
        ),
    ];
    for (signature, body, code, message) in refused {
        let (status, answer) = send(&world, signature.as_deref(), body).await;
        let error = &answer["errors"][0];
        assert_eq!((status, &error["code"]), (400, &json!(code)), "{answer}");
        let text = error["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
    }
    let large = format!("{{\"id\":\"{}\"}}", "x".repeat(300 << 10));
    let (status, answer) = send(&world, Some(&signed(SECRET, now, &large)), &large).await;
    assert_eq!(
        (status, &answer["errors"][0]["code"]),
        (413, &json!("body_too_large"))
    );
    assert_eq!(world.row(order.id).await.state, OrderState::Authorising);
    let metrics = world.backend().metrics();
    assert!(
        metrics.contains("flightline_payment_notices_refused_total 7\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("flightline_payment_notices_asked_total 0\n"),
        "{metrics}"
    );

    // While one secret replaces another both are good.
    let (status, _) = send(&world, Some(&signed(OLD_SECRET, now_s(), &body)), &body).await;
    assert_eq!(status, 200);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_have_to_look_at_is_counted_once() {
    let world = world().await;
    world.flight(A, 5).await;
    let order = world.instant(&[A], 1);
    assert_eq!(world.create(&order).await.state, OrderState::Booked);
    let payment = payment(&world, PaymentState::Captured).await;
    let dispute = json!({
        "id": "dp_1", "amount": 10_000, "currency": "usd", "status": "needs_response",
        "payment_intent": payment.reference,
    });
    let dispute = event("charge.dispute.created", dispute);
    let unread = event("customer.created", json!({"id": "cus_1"}));
    for body in [refunded(&payment, "failed"), dispute, unread] {
        for _ in 0..2 {
            assert_eq!(tell(&world, &body).await, 0);
        }
    }
    let metrics = world.backend().metrics();
    for line in [
        "flightline_payment_notices_total 6\n",
        "flightline_payment_notices_repeated_total 2\n",
        "flightline_payment_trouble_total 2\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_there_is_no_such_address() {
    let world = World::start().await;
    let (status, answer) = send(&world, Some("t=1,v1=00"), "{}").await;
    assert_eq!(status, 404);
    let message = answer["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("STRIPE_WEBHOOK_SECRET"), "{message}");
    world.stop().await;
}

/// Lets authorisations pass one by one.
#[derive(Debug)]
struct Gate {
    sandbox: Arc<Sandbox>,
    open: Semaphore,
    asks: AtomicU32,
}

impl PaymentService for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(async move {
            self.asks.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
            self.sandbox.authorise(request).await
        })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        self.sandbox.capture(effect, reference, amount)
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        self.sandbox.void(effect, reference)
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        self.sandbox.refund(effect, reference, amount)
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        self.sandbox.find(authorise)
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        self.sandbox.payment(reference)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_overtakes_the_answer_is_not_forgotten() {
    let sandbox = Arc::new(Sandbox::in_memory());
    let gate = Arc::new(Gate {
        sandbox: sandbox.clone(),
        open: Semaphore::new(0),
        asks: AtomicU32::new(0),
    });
    let setup = Setup {
        service: Some(gate.clone()),
        ..setup()
    };
    let world = World::start_as(sandbox, setup).await;
    world.flight(A, 5).await;
    let order = world.paid_by(&[A], 1, "sandbox_lost");
    start(&world, &order).await;
    while gate.asks.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // The service tells while it is still being asked: the answer to that is then lost.
    let effect = flightline_ledger::order::EffectId::derive(
        order.id,
        flightline_ledger::order::Step::Authorise,
        0,
        1 << 32,
    );
    let told = json!({
        "id": "pi_1", "status": "requires_capture", "amount": 10_000, "currency": "usd",
        "metadata": {"flightline_effect": effect.to_string()},
    });
    let told = event("payment_intent.amount_capturable_updated", told);
    assert_eq!(tell(&world, &told).await, 1);
    assert_eq!(gate.asks.load(Ordering::SeqCst), 1, "not beside itself");
    gate.open.add_permits(2);
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!(gate.asks.load(Ordering::SeqCst), 2);
    world.stop().await;
}
