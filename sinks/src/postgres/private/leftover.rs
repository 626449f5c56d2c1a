//! What an earlier run may have left: a server that still runs, or its lock file.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, test_kill_process};

use super::PrivateError;
use super::keeper::Launch;

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
        if output.status.success() || !is_alive(pid) {
            return Ok(());
        }
        said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(PrivateError::DoesNotStop {
        pid: pid.as_raw_nonzero().get(),
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_lock_file_is_taken_over() {
        let text = "123\n/data\n1700000000\n5432\n/sock\n\n  5432001    98304\nready   \n";
        let expected = "77\n/data\n1700000000\n5432\n/sock\n\n  5432001    98304\n";
        assert_eq!(taken_over(text, 77), expected);
        assert_eq!(taken_over("123", 77), "77\n");
    }
}
