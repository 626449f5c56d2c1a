//! The two loops: closed, where connections wait for their answers, and open, where time does not.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::pool::Pool;
use super::response::Answer;
use crate::latency::Latencies;
use crate::pace::Pace;

/// What is asked, and what becomes of the answers.
pub trait Client {
    /// Appends the next request of a connection; `false` = there are no more.
    fn request(&mut self, connection: usize, out: &mut Vec<u8>) -> bool;

    /// Takes an answer.
    ///
    /// # Errors
    /// When it is not what it should be: the benchmark ends.
    fn answer(&mut self, connection: usize, answer: &Answer<'_>) -> anyhow::Result<()>;
}

/// How a turn went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests answered: all that were sent.
    pub answered: u64,
    /// From the first request to the last answer, in seconds.
    pub elapsed_s: f64,
    /// From when a request was sent (closed loop) or due (open loop) to its answer.
    pub latencies: Latencies,
}

impl Outcome {
    /// Answers in a second.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed_s
    }
}

/// How long nothing may happen while answers are missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps every connection busy for so long, or until there are no more requests; then waits for what
/// is out.
pub fn closed(
    pool: &mut Pool,
    client: &mut impl Client,
    at_most: Duration,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let start = Instant::now();
    let until = start + at_most;
    let mut sent_at = vec![start; pool.len()];
    let mut waiting = 0;
    for (number, connection) in pool.connections.iter_mut().enumerate() {
        sent_at[number] = Instant::now();
        if connection.send(|out| client.request(number, out))? {
            waiting += 1;
        }
    }
    let mut ready = Vec::new();
    let mut last = start;
    while waiting > 0 {
        ready.clear();
        pool.wait(PATIENCE, &mut ready)?;
        ensure!(
            !ready.is_empty(),
            "{waiting} requests were not answered within a minute"
        );
        for number in ready.drain(..) {
            let connection = &mut pool.connections[number];
            if !connection.receive(|answer| client.answer(number, answer))? {
                continue;
            }
            let now = Instant::now();
            last = now;
            outcome.latencies.record(now - sent_at[number]);
            outcome.answered += 1;
            sent_at[number] = now;
            if now >= until || !connection.send(|out| client.request(number, out))? {
                waiting -= 1;
            }
        }
    }
    outcome.elapsed_s = last.duration_since(start).as_secs_f64();
    Ok(outcome)
}

/// Sends requests as they are due, for so long; then waits for what is out. One that finds no free
/// connection waits for one, and its time runs.
pub fn open(
    pool: &mut Pool,
    client: &mut impl Client,
    per_second: f64,
    length: Duration,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let total = (per_second * length.as_secs_f64()) as u64;
    let mut pace = Pace::new(per_second);
    let start = pace.due(0);
    let mut due_at = vec![start; pool.len()];
    let mut free: Vec<usize> = (0..pool.len()).rev().collect();
    let mut ready = Vec::new();
    let mut last = start;
    let mut more = true;
    loop {
        while more && pace.taken() < total {
            let Some(number) = free.last().copied() else {
                break;
            };
            let Some(due) = pace.take(Instant::now()) else {
                break;
            };
            due_at[number] = due;
            more = pool.connections[number].send(|out| client.request(number, out))?;
            if more {
                free.pop();
            }
        }
        more &= pace.taken() < total;
        let waiting = pool.len() - free.len();
        if waiting == 0 && !more {
            break;
        }
        let timeout = if more && !free.is_empty() {
            let left = pace.next_due().saturating_duration_since(Instant::now());
            left.max(Duration::from_nanos(1))
        } else {
            PATIENCE
        };
        ready.clear();
        pool.wait(timeout, &mut ready)?;
        ensure!(
            !ready.is_empty() || timeout < PATIENCE,
            "{waiting} requests were not answered within a minute"
        );
        for number in ready.drain(..) {
            if pool.connections[number].receive(|answer| client.answer(number, answer))? {
                last = Instant::now();
                outcome
                    .latencies
                    .record(last.saturating_duration_since(due_at[number]));
                outcome.answered += 1;
                free.push(number);
            }
        }
    }
    outcome.elapsed_s = last.duration_since(start).as_secs_f64();
    Ok(outcome)
}
