//! Stepping back where Linux shares processors by session.
//!
//! There (`sched_autogroup_enabled`, where no cgroup shares them otherwise) what a process is nice by counts within its session only,
//! and each of PostgreSQL's processes has a session of its own: each of them gets as much as a whole
//! replica. So the sessions are told to step back, too.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The sessions of a server's processes.
#[derive(Debug)]
pub(super) struct Sessions {
    /// How far they step back. 0 = not at all.
    nice: u8,
    /// Processes whose sessions were told.
    told: BTreeSet<u32>,
}

impl Sessions {
    /// The furthest that there is.
    const NICE_MAX: u8 = 19;

    /// Those of a server whose processes are nice by so much. Their sessions step back twice as far: the
    /// threads of the replica share what one process of the server gets.
    pub(super) fn new(nice: u8) -> Self {
        let enabled = fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled");
        let is_enabled = enabled.is_ok_and(|text| text.trim() == "1");
        Self {
            nice: if is_enabled {
                nice.saturating_mul(2).min(Self::NICE_MAX)
            } else {
                0
            },
            told: BTreeSet::new(),
        }
    }

    /// Tells the sessions of processes that came since the last look.
    pub(super) fn look(&mut self, cluster: &Path) {
        if self.nice == 0 {
            return;
        }
        let Some(server) = server_of(cluster) else {
            return;
        };
        let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children"));
        let children = children.unwrap_or_default();
        let pids: BTreeSet<u32> = children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        self.told.retain(|pid| pids.contains(pid));
        let own = name_of(server);
        for pid in pids.difference(&self.told.clone()) {
            if name_of(*pid) == own {
                // It has just come, and has no session of its own yet.
                continue;
            }
            match fs::write(format!("/proc/{pid}/autogroup"), self.nice.to_string()) {
                // One in a tenth of a second, unless the replica may do everything: the next look tells more.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Whatever else is in the way will be the next time, too.
                Ok(()) | Err(_) => self.told.insert(*pid),
            };
        }
    }
}

/// The name of what shares processors with a process.
fn name_of(pid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).ok()?;
    text.split_ascii_whitespace().next().map(str::to_owned)
}

/// The process of the server, by its lock file.
fn server_of(cluster: &Path) -> Option<u32> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// What the session of a process is nice by.
    fn nice_of(pid: u32) -> Option<u8> {
        let text = fs::read_to_string(format!("/proc/{pid}/autogroup")).ok()?;
        text.trim().rsplit(' ').next()?.parse().ok()
    }

    #[test]
    fn sessions_of_children_step_back_and_others_do_not() {
        let sessions = Sessions::new(5);
        if sessions.nice == 0 || nice_of(std::process::id()).is_none() {
            eprintln!("SKIPPED: this system does not share processors by session");
            return;
        }
        assert_eq!(sessions.nice, 10);
        assert_eq!(Sessions::new(12).nice, 19);
        // A shell in a session of its own, and its child in another.
        let script = "setsid sleep 60 & child=$!; read -r _; kill $child";
        let mut server = Command::new("setsid")
            .args(["/bin/sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let cluster = tempfile::tempdir().unwrap();
        let lock_file = cluster.path().join("postmaster.pid");
        let mut sessions = sessions;
        // There is no server yet.
        sessions.look(cluster.path());
        fs::write(&lock_file, format!("{}\nmore\n", server.id())).unwrap();
        let own = nice_of(std::process::id());
        let begun = Instant::now();
        while sessions.told.is_empty() {
            sessions.look(cluster.path());
            assert!(begun.elapsed() < Duration::from_secs(20), "{sessions:?}");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let child = *sessions.told.first().unwrap();
        assert_eq!(nice_of(child), Some(10));
        assert_ne!(child, server.id());
        assert_eq!(nice_of(server.id()), Some(0), "only its children");
        assert_eq!(nice_of(std::process::id()), own);
        drop(server.stdin.take());
        server.wait().unwrap();
    }
}
