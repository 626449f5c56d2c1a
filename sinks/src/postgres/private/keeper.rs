//! Keeps the server running, and ends it with the replica.
//!
//! A thread starts the server under a small shell that watches a pipe. When the replica goes, in
//! whatever way, the pipe closes and the shell asks the server to shut down; that needs nothing from
//! the dying replica and works on every Unix. When the server goes by itself, the thread starts it
//! again after a pause that grows.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::PrivateError;
use super::account::Account;
use super::find::Installation;
use super::place::Place;
use super::session::Sessions;

/// `$0` is the name shown in lists of processes, `$1` how far the server steps back behind others, the rest its
/// command line. Where there is no `nice`, as in small containers, it does not step back. The watcher must not
/// outlive the server: by then the number may be another process's.
const WATCH: &str = r#"
exec 3<&0 </dev/null
step=$1
shift
if [ "$step" -gt 0 ] && command -v nice >/dev/null; then
  set -- nice -n "$step" "$@"
fi
"$@" 3<&- &
server=$!
( while read -r _; do :; done; kill -INT "$server" ) <&3 2>/dev/null &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// Pauses between restarts of a server that goes by itself.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_LAST: Duration = Duration::from_secs(10);

/// A server that ran for so long did not fail at its start.
const LIVED: Duration = Duration::from_secs(2);

/// How a server is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) installation: Installation,
    pub(super) account: Account,
    pub(super) place: Place,
    /// See [`PrivateConfig::nice`](super::PrivateConfig::nice).
    pub(super) nice: u8,
}

/// A running server and the thread that keeps it.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Dropped to end the server.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    current: Arc<Mutex<Option<Child>>>,
}

impl Launch {
    fn spawn(&self) -> io::Result<Child> {
        let log = self.start_log();
        let output = File::create(&log)?;
        let mut command = self.account.command(Path::new("/bin/sh"), &self.place.home);
        command
            .args(["-c", WATCH, "flightline-postgres", &self.nice.to_string()])
            .arg(self.installation.program("postgres"))
            .arg("-D")
            .arg(self.place.cluster())
            // PostgreSQL takes a lock file that names its parent's parent for its own, left over.
            .env("PG_GRANDPARENT_PID", std::process::id().to_string())
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A ^C at the terminal is for the replica, which still has rows to write.
            .process_group(0);
        command.spawn()
    }

    fn start_log(&self) -> PathBuf {
        self.place.log().join("start.log")
    }

    /// What the server said when it would not start.
    fn last_words(&self) -> String {
        let mut said = String::new();
        for file in newest_files(&self.place.log()) {
            let text = fs::read(&file).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().rev().take(5).collect();
            for line in lines.into_iter().rev() {
                said.push_str("\n  ");
                said.push_str(line);
            }
        }
        said
    }

    /// The server says in its lock file when it takes connections.
    fn is_ready(&self) -> bool {
        let file = self.place.cluster().join("postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().nth(7).is_some_and(|l| l.trim() == "ready")
    }
}

/// The start log and the newest server log.
fn newest_files(log: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(log)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let mut files: Vec<_> = files
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
        .collect();
    files.sort();
    files
        .into_iter()
        .rev()
        .take(2)
        .map(|(_, path)| path)
        .collect()
}

impl Keeper {
    /// Starts the server and waits until it takes connections.
    pub(super) fn start(launch: Launch, timeout: Duration) -> Result<Self, PrivateError> {
        let file = launch.place.cluster().join("postmaster.pid");
        let (stop, stopped) = mpsc::channel();
        let (failed, failures) = mpsc::channel();
        let current = Arc::new(Mutex::new(None));
        let child = launch.spawn().map_err(PrivateError::folder(&file))?;
        *current.lock() = Some(child);
        let thread = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn({
                let (launch, current) = (launch.clone(), Arc::clone(&current));
                move || keep(&launch, &current, &stopped, &failed)
            })
            .map_err(PrivateError::folder(&file))?;
        let keeper = Self {
            stop: Some(stop),
            thread: Some(thread),
            current,
        };
        let begun = Instant::now();
        let mut said_s = 0;
        while !launch.is_ready() {
            match failures.recv_timeout(Duration::from_millis(10)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(status) => {
                    return Err(PrivateError::DidNotStart {
                        status,
                        log: launch.place.log(),
                        said: launch.last_words(),
                    });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(PrivateError::DidNotStart {
                        status: "its keeper ended".to_owned(),
                        log: launch.place.log(),
                        said: launch.last_words(),
                    });
                }
            }
            let waited = begun.elapsed();
            if waited > timeout {
                return Err(PrivateError::DidNotStart {
                    status: format!("still not ready after {} s", waited.as_secs()),
                    log: launch.place.log(),
                    said: launch.last_words(),
                });
            }
            if waited.as_secs() >= said_s + 10 {
                said_s = waited.as_secs();
                tracing::info!(
                    waited_s = said_s,
                    "the private PostgreSQL is still starting (recovering after a crash)"
                );
            }
        }
        Ok(keeper)
    }
}

impl Drop for Keeper {
    /// Ends the server and waits for it: its files are whole afterwards.
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(child) = self.current.lock().as_mut() {
            // The pipe closes; the shell does the rest.
            drop(child.stdin.take());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of the private PostgreSQL panicked");
        }
    }
}

/// Waits for the server, and starts it again until told to stop.
fn keep(
    launch: &Launch,
    current: &Mutex<Option<Child>>,
    stopped: &Receiver<()>,
    failed: &Sender<String>,
) {
    let mut pause = PAUSE_FIRST;
    loop {
        let begun = Instant::now();
        let status = wait(launch, current, stopped);
        if matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Disconnected)) {
            return;
        }
        // Whoever waits for the first start hears of it; later there is nobody, and that is fine.
        let _ = failed.send(status.clone());
        if begun.elapsed() > LIVED {
            pause = PAUSE_FIRST;
        }
        tracing::warn!(
            %status, pause_ms = pause.as_millis() as u64, log = %launch.place.log().display(),
            "the private PostgreSQL went; starting it again"
        );
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
        pause = (pause * 2).min(PAUSE_LAST);
        if let Err(error) = super::leftover::settle(launch) {
            tracing::warn!(%error, "what is left of the private PostgreSQL is in the way");
            continue;
        }
        match launch.spawn() {
            Ok(child) => *current.lock() = Some(child),
            Err(error) => tracing::warn!(%error, "the private PostgreSQL could not be started"),
        }
    }
}

/// The pause between two looks at the child. `Child::wait` would hold the lock that stopping needs.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until the current server has ended, and says how.
fn wait(launch: &Launch, current: &Mutex<Option<Child>>, stopped: &Receiver<()>) -> String {
    let mut sessions = Sessions::new(launch.nice);
    let cluster = launch.place.cluster();
    loop {
        sessions.look(&cluster);
        match current.lock().as_mut().map(Child::try_wait) {
            None => return "it was never started".to_owned(),
            Some(Ok(Some(status))) => return status.to_string(),
            Some(Ok(None)) => {}
            Some(Err(error)) => return error.to_string(),
        }
        // Wakes at once when told to stop; then only the end of the server is waited for.
        if let Err(RecvTimeoutError::Disconnected) = stopped.recv_timeout(LOOK) {
            let Some(mut child) = current.lock().take() else {
                return "it was never started".to_owned();
            };
            // Closes the pipe, if that was not done yet.
            return match child.wait() {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a server of one shell command says under the watcher.
    fn said_by(server: &str, step: &str, path: Option<&str>) -> String {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", WATCH, "watched", step, "/bin/sh", "-c", server])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(path) = path {
            command.env("PATH", path);
        }
        let mut child = command.spawn().unwrap();
        // When it closes, the server is told to end.
        let open = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(open);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn the_server_steps_back_where_it_can_and_starts_where_it_cannot() {
        let nice = |step: &str| said_by("nice", step, None).parse::<i32>().unwrap();
        let own = nice("0");
        assert_eq!(nice("5"), (own + 5).min(19));
        let empty = tempfile::tempdir().unwrap();
        let path = empty.path().to_str();
        assert_eq!(said_by("echo here", "5", path), "here");
    }
}
