//! Answers under idempotency keys that the stream does not remember by itself: searches, and feeds. They are
//! the same at every replica. While the database is away each replica remembers its own.

use std::time::Duration;

use flightline_api::backend::Remembered;
use flightline_connectors::database::{DatabaseError, Session};
use tokio_postgres::Row;

/// A larger answer is remembered by the replica that gave it only.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// A request waits for so long at most.
const PATIENCE: Duration = Duration::from_secs(1);

const RECALL: &str = "SELECT kind, asked, answer FROM flightline_shared.answer WHERE key = $1";
const REMEMBER: &str = "\
INSERT INTO flightline_shared.answer (key, kind, asked, answer) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
/// Removes what is long past.
pub(super) const REMOVE: &str =
    "DELETE FROM flightline_shared.answer WHERE created_at < now() - interval '1 day'";

/// The memory that replicas share.
pub(crate) struct Answers {
    session: Session,
}

impl Answers {
    /// The first question connects.
    ///
    /// # Errors
    /// The thread of its connection cannot be started.
    pub(crate) fn open(connect: &tokio_postgres::Config) -> Result<Self, DatabaseError> {
        let session = super::shared::later_with(connect, PATIENCE)?;
        Ok(Self { session })
    }

    /// What a key stands for, if anything. Blocking.
    pub(crate) fn recall(&self, key: &[u8]) -> Result<Option<Remembered>, String> {
        let row = self.session.call("reading an answer", async |client| {
            client.query_opt(RECALL, &[&key]).await
        });
        Ok(row
            .map_err(|e| e.to_string())?
            .as_ref()
            .and_then(remembered))
    }

    /// Remembers what a new key stands for; gives what it stands for by now, whoever was first. Blocking.
    pub(crate) fn remember(&self, key: &[u8], new: Remembered) -> Result<Remembered, String> {
        if new.answer.len() > ANSWER_BYTES_MAX {
            return Ok(new);
        }
        let (kind, asked) = (&*new.kind, new.asked.as_slice());
        let row = self.session.call("keeping an answer", async |client| {
            client
                .execute(REMEMBER, &[&key, &kind, &asked, &&*new.answer])
                .await?;
            client.query_opt(RECALL, &[&key]).await
        });
        let found = row.map_err(|e| e.to_string())?;
        Ok(found.as_ref().and_then(remembered).unwrap_or(new))
    }
}

fn remembered(row: &Row) -> Option<Remembered> {
    Some(Remembered {
        kind: row.get::<_, &str>(0).into(),
        asked: row.get::<_, &[u8]>(1).try_into().ok()?,
        answer: row.get::<_, &[u8]>(2).into(),
    })
}
