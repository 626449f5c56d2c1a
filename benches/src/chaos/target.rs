//! The replica, what is done to it, and how clients reach it whatever happens.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

use crate::server::Replica;

/// A replica that is started again and again over one folder.
pub struct Target {
    program: PathBuf,
    data_dir: PathBuf,
    replica: Option<Replica>,
    address: watch::Sender<Option<SocketAddr>>,
}

impl Target {
    /// Starts it for the first time.
    pub fn start(program: PathBuf, data_dir: PathBuf) -> anyhow::Result<Self> {
        let mut target = Self {
            program,
            data_dir,
            replica: None,
            address: watch::Sender::new(None),
        };
        target.up()?;
        Ok(target)
    }

    /// Starts it; says how long it took until it listened.
    pub fn up(&mut self) -> anyhow::Result<Duration> {
        let replica = Replica::start(&self.program, &self.data_dir, "")?;
        let after = replica.ready_after();
        self.address.send_replace(Some(replica.address()));
        self.replica = Some(replica);
        Ok(after)
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.address.send_replace(None);
        // Dropping it does just that.
        self.replica = None;
    }

    /// Tells it to stop, and waits.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.address.send_replace(None);
        self.replica.take().map_or(Ok(()), Replica::stop)
    }

    /// It, while it runs.
    pub fn replica(&self) -> anyhow::Result<&Replica> {
        self.replica.as_ref().context("the replica does not run")
    }

    /// Its folder.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Stops its processor time, or gives it back.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        send(self.replica()?.pid(), signal)
    }

    /// The same for every process of its PostgreSQL.
    pub fn signal_postgres(&self, signal: Signal) -> anyhow::Result<()> {
        let postmaster = self.postmaster()?;
        for child in children(postmaster) {
            // One that ended by itself needs no signal.
            let _ = send(child, signal);
        }
        send(postmaster, signal)
    }

    /// The first process of its PostgreSQL, from the lock beside its socket.
    fn postmaster(&self) -> anyhow::Result<u32> {
        let config = self.replica()?.database()?;
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let folder = config.get_hosts().iter().find_map(|host| match host {
            tokio_postgres::config::Host::Unix(folder) => Some(folder.clone()),
            tokio_postgres::config::Host::Tcp(_) => None,
        });
        let folder = folder.context("the private PostgreSQL listens on a socket")?;
        let file = folder.join(format!(".s.PGSQL.{port}.lock"));
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("{}: the private PostgreSQL does not run", file.display()))?;
        let first = text.lines().next().unwrap_or_default();
        first.trim().parse().context("the number of a process")
    }

    /// A way to it, for as many clients as there are.
    pub fn way(&self, stop: Arc<AtomicBool>) -> anyhow::Result<Way> {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Way {
            http,
            address: self.address.subscribe(),
            stop,
            answers: Arc::default(),
            unknown: Arc::default(),
        })
    }
}

fn send(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.context("a process has a number")?, signal)?;
    Ok(())
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(all) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = all.flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.parse::<u32>().ok()
    });
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // pid (name) state parent …, and a name may have anything in it.
        let rest = stat.rsplit(')').next().unwrap_or_default();
        rest.split_whitespace().nth(1) == Some(&*parent.to_string())
    };
    numbers.filter(is_child).collect()
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// It said that the same was asked before.
    pub replayed: bool,
    /// The body.
    pub body: Value,
    /// How often the outcome was unknown before.
    pub unknown: u32,
}

/// A way to the replica that lasts longer than one life of it.
#[derive(Clone)]
pub struct Way {
    http: reqwest::Client,
    address: watch::Receiver<Option<SocketAddr>>,
    stop: Arc<AtomicBool>,
    /// Definite answers so far.
    pub answers: Arc<AtomicU64>,
    /// Requests whose outcome was unknown, and which were made again.
    pub unknown: Arc<AtomicU64>,
}

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one request may be asked again and again.
const PATIENCE: Duration = Duration::from_secs(300);

impl Way {
    /// Should clients come to an end?
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks until it is known what became of it. The request must have an id, so that asking twice does
    /// no harm.
    pub async fn ask(
        &self,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        let mut unknown = 0;
        let mut last = String::new();
        while begun.elapsed() < PATIENCE {
            match self.try_once(path, key, body).await {
                Ok((status, replayed, body)) => {
                    // 502: the payment service failed and nothing was done, which is an answer.
                    if status < 500 && status != 429 || status == 502 {
                        self.answers.fetch_add(1, Ordering::Relaxed);
                        return Ok(Answer {
                            status,
                            replayed,
                            body,
                            unknown,
                        });
                    }
                    last = format!("{status}: {body}");
                }
                Err(error) => last = format!("{error:#}"),
            }
            unknown += 1;
            self.unknown.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("{path} was never answered in {PATIENCE:?}: {last}")
    }

    async fn try_once(
        &self,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<(u16, bool, Value)> {
        let mut address = self.address.clone();
        let address = *address
            .wait_for(Option::is_some)
            .await
            .context("the run is over")?;
        let address = address.context("an address")?;
        let url = format!("http://{address}{path}");
        let mut request = match (key, body) {
            (None, None) => self.http.get(url),
            _ => self.http.post(url),
        };
        request = request.header("duffel-version", "v2");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let replayed = response.headers().get("idempotency-replayed");
        let replayed = replayed.is_some_and(|value| value == "true");
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok((status, replayed, body))
    }
}
