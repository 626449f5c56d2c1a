//! What a replica must know of what all share before it can work: the key of offers, and who may call. It is in
//! the common database; a copy in the data directory lets a replica start while that is away.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use flightline_api::OfferKey;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::shared;
use crate::booking;
use crate::config::{AuthMode, ReplicaConfig};
use crate::replica::NEEDS_DATABASE;
use crate::tokens::{self, Stored, TokenError};

/// The copy in the data directory. That it is there says that `offer-key` beside it is the one that all share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// Hashes of tokens; absent = this replica let everybody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<Stored>>,
}

fn file_of(data_dir: &Path) -> PathBuf {
    data_dir.join("shared-known.json")
}

fn load(data_dir: &Path) -> anyhow::Result<Option<Known>> {
    let path = file_of(data_dir);
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
            format!(
                "{} is damaged: start this replica when the database of database.url is there, which writes it anew",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn keep(data_dir: &Path, known: &Known) -> Result<(), TokenError> {
    let path = file_of(data_dir);
    match serde_json::to_vec_pretty(known) {
        Ok(bytes) => tokens::write_private(&path, &bytes),
        Err(source) => Err(TokenError::Malformed { path, source }),
    }
}

/// Leaves in the data directory that everybody is let in. Tokens that were known before are not any more: nobody
/// would hear which of them are taken away.
fn keep_open(data_dir: &Path) -> Result<(), TokenError> {
    // A note that is damaged is written anew.
    match load(data_dir) {
        Ok(Some(known)) if known == Known::default() => Ok(()),
        _ => keep(data_dir, &Known::default()),
    }
}

/// Leaves the tokens of all replicas in the data directory.
fn keep_tokens(data_dir: &Path, tokens: &[Stored]) -> Result<(), TokenError> {
    let known = Known {
        tokens: Some(tokens.to_vec()),
    };
    keep(data_dir, &known)
}

/// Keeps the note. None is written before a start has found that this replica may work with the others: the next one
/// would go by it while the database is away, and could not find that out.
#[derive(Debug)]
pub(crate) struct Notes {
    data_dir: PathBuf,
    state: Mutex<NotesState>,
}

#[derive(Debug, Default)]
struct NotesState {
    may: bool,
    /// The tokens that are not noted.
    tokens: Option<Vec<Stored>>,
}

impl Notes {
    fn new(data_dir: &Path, may: bool) -> Arc<Self> {
        let state = NotesState { may, tokens: None };
        Arc::new(Self {
            data_dir: data_dir.to_owned(),
            state: Mutex::new(state),
        })
    }

    /// These are the tokens now. [`Notes::write`] notes them.
    pub(super) fn set(&self, tokens: Vec<Stored>) {
        self.state.lock().tokens = Some(tokens);
    }

    /// Writes what is not noted, as soon as it may be; what cannot be written is tried again by the next call. With an
    /// old note a token that was taken away would be good after a start without the database.
    pub(super) fn write(&self) -> Result<(), TokenError> {
        let mut state = self.state.lock();
        let Some(tokens) = state.tokens.as_deref().filter(|_| state.may) else {
            return Ok(());
        };
        keep_tokens(&self.data_dir, tokens)?;
        state.tokens = None;
        Ok(())
    }

    /// The replica may work with the others.
    pub(crate) fn begin(&self, auth: AuthMode) -> Result<(), TokenError> {
        self.state.lock().may = true;
        match auth {
            AuthMode::Open => keep_open(&self.data_dir),
            AuthMode::Tokens => self.write(),
        }
    }
}

/// What a start begins with.
pub(crate) struct Common {
    /// The database.
    pub(crate) connect: tokio_postgres::Config,
    /// What offers are signed with.
    pub(crate) key: OfferKey,
    /// The database is away: the replica begins with what it knew.
    pub(crate) is_away: bool,
    /// With the database away, the tokens that were known.
    pub(crate) tokens: Vec<Stored>,
    /// What the next start may go by.
    pub(crate) notes: Arc<Notes>,
}

impl Common {
    /// Asks the database, or goes by what was known when that is away. Blocking.
    ///
    /// # Errors
    /// The database refuses, or it is away and this replica never worked with it.
    pub(crate) fn reach(config: &ReplicaConfig) -> anyhow::Result<Self> {
        let url = config.database_url.as_deref().context(NEEDS_DATABASE)?;
        Self::reach_at(crate::database::parse(url)?, &config.data_dir, config.auth)
    }

    fn reach_at(
        connect: tokio_postgres::Config,
        data_dir: &Path,
        auth: AuthMode,
    ) -> anyhow::Result<Self> {
        let away = match shared::open(&connect) {
            Ok(session) => {
                let key = shared::offer_key(&session, data_dir)?;
                return Ok(Self {
                    connect,
                    key,
                    is_away: false,
                    tokens: Vec::new(),
                    notes: Notes::new(data_dir, false),
                });
            }
            Err(error) if error.is_away() => error,
            Err(error) => return Err(error).context("what the replicas share"),
        };
        let known = load(data_dir)?.with_context(|| {
            format!(
                "{away}: the first start of a replica needs the database of database.url, which has the key of offers and \
                 the tokens that the replicas share. Later ones go on without it for a while"
            )
        })?;
        let tokens = match (auth, known.tokens) {
            (AuthMode::Open, _) => Vec::new(),
            (AuthMode::Tokens, Some(tokens)) => tokens,
            (AuthMode::Tokens, None) => anyhow::bail!(
                "{away}: no token is known here, since this replica last let everybody in (auth.mode = \"open\"). Start it \
                 when the database of database.url is there"
            ),
        };
        // Not a new one: what is signed with it is good at no other replica.
        let key = booking::known_key(data_dir)?.with_context(|| {
            format!(
                "{away}: the key of offers that the replicas share is not in {} any more. Put the file `offer-key` of \
                 another replica there, or start this one when the database of database.url is there",
                data_dir.display()
            )
        })?;
        tracing::warn!(
            error = %away,
            tokens = tokens.len(),
            "the database is away: this replica begins with the tokens and the key of offers that it knew"
        );
        Ok(Self {
            connect,
            key,
            is_away: true,
            tokens,
            // An earlier start has found out.
            notes: Notes::new(data_dir, true),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn a_token() -> Stored {
        Stored {
            name: "shop".to_owned(),
            role: "client".to_owned(),
            provider: None,
            hash: "00".repeat(32),
            created_s: 1,
        }
    }

    #[test]
    fn what_was_known_is_kept_for_its_owner_alone_and_damage_is_said() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        keep(dir.path(), &Known::default()).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(Known::default()));
        let token = a_token();
        keep_tokens(dir.path(), std::slice::from_ref(&token)).unwrap();
        let known = load(dir.path()).unwrap().unwrap();
        assert_eq!(known.tokens.unwrap()[0].name, token.name);
        let path = file_of(dir.path());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "{").unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("shared-known.json"), "{error}");
        assert!(error.contains("writes it anew"), "{error}");
    }

    #[test]
    fn whoever_lets_everybody_in_forgets_tokens_that_may_be_taken_away_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        keep_tokens(dir.path(), &[]).unwrap();
        keep_open(dir.path()).unwrap();
        assert_eq!(load(dir.path()).unwrap().unwrap().tokens, None);
        // Damage is no reason not to start while the database is there.
        std::fs::write(file_of(dir.path()), "{").unwrap();
        keep_open(dir.path()).unwrap();
        assert_eq!(load(dir.path()).unwrap(), Some(Known::default()));
    }

    #[test]
    fn nothing_is_noted_of_a_start_that_may_be_refused() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::new(dir.path(), false);
        notes.set(Vec::new());
        notes.write().unwrap();
        assert_eq!(load(dir.path()).unwrap(), None);
        notes.begin(AuthMode::Tokens).unwrap();
        let known = || load(dir.path()).unwrap().unwrap().tokens;
        assert_eq!(known(), Some(Vec::new()));
        // A note that cannot be written is written later.
        let file = file_of(dir.path());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        let token = a_token();
        notes.set(vec![token]);
        assert!(notes.write().is_err());
        std::fs::remove_dir(&file).unwrap();
        notes.write().unwrap();
        assert_eq!(known().unwrap()[0].name, "shop");
        notes.begin(AuthMode::Open).unwrap();
        assert_eq!(known(), None);
    }

    /// A start while no server listens.
    fn away(data_dir: &Path, auth: AuthMode) -> Result<Common, String> {
        let nobody = crate::database::parse("postgres://nobody@127.0.0.1:1/none").unwrap();
        Common::reach_at(nobody, data_dir, auth).map_err(|error| format!("{error:#}"))
    }

    fn refused(data_dir: &Path, auth: AuthMode) -> String {
        match away(data_dir, auth) {
            Err(said) => said,
            Ok(common) => panic!("it starts with {} tokens", common.tokens.len()),
        }
    }

    #[test]
    fn a_start_without_the_database_makes_nothing_up() {
        let dir = tempfile::tempdir().unwrap();
        for auth in [AuthMode::Open, AuthMode::Tokens] {
            let said = refused(dir.path(), auth);
            assert!(said.contains("the first start"), "{said}");
        }
        keep_open(dir.path()).unwrap();
        let said = refused(dir.path(), AuthMode::Open);
        assert!(said.contains("offer-key"), "{said}");
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["shared-known.json"], "no key was made");
        let key = booking::load_key(dir.path()).unwrap();
        let common = away(dir.path(), AuthMode::Open).unwrap();
        assert!(common.is_away && common.key == key);
        // Tokens are asked for, and none are known.
        let said = refused(dir.path(), AuthMode::Tokens);
        assert!(said.contains("no token is known here"), "{said}");
        keep_tokens(dir.path(), &[]).unwrap();
        assert!(
            away(dir.path(), AuthMode::Tokens)
                .unwrap()
                .tokens
                .is_empty()
        );
    }
}
