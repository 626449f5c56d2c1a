//! Keeps events and how far they go, many epochs with one sync.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use flightline_connectors::webhooks::{NewEvent, Progress, Store, WebhooksError};

use super::held::{Held, Next};
use crate::checkpoint::CheckpointError;

/// Progress without events is written this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// How long to wait before events that could not be kept are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// For so long a replica leaves what it derived to the one that writes the tables.
const LEFT_TO_ANOTHER: Duration = Duration::from_secs(3);

/// Why events were not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error(transparent)]
    Store(#[from] WebhooksError),
    /// Deriving them once more.
    #[error("reading the stream again: {0}")]
    Stream(#[from] CheckpointError),
    /// The replica is not far enough to read its stream again.
    #[error("the replica is starting")]
    Starting,
    /// It stops: the next start goes on.
    #[error("the replica stops")]
    Stopping,
}

/// Derives what was let go once more.
pub(super) trait Source: Send + 'static {
    /// Gives the events of a partition from an offset up to another, in order, in pieces: each with the offset
    /// up to which everything was given. Ends with what `give` fails with.
    fn derive(
        &self,
        partition: u32,
        from: u64,
        until: u64,
        give: &mut dyn FnMut(Vec<NewEvent>, u64) -> Result<(), KeepError>,
    ) -> Result<(), KeepError>;
}

/// What the keeper wants of a store.
pub(super) trait Keeps: Send + 'static {
    fn keep(&self, events: Vec<NewEvent>, progress: &Progress) -> Result<(), WebhooksError>;
    fn progress(&self) -> Result<Progress, WebhooksError>;
    fn set_leading(&self, is_leading: bool);
}

impl Keeps for Arc<dyn Store> {
    fn keep(&self, mut events: Vec<NewEvent>, progress: &Progress) -> Result<(), WebhooksError> {
        // Who has no webhook is told nothing, later neither.
        let clients: BTreeSet<String> = events.iter().map(|event| event.client.clone()).collect();
        let listening = self.with_endpoints(&clients)?;
        events.retain(|event| listening.contains(&event.client));
        self.append(&events, progress).map(|_| ())
    }

    fn progress(&self) -> Result<Progress, WebhooksError> {
        Store::progress(&**self)
    }

    fn set_leading(&self, is_leading: bool) {
        Store::set_leading(&**self, is_leading);
    }
}

/// Does this replica write the tables?
pub(super) type Leads = Box<dyn Fn() -> bool + Send>;

/// The keeper.
pub(super) struct Keeper<K, S> {
    store: K,
    source: S,
    /// Absent = there is no other replica.
    leads: Option<Leads>,
    held: Arc<Held>,
    /// When the store was last written, or asked how far it is.
    looked: Instant,
    is_away: bool,
}

impl<K: Keeps, S: Source> Keeper<K, S> {
    pub(super) fn new(store: K, source: S, leads: Option<Leads>, held: Arc<Held>) -> Self {
        Self {
            store,
            source,
            leads,
            held,
            looked: Instant::now(),
            is_away: false,
        }
    }

    /// Until nobody can wake it any more. What is not kept then is derived again by the next start.
    pub(super) fn run(mut self, woken: &Receiver<()>) {
        let is_stopping = || woken.try_recv() == Err(TryRecvError::Disconnected);
        while woken.recv_timeout(PROGRESS_EVERY) != Err(RecvTimeoutError::Disconnected) {
            match self.turn(&is_stopping) {
                Ok(()) => {
                    self.is_away = false;
                    continue;
                }
                Err(KeepError::Starting | KeepError::Stopping) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.is_away, true) {
                        tracing::error!(%error, "events for webhooks cannot be kept; trying again");
                    }
                }
            }
            if !rest(woken) {
                return;
            }
        }
    }

    pub(super) fn turn(&mut self, is_stopping: &dyn Fn() -> bool) -> Result<(), KeepError> {
        let is_due = self.looked.elapsed() >= PROGRESS_EVERY;
        if let Some(leads) = &self.leads {
            let is_leading = leads();
            self.store.set_leading(is_leading);
            if !is_leading {
                return match is_due {
                    true => self.stand_by(is_stopping),
                    false => Ok(()),
                };
            }
        }
        let waits = self.held.since().is_some();
        match waits || self.held.is_behind() && is_due {
            true => self.keep(is_stopping),
            false => Ok(()),
        }
    }

    /// Drops what another replica has kept, and keeps what none has for too long.
    fn stand_by(&mut self, is_stopping: &dyn Fn() -> bool) -> Result<(), KeepError> {
        self.looked = Instant::now();
        if self.held.since().is_none() {
            return Ok(());
        }
        self.held.forget_before(&self.store.progress()?);
        let since = self.held.since();
        match since.is_none_or(|since| since.elapsed() < LEFT_TO_ANOTHER) {
            true => Ok(()),
            false => self.keep(is_stopping),
        }
    }

    fn keep(&mut self, is_stopping: &dyn Fn() -> bool) -> Result<(), KeepError> {
        loop {
            match self.held.next() {
                Next::Again(until) => {
                    self.again(&until, is_stopping)?;
                    self.held.derived_again(&until);
                }
                Next::Events(placed, covers) => {
                    let events = placed.iter().map(|placed| placed.event.clone()).collect();
                    let progress = (0..).zip(covers).collect::<BTreeMap<_, _>>();
                    if let Err(error) = self.store.keep(events, &Progress(progress)) {
                        self.held.put_back(placed);
                        return Err(error.into());
                    }
                    self.looked = Instant::now();
                    return Ok(());
                }
            }
        }
    }

    /// Derives from the stream what comes after what is kept, up to these offsets.
    fn again(&self, until: &[u64], is_stopping: &dyn Fn() -> bool) -> Result<(), KeepError> {
        let begun = Instant::now();
        let progress = self.store.progress()?;
        let mut kept = 0;
        for (partition, until) in (0..).zip(until) {
            let from = progress.of(partition);
            if from >= *until {
                continue;
            }
            let mut give = |events: Vec<NewEvent>, next: u64| {
                if is_stopping() {
                    return Err(KeepError::Stopping);
                }
                kept += events.len();
                let progress = Progress(BTreeMap::from([(partition, next)]));
                Ok(self.store.keep(events, &progress)?)
            };
            self.source.derive(partition, from, *until, &mut give)?;
        }
        tracing::info!(
            events = kept,
            took_ms = begun.elapsed().as_millis() as u64,
            "events for webhooks that found no room in memory were derived from the stream"
        );
        Ok(())
    }
}

/// Lets some time pass after a failure, whatever comes meanwhile. False: nobody can wake the keeper any more.
fn rest(woken: &Receiver<()>) -> bool {
    let until = Instant::now() + RETRY;
    loop {
        match woken.recv_deadline(until) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}
