//! Files of views in SQL of several replicas: one table for all, with a count that every change moves on by one.
//!
//! A change is made over the count that it was prepared with: of two that are made at the same time one is first, and
//! the other is refused. So what a replica has checked is what all get.

use std::collections::BTreeMap;

use flightline_connectors::database::{DatabaseError, Session};

use super::shared;

/// The count before views are brought in for the first time.
pub(crate) const NONE_YET: i64 = 0;

const VERSION: &str = "SELECT number FROM flightline_shared.change WHERE name = 'view'";
/// One statement: what it reads belongs together.
const READ: &str = "\
SELECT c.number, v.name, v.text, v.version
FROM flightline_shared.change AS c LEFT JOIN flightline_shared.view AS v ON true
WHERE c.name = 'view'";
const MOVE_ON: &str = "\
UPDATE flightline_shared.change SET number = number + 1 WHERE name = 'view' AND number = $1";
const PUT: &str = "\
INSERT INTO flightline_shared.view (name, text, version, changed_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET text = $2, version = $3, changed_by = $4, changed_at = now()";
const REMOVE: &str = "DELETE FROM flightline_shared.view WHERE name = ANY($1)";

/// The file of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// The count of changes when it was changed last: it moves on also when a view that has stopped is begun anew
    /// with the text that it has.
    pub(crate) version: i64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    /// Count of changes.
    pub(crate) version: i64,
    /// By the name of the view.
    pub(crate) views: BTreeMap<String, Line>,
}

/// What makes one set of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// Names and texts.
    pub(crate) puts: BTreeMap<String, String>,
    /// Names.
    pub(crate) removes: Vec<String>,
}

impl Set {
    /// As it is after a change, which made it this version.
    pub(crate) fn apply(&mut self, change: &Change, version: i64) {
        for name in &change.removes {
            self.views.remove(name);
        }
        for (name, text) in &change.puts {
            let text = text.clone();
            self.views.insert(name.clone(), Line { text, version });
        }
        self.version = version;
    }
}

/// How a change fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is everybody's, and this is the count now.
    Done(i64),
    /// Another came before it, and nothing was done.
    Overtaken,
}

/// The table.
pub(crate) struct SharedViews {
    session: Session,
    /// Who changes it, for people who look.
    by: String,
}

impl std::fmt::Debug for SharedViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedViews").finish_non_exhaustive()
    }
}

impl SharedViews {
    /// The first call connects. `by` is the replica.
    ///
    /// # Errors
    /// Its thread cannot be started.
    pub(crate) fn later(
        connect: &tokio_postgres::Config,
        by: String,
    ) -> Result<Self, DatabaseError> {
        let session = shared::later(connect)?;
        Ok(Self { session, by })
    }

    /// How often views were changed. Blocking.
    ///
    /// # Errors
    /// The database.
    pub(crate) fn version(&self) -> Result<i64, DatabaseError> {
        let row = self.session.call("looking at the views", async |client| {
            client.query_one(VERSION, &[]).await
        });
        Ok(row?.get(0))
    }

    /// All views. Blocking.
    ///
    /// # Errors
    /// The database.
    pub(crate) fn read(&self) -> Result<Set, DatabaseError> {
        let rows = self.session.call("reading the views", async |client| {
            client.query(READ, &[]).await
        })?;
        let mut set = Set::default();
        for row in &rows {
            set.version = row.get(0);
            if let Some(name) = row.get::<_, Option<String>>(1) {
                let (text, version) = (row.get(2), row.get(3));
                set.views.insert(name, Line { text, version });
            }
        }
        Ok(set)
    }

    /// Makes a change to the set that has this count, whole or not at all. Blocking.
    ///
    /// # Errors
    /// The database. When it gave no answer, or the connection was lost, the change may have been made.
    pub(crate) fn commit(&self, over: i64, change: &Change) -> Result<Committed, DatabaseError> {
        let by = &self.by;
        self.session.call("changing the views", async |client| {
            let tx = client.transaction().await?;
            if tx.execute(MOVE_ON, &[&over]).await? == 0 {
                return Ok(Committed::Overtaken);
            }
            let version = over + 1;
            tx.execute(REMOVE, &[&change.removes]).await?;
            for (name, text) in &change.puts {
                tx.execute(PUT, &[name, text, &version, by]).await?;
            }
            tx.commit().await?;
            Ok(Committed::Done(version))
        })
    }
}
