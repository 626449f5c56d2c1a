//! Several replicas while their database is away: at a start, and for long.
//!
//! Needs a Fluvio cluster, as `replicas` does.

use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::balanced::{Service, all_told, book_and_cancel, listen};
use crate::balancer::Receiver;
use crate::client::Client;
use crate::harness::{run, stderr};
use crate::replicas::{wait_until, writes};
use crate::{events, trip};

/// A replica starts while the database is away, and takes bookings with what it knew; one that knows nothing
/// says what it needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_starts_without_the_database() {
    let Some(mut service) = Service::start("start-alone", 2).await else {
        return;
    };
    service.sell(50).await;
    let receiver = Receiver::start().await;
    listen(&service.client, &receiver).await;
    let before = book_and_cancel(&service, "before").await;
    all_told(&receiver, &before).await;
    let offer = trip::offer(&service.client, 1, false).await;
    service.shared.lose_database().await;
    // Both die; nobody is left who was told anything.
    for replica in service.replicas.drain(..) {
        replica.kill();
    }
    let started: Vec<_> = service.places.iter().map(|place| place.start()).collect();
    let urls: Vec<&str> = started.iter().map(|r| r.url.as_str()).collect();
    service.balancer.set(&urls);
    // Tokens are known, and those that never were are not.
    let stranger = Client::unpooled(&service.balancer.url, "flightline_client_nobody");
    for _ in 0..2 {
        let status = stranger.get("/air/orders").await.status;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let status = service.client.get("/air/orders").await.status;
        assert_eq!(status, StatusCode::OK);
    }
    let flight = events::flight(2);
    let said = [events::schedule(&flight, 50, 1)];
    service.provider.push("acme", &said).await;
    for n in 0..4 {
        let id = format!("h{n}");
        wait_until("both know the flight", || async {
            let held = service.client.hold(&flight, &id, 1).await;
            held.status == StatusCode::CREATED
        })
        .await;
    }
    // Offers of before are signed with the key that all share, and so are new ones.
    let path = format!("/air/offers/{}", offer["id"].as_str().expect("an id"));
    let search = trip::search_body(1, false);
    for n in 0..2 {
        let shown = service.client.get(&path).await;
        assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
        let fresh = trip::offer(&service.client, 1, false).await;
        let path = format!("/air/offers/{}", fresh["id"].as_str().expect("an id"));
        for _ in 0..2 {
            let shown = service.client.get(&path).await;
            assert_eq!(shown.status, StatusCode::OK, "at the other one: {shown:?}");
        }
        let (path, key) = ("/air/offer_requests", format!("alone-{n}"));
        let found = service
            .client
            .try_keyed(Method::POST, path, Some(&search), Some(&key));
        let found = found.await.expect("an answer");
        assert_eq!(found.status, StatusCode::CREATED, "{found:?}");
    }
    // Passengers need keys, which a start without the database has none of.
    let order = trip::order_body(&offer, None);
    let made = service
        .client
        .call(Method::POST, "/air/orders", Some(&order))
        .await;
    assert_eq!(made.status, StatusCode::SERVICE_UNAVAILABLE, "{made:?}");
    // One that never worked with the database cannot know what it must.
    let fresh = service.shared.place_with_tokens("");
    let (config, folder) = (fresh.config_file(), fresh.data_dir_text());
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", &config];
    let refused = run(&[&args[..], &["--data-dir", &folder]].concat());
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(
        said.contains("the first start of a replica needs the database"),
        "{said}"
    );

    // The database comes back: somebody takes the tables, orders are taken, and clients hear of them.
    service.shared.find_database().await;
    wait_until("one writes the tables", || async {
        let mut writers = 0;
        for url in &urls {
            writers += u32::from(writes(&Client::new(url)).await);
        }
        writers == 1
    })
    .await;
    let again = service
        .client
        .call(Method::POST, "/air/orders", Some(&order));
    assert_eq!(again.await.status, StatusCode::CREATED);
    service.replicas = started;
    let after = book_and_cancel(&service, "after").await;
    all_told(&receiver, &after).await;
    let config = service.places[0].config_file();
    let revoked = run(&["token", "revoke", "shop", "--config", &config]);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    wait_until("no replica takes it", || async {
        let mut refused = 0;
        for _ in 0..2 {
            let status = service.client.get("/air/orders").await.status;
            refused += u32::from(status == StatusCode::UNAUTHORIZED);
        }
        refused == 2
    })
    .await;
    let reports: Vec<_> = service.places.iter().map(|place| place.verify()).collect();
    assert_eq!(reports[0]["state_hash"], reports[1]["state_hash"]);
    for replica in service.replicas {
        replica.stop();
    }
}

/// What an answer says of its place is enough to go on with an order at any other replica.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_there_at_another_replica_as_it_was_answered() {
    let Some(service) = Service::start("read-own-writes", 2).await else {
        return;
    };
    service.sell(200).await;
    let [one, two] = [0, 1].map(|n: usize| {
        let replica: &crate::harness::Replica = &service.replicas[n];
        Client::with_token(&replica.url, &service.token)
    });
    for _ in 0..20 {
        let offer = trip::offer(&one, 1, false).await;
        let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
        let made = one.call(Method::POST, "/air/orders", Some(&body)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        let place = made.offset.expect("a place");
        let shown = two
            .get_at_least(&trip::path_of(&made.body["data"]), &place)
            .await;
        assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
        assert_eq!(shown.body["data"]["state"], made.body["data"]["state"]);
    }
    for replica in service.replicas {
        replica.stop();
    }
}

/// More happens while the database is away than finds room in memory: all of it is told when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_long_outage_are_told_when_the_database_is_back() {
    let further = "allow_private = true\nheld_max = 3";
    let Some(mut service) = Service::start_with("long-outage", 2, further).await else {
        return;
    };
    service.sell(100).await;
    let receiver = Receiver::start().await;
    listen(&service.client, &receiver).await;
    service.shared.lose_database().await;
    let mut orders = Vec::new();
    for _ in 0..12 {
        let offer = trip::offer(&service.client, 1, false).await;
        let order = trip::bought(&service.client, &offer).await;
        orders.push(order["id"].as_str().expect("an id").to_owned());
    }
    let mut let_go = 0;
    for replica in &service.replicas {
        let metrics = Client::with_token(&replica.url, &service.token);
        let text = metrics.text("/metrics").await;
        let value = |name: &str| -> u64 {
            let line = text.lines().find(|line| line.starts_with(name));
            let line = line.unwrap_or_else(|| panic!("{name} is not in the metrics"));
            line[name.len()..].trim().parse().expect("a number")
        };
        assert!(value("flightline_webhook_events_held ") <= 3);
        let_go += value("flightline_webhook_events_let_go_total ");
    }
    assert!(let_go > 0, "everything found room");
    service.shared.find_database().await;
    let wanted: Vec<_> = (1..)
        .zip(["order.created", "payment.created"].map(str::to_owned))
        .collect();
    wait_until("every order is told", || async {
        orders
            .iter()
            .all(|order| receiver.of(order).len() >= wanted.len())
    })
    .await;
    // Whoever wanted to tell them again would have by now.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for order in &orders {
        assert_eq!(receiver.of(order), wanted, "{order}");
    }
    for replica in service.replicas {
        replica.stop();
    }
}
