//! Bearer tokens: who may call, and as what.
//!
//! A token is shown once, when it is made; the file `tokens.json` in the data directory keeps its
//! hash. A running replica notices a changed file within a second, so a token can be made or taken
//! away without a restart. Several replicas of one stream have theirs in the database that they
//! share instead, see [`SharedTokens`].

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use flightline_api::backend::{Authenticator, Caller, Role};
use flightline_connectors::database::DatabaseError;
use flightline_ledger::ProviderCode;
use parking_lot::Mutex;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub use crate::several::tokens::SharedTokens;

/// Why tokens could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: not a token file: {source}; restore it, or remove it and make new tokens")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// The name is taken or not a name.
    #[error("{0}")]
    Name(String),
    /// The database that keeps the tokens of several replicas.
    #[error("the tokens that the replicas share: {0}")]
    Database(#[source] DatabaseError),
    /// The tokens are not in this folder any more.
    #[error(
        "the tokens of {folder} are in the database that the replicas share: name their configuration with --config \
         FILE (stream.shared and database.url). To have tokens of its own again, remove {folder}/tokens-shared"
    )]
    Shared {
        /// The data directory.
        folder: String,
    },
    /// A provider's token needs its provider, and only a provider's token has one.
    #[error("{0}")]
    Provider(&'static str),
}

impl TokenError {
    pub(crate) fn taken(name: &str) -> Self {
        TokenError::Name(format!(
            "there is a token named '{name}' already; choose another name"
        ))
    }

    pub(crate) fn none(name: &str) -> Self {
        TokenError::Name(format!(
            "there is no token named '{name}'; `flightline token list` shows those there are"
        ))
    }
}

/// One token, as the file keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Name for people; stands in the stream as the one who asked.
    pub name: String,
    /// `provider`, `client` or `operator`.
    pub role: String,
    /// The only provider a provider's token may speak for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// BLAKE3 of the token, in hexadecimal.
    pub hash: String,
    /// When it was made, Unix time in seconds.
    pub created_s: u64,
}

/// The text of a role.
pub const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Provider => "provider",
        Role::Client => "client",
        Role::Operator => "operator",
    }
}

fn role_of(text: &str) -> Option<Role> {
    [Role::Provider, Role::Client, Role::Operator]
        .into_iter()
        .find(|r| role_name(*r) == text)
}

fn file_of(data_dir: &Path) -> PathBuf {
    data_dir.join("tokens.json")
}

pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// Says in a data directory that its tokens are in the database that replicas share.
fn marker_of(data_dir: &Path) -> PathBuf {
    data_dir.join("tokens-shared")
}

/// The tokens of this folder were taken over by the replicas: none are made here any more.
pub(crate) fn mark_shared(data_dir: &Path) -> Result<(), TokenError> {
    write_private(
        &marker_of(data_dir),
        b"The tokens are in PostgreSQL, schema flightline_shared. Use `flightline token --config FILE`.\n",
    )?;
    let (old, kept) = (
        file_of(data_dir),
        data_dir.join("tokens.before-shared.json"),
    );
    match std::fs::rename(&old, kept) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(TokenError::Io { path: old, source })
        }
        _ => Ok(()),
    }
}

/// Refuses a folder whose tokens are elsewhere.
///
/// # Errors
/// They are in the database that replicas share.
pub fn check_own(data_dir: &Path) -> Result<(), TokenError> {
    match marker_of(data_dir).exists() {
        true => Err(TokenError::Shared {
            folder: data_dir.display().to_string(),
        }),
        false => Ok(()),
    }
}

/// Every token in a data directory.
pub fn list(data_dir: &Path) -> Result<Vec<Stored>, TokenError> {
    let path = file_of(data_dir);
    match std::fs::read(&path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).map_err(|source| TokenError::Malformed { path, source })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(TokenError::Io { path, source }),
    }
}

/// Makes a token and returns its text, which nothing keeps.
pub fn create(
    data_dir: &Path,
    name: Option<&str>,
    role: Role,
    provider: Option<ProviderCode>,
) -> Result<String, TokenError> {
    check_own(data_dir)?;
    let mut all = list(data_dir)?;
    let (new, token) = mint(&all, name, role, provider)?;
    all.push(new);
    write_private(
        &file_of(data_dir),
        &serde_json::to_vec_pretty(&all).unwrap_or_default(),
    )?;
    Ok(token)
}

/// A new token beside those there are, and its text.
pub(crate) fn mint(
    all: &[Stored],
    name: Option<&str>,
    role: Role,
    provider: Option<ProviderCode>,
) -> Result<(Stored, String), TokenError> {
    match (role, provider) {
        (Role::Provider, None) => {
            return Err(TokenError::Provider(
                "a provider's token needs --provider: it may speak for that provider only",
            ));
        }
        (Role::Client | Role::Operator, Some(_)) => {
            return Err(TokenError::Provider(
                "--provider goes with --role provider only",
            ));
        }
        _ => {}
    }
    let name = match name {
        Some(name) => name.to_owned(),
        None => (1..)
            .map(|n| format!("{}-{n}", role_name(role)))
            .find(|candidate| all.iter().all(|t| t.name != *candidate))
            .unwrap_or_default(),
    };
    let printable = |c: char| c.is_ascii_graphic();
    if name.is_empty() || name.len() > 64 || !name.chars().all(printable) || name == "open" {
        return Err(TokenError::Name(
            "a token's name is 1 to 64 printable ASCII characters without spaces, and not 'open'"
                .to_owned(),
        ));
    }
    if all.iter().any(|t| t.name == name) {
        return Err(TokenError::taken(&name));
    }
    let mut rng = rand::rng();
    let secret: String = (0..43)
        .map(|_| {
            const ALPHABET: &[u8] =
                b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
            ALPHABET[rng.random_range(0..ALPHABET.len())] as char
        })
        .collect();
    let token = format!("flightline_{}_{secret}", role_name(role));
    let stored = Stored {
        name,
        role: role_name(role).to_owned(),
        provider: provider.map(|p| p.to_string()),
        hash: blake3::hash(token.as_bytes()).to_hex().to_string(),
        created_s: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_secs()),
    };
    Ok((stored, token))
}

/// Takes a token away.
pub fn revoke(data_dir: &Path, name: &str) -> Result<(), TokenError> {
    check_own(data_dir)?;
    let mut all = list(data_dir)?;
    let before = all.len();
    all.retain(|t| t.name != name);
    if all.len() == before {
        return Err(TokenError::none(name));
    }
    write_private(
        &file_of(data_dir),
        &serde_json::to_vec_pretty(&all).unwrap_or_default(),
    )
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), TokenError> {
    use std::os::unix::fs::OpenOptionsExt;
    let io = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(&temporary, path).map_err(io)
}

/// Callers by the hashes of their tokens.
pub(crate) type Table = HashMap<[u8; 32], Caller>;

pub(crate) fn table(stored: Vec<Stored>) -> Table {
    let entry = |t: Stored| {
        let hash = blake3::Hash::from_hex(&t.hash).ok()?;
        let provider = match &t.provider {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        let caller = Caller {
            name: t.name.into(),
            role: role_of(&t.role)?,
            provider,
        };
        Some((*hash.as_bytes(), caller))
    };
    stored.into_iter().filter_map(entry).collect()
}

/// Checks tokens against the file, and one token of the replica's own that its CLI uses.
#[derive(Debug)]
pub struct TokenAuthenticator {
    data_dir: PathBuf,
    table: ArcSwap<Table>,
    checked: Mutex<(Instant, Option<SystemTime>)>,
    control: [u8; 32],
}

impl TokenAuthenticator {
    /// Reads the file. `control_token` is let in as an operator besides.
    pub fn new(data_dir: &Path, control_token: &str) -> Result<Self, TokenError> {
        Ok(Self {
            data_dir: data_dir.to_owned(),
            table: ArcSwap::from_pointee(table(list(data_dir)?)),
            checked: Mutex::new((Instant::now(), modified(data_dir))),
            control: hash_of(control_token),
        })
    }

    fn reload_if_changed(&self) {
        let Some(mut checked) = self.checked.try_lock() else {
            return;
        };
        if checked.0.elapsed() < Duration::from_secs(1) {
            return;
        }
        checked.0 = Instant::now();
        let now = modified(&self.data_dir);
        if now == checked.1 {
            return;
        }
        match list(&self.data_dir) {
            Ok(stored) => {
                checked.1 = now;
                self.table.store(Arc::new(table(stored)));
            }
            Err(error) => {
                tracing::warn!(%error, "tokens not reloaded; the ones known so far stay valid");
            }
        }
    }
}

fn modified(data_dir: &Path) -> Option<SystemTime> {
    std::fs::metadata(file_of(data_dir)).ok()?.modified().ok()
}

impl Authenticator for TokenAuthenticator {
    fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, &'static str> {
        self.reload_if_changed();
        look_up(&self.table.load(), &self.control, bearer)
    }
}

/// Whose token it is; `control` is the hash of the replica's own.
pub(crate) fn look_up(
    table: &Table,
    control: &[u8; 32],
    bearer: Option<&str>,
) -> Result<Caller, &'static str> {
    let token = bearer.ok_or("missing_authorization_header")?;
    let hash = hash_of(token);
    if let Some(caller) = table.get(&hash) {
        return Ok(caller.clone());
    }
    if hash == *control {
        return Ok(Caller {
            name: "control".into(),
            role: Role::Operator,
            provider: None,
        });
    }
    Err("access_token_not_found")
}

/// Lets everybody in as an operator: for a replica that listens on loopback only.
#[derive(Debug)]
pub struct OpenAuthenticator {
    caller: Caller,
}

impl Default for OpenAuthenticator {
    fn default() -> Self {
        Self {
            caller: Caller {
                name: "open".into(),
                role: Role::Operator,
                provider: None,
            },
        }
    }
}

impl Authenticator for OpenAuthenticator {
    fn authenticate(&self, _: Option<&str>) -> Result<Caller, &'static str> {
        Ok(self.caller.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_are_kept_and_roles_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let provider = "nycflights13".parse().unwrap();
        let token = create(dir.path(), None, Role::Provider, Some(provider)).unwrap();
        let file = std::fs::read_to_string(dir.path().join("tokens.json")).unwrap();
        assert!(!file.contains(&token));
        let auth = TokenAuthenticator::new(dir.path(), "ctl").unwrap();
        let caller = auth.authenticate(Some(&token)).unwrap();
        assert_eq!(
            (caller.role, caller.provider),
            (Role::Provider, Some(provider))
        );
        assert_eq!(&*caller.name, "provider-1");
        assert_eq!(auth.authenticate(Some("x")), Err("access_token_not_found"));
        assert_eq!(auth.authenticate(None), Err("missing_authorization_header"));
        assert_eq!(auth.authenticate(Some("ctl")).unwrap().role, Role::Operator);
    }

    #[test]
    fn names_and_providers_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(create(dir.path(), Some("a"), Role::Client, None).is_ok());
        assert!(create(dir.path(), Some("a"), Role::Client, None).is_err());
        assert!(create(dir.path(), Some("a b"), Role::Client, None).is_err());
        assert!(create(dir.path(), None, Role::Provider, None).is_err());
        let provider = Some("p".parse().unwrap());
        assert!(create(dir.path(), None, Role::Client, provider).is_err());
        assert!(revoke(dir.path(), "b").is_err());
        assert!(revoke(dir.path(), "a").is_ok());
        assert!(list(dir.path()).unwrap().is_empty());
    }
}
