//! What can go wrong between the sink and its database.

use tokio_postgres::error::SqlState;

/// Why the sink cannot write, or what it was given cannot be right.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The database could not be reached in the time allowed at the start.
    #[error(
        "the database cannot be reached ({waited_s} s of trying): {last}; check database.url and that the server runs"
    )]
    Unreachable {
        /// How long it was tried.
        waited_s: u64,
        /// What the last attempt said.
        last: String,
    },
    /// The database answered with an error.
    #[error("{what}: {}", explain(source))]
    Database {
        /// What was being done.
        what: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The tables were made by a newer release.
    #[error(
        "the tables of schema flightline are of version {found}, this program knows versions up to {known}: \
         run the newer release, or use another database"
    )]
    NewerSchema {
        /// What the database has.
        found: i32,
        /// What this release knows.
        known: i32,
    },
    /// The tables follow another number of partitions.
    #[error(
        "sink_progress has {found} partitions, the stream has {expected}: the tables were made from another \
         stream. Use another database, or drop the schemas flightline and views to have them filled again"
    )]
    OtherPartitions {
        /// In the table.
        found: usize,
        /// In the stream.
        expected: usize,
    },
    /// The tables follow another stream.
    #[error(
        "the tables were made from the stream {found}, not from {expected}. Use another database, or drop the \
         schemas flightline and views to have them filled again"
    )]
    OtherStream {
        /// In the table.
        found: String,
        /// The replica's.
        expected: String,
    },
    /// Somebody else moved `sink_progress`, or the database went back to an older state.
    #[error(
        "partition {partition}: sink_progress says {found}, this replica last wrote {believed}. {}",
        if found > believed {
            "Another replica writes these tables; this one has stopped writing"
        } else {
            "The database has lost committed rows (a fail-over, or a restored backup): restart the replica, which then writes them again"
        }
    )]
    Fenced {
        /// The first partition that differs.
        partition: u32,
        /// What the table says.
        found: u64,
        /// What this sink believes.
        believed: u64,
    },
    /// Another replica has the lock of the tables.
    #[error("another replica writes these tables: it holds their lock")]
    HeldByAnother,
    /// A table does not have the rows that it must have.
    #[error(
        "{table}: {expected} rows were to be {what}, but {found} were: somebody else changed the table. \
         Run `flightline verify`, or drop the schemas flightline and views to have them filled again"
    )]
    Altered {
        /// Which table.
        table: String,
        /// `changed` or `removed`.
        what: &'static str,
        /// How many.
        expected: u64,
        /// How many there were.
        found: u64,
    },
    /// The dataflow began elsewhere than the tables end.
    #[error(
        "the first epoch stands for offset {found} of partition {partition}, but sink_progress says {stored}: \
         a replica begins with the snapshot at sink_progress"
    )]
    WrongStart {
        /// The first partition that differs.
        partition: u32,
        /// Where the dataflow began.
        found: u64,
        /// Where the tables end.
        stored: u64,
    },
    /// There is a table of the name of a view's, and it was not made for a view.
    #[error(
        "{view}: the table {table} exists, and it is not a view's. Name another one under sink.postgres.table, or \
         rename it"
    )]
    TableNotOurs {
        /// The table.
        table: String,
        /// The view's file.
        view: String,
    },
    /// The folder for what does not fit into memory cannot be used.
    #[error("{}: {source}", path.display())]
    Spool {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A test made it fail.
    #[error(transparent)]
    Injected(#[from] flightline_failpoints::Injected),
    /// The sink was ended before everything was written.
    #[error("the sink was ended with {epochs} epochs unwritten; the next start writes them")]
    Unfinished {
        /// How many.
        epochs: u64,
    },
}

impl PostgresError {
    pub(super) fn database(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let what = what.into();
        |source| Self::Database { what, source }
    }

    /// Would trying again on a new connection help? Everything that the server or the network may
    /// get over does; what contradicts our tables does not.
    pub fn is_passing(&self) -> bool {
        let Self::Database { source, .. } = self else {
            return matches!(self, Self::Spool { .. } | Self::Injected(_));
        };
        let Some(state) = source.code() else {
            // No answer from the server: the connection broke.
            return true;
        };
        if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
            // A standby that is about to be promoted, or a server that is short of space.
            return true;
        }
        // 22: bad data. 23: constraint. 25: transaction state. 42: no such table, no permission.
        // 0A: not supported. 3F: no such schema.
        let class = &state.code()[..2];
        !matches!(class, "0A" | "22" | "23" | "25" | "3F" | "42")
    }
}

/// The server's message with its detail and hint, which `Display` leaves out.
pub(super) fn explain(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        return text;
    };
    let mut text = format!("{} ({})", db.message(), db.code().code());
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}
