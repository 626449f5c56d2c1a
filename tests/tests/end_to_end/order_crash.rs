//! The program is killed while orders are made, paid and cancelled: seats and money stay together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flightline_connectors::payments::Sandbox;
use flightline_tests::history::{Rng, derive};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::client::{Answer, Client, economy};
use crate::harness::{Place, until};
use crate::{events, tables, trip};

const CLIENTS: u64 = 50;
/// New flights of a round, each way.
const FLIGHTS: u32 = 2;
/// Few enough that flights sell out, so that orders over two flights are undone too.
const SEATS: u32 = 60;
/// What comes of itself, or of a time that has passed, within the patience of a test.
const PATIENCE: Duration = Duration::from_secs(120);

fn from_env<T: std::str::FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The flights of a round: the ways there, then the ways back.
fn flights(round: u32) -> Vec<String> {
    let numbers = || (1..=FLIGHTS).map(|n| round * 10 + n);
    let out = numbers().map(events::flight);
    out.chain(numbers().map(|n| events::flight_back(n + 5)))
        .collect()
}

async fn sell(client: &Client, round: u32) {
    let mut all = Vec::new();
    for (n, flight) in flights(round).iter().enumerate() {
        all.push(match n < FLIGHTS as usize {
            true => events::schedule(flight, SEATS, 1),
            false => events::schedule_back(flight, SEATS, 1),
        });
        all.push(events::fares(flight, &format!("{}.00", 110 + n), 1));
    }
    client.push("acme", &all).await;
}

/// Sums over the sandbox's books.
#[derive(Debug, Default)]
struct Books {
    /// Payments that hold a reservation.
    authorised: u64,
    /// Payments that were taken.
    captured: u64,
    /// What was taken and not given back, in minor units.
    kept_minor: i64,
}

/// The sandbox's books: a copy is read, since a replica may have them open.
fn books(data_dir: &Path) -> Books {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("books");
    // No payment, no file.
    if std::fs::copy(data_dir.join("sandbox-payments"), &copy).is_err() {
        return Books::default();
    }
    let totals = Sandbox::open(&copy).expect("the sandbox's books").totals();
    Books {
        authorised: totals.authorised,
        captured: totals.captured,
        kept_minor: totals.captured_minor - totals.refunded_minor,
    }
}

/// What a client was told of an order, and what it asked for since.
#[derive(Clone, Debug)]
struct Told {
    order: Value,
    /// It was told that the order is paid and its ticket issued.
    is_paid: bool,
    /// It asked to pay; whether that came about is not known.
    asked_to_pay: bool,
    asked_to_cancel: bool,
    /// It was told that it is cancelled.
    is_cancelled: bool,
}

impl Told {
    /// The states in which the order may be once nothing more happens to it by itself.
    fn allows(&self, state: &str) -> bool {
        match state {
            "cancelled" => self.asked_to_cancel,
            "booked" => (self.is_paid || self.asked_to_pay) && !self.is_cancelled,
            "awaiting_payment" => !self.is_paid && !self.is_cancelled,
            _ => false,
        }
    }
}

/// One client: orders until the replica is gone.
struct Shopper {
    client: Client,
    rng: Rng,
    answers: Arc<AtomicU32>,
    told: Vec<Told>,
}

/// The replica is gone, or says that it does not know.
struct Gone;

impl Shopper {
    async fn ask(&self, path: &str, body: Option<&Value>) -> Result<Answer, Gone> {
        let answer = self.client.try_call(Method::POST, path, body).await;
        let answer = answer.map_err(|_| Gone)?;
        // 502 is known: nothing was done. Others leave open what became of it.
        if answer.status.is_server_error() && answer.status != StatusCode::BAD_GATEWAY {
            return Err(Gone);
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        Ok(answer)
    }

    async fn shop(mut self) -> Vec<Told> {
        while self.trip().await.is_ok() {}
        self.told
    }

    async fn trip(&mut self) -> Result<(), Gone> {
        let methods = [
            None,
            None,
            Some("sandbox_lost"),
            Some("sandbox_capture_lost"),
            Some("sandbox_slow"),
            Some("sandbox_declined"),
        ];
        let adults = 1 + self.rng.below(2);
        let search = trip::search_body(adults, self.rng.chance(500));
        let found = self.ask("/air/offer_requests", Some(&search)).await?;
        let offers = found.body["data"]["offers"].as_array();
        let Some(offer) = self.rng.pick_some(offers.map_or(&[], Vec::as_slice)) else {
            return Ok(());
        };
        let method = self.rng.pick(&methods);
        let is_instant = self.rng.chance(600);
        let pays = is_instant.then(|| trip::payment(&offer, method));
        let made = self
            .ask("/air/orders", Some(&trip::order_body(&offer, pays)))
            .await?;
        if made.status != StatusCode::CREATED {
            assert!(made.status.is_client_error() || made.status.is_server_error());
            return Ok(());
        }
        let order = made.body["data"].clone();
        self.told.push(Told {
            order: order.clone(),
            is_paid: is_instant,
            asked_to_pay: false,
            asked_to_cancel: false,
            is_cancelled: false,
        });
        if !is_instant && self.rng.chance(700) {
            self.last().asked_to_pay = true;
            let payment = trip::payment(&order, method);
            let body = json!({"data": {"order_id": order["id"], "payment": payment}});
            let paid = self.ask("/air/payments", Some(&body)).await?;
            self.last().asked_to_pay = false;
            self.last().is_paid = paid.status == StatusCode::CREATED;
        }
        if self.rng.chance(400) {
            let body = json!({"data": {"order_id": order["id"]}});
            let quoted = self.ask("/air/order_cancellations", Some(&body)).await?;
            let quote = quoted.body["data"]["id"].as_str().expect("a quote");
            self.last().asked_to_cancel = true;
            let path = format!("/air/order_cancellations/{quote}/actions/confirm");
            let confirmed = self.ask(&path, None).await?;
            self.last().is_cancelled = confirmed.status == StatusCode::OK;
        }
        Ok(())
    }

    fn last(&mut self) -> &mut Told {
        self.told.last_mut().expect("an order was told")
    }
}

/// Waits until nothing more happens to any order by itself, in the replica and in its tables.
async fn settled(place: &Place, client: &Client, told: &[Told]) {
    let sql = tables::connect(place).await;
    let busy = "SELECT count(*) FROM flightline.orders WHERE state NOT IN
        ('booked', 'awaiting_payment', 'refused', 'expired', 'cancelled')";
    tables::until(&sql, busy, &[&["0"]]).await;
    for told in told {
        let path = trip::path_of(&told.order);
        let mut state = String::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < deadline {
            let answer = client.get(&path).await;
            assert_eq!(answer.status, StatusCode::OK, "lost: {told:?}: {answer:?}");
            state = answer.body["data"]["state"].as_str().unwrap_or("").into();
            let is_settled = ["booked", "awaiting_payment", "expired", "cancelled"];
            if is_settled.contains(&state.as_str()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(told.allows(&state), "it is {state}: {told:?}");
    }
}

/// Every order that there is, page by page.
async fn all_orders(client: &Client, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/air/orders?limit=200{query}{after}");
        let page = client.get(&path).await.body;
        all.extend(page["data"].as_array().expect("orders").iter().cloned());
        match page["meta"]["after"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return all,
        }
    }
}

/// Cancels what is held and never paid, so that nothing holds seats any more.
async fn give_back(client: &Client) {
    for order in all_orders(client, "&awaiting_payment=true").await {
        let quote = trip::quote(client, &order).await.body["data"].clone();
        let confirmed = trip::confirm(client, &quote).await;
        assert_eq!(confirmed.status, StatusCode::OK, "{confirmed:?}");
    }
}

/// Amounts are in minor units.
fn minor(order: &Value) -> i64 {
    let text = order["total_amount"].as_str().expect("an amount");
    text.replace('.', "").parse().expect("a number")
}

/// Seats sold are those of booked orders, nothing is held, and the money is that of booked orders.
async fn adds_up(place: &Place, client: &Client, rounds: u32) -> usize {
    let all = all_orders(client, "").await;
    let booked: Vec<&Value> = all.iter().filter(|o| o["state"] == "booked").collect();
    let mut seats: BTreeMap<String, i64> = BTreeMap::new();
    for order in &booked {
        let travellers = order["passengers"].as_array().map_or(0, Vec::len) as i64;
        assert!(order["documents"][0].is_object(), "no ticket: {order}");
        for slice in order["slices"].as_array().expect("slices") {
            let flight = slice["segments"][0]["flight_key"].as_str();
            *seats.entry(flight.expect("a flight").into()).or_default() += travellers;
        }
    }
    for flight in (0..rounds).flat_map(flights) {
        let answer = client.get(&format!("/flights/{flight}")).await;
        let economy = economy(&answer.body);
        let sold = seats.get(&flight).copied().unwrap_or(0);
        assert_eq!(economy["sold"], sold, "{flight}: {economy}");
        assert_eq!(economy["held"], 0, "{flight}: {economy}");
    }
    let books = books(&place.data_dir());
    let taken: i64 = booked.iter().map(|order| minor(order)).sum();
    assert_eq!(books.kept_minor, taken, "{books:?}");
    assert_eq!(books.authorised, 0, "reserved for ever: {books:?}");
    booked.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_settle_and_seats_and_money_add_up_whenever_the_process_dies() {
    let rounds: u32 = from_env("FLIGHTLINE_KILL_ROUNDS", 8);
    let seed: u64 = from_env("FLIGHTLINE_KILL_SEED", 20_350_601);
    eprintln!("FLIGHTLINE_KILL_SEED={seed} FLIGHTLINE_KILL_ROUNDS={rounds}");
    // Checkpoints one after the other, so that some starts go on from one, and some kills meet one half
    // written.
    let place = Place::with_config("[checkpoint]\nevery_records = 60\nkeep = 2\n");
    let mut rng = Rng::new(seed);
    let mut told: Vec<Told> = Vec::new();
    for round in 0..rounds {
        let replica = place.start();
        let client = Client::new(&replica.url);
        settled(&place, &client, &told).await;
        sell(&client, round).await;
        trip::offer(&client, 1, true).await;
        let answers = Arc::new(AtomicU32::new(0));
        let mut tasks = JoinSet::new();
        for n in 0..CLIENTS {
            let shopper = Shopper {
                client: Client::new(&replica.url),
                rng: Rng::new(derive(seed, u64::from(round) * CLIENTS + n)),
                answers: answers.clone(),
                told: Vec::new(),
            };
            tasks.spawn(shopper.shop());
        }
        // Anywhere in the work, however fast the machine is.
        let enough = 50 + rng.below(400) as u32;
        while answers.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.below(100) as u64)).await;
        replica.kill();
        let news: Vec<Told> = tasks.join_all().await.into_iter().flatten().collect();
        eprintln!("round {round}: {} orders told", news.len());
        assert!(!news.is_empty(), "round {round}: nobody got an order");
        told.extend(news);
    }
    let replica = place.start();
    let client = Client::new(&replica.url);
    settled(&place, &client, &told).await;
    give_back(&client).await;
    let booked = adds_up(&place, &client, rounds).await;
    assert!(booked > 0 && told.len() > booked, "too little happened");
    replica.stop();
    let report = place.verify();
    eprintln!("{} orders told, {booked} booked: {report}", told.len());
}

/// The service has taken the money and its answer was lost: the order does not know of it when the
/// process dies.
#[tokio::test(flavor = "multi_thread")]
async fn the_process_dies_between_capture_and_ticket() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    sell(&client, 0).await;
    let offer = trip::offer(&client, 2, true).await;
    let held = trip::ordered(&client, &trip::order_body(&offer, None)).await;
    let paying = {
        let (client, held) = (client.clone(), held.clone());
        tokio::spawn(async move {
            let payment = trip::payment(&held, Some("sandbox_capture_lost"));
            let body = json!({"data": {"order_id": held["id"], "payment": payment}});
            let answer = client.try_call(Method::POST, "/air/payments", Some(&body));
            answer.await.map(|answer| answer.status)
        })
    };
    until("the money is taken", PATIENCE, || {
        books(&place.data_dir()).captured == 1
    });
    replica.kill();
    let answer = paying.await.expect("the client does not panic");
    assert!(answer.is_err(), "answered before the kill: {answer:?}");

    let replica = place.start();
    let client = Client::new(&replica.url);
    let mut state = Value::Null;
    for _ in 0..1000 {
        let order = client.get(&trip::path_of(&held)).await.body;
        state = order["data"]["state"].clone();
        if state == "booked" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(state, "booked");
    let books = books(&place.data_dir());
    assert_eq!(
        (books.captured, books.kept_minor),
        (1, minor(&held)),
        "{books:?}"
    );
    assert_eq!(adds_up(&place, &client, 1).await, 1);
    replica.stop();
    place.verify();
}
