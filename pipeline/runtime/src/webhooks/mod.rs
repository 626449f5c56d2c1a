//! Webhooks: what clients are told of their orders, derived from the stream, kept with how far the
//! derivation is, and delivered at least once.
//!
//! Events are made of the milestones of orders, which the stream alone decides. A start goes on where
//! the store says that the last run was; what is derived twice has the same id and is kept once.
//!
//! Of several replicas each derives all events, and they share one store. The one that writes the tables
//! keeps what it derives at once; the others hold theirs until the store says that they are kept, and keep
//! them themselves when nobody has for a while. So nobody has to agree on who does it, and a take-over
//! loses none.
//!
//! - `events`: from milestones to events. `calls`: what the booking API asks.
//! - `held`: what was derived and is not kept yet; bounded. `keeper`: keeps it.
//! - `again`: derives from the stream once more what was let go because the store was away for long.

mod again;
mod calls;
mod events;
mod held;
mod keeper;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use anyhow::Context;
use crossbeam_channel::Sender;
use flightline_connectors::webhooks::{
    Engine, EngineConfig, PostgresStore, PostgresStoreConfig, Store, StoreConfig, SystemClock,
    WebhookStore, WebhooksError,
};
use flightline_dataflows::changelog::Epoch;

use crate::backend::Inner;
use crate::several::tables::Tables;
use again::FromStream;
use events::event;
use held::{Held, Placed};
use keeper::Keeper;

/// Webhooks of a replica.
pub(crate) struct Webhooks {
    store: Arc<dyn Store>,
    /// By partition, the offset before which everything was derived by an earlier run, or is derived from
    /// the stream by this one.
    done: Vec<u64>,
    held: Arc<Held>,
    /// Wakes the keeper; it ends when this goes.
    wake: Sender<()>,
}

/// What ends with the replica.
pub(crate) struct Running {
    engine: Engine,
    keeper: std::thread::JoinHandle<()>,
}

/// What webhooks are started with.
pub(crate) struct Setup {
    pub(crate) data_dir: PathBuf,
    /// Reads the stream again where that is needed.
    pub(crate) inner: Weak<Inner>,
    /// By partition, where the stream ends now.
    pub(crate) ends: Vec<u64>,
    /// Events that are held in memory while they cannot be kept.
    pub(crate) held_max: usize,
    pub(crate) live_mode: bool,
    pub(crate) allow_private: bool,
    /// That database is away now.
    pub(crate) is_away: bool,
    /// The database of several replicas, and whether this one writes the tables in it.
    pub(crate) shared: Option<(tokio_postgres::Config, Arc<Tables>)>,
}

impl Setup {
    /// Opens the store. Blocking.
    fn open(&self) -> Result<Arc<dyn Store>, WebhooksError> {
        if let Some((connect, _)) = &self.shared {
            let mut config = PostgresStoreConfig::new(connect.clone());
            config.live_mode = self.live_mode;
            config.allow_private = self.allow_private;
            let clock = Arc::new(SystemClock);
            let store = match self.is_away {
                true => PostgresStore::later(config, clock),
                false => PostgresStore::open(config, clock),
            };
            return Ok(Arc::new(store?));
        }
        let mut config = StoreConfig::new(self.data_dir.join("webhooks"));
        config.live_mode = self.live_mode;
        config.allow_private = self.allow_private;
        Ok(Arc::new(WebhookStore::open(config, Arc::new(SystemClock))?))
    }
}

impl Webhooks {
    /// Opens the store and starts to deliver what waits there.
    pub(crate) async fn start(setup: Setup) -> anyhow::Result<(Self, Running)> {
        let tables = setup.shared.as_ref().map(|(_, tables)| tables.clone());
        let (ends, source) = (setup.ends.clone(), FromStream::new(setup.inner.clone()));
        let held = Arc::new(Held::new(setup.held_max));
        let opening = tokio::task::spawn_blocking(move || {
            let store = setup.open().context("opening the webhooks")?;
            let progress = match setup.is_away {
                // How far events are is not known: they are derived when it is.
                true => None,
                false => Some(store.progress().context("reading the webhooks")?),
            };
            anyhow::Ok((store, progress))
        });
        let (store, progress) = opening
            .await
            .context("opening the webhooks was broken off")??;
        let done = match progress {
            Some(progress) => (0..).zip(&ends).map(|(p, _)| progress.of(p)).collect(),
            None => {
                held.let_go_before(&ends);
                ends
            }
        };
        let engine = Engine::start(store.clone(), EngineConfig::default());
        let engine = engine.context("starting to deliver webhooks")?;
        let (wake, woken) = crossbeam_channel::bounded(1);
        let leads = tables.map(|tables| -> keeper::Leads { Box::new(move || tables.is_writing()) });
        let keeper = Keeper::new(store.clone(), source, leads, held.clone());
        let thread = std::thread::Builder::new()
            .name("flightline-webhooks".to_owned())
            .spawn(move || keeper.run(&woken))
            .context("the thread of webhooks cannot be started")?;
        let webhooks = Self {
            store,
            done,
            held,
            wake,
        };
        let running = Running {
            engine,
            keeper: thread,
        };
        Ok((webhooks, running))
    }

    /// Takes what an epoch tells of orders. Quick: it is kept on another thread.
    pub(crate) fn epoch(&self, epoch: &Epoch) {
        if epoch.orders.is_empty() {
            return;
        }
        let gone = epoch.orders.iter().filter(|(_, diff)| *diff < 0);
        let before: HashMap<_, _> = gone
            .map(|(row, _)| (row.order, row.milestones.len()))
            .collect();
        let mut events = Vec::new();
        for (row, _) in epoch.orders.iter().filter(|(_, diff)| *diff > 0) {
            let told = before.get(&row.order).copied().unwrap_or(0);
            let done = self.done[row.partition as usize];
            for (at, milestone) in row.milestones.iter().enumerate().skip(told) {
                if milestone.offset >= done {
                    let event = event(row, at, milestone);
                    events.push(Placed::new(row.partition, milestone.offset, event));
                }
            }
        }
        self.held.take(events, &epoch.covers);
        // One that waits to be seen wakes as well.
        let _ = self.wake.try_send(());
    }

    /// Events that are held in memory, and how often they had to be let go.
    pub(crate) fn held(&self) -> (usize, u64) {
        self.held.counts()
    }
}

impl Running {
    /// Ends delivering. What was not delivered is, after the next start. The webhooks must be gone, so
    /// that the keeper ends.
    pub(crate) async fn stop(self) {
        self.engine.stop().await;
        let _ = tokio::task::spawn_blocking(move || self.keeper.join()).await;
    }
}
