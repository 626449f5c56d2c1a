//! What the threads of a replica share, before any of them runs: the same for one that serves and for one that is
//! simulated.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use flightline_ledger::ProviderCode;
use flightline_ledger::order::Effect;
use flightline_sinks::serving::Serving;
use flightline_stream::StreamLog;
use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::backend::Inner;
use crate::config::ProviderFeed;
use crate::hold_index::HoldIndex;
use crate::late::LateDesk;
use crate::orders::OrderDesk;
use crate::orders::waits::Look;
use crate::provider_stats::ProviderStats;
use crate::sequencer::Sequencer;
use crate::several::takeover::Turn;
use crate::telemetry::Telemetry;
use crate::waiters::Waiters;

/// What a replica begins with.
pub(super) struct Beginning {
    pub(super) log: Arc<dyn StreamLog>,
    pub(super) sequencer: Arc<Sequencer>,
    pub(super) telemetry: Option<Arc<Telemetry>>,
    pub(super) authorities: Vec<(ProviderCode, u8)>,
    pub(super) feeds: Vec<ProviderFeed>,
    pub(super) phase: &'static str,
}

/// What orders ask for, to whoever runs it.
pub(super) struct Wanted {
    /// Of the cashier.
    pub(super) effects: UnboundedReceiver<Effect>,
    /// Of the courier.
    pub(super) outward: UnboundedReceiver<Effect>,
    /// Looks at holds that wait.
    pub(super) looks: UnboundedReceiver<Look>,
}

impl Beginning {
    /// What is not given here is set as the start comes to it.
    pub(super) fn inner(self) -> (Arc<Inner>, Wanted) {
        let partitions = self.log.partitions();
        let is_shared = self.log.is_shared();
        let stats = Arc::new(ProviderStats::default());
        let holds = Arc::new(HoldIndex::default());
        let late = Arc::new(LateDesk::default());
        let (desk, effects, outward, looks) =
            OrderDesk::new(partitions, self.sequencer.clone(), holds.clone(), is_shared);
        let (stats_told, desk_told, late_told) = (stats.clone(), desk.clone(), late.clone());
        let waiters = Waiters::new(partitions, stats_told, desk_told, late_told, is_shared);
        let inner = Inner {
            log: self.log,
            partitions,
            sequencer: self.sequencer,
            telemetry: self.telemetry,
            waiters: Arc::new(waiters),
            desk,
            holds,
            serving: Arc::new(Serving::new(partitions)),
            stats,
            late,
            authorities: self.authorities,
            feeds: self.feeds,
            digests: Arc::default(),
            turn: Turn::default(),
            ready: AtomicBool::new(false),
            phase: Mutex::new(self.phase.to_owned()),
            people: OnceLock::new(),
            ways: OnceLock::new(),
            hints: OnceLock::new(),
            webhooks: RwLock::new(None),
            sources: OnceLock::new(),
            dataflow: OnceLock::new(),
            postgres: OnceLock::new(),
            views: OnceLock::new(),
            rings: OnceLock::new(),
            answers: OnceLock::new(),
            checkpoints: OnceLock::new(),
        };
        let wanted = Wanted {
            effects,
            outward,
            looks,
        };
        (Arc::new(inner), wanted)
    }
}
