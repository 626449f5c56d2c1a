//! Clients that sell seats one by one, and remember what they were told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use super::plan::Flight;
use super::target::Way;
use crate::latency::Latencies;
use crate::random::Dice;

/// Where a request for seats ended, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Held and left so.
    Held,
    /// There was none left.
    SoldOut,
    /// Sold.
    Sold,
    /// Held and given back.
    Released,
    /// Sold and given back.
    Cancelled,
}

/// One request; its id is that of its client with its number.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Index of the flight.
    pub flight: u32,
    /// How it ended.
    pub told: Told,
}

/// What one client was told.
#[derive(Debug, Default)]
pub struct Story {
    /// By number.
    pub requests: Vec<Request>,
    /// From the moment a request was due to its definite answer.
    pub latencies: Latencies,
    /// Answers that contradict what was told before.
    pub contradictions: Vec<String>,
    /// Answers to requests that were asked again and had been decided the first time.
    pub found_again: u64,
}

/// The id of a request.
pub fn id(client: u32, number: usize) -> String {
    format!("chaos-{client}-{number}")
}

/// How long seats are held: longer than any run.
pub const TTL_S: u32 = 86_400;

/// One client, until the run is over.
pub struct Seller {
    /// Its number.
    pub client: u32,
    /// The way to the replica.
    pub way: Way,
    /// What is sold.
    pub flights: Arc<Vec<Flight>>,
    /// From the start of one request to that of the next.
    pub pace: Duration,
    /// What it asks for.
    pub dice: Dice,
}

impl Seller {
    /// Asks and asks.
    ///
    /// # Errors
    ///
    /// The replica did not come back, or an answer is none that there should be.
    pub async fn run(mut self) -> anyhow::Result<Story> {
        let mut story = Story::default();
        let mut due = Instant::now() + self.pace.mul_f64(self.dice.share());
        while !self.way.is_over() {
            tokio::time::sleep_until(due.into()).await;
            self.sell(&mut story, due).await?;
            // After an outage the load goes on as before; what could not be asked for is not made up.
            due = (due + self.pace).max(Instant::now() - self.pace);
        }
        Ok(story)
    }

    async fn sell(&mut self, story: &mut Story, due: Instant) -> anyhow::Result<()> {
        let flight = self.dice.below(self.flights.len() as u64) as u32;
        let id = id(self.client, story.requests.len());
        let body = json!({"id": id, "cabin": "Y", "seats": 1, "ttl_s": TTL_S});
        let path = format!("/flights/{}/holds", self.flights[flight as usize].key);
        let held = self.way.ask(&path, None, Some(&body)).await?;
        story.latencies.record(due.elapsed());
        story.found_again += u64::from(held.replayed);
        if held.replayed && held.unknown == 0 {
            let what = format!("{id} was never asked for, but counts as asked before");
            story.contradictions.push(what);
        }
        let told = match held.status {
            201 => self.go_on(&id, story).await?,
            409 if held.body["errors"][0]["code"] == "sold_out" => Told::SoldOut,
            status => anyhow::bail!("a hold of {id} was answered {status}: {}", held.body),
        };
        story.requests.push(Request { flight, told });
        Ok(())
    }

    async fn go_on(&mut self, id: &str, story: &mut Story) -> anyhow::Result<Told> {
        let (steps, told): (&[&str], _) = match self.dice.below(100) {
            0..40 => (&["confirm"], Told::Sold),
            40..70 => (&["release"], Told::Released),
            70..90 => (&["confirm", "cancel"], Told::Cancelled),
            _ => (&[], Told::Held),
        };
        for step in steps {
            let path = format!("/holds/{id}/{step}");
            let done = self
                .way
                .ask(&path, Some(&format!("{id}-{step}")), None)
                .await?;
            ensure!(done.status < 500, "{path} was answered {}", done.status);
            story.found_again += u64::from(done.replayed);
            if done.status != 200 {
                let what = format!("{id} was held, but its {step} is refused: {}", done.body);
                story.contradictions.push(what);
            }
        }
        Ok(told)
    }
}
