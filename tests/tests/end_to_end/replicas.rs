//! Several replicas at work on one topic of a Fluvio cluster and one PostgreSQL.
//!
//! `FLIGHTLINE_TEST_FLUVIO=HOST:PORT` names the controller of a cluster that may be filled with test topics.
//! Without it these tests are skipped, and say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;

use crate::booking::{cabin, hold_all};
use crate::client::Client;
use crate::events;
use crate::harness::{Place, Replica, run, stderr, stdout};
use crate::tables;

const LONG: Duration = Duration::from_secs(60);

/// A topic and a database for several replicas. The database is one of a replica that does nothing else.
pub(crate) struct Shared {
    /// Of the database.
    pub(crate) url: String,
    config: String,
    host: Option<Replica>,
    host_place: Place,
}

impl Shared {
    pub(crate) async fn new(purpose: &str) -> Option<Self> {
        let Ok(controller) = std::env::var("FLIGHTLINE_TEST_FLUVIO") else {
            use std::io::Write;
            let line = "#".repeat(78);
            let text = format!(
                "\n{line}\n## SKIPPED: {purpose} was NOT run: it needs a Fluvio cluster.\n\
                 ## Set FLIGHTLINE_TEST_FLUVIO=HOST:PORT (the controller's) to run it.\n{line}\n"
            );
            // Past the capture of the test runner, which only shows what failing tests print.
            let _ = std::io::stderr().write_all(text.as_bytes());
            return None;
        };
        let place = Place::new();
        let host = place.start();
        let name = format!("shared_{}", std::process::id());
        let database = tables::connect(&place).await;
        database
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await
            .expect("a database is made");
        let url = run(&["database", "url", "--data-dir", &place.data_dir_text()]);
        let url = stdout(&url)
            .trim()
            .replace(":///flightline?", &format!(":///{name}?"));
        let topic = format!("replicas-{}-{purpose}", std::process::id());
        Some(Self {
            url: url.clone(),
            config: format!(
                "[stream]\nurl = \"fluvio://{controller}/{topic}\"\npartitions = 8\nshared = true\n\
                 [database]\nurl = \"{url}\"\n[auth]\nmode = \"open\"\n"
            ),
            host: Some(host),
            host_place: place,
        })
    }

    /// Kills the host of the database, which goes with it.
    pub(crate) async fn lose_database(&mut self) {
        self.host.take().expect("a host").kill();
        wait_until("the database is gone", || async {
            let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
            connected.is_err()
        })
        .await;
    }

    /// Brings it back.
    pub(crate) async fn find_database(&mut self) {
        self.host = Some(self.host_place.start());
        wait_until("the database is back", || async {
            let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
            connected.is_ok()
        })
        .await;
    }

    /// What all replicas are configured with.
    pub(crate) fn config(&self) -> &str {
        &self.config
    }

    pub(crate) fn place(&self) -> Place {
        Place::with_config(&self.config)
    }

    /// A folder of a replica that wants tokens, with further settings.
    pub(crate) fn place_with_tokens(&self, further: &str) -> Place {
        let config = self.config.replace("mode = \"open\"", "mode = \"tokens\"");
        Place::with_config(&format!("{config}{further}"))
    }
}

/// What the replica says of its tables: does it write them?
pub(crate) async fn writes(client: &Client) -> bool {
    let ready = client.get("/health/ready").await;
    !ready
        .body
        .to_string()
        .contains("another replica writes the tables")
}

pub(crate) async fn wait_until<F: Future<Output = bool>>(
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Duration {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LONG, "{what}: not within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

/// Both replicas fold the same stream to the same state, the tables hold it, and nothing is broken.
async fn both_are_clean(places: [&Place; 2], clients: [&Client; 2], flights: &[String]) -> Value {
    // Nothing more is on its way: both show the same of every flight.
    wait_until("both replicas show the same", || async {
        for flight in flights {
            let path = format!("/flights/{flight}");
            let (a, b) = (clients[0].get(&path).await, clients[1].get(&path).await);
            if a.body != b.body {
                return false;
            }
        }
        true
    })
    .await;
    let [a, b] = places.map(|place| place.verify());
    for of in ["records", "stream_hash", "state_hash", "oversold"] {
        assert_eq!(a[of], b[of], "{of}");
    }
    assert_eq!(a["oversold"], 0);
    a
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_sell_each_seat_once() {
    let Some(shared) = Shared::new("selling").await else {
        return;
    };
    let places = [shared.place(), shared.place()];
    let replicas = [places[0].start(), places[1].start()];
    let clients = [Client::new(&replicas[0].url), Client::new(&replicas[1].url)];
    let flight = events::flight(1);
    clients[0]
        .push("acme", &[events::schedule(&flight, 180, 1)])
        .await;
    wait_until("the other replica hears of it", || async {
        clients[1].get(&format!("/flights/{flight}")).await.status == StatusCode::OK
    })
    .await;

    // Every third request goes to both at the same time, with one id.
    let ids = |of: usize| -> Vec<String> {
        let mine = (0..900).filter(|n| n % 3 == of || n % 3 == 2);
        mine.map(|n| format!("client-{n}")).collect()
    };
    let (one, two) = tokio::join!(
        hold_all(&clients[0], &flight, ids(0)),
        hold_all(&clients[1], &flight, ids(1)),
    );
    let mut held = std::collections::BTreeSet::new();
    for (id, answer) in one.iter().chain(&two) {
        match answer.status {
            StatusCode::CREATED => {
                held.insert(id.clone());
            }
            StatusCode::CONFLICT => assert_eq!(answer.code(), "sold_out", "{id}: {answer:?}"),
            _ => panic!("{id}: {answer:?}"),
        }
    }
    assert_eq!(held.len(), 180, "each seat once");
    let mut first_and_replay = 0;
    for (id, answer) in &one {
        let Some(other) = two.get(id) else { continue };
        assert_eq!(answer.status, other.status, "{id}: one outcome");
        assert_eq!(
            answer.offset, other.offset,
            "{id}: at one place in the stream"
        );
        assert!(
            answer.replayed != other.replayed,
            "{id}: one of them was the first"
        );
        first_and_replay += 1;
    }
    assert_eq!(first_and_replay, 300);
    for client in &clients {
        assert_eq!(cabin(client, &flight).await, (180, 180, 0, 0));
    }

    // What was held at one replica is confirmed at the other, and read at the first.
    for (id, n) in held.iter().take(20).zip(0..) {
        let (here, there) = (&clients[n % 2], &clients[1 - n % 2]);
        let confirmed = here.act(id, "confirm").await;
        assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
        let offset = confirmed.offset.expect("an offset");
        let read = there
            .get_at_least(&format!("/flights/{flight}"), &offset)
            .await;
        assert_eq!(read.status, StatusCode::OK);
        let (_, _, sold, _) = crate::booking::cabin_of(&read.body);
        assert_eq!(
            sold,
            i64::try_from(n).unwrap() + 1,
            "read after it was written"
        );
    }
    let report = both_are_clean(
        [&places[0], &places[1]],
        [&clients[0], &clients[1]],
        &[flight],
    )
    .await;
    assert!(!report["tables"].as_array().unwrap().is_empty());
    let [one, two] = replicas;
    one.stop();
    two.stop();
}

/// Books at a replica until it is told to stop, and counts what was answered.
async fn book_on(client: Client, flights: Vec<String>, tag: &str, stop: Arc<AtomicBool>) -> u64 {
    let mut answered = 0;
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let flight = &flights[n % flights.len()];
        let body = serde_json::json!({"id": format!("{tag}-{n}"), "cabin": "Y", "seats": 1});
        let path = format!("/flights/{flight}/holds");
        let held = client.try_call(reqwest::Method::POST, &path, Some(&body));
        let Ok(held) = held.await else { break };
        assert!(
            held.status == StatusCode::CREATED || held.status == StatusCode::CONFLICT,
            "{held:?}"
        );
        answered += 1;
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_the_tables_over_when_their_writer_is_killed_or_stopped() {
    let Some(shared) = Shared::new("taking-over").await else {
        return;
    };
    let flights: Vec<String> = (1..=8).map(events::flight).collect();
    let (place_a, place_b) = (shared.place(), shared.place());
    let a = place_a.start();
    let client_a = Client::new(&a.url);
    assert!(writes(&client_a).await, "the first one writes");
    let schedules: Vec<_> = flights
        .iter()
        .map(|f| events::schedule(f, 500, 1))
        .collect();
    client_a.push("acme", &schedules).await;
    let b = place_b.start();
    let client_b = Client::new(&b.url);
    assert!(!writes(&client_b).await, "the second one does not");

    let tag = AtomicU64::new(0);
    let load = |client: &Client| {
        let stop = Arc::new(AtomicBool::new(false));
        let tag = format!("load{}", tag.fetch_add(1, Ordering::Relaxed));
        let (client, flights, stopped) = (client.clone(), flights.clone(), stop.clone());
        let task = tokio::spawn(async move { book_on(client, flights, &tag, stopped).await });
        (stop, task)
    };

    // The writer is killed while both are booked at.
    let (_, at_a) = load(&client_a);
    let (stop, at_b) = load(&client_b);
    tokio::time::sleep(Duration::from_millis(700)).await;
    a.kill();
    let took = wait_until("b takes the tables over", || writes(&client_b)).await;
    eprintln!("killed: taken over after {took:?}");
    at_a.await.expect("a's clients");
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    assert!(at_b.await.expect("b's clients") > 0, "b was booked at");

    // It comes back and stands by.
    let a = place_a.start();
    let client_a = Client::new(&a.url);
    assert!(!writes(&client_a).await, "b writes");
    both_are_clean([&place_a, &place_b], [&client_a, &client_b], &flights).await;

    // The writer is stopped under load: its session is ended, and what it says afterwards is not written.
    let (stop_a, at_a) = load(&client_a);
    let (stop_b, at_b) = load(&client_b);
    tokio::time::sleep(Duration::from_millis(500)).await;
    b.signal("STOP");
    let took = wait_until("a takes the tables over", || writes(&client_a)).await;
    eprintln!("stopped: taken over after {took:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    b.signal("CONT");
    wait_until("b has understood", || async { !writes(&client_b).await }).await;
    assert!(writes(&client_a).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    stop_a.store(true, Ordering::Relaxed);
    stop_b.store(true, Ordering::Relaxed);
    assert!(at_a.await.expect("a's clients") > 0, "a was booked at");
    assert!(at_b.await.expect("b's clients") > 0, "b was booked at");
    both_are_clean([&place_a, &place_b], [&client_a, &client_b], &flights).await;

    // Compared with each other over HTTP.
    let against = run(&[
        "verify",
        "--data-dir",
        &place_a.data_dir_text(),
        "--against",
        &b.url,
    ]);
    assert!(
        against.status.success(),
        "{}{}",
        stdout(&against),
        stderr(&against)
    );
    assert!(
        stdout(&against).contains("the same"),
        "{}",
        stdout(&against)
    );
    a.stop();
    b.stop();
}
