//! Requests on a schedule: answers of a provider that are fetched, and handed in like its files.
//!
//! Each round asks for one answer, or one for each of the coming days. Only whole answers count. What
//! the provider says has not changed since (ETag, Last-Modified) is not read again. A request that
//! fails is made again after a back-off, at the end of the round's queue, so that one that always fails
//! holds up no other; a provider that fails altogether is left alone by its [`Breaker`].

mod request;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use tokio::sync::watch;

use self::request::{Answer, Asked, Marks, Requester};
use super::breaker::Breaker;
use super::days::{DATE, DaysAhead, fill};
use super::source::{Doing, Source};
use super::{Door, FeedKind, NotTaken};
use crate::webhooks::Clock;

/// How often a request is tried in one round.
const TRIES: u32 = 5;

/// What is asked, and how often.
#[derive(Clone)]
pub struct PullConfig {
    /// The address, http or https. `{date}` in it or in the body: one request for each of `days`.
    pub url: String,
    /// Send this body with POST; without one it is a GET.
    pub body: Option<String>,
    /// Headers to send.
    pub headers: Vec<(String, String)>,
    /// Bearer token to send.
    pub token: Option<String>,
    /// The days that stand for `{date}`.
    pub days: Option<DaysAhead>,
    /// From the beginning of a round to the beginning of the next.
    pub every: Duration,
    /// The least time from one request to the next: the provider's rate limit.
    pub gap: Duration,
    /// How long an answer may take, from the first byte sent to the last received.
    pub timeout: Duration,
    /// The longest answer, in bytes: what is in memory at once.
    pub bytes_max: usize,
    /// Pauses after failures: the first and the longest.
    pub backoff: (Duration, Duration),
}

impl PullConfig {
    /// A GET of this address every so often; 10 requests per second at most, a minute for an answer of
    /// 64 MiB at most, pauses of 1 s to 15 min.
    pub fn new(url: impl Into<String>, every: Duration) -> Self {
        Self {
            url: url.into(),
            body: None,
            headers: Vec::new(),
            token: None,
            days: None,
            every,
            gap: Duration::from_millis(100),
            timeout: Duration::from_secs(60),
            bytes_max: 64 << 20,
            backoff: (Duration::from_secs(1), Duration::from_secs(15 * 60)),
        }
    }
}

impl fmt::Debug for PullConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullConfig")
            .field("url", &self.url)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a [`PullConfig`].
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The address is none.
    #[error("{url:?} is not an http or https address: {why}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// `{date}` without days, or days without `{date}`.
    #[error("{0}")]
    BadDays(&'static str),
    /// A header or token that HTTP cannot carry.
    #[error("the header {0} has characters that HTTP does not allow")]
    BadHeader(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[source] reqwest::Error),
}

/// Requests on a schedule.
pub struct Pull {
    config: PullConfig,
    kind: FeedKind,
    door: Arc<dyn Door>,
    clock: Arc<dyn Clock>,
    source: Source,
    requester: Requester,
    breaker: Breaker,
    /// What the provider marked its answers with, by address.
    marks: HashMap<String, Marks>,
    next_request_ms: i64,
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull")
            .field("config", &self.config)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// One request of a round.
struct Turn {
    url: String,
    body: Option<String>,
    tries: u32,
}

impl Pull {
    /// Checks the configuration.
    ///
    /// # Errors
    ///
    /// [`PullError`], before anything is asked.
    pub fn new(
        config: PullConfig,
        kind: FeedKind,
        door: Arc<dyn Door>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PullError> {
        let has_date = config.url.contains(DATE)
            || config.body.as_ref().is_some_and(|body| body.contains(DATE));
        match (has_date, config.days) {
            (true, None) => {
                return Err(PullError::BadDays(
                    "{date} stands for a day, but days is not set: add such as days = \"1..30\"",
                ));
            }
            (false, Some(_)) => {
                return Err(PullError::BadDays(
                    "days is set, but {date} stands neither in url nor in body: put it where the day belongs",
                ));
            }
            _ => {}
        }
        let requester = Requester::new(&config)?;
        let method = if config.body.is_some() { "POST" } else { "GET" };
        let (first, last) = config.backoff;
        Ok(Self {
            source: Source::new(&format!("{method} {}", requester.shown())),
            breaker: Breaker::new(first, last),
            requester,
            config,
            kind,
            door,
            clock,
            marks: HashMap::new(),
            next_request_ms: i64::MIN,
        })
    }

    /// How it stands.
    pub fn source(&self) -> Source {
        self.source.clone()
    }

    /// Asks, round after round, until `stop` is true or its sender is gone.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let every_ms = millis(self.config.every).max(1);
        let mut round_ms = self.clock.now_ms();
        loop {
            tokio::select! {
                () = self.round() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            self.source.doing(match self.breaker.is_open() {
                true => Doing::Open,
                false => Doing::Waiting,
            });
            // A round that took too long is followed by the next one at once, not by two.
            round_ms = (round_ms.saturating_add(every_ms)).max(self.clock.now_ms());
            tokio::select! {
                () = sleep_until(&*self.clock, round_ms) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Every request once, and again where it failed.
    async fn round(&mut self) {
        let mut turns = self.turns();
        while let Some(mut turn) = turns.pop_front() {
            let wait_ms = i64::try_from(self.breaker.wait_ms(self.clock.now_ms()));
            let after_ms = self.clock.now_ms().saturating_add(wait_ms.unwrap_or(0));
            sleep_until(&*self.clock, after_ms.max(self.next_request_ms)).await;
            self.source.doing(Doing::Taking);
            self.next_request_ms = self.clock.now_ms().saturating_add(millis(self.config.gap));
            let asked = self
                .requester
                .ask(&turn.url, turn.body.as_deref(), self.marks.get(&turn.url))
                .await;
            match asked {
                Ok(answer) => {
                    self.breaker.succeeded();
                    self.hand_in(&turn, answer).await;
                }
                Err(Asked::Refused(why)) => {
                    // It answers: what is wrong is this request.
                    self.breaker.succeeded();
                    self.warn(&turn.url, &why);
                    self.source.refused(format!("{}: {why}", turn.url));
                }
                Err(Asked::Failed { why, stay_away }) => {
                    let now_ms = self.clock.now_ms();
                    self.breaker.failed(now_ms, stay_away, rand::random());
                    self.warn(&turn.url, &why);
                    let why = format!("{}: {why}", turn.url);
                    self.source.failed(why, self.breaker.is_open());
                    turn.tries += 1;
                    if turn.tries < TRIES {
                        turns.push_back(turn);
                    }
                }
            }
        }
    }

    fn turns(&mut self) -> VecDeque<Turn> {
        let Some(days) = self.config.days else {
            return VecDeque::from([Turn {
                url: self.config.url.clone(),
                body: self.config.body.clone(),
                tries: 0,
            }]);
        };
        let now = DateTime::from_timestamp_millis(self.clock.now_ms()).unwrap_or_default();
        let dates: Vec<NaiveDate> = days.dates(now.date_naive()).collect();
        let turns: VecDeque<Turn> = dates
            .into_iter()
            .map(|date| Turn {
                url: fill(&self.config.url, date),
                body: self.config.body.as_deref().map(|body| fill(body, date)),
                tries: 0,
            })
            .collect();
        // Days that have passed are never asked for again.
        self.marks
            .retain(|url, _| turns.iter().any(|turn| turn.url == *url));
        turns
    }

    async fn hand_in(&mut self, turn: &Turn, answer: Answer) {
        let Answer::New { bytes, marks } = answer else {
            return self.source.unchanged(self.clock.now_ms());
        };
        let mut pause_ms = 100;
        let taken = loop {
            let (door, kind) = (self.door.clone(), self.kind.clone());
            let (message, body) = (turn.url.clone(), Cursor::new(bytes.clone()));
            let taking =
                tokio::task::spawn_blocking(move || door.take(&kind, &message, Box::new(body)));
            match taking.await {
                Ok(Err(NotTaken::Later(why))) => {
                    self.source.failed(why, false);
                    let now_ms = self.clock.now_ms();
                    sleep_until(&*self.clock, now_ms.saturating_add(pause_ms)).await;
                    pause_ms = (pause_ms * 2).min(10_000);
                }
                Ok(taken) => break taken,
                Err(panicked) => {
                    break Err(NotTaken::Refused {
                        why: format!("reading the answer failed: {panicked}"),
                        receipt: None,
                    });
                }
            }
        };
        match taken {
            Ok(receipt) => {
                tracing::info!(
                    provider = %self.kind.provider,
                    url = turn.url,
                    read = receipt.read,
                    accepted = receipt.accepted,
                    duplicate = receipt.duplicate,
                    stale = receipt.stale,
                    rejected = receipt.rejected,
                    "answer fetched"
                );
                if let Some(marks) = marks {
                    self.marks.insert(turn.url.clone(), marks);
                }
                if receipt.is_all_rejected() {
                    let first = receipt.rejects.first().map_or("", |first| &first.message);
                    let why =
                        format!("every record of the answer was rejected; the first: {first}");
                    self.warn(&turn.url, &why);
                    return self.source.refused(format!("{}: {why}", turn.url));
                }
                self.source.taken(self.clock.now_ms());
            }
            Err(not_taken) => {
                self.warn(&turn.url, &not_taken.to_string());
                self.source.refused(format!("{}: {not_taken}", turn.url));
            }
        }
    }

    fn warn(&self, url: &str, why: &str) {
        tracing::warn!(
            provider = %self.kind.provider,
            url,
            failures = self.breaker.failures(),
            again_in_ms = self.breaker.wait_ms(self.clock.now_ms()),
            "{why}"
        );
    }
}

async fn sleep_until(clock: &dyn Clock, at_ms: i64) {
    while clock.now_ms() < at_ms {
        clock.sleep_until(at_ms).await;
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
