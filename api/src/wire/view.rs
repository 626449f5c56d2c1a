//! Views in SQL.

use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::ViewLine;

/// The views in SQL that a replica runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Dataflows)]
pub(crate) struct ViewsAnswer<'a> {
    /// In the order in which they came.
    pub(crate) views: Vec<ViewAnswer<'a>>,
}

/// A view in SQL.
#[derive(Serialize, ToSchema)]
#[schema(as = Dataflow)]
pub(crate) struct ViewAnswer<'a> {
    /// Its name.
    name: &'a str,
    /// What a row is.
    description: &'a str,
    /// Its file.
    file: &'a str,
    /// Its table.
    table: &'a str,
    /// `backfilling`: it reads the rows that there are; `live`; `failed`: it has stopped, and its table is as it was then.
    #[schema(pattern = "^(backfilling|live|failed)$")]
    state: &'static str,
    /// Why it has stopped: the place in the file, and the row.
    reason: Option<&'a str>,
    /// How far it is while it is backfilling.
    backfill: Option<BackfillAnswer>,
    /// Rows it has.
    rows: u64,
    /// Rows that came and went since the replica started or the view came.
    updates: u64,
    /// Epochs that it has not been through yet.
    epochs_behind: u64,
}

/// How far a view is that reads the rows that there are.
#[derive(Serialize, ToSchema)]
#[schema(as = Backfill)]
pub(crate) struct BackfillAnswer {
    /// Rows of sources read.
    read: u64,
    /// Rows that there were.
    of: u64,
}

impl<'a> ViewAnswer<'a> {
    pub(crate) fn of(line: &'a ViewLine) -> Self {
        Self {
            name: &line.name,
            description: &line.description,
            file: &line.file,
            table: &line.table,
            state: line.state,
            reason: line.reason.as_deref(),
            backfill: line.backfill.map(|(read, of)| BackfillAnswer { read, of }),
            rows: line.rows,
            updates: line.updates,
            epochs_behind: line.epochs_behind,
        }
    }
}
