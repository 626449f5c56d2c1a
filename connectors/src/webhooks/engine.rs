//! Sends what is due.
//!
//! One task decides, one task per request waits for the endpoint. Each endpoint has a lane of its
//! own with so many places: a slow or dead one fills its lane and nobody else's. A lane holds
//! numbers of events, a few hundred at most; everything else waits in the store.
//!
//! A delivery counts as made when the endpoint's answer to it is written down. Between the answer
//! and that a crash makes it be sent again.

mod lanes;
mod post;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::backoff::Backoff;
use super::config::EngineConfig;
use super::error::WebhooksError;
use super::port::Store;
use super::store::{Next, Outcome};
use lanes::Lanes;
use post::Poster;

/// Events of one endpoint that are read ahead.
const LANE_EVENTS: usize = 256;
/// Fewer than are read ahead, so that reading always brings something new.
const PLACES_MAX: usize = LANE_EVENTS / 2;
/// How long an endpoint rests after the store could not be read or written for it.
const STORE_PAUSE_MS: i64 = 5_000;

/// The engine, until it is stopped or dropped.
pub struct Engine {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Engine {
    /// Starts to deliver. Call it inside a tokio runtime. One engine per store in a
    /// process.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn start(store: Arc<dyn Store>, config: EngineConfig) -> Result<Self, WebhooksError> {
        let poster = Poster::new(store.allow_private(), config.request_timeout)?;
        // What an earlier engine knew of went with it.
        store.mark_all_changed();
        let (stop, stopped) = oneshot::channel();
        let run = Run {
            lanes: Lanes::new(config.in_flight_per_endpoint.clamp(1, PLACES_MAX)),
            sweep_at_ms: store.clock().now_ms(),
            store,
            config,
            poster: Arc::new(poster),
            requests: JoinSet::new(),
            names: HashMap::new(),
        };
        Ok(Self {
            task: tokio::spawn(run.run(stopped)),
            stop: Some(stop),
        })
    }

    /// Stops. Requests in flight are abandoned, and made again at the next start.
    pub async fn stop(mut self) {
        self.stop.take();
        // Fails when the task panicked; it is over either way.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Run {
    store: Arc<dyn Store>,
    config: EngineConfig,
    poster: Arc<Poster>,
    lanes: Lanes,
    requests: JoinSet<Result<(), WebhooksError>>,
    /// Endpoint and event of each request.
    names: HashMap<Id, (u32, u64)>,
    sweep_at_ms: i64,
}

impl Run {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let now_ms = self.store.clock().now_ms();
            for endpoint in self.store.take_changed() {
                self.lanes.look_at(endpoint);
            }
            while let Some(endpoint) = self.lanes.next_to_fill(now_ms) {
                self.fill(endpoint, now_ms).await;
            }
            while let Some((endpoint, sequence)) = self.lanes.next_to_start() {
                self.begin(endpoint, sequence);
            }
            if now_ms >= self.sweep_at_ms {
                self.sweep(now_ms).await;
            }
            let wake_ms = self.lanes.wake_ms().unwrap_or(i64::MAX);
            let wake_ms = wake_ms.min(self.sweep_at_ms);
            tokio::select! {
                () = self.store.wait_changed() => {}
                () = self.store.clock().sleep_until(wake_ms) => {}
                Some(done) = self.requests.join_next_with_id() => self.end(done),
                _ = &mut stopped => return,
            }
            while let Some(done) = self.requests.try_join_next_with_id() {
                self.end(done);
            }
        }
    }

    async fn fill(&mut self, endpoint: u32, now_ms: i64) {
        let store = Arc::clone(&self.store);
        let due = off_thread(move || store.due(endpoint, now_ms, LANE_EVENTS)).await;
        match due {
            Ok(due) => self.lanes.fill(endpoint, due),
            Err(error) => {
                tracing::error!(%error, "webhooks: what is due cannot be read");
                self.lanes.rest(endpoint, now_ms + STORE_PAUSE_MS);
            }
        }
    }

    fn begin(&mut self, endpoint: u32, sequence: u64) {
        let store = Arc::clone(&self.store);
        let poster = Arc::clone(&self.poster);
        let backoff = self.config.backoff;
        let request = deliver(store, poster, backoff, endpoint, sequence);
        let id = self.requests.spawn(request).id();
        self.names.insert(id, (endpoint, sequence));
    }

    fn end(&mut self, done: Result<(Id, Result<(), WebhooksError>), JoinError>) {
        let (id, failure) = match done {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(error.to_string())),
            Err(error) => (error.id(), Some(error.to_string())),
        };
        let Some((endpoint, sequence)) = self.names.remove(&id) else {
            return;
        };
        self.lanes.end(endpoint, sequence);
        if let Some(error) = failure {
            tracing::error!(error, "webhooks: a delivery was not written down");
            let now_ms = self.store.clock().now_ms();
            self.lanes.rest(endpoint, now_ms + STORE_PAUSE_MS);
        }
    }

    async fn sweep(&mut self, now_ms: i64) {
        let interval = self.config.sweep_interval.as_millis();
        let interval_ms = i64::try_from(interval).unwrap_or(i64::MAX).max(1);
        self.sweep_at_ms = now_ms.saturating_add(interval_ms);
        let store = Arc::clone(&self.store);
        match off_thread(move || store.sweep()).await {
            Ok(0) => {}
            Ok(removed) => tracing::debug!(removed, "webhooks: events past their retention"),
            Err(error) => tracing::error!(%error, "webhooks: old events cannot be removed"),
        }
    }
}

async fn deliver(
    store: Arc<dyn Store>,
    poster: Arc<Poster>,
    backoff: Backoff,
    endpoint: u32,
    sequence: u64,
) -> Result<(), WebhooksError> {
    let theirs = Arc::clone(&store);
    let Some(work) = off_thread(move || theirs.begin(endpoint, sequence)).await? else {
        return Ok(());
    };
    let at_ms = store.clock().now_ms();
    let answer = poster
        .post(&work.url, &work.secret, &work.body, at_ms)
        .await;
    let next = match &answer.error {
        None => Next::Delivered,
        Some(_) => {
            let pause_ms = backoff.pause_ms(work.attempts.saturating_add(1), rand::random());
            let next_ms = store.clock().now_ms().saturating_add(pause_ms);
            match backoff.is_too_late(work.first_due_ms, next_ms) {
                true => Next::GiveUp,
                false => Next::Again { at_ms: next_ms },
            }
        }
    };
    let outcome = Outcome {
        at_ms,
        response_code: answer.code,
        error: answer.error,
        next,
    };
    off_thread(move || store.finish(endpoint, sequence, &work, outcome)).await
}

/// Runs what waits for the disk where waiting is allowed.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WebhooksError> + Send + 'static,
) -> Result<T, WebhooksError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down: nothing here goes on.
        Err(_) => std::future::pending().await,
    }
}
