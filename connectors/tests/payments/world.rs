//! stripe-world, a stand-in for Stripe that nobody here wrote. Its address comes from
//! `FLIGHTLINE_TEST_STRIPE`, such as `http://127.0.0.1:4740`; without it these tests say that they
//! did not run.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use flightline_connectors::payments::{EffectId, Payment, PaymentService};
use flightline_ledger::Money;
use serde_json::Value;

use crate::fake::state_of;
use crate::support::{Method, Soon, Subject, stripe_at};

const VARIABLE: &str = "FLIGHTLINE_TEST_STRIPE";

/// One fresh account.
pub(crate) struct World {
    pub(crate) base: String,
    client: reqwest::Client,
    methods: [(Method, String); 4],
}

/// A fresh account, or `None`, loudly, when there is no stripe-world.
pub(crate) async fn fresh(test: &str) -> Option<World> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(address) = std::env::var(VARIABLE) else {
        // Past the test harness, which swallows what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: payments {test} against stripe-world: set {VARIABLE} to its address"
        );
        return None;
    };
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let base = format!(
        "{}/worlds/flightline-{test}-{}-{number}",
        address.trim_end_matches('/'),
        std::process::id(),
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut world = World {
        base,
        client,
        methods: [
            (Method::Good, "tok_visa".into()),
            (Method::Declined, "tok_visa_chargeDeclined".into()),
            (
                Method::NoFunds,
                "tok_visa_chargeDeclinedInsufficientFunds".into(),
            ),
            (Method::Authentication, "tok_threeDSecure2Required".into()),
        ],
    };
    for at in 0..world.methods.len() {
        world.methods[at].1 = world.payment_method(&world.methods[at].1).await;
    }
    Some(world)
}

impl World {
    async fn payment_method(&self, token: &str) -> String {
        let form = [("type", "card"), ("card[token]", token)];
        let answer = self
            .client
            .post(format!("{}/v1/payment_methods", self.base))
            .basic_auth("sk_test_setup", Some(""))
            .form(&form)
            .send()
            .await
            .expect("stripe-world answers");
        let body: Value = answer.json().await.unwrap();
        body["id"].as_str().expect("a payment method").to_owned()
    }

    /// Every object of a list, newest first.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let mut url = format!("{}{path}?limit=100", self.base);
            if let Some(last) = all.last() {
                url.push_str(&format!("&starting_after={}", last["id"].as_str().unwrap()));
            }
            let answer = self
                .client
                .get(url)
                .basic_auth("sk_test_setup", Some(""))
                .send()
                .await
                .unwrap();
            let mut page: Value = answer.json().await.unwrap();
            all.append(page["data"].as_array_mut().expect("a list"));
            if page["has_more"] != true {
                return all;
            }
        }
    }

    async fn payments(&self) -> Vec<Payment> {
        let refunds = self.list("/v1/refunds").await;
        let show = |intent: Value| {
            let id = intent["id"].as_str().unwrap();
            let refunded = refunds
                .iter()
                .filter(|r| r["payment_intent"] == id && r["status"] == "succeeded")
                .map(|r| r["amount"].as_i64().unwrap())
                .sum();
            Payment {
                reference: id.to_owned(),
                effect: intent["metadata"]["flightline_effect"]
                    .as_str()
                    .map(|text| text.parse::<EffectId>().unwrap()),
                state: state_of(&intent),
                amount: Money {
                    minor: intent["amount"].as_i64().unwrap(),
                    currency: intent["currency"]
                        .as_str()
                        .unwrap()
                        .to_ascii_uppercase()
                        .parse()
                        .unwrap(),
                    exponent: 2,
                },
                captured_minor: intent["amount_received"].as_i64().unwrap(),
                refunded_minor: refunded,
            }
        };
        let intents = self.list("/v1/payment_intents").await;
        intents.into_iter().map(show).collect()
    }
}

impl Subject for World {
    fn service(&self) -> Arc<dyn PaymentService> {
        stripe_at(&self.base, 10_000)
    }

    fn method(&self, method: Method) -> String {
        let known = self.methods.iter().find(|(m, _)| *m == method);
        known.expect("every method was made").1.clone()
    }

    fn books(&self) -> Soon<'_, Vec<Payment>> {
        Box::pin(self.payments())
    }
}
