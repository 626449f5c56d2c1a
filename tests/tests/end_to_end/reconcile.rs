//! What providers report against what the ledger knows: two on one flight, sales that a provider does not
//! know yet, silence, stops, snapshots, and a provider that is another Flightline.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::events;
use crate::harness::{Place, run, stderr, stdout};

async fn until(what: &str, mut wish: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if wish().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to that: {what}");
}

fn availability(flight: &str, seats: i64, counts: &str, at: u32) -> Value {
    json!({
        "type": "availability", "flight_key": flight, "source_version": events::version(at),
        "cabin": "Y", "status": "open", "seats": seats, "counts": counts,
    })
}

/// Seats from a provider, or from whom the ledger takes.
async fn hold(client: &Client, flight: &str, id: &str, provider: Option<&str>) -> (u16, String) {
    let body = json!({"id": id, "cabin": "Y", "seats": 1, "provider": provider});
    let path = format!("/flights/{flight}/holds");
    let answer = client.call(Method::POST, &path, Some(&body)).await;
    let said = match answer.status {
        StatusCode::CREATED => answer.body["provider"].as_str().unwrap_or("").to_owned(),
        _ => answer.code().to_owned(),
    };
    (answer.status.as_u16(), said)
}

async fn sell(client: &Client, flight: &str, id: &str, provider: &str) {
    let held = hold(client, flight, id, Some(provider)).await;
    assert_eq!(held.0, 201, "{held:?}");
    assert_eq!(client.act(id, "confirm").await.status, StatusCode::OK);
}

/// Flight and price of every offer that a search shows first, and how many seats of it.
async fn search(client: &Client) -> Vec<(String, String, u64)> {
    let path = "/search?origin=JFK&destination=LAX&date=2035-06-01&passengers=1";
    let found = client.get(path).await.body;
    let offers = found["data"].as_array().expect("offers");
    let offer = |offer: &Value| {
        (
            offer["provider"].as_str().unwrap_or("").to_owned(),
            offer["price"]["amount"].as_str().unwrap_or("").to_owned(),
            offer["seats"].as_u64().unwrap_or(999),
        )
    };
    offers.iter().map(offer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_providers_one_flight_one_sells_out_the_other_goes_on_and_the_aircraft_is_the_cap() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push(
            "acme",
            &[
                events::schedule(&flight, 10, 1),
                availability(&flight, 8, "total", 2),
                events::fares(&flight, "120.00", 1),
            ],
        )
        .await;
    client
        .push(
            "other",
            &[
                availability(&flight, 6, "total", 1),
                events::fares(&flight, "100.00", 1),
            ],
        )
        .await;
    // One flight, at the better price.
    until("search shows the better price", async || {
        let found = search(&client).await;
        found.len() == 1 && (found[0].0.as_str(), found[0].1.as_str()) == ("other", "100.00")
    })
    .await;
    for n in 0..6 {
        let from = hold(&client, &flight, &format!("a{n}"), None).await;
        assert_eq!(from, (201, "other".to_owned()), "{n}");
    }
    until("search shows who goes on", async || {
        let found = search(&client).await;
        found.len() == 1 && (found[0].0.as_str(), found[0].1.as_str()) == ("acme", "120.00")
    })
    .await;
    assert_eq!(
        hold(&client, &flight, "b", Some("other")).await,
        (409, "sold_out".to_owned())
    );
    for n in 0..4 {
        let from = hold(&client, &flight, &format!("c{n}"), None).await;
        assert_eq!(from, (201, "acme".to_owned()), "{n}");
    }
    // Of acme's eight seats four are left, of the aircraft's ten none.
    let full = hold(&client, &flight, "d", None).await;
    assert_eq!(full, (409, "sold_out".to_owned()));
    until("search shows no seat", async || {
        let found = search(&client).await;
        found.iter().all(|offer| offer.2 == 0)
    })
    .await;
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_remaining_two_are_sellable_while_three_sales_are_not_acknowledged() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let dir = place.data_dir_text();
    let flight = events::flight(1);
    client
        .push(
            "acme",
            &[
                events::schedule(&flight, 100, 1),
                availability(&flight, 8, "remaining", 2),
            ],
        )
        .await;
    for n in 0..3 {
        sell(&client, &flight, &format!("sale-{n}"), "acme").await;
    }
    let left = async || {
        let answer = client.get(&format!("/flights/{flight}")).await.body;
        let line = crate::client::economy(&answer);
        line["available"].as_i64().expect("a number")
    };
    let reconcile = |events: &[Value], more: &[&str]| {
        let text: String = events.iter().map(|event| format!("{event}\n")).collect();
        let file = place.file("snapshot.ndjson", &text);
        let mut args = vec![
            "feed",
            "reconcile",
            "--provider",
            "acme",
            "--data-dir",
            &dir,
        ];
        args.extend(["--format", "canonical"]);
        args.extend(more);
        args.push(&file);
        run(&args)
    };
    // Its own count has our three taken off already, though it has acknowledged none.
    let output = reconcile(&[availability(&flight, 5, "remaining", 3)], &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = &found["differences"][0];
    assert_eq!(row["cause"], "unacknowledged_sales", "{found}");
    assert_eq!((&row["reported"], &row["expected"]), (&json!(5), &json!(8)));
    // Nothing is changed by that.
    assert_eq!(left().await, 5);

    client
        .push("acme", &[availability(&flight, 5, "remaining", 3)])
        .await;
    assert_eq!(left().await, 2);
    let sales: Vec<String> = (0..3).map(|n| format!("sale-{n}")).collect();
    let acknowledge = json!({
        "type": "acknowledge", "flight_key": flight, "source_version": events::version(4),
        "holds": sales,
    });
    client
        .push(
            "acme",
            &[acknowledge, availability(&flight, 5, "remaining", 5)],
        )
        .await;
    assert_eq!(left().await, 5);
    let output = reconcile(&[availability(&flight, 5, "remaining", 6)], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("differences explained 0, unexplained 0"),
        "{}",
        stdout(&output)
    );
    // Nobody knows why it would be one less, and of a flight that it does not name.
    let other = events::flight(2);
    client
        .push("acme", &[events::schedule(&other, 10, 1)])
        .await;
    let third = events::flight(3);
    let snapshot = [
        availability(&flight, 4, "remaining", 6),
        events::schedule(&third, 10, 1),
    ];
    let output = reconcile(&snapshot, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let text = stdout(&output);
    for (flight, cause) in [
        (&flight, "unexplained"),
        (&other, "unknown_to_them"),
        (&third, "unknown_to_us"),
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with(flight.as_str()) && line.ends_with(cause)),
            "{flight} {cause}: {text}"
        );
    }
    // Older than what it said since, and not readable.
    let output = reconcile(&[availability(&flight, 4, "remaining", 1)], &["--json"]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = found["differences"].as_array().expect("rows");
    assert!(
        rows.iter().any(|row| row["cause"] == "stale_report"),
        "{found}"
    );
    let output = reconcile(&[json!({"type": "nonsense"})], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("snapshot.ndjson:1:"),
        "{}",
        stderr(&output)
    );

    let status = client.get("/providers/acme/status").await.body;
    let day = &status["last_event_at"].as_str().expect("a time")[..10];
    let args = ["feed", "report", "--provider", "acme", "--day", day];
    let output = run(&[&args[..], &["--json", "--data-dir", &dir]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for count in ["accepted", "duplicate", "stale", "rejected"] {
        assert_eq!(report[count], status[count], "{count}: {report} {status}");
    }
    replica.stop();
    place.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_silent_or_stopped_sells_nothing_until_it_is_heard_or_resumed() {
    let config = "[providers.acme]\nstaleness_limit_s = 2\n[ledger]\ntick_ms = 50\n";
    let place = Place::with_config(config);
    let replica = place.start();
    let client = Client::new(&replica.url);
    let dir = place.data_dir_text();
    let flights: Vec<_> = (1..=20).map(events::flight).collect();
    let schedules: Vec<_> = flights
        .iter()
        .flat_map(|flight| {
            [
                events::schedule(flight, 50, 1),
                events::fares(flight, "90.00", 1),
            ]
        })
        .collect();
    client.push("acme", &schedules).await;
    client
        .push("other", &[availability(&flights[0], 5, "total", 1)])
        .await;
    let silent = (409, "provider_silent".to_owned());
    let mut tries = 0;
    let mut try_all = async |wanted: &(u16, String), what: &str| {
        // Every flight lies in a partition of its own, more or less.
        for flight in &flights {
            until(what, async || {
                tries += 1;
                let id = format!("try-{tries}");
                let (status, said) = hold(&client, flight, &id, Some("acme")).await;
                if status == 201 {
                    // However often it is tried, there are seats left to tell silence by.
                    let released = client.act(&id, "release").await;
                    assert_eq!(released.status, StatusCode::OK, "{released:?}");
                }
                (status, said.as_str()) == (wanted.0, wanted.1.as_str())
            })
            .await;
        }
    };
    try_all(&silent, "silence ends the sale of every flight").await;
    let status = client.get("/providers/acme/status").await.body;
    assert_eq!(status["sale"]["state"], "silent", "{status}");
    assert_eq!(status["sale"]["silence_max_s"], 2);
    until("nothing of it is shown", async || {
        let found = search(&client).await;
        found.iter().all(|offer| offer.2 == 0)
    })
    .await;
    let from = hold(&client, &flights[0], "elsewhere", Some("other")).await;
    assert_eq!(from.0, 201, "another provider's seats are sold on");

    // One report about one flight, and all are on sale again, as long as it keeps talking.
    let talking = client.clone();
    let told = flights[3].clone();
    let talk = tokio::spawn(async move {
        for n in 10.. {
            talking
                .push("acme", &[events::equipment(&told, 50, n)])
                .await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    try_all(&(201, "acme".to_owned()), "it goes on").await;
    let output = run(&["feed", "stop", "--provider", "acme", "--data-dir", &dir]);
    assert_eq!(stdout(&output).trim(), "sale of acme: stopped");
    let stopped = (409, "provider_stopped".to_owned());
    try_all(&stopped, "it is stopped").await;
    talk.abort();
    let _ = talk.await;
    replica.kill();

    let replica = place.start();
    let client = Client::new(&replica.url);
    let found = hold(&client, &flights[0], "after", Some("acme")).await;
    assert_eq!(found, stopped, "a stop survives kill -9");
    let answer = client
        .call(Method::POST, "/providers/acme/resume", None)
        .await;
    assert_ne!(answer.body["state"], "stopped", "{answer:?}");
    client
        .push("acme", &[events::equipment(&flights[0], 40, 9_999)])
        .await;
    let found = hold(&client, &flights[0], "resumed", Some("acme")).await;
    assert_eq!(found.0, 201, "{found:?}");
    replica.stop();
    place.verify();
}

/// How often terms stand in a flight's history.
async fn terms_in_history(client: &Client, flight: &str) -> usize {
    let path = format!("/flights/{flight}/history?limit=200");
    let history = client.get(&path).await.body;
    let commands = history["data"].as_array().expect("a history");
    let terms = commands.iter().filter(|command| command["kind"] == "terms");
    terms.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_overbooking_allowance_holds_for_every_flight_and_changes_with_the_configuration()
 {
    let configured = |seats: u32| format!("[providers.acme]\noverbooking = {{ Y = {seats} }}\n");
    let mut place = Place::with_config(&configured(2));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let (flight, stated) = (events::flight(1), events::flight(2));
    let terms = json!({
        "type": "terms", "flight_key": stated, "source_version": events::version(1),
        "overbooking": [{"cabin": "Y", "seats": 1}],
    });
    let reports = [
        events::schedule(&flight, 4, 1),
        events::schedule(&stated, 4, 1),
        terms,
    ];
    client.push("acme", &reports).await;
    let mut asked = 0;
    let mut sell_all = async |client: &Client, flight: &str| {
        for sold in 0.. {
            asked += 1;
            let id = format!("hold-{asked}");
            match hold(client, flight, &id, Some("acme")).await {
                (201, _) => {}
                refused => {
                    assert_eq!(refused, (409, "sold_out".to_owned()));
                    return sold;
                }
            }
        }
        unreachable!("a flight has an end")
    };
    assert_eq!(sell_all(&client, &flight).await, 6);
    assert_eq!(
        sell_all(&client, &stated).await,
        5,
        "its own word goes before"
    );
    client.push("acme", &reports).await;
    client
        .push("acme", &[events::fares(&flight, "90.00", 1)])
        .await;
    assert_eq!(terms_in_history(&client, &flight).await, 1, "said once");
    replica.kill();

    // Nothing is reported any more, and yet what changes holds; also when it was said before.
    for (seats, more) in [(3, 1), (2, 0), (3, 1), (0, 0)] {
        place.configure(&configured(seats));
        let replica = place.start();
        let client = Client::new(&replica.url);
        assert_eq!(sell_all(&client, &flight).await, more, "with {seats}");
        assert_eq!(sell_all(&client, &stated).await, 0, "with {seats}");
        replica.stop();
    }
    place.configure("");
    let replica = place.start();
    let client = Client::new(&replica.url);
    // 2, 3, 2, 3 and 0, which is what saying nothing says.
    assert_eq!(terms_in_history(&client, &flight).await, 5);
    // Its own, which it sent twice.
    assert_eq!(terms_in_history(&client, &stated).await, 2);
    replica.stop();
    place.verify();
}

/// `2027-01-05`, so many days from now.
fn day(days: u32) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("+{days} days"), "+%Y-%m-%d"])
        .output()
        .expect("date runs");
    stdout(&output).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duffel_shaped_provider_can_be_another_flightline() {
    let theirs = Place::new();
    let their_replica = theirs.start();
    let their_client = Client::new(&their_replica.url);
    let date = day(40);
    let flight = format!("FL77.{date}.JFK");
    let mut schedule = events::schedule(&flight, 30, 1);
    schedule["legs"][0]["departs"] = json!(format!("{date}T08:00"));
    schedule["legs"][0]["arrives"] = json!(format!("{date}T11:00"));
    let fares = events::fares(&flight, "77.00", 1);
    their_client.push("owner", &[schedule, fares]).await;

    let body = r#"{"data":{"slices":[{"origin":"JFK","destination":"LAX","departure_date":"{date}"}],"passengers":[{"type":"adult"}],"max_connections":0}}"#;
    let config = format!(
        "[providers.friend]\nformat = \"duffel\"\noptions = {{ cabins = \"Y:Y\" }}\n\
         [[providers.friend.pull]]\nurl = \"{}/air/offer_requests?return_offers=true\"\nbody = '{body}'\n\
         headers = {{ duffel-version = \"v2\", content-type = \"application/json\" }}\nevery_s = 1\ndays = \"40..40\"\n",
        their_replica.url
    );
    let ours = Place::with_config(&config);
    let replica = ours.start();
    let client = Client::new(&replica.url);
    let path = format!("/search?origin=JFK&destination=LAX&date={date}");
    until("their flight is found here, at their price", async || {
        let found = client.get(&path).await.body;
        let offers = found["data"].as_array().cloned().unwrap_or_default();
        offers.iter().any(|offer| {
            offer["provider"] == "friend"
                && offer["flight_key"] == flight.as_str()
                && offer["price"]["amount"] == "77.00"
        })
    })
    .await;
    let body = json!({"id": "one", "cabin": "Y", "seats": 1});
    let answer = client
        .call(
            Method::POST,
            &format!("/flights/{flight}/holds"),
            Some(&body),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let status = client.get("/providers/friend/status").await.body;
    assert_eq!(status["sources"][0]["refused"], 0, "{status}");
    replica.stop();
    ours.verify();
    their_replica.stop();
    theirs.verify();
}
