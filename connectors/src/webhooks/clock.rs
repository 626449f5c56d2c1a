//! The time, as an argument.

use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// A future that ends at a time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A clock, in Unix milliseconds.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now_ms(&self) -> i64;
    /// Ends at that time or later; may end earlier.
    fn sleep_until(&self, at_ms: i64) -> Sleep;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A machine may sleep, or its clock be set, while somebody waits: look again after this at most.
const SLEEP_MAX: Duration = Duration::from_secs(30);

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn sleep_until(&self, at_ms: i64) -> Sleep {
        let pause_ms = at_ms.saturating_sub(self.now_ms()).max(0);
        let pause = Duration::from_millis(pause_ms.unsigned_abs()).min(SLEEP_MAX);
        Box::pin(tokio::time::sleep(pause))
    }
}

/// A clock that stands until it is moved, for tests.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<i64>);

impl ManualClock {
    /// A clock at this time.
    pub fn at(now_ms: i64) -> Self {
        Self(watch::Sender::new(now_ms))
    }

    /// Moves it forward and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.send_modify(|now| *now = now.saturating_add(by_ms));
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        *self.0.borrow()
    }

    fn sleep_until(&self, at_ms: i64) -> Sleep {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            // Fails only when the clock is gone; then nobody can wait for it either.
            let _ = now.wait_for(|now| *now >= at_ms).await;
        })
    }
}
