//! Net changes of one view's table, on their way to the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::changelog::{ViewChanges, ViewFailure};
use flightline_dataflows::relational::Row;

use super::batch::{Rows, TableWrite};
use super::copy::Chunks;
use super::tables::{ALL, ViewTable};

/// What a transaction does to the table of a view as a whole. Views are named by their places among all that the
/// sink was ever given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ViewStep {
    /// It goes.
    Drop {
        /// The view.
        view: usize,
    },
    /// It is made with these rows, and takes the place of the one that may be there.
    Fill {
        /// The view.
        view: usize,
        /// All its rows.
        rows: Rows,
    },
    /// The view has failed: its table stays as it is.
    Fail {
        /// The view.
        view: usize,
        /// Why.
        message: String,
    },
}

/// The changes since the batch began.
#[derive(Debug)]
pub(super) struct ViewNet {
    table: ViewTable,
    /// By the bytes of the key, which sort as the database sorts keys.
    lines: BTreeMap<Box<[u8]>, Line>,
    bytes: usize,
    /// The table is made with this batch, with all rows.
    fills: bool,
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
            fills: false,
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

    /// Takes the changes of an epoch. `fills`: they are all rows of a table that is to be made. `failed_before`: it is
    /// known to have failed, and was told.
    ///
    /// # Panics
    /// When they do not fit those before: the changelog is broken.
    pub(super) fn absorb(&mut self, changes: &ViewChanges, fills: bool, failed_before: bool) {
        self.fills |= fills;
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

    /// The bytes to write, and what is done to the table. `view`: its place.
    pub(super) fn seal(self, view: usize, steps: &mut Vec<ViewStep>, out: &mut Vec<TableWrite>) {
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
        let inserts = Rows {
            count: inserted,
            pieces: inserts.into_pieces(),
        };
        if self.fills {
            assert_eq!(updates + deletes, 0, "a table that is made has no rows yet");
            steps.push(ViewStep::Fill {
                view,
                rows: inserts,
            });
        } else if inserted + updates + deletes > 0 {
            out.push(TableWrite {
                table: ALL.len() + view,
                inserts,
                staged: Rows {
                    count: updates + deletes,
                    pieces: staged.into_pieces(),
                },
                updates,
                deletes,
            });
        }
        if let Some(failed) = &self.failed {
            let message = failed.to_string();
            steps.push(ViewStep::Fail { view, message });
        }
    }
}
