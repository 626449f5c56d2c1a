//! How long the rows are that views keep: a sample, since looking at each would cost more than it tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One row in so many is looked at.
const EVERY: u8 = 16;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Sample {
    /// Mean length of a row with its key, in bytes; 0 = none was seen.
    pub(crate) fn mean(&self) -> u64 {
        let rows = self.rows.load(Ordering::Relaxed);
        let bytes = self.bytes.load(Ordering::Relaxed);
        bytes.checked_div(rows).unwrap_or(0)
    }
}

/// Looks at rows on their way into arrangements. Each operator has a copy of its own.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    sample: Option<Arc<Sample>>,
    passed: u8,
}

impl Meter {
    pub(crate) fn new(sample: Arc<Sample>) -> Self {
        Self {
            sample: Some(sample),
            passed: 0,
        }
    }

    /// A row of so many bytes, key and all, is kept.
    #[inline]
    pub(crate) fn see(&mut self, bytes: usize) {
        // The first one counts: a view of few rows has a mean, too.
        if self.passed == 0
            && let Some(sample) = &self.sample
        {
            sample.rows.fetch_add(1, Ordering::Relaxed);
            sample.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        self.passed = (self.passed + 1) % EVERY;
    }
}
