//! The rows of followed views, and their last changes.
//!
//! A follower that names the last event he saw goes on after it, as long as that event is of this run, of this version
//! of the view, and not too long ago; any other begins with the rows as they are.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use flightline_dataflows::changelog::{Change, Epoch, ViewChanges};
use flightline_dataflows::relational::Row;
use flightline_dataflows::sql::View;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::serving::EventId;

/// Changes that are kept of a view for followers that come back.
const CHANGES_KEPT_MAX: usize = 100_000;

/// All followed views.
#[derive(Debug)]
pub struct ViewFollowers {
    boot: u64,
    state: Mutex<State>,
    /// Epochs taken: followers wait for it to rise.
    taken: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    views: BTreeMap<String, Followed>,
}

#[derive(Debug)]
struct Followed {
    view: Arc<View>,
    rows: BTreeSet<Row>,
    /// Every change of the epochs from this one on is in `recent`.
    since: u64,
    recent: VecDeque<(u64, Arc<[Change<Row>]>)>,
    kept: usize,
}

/// What a follower is told.
#[derive(Clone, Debug)]
pub enum ViewEvent {
    /// Forget what you have: these are the rows.
    Reset {
        /// Names the moment.
        id: EventId,
        /// The view; another than before when it was replaced.
        view: Arc<View>,
        /// Its rows.
        rows: Vec<Row>,
    },
    /// Rows came and went.
    Changes {
        /// Names the epoch.
        id: EventId,
        /// The view.
        view: Arc<View>,
        /// Which.
        changes: Arc<[Change<Row>]>,
    },
}

/// A follower's place.
#[derive(Debug)]
pub struct Follower {
    followers: Arc<ViewFollowers>,
    name: String,
    /// The version of the view that he was told of, and the next epoch.
    place: Option<(Arc<View>, u64)>,
    taken: watch::Receiver<u64>,
}

impl Default for ViewFollowers {
    fn default() -> Self {
        Self {
            boot: RandomState::new().hash_one(std::process::id()),
            state: Mutex::default(),
            taken: watch::channel(0).0,
        }
    }
}

impl Followed {
    fn new(view: Arc<View>, since: u64) -> Self {
        Self {
            view,
            rows: BTreeSet::new(),
            since,
            recent: VecDeque::new(),
            kept: 0,
        }
    }

    fn take(&mut self, number: u64, changes: &ViewChanges) {
        if changes.rows.is_empty() {
            return;
        }
        for (row, diff) in &changes.rows {
            if *diff > 0 {
                self.rows.insert(row.clone());
            } else {
                self.rows.remove(row);
            }
        }
        self.kept += changes.rows.len();
        self.recent.push_back((number, changes.rows.clone().into()));
        while self.kept > CHANGES_KEPT_MAX
            && let Some((number, dropped)) = self.recent.pop_front()
        {
            self.kept -= dropped.len();
            self.since = number + 1;
        }
    }
}

impl ViewFollowers {
    /// Takes what an epoch says of followed views.
    pub fn take(&self, epoch: &Epoch) {
        let mut state = self.state.lock();
        let number = state.taken;
        state.taken += 1;
        for view in &epoch.ended_views {
            state.views.remove(&view.name);
        }
        for changes in epoch.views.iter().filter(|changes| changes.view.changes) {
            let name = &changes.view.name;
            if changes.begins || !state.views.contains_key(name) {
                // Who comes back from before it begins anew: he may have rows of another version.
                let followed = Followed::new(Arc::clone(&changes.view), number + 1);
                state.views.insert(name.clone(), followed);
            }
            if let Some(followed) = state.views.get_mut(name) {
                followed.take(number, changes);
            }
        }
        drop(state);
        self.taken.send_replace(number + 1);
    }

    /// Names of the views that can be followed.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().views.keys().cloned().collect()
    }

    /// Follows a view; `None` when there is none of that name whose changes are told. `after` is the last event that
    /// the follower has seen, if he comes back.
    pub fn follow(self: &Arc<Self>, name: &str, after: Option<EventId>) -> Option<Follower> {
        let state = self.state.lock();
        let followed = state.views.get(name)?;
        let next = after
            .filter(|id| id.boot == self.boot)
            .and_then(|id| id.epoch.checked_add(1))
            .filter(|next| (followed.since..=state.taken).contains(next));
        Some(Follower {
            followers: Arc::clone(self),
            name: name.to_owned(),
            place: next.map(|next| (Arc::clone(&followed.view), next)),
            taken: self.taken.subscribe(),
        })
    }
}

impl Follower {
    /// The next event; waits until there is one. `None` when the view is gone. Safe to drop half-way.
    pub async fn next(&mut self) -> Option<ViewEvent> {
        loop {
            let next = {
                let boot = self.followers.boot;
                let state = self.followers.state.lock();
                let followed = state.views.get(&self.name)?;
                let place = self.place.take().filter(|(view, next)| {
                    Arc::ptr_eq(view, &followed.view) && *next >= followed.since
                });
                let Some((view, next)) = place else {
                    // The moment before the next epoch; `0` when there was none at all.
                    let epoch = state.taken.saturating_sub(1);
                    self.place = Some((Arc::clone(&followed.view), state.taken));
                    return Some(ViewEvent::Reset {
                        id: EventId { boot, epoch },
                        view: Arc::clone(&followed.view),
                        rows: followed.rows.iter().cloned().collect(),
                    });
                };
                let at = followed
                    .recent
                    .partition_point(|(number, _)| *number < next);
                if let Some((number, changes)) = followed.recent.get(at) {
                    self.place = Some((Arc::clone(&view), number + 1));
                    return Some(ViewEvent::Changes {
                        id: EventId {
                            boot,
                            epoch: *number,
                        },
                        view,
                        changes: Arc::clone(changes),
                    });
                }
                let taken = state.taken;
                self.place = Some((view, taken));
                taken
            };
            // The sender lives in what `self` keeps: it cannot be closed.
            let _ = self.taken.wait_for(|taken| *taken > next).await;
        }
    }
}
