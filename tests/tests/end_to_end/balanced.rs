//! Several replicas behind a balancer that knows nothing: every request of a client goes to another one.
//!
//! Needs a Fluvio cluster, as `replicas` does.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::balancer::{Balancer, Receiver};
use crate::client::{Answer, Client};
use crate::harness::{Place, Replica, run, stderr, stdout};
use crate::replicas::{Shared, wait_until, writes};
use crate::{events, trip};

/// Replicas, and who stands around them.
pub(crate) struct Service {
    pub(crate) shared: Shared,
    pub(crate) places: Vec<Place>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) balancer: Balancer,
    /// Every request of theirs goes to another replica than the one before.
    pub(crate) client: Client,
    pub(crate) provider: Client,
    pub(crate) token: String,
}

impl Service {
    pub(crate) async fn start(purpose: &str, replicas: usize) -> Option<Self> {
        Self::start_with(purpose, replicas, "allow_private = true").await
    }

    /// With these lines in `[webhooks]`.
    pub(crate) async fn start_with(purpose: &str, replicas: usize, webhooks: &str) -> Option<Self> {
        let shared = Shared::new(purpose).await?;
        // One payment service for all, as a real one would be.
        let books = tempfile::NamedTempFile::new()
            .expect("a file")
            .into_temp_path();
        let books = books.keep().expect("a file that stays");
        let further = format!(
            "[payments]\nurl = \"sandbox:{}\"\n[webhooks]\n{webhooks}\n",
            books.display()
        );
        let places: Vec<Place> = (0..replicas)
            .map(|_| shared.place_with_tokens(&further))
            .collect();
        // One token is made before any replica runs, in a folder; it goes where all are.
        let client = token(&places[0], &["--role", "client", "--name", "shop"], false);
        let started: Vec<Replica> = places.iter().map(Place::start).collect();
        let acme = ["--role", "provider", "--provider", "acme", "--name", "acme"];
        let provider = token(&places[replicas - 1], &acme, true);
        let urls: Vec<&str> = started.iter().map(|r| r.url.as_str()).collect();
        let balancer = Balancer::start(&urls).await;
        for url in urls {
            let client = Client::with_token(url, &provider);
            wait_until("a token that was just made is known everywhere", || async {
                let status = client.get("/providers/acme/status").await.status;
                status != StatusCode::UNAUTHORIZED
            })
            .await;
        }
        Some(Self {
            client: Client::unpooled(&balancer.url, &client),
            provider: Client::unpooled(&balancer.url, &provider),
            token: client,
            shared,
            places,
            replicas: started,
            balancer,
        })
    }

    /// A flight with seats, known to all.
    pub(crate) async fn sell(&self, seats: u32) {
        let flight = events::flight(1);
        let said = [
            events::schedule(&flight, seats, 1),
            events::fares(&flight, "120.00", 1),
        ];
        self.provider.push("acme", &said).await;
        for replica in &self.replicas {
            let client = Client::with_token(&replica.url, &self.token);
            wait_until("every replica sells it", || async {
                trip::finds(&client).await
            })
            .await;
        }
    }
}

/// Makes a token with the command; `known` = the tokens are in the database by now.
pub(crate) fn token(place: &Place, args: &[&str], known: bool) -> String {
    let (config, data_dir) = (place.config_file(), place.data_dir_text());
    let mut all = vec!["token", "create"];
    all.extend(args);
    let at = ["--data-dir", &data_dir];
    match known {
        true => all.extend(["--config", &config]),
        false => all.extend(at),
    }
    let made = run(&all);
    assert!(made.status.success(), "{}", stderr(&made));
    stdout(&made).trim().to_owned()
}

/// The same call twice, with one key: each goes to another replica, and the second is a replay of the first.
pub(crate) async fn twice(client: &Client, path: &str, body: &Value, key: &str) -> Answer {
    let call = || client.try_keyed(Method::POST, path, Some(body), Some(key));
    let first = call().await.expect("an answer");
    assert_eq!(first.status, StatusCode::CREATED, "{path}: {first:?}");
    assert!(!first.replayed, "{path}: {first:?}");
    let second = call().await.expect("an answer");
    assert_eq!(second.status, StatusCode::CREATED, "{path}: {second:?}");
    assert!(second.replayed, "{path}: {second:?}");
    assert_eq!(
        first.body["data"]["id"], second.body["data"]["id"],
        "{path}"
    );
    second
}

/// Search, hold, pay and cancel, each at another replica. Gives the order's id.
pub(crate) async fn book_and_cancel(service: &Service, tag: &str) -> String {
    let client = &service.client;
    let search = trip::search_body(1, false);
    let mut found = Value::Null;
    for n in 0.. {
        let key = format!("search-{tag}-{n}");
        let answer = twice(client, "/air/offer_requests", &search, &key).await;
        found = answer.body["data"]["offers"][0].clone();
        if found.is_object() {
            break;
        }
        assert!(n < 100, "a search finds no offers");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let path = format!("/air/offers/{}", found["id"].as_str().expect("an id"));
    for _ in 0..service.replicas.len() {
        let offer = client.get(&path).await;
        assert_eq!(offer.status, StatusCode::OK, "{offer:?}");
        assert_eq!(offer.body["data"]["total_amount"], "120.00");
    }
    let held = trip::order_body(&found, None);
    let order = twice(client, "/air/orders", &held, &format!("order-{tag}")).await;
    let order = order.body["data"].clone();
    for _ in 0..service.replicas.len() {
        let shown = client.get(&trip::path_of(&order)).await;
        assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
        assert_eq!(
            shown.body["data"]["passengers"][0]["given_name"],
            trip::GIVEN
        );
    }
    let payment = trip::payment(&order, None);
    let body = json!({"data": {"order_id": order["id"], "payment": payment}});
    let paid = twice(client, "/air/payments", &body, &format!("pay-{tag}")).await;
    assert_eq!(paid.body["data"]["status"], "succeeded", "{paid:?}");
    let quote = trip::quote(client, &order).await;
    assert_eq!(quote.status, StatusCode::CREATED, "{quote:?}");
    let cancelled = trip::confirm(client, &quote.body["data"]).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{cancelled:?}");
    assert_eq!(
        cancelled.body["data"]["refund_amount"], "120.00",
        "{cancelled:?}"
    );
    order["id"].as_str().expect("an id").to_owned()
}

/// Every event once, with its number, whoever of the replicas delivered it.
pub(crate) async fn all_told(receiver: &Receiver, order: &str) {
    let wanted = [
        "order.created",
        "payment.created",
        "order_cancellation.created",
        "order_cancellation.confirmed",
    ];
    wait_until("every event is delivered", || async {
        receiver.of(order).len() >= wanted.len()
    })
    .await;
    // Whoever wanted to deliver one again would have by now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let wanted: Vec<_> = (1..).zip(wanted.map(str::to_owned)).collect();
    assert_eq!(receiver.of(order), wanted);
}

pub(crate) async fn listen(client: &Client, receiver: &Receiver) {
    let body = json!({"data": {"url": receiver.url, "events": [
        "order.created", "payment.created", "order_cancellation.created", "order_cancellation.confirmed",
    ]}});
    let made = client
        .call(Method::POST, "/air/webhooks", Some(&body))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!(
        "/air/webhooks/{}",
        made.body["data"]["id"].as_str().expect("an id")
    );
    let shown = client.get(&path).await;
    assert_eq!(
        shown.status,
        StatusCode::OK,
        "at another replica: {shown:?}"
    );
}

async fn each_request_at_another_replica(purpose: &str, replicas: usize) {
    let Some(service) = Service::start(purpose, replicas).await else {
        return;
    };
    service.sell(9).await;
    let receiver = Receiver::start().await;
    listen(&service.client, &receiver).await;
    let order = book_and_cancel(&service, "a").await;
    all_told(&receiver, &order).await;
    let sent = service.balancer.sent(replicas);
    let (least, most) = (sent.iter().min(), sent.iter().max());
    assert!(
        most.unwrap() - least.unwrap() <= 1,
        "one after the other: {sent:?}"
    );

    // The log of deliveries is everybody's too, and a redelivery may be asked for anywhere.
    let log = service.client.get("/air/webhooks/deliveries").await;
    assert_eq!(
        log.body["data"].as_array().map(Vec::len),
        Some(4),
        "{log:?}"
    );
    let event = log.body["data"][0]["event_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/air/webhooks/events/{event}/actions/redeliver");
    assert!(service.client.post(&path).await.is_success());
    wait_until("it is delivered again", || async {
        receiver
            .seen()
            .iter()
            .filter(|b| b["id"] == event.as_str())
            .count()
            == 2
    })
    .await;

    // A token that is taken away is refused everywhere, without a restart.
    let config = service.places[0].config_file();
    let revoked = run(&["token", "revoke", "shop", "--config", &config]);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    wait_until("no replica takes it", || async {
        let mut refused = 0;
        for _ in 0..replicas {
            let status = service.client.get("/air/orders").await.status;
            refused += usize::from(status == StatusCode::UNAUTHORIZED);
        }
        refused == replicas
    })
    .await;
    // Nor does one that starts again, though its folder had it.
    let mut running = service.replicas;
    running.remove(0).stop();
    let again = service.places[0].start();
    service.balancer.set(&[&again.url]);
    let status = service.client.get("/air/orders").await.status;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // A command that names the folder alone is told where the tokens are.
    let folder = service.places[0].data_dir_text();
    let lost = run(&["token", "list", "--data-dir", &folder]);
    assert!(stderr(&lost).contains("--config"), "{}", stderr(&lost));
    assert_eq!(lost.status.code(), Some(1));
    again.stop();
    for replica in running {
        replica.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_are_one_service_to_a_client() {
    each_request_at_another_replica("balanced-two", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_are_one_service_to_a_client() {
    each_request_at_another_replica("balanced-three", 3).await;
}

/// The one that writes the tables is the one that keeps events and delivers: it is killed, then stopped.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_by_those_that_are_left() {
    let Some(mut service) = Service::start("balanced-killed", 2).await else {
        return;
    };
    service.sell(9).await;
    let receiver = Receiver::start().await;
    listen(&service.client, &receiver).await;
    let mut urls: Vec<String> = service.replicas.iter().map(|r| r.url.clone()).collect();
    let mut writer = 0;
    for (place, url) in urls.iter().enumerate() {
        if writes(&Client::new(url)).await {
            writer = place;
        }
    }
    // What it has just been told of dies with it, but for the stream.
    let before = book_and_cancel(&service, "before").await;
    service.replicas.remove(writer).kill();
    urls.remove(writer);
    service.balancer.set(&[&urls[0]]);
    let after = book_and_cancel(&service, "after").await;
    all_told(&receiver, &after).await;
    // At least once: what was under way when it died may come again, under its number.
    let mut numbers: Vec<u64> = receiver.of(&before).into_iter().map(|(n, _)| n).collect();
    numbers.dedup();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let report = service.places[1 - writer].verify();
    assert_eq!(report["oversold"], 0);
}

/// Bookings never wait for the database, with what the replicas knew when it went.
#[tokio::test(flavor = "multi_thread")]
async fn booking_goes_on_while_the_database_is_away() {
    let Some(mut service) = Service::start("balanced-alone", 2).await else {
        return;
    };
    service.sell(9).await;
    service.shared.lose_database().await;
    for n in 0..4 {
        let held = service
            .client
            .hold(&events::flight(1), &format!("h{n}"), 1)
            .await;
        assert_eq!(held.status, StatusCode::CREATED, "{held:?}");
    }
    let search = trip::search_body(1, false);
    let path = "/air/offer_requests";
    for _ in 0..2 {
        let call = service
            .client
            .try_keyed(Method::POST, path, Some(&search), Some("a-key"));
        let found = call.await.expect("an answer");
        assert_eq!(found.status, StatusCode::CREATED, "{found:?}");
    }
    let offer = trip::offer(&service.client, 1, false).await;
    let order = trip::ordered(&service.client, &trip::order_body(&offer, None)).await;
    let paid = trip::pay(&service.client, &order, None).await;
    assert_eq!(paid.status, StatusCode::CREATED, "{paid:?}");
    assert_eq!(paid.body["data"]["status"], "succeeded", "{paid:?}");
    // The same order again: from whom answered it, or nobody can tell that it is the same; never refused as another.
    let offer = trip::offer(&service.client, 1, false).await;
    let body = trip::order_body(&offer, None);
    let mut answers = Vec::new();
    for _ in 0..4 {
        let made =
            service
                .client
                .try_keyed(Method::POST, "/air/orders", Some(&body), Some("order-key"));
        answers.push(made.await.expect("an answer"));
    }
    assert_eq!(answers[0].status, StatusCode::CREATED, "{:?}", answers[0]);
    let again = &answers[2];
    assert!(
        again.status == StatusCode::CREATED && again.replayed,
        "{again:?}"
    );
    assert_eq!(again.body["data"]["id"], answers[0].body["data"]["id"]);
    for elsewhere in [&answers[1], &answers[3]] {
        let status = elsewhere.status;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{elsewhere:?}");
    }
    // What is in the database says so.
    let webhooks = service.client.get("/air/webhooks").await;
    assert_eq!(
        webhooks.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{webhooks:?}"
    );
}
