//! What an earlier run may have left: a server that still runs, or its lock file.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

use super::PrivateError;
use super::keeper::Launch;

/// How long a server may take to be gone after it gave up its lock file, which is the last but one thing that it does.
const LEAVING: Duration = Duration::from_secs(10);

/// Leaves the cluster ready to be started: a server of ours that still runs is shut down, the lock
/// file of one that is gone is made to look so. Other people's processes are never touched.
pub(super) fn settle(launch: &Launch) -> Result<(), PrivateError> {
    let cluster = launch.place.cluster();
    let file = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(PrivateError::folder(&file)(error)),
    };
    let first = text.lines().next().unwrap_or_default().trim();
    let pid: Option<i32> = first.parse().ok();
    let Some(pid) = pid.and_then(Pid::from_raw) else {
        // A lock file cut short by a crash of the machine: nothing can run.
        return fs::remove_file(&file).map_err(PrivateError::folder(&file));
    };
    if is_alive(pid) && is_server_of(pid, &cluster) {
        return stop(launch, pid);
    }
    // The server is gone, and its number may be another process's by now: PostgreSQL would not dare
    // to start then. Naming this process, of which it is told at its start, makes it look further
    // (does a last process still use the shared memory?), which taking the file away would not. And
    // the file must not call the new server ready before it is.
    let text = taken_over(&text, std::process::id());
    fs::write(&file, text).map_err(PrivateError::folder(&file))
}

/// The lock file with another process in its first line and no status in its eighth.
fn taken_over(text: &str, pid: u32) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[0] = pid.to_string();
    lines.truncate(7);
    lines.join("\n") + "\n"
}

fn is_alive(pid: Pid) -> bool {
    // Not being allowed to signal it means that it is there.
    !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Does the process serve this cluster? A server's working folder is its cluster.
fn is_server_of(pid: Pid, cluster: &Path) -> bool {
    let pid = pid.as_raw_nonzero();
    match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(folder) => fs::canonicalize(cluster).is_ok_and(|cluster| cluster == folder),
        // No such file system here (or no right to look): by the command line then.
        Err(_) => {
            let mut ps = Command::new("ps");
            ps.args(["-o", "command=", "-p", &pid.to_string()]);
            let output = ps.stdin(Stdio::null()).stderr(Stdio::null()).output();
            let cluster = cluster.display().to_string();
            output.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(&cluster))
        }
    }
}

/// Shuts the server down: properly, or if it will not, the hard way, which it recovers from.
fn stop(launch: &Launch, pid: Pid) -> Result<(), PrivateError> {
    tracing::info!(
        pid = pid.as_raw_nonzero(),
        "shutting down the private PostgreSQL of an earlier run"
    );
    let mut said = String::new();
    for mode in ["fast", "immediate"] {
        let program = launch.installation.program("pg_ctl");
        let mut pg_ctl = launch.account.command(&program, &launch.place.home);
        pg_ctl.arg("stop").arg("-D").arg(launch.place.cluster());
        let output = pg_ctl.args(["-m", mode, "-w", "-t", "60"]).output();
        let output = output.map_err(PrivateError::folder(&program))?;
        if output.status.success() || leaves(pid, &launch.place.cluster()) {
            return Ok(());
        }
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(PrivateError::DoesNotStop {
        pid: pid.as_raw_nonzero().get(),
        said,
    })
}

/// Is the server gone, or about to be? `pg_ctl` finds none as soon as the lock file is gone, be it that the server is
/// still there for a moment: on a busy machine, of which it takes what others leave, for more than that.
fn leaves(pid: Pid, cluster: &Path) -> bool {
    let number = pid.as_raw_nonzero().to_string();
    let begun = Instant::now();
    while is_alive(pid) && is_server_of(pid, cluster) {
        let text = fs::read_to_string(cluster.join("postmaster.pid")).unwrap_or_default();
        let is_named = text.lines().next().is_some_and(|l| l.trim() == number);
        if is_named || begun.elapsed() > LEAVING {
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::process::Child;

    use super::super::account::Account;
    use super::super::find::Installation;
    use super::super::place::Place;
    use super::*;

    /// A place whose `pg_ctl` finds no server.
    fn place() -> (tempfile::TempDir, Launch) {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("pg_ctl");
        fs::write(&program, "#!/bin/sh\necho no server running >&2\nexit 1\n").unwrap();
        fs::create_dir(dir.path().join("cluster")).unwrap();
        // The account that runs it may be another one.
        for path in [dir.path(), &program] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let launch = Launch {
            installation: Installation {
                bin: dir.path().to_path_buf(),
                major: 15,
            },
            account: Account::choose(None).unwrap(),
            place: Place {
                home: dir.path().to_path_buf(),
                socket: PathBuf::new(),
            },
            nice: 0,
        };
        (dir, launch)
    }

    /// What takes itself for a server of the cluster, for so long.
    fn server(launch: &Launch, seconds: &str) -> (Child, Pid) {
        let mut sleep = Command::new("sleep");
        let child = sleep.arg(seconds).current_dir(launch.place.cluster());
        let child = child.spawn().unwrap();
        let pid = Pid::from_child(&child);
        (child, pid)
    }

    #[test]
    fn a_server_that_gave_up_its_lock_file_is_waited_for() {
        let (_dir, launch) = place();
        let (mut child, pid) = server(&launch, "0.3");
        assert!(is_server_of(pid, &launch.place.cluster()));
        stop(&launch, pid).unwrap();
        assert!(!is_server_of(pid, &launch.place.cluster()));
        child.wait().unwrap();
    }

    #[test]
    fn a_server_that_keeps_its_lock_file_does_not_stop() {
        let (_dir, launch) = place();
        let (mut child, pid) = server(&launch, "60");
        let file = launch.place.cluster().join("postmaster.pid");
        fs::write(file, format!("{}\n", pid.as_raw_nonzero())).unwrap();
        let error = stop(&launch, pid).unwrap_err();
        assert!(error.to_string().contains("no server running"), "{error}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_left_over_lock_file_is_taken_over() {
        let text = "123\n/data\n1700000000\n5432\n/sock\n\n  5432001    98304\nready   \n";
        let expected = "77\n/data\n1700000000\n5432\n/sock\n\n  5432001    98304\n";
        assert_eq!(taken_over(text, 77), expected);
        assert_eq!(taken_over("123", 77), "77\n");
    }
}
