//! The account that the server runs under.
//!
//! PostgreSQL refuses to run as root. A replica that runs as root starts it under another account,
//! one that every machine has; anyone else starts it as himself.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::PrivateError;

/// Accounts that are tried, in this order: PostgreSQL's own (Linux, macOS), then the one for things
/// that own nothing.
const NAMES: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// An account to change to, or none to stay what we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account(Option<Ids>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Ids {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    /// `wanted` is the configured name, which only root can ask for.
    pub(super) fn choose(wanted: Option<&str>) -> Result<Self, PrivateError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let names: Vec<&str> = match &wanted {
            Some(name) => vec![name],
            None => NAMES.to_vec(),
        };
        let found = names.iter().find_map(|name| ids_of(&passwd, name));
        match found {
            Some(ids) => Ok(Self(Some(ids))),
            None => Err(PrivateError::NoAccount {
                tried: names.join(", "),
            }),
        }
    }

    /// Who it is, for people.
    pub(super) fn name(&self) -> &str {
        self.0.as_ref().map_or("the same account", |ids| &ids.name)
    }

    /// A command under the account, in `folder`, with nothing of the environment that could lead
    /// the program to another cluster.
    pub(super) fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C");
        if let Some(ids) = &self.0 {
            // This drops the supplementary groups of root as well.
            command.uid(ids.uid).gid(ids.gid);
        }
        command
    }

    /// Makes a folder the account's.
    pub(super) fn own(&self, folder: &Path) -> Result<(), PrivateError> {
        let Some(ids) = &self.0 else { return Ok(()) };
        std::os::unix::fs::chown(folder, Some(ids.uid), Some(ids.gid))
            .map_err(PrivateError::folder(folder))
    }

    /// Can the account enter and write the folder? Asked of the system itself, since modes, access
    /// lists and mounts all have a say.
    pub(super) fn reaches(&self, folder: &Path) -> bool {
        if self.0.is_none() {
            return true;
        }
        let mut command = self.command(Path::new("/bin/sh"), Path::new("/"));
        command
            .args(["-c", "cd \"$1\" && test -w . && test -x .", "sh"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

/// Looks a name up. The numbers of root are no use.
fn ids_of(passwd: &str, name: &str) -> Option<Ids> {
    let line = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&name)).then_some(fields)
    })?;
    let uid = line.get(2)?.parse().ok()?;
    let gid = line.get(3)?.parse().ok()?;
    let name = name.to_owned();
    (uid != 0).then_some(Ids { name, uid, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobodyx:x:1:1::/:/\nnobody:x:65534:65533:n:/:/\n";
        let ids = ids_of(passwd, "nobody").unwrap();
        assert_eq!((ids.uid, ids.gid), (65534, 65533));
        assert_eq!(ids_of(passwd, "root"), None);
        assert_eq!(ids_of(passwd, "postgres"), None);
        assert_eq!(ids_of("nobody:x:junk", "nobody"), None);
    }
}
