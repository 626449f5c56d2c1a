//! Bearer tokens of several replicas: one table for all. What one of them or a command makes or takes away
//! holds at every replica within a second, without a restart. While the database is away those that
//! are known stay good.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use flightline_api::backend::{Authenticator, Caller, Role};
use flightline_connectors::database::{DatabaseError, Session};
use flightline_ledger::ProviderCode;
use tokio_postgres::Transaction;

use super::known::Common;
use super::shared;
use crate::tokens::{self, Stored, Table, TokenError};

/// No count of changes.
const NEVER_READ: i64 = -1;
/// How often a replica looks whether tokens have changed.
const LOOK: Duration = Duration::from_millis(500);

const SELECT: &str =
    "SELECT name, role, provider, hash, created_s FROM flightline_shared.token ORDER BY name";
const INSERT: &str = "\
INSERT INTO flightline_shared.token (name, role, provider, hash, created_s) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING";
const CHANGED: &str =
    "UPDATE flightline_shared.change SET number = number + 1 WHERE name = 'token'";

/// The tokens of all replicas.
pub struct SharedTokens {
    session: Session,
}

impl std::fmt::Debug for SharedTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedTokens").finish_non_exhaustive()
    }
}

fn failed(error: DatabaseError) -> TokenError {
    TokenError::Database(error)
}

impl SharedTokens {
    /// Connects to the database of `database.url`. Blocking.
    ///
    /// # Errors
    /// It is no URL of a database, or the database cannot be reached.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let connect = crate::database::parse(url)?;
        let session = shared::open(&connect).context("the tokens that the replicas share")?;
        Ok(Self { session })
    }

    /// Every token. Blocking.
    ///
    /// # Errors
    /// The database.
    pub fn list(&self) -> Result<Vec<Stored>, TokenError> {
        let rows = self.session.call("reading the tokens", async |client| {
            client.query(SELECT, &[]).await
        });
        Ok(rows.map_err(failed)?.iter().map(stored).collect())
    }

    /// Makes a token and returns its text, which nothing keeps. Blocking.
    ///
    /// # Errors
    /// The name is taken or not a name, role and provider do not fit, or the database.
    pub fn create(
        &self,
        name: Option<&str>,
        role: Role,
        provider: Option<ProviderCode>,
    ) -> Result<String, TokenError> {
        // Somebody may take the name that was found free: then the next one is.
        loop {
            let (new, token) = tokens::mint(&self.list()?, name, role, provider)?;
            if self.add(std::slice::from_ref(&new))? > 0 {
                return Ok(token);
            }
            if let Some(name) = name {
                return Err(TokenError::taken(name));
            }
        }
    }

    /// Adds those whose names are free; says how many.
    fn add(&self, new: &[Stored]) -> Result<u64, TokenError> {
        let mut rows = Vec::with_capacity(new.len());
        for token in new {
            let hash = blake3::Hash::from_hex(&token.hash).map_err(|_| {
                TokenError::Name(format!(
                    "the token named '{}' has a hash that is none",
                    token.name
                ))
            })?;
            rows.push((token, hash.as_bytes().to_vec()));
        }
        let added = self
            .session
            .call("adding tokens", async |client| {
                let tx = client.transaction().await?;
                let mut added = 0;
                for (token, hash) in &rows {
                    added += insert(&tx, token, hash).await?;
                }
                if added > 0 {
                    tx.execute(CHANGED, &[]).await?;
                }
                tx.commit().await?;
                Ok(added)
            })
            .map_err(failed)?;
        Ok(added)
    }

    /// Takes a token away. Blocking.
    ///
    /// # Errors
    /// There is none of this name, or the database.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        let gone = self.session.call("taking a token away", async |client| {
            let tx = client.transaction().await?;
            let delete = "DELETE FROM flightline_shared.token WHERE name = $1";
            let gone = tx.execute(delete, &[&name]).await?;
            tx.execute(CHANGED, &[]).await?;
            tx.commit().await?;
            Ok(gone)
        });
        match gone.map_err(failed)? {
            0 => Err(TokenError::none(name)),
            _ => Ok(()),
        }
    }

    /// Takes the tokens of a replica's folder over, once: what is taken away later must not come back with
    /// the next start.
    fn import(&self, data_dir: &Path) -> anyhow::Result<()> {
        let own = tokens::list(data_dir)?;
        if !own.is_empty() {
            let there = self.list()?;
            let other = |t: &&Stored| there.iter().any(|o| o.name == t.name && o.hash != t.hash);
            if let Some(token) = own.iter().find(other) {
                anyhow::bail!(
                    "this replica's folder has a token named '{0}', and so have the replicas, another one: take one of \
                     both away, with `flightline token revoke {0}` and --config FILE for that of the replicas, or by \
                     removing its entry from {1}",
                    token.name,
                    data_dir.join("tokens.json").display()
                );
            }
            let added = self.add(&own)?;
            tracing::info!(
                tokens = added,
                "tokens of this folder hold at all replicas now"
            );
        }
        tokens::mark_shared(data_dir)?;
        Ok(())
    }
}

async fn insert(
    tx: &Transaction<'_>,
    token: &Stored,
    hash: &[u8],
) -> Result<u64, tokio_postgres::Error> {
    let created_s = i64::try_from(token.created_s).unwrap_or(i64::MAX);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&token.name, &token.role, &token.provider, &hash, &created_s];
    tx.execute(INSERT, &values).await
}

fn stored(row: &tokio_postgres::Row) -> Stored {
    let hash: &[u8] = row.get(3);
    Stored {
        name: row.get(0),
        role: row.get(1),
        provider: row.get(2),
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        created_s: u64::try_from(row.get::<_, i64>(4)).unwrap_or(0),
    }
}

/// Checks tokens against the table, and one of the replica's own that commands on its machine use.
pub(crate) struct SharedAuthenticator {
    table: Arc<ArcSwap<Table>>,
    control: [u8; 32],
    /// Ends the thread that looks when it is dropped.
    _looking: Sender<()>,
}

impl SharedAuthenticator {
    /// Takes over the tokens of the folder, reads all, and begins to look for changes; while the database is
    /// away, begins with those that were known. Blocking.
    pub(crate) fn start(
        common: &Common,
        data_dir: &Path,
        control_token: &str,
    ) -> anyhow::Result<Self> {
        let tokens = SharedTokens {
            session: shared::later(&common.connect)
                .context("the tokens that the replicas share")?,
        };
        let (mut number, found) = match common.is_away {
            true => (NEVER_READ, common.tokens.clone()),
            false => {
                tokens.import(data_dir)?;
                let number = tokens.number()?;
                let found = tokens.list()?;
                common.notes.set(found.clone());
                (number, found)
            }
        };
        let table = Arc::new(ArcSwap::from_pointee(tokens::table(found)));
        let (looking, stop) = channel();
        let (shown, notes) = (table.clone(), common.notes.clone());
        std::thread::Builder::new()
            .name("flightline-tokens".to_owned())
            .spawn(move || {
                let mut is_away = false;
                let mut is_told = false;
                while stop.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                    match tokens.look(&mut number) {
                        Ok(None) => is_away = false,
                        Ok(Some(new)) => {
                            is_away = false;
                            shown.store(Arc::new(tokens::table(new.clone())));
                            notes.set(new);
                        }
                        Err(error) if !std::mem::replace(&mut is_away, true) => {
                            tracing::warn!(%error, "tokens cannot be read; the ones known so far stay valid");
                        }
                        Err(_) => {}
                    }
                    match notes.write() {
                        Ok(()) => is_told = false,
                        Err(error) if !std::mem::replace(&mut is_told, true) => {
                            tracing::warn!(%error, "the tokens cannot be noted for a start without the database; trying again");
                        }
                        Err(_) => {}
                    }
                }
            })
            .context("the thread of tokens cannot be started")?;
        Ok(Self {
            table,
            control: tokens::hash_of(control_token),
            _looking: looking,
        })
    }
}

impl SharedTokens {
    /// How often tokens were changed.
    fn number(&self) -> Result<i64, TokenError> {
        let sql = "SELECT number FROM flightline_shared.change WHERE name = 'token'";
        let row = self.session.call("looking at the tokens", async |client| {
            client.query_one(sql, &[]).await
        });
        Ok(row.map_err(failed)?.get(0))
    }

    /// The tokens, when they are not those of then.
    fn look(&self, seen: &mut i64) -> Result<Option<Vec<Stored>>, TokenError> {
        let number = self.number()?;
        if number == *seen {
            return Ok(None);
        }
        // Read before the tokens: what changes in between is read again.
        let tokens = self.list()?;
        *seen = number;
        Ok(Some(tokens))
    }
}

impl Authenticator for SharedAuthenticator {
    fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, &'static str> {
        tokens::look_up(&self.table.load(), &self.control, bearer)
    }
}
