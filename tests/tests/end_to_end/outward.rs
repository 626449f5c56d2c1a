//! Orders that go to a provider which is another Flightline, by the interface that Duffel has.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::{Client, economy};
use crate::events;
use crate::harness::{Place, Replica, run, stdout};
use crate::trip;

/// Two replicas: whose seats they are, and who sells them on.
struct Trade {
    provider: (Place, Replica),
    seller: (Place, Replica),
    flight: String,
}

impl Trade {
    async fn start(seats: u32, asks: &str, sells_at: &str) -> Self {
        let place = Place::new();
        let replica = place.start();
        // An open replica looks at no token: any variable that is set will do.
        let outward = format!(
            "[providers.acme.outward]\nway = \"duffel\"\nurl = \"{}\"\ntoken_env = \"HOME\"\n\
             [orders]\nplace_within_s = 60\n",
            replica.url
        );
        let seller = Place::with_config(&outward);
        let running = seller.start();
        let trade = Self {
            provider: (place, replica),
            seller: (seller, running),
            flight: events::flight(7),
        };
        for (client, price) in [(trade.provider(), asks), (trade.seller(), sells_at)] {
            let events = [
                events::schedule(&trade.flight, seats, 1),
                events::fares(&trade.flight, price, 1),
            ];
            let report = client.push("acme", &events).await;
            assert_eq!(report["accepted"], 2, "{report}");
        }
        trade
    }

    fn provider(&self) -> Client {
        Client::new(&self.provider.1.url)
    }

    fn seller(&self) -> Client {
        Client::new(&self.seller.1.url)
    }

    async fn sold(&self, client: &Client) -> i64 {
        let flight = client.get(&format!("/flights/{}", self.flight)).await.body;
        economy(&flight)["sold"].as_i64().expect("a number")
    }

    async fn orders_there(&self) -> Vec<Value> {
        let found = self.provider().get("/air/orders").await.body;
        found["data"].as_array().expect("orders").clone()
    }

    fn end(self) {
        for (place, replica) in [self.seller, self.provider] {
            replica.stop();
            place.verify();
        }
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to that: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_made_and_cancelled_at_the_provider_too() {
    let trade = Trade::start(5, "100.00", "120.00").await;
    let seller = trade.seller();
    let offer = trip::offer(&seller, 2, false).await;
    let order = trip::bought(&seller, &offer).await;
    let theirs = trade.orders_there().await;
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    assert_eq!(theirs[0]["total_amount"], "200.00");
    assert_eq!(theirs[0]["passengers"][0]["family_name"], trip::FAMILY);
    let named = &theirs[0]["metadata"]["flightline_booking"];
    assert_eq!(named, &order["booking_reference"]);
    assert_eq!(trade.sold(&trade.provider()).await, 2);
    // Whose booking it is, and under what name, the client sees; and why.
    let placed = &order["placements"][0];
    assert_eq!(placed["segment"], 1);
    assert_eq!(placed["flight_key"], trade.flight.as_str());
    assert_eq!(placed["provider"], "acme");
    assert_eq!(placed["state"], "acknowledged");
    assert_eq!(placed["reference"], theirs[0]["id"]);
    assert_eq!(placed["code"], Value::Null);
    assert_eq!(theirs[0]["placements"], serde_json::json!([]));
    let path = format!("/air/orders/{}/explanation", order["id"].as_str().unwrap());
    let why = seller.get(&path).await.body;
    assert_eq!(&why["data"]["placements"][0], placed, "{why}");
    let dir = trade.seller.0.data_dir_text();
    let id = order["id"].as_str().unwrap();
    let explained = run(&["explain", "order", id, "--data-dir", &dir]);
    let reference = theirs[0]["id"].as_str().unwrap();
    let line = format!(
        "{} at acme: acknowledged, its reference is {reference}\n",
        trade.flight
    );
    let text = stdout(&explained);
    assert!(text.contains(&line), "{text}");

    let quoted = trip::quote(&seller, &order).await;
    assert_eq!(quoted.status, StatusCode::CREATED, "{quoted:?}");
    let confirmed = trip::confirm(&seller, &quoted.body["data"]).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    until("cancelled there", async || {
        trade.sold(&trade.provider()).await == 0
    })
    .await;
    until("the seats are back", async || {
        trade.sold(&seller).await == 0
    })
    .await;
    let theirs = trade.orders_there().await;
    assert!(theirs[0]["cancelled_at"].is_string(), "{theirs:?}");
    trade.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_has_not_or_not_at_the_price_is_not_booked() {
    let trade = Trade::start(5, "130.00", "120.00").await;
    let seller = trade.seller();
    let offer = trip::offer(&seller, 1, false).await;
    let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
    let made = seller.call(Method::POST, "/air/orders", Some(&body)).await;
    assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{made:?}");
    let text = made.body.to_string();
    assert!(text.contains("price_changed"), "{text}");
    assert_eq!(trade.orders_there().await.len(), 0);
    assert_eq!(trade.sold(&seller).await, 0);
    // It is not offered again before the provider reports anew.
    let found = trip::search_body(1, false);
    until("no offer", async || {
        let found = seller
            .call(Method::POST, "/air/offer_requests", Some(&found))
            .await;
        found.body["data"]["offers"]
            .as_array()
            .is_none_or(Vec::is_empty)
    })
    .await;
    trade.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_while_it_is_placed_books_once() {
    let mut trade = Trade::start(5, "100.00", "120.00").await;
    let seller = trade.seller();
    let offer = trip::offer(&seller, 1, false).await;
    let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
    let asked = tokio::spawn(async move {
        // The replica dies meanwhile: there may be no answer.
        let _ = seller
            .try_call(Method::POST, "/air/orders", Some(&body))
            .await;
    });
    // Before, while or after the provider books it: whatever the moment is.
    until("it is on its way", async || {
        trade.sold(&trade.seller()).await == 1
    })
    .await;
    let (place, replica) = trade.seller;
    replica.kill();
    asked.abort();
    let running = place.start();
    trade.seller = (place, running);
    let seller = trade.seller();
    until("it is booked", async || {
        let orders = seller.get("/air/orders").await.body;
        orders["data"][0]["documents"]
            .as_array()
            .is_some_and(|d| !d.is_empty())
    })
    .await;
    assert_eq!(trade.sold(&trade.provider()).await, 1);
    assert_eq!(trade.orders_there().await.len(), 1);
    trade.end();
}
