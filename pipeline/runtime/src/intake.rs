//! Feeds that come by themselves: watched folders and pulls, from the replica's readiness to its stop.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use flightline_api::backend::{Backend, FeedError, FeedReport};
use flightline_connectors::intake::{
    Door, DropFolder, FeedKind, FolderConfig, NotTaken, Pull, PullConfig, Receipt, RejectedRecord,
    Source,
};
use flightline_connectors::webhooks::{Clock, SystemClock};
use flightline_ledger::ProviderCode;
use tokio::sync::watch;

use crate::backend::Inner;

/// A way in, as configured.
#[derive(Clone, Debug)]
pub struct IntakeConfig {
    /// Whose feed it is, and its format.
    pub kind: FeedKind,
    /// Where it comes from.
    pub way: Way,
}

/// Where a feed comes from.
#[derive(Clone, Debug)]
pub enum Way {
    /// A watched folder.
    Folder(FolderConfig),
    /// Requests on a schedule.
    Pull(Box<PullConfig>),
}

/// The replica's side of a way in.
struct ReplicaDoor(Arc<Inner>);

impl Door for ReplicaDoor {
    fn take(
        &self,
        kind: &FeedKind,
        message: &str,
        body: Box<dyn Read + Send>,
    ) -> Result<Receipt, NotTaken> {
        let FeedKind {
            provider,
            format,
            options,
        } = kind;
        self.0
            .ingest(*provider, format, options, message, body)
            .map(receipt)
            .map_err(|error| match error {
                FeedError::Submit(why) => NotTaken::Later(why.to_string()),
                FeedError::UnknownFormat(why) => NotTaken::Refused { why, receipt: None },
                FeedError::BrokeOff { why, report } => NotTaken::Refused {
                    why,
                    receipt: Some(Box::new(receipt(*report))),
                },
            })
    }
}

fn receipt(report: FeedReport) -> Receipt {
    let rejects = report.rejects.into_iter();
    Receipt {
        read: report.read,
        accepted: report.accepted,
        duplicate: report.duplicate,
        stale: report.stale,
        rejected: report.rejected,
        rejects: rejects
            .map(|reject| RejectedRecord {
                line: reject.line,
                code: reject.code,
                message: reject.message,
            })
            .collect(),
    }
}

/// Every way in of a replica, made but not begun.
pub(crate) struct Intakes {
    folders: Vec<DropFolder>,
    pulls: Vec<Pull>,
    sources: Vec<(ProviderCode, Source)>,
}

impl Intakes {
    /// Makes the folders and checks the addresses: what is wrong is told before the replica is ready.
    pub(crate) fn open(inner: &Arc<Inner>, configs: &[IntakeConfig]) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut all = Self {
            folders: Vec::new(),
            pulls: Vec::new(),
            sources: Vec::new(),
        };
        for IntakeConfig { kind, way } in configs {
            let door = Arc::new(ReplicaDoor(inner.clone()));
            let (kind, clock) = (kind.clone(), clock.clone());
            let provider = kind.provider;
            let source = match way {
                Way::Folder(config) => {
                    let folder = DropFolder::open(config.clone(), kind, door, clock)
                        .with_context(|| format!("the watched folder of provider {provider}"))?;
                    let source = folder.source();
                    all.folders.push(folder);
                    source
                }
                Way::Pull(config) => {
                    let pull = Pull::new((**config).clone(), kind, door, clock)
                        .with_context(|| format!("the pull of provider {provider}"))?;
                    let source = pull.source();
                    all.pulls.push(pull);
                    source
                }
            };
            all.sources.push((provider, source));
        }
        Ok(all)
    }

    /// How they stand, for as long as they run.
    pub(crate) fn sources(&self) -> Vec<(ProviderCode, Source)> {
        self.sources.clone()
    }

    /// Begins. Inside a tokio runtime.
    pub(crate) fn start(self) -> anyhow::Result<Running> {
        let (stop, stopped) = watch::channel(false);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let mut running = Running {
            stop,
            is_stopping: is_stopping.clone(),
            threads: Vec::new(),
            tasks: Vec::new(),
        };
        for mut folder in self.folders {
            let is_stopping = is_stopping.clone();
            let thread = std::thread::Builder::new()
                .name("flightline-drop".to_owned())
                .spawn(move || {
                    while !is_stopping.load(Ordering::Acquire) {
                        folder.turn(&|| is_stopping.load(Ordering::Acquire));
                        std::thread::park_timeout(folder.every());
                    }
                })
                .context("the thread of a watched folder cannot be started")?;
            running.threads.push(thread);
        }
        for pull in self.pulls {
            running.tasks.push(tokio::spawn(pull.run(stopped.clone())));
        }
        Ok(running)
    }
}

/// Ways in that run.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    is_stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Takes nothing more, and waits for what is being taken. Before the sequencer stops.
    pub(crate) async fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        let _ = self.stop.send(true);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // One that panicked has nothing left to take.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        for task in self.tasks {
            let _ = task.await;
        }
    }
}
