//! Of several replicas, one writes the tables: the one that holds a session lock of the database.
//!
//! The lock belongs to the connection that writes, and goes with it: who has lost it can write nothing, not
//! even the rest of a transaction. A holder that is stopped or cut off keeps its connection, and the
//! database does not notice. It says something once a second when it has nothing to write; others look,
//! and end the session of one that has been silent for too long. Whether they are right about that is
//! no question of safety: a holder that only was slow finds its connection closed, and waits for its turn.

use std::time::{Duration, Instant, SystemTime};

use tokio_postgres::{Client, NoTls};

use super::PostgresError;

/// Any two numbers that nobody else is likely to lock.
const LOCK: (i32, i32) = (0x666c_6967, 0x7461_626c);

/// A holder that has nothing to write says something this often.
pub(super) const SAY: Duration = Duration::from_secs(1);

/// Takes the lock for the client's session.
pub(super) async fn take(client: &Client) -> Result<(), PostgresError> {
    let failed = PostgresError::database("taking the lock of the tables");
    let (one, two) = LOCK;
    let sql = "SELECT pg_try_advisory_lock($1, $2)";
    let row = client.query_one(sql, &[&one, &two]).await.map_err(failed)?;
    match row.get(0) {
        true => Ok(()),
        false => Err(PostgresError::HeldByAnother),
    }
}

/// Looks at who writes the tables, for a replica that does not.
#[derive(Debug)]
pub struct LockWatch {
    connect: tokio_postgres::Config,
    client: Option<Client>,
    seen: Option<Seen>,
}

/// A session that waited for its client when it was looked at, and since when it is seen so.
#[derive(Debug)]
struct Seen {
    pid: i32,
    since: String,
    first: Instant,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The session that holds the lock, if there is one.
    pub holder: Option<Holder>,
    /// How far the tables are, by partition; absent before they are made.
    pub progress: Option<Vec<u64>>,
    /// The database's clock, in milliseconds after this machine's; near enough to
    /// [`Look::clock_error`].
    pub clock_ahead_ms: i64,
    /// How much [`Look::clock_ahead_ms`] may be wrong.
    pub clock_error: Duration,
}

/// A session that holds the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The server's process.
    pub pid: i32,
    /// For how long it has not heard of its client, at least.
    pub silent: Duration,
}

const HOLDER: &str = "\
SELECT a.pid, coalesce(a.state, ''), coalesce(a.wait_event, ''), a.state_change::text,
  (extract(epoch FROM clock_timestamp() - a.state_change) * 1000)::bigint
FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid";

const CLOCK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

impl LockWatch {
    /// Watches the tables of a database.
    pub fn new(connect: tokio_postgres::Config) -> Self {
        Self {
            connect,
            client: None,
            seen: None,
        }
    }

    /// Looks once. After an error the next look makes a new connection.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub async fn look(&mut self) -> Result<Look, PostgresError> {
        let looked = self.try_look().await;
        if looked.is_err() {
            self.client = None;
        }
        looked
    }

    /// Ends the session of a holder. Its open transaction is undone.
    ///
    /// # Errors
    /// The database cannot be asked, or refuses: both sessions must be of one role.
    pub async fn unseat(&mut self, holder: &Holder) -> Result<(), PostgresError> {
        let failed = PostgresError::database("ending the session of a replica that is silent");
        let client = self.client().await?;
        let sql = "SELECT pg_terminate_backend($1)";
        client
            .query_one(sql, &[&holder.pid])
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn client(&mut self) -> Result<&Client, PostgresError> {
        if self.client.as_ref().is_none_or(Client::is_closed) {
            let failed = PostgresError::database("connecting");
            let (client, connection) = self.connect.connect(NoTls).await.map_err(failed)?;
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = super::error::explain(&error), "connection ended");
                }
            });
            self.client = Some(client);
        }
        match &self.client {
            Some(client) => Ok(client),
            None => unreachable!("connected above"),
        }
    }

    async fn try_look(&mut self) -> Result<Look, PostgresError> {
        let failed = || PostgresError::database("looking at who writes the tables");
        let client = self.client().await?;
        let before = (Instant::now(), now_ms());
        let row = client.query_one(CLOCK, &[]).await.map_err(failed())?;
        let took = before.0.elapsed();
        let half_ms = i64::try_from(took.as_millis() / 2).unwrap_or(i64::MAX);
        let clock_ahead_ms = row.get::<_, i64>(0) - before.1 - half_ms;
        let progress = super::connection::read_progress(client).await?;
        let (one, two) = (i64::from(LOCK.0), i64::from(LOCK.1));
        let rows = client
            .query(HOLDER, &[&one, &two])
            .await
            .map_err(failed())?;
        let holder = rows.first().map(|row| {
            let (pid, state, event): (i32, &str, &str) = (row.get(0), row.get(1), row.get(2));
            let (since, ms): (Option<String>, Option<i64>) = (row.get(3), row.get(4));
            let since = since.unwrap_or_default();
            let silent = match (state, event) {
                // It waits for the next statement.
                (idle, _) if idle.starts_with("idle") => {
                    Duration::from_millis(ms.unwrap_or(0).max(0).unsigned_abs())
                }
                // In the middle of one: rows are on their way, or stuck.
                (_, "ClientRead" | "ClientWrite") => match &self.seen {
                    Some(seen) if seen.pid == pid && seen.since == since => seen.first.elapsed(),
                    _ => {
                        self.seen = Some(Seen {
                            pid,
                            since,
                            first: Instant::now(),
                        });
                        return Holder {
                            pid,
                            silent: Duration::ZERO,
                        };
                    }
                },
                // The server works.
                _ => Duration::ZERO,
            };
            if silent == Duration::ZERO || state.starts_with("idle") {
                self.seen = None;
            }
            Holder { pid, silent }
        });
        Ok(Look {
            holder,
            progress,
            clock_ahead_ms,
            clock_error: took,
        })
    }
}

fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
