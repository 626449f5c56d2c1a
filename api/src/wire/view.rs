//! Views in SQL.

use serde::Serialize;
use utoipa::ToSchema;

use crate::backend::{BackfillUnit, ViewFileLine, ViewFolder, ViewLine, ViewSize};
use crate::wire::text::instant;

/// The views in SQL that a replica runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Dataflows)]
pub(crate) struct ViewsAnswer<'a> {
    /// In the order in which they came.
    pub(crate) views: Vec<ViewAnswer<'a>>,
    /// What they keep in memory together: rows of sources, what several need of them by the same key, and views that
    /// others read.
    pub(crate) shared: SizeAnswer,
    /// Their files.
    pub(crate) files: FilesAnswer<'a>,
}

/// What is kept in memory.
#[derive(Serialize, ToSchema)]
#[schema(as = DataflowMemory)]
pub(crate) struct SizeAnswer {
    /// Updates in arrangements (rows by a key, with when they came), counted exactly.
    records: u64,
    /// About how many bytes they take: the mean length of such rows, and 88 bytes around each.
    bytes: u64,
}

/// Files of views. While the replica runs, the views follow them.
#[derive(Serialize, ToSchema)]
#[schema(as = DataflowFiles)]
pub(crate) struct FilesAnswer<'a> {
    /// Files and folders, as configured.
    paths: &'a [String],
    /// Changes there are followed, as soon as the replica has started.
    watched: bool,
    /// Why they cannot be looked through; nothing is changed meanwhile.
    problem: Option<&'a str>,
    /// By name: what became of each when it was last tried.
    tried: Vec<FileAnswer<'a>>,
}

/// A file of a view.
#[derive(Serialize, ToSchema)]
#[schema(as = DataflowFile)]
pub(crate) struct FileAnswer<'a> {
    /// The file.
    file: &'a str,
    /// `taken`: its view runs. `refused`: what was there before goes on.
    #[schema(pattern = "^(taken|refused)$")]
    state: &'static str,
    /// Why it was refused: the place, and what to do.
    reason: Option<&'a str>,
    /// When.
    at: String,
}

impl From<ViewSize> for SizeAnswer {
    fn from(size: ViewSize) -> Self {
        Self {
            records: size.records,
            bytes: size.bytes,
        }
    }
}

impl<'a> FilesAnswer<'a> {
    pub(crate) fn of(folder: &'a ViewFolder) -> Self {
        let file = |line: &'a ViewFileLine| FileAnswer {
            file: &line.file,
            state: match line.reason {
                None => "taken",
                Some(_) => "refused",
            },
            reason: line.reason.as_deref(),
            at: instant(line.at_ms).as_str().to_owned(),
        };
        Self {
            paths: &folder.paths,
            watched: folder.is_watched,
            problem: folder.problem.as_deref(),
            tried: folder.files.iter().map(file).collect(),
        }
    }
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
    /// What it keeps in memory that no other view has.
    kept: SizeAnswer,
}

/// How far a view is that reads the rows that there are.
#[derive(Serialize, ToSchema)]
#[schema(as = Backfill)]
pub(crate) struct BackfillAnswer {
    /// So many were read.
    read: u64,
    /// So many there were when it came.
    of: u64,
    /// Of what: `records` of the stream, for what was decided before; then `rows` of the sources.
    #[schema(pattern = "^(records|rows)$")]
    unit: &'static str,
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
            backfill: line.backfill.map(|backfill| BackfillAnswer {
                read: backfill.read,
                of: backfill.of,
                unit: match backfill.unit {
                    BackfillUnit::Records => "records",
                    BackfillUnit::Rows => "rows",
                },
            }),
            rows: line.rows,
            updates: line.updates,
            epochs_behind: line.epochs_behind,
            kept: line.kept.into(),
        }
    }
}
