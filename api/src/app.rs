//! What all requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::{Semaphore, watch};

use crate::backend::{Authenticator, Backend};
use crate::config::ApiConfig;
use crate::duffel::Booking;
use crate::http::ids::RequestIds;
use crate::http::keys::Keys;
use crate::metrics::Metrics;

/// The shared state.
pub(crate) struct App {
    pub(crate) config: ApiConfig,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) auth: Arc<dyn Authenticator>,
    pub(crate) metrics: Metrics,
    pub(crate) request_ids: RequestIds,
    pub(crate) keys: Keys,
    pub(crate) booking: Arc<Booking>,
    pub(crate) feeds: Arc<Semaphore>,
    pub(crate) histories: Semaphore,
    pub(crate) followers: Arc<Semaphore>,
    /// Bytes of batch answers that may wait for their readers, over all connections.
    pub(crate) batch_unread: Arc<Semaphore>,
    /// Shared with the connections, which count.
    pub(crate) in_flight: Arc<AtomicUsize>,
    stopping: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(
        config: ApiConfig,
        backend: Arc<dyn Backend>,
        auth: Arc<dyn Authenticator>,
    ) -> Self {
        Self {
            backend,
            auth,
            metrics: Metrics::new(),
            request_ids: RequestIds::new(),
            keys: Keys::new(config.keys_max),
            booking: Arc::new(Booking::new(&config)),
            feeds: Arc::new(Semaphore::new(config.feeds_max)),
            histories: Semaphore::new(config.histories_max),
            followers: Arc::new(Semaphore::new(config.followers_max)),
            batch_unread: Arc::new(Semaphore::new(config.batch_unread_total_bytes_max)),
            in_flight: Arc::default(),
            stopping: watch::channel(false).0,
            config,
        }
    }

    /// Ends streams that have no end of their own.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Becomes `true` on shutdown.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}
