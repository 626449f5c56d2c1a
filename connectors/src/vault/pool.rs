//! Blocks of keys made ahead of need: one in use, the next ready behind it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::error::VaultError;
use super::key::{Key, KeyId};

/// Keys that are durable and unused.
pub(super) type Block = VecDeque<(KeyId, Key)>;

/// Hands out keys, and has a thread that makes the next block while one is used up.
pub(super) struct Pool {
    shared: Arc<Shared>,
    maker: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    current: Block,
    next: Option<Block>,
    /// What the last attempt failed with; the maker rests until somebody asks again.
    failure: Option<VaultError>,
    /// Attempts so far, so that a failure is told only to those who waited for it.
    attempts: u64,
    has_stopped: bool,
}

impl Pool {
    /// `make` returns a block that is durable, never an empty one.
    pub(super) fn start<F>(make: F) -> std::io::Result<Self>
    where
        F: FnMut() -> Result<Block, VaultError> + Send + 'static,
    {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let maker = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || theirs.make_blocks(make))?;
        Ok(Self {
            shared,
            maker: Some(maker),
        })
    }

    pub(super) fn take(&self) -> Result<(KeyId, Key), VaultError> {
        let mut state = self.shared.state.lock();
        let attempts = state.attempts;
        loop {
            if let Some(key) = state.current.pop_front() {
                return Ok(key);
            }
            if let Some(next) = state.next.take() {
                state.current = next;
                self.shared.changed.notify_all();
                continue;
            }
            if state.has_stopped {
                return Err(VaultError::Stopped);
            }
            if state.failure.is_some() {
                let failure = state.failure.take();
                self.shared.changed.notify_all();
                // An older failure may long be over: wait for an attempt of our own.
                if let Some(failure) = failure
                    && state.attempts > attempts
                {
                    return Err(failure);
                }
            }
            self.shared.changed.wait(&mut state);
        }
    }
}

impl Shared {
    fn make_blocks(&self, mut make: impl FnMut() -> Result<Block, VaultError>) {
        let _guard = StopGuard(self);
        let mut state = self.state.lock();
        loop {
            while !state.has_stopped && (state.next.is_some() || state.failure.is_some()) {
                self.changed.wait(&mut state);
            }
            if state.has_stopped {
                return;
            }
            let made = parking_lot::MutexGuard::unlocked(&mut state, &mut make);
            state.attempts += 1;
            match made {
                Ok(block) => state.next = Some(block),
                Err(error) => {
                    tracing::warn!(%error, "no new block of keys");
                    state.failure = Some(error);
                }
            }
            self.changed.notify_all();
        }
    }
}

/// Whoever waits hears of the maker's end, a panic included.
struct StopGuard<'a>(&'a Shared);

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        // During a panic the lock was released by unwinding before this runs.
        self.0.state.lock().has_stopped = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.state.lock().has_stopped = true;
        self.shared.changed.notify_all();
        if let Some(maker) = self.maker.take() {
            let _ = maker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once_and_tried_again() {
        let mut tries = 0;
        let pool = Pool::start(move || {
            tries += 1;
            match tries {
                2 | 3 => Err(VaultError::Random(format!("try {tries}"))),
                _ => Ok([(KeyId(tries), Key::from_bytes(&[7; 32]))].into()),
            }
        })
        .unwrap();
        assert_eq!(pool.take().unwrap().0, KeyId(1));
        // The next two blocks fail; whichever failures are told, a key comes after them.
        let mut failures = 0;
        let id = loop {
            match pool.take() {
                Ok((id, _)) => break id,
                Err(VaultError::Random(_)) => failures += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(failures < 3);
        };
        assert_eq!(id, KeyId(4));
        assert!(failures >= 1);
    }

    #[test]
    fn a_maker_that_panics_does_not_leave_anyone_waiting() {
        let pool = Pool::start(|| panic!("on purpose")).unwrap();
        assert!(matches!(pool.take(), Err(VaultError::Stopped)));
    }
}
