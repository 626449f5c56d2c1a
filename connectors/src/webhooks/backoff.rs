//! When a delivery that failed is tried again.

use std::time::Duration;

/// Pauses that double, with jitter, until there is no point any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause.
    pub last: Duration,
    /// A delivery whose next try would come later than this after it was first due is given up.
    pub give_up_after: Duration,
}

impl Default for Backoff {
    /// 1 s to 1 h, for 72 h.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            last: Duration::from_secs(3_600),
            give_up_after: Duration::from_secs(72 * 3_600),
        }
    }
}

impl Backoff {
    /// The pause in milliseconds after so many failures (from 1). `random` in 0..1 moves it by up to
    /// a fifth down or up, within the bounds, so that what failed together does not come again
    /// together.
    pub fn pause_ms(&self, failures: u32, random: f64) -> i64 {
        let first = self.first.as_millis() as f64;
        let last = (self.last.as_millis() as f64).max(first);
        let doubled = first * f64::from(failures.saturating_sub(1).min(60)).exp2();
        let jittered = doubled.min(last) * (0.8 + 0.4 * random.clamp(0.0, 1.0));
        jittered.clamp(first, last) as i64
    }

    /// Is a next try at this time too late for a delivery first due at that one?
    pub fn is_too_late(&self, first_due_ms: i64, next_ms: i64) -> bool {
        let limit = i64::try_from(self.give_up_after.as_millis()).unwrap_or(i64::MAX);
        next_ms.saturating_sub(first_due_ms) > limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_bounds() {
        let backoff = Backoff::default();
        let middle: Vec<i64> = (1..=14).map(|n| backoff.pause_ms(n, 0.5)).collect();
        assert_eq!(middle[..4], [1_000, 2_000, 4_000, 8_000]);
        assert_eq!(middle[11..], [2_048_000, 3_600_000, 3_600_000]);
        for failures in [0, 1, 5, 12, 40, u32::MAX] {
            for random in [0.0, 0.3, 1.0, f64::NAN] {
                let pause = backoff.pause_ms(failures, random);
                assert!(
                    (0..=3_600_000).contains(&pause),
                    "{failures} {random} {pause}"
                );
            }
        }
        assert_eq!(backoff.pause_ms(3, 0.0), 3_200);
        assert_eq!(backoff.pause_ms(3, 1.0), 4_800);
        assert!(!backoff.is_too_late(0, 72 * 3_600_000));
        assert!(backoff.is_too_late(0, 72 * 3_600_000 + 1));
    }
}
