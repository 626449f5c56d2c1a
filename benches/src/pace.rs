//! An open loop: requests are due at a steady rate, whether those before were answered or not.
//!
//! Latencies are counted from when a request was due, not from when it could be sent, so that a
//! stall is charged to everyone who would have met it (no coordinated omission).

use std::time::{Duration, Instant};

/// When requests are due.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    start: Instant,
    every: Duration,
    next: u64,
}

impl Pace {
    /// `per_second` from now on.
    pub fn new(per_second: f64) -> Self {
        Self {
            start: Instant::now(),
            every: Duration::from_secs_f64(1.0 / per_second),
            next: 0,
        }
    }

    /// When the n-th is due.
    pub fn due(&self, n: u64) -> Instant {
        // In nanoseconds of 128 bits: a product of durations is of 32 bits.
        let ns = self.every.as_nanos() * u128::from(n);
        self.start + Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// When the next is due.
    pub fn next_due(&self) -> Instant {
        self.due(self.next)
    }

    /// The next that is due by `now`: when it was.
    pub fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next_due();
        (due <= now).then(|| {
            self.next += 1;
            due
        })
    }

    /// How many were taken.
    pub fn taken(&self) -> u64 {
        self.next
    }
}

/// Waits until a moment: asleep for most of it, awake for the last 100 µs, since a sleeping thread
/// is woken late.
pub fn wait_until(moment: Instant) {
    const AWAKE: Duration = Duration::from_micros(100);
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        if left > AWAKE {
            std::thread::park_timeout(left - AWAKE);
        } else {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_keeps_the_time_it_was_due() {
        let mut pace = Pace::new(1000.0);
        let start = pace.due(0);
        let late = start + Duration::from_millis(3);
        let due: Vec<_> = std::iter::from_fn(|| pace.take(late)).collect();
        assert_eq!(due.len(), 4);
        assert_eq!(due[2] - start, Duration::from_millis(2));
        assert_eq!(pace.taken(), 4);
        assert!(pace.next_due() > late);
    }
}
