//! What a view in SQL must keep to, watched where its changes pass: every row once, every key once, no
//! row without a value. A view that breaks this stops, alone, and says with which row.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::changelog::{Change, ViewChanges, ViewFailure};
use crate::relational::{Row, RowFault};
use crate::sql::View;

/// One view and what is known of it.
pub(crate) struct Keeper {
    view: Arc<View>,
    /// Hashes of the keys of its rows. They are never listed: their order is nobody's business.
    keys: HashSet<u128>,
    /// Faults that have not gone with their rows.
    faults: BTreeMap<RowFault, isize>,
    failed: Option<Arc<ViewFailure>>,
}

impl Keeper {
    pub(crate) fn new(view: Arc<View>) -> Self {
        Self {
            view,
            keys: HashSet::new(),
            faults: BTreeMap::new(),
            failed: None,
        }
    }

    /// The view.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Rows that it has.
    pub(crate) fn rows(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The changes of an epoch, as they may go on.
    pub(crate) fn pass(
        &mut self,
        rows: Vec<Change<Row>>,
        faults: Vec<Change<RowFault>>,
    ) -> ViewChanges {
        for (fault, diff) in faults {
            let count = self.faults.entry(fault).or_default();
            *count += diff;
        }
        self.faults.retain(|_, count| *count != 0);
        if self.failed.is_none() {
            let of_fault = self.faults.keys().next().map(|fault| ViewFailure {
                file: self.view.file.clone(),
                line: fault.line,
                column: fault.column,
                what: fault.what.clone(),
                row: fault.row.clone(),
            });
            let failure = of_fault.or_else(|| self.doubled(&rows));
            if let Some(failure) = failure {
                self.failed = Some(Arc::new(failure));
                self.keys = HashSet::new();
            }
        }
        ViewChanges {
            view: Arc::clone(&self.view),
            begins: false,
            rows: match self.failed {
                Some(_) => Vec::new(),
                None => rows,
            },
            failed: self.failed.clone(),
        }
    }

    /// Takes note of the keys; a failure when one is there twice.
    fn doubled(&mut self, rows: &[Change<Row>]) -> Option<ViewFailure> {
        let key = |row: &Row| xxh3_128(row.prefix(self.view.key));
        for (row, _) in rows.iter().filter(|(_, diff)| *diff < 0) {
            self.keys.remove(&key(row));
        }
        for (row, diff) in rows.iter().filter(|(_, diff)| *diff > 0) {
            if *diff > 1 || !self.keys.insert(key(row)) {
                let columns = self.view.columns[..self.view.key].iter();
                let named = columns.zip(row.values());
                let shown: Vec<String> = named
                    .map(|(column, value)| format!("{} = {value}", column.name))
                    .collect();
                return Some(ViewFailure {
                    file: self.view.file.clone(),
                    line: 0,
                    column: 0,
                    what: format!(
                        "two rows have the key {}; add columns to sink.postgres.key, or group by them",
                        shown.join(", ")
                    ),
                    row: row.to_string(),
                });
            }
        }
        None
    }
}
