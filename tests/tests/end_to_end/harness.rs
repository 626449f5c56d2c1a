//! Runs the real program: starts replicas in folders of their own, kills them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program as it is released, but with the profile of the tests: without the features that tests turn on in the
/// crates that it is made of. A run of all tests builds those crates with them, so that this is another build, which takes
/// as long as the first; every test being a process of its own, each would ask for it. `.ci/test` builds it once
/// beforehand and says where it is. Without that, each asks.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Ok(path) = std::env::var("FLIGHTLINE_TEST_PROGRAM") {
            return PathBuf::from(path);
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let output = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--bin",
                "flightline",
                "--message-format",
                "json",
            ])
            .current_dir(root)
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the program does not build");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|m| m["target"]["name"] == "flightline")
            .find_map(|m| m["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the program that it built")
    })
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(program())
        .args(args)
        .env_remove("FLIGHTLINE_TOKEN")
        .output()
        .expect("the program starts")
}

/// What a run printed on stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a run printed on stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder for one replica and what it keeps between starts.
pub(crate) struct Place {
    folder: TempDir,
    config: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with_config("")
    }

    pub(crate) fn with_config(config: &str) -> Self {
        Self {
            folder: TempDir::with_prefix("flightline-e2e-").expect("a temporary folder"),
            config: config.to_owned(),
        }
    }

    /// What its next start reads.
    pub(crate) fn configure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn data_dir_text(&self) -> String {
        self.data_dir().display().to_string()
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("a file is written");
        path.display().to_string()
    }

    /// The file of its configuration.
    pub(crate) fn config_file(&self) -> String {
        self.file("flightline.toml", &self.config)
    }

    /// Starts a replica and waits until it listens.
    pub(crate) fn start(&self) -> Replica {
        let config = self.config_file();
        let mut child = Command::new(program())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--config",
                &config,
                "--data-dir",
            ])
            .arg(self.data_dir())
            .env_remove("FLIGHTLINE_TOKEN")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let said: Arc<Mutex<String>> = Arc::default();
        let saying = said.clone();
        let log = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if std::env::var_os("FLIGHTLINE_TEST_LOG").is_some() {
                    eprintln!("replica: {line}");
                }
                let mut text = saying.lock().expect("nobody panics who holds it");
                text.push_str(&line);
                text.push('\n');
            }
        });
        let mut first = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut first).expect("stdout is read");
        let Some(url) = first.trim().strip_prefix("listening on ") else {
            let _ = child.kill();
            let _ = child.wait();
            let log = Log { said, thread: log }.whole();
            panic!("the replica did not become ready; stdout {first:?}, log:\n{log}");
        };
        // What comes later must be read too, or the program would block on a full pipe.
        std::thread::spawn(move || stdout.lines().for_each(drop));
        Replica {
            url: url.to_owned(),
            child,
            log: Some(Log { said, thread: log }),
        }
    }

    /// `flightline verify` on the folder; panics with what it found when it is not clean.
    pub(crate) fn verify(&self) -> Value {
        let output = run(&["verify", "--json", "--data-dir", &self.data_dir_text()]);
        assert!(
            output.status.success(),
            "verify is not clean:\n{}\n{}",
            stdout(&output),
            stderr(&output)
        );
        serde_json::from_slice(&output.stdout).expect("verify --json prints JSON")
    }
}

/// A running replica; killed when dropped.
pub(crate) struct Replica {
    pub(crate) url: String,
    child: Child,
    log: Option<Log>,
}

/// What a replica says on stderr.
struct Log {
    said: Arc<Mutex<String>>,
    thread: std::thread::JoinHandle<()>,
}

impl Log {
    /// All of it, once the replica has ended.
    fn whole(self) -> String {
        let _ = self.thread.join();
        let mut said = self.said.lock().expect("nobody panics who holds it");
        std::mem::take(&mut *said)
    }
}

impl Replica {
    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the replica can be killed");
        self.child.wait().expect("the replica ends");
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until it has ended by itself, not well. Returns the log.
    pub(crate) fn fails(mut self) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the replica can be asked") {
                break status;
            }
            assert!(Instant::now() < deadline, "the replica does not end");
            std::thread::park_timeout(Duration::from_millis(20));
        };
        let log = self.log.take().map(Log::whole).unwrap_or_default();
        assert_eq!(status.code(), Some(1), "{log}");
        log
    }

    /// SIGTERM, and waits. Returns the log.
    pub(crate) fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.expect("kill runs").success());
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the replica can be asked") {
                break status;
            }
            assert!(Instant::now() < deadline, "the replica does not stop");
            std::thread::park_timeout(Duration::from_millis(20));
        };
        let log = self.log.take().map(Log::whole).unwrap_or_default();
        assert!(
            status.success(),
            "the replica stopped with {status}:\n{log}"
        );
        log
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Why a test failed is often said by the replica alone. Not waited for: its PostgreSQL may have its stderr.
        if std::thread::panicking()
            && let Some(log) = &self.log
            && let Ok(said) = log.said.lock()
        {
            let lines: Vec<&str> = said.lines().collect();
            let last = lines.len().saturating_sub(40);
            eprintln!(
                "the replica at {} said last:\n{}",
                self.url,
                lines[last..].join("\n")
            );
        }
    }
}

/// Waits until a condition holds, asking every few milliseconds.
pub(crate) fn until(what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {timeout:?}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
