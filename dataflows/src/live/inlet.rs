//! The ways to the threads that run views, and what has gone in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::Thread;

use crossbeam_channel::Sender;

use super::assembler::Report;
use super::handle::Add;
use super::recent::{Request, windows};
use super::worker::Message;
use crate::changelog::Epoch;
use crate::relational::Plan;
use crate::sql::View;

/// One lock around it: all threads must hear everything in the same order.
pub(super) struct Inlet {
    pub(super) workers: Vec<(Sender<Message>, Thread)>,
    pub(super) assembler: Sender<Report>,
    pub(super) next_number: u64,
    /// Where the last epoch ended; empty before the first.
    pub(super) covers: Vec<u64>,
    /// The stream's clock, Unix milliseconds.
    pub(super) clock_ms: i64,
    /// What is kept of decisions, as the workers do, and the numbers of the views that read it.
    windows: HashMap<Plan, BTreeSet<u64>>,
}

impl Inlet {
    pub(super) fn new(workers: Vec<(Sender<Message>, Thread)>, assembler: Sender<Report>) -> Self {
        Self {
            workers,
            assembler,
            next_number: 0,
            covers: Vec::new(),
            clock_ms: i64::MIN,
            windows: HashMap::new(),
        }
    }

    pub(super) fn tell(&self, message: &Message) {
        for (inbox, thread) in &self.workers {
            // A worker that is gone has said why.
            let _ = inbox.send(message.clone());
            thread.unpark();
        }
    }

    /// Gives views their numbers.
    pub(super) fn number(&mut self, views: Vec<Arc<View>>) -> Vec<Add> {
        let numbers = self.next_number..;
        let adds = numbers.zip(views);
        let adds: Vec<Add> = adds
            .map(|(number, view)| (number, view, Arc::default()))
            .collect();
        self.next_number += adds.len() as u64;
        adds
    }

    /// Makes a view come that is shown under `number`.
    pub(super) fn install(&mut self, message: Message, number: u64, view: &View) {
        for window in windows([view.running_plan()]) {
            self.windows.entry(window).or_default().insert(number);
        }
        self.tell(&message);
    }

    /// Makes it go.
    pub(super) fn drop_view(&mut self, number: u64) {
        self.windows.retain(|_, users| {
            users.remove(&number);
            !users.is_empty()
        });
        self.tell(&Message::Drop(number));
    }

    /// Takes note of an epoch that goes in.
    pub(super) fn note(&mut self, epoch: &Epoch) {
        self.covers.clone_from(&epoch.covers);
        self.clock_ms = self.clock_ms.max(epoch.clock_ms.unwrap_or(i64::MIN));
    }

    /// Is any of these windows not kept yet?
    pub(super) fn lacks(&self, wanted: &[Plan]) -> bool {
        !wanted.iter().all(|plan| self.windows.contains_key(plan))
    }

    /// What to ask of the time before the last epoch that went in.
    pub(super) fn looks_back(&self, windows: Vec<Plan>) -> Request {
        Request {
            until: self.covers.clone(),
            clock_ms: self.clock_ms,
            windows,
        }
    }

    /// The windows that are kept.
    pub(super) fn windows(&self) -> Vec<Plan> {
        self.windows.keys().cloned().collect()
    }

    pub(super) fn close(self) {
        let Self {
            workers, assembler, ..
        } = self;
        drop(assembler);
        for (inbox, thread) in workers {
            drop(inbox);
            thread.unpark();
        }
    }
}
