//! Processor time of the calling thread.

use rustix::time::{ClockId, clock_gettime};

/// Measures what the calling thread itself has used of a core.
///
/// For work of one thread that never waits: on a quiet machine this is the time on the wall, and on
/// one that others use too it leaves out the time that they had the core.
#[derive(Clone, Copy, Debug)]
pub struct CoreTime(f64);

impl CoreTime {
    /// Starts to measure.
    pub fn start() -> Self {
        Self(now_s())
    }

    /// Seconds of a core used since the start, by this thread.
    pub fn elapsed_s(self) -> f64 {
        now_s() - self.0
    }
}

fn now_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
