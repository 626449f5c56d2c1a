//! Where the rows of epochs go.

use std::sync::Arc;

use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::sql::View;
use flightline_sinks::postgres::PostgresSink;
use parking_lot::Mutex;

/// The tables, as the dataflow sees them.
#[derive(Debug)]
pub(crate) struct Tables<S = PostgresSink> {
    slot: Mutex<Slot<S>>,
}

#[derive(Debug)]
struct Slot<S> {
    place: Place<S>,
    /// Of the last epoch.
    covers: Vec<u64>,
    /// Views that are live after it.
    views: Vec<Arc<View>>,
}

#[derive(Debug)]
enum Place<S> {
    /// This replica writes them.
    Writes(S),
    /// Another one does: rows go nowhere.
    Stands,
    /// This replica has just taken over: rows wait until those before them are written.
    Gathers(Vec<Arc<Epoch>>),
}

/// The way to the tables, as a sink of whoever has epochs.
pub(crate) struct ToTables<S = PostgresSink>(pub(crate) Arc<Tables<S>>);

impl<S: EpochSink> EpochSink for ToTables<S> {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.0.epoch(epoch);
    }
}

impl<S: EpochSink> Tables<S> {
    /// `None`: another replica writes them. With the views that are live from the first epoch on.
    pub(crate) fn new(sink: Option<S>, partitions: u32, views: Vec<Arc<View>>) -> Self {
        let place = sink.map_or(Place::Stands, Place::Writes);
        Self {
            slot: Mutex::new(Slot {
                place,
                covers: vec![0; partitions as usize],
                views,
            }),
        }
    }

    /// The next epoch.
    pub(crate) fn epoch(&self, epoch: Arc<Epoch>) {
        let mut slot = self.slot.lock();
        // Views that come and go between two epochs cover nothing.
        if !epoch.covers.is_empty() {
            slot.covers.clone_from(&epoch.covers);
        }
        for ended in &epoch.ended_views {
            slot.views.retain(|view| view.name != ended.name);
        }
        let begin = epoch.views.iter().filter(|changes| changes.begins);
        slot.views.extend(begin.map(|changes| changes.view.clone()));
        match &mut slot.place {
            Place::Writes(sink) => sink.epoch(epoch),
            Place::Stands => {}
            Place::Gathers(epochs) => epochs.push(epoch),
        }
    }

    pub(crate) fn is_writing(&self) -> bool {
        matches!(self.slot.lock().place, Place::Writes(_))
    }

    /// Another replica writes them from now on.
    pub(crate) fn stand(&self) {
        self.slot.lock().place = Place::Stands;
    }

    /// Views that are live after the last epoch.
    pub(crate) fn views(&self) -> Vec<Arc<View>> {
        self.slot.lock().views.clone()
    }

    /// Keeps the epochs from now on, if those before cover everything up to `progress`: gives how far
    /// they go, and the views that are live there. Views that come or go later are in what is kept.
    pub(crate) fn gather(&self, progress: &[u64]) -> Option<(Vec<u64>, Vec<Arc<View>>)> {
        let mut slot = self.slot.lock();
        let covered = slot.covers.iter().zip(progress).all(|(c, p)| c >= p);
        if !covered {
            return None;
        }
        slot.place = Place::Gathers(Vec::new());
        Some((slot.covers.clone(), slot.views.clone()))
    }

    /// Writes from now on, what was gathered first.
    pub(crate) fn write(&self, mut sink: S) {
        let mut slot = self.slot.lock();
        if let Place::Gathers(epochs) = std::mem::replace(&mut slot.place, Place::Stands) {
            for epoch in epochs {
                sink.epoch(epoch);
            }
        }
        slot.place = Place::Writes(sink);
    }
}
