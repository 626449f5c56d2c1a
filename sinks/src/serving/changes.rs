//! The stream of changes of one view, for readers that keep their own copy.
//!
//! A reader that names the last event it saw goes on after it, as long as that event is of this run
//! and still in the ring of recent epochs; any other reader begins with the rows of the view as they
//! are ([`Event::Reset`]) and goes on from there. Nothing is left out silently: who falls behind the
//! ring is reset.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use flightline_dataflows::changelog::Epoch;
use flightline_ledger::codes::BadCode;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Serving;
use super::views::{View, ViewRows};
use crate::size::epoch_bytes;

/// Names an epoch of one run of a replica. Text form `BOOT-EPOCH`, such as `00c4f2a91b77e3d0-1841`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// Tells runs apart: epochs are counted anew in each.
    pub boot: u64,
    /// The epoch.
    pub epoch: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.boot, self.epoch)
    }
}

impl FromStr for EventId {
    type Err = BadCode;
    fn from_str(s: &str) -> Result<Self, BadCode> {
        const BAD: BadCode = BadCode(
            "an event id is 16 hexadecimal digits, '-' and a number, as it was sent with the event",
        );
        let (boot, epoch) = s.split_once('-').ok_or(BAD)?;
        if boot.len() != 16 || epoch.is_empty() || !epoch.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BAD);
        }
        Ok(Self {
            boot: u64::from_str_radix(boot, 16).map_err(|_| BAD)?,
            epoch: epoch.parse().map_err(|_| BAD)?,
        })
    }
}

/// What a reader of a view gets.
#[derive(Clone, Debug)]
pub enum Event {
    /// Forget what you have: these are the rows after the epoch named. Views that are not kept in
    /// the index come without rows and begin with the present; see [`View::has_snapshot`].
    Reset {
        /// The epoch after which the rows were like this; `None` before the first epoch.
        id: Option<EventId>,
        /// The rows.
        rows: ViewRows,
    },
    /// The next epoch. It may have no change of the view.
    Epoch {
        /// Its name.
        id: EventId,
        /// All its changes; those of the view are in the view's field.
        epoch: Arc<Epoch>,
    },
}

/// How many recent epochs are kept for readers that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingLimits {
    /// At most so many epochs.
    pub epochs: usize,
    /// At most so many bytes, near enough.
    pub bytes: usize,
}

impl Default for RingLimits {
    fn default() -> Self {
        Self {
            epochs: 100_000,
            bytes: 64 << 20,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Ring {
    limits: RingLimits,
    recent: Mutex<Recent>,
    /// Epochs applied so far: readers wait for it to rise.
    applied: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Recent {
    epochs: VecDeque<(Arc<Epoch>, usize)>,
    bytes: usize,
    /// Number of the next epoch.
    next: u64,
}

/// What the ring has to say about the epochs from a number on.
pub(crate) enum Since {
    /// They are all here.
    Here(Vec<Arc<Epoch>>),
    /// Some were dropped.
    Dropped,
}

impl Ring {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self {
            limits,
            recent: Mutex::default(),
            applied: watch::channel(0).0,
        }
    }

    /// Takes an epoch that was just applied.
    pub(crate) fn push(&self, epoch: &Arc<Epoch>) {
        let bytes = epoch_bytes(epoch);
        let mut dropped = Vec::new();
        let mut recent = self.recent.lock();
        recent.next = epoch.number + 1;
        recent.bytes += bytes;
        recent.epochs.push_back((Arc::clone(epoch), bytes));
        while recent.bytes > self.limits.bytes || recent.epochs.len() > self.limits.epochs {
            let Some((epoch, bytes)) = recent.epochs.pop_front() else {
                break;
            };
            recent.bytes -= bytes;
            // Freed after the lock is given back: an epoch may be a whole history.
            dropped.push(epoch);
        }
        drop(recent);
        drop(dropped);
        self.applied.send_replace(epoch.number + 1);
    }

    /// At most `limit` epochs from the number on.
    pub(crate) fn since(&self, from: u64, limit: usize) -> Since {
        let recent = self.recent.lock();
        let oldest = recent.next - recent.epochs.len() as u64;
        if from < oldest || from > recent.next {
            return Since::Dropped;
        }
        let skip = (from - oldest) as usize;
        let epochs = recent.epochs.iter().skip(skip).take(limit);
        Since::Here(epochs.map(|(epoch, _)| Arc::clone(epoch)).collect())
    }
}

/// A reader's place in the changes of one view.
#[derive(Debug)]
pub struct Subscription {
    serving: Arc<Serving>,
    view: View,
    place: Place,
    ready: VecDeque<Arc<Epoch>>,
    applied: watch::Receiver<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// The rows have to be told first.
    Start,
    /// The next epoch to tell.
    Next(u64),
}

/// Epochs taken from the ring at once.
const TAKE: usize = 64;

impl Serving {
    /// Follows a view. `after` is the last event the reader has seen, if it comes back.
    pub fn subscribe(self: &Arc<Self>, view: View, after: Option<EventId>) -> Subscription {
        let next = after
            .filter(|id| id.boot == self.boot)
            .and_then(|id| id.epoch.checked_add(1));
        let place = match next {
            Some(next) => match self.ring.since(next, 0) {
                Since::Here(_) => Place::Next(next),
                Since::Dropped => Place::Start,
            },
            None => Place::Start,
        };
        Subscription {
            serving: Arc::clone(self),
            view,
            place,
            ready: VecDeque::new(),
            applied: self.ring.applied.subscribe(),
        }
    }
}

impl Subscription {
    /// The view that is followed.
    pub fn view(&self) -> View {
        self.view
    }

    /// The next event; waits until there is one. Safe to drop half-way: nothing is skipped then.
    pub async fn next(&mut self) -> Event {
        loop {
            let next = match self.place {
                Place::Start => return self.reset().await,
                Place::Next(next) => next,
            };
            if let Some(epoch) = self.ready.pop_front() {
                self.place = Place::Next(next + 1);
                return Event::Epoch {
                    id: self.serving.event_id(epoch.number),
                    epoch,
                };
            }
            match self.serving.ring.since(next, TAKE) {
                Since::Dropped => self.place = Place::Start,
                Since::Here(epochs) if !epochs.is_empty() => self.ready.extend(epochs),
                Since::Here(_) => {
                    // The sender lives in the index, which `self` keeps: it cannot be closed.
                    let _ = self.applied.wait_for(|applied| *applied > next).await;
                }
            }
        }
    }

    async fn reset(&mut self) -> Event {
        self.ready.clear();
        let serving = Arc::clone(&self.serving);
        let view = self.view;
        // Copying a million rows is no work for a thread that answers requests.
        let snapshot = tokio::task::spawn_blocking(move || serving.snapshot(view)).await;
        match snapshot {
            Ok(snapshot) => {
                self.place = Place::Next(snapshot.next_epoch);
                let id = snapshot.next_epoch.checked_sub(1);
                Event::Reset {
                    id: id.map(|epoch| self.serving.event_id(epoch)),
                    rows: snapshot.rows,
                }
            }
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down: there is nobody left to answer.
                Err(_) => std::future::pending().await,
            },
        }
    }
}
