//! What the replica appends and does of itself: the settings that changed, ticks, what orders wait for.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use flightline_api::backend::Submit;
use flightline_ledger::command::Settings;
use flightline_ledger::order::{OrderSettings, Wait, Work};
use flightline_ledger::{Command, CommandId};

use crate::backend::Inner;
use crate::checkpoint;
use crate::orders::cashier::Cashier;
use crate::orders::courier::Courier;
use crate::orders::notices::Notices;
use crate::sale;
use crate::sequencer::Job;
use crate::terms;
use crate::views::LiveViews;
use crate::waiters::Waiter;

/// Appends the configured settings to every partition that folds with others.
pub(super) fn configure(
    inner: &Inner,
    settings: Settings,
    orders: OrderSettings,
) -> anyhow::Result<()> {
    let reader = inner.dataflow.get().context("the dataflow is not there")?;
    let mut changed = 0;
    for partition in 0..inner.partitions {
        let folded = reader.with_ledger(partition, |ledger| *ledger.settings())?;
        if folded != settings {
            inner
                .sequencer
                .push_own(own(partition, Command::Configure(settings)));
            changed += 1;
        }
        let folded = reader.with_orders(partition, |orders| orders.settings().clone())?;
        if folded != orders {
            let command = Command::ConfigureOrders(Box::new(orders.clone()));
            inner.sequencer.push_own(own(partition, command));
            changed += 1;
        }
    }
    if changed > 0 {
        tracing::info!(partitions = changed, "settings written into the stream");
    }
    sale::configure(inner)
}

/// From here on orders are run: what they wait for is asked for, whether or not it was before, and
/// what happened to their flights is told where they do not know it.
pub(super) fn resume_orders(
    inner: &Inner,
    notices: &Notices,
    cashier: &Cashier,
    courier: &Courier,
) -> anyhow::Result<()> {
    let reader = inner.dataflow.get().context("the dataflow is not there")?;
    inner.desk.go_live();
    let mut resumed = 0;
    // Of several replicas, another may be at it. What nobody does is due again by the clock.
    let partitions = match inner.log.is_shared() {
        true => 0,
        false => inner.partitions,
    };
    for partition in 0..partitions {
        let outstanding =
            reader.with_orders(partition, |orders| orders.outstanding().collect::<Vec<_>>())?;
        // What waits until later becomes due by the clock. One process writes this stream, so a
        // claim that stands is one of its own.
        let (later, due): (Vec<_>, Vec<_>) = outstanding
            .into_iter()
            .partition(|o| matches!(o.wait, Wait::Later { .. }));
        resumed += due.len();
        for outstanding in due {
            inner.desk.run(outstanding.effect);
        }
        for outstanding in later {
            // Unless the payment service, or the provider, tells of it before.
            match outstanding.effect.work {
                Work::Money(_) => cashier.note(outstanding.effect),
                Work::Outward(_) => courier.note(outstanding.effect),
                Work::Seats { .. } | Work::Ticket { .. } => {}
            }
        }
    }
    notices.go_live(|partition| inner.waiters.answered(partition));
    if resumed > 0 {
        tracing::info!(effects = resumed, "orders go on where they were");
    }
    Ok(())
}

/// Sends what should have followed schedules that the stream ends with, and what the configuration says
/// of flights since it changed.
pub(super) async fn resume_feeds(inner: &Arc<Inner>) -> anyhow::Result<()> {
    let inner = inner.clone();
    tokio::task::spawn_blocking(move || {
        let missing = inner.late.resume(&inner)?;
        if !missing.is_empty() {
            tracing::info!(
                reports = missing.len(),
                "reports that came before their flights are applied"
            );
            inner.late.send(&inner, missing);
        }
        let reader = inner.dataflow.get().context("the dataflow is not there")?;
        let terms = terms::at_start(&inner, reader, inner.sequencer.now_ms())?;
        if !terms.is_empty() {
            tracing::info!(
                flights = terms.len(),
                "overbooking allowances of the configuration written into the stream"
            );
            inner.late.send(&inner, terms);
        }
        Ok(())
    })
    .await
    .context("sending what follows schedules was broken off")?
}

/// Where the ticks go that views need: the stream's clock is the latest of all partitions.
const VIEWS_TICK: u32 = 0;

/// A record of the replica's own.
fn own(partition: u32, command: Command) -> Job {
    Job {
        partition,
        submit: Submit {
            id: CommandId(0),
            command,
            ref_text: None,
            actor: None,
        },
        waiter: Waiter::None,
    }
}

/// Appends a tick to partitions in which something is due and nothing else is appended.
pub(super) struct Ticker {
    stop: crossbeam_channel::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Ticker {
    pub(super) fn start(inner: Arc<Inner>, every: Duration) -> anyhow::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let thread = std::thread::Builder::new()
            .name("flightline-ticks".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(every)
                    == Err(crossbeam_channel::RecvTimeoutError::Timeout)
                {
                    if inner.tick().is_err() {
                        break;
                    }
                }
            })
            .context("the thread of ticks cannot be started")?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Inner {
    /// Makes a checkpoint of what the tables have. Blocking.
    pub(crate) fn take_checkpoint(&self) -> anyhow::Result<checkpoint::Taken> {
        let checkpoints = self.checkpoints.get();
        let checkpoints = checkpoints.context("the replica is still starting")?;
        let covered = self
            .covered()
            .context("it is not known how far the tables are")?;
        Ok(checkpoints.take(&*self.log, &covered)?)
    }

    /// How far the tables are, by whoever writes them, as far as that is known and here.
    pub(crate) fn covered(&self) -> Option<Arc<[u64]>> {
        if let Some(sink) = self.postgres.get()?.sink() {
            return Some(sink.written());
        }
        let observed = self.turn.observed()?;
        let ends = self.log.end_offsets().ok()?;
        let is_here = observed.iter().zip(&ends).all(|(have, end)| have <= end);
        (observed.len() == ends.len() && is_here).then(|| observed.into())
    }

    /// Appends ticks where something is due.
    pub(super) fn tick(&self) -> Result<(), flightline_dataflows::Failure> {
        let Some(reader) = self.dataflow.get() else {
            return Ok(());
        };
        let now = self.sequencer.now_ms();
        for partition in 0..self.partitions {
            let seats = reader.with_ledger(partition, |ledger| ledger.next_deadline_ms())?;
            let orders = reader.with_orders(partition, |orders| orders.next_deadline_ms())?;
            if seats.into_iter().chain(orders).any(|due| due <= now) {
                self.sequencer.push_own(own(partition, Command::Tick));
            }
        }
        // A view in which time changes something is told the time, though nothing else happens.
        let views_due = self.views.get().and_then(LiveViews::due_ms);
        if views_due.is_some_and(|due| due <= now) {
            self.sequencer.push_own(own(VIEWS_TICK, Command::Tick));
        }
        sale::tell_heard(self, now)
    }

    /// Waits until the index shows everything that was answered before this call. Blocking.
    pub(crate) fn await_index(&self) {
        let until: Vec<u64> = (0..self.partitions)
            .map(|p| self.waiters.answered(p))
            .collect();
        self.await_index_at(&until);
    }

    /// Waits until the index covers these offsets, or the dataflow has failed. Blocking.
    pub(crate) fn await_index_at(&self, until: &[u64]) {
        let failed = || self.dataflow.get().is_none_or(|r| r.failure().is_some());
        let behind = || {
            until
                .iter()
                .zip(0_u32..)
                .any(|(offset, p)| self.serving.covers(p) < *offset)
        };
        while behind() && !failed() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}
