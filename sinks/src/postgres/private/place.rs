//! The folders of the private server.
//!
//! ```text
//! DATA_DIR/postgres/lock        held by the replica that runs the server
//! DATA_DIR/postgres/moved-to    where the rest is, when the server's account cannot reach it here
//! HOME/cluster                  PostgreSQL's data folder
//! HOME/socket                   the socket's folder; only its owner (and root) may enter
//! HOME/log                      server logs of the last seven days, and of the last start
//! ```
//! `HOME` is `DATA_DIR/postgres`, else `/var/lib/flightline-HASH`. A socket's path may have 103 bytes
//! on every system that we run on; when `HOME` is too long for that, the socket's folder is
//! `$XDG_RUNTIME_DIR/flightline-HASH` or `/tmp/flightline-HASH`. HASH is of the data folder's path.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::PrivateError;
use super::account::Account;

/// The longest path of a socket: `sun_path` has 104 bytes on macOS and 108 on Linux, with a zero at
/// the end.
const SOCKET_PATH_MAX: usize = 103;

/// The name PostgreSQL gives the socket of port 5432.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) home: PathBuf,
    pub(super) socket: PathBuf,
}

impl Place {
    pub(super) fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("log")
    }

    /// The release that made the cluster; `None` when there is no cluster yet.
    pub(super) fn cluster_major(&self) -> Result<Option<u32>, PrivateError> {
        let file = self.cluster().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| PrivateError::Broken { file }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PrivateError::folder(&file)(error)),
        }
    }
}

/// Finds where the server of a data folder is, without changing anything. `None` when there never
/// was one.
pub(super) fn existing(data_dir: &Path) -> Option<Place> {
    let data_dir = fs::canonicalize(data_dir).ok()?;
    let base = data_dir.join("postgres");
    let home = moved_to(&base, &data_dir).unwrap_or(base);
    home.join("cluster").is_dir().then(|| Place {
        socket: socket_folder(&home, &data_dir),
        home,
    })
}

/// Makes the folders, reachable for the account.
pub(super) fn prepare(data_dir: &Path, account: &Account) -> Result<Place, PrivateError> {
    fs::create_dir_all(data_dir).map_err(PrivateError::folder(data_dir))?;
    let data_dir = fs::canonicalize(data_dir).map_err(PrivateError::folder(data_dir))?;
    let base = data_dir.join("postgres");
    make(&base, 0o755)?;
    let home = home(&base, &data_dir, account)?;
    let socket = socket_folder(&home, &data_dir);
    let place = Place { home, socket };
    for folder in [place.log(), place.socket.clone()] {
        make(&folder, 0o700)?;
        account.own(&folder)?;
        refuse_foreign(&folder)?;
        // Whatever the folder was made with before.
        let only_owner = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&folder, only_owner).map_err(PrivateError::folder(&folder))?;
    }
    Ok(place)
}

fn home(base: &Path, data_dir: &Path, account: &Account) -> Result<PathBuf, PrivateError> {
    if let Some(home) = moved_to(base, data_dir) {
        make(&home, 0o755)?;
        account.own(&home)?;
        return Ok(home);
    }
    account.own(base)?;
    if account.reaches(base) {
        return Ok(base.to_path_buf());
    }
    for parent in ["/var/lib", "/var/tmp"] {
        let home = Path::new(parent).join(format!("flightline-{}", hash(data_dir)));
        if make(&home, 0o755).is_err() || account.own(&home).is_err() || !account.reaches(&home) {
            continue;
        }
        let owner = home.join("owner");
        fs::write(&owner, data_dir.as_os_str().as_encoded_bytes())
            .map_err(PrivateError::folder(&owner))?;
        let record = base.join("moved-to");
        fs::write(&record, home.as_os_str().as_encoded_bytes())
            .map_err(PrivateError::folder(&record))?;
        tracing::info!(
            data_dir = %base.display(), home = %home.display(), account = account.name(),
            "the account of the private PostgreSQL cannot reach the data folder: it lives elsewhere"
        );
        return Ok(home);
    }
    Err(PrivateError::Unreachable {
        folder: base.to_path_buf(),
        account: account.name().to_owned(),
    })
}

/// The recorded home, when it still belongs to this data folder: a copy of the folder must not run
/// the original's server.
fn moved_to(base: &Path, data_dir: &Path) -> Option<PathBuf> {
    let home = PathBuf::from(fs::read_to_string(base.join("moved-to")).ok()?.trim());
    let owner = fs::read(home.join("owner")).ok()?;
    (owner == data_dir.as_os_str().as_encoded_bytes()).then_some(home)
}

fn socket_folder(home: &Path, data_dir: &Path) -> PathBuf {
    let fits = |folder: &Path| {
        folder.as_os_str().len() + 1 + SOCKET_NAME.len() <= SOCKET_PATH_MAX
            // PostgreSQL reads a comma as the end of a folder's name.
            && !folder.as_os_str().as_encoded_bytes().contains(&b',')
    };
    let near = home.join("socket");
    if fits(&near) {
        return near;
    }
    let name = format!("flightline-{}", hash(data_dir));
    // The runtime folder is the login's own; root's server runs under another account.
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .filter(|_| !rustix::process::geteuid().is_root())
        .map(|folder| PathBuf::from(folder).join(&name))
        .filter(|folder| folder.is_absolute() && fits(folder))
        .filter(|folder| folder.parent().is_some_and(Path::is_dir));
    runtime.unwrap_or_else(|| Path::new("/tmp").join(name))
}

/// A folder in a place that everyone can write to may have been put there by someone else.
fn refuse_foreign(folder: &Path) -> Result<(), PrivateError> {
    let meta = fs::symlink_metadata(folder).map_err(PrivateError::folder(folder))?;
    let us = rustix::process::geteuid();
    // Root has just given the folder to the server's account.
    if meta.is_dir() && (us.is_root() || meta.uid() == us.as_raw()) {
        Ok(())
    } else {
        Err(PrivateError::Foreign {
            folder: folder.to_path_buf(),
        })
    }
}

fn make(folder: &Path, mode: u32) -> Result<(), PrivateError> {
    match fs::DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(PrivateError::folder(folder)(error)),
    }
}

/// FNV-1a: short, and the same for ever, since folders are found by it.
fn hash(data_dir: &Path) -> String {
    let bytes = data_dir.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket() {
        let data = Path::new("/d");
        let near = socket_folder(Path::new("/home/someone/data/postgres"), data);
        assert_eq!(near, Path::new("/home/someone/data/postgres/socket"));
        for far in ["x".repeat(90), "with,comma".to_owned()] {
            let far = Path::new("/home").join(far).join("postgres");
            let socket = socket_folder(&far, data);
            assert!(!socket.starts_with("/home"), "{}", socket.display());
            assert!(socket.as_os_str().len() + 14 <= SOCKET_PATH_MAX);
        }
    }

    #[test]
    fn a_copied_folder_does_not_run_the_originals_server() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("elsewhere");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("owner"), "/original").unwrap();
        let base = dir.path().join("postgres");
        fs::create_dir_all(&base).unwrap();
        fs::write(base.join("moved-to"), home.to_str().unwrap()).unwrap();
        assert_eq!(moved_to(&base, Path::new("/original")), Some(home));
        assert_eq!(moved_to(&base, Path::new("/copy")), None);
    }

    #[test]
    fn names_do_not_change() {
        assert_eq!(hash(Path::new("foobar")), "85944171f73967e8");
    }
}
