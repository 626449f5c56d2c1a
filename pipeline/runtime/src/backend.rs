//! The replica as the HTTP layer sees it.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use flightline_api::backend::{
    Answer, Backend, FeedError, FeedReport, HistoryEntry, HoldNow, MissingMessages, NoticeFault,
    OrderAnswer, OrderExplanation, OrderSubmit, PartitionDigest, ProviderDay, ProviderStatus,
    Readiness, Reconciliation, Remembered, SaleState, Settled, SourceStatus, Submit, SubmitError,
    ViewChange, ViewFault, ViewFolder, ViewLine, ViewSize, WebhookAnswer, WebhookCall,
    WebhookFault,
};
use flightline_connectors::Scope;
use flightline_dataflows::sql::View;
use flightline_dataflows::{OrderChange, Reader};
use flightline_ledger::order::OrderId;
use flightline_ledger::{Command, CommandId, Date, FlightCommand, FlightKey, ProviderCode};
use flightline_sinks::followed::ViewFollowers;
use flightline_sinks::serving::Serving;
use flightline_stream::{StreamKey, StreamLog, partition_of_flight};
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::config::MISSING_AFTER_MS;
use crate::hold_index::{Claim, HoldIndex};
use crate::late::LateDesk;
use crate::orders::OrderDesk;
use crate::orders::courier::Ways;
use crate::orders::desk::partition_of_order;
use crate::orders::hints::Hints;
use crate::people::People;
use crate::provider_stats::ProviderStats;
use crate::sequencer::{Job, Sequencer};
use crate::serials::Gap;
use crate::several::answers::Answers;
use crate::several::digests::DigestStats;
use crate::several::rings::Rings;
use crate::telemetry::{Asked, Telemetry, Traced};
use crate::views::LiveViews;
use crate::waiters::{BatchWaiter, Waiter, Waiters};
use crate::webhooks::Webhooks;

/// What the threads of a replica share.
pub(crate) struct Inner {
    /// Watched folders and pulls; set when they begin.
    pub(crate) sources: OnceLock<Vec<(ProviderCode, flightline_connectors::intake::Source)>>,
    pub(crate) log: Arc<dyn StreamLog>,
    pub(crate) partitions: u32,
    pub(crate) sequencer: Arc<Sequencer>,
    /// Absent = nothing is recorded in traces.
    pub(crate) telemetry: Option<Arc<Telemetry>>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) desk: Arc<OrderDesk>,
    pub(crate) holds: Arc<HoldIndex>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) stats: Arc<ProviderStats>,
    pub(crate) people: OnceLock<People>,
    /// The providers that are told of what was sold from their seats; set at the start.
    pub(crate) ways: OnceLock<Arc<Ways>>,
    /// Reports that came before their flights.
    pub(crate) late: Arc<LateDesk>,
    pub(crate) hints: OnceLock<Hints>,
    /// Absent before the start is through and from the beginning of the stop.
    pub(crate) webhooks: RwLock<Option<Arc<Webhooks>>>,
    pub(crate) authorities: Vec<(ProviderCode, u8)>,
    pub(crate) feeds: Vec<crate::config::ProviderFeed>,
    pub(crate) dataflow: OnceLock<Reader>,
    /// Who of several replicas writes the tables.
    pub(crate) turn: crate::several::takeover::Turn,
    pub(crate) postgres: OnceLock<crate::database::SharedDatabase>,
    /// Absent when the replica runs without views in SQL.
    pub(crate) views: OnceLock<LiveViews>,
    /// What was folded last, to be compared with other replicas; absent without any.
    pub(crate) rings: OnceLock<Arc<Rings>>,
    pub(crate) digests: Arc<DigestStats>,
    /// Answers under idempotency keys of all replicas; absent without any others.
    pub(crate) answers: OnceLock<Answers>,
    /// Absent before the start is through.
    pub(crate) checkpoints: OnceLock<Arc<Checkpoints>>,
    pub(crate) ready: AtomicBool,
    pub(crate) phase: Mutex<String>,
}

impl Inner {
    pub(crate) fn authority_of(&self, provider: ProviderCode) -> u8 {
        self.authorities
            .iter()
            .find(|(p, _)| *p == provider)
            .map_or(0, |(_, authority)| *authority)
    }

    /// Flights on which the provider is, in a scope.
    pub(crate) fn flights_of(&self, provider: ProviderCode, scope: Scope) -> Vec<FlightKey> {
        self.serving
            .flights_of_provider(provider, scope.carrier, scope.from, scope.to)
    }

    /// When something was last fetched from a provider, or found unchanged.
    pub(crate) fn last_good_ms(&self, provider: ProviderCode) -> Option<i64> {
        let all = self.sources.get().map(Vec::as_slice).unwrap_or_default();
        let theirs = all.iter().filter(|(whose, _)| *whose == provider);
        theirs
            .filter_map(|(_, source)| source.state().last_good_ms)
            .max()
    }

    /// How the watched folders and pulls of a provider stand.
    fn sources_of(&self, provider: ProviderCode) -> Vec<SourceStatus> {
        let all = self.sources.get().map(Vec::as_slice).unwrap_or_default();
        let theirs = all.iter().filter(|(whose, _)| *whose == provider);
        theirs
            .map(|(_, source)| {
                let state = source.state();
                SourceStatus {
                    source: source.name().to_owned(),
                    state: state.doing.name(),
                    taken: state.taken,
                    refused: state.refused,
                    unchanged: state.unchanged,
                    failed: state.failed,
                    last_good_at_ms: state.last_good_ms,
                    last_error: state.last_error,
                }
            })
            .collect()
    }

    /// The views that run, for whoever computes them again.
    pub(crate) fn compiled_views(&self) -> Vec<Arc<View>> {
        self.views
            .get()
            .map(LiveViews::installed)
            .unwrap_or_default()
    }

    fn live_views(&self) -> Result<&LiveViews, ViewFault> {
        self.views.get().ok_or_else(|| {
            ViewFault::Off(
                "this replica runs no views in SQL: start it with `--views DIR`, an empty folder will do"
                    .to_owned(),
            )
        })
    }

    pub(crate) fn people(&self) -> Result<&People, String> {
        let people = self.people.get();
        people.ok_or_else(|| "the replica is still starting".to_owned())
    }

    fn hints(&self) -> Result<&Hints, NoticeFault> {
        let is_ready = self.ready.load(Ordering::Acquire);
        let hints = self.hints.get().filter(|_| is_ready);
        hints.ok_or_else(|| {
            NoticeFault::Unavailable("the replica is starting: send it again".to_owned())
        })
    }

    /// Messages of a provider's feed that are missing, by the clock of the stream.
    pub(crate) fn gaps_of(&self, provider: ProviderCode) -> Vec<Gap> {
        let feed = self.feeds.iter().find(|feed| feed.provider == provider);
        let daily = feed.is_some_and(|feed| feed.numbered_daily);
        let after_ms = feed.map_or(MISSING_AFTER_MS, |feed| feed.missing_after_ms);
        let now_ms = self.sequencer.now_ms();
        let before_ms = now_ms.saturating_sub_unsigned(after_ms);
        self.stats.gaps(provider, before_ms, daily)
    }

    /// As [`Inner::gaps_of`], in words.
    pub(crate) fn missing_of(&self, provider: ProviderCode) -> Vec<MissingMessages> {
        let gaps = self.gaps_of(provider).into_iter();
        gaps.map(|gap| MissingMessages {
            messages: gap.name(),
            since_ms: gap.since_ms,
        })
        .collect()
    }

    /// Erases the persons of an order; `None` when there never was such an order. Blocking.
    pub(crate) fn erase_order(&self, order: OrderId) -> anyhow::Result<Option<usize>> {
        let until: Vec<u64> = (0..self.partitions)
            .map(|p| self.waiters.answered(p))
            .collect();
        let checkpoints = self.checkpoints.get();
        let checkpoints =
            checkpoints.ok_or_else(|| anyhow::anyhow!("the replica is still starting"))?;
        let Some(keys) = crate::people::keys_of(&*self.log, checkpoints, &until, order)? else {
            return Ok(None);
        };
        let people = self.people().map_err(anyhow::Error::msg)?;
        let dropped = people.erase(&keys)?;
        // Behind the key: what is written from here on names nobody.
        if let Some(ways) = self.ways.get() {
            crate::orders::kept::erase(ways, order)?;
        }
        Ok(Some(dropped))
    }

    pub(crate) fn set_phase(&self, phase: impl Into<String>) {
        let phase = phase.into();
        tracing::info!("{phase}");
        *self.phase.lock() = phase;
    }

    /// What the request that is worked on asked for, if it is recorded in a trace.
    fn asked(&self) -> Option<Asked> {
        self.telemetry.as_ref()?.asked()
    }

    /// The partition of a command, and the claim on its id if it makes a hold.
    fn place(&self, submit: &Submit) -> Result<(u32, bool), SubmitError> {
        match &submit.command {
            Command::Flight(flight, command) => {
                let mut claimed = false;
                if matches!(command, FlightCommand::Hold(_) | FlightCommand::Reseat(_)) {
                    match self.holds.claim(submit.id, flight) {
                        Claim::New => claimed = true,
                        Claim::Same => {}
                        Claim::Taken(flight) => return Err(SubmitError::IdInUse { flight }),
                    }
                }
                Ok((self.partition_of(flight), claimed))
            }
            Command::FeedReject(reject) => {
                let key = StreamKey::Feed(reject.provider.as_str());
                Ok((key.partition(self.partitions), false))
            }
            Command::Feed(provider, _) => {
                let key = StreamKey::Feed(provider.as_str());
                Ok((key.partition(self.partitions), false))
            }
            // These are a partition's own; whoever appends them names it.
            Command::Tick
            | Command::Configure(_)
            | Command::ConfigureOrders(_)
            | Command::Fence => Ok((0, false)),
            Command::Order(order, _) => Ok((partition_of_order(*order, self.partitions), false)),
        }
    }
}

impl Backend for Inner {
    fn submit_order(
        &self,
        submit: OrderSubmit,
    ) -> Result<oneshot::Receiver<OrderAnswer>, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        if let Some(telemetry) = &self.telemetry {
            telemetry.follow(submit.order);
        }
        self.sequencer.push(Job {
            partition: self.partition_of_order(submit.order),
            submit: Submit {
                id: submit.id,
                command: Command::Order(submit.order, Box::new(submit.action)),
                ref_text: None,
                actor: submit.actor,
            },
            waiter: Traced::around(Waiter::Order(sender), self.asked()),
        })?;
        Ok(receiver)
    }

    fn settled(&self, order: OrderId) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        self.desk.watch(order, sender);
        let partition = self.partition_of_order(order);
        let (desk, waiters) = (self.desk.clone(), self.waiters.clone());
        if let Some(reader) = self.dataflow.get() {
            // Asked after the watcher is there, on the thread that folds: nothing is missed.
            reader.post_orders(partition, move |orders| {
                let found = orders.find(order).and_then(|at| orders.get(at));
                match found.map(|order| order.state()) {
                    Some(state) => {
                        let until = waiters.answered(partition);
                        desk.settle(partition, until, &OrderChange { order, state });
                    }
                    // Never made, or over and forgotten: nothing will happen to it.
                    None => desk.forget(order),
                }
            });
        }
        receiver
    }

    fn partition_of_order(&self, order: OrderId) -> u32 {
        partition_of_order(order, self.partitions)
    }

    fn seal(&self, order: OrderId, personal: &[u8]) -> Result<String, String> {
        self.people()?.seal(order, personal)
    }

    fn unseal(&self, order: OrderId, sealed: &str) -> Result<Option<Vec<u8>>, String> {
        self.people()?.unseal(order, sealed)
    }

    fn webhooks(&self, client: &str, call: WebhookCall) -> Result<WebhookAnswer, WebhookFault> {
        match &*self.webhooks.read() {
            Some(webhooks) => webhooks.call(client, call),
            None => Err(WebhookFault::Unavailable(
                "the replica is starting or stopping".to_owned(),
            )),
        }
    }

    fn explain_order(&self, order: OrderId) -> Result<Option<OrderExplanation>, String> {
        let until: Vec<u64> = (0..self.partitions).map(|p| self.answered(p)).collect();
        crate::refold::explain_order(&*self.log, &until, order).map_err(|e| e.to_string())
    }

    fn submit(&self, submit: Submit) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        let (partition, claimed) = self.place(&submit)?;
        let (sender, receiver) = oneshot::channel();
        let id = submit.id;
        self.sequencer
            .push(Job {
                partition,
                submit,
                waiter: Traced::around(Waiter::One(sender), self.asked()),
            })
            .inspect_err(|_| {
                if claimed {
                    self.holds.unclaim(id);
                }
            })?;
        Ok(receiver)
    }

    fn submit_batch(
        &self,
        batch: Vec<Submit>,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        if batch.is_empty() {
            let _ = sender.send(Vec::new());
            return Ok(receiver);
        }
        let mut claims = Vec::new();
        let mut partitions = Vec::with_capacity(batch.len());
        let take_back = |claims: &[CommandId]| claims.iter().for_each(|id| self.holds.unclaim(*id));
        for submit in &batch {
            match self.place(submit) {
                Ok((partition, claimed)) => {
                    partitions.push(partition);
                    if claimed {
                        claims.push(submit.id);
                    }
                }
                Err(error) => {
                    take_back(&claims);
                    return Err(error);
                }
            }
        }
        let waiter = BatchWaiter::new(batch.len(), sender);
        let asked = self.asked();
        self.sequencer
            .push_with(batch.len(), |jobs| {
                let placed = batch.into_iter().zip(partitions).zip(0_u32..);
                jobs.extend(placed.map(|((submit, partition), place)| Job {
                    partition,
                    submit,
                    waiter: Traced::around(Waiter::Place(waiter.clone(), place), asked),
                }));
            })
            .inspect_err(|_| take_back(&claims))?;
        Ok(receiver)
    }

    fn takes_payment_notices(&self) -> Result<(), NoticeFault> {
        self.hints()?.webhook().map(drop)
    }

    fn payment_notice(&self, signature: Option<&str>, body: &[u8]) -> Result<usize, NoticeFault> {
        let now_s = self.sequencer.now_ms().div_euclid(1000);
        self.hints()?.take(signature, body, now_s)
    }

    fn hold_now(&self, flight: &FlightKey, hold: CommandId) -> oneshot::Receiver<Option<HoldNow>> {
        let (sender, receiver) = oneshot::channel();
        let (partition, flight) = (self.partition_of(flight), *flight);
        if let Some(reader) = self.dataflow.get() {
            reader.post(partition, move |ledger| {
                // Who asked may have gone.
                let _ = sender.send(HoldNow::read(ledger, partition, &flight, hold));
            });
        }
        receiver
    }

    fn flight_of_hold(&self, hold: CommandId) -> Option<FlightKey> {
        self.holds.find(hold)
    }

    fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }

    fn partition_of(&self, flight: &FlightKey) -> u32 {
        partition_of_flight(flight, self.partitions)
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn answered(&self, partition: u32) -> u64 {
        self.waiters.answered(partition)
    }

    fn history(
        &self,
        flight: &FlightKey,
        from_offset: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, String> {
        let partition = self.partition_of(flight);
        let until = self.answered(partition);
        crate::refold::history(&*self.log, partition, until, flight, from_offset, limit)
            .map_err(|e| e.to_string())
    }

    fn provider_status(&self, provider: ProviderCode) -> Option<ProviderStatus> {
        let sources = self.sources_of(provider);
        let counts = match self.stats.of(provider) {
            Some(counts) => counts,
            None if sources.is_empty() => return None,
            None => Default::default(),
        };
        let drift = self.serving.drift(provider);
        Some(ProviderStatus {
            accepted: counts.accepted,
            duplicate: counts.duplicate,
            stale: counts.stale,
            rejected: counts.rejected,
            last_version: counts
                .last_version
                .map(|v| (v.time_ms, v.group, v.sequence)),
            last_event_at_ms: counts.last_at_ms,
            drifting: drift.drifting,
            drift_seats: drift.seats,
            sources,
            sale: crate::sale::state(self, provider),
            missing: self.missing_of(provider),
        })
    }

    fn provider_day(&self, provider: ProviderCode, day: Date) -> Option<ProviderDay> {
        let counts = self.stats.of(provider)?;
        let of_day = counts.day(day);
        let drift = self.serving.drift(provider);
        Some(ProviderDay {
            accepted: of_day.accepted,
            duplicate: of_day.duplicate,
            stale: of_day.stale,
            rejected: of_day.rejected,
            last_event_at_ms: counts.last_at_ms,
            drifting: drift.drifting,
            drift_seats: drift.seats,
            sale: crate::sale::state(self, provider),
            missing: self.missing_of(provider),
        })
    }

    fn set_sale(
        &self,
        provider: ProviderCode,
        sells: bool,
        actor: &str,
    ) -> Result<SaleState, SubmitError> {
        crate::sale::set(self, provider, sells, actor)
    }

    fn reconcile(
        &self,
        provider: ProviderCode,
        format: &str,
        options: &[(String, String)],
        message: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Reconciliation, FeedError> {
        crate::reconcile::reconcile(self, provider, format, options, message, body)
    }

    fn ingest(
        &self,
        provider: ProviderCode,
        format: &str,
        options: &[(String, String)],
        message: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<FeedReport, FeedError> {
        crate::feed::ingest(self, provider, format, options, message, body)
    }

    fn view_followers(&self) -> Option<&Arc<ViewFollowers>> {
        self.views.get().map(LiveViews::followers)
    }

    fn views(&self) -> Result<Vec<ViewLine>, ViewFault> {
        self.live_views().map(LiveViews::list)
    }

    fn view_folder(&self) -> Option<ViewFolder> {
        self.views.get().map(LiveViews::folder)
    }

    fn views_shared(&self) -> Option<ViewSize> {
        self.views.get().map(LiveViews::shared)
    }

    fn change_view(&self, change: ViewChange) -> Result<Option<ViewLine>, ViewFault> {
        let views = self.live_views()?;
        let starting = || ViewFault::Unavailable("the replica is still starting".to_owned());
        if !self.ready.load(Ordering::Acquire) {
            return Err(starting());
        }
        let database = self.postgres.get().ok_or_else(starting)?;
        views.change(database, change)
    }

    fn stream_digest(&self, until: Option<&[u64]>) -> Result<Vec<PartitionDigest>, String> {
        let answered = |partition| self.waiters.answered(partition);
        crate::verify::digest(&*self.log, until, answered).map_err(|e| e.to_string())
    }

    fn readiness(&self) -> Readiness {
        let mut parts = vec![(
            "history",
            self.ready.load(Ordering::Acquire),
            self.phase.lock().clone(),
        )];
        parts.push(match self.sequencer.closed() {
            None => ("stream", true, "takes commands".to_owned()),
            Some(why) => ("stream", false, why.to_string()),
        });
        if let Some(reader) = self.dataflow.get() {
            parts.push(match reader.failure() {
                None => {
                    let backlog = reader.backlog();
                    let text = format!("{} records behind", backlog.records);
                    ("dataflow", true, text)
                }
                Some(failure) => ("dataflow", false, failure.to_string()),
            });
        }
        // PostgreSQL does not decide over readiness: bookings and search go on without it.
        let ready = parts.iter().all(|(_, fine, _)| *fine);
        if let Some(database) = self.postgres.get() {
            let (fine, text) = database.state();
            parts.push(("postgres", fine, text));
        }
        Readiness { ready, parts }
    }

    fn has_shared_memory(&self) -> bool {
        self.answers.get().is_some()
    }

    fn recall(&self, key: &[u8; 16]) -> Result<Option<Remembered>, String> {
        match self.answers.get() {
            Some(answers) => answers.recall(key),
            None => Ok(None),
        }
    }

    fn remember(&self, key: &[u8; 16], new: Remembered) -> Result<Remembered, String> {
        match self.answers.get() {
            Some(answers) => answers.remember(key, new),
            None => Ok(new),
        }
    }

    fn metrics(&self) -> String {
        crate::metrics::text(self)
    }
}
