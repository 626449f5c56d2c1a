//! Events that were derived and are not kept yet, as far as is known. Bounded: what finds no room is let go,
//! all of it, with everything before it. It is in the stream, and is derived from there once more when the
//! store takes events again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flightline_connectors::webhooks::{NewEvent, Progress};
use parking_lot::Mutex;

/// An event and the record that it follows from.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    partition: u32,
    offset: u64,
    pub(super) event: NewEvent,
    since: Instant,
}

impl Placed {
    pub(super) fn new(partition: u32, offset: u64, event: NewEvent) -> Self {
        Self {
            partition,
            offset,
            event,
            since: Instant::now(),
        }
    }
}

/// What waits to be kept.
#[derive(Debug)]
pub(super) struct Held {
    room: usize,
    state: Mutex<State>,
    let_go_times: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Placed>,
    /// By partition, up to where everything was derived.
    covers: Vec<u64>,
    /// `covers` has gone on since it was last kept.
    is_behind: bool,
    let_go: Option<LetGo>,
}

/// By partition, the offset before which events may have been let go.
#[derive(Debug)]
struct LetGo {
    until: Vec<u64>,
    since: Instant,
}

/// What is to be kept next.
#[derive(Debug)]
pub(super) enum Next {
    /// What was let go, up to these offsets, is to be derived once more.
    Again(Vec<u64>),
    /// These events, which cover the stream up to these offsets.
    Events(Vec<Placed>, Vec<u64>),
}

impl Held {
    /// Holds so many events at most.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            state: Mutex::default(),
            let_go_times: AtomicU64::new(0),
        }
    }

    /// Takes the events of an epoch that covers the stream up to these offsets.
    pub(super) fn take(&self, events: Vec<Placed>, covers: &[u64]) {
        let mut state = self.state.lock();
        // An epoch without offsets covers nothing, and those of a start may still be before what was let go.
        go_on(&mut state.covers, covers);
        state.is_behind = true;
        if state.events.len() + events.len() <= self.room {
            state.events.extend(events);
        } else {
            self.let_go(&mut state);
        }
    }

    /// What comes before these offsets is not held from the beginning.
    pub(super) fn let_go_before(&self, until: &[u64]) {
        let mut state = self.state.lock();
        go_on(&mut state.covers, until);
        state.is_behind = true;
        self.let_go(&mut state);
    }

    fn let_go(&self, state: &mut State) {
        state.events = Vec::new();
        let since = state.let_go.take().map_or_else(Instant::now, |l| l.since);
        let until = state.covers.clone();
        state.let_go = Some(LetGo { until, since });
        self.let_go_times.fetch_add(1, Ordering::Relaxed);
    }

    /// What is to be kept next; what was let go comes first. Events that are given are not held any more.
    pub(super) fn next(&self) -> Next {
        let mut state = self.state.lock();
        if let Some(let_go) = &state.let_go {
            return Next::Again(let_go.until.clone());
        }
        state.is_behind = false;
        Next::Events(std::mem::take(&mut state.events), state.covers.clone())
    }

    /// What was let go before these offsets is kept.
    pub(super) fn derived_again(&self, until: &[u64]) {
        let mut state = self.state.lock();
        state
            .let_go
            .take_if(|let_go| is_within(&let_go.until, until));
    }

    /// What [`Held::next`] gave was not kept.
    pub(super) fn put_back(&self, mut events: Vec<Placed>) {
        let mut state = self.state.lock();
        state.is_behind = true;
        if events.len() + state.events.len() <= self.room && state.let_go.is_none() {
            events.append(&mut state.events);
            state.events = events;
        } else {
            self.let_go(&mut state);
        }
    }

    /// Another replica has kept everything before this.
    pub(super) fn forget_before(&self, progress: &Progress) {
        let mut state = self.state.lock();
        state
            .events
            .retain(|placed| placed.offset >= progress.of(placed.partition));
        state.let_go.take_if(|let_go| {
            let mut untils = (0..).zip(&let_go.until);
            untils.all(|(partition, until)| progress.of(partition) >= *until)
        });
    }

    /// Since when the oldest of what waits waits; absent = nothing does.
    pub(super) fn since(&self) -> Option<Instant> {
        let state = self.state.lock();
        let held = state.events.first().map(|placed| placed.since);
        let let_go = state.let_go.as_ref().map(|let_go| let_go.since);
        let_go.into_iter().chain(held).min()
    }

    /// Has more been derived than was kept?
    pub(super) fn is_behind(&self) -> bool {
        self.state.lock().is_behind
    }

    /// Events that are held, and how often they had to be let go.
    pub(super) fn counts(&self) -> (usize, u64) {
        let held = self.state.lock().events.len();
        (held, self.let_go_times.load(Ordering::Relaxed))
    }
}

/// Moves offsets on to where others are, and none of them back.
fn go_on(offsets: &mut Vec<u64>, to: &[u64]) {
    if offsets.len() < to.len() {
        offsets.resize(to.len(), 0);
    }
    for (offset, to) in offsets.iter_mut().zip(to) {
        *offset = (*offset).max(*to);
    }
}

fn is_within(offsets: &[u64], until: &[u64]) -> bool {
    offsets.len() == until.len() && offsets.iter().zip(until).all(|(o, u)| o <= u)
}
