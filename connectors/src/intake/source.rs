//! How a way in stands.

use parking_lot::Mutex;
use std::sync::Arc;

/// What a way in does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// It waits for the next file or the next time.
    #[default]
    Waiting,
    /// It hands something in.
    Taking,
    /// Something failed; it will be tried again.
    BackingOff,
    /// So much failed that the provider is left alone, but for one try now and then.
    Open,
}

impl Doing {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Doing::Waiting => "waiting",
            Doing::Taking => "taking",
            Doing::BackingOff => "backing_off",
            Doing::Open => "open",
        }
    }
}

/// How a way in stands, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// What it does now.
    pub doing: Doing,
    /// Files or answers that were taken to their end.
    pub taken: u64,
    /// Files or answers that were refused as they were.
    pub refused: u64,
    /// Answers that said that nothing had changed.
    pub unchanged: u64,
    /// Tries that failed, and were or will be made again.
    pub failed: u64,
    /// When something was last taken or found unchanged, Unix time in milliseconds.
    pub last_good_ms: Option<i64>,
    /// What last went wrong; none once something works again.
    pub last_error: Option<String>,
}

/// A way in, as others see it.
#[derive(Clone, Debug)]
pub struct Source {
    name: Arc<str>,
    state: Arc<Mutex<SourceState>>,
}

impl Source {
    /// A new one. The name says what is read: a folder, or an address without what is secret in it.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            state: Arc::default(),
        }
    }

    /// What is read.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it stands.
    pub fn state(&self) -> SourceState {
        self.state.lock().clone()
    }

    pub(super) fn doing(&self, doing: Doing) {
        self.state.lock().doing = doing;
    }

    pub(super) fn taken(&self, now_ms: i64) {
        let mut state = self.state.lock();
        state.taken += 1;
        state.last_good_ms = Some(now_ms);
        state.last_error = None;
    }

    pub(super) fn unchanged(&self, now_ms: i64) {
        let mut state = self.state.lock();
        state.unchanged += 1;
        state.last_good_ms = Some(now_ms);
        state.last_error = None;
    }

    pub(super) fn refused(&self, why: String) {
        let mut state = self.state.lock();
        state.refused += 1;
        state.last_error = Some(why);
    }

    pub(super) fn failed(&self, why: String, is_open: bool) {
        let mut state = self.state.lock();
        state.failed += 1;
        state.last_error = Some(why);
        state.doing = match is_open {
            true => Doing::Open,
            false => Doing::BackingOff,
        };
    }
}
