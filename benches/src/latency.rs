//! Latencies: histograms over all turns, and the percentiles of each.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies of one turn. Three significant digits, 1 µs to 10 minutes; what is longer counts as that.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

const HIGHEST_NS: u64 = 600_000_000_000;

impl Default for Latencies {
    fn default() -> Self {
        match Histogram::new_with_bounds(100, HIGHEST_NS, 3) {
            Ok(histogram) => Self { histogram },
            Err(error) => panic!("the bounds of the histogram are fixed: {error}"),
        }
    }
}

/// Percentiles, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many were measured.
    pub count: u64,
    /// Half were no longer.
    pub p50_ms: f64,
    /// 99 in 100 were no longer.
    pub p99_ms: f64,
    /// 999 in 1000 were no longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latencies {
    /// Adds one.
    #[inline]
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(ns);
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        if let Err(error) = self.histogram.add(&other.histogram) {
            panic!("both histograms have the same bounds: {error}");
        }
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The percentiles.
    pub fn percentiles(&self) -> Percentiles {
        let ms = |quantile: f64| self.histogram.value_at_quantile(quantile) as f64 / 1e6;
        Percentiles {
            count: self.count(),
            p50_ms: ms(0.5),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: self.histogram.max() as f64 / 1e6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_that_was_recorded() {
        let mut a = Latencies::default();
        let mut b = Latencies::default();
        for us in 1..=500 {
            a.record(Duration::from_micros(us));
            b.record(Duration::from_micros(us + 500));
        }
        a.merge(&b);
        let p = a.percentiles();
        assert_eq!(p.count, 1000);
        assert!((p.p50_ms - 0.5).abs() < 0.002, "{p:?}");
        assert!((p.p99_ms - 0.99).abs() < 0.002, "{p:?}");
        assert!((p.max_ms - 1.0).abs() < 0.002, "{p:?}");
    }
}
