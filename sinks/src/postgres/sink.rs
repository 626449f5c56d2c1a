//! The sink: takes epochs from the dataflow, and sees that they get into the database.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::{Epoch, EpochSink};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot, watch};

use super::connection::Target;
use super::spool::Spool;
use super::status::{PostgresStatus, Status};
use super::tables::ViewTable;
use super::writer::Writer;
use super::{PostgresConfig, PostgresError};
use crate::size::epoch_bytes;

/// Takes epochs. They are written by a thread of its own; dropping this lets the thread write what
/// it has and then end. See [`PostgresHandle`] for everything else.
#[derive(Debug)]
pub struct PostgresSink {
    handle: PostgresHandle,
    progress: Vec<u64>,
}

/// Watches and steers a sink. Any number of copies.
#[derive(Clone, Debug)]
pub struct PostgresHandle {
    pub(super) shared: Arc<Shared>,
}

/// What the sink's thread and everyone else share.
#[derive(Debug)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    inbox_bytes_max: usize,
    /// Signalled when the inbox was emptied.
    room: Condvar,
    /// Tells the thread that there is something to do.
    pub(super) wake: Notify,
    pub(super) status: Status,
    /// What is committed.
    pub(super) written: watch::Sender<Arc<[u64]>>,
    /// Raised when the thread ends.
    pub(super) ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inbox {
    epochs: VecDeque<Arrived>,
    bytes: usize,
    /// No more epochs will come.
    closed: bool,
    /// Nobody takes epochs any more.
    deaf: bool,
    /// Leave what cannot be written at once.
    hurry: bool,
}

/// An epoch and when it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) epoch: Arc<Epoch>,
    pub(super) at: Instant,
    bytes: usize,
}

impl PostgresSink {
    /// Connects, brings the schema up to date and starts the thread. Tries for
    /// [`PostgresConfig::start_timeout`] while the database cannot be reached.
    ///
    /// # Errors
    /// See [`PostgresError`].
    pub async fn open(config: PostgresConfig) -> Result<Self, PostgresError> {
        let zeros = vec![0; config.partitions as usize];
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            inbox_bytes_max: config.inbox_bytes_max,
            room: Condvar::new(),
            wake: Notify::new(),
            status: Status::new(),
            written: watch::channel(zeros.into()).0,
            ended: watch::channel(false).0,
        });
        let spool = Spool::open(config.spool_dir.clone(), config.memory_bytes_max)?;
        let mut connect = config.connect.clone();
        if connect.get_application_name().is_none() {
            connect.application_name("flightline");
        }
        let target = Target {
            config: connect,
            partitions: config.partitions as usize,
            stream_id: config.stream_id.clone(),
            session_lock: config.session_lock,
            views: config.views.iter().cloned().map(ViewTable::new).collect(),
        };
        let (opened, open) = oneshot::channel();
        let thread = std::thread::Builder::new().name("postgres-sink".to_owned());
        let spawned = thread.spawn({
            let shared = Arc::clone(&shared);
            move || run(shared, config, target, spool, opened)
        });
        let failed = |source| PostgresError::Spool {
            path: "the sink's thread".into(),
            source,
        };
        spawned.map_err(failed)?;
        let ended = || failed(std::io::Error::other("it ended without a word"));
        let progress = open.await.map_err(|_| ended())??;
        let handle = PostgresHandle { shared };
        Ok(Self { handle, progress })
    }

    /// `sink_progress` as it was found: zeros when the database was empty. The dataflow is to begin
    /// with the snapshot at this vector.
    pub fn progress(&self) -> &[u64] {
        &self.progress
    }

    /// A handle on the sink.
    pub fn handle(&self) -> PostgresHandle {
        self.handle.clone()
    }
}

impl EpochSink for PostgresSink {
    /// Blocks only while [`PostgresConfig::inbox_bytes_max`] are not yet merged, which takes the
    /// thread milliseconds whatever the database does.
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let shared = &self.handle.shared;
        let bytes = epoch_bytes(&epoch);
        let at = Instant::now();
        let mut inbox = shared.inbox.lock();
        while !inbox.deaf && inbox.bytes > 0 && inbox.bytes + bytes > shared.inbox_bytes_max {
            shared.room.wait(&mut inbox);
        }
        if inbox.deaf {
            // The sink has failed and said so; the dataflow goes on without it.
            return;
        }
        inbox.bytes += bytes;
        inbox.epochs.push_back(Arrived { epoch, at, bytes });
        drop(inbox);
        let pending = &shared.status.pending_epochs;
        pending.fetch_add(1, Ordering::Relaxed);
        shared.wake.notify_one();
    }
}

impl Drop for PostgresSink {
    fn drop(&mut self) {
        self.handle.shared.inbox.lock().closed = true;
        self.handle.shared.wake.notify_one();
    }
}

impl PostgresHandle {
    /// How the sink is doing.
    pub fn status(&self) -> PostgresStatus {
        self.shared.status.read()
    }

    /// By partition, the offset after the last record whose rows are committed.
    pub fn written(&self) -> Arc<[u64]> {
        self.shared.written.borrow().clone()
    }

    /// Begins no transaction until [`PostgresHandle::resume`]. Epochs are taken on and wait.
    pub fn pause(&self) {
        self.shared.status.paused.store(true, Ordering::SeqCst);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.shared.status.paused.store(false, Ordering::SeqCst);
        self.shared.wake.notify_one();
    }

    /// Waits until everything before the vector is committed. `true` when it is; `false` after
    /// `timeout`, or when the sink has ended before.
    pub async fn wait_covered(&self, vector: &[u64], timeout: Duration) -> bool {
        let mut written = self.shared.written.subscribe();
        let mut ended = self.shared.ended.subscribe();
        let covers = |written: &Arc<[u64]>| {
            written.len() == vector.len() && written.iter().zip(vector).all(|(a, b)| a >= b)
        };
        let covered = async {
            tokio::select! {
                biased;
                covered = written.wait_for(covers) => covered.is_ok(),
                _ = ended.wait_for(|ended| *ended) => false,
            }
        };
        tokio::time::timeout(timeout, covered)
            .await
            .unwrap_or(false)
    }

    /// Takes no more epochs, writes what there is for as long as `timeout`, and ends the thread.
    ///
    /// # Errors
    /// [`PostgresError::Unfinished`] when something could not be written; the next start does it.
    pub async fn stop(&self, timeout: Duration) -> Result<(), PostgresError> {
        let mut ended = self.shared.ended.subscribe();
        self.shared.inbox.lock().closed = true;
        self.resume();
        let waited = tokio::time::timeout(timeout, ended.wait_for(|ended| *ended));
        if waited.await.is_err() {
            self.shared.inbox.lock().hurry = true;
            self.shared.wake.notify_one();
            // The thread lives: it looks at this before it does anything else.
            let _ = ended.wait_for(|ended| *ended).await;
        }
        match self.status().pending_epochs {
            0 => Ok(()),
            epochs => Err(PostgresError::Unfinished { epochs }),
        }
    }
}

/// What the thread finds in its inbox.
pub(super) struct Taken {
    pub(super) epochs: Vec<Arrived>,
    /// There is more.
    pub(super) more: bool,
    pub(super) closed: bool,
    pub(super) hurry: bool,
}

impl Shared {
    /// Takes about so many bytes of epochs.
    pub(super) fn take(&self, bytes: usize) -> Taken {
        let mut inbox = self.inbox.lock();
        let mut epochs = Vec::new();
        let mut taken = 0;
        while taken < bytes {
            let Some(epoch) = inbox.epochs.pop_front() else {
                break;
            };
            taken += epoch.bytes;
            epochs.push(epoch);
        }
        inbox.bytes -= taken;
        let taken = Taken {
            epochs,
            more: !inbox.epochs.is_empty(),
            closed: inbox.closed,
            hurry: inbox.hurry,
        };
        drop(inbox);
        self.room.notify_all();
        taken
    }

    /// Takes no epochs any more.
    pub(super) fn turn_deaf(&self) {
        let mut inbox = self.inbox.lock();
        inbox.deaf = true;
        inbox.closed = true;
        let epochs = std::mem::take(&mut inbox.epochs);
        inbox.bytes = 0;
        drop(inbox);
        self.room.notify_all();
        drop(epochs);
    }
}

/// The thread.
fn run(
    shared: Arc<Shared>,
    config: PostgresConfig,
    target: Target,
    spool: Spool,
    opened: oneshot::Sender<Result<Vec<u64>, PostgresError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let ended = Ended(Arc::clone(&shared));
            runtime.block_on(Writer::run(shared, config, target, spool, opened));
            drop(ended);
        }
        Err(source) => {
            let path = "the sink's thread".into();
            // Whoever opened it has gone away: then nobody needs to know.
            let _ = opened.send(Err(PostgresError::Spool { path, source }));
        }
    }
}

/// Tells everyone that the thread has ended, in whatever way.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.turn_deaf();
        self.0.status.connected.store(false, Ordering::Relaxed);
        self.0.ended.send_replace(true);
    }
}
