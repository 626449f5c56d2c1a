//! Net changes of one view's table, on their way to the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::changelog::{ViewChanges, ViewFailure};
use flightline_dataflows::relational::Row;

use super::batch::{Rows, TableWrite};
use super::copy::Chunks;
use super::tables::{ALL, ViewTable};

/// The changes since the batch began.
#[derive(Debug)]
pub(super) struct ViewNet {
    table: ViewTable,
    /// By the bytes of the key, which sort as the database sorts keys.
    lines: BTreeMap<Box<[u8]>, Line>,
    bytes: usize,
    /// With this batch the table has all rows.
    becomes_live: bool,
    failed: Option<Arc<ViewFailure>>,
}

#[derive(Debug)]
struct Line {
    was: bool,
    is: bool,
    row: Row,
}

impl ViewNet {
    pub(super) fn new(table: ViewTable) -> Self {
        Self {
            table,
            lines: BTreeMap::new(),
            bytes: 0,
            becomes_live: false,
            failed: None,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Memory taken, near enough.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the changes of an epoch. `fills`: the table is empty before them. `failed_before`: it is known
    /// to have failed, and was told.
    ///
    /// # Panics
    /// When they do not fit those before: the changelog is broken.
    pub(super) fn absorb(&mut self, changes: &ViewChanges, fills: bool, failed_before: bool) {
        self.becomes_live |= fills;
        if let Some(failed) = changes.failed.as_ref().filter(|_| !failed_before) {
            self.failed = Some(Arc::clone(failed));
        }
        let going = changes.rows.iter().filter(|(_, diff)| *diff < 0);
        let coming = changes.rows.iter().filter(|(_, diff)| *diff > 0);
        for (row, diff) in going.chain(coming) {
            let comes = *diff > 0;
            let key = row.prefix(self.table.table.key);
            let name = self.table.table.name;
            match self.lines.get_mut(key) {
                Some(line) => {
                    assert!(line.is != comes, "{name}: {row} comes or goes twice");
                    assert!(
                        comes || line.row == *row,
                        "{name}: {row} goes, but {} is there",
                        line.row
                    );
                    line.is = comes;
                    line.row = row.clone();
                }
                None => {
                    self.bytes += row.bytes().len() + key.len() + 128;
                    let line = Line {
                        was: !comes,
                        is: comes,
                        row: row.clone(),
                    };
                    self.lines.insert(key.into(), line);
                }
            }
        }
    }

    /// The bytes to write. `index`: its place among the views. States go to `states`.
    pub(super) fn seal(self, index: usize, states: &mut (u64, Chunks), out: &mut Vec<TableWrite>) {
        let columns = self.table.table.columns.len();
        let (mut inserts, mut staged) = (Chunks::default(), Chunks::default());
        let (mut inserted, mut updates, mut deletes) = (0, 0, 0);
        for line in self.lines.values() {
            match (line.was, line.is) {
                (false, false) => {}
                (false, true) => {
                    inserted += 1;
                    inserts.row(columns, |row| self.table.write(&line.row, row));
                }
                (true, true) => {
                    updates += 1;
                    staged.row(columns + 1, |row| {
                        row.bool(false);
                        self.table.write(&line.row, row);
                    });
                }
                (true, false) => {
                    deletes += 1;
                    staged.row(columns + 1, |row| {
                        row.bool(true);
                        self.table.write_gone(&line.row, row);
                    });
                }
            }
        }
        if inserted + updates + deletes > 0 {
            out.push(TableWrite {
                table: ALL.len() + index,
                inserts: Rows {
                    count: inserted,
                    pieces: inserts.into_pieces(),
                },
                staged: Rows {
                    count: updates + deletes,
                    pieces: staged.into_pieces(),
                },
                updates,
                deletes,
            });
        }
        let message = self.failed.as_ref().map(ToString::to_string);
        let state = match (&message, self.becomes_live) {
            (Some(_), _) => "failed",
            (None, true) => "live",
            (None, false) => return,
        };
        states.0 += 1;
        states
            .1
            .row(super::tables::VIEW_STATE.columns.len() + 1, |row| {
                row.bool(false);
                self.table.write_state(state, message.as_deref(), row);
            });
    }
}
