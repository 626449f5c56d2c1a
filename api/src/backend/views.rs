//! Views in SQL, as an operator sees and changes them.

/// A view in SQL, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewLine {
    /// Its name.
    pub name: String,
    /// What a row is.
    pub description: String,
    /// Its file.
    pub file: String,
    /// Where its rows go, such as `views.fare_calendar`.
    pub table: String,
    /// `backfilling`, `live` or `failed`.
    pub state: &'static str,
    /// Why it has stopped.
    pub reason: Option<String>,
    /// How far it is while it is backfilling.
    pub backfill: Option<Backfill>,
    /// Rows it has.
    pub rows: u64,
    /// Rows that came and went since the replica started or the view came.
    pub updates: u64,
    /// Epochs that came in and that it has not been through.
    pub epochs_behind: u64,
    /// What it keeps that no other view has.
    pub kept: ViewSize,
}

/// How far a view is that reads what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// So many were read.
    pub read: u64,
    /// So many there were when it came.
    pub of: u64,
    /// Of what.
    pub unit: BackfillUnit,
}

/// What a view reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillUnit {
    /// Records of the stream, for what was decided before.
    Records,
    /// Rows of sources.
    Rows,
}

/// What views keep in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewSize {
    /// Updates (rows by key, with when they came) in arrangements.
    pub records: u64,
    /// About how many bytes that is.
    pub bytes: u64,
}

/// Files of views, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewFolder {
    /// Files and folders, as configured.
    pub paths: Vec<String>,
    /// Changes there are followed.
    pub is_watched: bool,
    /// Why they cannot be looked through.
    pub problem: Option<String>,
    /// By name.
    pub files: Vec<ViewFileLine>,
    /// Changes taken since the start.
    pub taken: u64,
    /// Changes refused since the start.
    pub refused: u64,
    /// Views removed with their files since the start.
    pub removed: u64,
}

/// What became of a file of a view when it was last tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewFileLine {
    /// The file.
    pub file: String,
    /// Why it was refused; `None` = its view is the one that runs.
    pub reason: Option<String>,
    /// When, Unix time in milliseconds.
    pub at_ms: i64,
}

/// What an operator wants of the views in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewChange {
    /// A new one.
    Add {
        /// Its name; must be that in the file.
        name: String,
        /// The file.
        text: String,
    },
    /// Another in the place of one.
    Replace {
        /// Its name; must be that in the file.
        name: String,
        /// The file.
        text: String,
    },
    /// One less.
    Remove {
        /// Its name.
        name: String,
    },
}

/// Why a [`ViewChange`] was not done: then nothing was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewFault {
    /// The replica runs no views.
    Off(String),
    /// There is no view of that name.
    Unknown(String),
    /// What is wrong with the file, with places.
    Problems(String),
    /// It does not go with what is there.
    Conflict(String),
    /// A row that is there has no value, or a key is there twice.
    Failed(String),
    /// Not now.
    Unavailable(String),
}

impl std::fmt::Display for ViewFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Off(why)
        | Self::Unknown(why)
        | Self::Problems(why)
        | Self::Conflict(why)
        | Self::Failed(why)
        | Self::Unavailable(why)) = self;
        f.write_str(why)
    }
}
