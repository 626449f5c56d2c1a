//! Afterwards: is everything there that anybody was told, and nothing else?

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_connectors::payments::Sandbox;
use serde_json::{Value, json};

use super::plan::Flight;
use super::seats::{self, Told as Seat};
use super::target::Way;
use super::trips;
use crate::random::Dice;

/// What was found wrong, a line each, and how much was looked at.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Seats that clients were told of and that are not there.
    pub lost: Vec<String>,
    /// Seats that are there and that nobody was told of, or twice.
    pub doubled: Vec<String>,
    /// Flights with more seats sold than there are.
    pub oversold: Vec<String>,
    /// Money that is not that of booked orders.
    pub money: Vec<String>,
    /// Answers that differ from those that were given before.
    pub contradicted: Vec<String>,
    /// What `flightline verify` found.
    pub verify: Vec<String>,
    /// Requests that were asked once more.
    pub asked_again: u64,
}

impl Verdict {
    /// What was found at several replicas is one finding.
    pub fn forget_repeats(&mut self) {
        let all = [
            &mut self.lost,
            &mut self.doubled,
            &mut self.oversold,
            &mut self.money,
            &mut self.contradicted,
        ];
        for lines in all {
            lines.sort();
            lines.dedup();
        }
    }

    /// Is all well?
    pub fn is_clean(&self) -> bool {
        let Self {
            lost,
            doubled,
            oversold,
            money,
            contradicted,
            verify,
            asked_again: _,
        } = self;
        [lost, doubled, oversold, money, contradicted, verify]
            .into_iter()
            .all(Vec::is_empty)
    }
}

/// Answers that are asked for once more.
const ASK_AGAIN_MAX: u64 = 20_000;

async fn economy(way: &Way, flight: &Flight) -> anyhow::Result<[u64; 4]> {
    let answer = way
        .ask(&format!("/flights/{}", flight.key), None, None)
        .await?;
    ensure!(answer.status == 200, "{}: {}", flight.key, answer.body);
    let body = answer.body.get("data").unwrap_or(&answer.body);
    let line = &body["legs"][0]["cabins"][0];
    let number = |name: &str| {
        line[name]
            .as_u64()
            .with_context(|| format!("{name} of {line}"))
    };
    Ok([
        number("held")?,
        number("sold")?,
        number("authorised")?,
        number("oversold")?,
    ])
}

fn compare(verdict: &mut Verdict, key: &str, what: &str, told: u64, there: u64) {
    if there < told {
        let line = format!("{key}: clients were told of {told} seats {what}, there are {there}");
        verdict.lost.push(line);
    } else if there > told {
        let line = format!("{key}: clients were told of {told} seats {what}, there are {there}");
        verdict.doubled.push(line);
    }
}

/// Seats, flight by flight.
///
/// # Errors
///
/// The replica does not answer.
pub async fn seats(
    verdict: &mut Verdict,
    way: &Way,
    flights: &[Flight],
    stories: &[seats::Story],
) -> anyhow::Result<()> {
    let mut told = vec![(0_u64, 0_u64); flights.len()];
    for request in stories.iter().flat_map(|story| &story.requests) {
        let (held, sold) = &mut told[request.flight as usize];
        match request.told {
            Seat::Held => *held += 1,
            Seat::Sold => *sold += 1,
            Seat::SoldOut | Seat::Released | Seat::Cancelled => {}
        }
    }
    for (flight, (told_held, told_sold)) in flights.iter().zip(told) {
        let [held, sold, authorised, oversold] = economy(way, flight).await?;
        compare(verdict, &flight.key, "held", told_held, held);
        compare(verdict, &flight.key, "sold", told_sold, sold);
        if oversold > 0 || held + sold > authorised {
            let line = format!("{}: {held} held + {sold} sold of {authorised}", flight.key);
            verdict.oversold.push(line);
        }
    }
    for story in stories {
        verdict
            .contradicted
            .extend(story.contradictions.iter().cloned());
    }
    Ok(())
}

/// Some requests once more: each must be answered as it was.
///
/// # Errors
///
/// The replica does not answer.
pub async fn once_more(
    verdict: &mut Verdict,
    way: &Way,
    flights: &[Flight],
    stories: &[seats::Story],
    dice: &mut Dice,
) -> anyhow::Result<()> {
    let all: u64 = stories
        .iter()
        .map(|story| story.requests.len() as u64)
        .sum();
    for (client, story) in stories.iter().enumerate() {
        for (number, request) in story.requests.iter().enumerate() {
            if dice.below(all.max(1)) >= ASK_AGAIN_MAX {
                continue;
            }
            let id = seats::id(client as u32, number);
            let key = &flights[request.flight as usize].key;
            let body = json!({"id": id, "cabin": "Y", "seats": 1, "ttl_s": seats::TTL_S});
            let path = format!("/flights/{key}/holds");
            let answer = way.ask(&path, None, Some(&body)).await?;
            verdict.asked_again += 1;
            let wanted = if request.told == Seat::SoldOut {
                409
            } else {
                201
            };
            if answer.status != wanted || !answer.replayed {
                verdict.contradicted.push(format!(
                    "{id} on {key} ended as {:?} and is now answered {}{}: {}",
                    request.told,
                    answer.status,
                    if answer.replayed {
                        ""
                    } else {
                        ", as if it were new"
                    },
                    answer.body
                ));
            }
        }
    }
    Ok(())
}

async fn all_orders(way: &Way) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/air/orders?limit=200{after}");
        let page = way.ask(&path, None, None).await?;
        ensure!(
            page.status == 200,
            "orders are answered {}: {}",
            page.status,
            page.body
        );
        all.extend(page.body["data"].as_array().cloned().unwrap_or_default());
        match page.body["meta"]["after"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return Ok(all),
        }
    }
}

/// Orders once nothing more happens to any of them by itself.
async fn settled_orders(way: &Way) -> anyhow::Result<Vec<Value>> {
    let begun = Instant::now();
    loop {
        let all = all_orders(way).await?;
        let is_settled = |order: &Value| {
            matches!(
                order["state"].as_str(),
                Some("booked" | "awaiting_payment" | "refused" | "expired" | "cancelled")
            )
        };
        match all.iter().find(|order| !is_settled(order)) {
            None => return Ok(all),
            Some(order) => ensure!(
                begun.elapsed() < Duration::from_secs(300),
                "an order does not come to an end: {order}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Trips: what clients were told, their seats, their money.
///
/// # Errors
///
/// The replica does not answer.
pub async fn trips(
    verdict: &mut Verdict,
    way: &Way,
    flights: &[Flight],
    stories: &[trips::Story],
    books: &Path,
) -> anyhow::Result<u64> {
    let all = settled_orders(way).await?;
    let states: BTreeMap<&str, &str> = all
        .iter()
        .filter_map(|order| Some((order["id"].as_str()?, order["state"].as_str()?)))
        .collect();
    for told in stories.iter().flat_map(|story| &story.orders) {
        let there = states.get(told.id.as_str()).copied();
        let fits = match there {
            Some("cancelled") => told.is_cancelled,
            Some("booked") => told.is_booked && !told.is_cancelled,
            Some("awaiting_payment") => !told.is_booked && !told.is_cancelled,
            _ => false,
        };
        if !fits {
            verdict.contradicted.push(format!("{told:?} is {there:?}"));
        }
    }
    let mut held: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut booked, mut total_minor) = (0, 0);
    for order in &all {
        let seats = match order["state"].as_str() {
            Some("booked") => &mut sold,
            Some("awaiting_payment") => &mut held,
            _ => continue,
        };
        if order["state"] == "booked" {
            booked += 1;
            total_minor += minor(&order["total_amount"])?;
        }
        let travellers = order["passengers"].as_array().map_or(0, Vec::len) as u64;
        for slice in order["slices"].as_array().map_or(&[][..], Vec::as_slice) {
            let key = slice["segments"][0]["flight_key"].as_str();
            *seats.entry(key.context("a segment's flight")?).or_default() += travellers;
        }
    }
    for flight in flights {
        let told =
            |seats: &BTreeMap<&str, u64>| seats.get(flight.key.as_str()).copied().unwrap_or(0);
        let [there_held, there_sold, authorised, oversold] = economy(way, flight).await?;
        compare(
            verdict,
            &flight.key,
            "held for orders",
            told(&held),
            there_held,
        );
        compare(
            verdict,
            &flight.key,
            "sold to orders",
            told(&sold),
            there_sold,
        );
        if oversold > 0 || there_held + there_sold > authorised {
            let line = format!(
                "{}: {there_held} + {there_sold} of {authorised}",
                flight.key
            );
            verdict.oversold.push(line);
        }
    }
    for story in stories {
        verdict
            .contradicted
            .extend(story.contradictions.iter().cloned());
    }
    money(verdict, books, total_minor)?;
    Ok(booked)
}

/// An amount, in minor units of a currency with two of them.
fn minor(amount: &Value) -> anyhow::Result<i64> {
    let text = amount.as_str().context("an amount")?;
    text.replace('.', "").parse().context("an amount")
}

fn money(verdict: &mut Verdict, books: &Path, booked_minor: i64) -> anyhow::Result<()> {
    // No payment, no file.
    let kept = if books.exists() {
        // A copy is read, since the replica has them open.
        let folder = tempfile::tempdir()?;
        let copy = folder.path().join("books");
        std::fs::copy(books, &copy)?;
        let totals = Sandbox::open(&copy)?.totals();
        if totals.authorised > 0 {
            let line = format!("{} payments stay reserved", totals.authorised);
            verdict.money.push(line);
        }
        totals.captured_minor - totals.refunded_minor
    } else {
        0
    };
    if kept != booked_minor {
        verdict.money.push(format!(
            "the payment service keeps {kept}, booked orders cost {booked_minor} (minor units)"
        ));
    }
    Ok(())
}

/// `flightline verify` on the folder.
///
/// # Errors
///
/// It does not run.
pub fn verify(
    verdict: &mut Verdict,
    program: &Path,
    data_dir: &Path,
    database_url: Option<&str>,
) -> anyhow::Result<Value> {
    let mut command = Command::new(program);
    command
        .args(["verify", "--json", "--data-dir"])
        .arg(data_dir);
    if let Some(url) = database_url {
        command.args(["--database-url", url]);
    }
    let output = command.output();
    let output = output.context("flightline verify does not run")?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        verdict.verify.push(format!("{text}{error}"));
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap_or(Value::Null))
}

/// Replicas of one stream have folded the same: what `flightline verify` said of each.
pub fn same(verdict: &mut Verdict, verified: &[Value]) {
    for (n, other) in verified.iter().enumerate().skip(1) {
        for of in ["records", "stream_hash", "state_hash"] {
            let (first, other) = (&verified[0][of], &other[of]);
            if first != other || first.is_null() {
                let line = format!("{of} of replica 0 is {first}, of replica {n} {other}");
                verdict.verify.push(line);
            }
        }
    }
}
