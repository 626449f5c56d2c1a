//! A replica that is paid through stripe-world, a stand-in for Stripe that nobody here wrote, and is sent
//! the events that it records, signed as Stripe signs: lost, late, doubled and the wrong way round.
//! `FLIGHTLINE_TEST_STRIPE` gives its address; without it these tests say that they did not run.
//!
//! Unknown outcomes are asked for again after an hour, so that only a notice can make an order go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_connectors::payments::port::{Asked, Cause, Unknown};
use flightline_connectors::payments::stripe::{API_VERSION, StripeConfig};
use flightline_connectors::payments::{
    Answer, AuthoriseRequest, Authorised, EffectId, Payment, PaymentService, Refunded, Sandbox,
    Secret, Stripe,
};
use flightline_ledger::Money;
use flightline_ledger::order::{OrderAction, OrderOutcome, OrderState};
use parking_lot::Mutex;
use serde_json::Value;

use super::hints;
use super::world::{Draft, Setup, World};

const VARIABLE: &str = "FLIGHTLINE_TEST_STRIPE";
const A: &str = "UA1.2027-03-01.EWR";

/// What is asked of the service, one step of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Authorise,
    Capture,
    Void,
    Refund,
}

/// The real adapter; the answers to the next asks of some steps are lost on the way.
#[derive(Debug)]
struct Lossy {
    stripe: Stripe,
    lose: Mutex<BTreeMap<Step, u32>>,
}

impl Lossy {
    fn lose(&self, step: Step) {
        *self.lose.lock().entry(step).or_default() += 1;
    }

    /// The answer, unless it is to be lost.
    fn pass<T>(&self, step: Step, answer: Answer<T>) -> Answer<T> {
        assert!(!answer.is_unknown(), "{step:?} is unknown by itself");
        match self.lose.lock().get_mut(&step) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Answer::Unknown(Unknown {
                    cause: Cause::Dropped,
                    detail: "lost by the test".into(),
                    pause_ms: None,
                })
            }
            _ => answer,
        }
    }
}

impl PaymentService for Lossy {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(async move { self.pass(Step::Authorise, self.stripe.authorise(request).await) })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        Box::pin(async move {
            let answer = self.stripe.capture(effect, reference, amount).await;
            self.pass(Step::Capture, answer)
        })
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { self.pass(Step::Void, self.stripe.void(effect, reference).await) })
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        Box::pin(async move {
            let answer = self.stripe.refund(effect, reference, amount).await;
            self.pass(Step::Refund, answer)
        })
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        self.stripe.find(authorise)
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        self.stripe.payment(reference)
    }
}

/// A replica and the account that pays it.
struct Counter {
    world: World,
    service: Arc<Lossy>,
    base: String,
    http: reqwest::Client,
}

/// How notices are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relay {
    /// As they happened, each once.
    InOrder,
    /// The newest first, each twice.
    ReversedAndDoubled,
}

/// What notices led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    notices: usize,
    asked: u64,
}

impl Counter {
    /// With a fresh account, or `None`, loudly, when there is no stripe-world.
    async fn open(test: &str) -> Option<Self> {
        use std::io::Write;
        let Ok(address) = std::env::var(VARIABLE) else {
            // Past the test harness, which swallows what passing tests print.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: notices {test} of stripe-world: set {VARIABLE} to its address"
            );
            return None;
        };
        let address = address.trim_end_matches('/');
        let base = format!(
            "{address}/worlds/flightline-notices-{test}-{}",
            std::process::id()
        );
        let config = StripeConfig {
            base: base.parse().unwrap(),
            secret: Secret::new("sk_test_flightline", "the test").unwrap(),
            api_version: API_VERSION.into(),
            connect_timeout_ms: 2_000,
            request_timeout_ms: 10_000,
        };
        let service = Arc::new(Lossy {
            stripe: Stripe::new(&config).unwrap(),
            lose: Mutex::default(),
        });
        let setup = Setup {
            service: Some(service.clone()),
            ..hints::setup()
        };
        let world = World::start_as(Arc::new(Sandbox::in_memory()), setup).await;
        world.flight(A, 5).await;
        Some(Self {
            world,
            service,
            base,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        })
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Value {
        let request = request.basic_auth("sk_test_setup", Some(""));
        let answer = request.send().await.expect("stripe-world answers");
        serde_json::from_str(&answer.text().await.unwrap()).expect("JSON")
    }

    /// An order paid by a new card.
    async fn order(&self, card: &str) -> Draft {
        let url = format!("{}/v1/payment_methods", self.base);
        let form = [("type", "card"), ("card[token]", card)];
        let made = self.ask(self.http.post(url).form(&form)).await;
        let method = made["id"].as_str().expect("a payment method");
        self.world.paid_by(&[A], 1, method)
    }

    /// Everything that the account has recorded, the newest first.
    async fn events(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let mut url = format!("{}/v1/events?limit=100", self.base);
            if let Some(last) = all.last() {
                url.push_str(&format!("&starting_after={}", last["id"].as_str().unwrap()));
            }
            let mut page = self.ask(self.http.get(url)).await;
            all.append(page["data"].as_array_mut().expect("a list"));
            if page["has_more"] != true {
                return all;
            }
        }
    }

    /// Sends every event that there is.
    async fn relay(&self, how: Relay) -> Told {
        let mut events = self.events().await;
        assert!(!events.is_empty());
        let times = match how {
            Relay::InOrder => {
                events.reverse();
                1
            }
            Relay::ReversedAndDoubled => 2,
        };
        let mut told = Told::default();
        for event in events {
            for _ in 0..times {
                told.notices += 1;
                told.asked += hints::tell(&self.world, &event.to_string()).await;
            }
        }
        told
    }

    async fn until(&self, order: &Draft, state: OrderState) {
        self.world.until(order.id, state).await;
    }

    /// State and amounts of every intent: status, received, refunded.
    async fn books(&self) -> Vec<(String, i64, i64)> {
        let list = |path: &str| self.http.get(format!("{}{path}?limit=100", self.base));
        let intents = self.ask(list("/v1/payment_intents")).await;
        let refunds = self.ask(list("/v1/refunds")).await;
        let refunds = refunds["data"].as_array().expect("refunds").clone();
        let intents = intents["data"].as_array().expect("intents").iter();
        let line = |intent: &Value| {
            let of_intent = refunds
                .iter()
                .filter(|r| r["payment_intent"] == intent["id"] && r["status"] == "succeeded");
            (
                intent["status"].as_str().unwrap().to_owned(),
                intent["amount_received"].as_i64().unwrap(),
                of_intent.map(|r| r["amount"].as_i64().unwrap()).sum(),
            )
        };
        intents.map(line).collect()
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.world.backend().metrics();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("flightline_payment_{name}_total ")));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}"))
            .parse()
            .unwrap()
    }
}

/// The answers of an authorisation, a capture and a refund are lost: the order goes on by what the service
/// tells of each, whatever else it tells, in whatever order, and once.
#[tokio::test(flavor = "multi_thread")]
async fn stripes_notices_settle_what_was_lost_in_any_order_and_any_number() {
    let Some(counter) = Counter::open("lost").await else {
        return;
    };
    let world = &counter.world;
    for step in [Step::Authorise, Step::Capture, Step::Refund] {
        counter.service.lose(step);
    }
    let order = counter.order("tok_visa").await;
    hints::start(world, &order).await;
    counter.until(&order, OrderState::Authorising).await;
    while counter.books().await.first().map(|b| b.0.as_str()) != Some("requires_capture") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let told = counter.relay(Relay::ReversedAndDoubled).await;
    assert!(told.asked >= 1, "{told:?}");
    // The seats are sold, and the capture's answer is lost.
    counter.until(&order, OrderState::Capturing).await;
    while counter.books().await[0].0 != "succeeded" {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let told = counter.relay(Relay::ReversedAndDoubled).await;
    assert!(told.asked >= 1, "{told:?}");
    assert_eq!(world.settled(order.id).await.state, OrderState::Booked);
    assert_eq!(counter.books().await, [("succeeded".to_owned(), 10_000, 0)]);

    let quoted = world.act(order.id, "quote", OrderAction::QuoteCancel).await;
    let OrderOutcome::Quoted { quote, .. } = quoted.outcome else {
        panic!("{quoted:?}");
    };
    let cancel = OrderAction::ConfirmCancel { quote };
    world.act(order.id, "cancel", cancel).await;
    while counter.books().await[0].2 == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let told = counter.relay(Relay::ReversedAndDoubled).await;
    assert!(told.asked >= 1, "{told:?}");
    assert_eq!(world.settled(order.id).await.state, OrderState::Cancelled);
    let books = [("succeeded".to_owned(), 10_000, 10_000)];
    assert_eq!(counter.books().await, books);

    // All of it again, late: nothing waits for it, and nothing changes.
    for how in [Relay::InOrder, Relay::ReversedAndDoubled] {
        assert_eq!(counter.relay(how).await.asked, 0, "{how:?}");
    }
    assert_eq!(counter.books().await, books);
    assert_eq!(world.sold(A).await, 0);
    assert_eq!(counter.metric("notices_refused"), 0, "all could be read");
    assert_eq!(counter.metric("trouble"), 0);
    assert!(counter.metric("notices_repeated") > 0);
    world.verify().await;
    counter.world.stop().await;
}

/// None of the notices comes: every order ends as it would, and when they come at last nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn orders_need_no_notice_and_late_ones_change_nothing() {
    let Some(counter) = Counter::open("late").await else {
        return;
    };
    let world = &counter.world;
    let mut orders = Vec::new();
    for (card, state) in [
        ("tok_visa", OrderState::Booked),
        ("tok_visa_chargeDeclined", OrderState::Refused),
        ("tok_threeDSecure2Required", OrderState::Refused),
        ("tok_visa", OrderState::Cancelled),
    ] {
        let order = counter.order(card).await;
        hints::start(world, &order).await;
        let first = world.settled(order.id).await.state;
        if state == OrderState::Cancelled {
            assert_eq!(first, OrderState::Booked);
            world.cancel_booking(order.id).await;
        } else {
            assert_eq!(first, state, "{card}");
        }
        orders.push((order.id, state, world.row(order.id).await.revision));
    }
    let books = counter.books().await;
    for how in [Relay::ReversedAndDoubled, Relay::InOrder] {
        let told = counter.relay(how).await;
        assert_eq!(told.asked, 0, "{how:?}");
        assert!(told.notices >= 10, "{told:?}");
    }
    for (order, state, revision) in orders {
        let row = world.row(order).await;
        assert_eq!((row.state, row.revision), (state, revision));
    }
    assert_eq!(counter.books().await, books);
    assert_eq!(world.sold(A).await, 1);
    assert_eq!(counter.metric("notices_refused"), 0);
    world.verify().await;
    counter.world.stop().await;
}
