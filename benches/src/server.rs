//! The servers under measurement, each a process of its own: the real program, and a warp handler
//! that reads the same requests and does nothing.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flightline_sinks::postgres::PrivateAddress;

use crate::http;
use crate::memory::{self, Memory};

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    /// From the start of the process to its word that it listens.
    ready_after: Duration,
}

impl Server {
    /// Runs a command that prints `listening on http://ADDRESS` as its first line.
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?} does not start"))?;
        let mut first = String::new();
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut first)?;
        let ready_after = begun.elapsed();
        let Some(address) = first.trim().strip_prefix("listening on http://") else {
            let _ = child.kill();
            let status = child.wait()?;
            anyhow::bail!("{command:?} did not become ready ({status}); it said {first:?}");
        };
        let address = address.parse().context("the server's address")?;
        // What comes later must be read too, or the program would block on a full pipe.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(drop));
        Ok(Self {
            child,
            address,
            ready_after,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the start of the process to its word that it listens.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its memory.
    pub fn memory(&self) -> Memory {
        memory::of(self.child.id())
    }

    /// Processor seconds it has used.
    pub fn cpu_s(&self) -> f64 {
        memory::cpu_s(self.child.id())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let pid = pid.context("a process has a number")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the server does not stop within two minutes"
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program: `FLIGHTLINE_BENCH_PROGRAM`, or else built now, in the profile of this benchmark.
pub fn program() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("FLIGHTLINE_BENCH_PROGRAM") {
        return Ok(path.into());
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args([
            "build",
            "--quiet",
            "--bin",
            "flightline",
            "--message-format",
            "json",
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().context("cargo does not run")?;
    ensure!(output.status.success(), "the program does not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "flightline")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo does not name the program that it built")
}

/// A real replica over a data folder, with the private PostgreSQL that it starts.
#[derive(Debug)]
pub struct Replica {
    server: Server,
    data_dir: PathBuf,
}

impl std::ops::Deref for Replica {
    type Target = Server;
    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Replica {
    /// Starts the program. `settings` is TOML, beside an address and an open door on loopback.
    pub fn start(program: &Path, data_dir: &Path, settings: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        let config = data_dir.join("bench.toml");
        std::fs::write(&config, settings)?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(data_dir.join("bench.log"))?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config)
            .arg("--data-dir")
            .arg(data_dir)
            .stderr(log);
        // Settings of whoever runs the benchmark must not change what is measured.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("FLIGHTLINE_") {
                command.env_remove(name);
            }
        }
        let server = Server::start(&mut command).map_err(|error| {
            let log = std::fs::read_to_string(data_dir.join("bench.log")).unwrap_or_default();
            error.context(log)
        })?;
        Ok(Self {
            server,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Ends it properly.
    pub fn stop(self) -> anyhow::Result<()> {
        self.server.stop()
    }

    /// Whom to connect to for its tables.
    pub fn database(&self) -> anyhow::Result<tokio_postgres::Config> {
        let address = PrivateAddress::of(&self.data_dir);
        Ok(address
            .context("the replica has no private PostgreSQL")?
            .config())
    }

    /// One of its metrics.
    pub fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = http::get(self.address(), "/metrics")?;
        let text = String::from_utf8_lossy(&text.body);
        text.lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(' ')?
                    .trim()
                    .parse()
                    .ok()
            })
            .with_context(|| format!("the replica has no metric {name}"))
    }

    /// Sends canonical events of the fleet's provider, and checks that all were taken.
    pub fn push(&self, lines: &[u8]) -> anyhow::Result<u64> {
        let path = format!("/providers/{}/events", crate::fleet::provider());
        let reply = http::post(self.address(), &path, "application/x-ndjson", lines)?;
        let report = reply.json()?;
        let count = |name: &str| report[name].as_u64().unwrap_or(0);
        ensure!(
            reply.status == 200 && count("accepted") == count("read") && count("read") > 0,
            "the replica did not take all flights ({}): {report}",
            reply.status
        );
        Ok(count("accepted"))
    }

    /// Waits until the tables have everything; returns how long that took.
    pub fn caught_up(&self, at_most: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            let pending = self.metric("flightline_postgres_pending_epochs")?;
            let backlog = self.metric("flightline_dataflow_backlog_epochs")?;
            if pending + backlog == 0.0 {
                return Ok(begun.elapsed());
            }
            ensure!(
                begun.elapsed() < at_most,
                "the tables are {pending} epochs behind after {at_most:?}"
            );
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// Starts the handler that does nothing: this very program, told to be it.
pub fn null_server() -> anyhow::Result<Server> {
    let me = std::env::current_exe()?;
    Server::start(
        Command::new(me)
            .env(NULL_SERVER, "1")
            .stderr(Stdio::inherit()),
    )
}

const NULL_SERVER: &str = "FLIGHTLINE_BENCH_NULL_SERVER";

/// Becomes the handler that does nothing, if that is what this process was started for. Every
/// benchmark that starts one calls this first.
pub fn be_null_server_if_asked() -> anyhow::Result<()> {
    if std::env::var_os(NULL_SERVER).is_none() {
        return Ok(());
    }
    // The same runtime as the program's.
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(null::serve())
}

mod null {
    //! What the framework costs: route, body and JSON as the API has them, and an answer of the
    //! same size.

    use std::borrow::Cow;
    use std::io::Write;

    use bytes::Bytes;
    use serde::{Deserialize, Serialize};
    use warp::Filter;
    use warp::http::{Response, StatusCode};

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Hold<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
        #[serde(borrow)]
        cabin: Cow<'a, str>,
        seats: u16,
        ttl_s: Option<u64>,
    }

    #[derive(Serialize)]
    struct Held<'a> {
        id: &'a str,
        state: &'a str,
        flight_key: &'a str,
        provider: &'a str,
        seats: u16,
        expires_at: &'a str,
        price_amount: &'a str,
        price_currency: &'a str,
        partition: u32,
        offset: u64,
    }

    pub(super) async fn serve() -> anyhow::Result<()> {
        let holds = warp::post()
            .and(warp::path!("flights" / String / "holds"))
            .and(warp::body::content_length_limit(64 << 10))
            .and(warp::body::bytes())
            .map(|flight: String, body: Bytes| answer(&flight, &body));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        writeln!(
            std::io::stdout(),
            "listening on http://{}",
            listener.local_addr()?
        )?;
        warp::serve(holds).incoming(listener).run().await;
        Ok(())
    }

    fn answer(flight: &str, body: &[u8]) -> Response<Vec<u8>> {
        let mut out = Vec::with_capacity(320);
        let status = match serde_json::from_slice::<Hold<'_>>(body) {
            Ok(hold) if !hold.cabin.is_empty() && hold.ttl_s != Some(0) => {
                let held = Held {
                    id: &hold.id,
                    state: "held",
                    flight_key: flight,
                    provider: "bench",
                    seats: hold.seats,
                    expires_at: "2026-01-01T00:15:00.000Z",
                    price_amount: "100.00",
                    price_currency: "USD",
                    partition: 0,
                    offset: 0,
                };
                // Writing to a vector does not fail.
                let _ = serde_json::to_writer(&mut out, &held);
                StatusCode::CREATED
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let mut response = Response::new(out);
        *response.status_mut() = status;
        response.headers_mut().insert(
            warp::http::header::CONTENT_TYPE,
            warp::http::HeaderValue::from_static("application/json"),
        );
        response
    }
}
