//! Simulated booking clients. They arrive at a fixed rate, whether or not the replica keeps up, so
//! that a slow answer shows as latency and not as fewer bookings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::commands::client::Client;

/// Somewhere to fly, on a day.
pub(crate) type Route = (String, String, String);

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub duration: Duration,
    pub rate: u32,
    pub seed: u64,
}

/// What came of it, as the clients saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Result {
    pub attempts: u64,
    pub nothing_found: u64,
    pub held: u64,
    pub sold_out: u64,
    pub refused: u64,
    pub confirmed: u64,
    pub released: u64,
    pub abandoned: u64,
    pub cancelled: u64,
    pub seats_sold: u64,
    pub overloaded: u64,
    pub failed: u64,
    pub first_failure: Option<String>,
    pub search_us: Vec<u32>,
    pub hold_us: Vec<u32>,
    pub elapsed: Duration,
}

/// Every route and day of the bundled schedule.
pub(crate) fn routes(shift_days: i64) -> anyhow::Result<Vec<Route>> {
    let mut routes = flightline_runtime::feed::bundled_routes(shift_days)?;
    routes.sort();
    routes.dedup();
    Ok(routes)
}

/// The share of fates, in percent.
const CONFIRM: u32 = 75;
const RELEASE: u32 = 10;
const CANCEL_OF_CONFIRMED: u32 = 4;

/// Runs the clients.
pub(crate) async fn run(client: &Client, routes: Vec<Route>, plan: Plan) -> anyhow::Result<Result> {
    anyhow::ensure!(!routes.is_empty(), "the bundled schedule has no routes");
    let routes = Arc::new(routes);
    let result = Arc::new(Mutex::new(Result::default()));
    let total = plan.duration.as_secs() * u64::from(plan.rate);
    let bar = super::super::feed::progress(Some(total), "bookings".to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    let started = Instant::now();
    // The label of the run keeps ids of an earlier run on the same data apart.
    let label = format!("{:x}", rand::rng().random::<u32>());
    let mut tasks = JoinSet::new();
    for n in 0..total {
        let due = started + Duration::from_secs_f64(n as f64 / f64::from(plan.rate));
        tokio::time::sleep_until(due.into()).await;
        let attempt = Attempt {
            client: client.clone(),
            routes: routes.clone(),
            result: result.clone(),
            rng: StdRng::seed_from_u64(plan.seed.wrapping_mul(1_000_003).wrapping_add(n)),
            id: format!("sim-{label}-{n}"),
            due,
        };
        tasks.spawn(attempt.run());
        tick(&bar, n);
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    bar.finish_and_clear();
    let mut result = std::mem::take(&mut *result.lock().await);
    result.elapsed = started.elapsed();
    result.search_us.sort_unstable();
    result.hold_us.sort_unstable();
    Ok(result)
}

fn tick(bar: &ProgressBar, n: u64) {
    if n.is_multiple_of(64) {
        bar.set_position(n);
    }
}

struct Attempt {
    client: Client,
    routes: Arc<Vec<Route>>,
    result: Arc<Mutex<Result>>,
    rng: StdRng,
    id: String,
    due: Instant,
}

impl Attempt {
    async fn run(mut self) {
        let outcome = self.attempt().await;
        let mut result = self.result.lock().await;
        result.attempts += 1;
        if let Err(error) = outcome {
            result.failed += 1;
            result
                .first_failure
                .get_or_insert_with(|| format!("{error:#}"));
        }
    }

    async fn attempt(&mut self) -> anyhow::Result<()> {
        let (origin, destination, date) = self
            .routes
            .choose(&mut self.rng)
            .cloned()
            .unwrap_or_default();
        let seats: u16 = *[1, 1, 1, 2, 2, 3, 4].choose(&mut self.rng).unwrap_or(&1);
        let path = format!(
            "/search?origin={origin}&destination={destination}&date={date}&passengers={seats}&limit=5"
        );
        let (status, found) = self.call(Method::GET, &path, None).await?;
        let search_us = micros(self.due.elapsed());
        anyhow::ensure!(
            status == StatusCode::OK,
            "search answered {status}: {found}"
        );
        self.result.lock().await.search_us.push(search_us);
        let empty = Vec::new();
        let offers = found["data"].as_array().unwrap_or(&empty);
        let Some(offer) = offers.choose(&mut self.rng) else {
            self.result.lock().await.nothing_found += 1;
            return Ok(());
        };
        let mut body = json!({
            "id": self.id,
            "provider": offer["provider"],
            "cabin": offer["cabin"],
            "board": offer["origin"],
            "off": offer["destination"],
            "seats": seats,
        });
        if let Some(class) = offer["class"].as_str() {
            body["class"] = Value::from(class);
        }
        let flight = offer["flight_key"].as_str().unwrap_or_default().to_owned();
        let asked = Instant::now();
        let (status, answer) = self
            .call(
                Method::POST,
                &format!("/flights/{flight}/holds"),
                Some(body),
            )
            .await?;
        let hold_us = micros(asked.elapsed());
        {
            let mut result = self.result.lock().await;
            result.hold_us.push(hold_us);
            match status {
                StatusCode::CREATED => result.held += 1,
                StatusCode::TOO_MANY_REQUESTS => {
                    result.overloaded += 1;
                    return Ok(());
                }
                StatusCode::CONFLICT => {
                    if answer["errors"][0]["code"] == "sold_out" {
                        result.sold_out += 1;
                    } else {
                        result.refused += 1;
                    }
                    return Ok(());
                }
                _ => anyhow::bail!("hold answered {status}: {answer}"),
            }
        }
        self.settle(seats).await
    }

    /// The client makes up its mind.
    async fn settle(&mut self, seats: u16) -> anyhow::Result<()> {
        let think = Duration::from_millis(self.rng.random_range(5..400));
        tokio::time::sleep(think).await;
        let fate = self.rng.random_range(0..100);
        if fate < CONFIRM {
            self.act("confirm").await?;
            {
                let mut result = self.result.lock().await;
                result.confirmed += 1;
                result.seats_sold += u64::from(seats);
            }
            if self.rng.random_range(0..100) < CANCEL_OF_CONFIRMED {
                self.act("cancel").await?;
                let mut result = self.result.lock().await;
                result.cancelled += 1;
                result.seats_sold -= u64::from(seats);
            }
        } else if fate < CONFIRM + RELEASE {
            self.act("release").await?;
            self.result.lock().await.released += 1;
        } else {
            self.result.lock().await.abandoned += 1;
        }
        Ok(())
    }

    async fn act(&mut self, verb: &str) -> anyhow::Result<()> {
        let path = format!("/holds/{}/{verb}", self.id);
        let (status, answer) = self.call(Method::POST, &path, None).await?;
        anyhow::ensure!(
            status == StatusCode::OK,
            "{verb} answered {status}: {answer}"
        );
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.client.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.json().await?))
    }
}

fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_micros()).unwrap_or(u32::MAX)
}
