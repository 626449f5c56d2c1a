//! Reads what others write, while this process writes nothing.
//!
//! Asking goes over connections of its own and holds nobody up; only what came is taken under the writer's
//! lock, where the order is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::broker::{BrokerErrorKind, Cluster};
use super::commit::Core;
use super::joint::{TAIL_BYTES, TAIL_PARTITIONS};
use super::session::Session;
use crate::error::StreamError;

/// Between two looks, while something comes.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// While nothing does: what a quiet topic costs, and how late its first record is seen.
const PAUSE_MAX: Duration = Duration::from_millis(10);
/// While the cluster does not answer.
const PAUSE_AWAY: Duration = Duration::from_millis(200);

/// The thread; dropping this ends it.
pub(super) struct Tail {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tail {
    pub(super) fn start(core: Arc<Core>, cluster: Arc<dyn Cluster>) -> Result<Self, StreamError> {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let cluster_name = cluster.name();
        let thread = std::thread::Builder::new()
            .name("flightline-tail".to_owned())
            .spawn(move || run(&core, cluster, &theirs))
            .map_err(|e| StreamError::Cluster {
                cluster: cluster_name,
                what: format!("the thread that reads it cannot be started: {e}"),
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(core: &Core, cluster: Arc<dyn Cluster>, stop: &AtomicBool) {
    let mut session = Session::new(cluster).counted_in(core.stats.clone());
    let mut pause = PAUSE_MIN;
    while !stop.load(Ordering::Acquire) {
        pause = match look(core, &mut session) {
            Ok(Seen::Something) => PAUSE_MIN,
            Ok(Seen::Nothing) => (pause * 2).min(PAUSE_MAX),
            Ok(Seen::Away) => PAUSE_AWAY,
            Err(error) => {
                core.fail(error);
                return;
            }
        };
        std::thread::park_timeout(pause);
    }
}

/// What a look at the topic's end found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Something,
    Nothing,
    Away,
}

/// Reads what others wrote since the last look.
pub(super) fn look(core: &Core, session: &mut Session) -> Result<Seen, StreamError> {
    let asked = core.places();
    let mut seen = Seen::Nothing;
    for some in asked.chunks(TAIL_PARTITIONS) {
        let answers = match session.broker() {
            Ok(broker) => broker.fetch_all(some, TAIL_BYTES),
            Err(_) => return Ok(Seen::Away),
        };
        let mut came = Vec::new();
        let mut suspect = Vec::new();
        for ((partition, _), answer) in some.iter().zip(answers) {
            match answer {
                Ok(fetched) if fetched.values.is_empty() && fetched.left_over == 0 => {}
                Ok(fetched) => came.push((*partition, fetched)),
                // Wrong, or lost: whoever reads under the lock finds out.
                Err(e) if e.kind != BrokerErrorKind::Passing => suspect.push(*partition),
                Err(_) => {
                    session.drop_connections();
                    return Ok(Seen::Away);
                }
            }
        }
        if came.is_empty() && suspect.is_empty() {
            continue;
        }
        if !core.take_tail(&came, &suspect)? {
            return Ok(Seen::Away);
        }
        seen = Seen::Something;
    }
    Ok(seen)
}
