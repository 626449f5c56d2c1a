//! Why an order is as it is, and how its persons are forgotten.

use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::Client;
use crate::harness::{Place, run, stderr, stdout};
use crate::{events, trip};

async fn sell(client: &Client) {
    let flight = events::flight(1);
    let events = [
        events::schedule(&flight, 9, 1),
        events::fares(&flight, "120.00", 1),
    ];
    client.push("acme", &events).await;
}

fn explain(place: &Place, name: &str) -> Value {
    let dir = place.data_dir_text();
    let output = run(&["explain", "order", name, "--json", "--data-dir", &dir]);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_explained_by_its_id_and_its_reference_running_or_not() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client).await;
    let flight = events::flight(1);
    // Nine seats: the second order cannot have five, the first one has them.
    let first = trip::offer(&client, 5, false).await;
    let second = trip::offer(&client, 5, false).await;
    let order = trip::bought(&client, &first).await;
    let id = order["id"].as_str().expect("an id");
    let reference = order["booking_reference"].as_str().expect("a reference");
    let late = trip::order_body(&second, Some(trip::payment(&second, None)));
    let late = client.call(Method::POST, "/air/orders", Some(&late)).await;
    assert_eq!(late.code(), "offer_no_longer_available", "{late:?}");

    let path = format!("{}/explanation", trip::path_of(&order));
    let answer = client.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let over_http = answer.body["data"].clone();
    assert_eq!(over_http["booking_reference"], reference);
    assert_eq!(over_http["state"], "booked");
    let steps = over_http["steps"].as_array().expect("steps");
    let what: Vec<&str> = steps.iter().filter_map(|s| s["what"].as_str()).collect();
    let expected = [
        "create",
        "hold",
        "authorise",
        "confirm",
        "capture",
        "ticket",
    ];
    assert_eq!(what, expected, "{over_http}");
    let hold = &steps[1]["flight"];
    assert_eq!(hold["decision"]["flight"], flight, "{hold}");
    assert_eq!(hold["inventory_before"][0]["available"], 9, "{hold}");

    for name in [id, reference, &reference.to_lowercase()] {
        assert_eq!(explain(&place, name), over_http, "{name}");
    }
    let dir = place.data_dir_text();
    let text = |name: &str| {
        let output = run(&["explain", "order", name, "--data-dir", &dir]);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let told = text(reference);
    for part in [
        id,
        reference,
        "is booked",
        &flight,
        "capture: captured",
        "available 9",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    replica.stop();
    assert_eq!(explain(&place, id), over_http, "without a replica");
    assert_eq!(text(id), told);
    let other = "ord_00000000000000000000000000000000";
    for (name, says) in [
        (other, "there is no order"),
        ("nonsense!", "names no order"),
    ] {
        let output = run(&["explain", "order", name, "--data-dir", &dir]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    place.verify();
}

/// Every file under a folder.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files(&entry.path(), found);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
}

/// The names of the files that have these bytes somewhere.
fn holding(place: &Place, bytes: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    files(&place.data_dir(), &mut all);
    assert!(all.len() > 100, "PostgreSQL's files are looked at too");
    let has = |path: &PathBuf| {
        // A file may go while the others are read.
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(bytes.len()).any(|part| part == bytes)
    };
    let named = |path: &PathBuf| path.file_name().map(|n| n.to_string_lossy().into_owned());
    all.iter().filter(|p| has(p)).filter_map(named).collect()
}

/// The slots of the file of keys: 64 bytes each, the key in bytes 16 to 47.
fn slots(place: &Place) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(place.data_dir().join("keys")).expect("the file of keys");
    bytes.chunks(64).map(<[u8]>::to_vec).collect()
}

fn erase(place: &Place, order: &Value) -> (Value, String) {
    let dir = place.data_dir_text();
    let id = order["id"].as_str().expect("an id");
    let said = |json: &[&str]| {
        let all = [&["erase", "order", id, "--data-dir", &dir], json].concat();
        let output = run(&all);
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let first = serde_json::from_str(&said(&["--json"])).expect("JSON");
    (first, said(&[]))
}

/// Erases the persons of an order, and looks whether anything of them is left.
fn erased_for_good(place: &Place, order: &Value) {
    let before = slots(place);
    let (first, again) = erase(place, order);
    assert_eq!(first["keys_erased"], 1, "{first}");
    assert!(again.contains("were erased before"), "{again}");
    let after = slots(place);
    let changed: Vec<usize> = (0..before.len())
        .filter(|n| before[*n] != after[*n])
        .collect();
    assert_eq!(changed.len(), 1, "one key is gone and no other");
    let key = &before[changed[0]][16..48];
    assert!(key.iter().any(|byte| *byte != 0));
    assert_eq!(holding(place, key), [""; 0], "the key is left");
    // The search finds what is there: a key of somebody else.
    let other = changed[0] + 1;
    assert_eq!(holding(place, &after[other][16..48]), ["keys"]);
    for name in [trip::GIVEN, trip::FAMILY, "quirina@example.com"] {
        assert_eq!(holding(place, name.as_bytes()), [""; 0], "{name} is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erased_persons_are_nowhere_and_seats_and_money_stay() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        let offer = trip::offer(&client, 1, false).await;
        orders.push(trip::bought(&client, &offer).await);
    }
    let by_name = format!("/air/orders?passenger_name[]={}", trip::FAMILY);
    let found = client.get(&by_name).await.body;
    assert_eq!(found["data"].as_array().map(Vec::len), Some(3), "{found}");

    // While the replica runs.
    erased_for_good(&place, &orders[0]);
    let shown = client.get(&trip::path_of(&orders[0])).await.body["data"].clone();
    let person = &shown["passengers"][0];
    for name in ["given_name", "family_name"] {
        assert_eq!(person[name], "erased", "{shown}");
    }
    for field in ["email", "phone_number", "born_on", "title", "gender"] {
        assert!(person[field].is_null(), "{field}: {shown}");
    }
    for field in ["booking_reference", "total_amount", "documents", "state"] {
        assert_eq!(shown[field], orders[0][field], "{field}");
    }
    let found = client.get(&by_name).await.body;
    assert_eq!(found["data"].as_array().map(Vec::len), Some(2), "{found}");
    let other = client.get(&trip::path_of(&orders[1])).await.body;
    assert_eq!(other["data"]["passengers"][0]["family_name"], trip::FAMILY);
    place.verify();

    // While none runs.
    replica.stop();
    erased_for_good(&place, &orders[1]);
    place.verify();
    let output = run(&[
        "erase",
        "order",
        "ord_00000000000000000000000000000000",
        "--data-dir",
        &place.data_dir_text(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("never was"), "{}", stderr(&output));

    // It stays so, and the order is still there to be cancelled.
    let replica = place.start();
    let client = Client::new(&replica.url);
    for (order, name) in orders.iter().zip(["erased", "erased", trip::FAMILY]) {
        let shown = client.get(&trip::path_of(order)).await.body;
        assert_eq!(shown["data"]["passengers"][0]["family_name"], name);
    }
    let quote = trip::quote(&client, &orders[0]).await.body["data"].clone();
    let confirmed = trip::confirm(&client, &quote).await;
    assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    replica.stop();
    place.verify();
}
