//! What stands for PostgreSQL: rows, `sink_progress`, the session lock and transactions; and the sink, which goes by
//! the rules of the real one ([`flightline_sinks::postgres::fence`]).

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flightline_dataflows::changelog::{Change, Epoch, EpochSink};
use flightline_dataflows::rows::{DecisionRow, HoldRow, OrderRow};
use flightline_sinks::postgres::fence;

/// The tables.
#[derive(Default)]
pub(super) struct Database {
    pub(super) progress: Vec<u64>,
    /// Rows by their text, with how often they are there.
    pub(super) rows: BTreeMap<String, isize>,
    /// Decisions by partition and offset.
    pub(super) decisions: BTreeMap<(u32, u64), DecisionRow>,
    pub(super) holds: BTreeMap<(u32, u64), HoldRow>,
    pub(super) orders: BTreeMap<String, Arc<OrderRow>>,
    holder: Option<Session>,
    sessions: u64,
    /// Checks of the sink that are left out on purpose.
    pub(super) is_unfenced: bool,
}

/// A connection that has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) machine: usize,
    /// When it was last heard of.
    pub(super) heard_ms: u64,
}

impl Database {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            progress: vec![0; partitions as usize],
            ..Self::default()
        }
    }

    /// A new session that has the lock, if nobody has.
    pub(super) fn take_lock(&mut self, machine: usize, now_ms: u64) -> Option<u64> {
        if self.holder.is_some() {
            return None;
        }
        self.sessions += 1;
        self.holder = Some(Session {
            id: self.sessions,
            machine,
            heard_ms: now_ms,
        });
        Some(self.sessions)
    }

    pub(super) fn holder(&self) -> Option<Session> {
        self.holder
    }

    /// A session ends, and with it its lock.
    pub(super) fn end(&mut self, session: u64) {
        self.holder = self.holder.filter(|holder| holder.id != session);
    }

    /// Ends the session of a machine, if it has one.
    pub(super) fn end_of(&mut self, machine: usize) {
        self.holder = self.holder.filter(|holder| holder.machine != machine);
    }

    fn has(&self, session: u64) -> bool {
        self.holder.is_some_and(|holder| holder.id == session)
    }

    fn hear(&mut self, session: u64, now_ms: u64) {
        let holder = self.holder.as_mut().filter(|holder| holder.id == session);
        if let Some(holder) = holder {
            holder.heard_ms = now_ms;
        }
    }

    fn apply(&mut self, epoch: &Epoch) -> Result<(), String> {
        self.change("flight", &epoch.flights)?;
        self.change("leg", &epoch.legs)?;
        self.change("inventory", &epoch.inventory)?;
        self.change("hold", &epoch.holds)?;
        self.change("drift", &epoch.drift)?;
        self.change("oversold", &epoch.oversold)?;
        self.change("order", &epoch.orders)?;
        for (row, diff) in &epoch.holds {
            match diff {
                1 => self.holds.insert((row.partition, row.offset), row.clone()),
                _ => self.holds.remove(&(row.partition, row.offset)),
            };
        }
        // What goes stands before what comes in its place only by chance: look at what comes last.
        for (row, _) in epoch.holds.iter().filter(|(_, diff)| *diff > 0) {
            self.holds.insert((row.partition, row.offset), row.clone());
        }
        for (row, _) in epoch.orders.iter().filter(|(_, diff)| *diff > 0) {
            self.orders.insert(row.order.to_string(), row.clone());
        }
        for row in &epoch.decisions {
            let place = (row.partition, row.decision.offset);
            if self.decisions.insert(place, row.clone()).is_some() {
                return Err(format!("the decision at {place:?} is there already"));
            }
        }
        Ok(())
    }

    fn change<R: Debug>(&mut self, table: &str, changes: &[Change<R>]) -> Result<(), String> {
        for (row, diff) in changes {
            let text = format!("{table} {row:?}");
            let count = self.rows.entry(text).or_default();
            *count += diff;
            if *count == 0 {
                let text = format!("{table} {row:?}");
                self.rows.remove(&text);
            }
        }
        // Every row is there once or not at all, whatever the order within the epoch.
        for (row, _) in changes {
            let text = format!("{table} {row:?}");
            let count = self.rows.get(&text).copied().unwrap_or(0);
            if !(0..=1).contains(&count) {
                return Err(format!("a row is there {count} times: {text}"));
            }
        }
        Ok(())
    }
}

/// A batch in the making, or on its way.
struct Batch {
    epochs: Vec<Arc<Epoch>>,
    from: Vec<u64>,
    to: Vec<u64>,
}

/// What a process has of the way to the tables.
#[derive(Default)]
pub(super) struct Way {
    machine: usize,
    /// Its session; absent after it was lost.
    session: Option<u64>,
    /// Where it believes the tables to be.
    believed: Vec<u64>,
    queue: VecDeque<Arc<Epoch>>,
    next: Option<Batch>,
    /// Why it has stopped.
    pub(super) failed: Option<String>,
}

/// The sink: epochs in, rows out.
#[derive(Clone, Default)]
pub(super) struct Sink(Arc<Mutex<Way>>);

impl EpochSink for Sink {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.lock().queue.push_back(epoch);
    }
}

/// What a step of the sink came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    Nothing,
    Committed,
    /// Nobody knows what became of the transaction.
    Unknown,
    Stopped,
}

/// What happens to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnCommit {
    Good,
    /// It is committed, and its answer is lost with the connection.
    LoseAnswer,
    /// The connection is lost before.
    LoseRequest,
}

impl Sink {
    pub(super) fn new(machine: usize, session: u64, progress: &[u64]) -> Self {
        Self(Arc::new(Mutex::new(Way {
            machine,
            session: Some(session),
            believed: progress.to_vec(),
            ..Way::default()
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there nothing left to write?
    pub(super) fn is_done(&self) -> bool {
        let way = self.lock();
        way.queue.is_empty() && way.next.is_none()
    }

    /// Writes one batch of at most so many epochs, or says something when there is none.
    pub(super) fn step(
        &self,
        database: &mut Database,
        now_ms: u64,
        epochs_max: usize,
        what: OnCommit,
    ) -> Wrote {
        let way = &mut *self.lock();
        if way.failed.is_some() {
            return Wrote::Stopped;
        }
        match way.write(database, now_ms, epochs_max, what) {
            Ok(wrote) => wrote,
            Err(why) => {
                way.failed = Some(why);
                Wrote::Stopped
            }
        }
    }
}

impl Way {
    fn write(
        &mut self,
        database: &mut Database,
        now_ms: u64,
        epochs_max: usize,
        what: OnCommit,
    ) -> Result<Wrote, String> {
        if self.next.is_none() {
            self.next = self.gather(epochs_max)?;
        }
        let is_unfenced = database.is_unfenced;
        let is_connected = self
            .session
            .is_some_and(|session| database.has(session) || is_unfenced);
        if !is_connected {
            // The lock went with the connection that was lost.
            let taken = database.take_lock(self.machine, now_ms);
            let session = taken.ok_or("the lock is held by another")?;
            self.session = Some(session);
            if let Some(batch) = &self.next
                && fence::was_committed(&database.progress, &batch.from, &batch.to)
            {
                self.next = None;
                return Ok(Wrote::Committed);
            }
        }
        let session = self.session.unwrap_or(0);
        database.hear(session, now_ms);
        let Some(batch) = &self.next else {
            return Ok(Wrote::Nothing);
        };
        if what == OnCommit::LoseRequest {
            database.end(session);
            self.session = None;
            return Ok(Wrote::Unknown);
        }
        if !is_unfenced {
            fence::check_progress(&database.progress, &batch.from).map_err(|e| e.to_string())?;
        }
        for epoch in &batch.epochs {
            database
                .apply(epoch)
                .map_err(|what| format!("INCONSISTENT {what}"))?;
        }
        database.progress.clone_from(&batch.to);
        if what == OnCommit::LoseAnswer {
            database.end(session);
            self.session = None;
            return Ok(Wrote::Unknown);
        }
        self.next = None;
        Ok(Wrote::Committed)
    }

    fn gather(&mut self, epochs_max: usize) -> Result<Option<Batch>, String> {
        let from = self.believed.clone();
        let mut epochs = Vec::new();
        while epochs.len() < epochs_max {
            let Some(epoch) = self.queue.pop_front() else {
                break;
            };
            if epoch.is_snapshot
                && !fence::takes_snapshot(&epoch.covers, &self.believed, epochs.is_empty())
                    .map_err(|e| e.to_string())?
            {
                continue;
            }
            self.believed.clone_from(&epoch.covers);
            epochs.push(epoch);
        }
        let to = self.believed.clone();
        Ok((!epochs.is_empty()).then_some(Batch { epochs, from, to }))
    }
}
