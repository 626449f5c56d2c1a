//! What was decided before, from records at hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use flightline_dataflows::Folded;
use flightline_dataflows::changelog::Record;
use flightline_dataflows::live::History;
use flightline_dataflows::rows::{DecisionRow, is_recorded};

/// Folds the records that it is given again.
#[derive(Clone, Default)]
pub struct Past {
    pub records: Arc<Mutex<Vec<Record>>>,
    /// How often it was asked.
    pub asked: Arc<AtomicU64>,
    /// Held up while this is locked.
    pub gate: Arc<Mutex<()>>,
}

impl Past {
    pub fn of(records: &[Record]) -> Self {
        Self {
            records: Arc::new(Mutex::new(records.to_vec())),
            ..Self::default()
        }
    }
}

/// Every decision of a stream that tables record, before these offsets.
pub fn decided(records: &[Record], until: &[u64]) -> Vec<DecisionRow> {
    let partitions = until.len() as u32;
    let mut rows = Vec::new();
    for (partition, until) in (0..).zip(until) {
        let mut folded = Folded::new(partition, partitions);
        let own = records
            .iter()
            .filter(|r| r.partition == partition && r.input.offset < *until);
        for record in own {
            let (decision, order) = folded.apply(&record.input);
            if is_recorded(decision.kind) {
                rows.push(DecisionRow {
                    partition,
                    decision,
                    order: order.map(Box::new),
                    note: record.note.clone(),
                });
            }
        }
    }
    rows
}

impl History for Past {
    fn decisions(
        &self,
        until: &[u64],
        after_ms: i64,
        give: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.lock().unwrap());
        let records = self.records.lock().unwrap();
        for row in decided(&records, until) {
            if row.at_ms() > after_ms && !give(row) {
                break;
            }
        }
        Ok(())
    }
}
