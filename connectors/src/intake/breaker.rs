//! A circuit breaker: a provider that keeps failing is asked less and less, with one request at a time.

use std::time::Duration;

use crate::webhooks::backoff::Backoff;

/// Failures in a row after which a provider is left alone.
pub const OPENS_AFTER: u32 = 5;

/// Whether a provider may be asked now.
///
/// Closed: yes; after a failure, when its back-off is over. Open, from [`OPENS_AFTER`] failures in a row
/// on: one request at the end of each back-off; if that works, closed.
#[derive(Clone, Debug)]
pub struct Breaker {
    backoff: Backoff,
    failures: u32,
    again_ms: i64,
}

impl Breaker {
    /// With these pauses.
    pub const fn new(first: Duration, last: Duration) -> Self {
        Self {
            backoff: Backoff {
                first,
                last,
                give_up_after: Duration::MAX,
            },
            failures: 0,
            again_ms: i64::MIN,
        }
    }

    /// Failures since the last success.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Is the provider left alone?
    pub const fn is_open(&self) -> bool {
        self.failures >= OPENS_AFTER
    }

    /// How long to wait before the next request, at this time.
    pub fn wait_ms(&self, now_ms: i64) -> u64 {
        u64::try_from(self.again_ms.saturating_sub(now_ms)).unwrap_or(0)
    }

    /// It worked.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
        self.again_ms = i64::MIN;
    }

    /// It failed. The provider may have said how long to stay away; it is heeded when it asks for
    /// longer than the back-off, up to a day. `random` in 0..1 spreads requests.
    pub fn failed(&mut self, now_ms: i64, stay_away: Option<Duration>, random: f64) {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        self.failures = self.failures.saturating_add(1);
        let pause_ms = self.backoff.pause_ms(self.failures, random);
        let asked = stay_away.unwrap_or_default().min(DAY).as_millis();
        let asked_ms = i64::try_from(asked).unwrap_or(i64::MAX);
        self.again_ms = now_ms.saturating_add(pause_ms.max(asked_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(Duration::from_secs(1), Duration::from_secs(60))
    }

    #[test]
    fn opens_after_failures_in_a_row_and_closes_with_a_success() {
        let mut breaker = breaker();
        assert_eq!(breaker.wait_ms(0), 0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert_eq!(breaker.is_open(), breaker.failures() >= 5);
            breaker.failed(1_000, None, 0.5);
            waits.push(breaker.wait_ms(1_000));
        }
        assert_eq!(
            waits,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
        assert!(breaker.is_open());
        assert_eq!(breaker.wait_ms(61_000), 0);
        breaker.succeeded();
        assert!(!breaker.is_open());
        assert_eq!((breaker.failures(), breaker.wait_ms(i64::MIN)), (0, 0));
    }

    #[test]
    fn a_longer_pause_that_the_provider_asks_for_is_heeded_and_a_shorter_one_is_not() {
        let mut breaker = breaker();
        breaker.failed(0, Some(Duration::from_secs(30)), 0.5);
        assert_eq!(breaker.wait_ms(0), 30_000);
        breaker.failed(0, Some(Duration::from_millis(1)), 0.5);
        assert_eq!(breaker.wait_ms(0), 2_000);
        breaker.failed(0, Some(Duration::from_secs(u64::MAX)), 0.5);
        assert_eq!(breaker.wait_ms(0), 24 * 3_600_000);
    }
}
