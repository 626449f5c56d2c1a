//! Where PostgreSQL's programs are on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PrivateError;

/// The oldest release that the tables need.
pub(super) const MAJOR_MIN: u32 = 12;

/// Folders where distributions put the server's programs; `*` stands for any part of a name.
const FOLDERS: [&str; 12] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/usr/lib64/pgsql*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Programs of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installation {
    pub(super) bin: PathBuf,
    pub(super) major: u32,
}

impl Installation {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

/// The release to run: that of the cluster when there is one, else the newest.
pub(super) fn find(
    bin: Option<&Path>,
    cluster: Option<(&Path, u32)>,
) -> Result<Installation, PrivateError> {
    let mut found = match bin {
        Some(bin) => inspect(bin).into_iter().collect(),
        None => all(),
    };
    found.retain(|one: &Installation| one.major >= MAJOR_MIN);
    found.sort_by_key(|one| std::cmp::Reverse(one.major));
    if found.is_empty() {
        return Err(PrivateError::NotInstalled {
            looked_in: bin.map(Path::to_path_buf),
        });
    }
    match cluster {
        None => Ok(found.swap_remove(0)),
        Some((folder, major)) => {
            let have: Vec<u32> = found.iter().map(|one| one.major).collect();
            found
                .into_iter()
                .find(|one| one.major == major)
                .ok_or_else(|| PrivateError::OtherRelease {
                    folder: folder.to_path_buf(),
                    major,
                    have,
                })
        }
    }
}

fn all() -> Vec<Installation> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    for pattern in FOLDERS {
        folders.extend(expand(pattern));
    }
    let mut found: Vec<Installation> = Vec::new();
    for folder in folders {
        if let Some(one) = inspect(&folder)
            && found.iter().all(|other| other.bin != one.bin)
        {
            found.push(one);
        }
    }
    found
}

/// Folders that a pattern stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let Some((before, after)) = part.split_once('*') else {
            folders.iter_mut().for_each(|folder| folder.push(part));
            continue;
        };
        let fits = |name: &str| {
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        };
        let children = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        folders = children
            .flatten()
            .filter_map(Result::ok)
            .filter(|child| child.file_name().to_str().is_some_and(fits))
            .map(|child| child.path())
            .collect();
    }
    folders
}

/// The installation in a folder, if it has all that is needed. Links are followed, since the
/// programs find their other files by where they really are.
fn inspect(folder: &Path) -> Option<Installation> {
    let postgres = fs::canonicalize(folder.join("postgres")).ok()?;
    let bin = postgres.parent()?.to_path_buf();
    for name in ["initdb", "pg_ctl"] {
        if !bin.join(name).is_file() {
            return None;
        }
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Installation { bin, major })
}

/// 15 of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, 18 of `… 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read() {
        for (text, major) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("psql 15", None),
            ("", None),
        ] {
            assert_eq!(major_of(text), major, "{text}");
        }
    }

    #[test]
    fn patterns_stand_for_the_folders_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["pg-15/bin", "pg-9/bin", "other/bin", "pg/bin"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let root = dir.path().to_str().unwrap();
        let mut found = expand(&format!("{root}/pg-*/bin"));
        found.sort();
        let expected = ["pg-15/bin", "pg-9/bin"].map(|name| dir.path().join(name));
        assert_eq!(found, expected);
        assert!(expand("/no/such/*/folder").is_empty());
    }

    #[test]
    fn a_folder_without_the_programs_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = find(Some(dir.path()), None).unwrap_err().to_string();
        assert!(error.contains("apt-get install"), "{error}");
        assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    }
}
