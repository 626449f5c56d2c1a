//! How views stand, for whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::kept::{Kept, Size};
use crate::changelog::ViewFailure;
use crate::relational::render::clock::Dues;
use crate::sql::View;

/// Where a view is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is read for it what was decided before it came.
    LookingBack {
        /// Records of the stream that this is through with.
        read: u64,
        /// Records there were when it came.
        of: u64,
    },
    /// It reads the rows that its sources have.
    Filling {
        /// Rows read.
        read: u64,
        /// Rows there were when it came.
        of: u64,
    },
    /// It has read them, keeps up, and waits to become live.
    Ready,
    /// Its rows go out with every epoch.
    Live,
    /// It has stopped.
    Failed(Arc<ViewFailure>),
}

/// A view and how it stands.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// The view.
    pub view: Arc<View>,
    /// Where it is.
    pub phase: Phase,
    /// Rows it has.
    pub rows: u64,
    /// Rows that came and rows that went, since it is there.
    pub updates: u64,
    /// Epochs that came in and that it has not been through.
    pub epochs_behind: u64,
    /// What it keeps in memory that no other view has.
    pub kept: Kept,
}

/// How far a view is that fills, and what it keeps, over all workers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// While it is looked back for it: records read, and how many there are.
    pub(super) past: (AtomicU64, AtomicU64),
    pub(super) read: AtomicU64,
    pub(super) of: AtomicU64,
    /// The first epoch that comes to it as one, on the worker that was furthest: what came before is what it reads
    /// as there. Said by each worker before anything else.
    pub(super) from: AtomicU64,
    pub(super) size: Arc<Size>,
}

/// What all views have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct OfAll {
    /// Sources, indexes, and views that others read.
    pub(super) shared: Arc<Size>,
    pub(super) dues: Dues,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) view: Arc<View>,
    pub(super) progress: Arc<Progress>,
    pub(super) stage: Stage,
    pub(super) rows: u64,
    pub(super) updates: u64,
    /// Epochs before this one are through.
    pub(super) reached: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The assembler does not know it yet.
    LookingBack,
    Filling,
    Ready,
    Live,
    Failed(Arc<ViewFailure>),
}

/// All views, by number. Written by the assembler.
#[derive(Debug, Default)]
pub(super) struct Board {
    entries: Mutex<BTreeMap<u64, Entry>>,
    /// Epochs that came in.
    pub(super) epochs: AtomicU64,
    pub(super) of_all: OfAll,
}

impl Board {
    pub(super) fn add(&self, number: u64, view: Arc<View>, progress: Arc<Progress>, stage: Stage) {
        let entry = Entry {
            view,
            progress,
            stage,
            rows: 0,
            updates: 0,
            reached: 0,
        };
        self.entries.lock().insert(number, entry);
    }

    pub(super) fn remove(&self, number: u64) {
        self.entries.lock().remove(&number);
    }

    pub(super) fn change(&self, number: u64, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.lock().get_mut(&number) {
            change(entry);
        }
    }

    /// Numbers of the live and failed views, with their names.
    pub(super) fn installed(&self) -> Vec<(u64, Arc<View>)> {
        let entries = self.entries.lock();
        let installed = entries
            .iter()
            .filter(|(_, entry)| matches!(entry.stage, Stage::Live | Stage::Failed(_)));
        installed
            .map(|(number, entry)| (*number, Arc::clone(&entry.view)))
            .collect()
    }

    pub(super) fn list(&self) -> Vec<ViewStatus> {
        let epochs = self.epochs.load(Ordering::Acquire);
        let entries = self.entries.lock();
        let status = |entry: &Entry| ViewStatus {
            view: Arc::clone(&entry.view),
            phase: match &entry.stage {
                Stage::LookingBack => {
                    let (read, of) = &entry.progress.past;
                    Phase::LookingBack {
                        read: read.load(Ordering::Relaxed),
                        of: of.load(Ordering::Relaxed),
                    }
                }
                Stage::Filling => {
                    let of = entry.progress.of.load(Ordering::Relaxed);
                    let read = entry.progress.read.load(Ordering::Relaxed).min(of);
                    Phase::Filling { read, of }
                }
                Stage::Ready => Phase::Ready,
                Stage::Live => Phase::Live,
                Stage::Failed(failure) => Phase::Failed(Arc::clone(failure)),
            },
            rows: entry.rows,
            updates: entry.updates,
            epochs_behind: epochs.saturating_sub(entry.reached),
            kept: entry.progress.size.kept(),
        };
        entries.values().map(status).collect()
    }
}
