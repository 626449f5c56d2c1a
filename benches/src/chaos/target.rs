//! The replicas, what is done to them, and how clients reach them whatever happens.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::watch;

use super::plan::{Fault, Plan};
use super::shared::Shared;
use crate::server::Replica;

/// A replica that is started again and again over one folder.
struct Place {
    data_dir: PathBuf,
    replica: Option<Replica>,
}

/// The replicas, and what is done to them.
pub struct Target {
    program: PathBuf,
    places: Vec<Place>,
    shared: Option<Shared>,
    addresses: watch::Sender<Vec<Option<SocketAddr>>>,
}

impl Target {
    /// Starts them for the first time.
    pub fn start(program: PathBuf, plan: &Plan, folder: &Path) -> anyhow::Result<Self> {
        let shared = Shared::new(plan, folder)?;
        let count = shared.as_ref().map_or(1, |_| plan.replicas.max(1)) as usize;
        let place = |n| Place {
            data_dir: folder.join(format!("replica-{n}")),
            replica: None,
        };
        let mut target = Self {
            program,
            places: (0..count).map(place).collect(),
            shared,
            addresses: watch::Sender::new(vec![None; count]),
        };
        for replica in 0..count {
            target.up(replica)?;
        }
        Ok(target)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Starts one; says how long it took until it listened.
    pub fn up(&mut self, replica: usize) -> anyhow::Result<Duration> {
        let settings = self.shared.as_ref().map_or("", Shared::settings);
        let place = &mut self.places[replica];
        let started = Replica::start(&self.program, &place.data_dir, settings)?;
        let after = started.ready_after();
        let address = started.address();
        place.replica = Some(started);
        self.addresses
            .send_modify(|all| all[replica] = Some(address));
        Ok(after)
    }

    fn down(&mut self, replica: usize) -> Option<Replica> {
        self.addresses.send_modify(|all| all[replica] = None);
        self.places[replica].replica.take()
    }

    /// kill -9.
    pub fn kill(&mut self, replica: usize) {
        // Dropping it does just that.
        drop(self.down(replica));
    }

    /// Tells it to stop, and waits.
    pub fn stop(&mut self, replica: usize) -> anyhow::Result<()> {
        self.down(replica).map_or(Ok(()), Replica::stop)
    }

    /// One, while it runs.
    pub fn replica(&self, replica: usize) -> anyhow::Result<&Replica> {
        let place = &self.places[replica];
        place.replica.as_ref().context("the replica does not run")
    }

    /// Waits until the tables have everything: those that the one that writes them has.
    pub fn caught_up(&self, at_most: Duration) -> anyhow::Result<()> {
        self.writer(at_most)?.caught_up(at_most).map(drop)
    }

    /// Waits until the tables are less than a second behind, while load goes on.
    pub fn nearly_caught_up(&self, at_most: Duration) -> anyhow::Result<()> {
        let begun = Instant::now();
        // What comes after a long stop is counted by what was committed last, too: the oldest that waits may be young.
        let names = [
            "flightline_postgres_lag_milliseconds",
            "flightline_postgres_last_commit_lag_milliseconds",
        ];
        while begun.elapsed() < at_most {
            let writer = self.writer(at_most)?;
            let lags = names.map(|name| writer.metric(name));
            if lags.into_iter().all(|lag| lag.is_ok_and(|ms| ms < 1_000.0)) {
                return Ok(());
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        anyhow::bail!("the tables are still behind after {at_most:?}")
    }

    /// Records that were decided so far.
    pub fn records(&self) -> anyhow::Result<u64> {
        let decided = self.replica(0)?.metric("flightline_decisions_total")?;
        Ok(decided as u64)
    }

    /// The one that writes the tables.
    fn writer(&self, at_most: Duration) -> anyhow::Result<&Replica> {
        let begun = Instant::now();
        while begun.elapsed() < at_most {
            for replica in self.places.iter().filter_map(|p| p.replica.as_ref()) {
                if replica.metric("flightline_tables_writer")? > 0.0 {
                    return Ok(replica);
                }
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        anyhow::bail!("no replica writes the tables")
    }

    /// Their folders.
    pub fn data_dirs(&self) -> impl Iterator<Item = &Path> {
        self.places.iter().map(|place| place.data_dir.as_path())
    }

    /// The books of the payment service.
    pub fn books(&self) -> PathBuf {
        match &self.shared {
            Some(shared) => shared.books().to_owned(),
            None => self.places[0].data_dir.join("sandbox-payments"),
        }
    }

    /// The database of `flightline verify`; absent = that of the folder.
    pub fn database_url(&self) -> Option<String> {
        self.shared.as_ref().map(Shared::database_url)
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Stops its processor time, or gives it back.
    pub fn signal(&self, replica: usize, signal: Signal) -> anyhow::Result<()> {
        send(self.replica(replica)?.pid(), signal)
    }

    /// Does a fault to the cluster.
    pub fn strike_cluster(&self, fault: Fault) -> anyhow::Result<()> {
        let shared = self.shared.as_ref();
        let shared = shared
            .with_context(|| format!("{} needs a cluster: --fluvio HOST:PORT", fault.name()))?;
        shared.strike(fault)
    }

    /// The same for every process of the PostgreSQL.
    pub fn signal_postgres(&self, signal: Signal) -> anyhow::Result<()> {
        let postmaster = self.postmaster()?;
        for child in children(postmaster) {
            // One that ended by itself needs no signal.
            let _ = send(child, signal);
        }
        send(postmaster, signal)
    }

    /// The first process of the PostgreSQL, from the lock beside its socket.
    fn postmaster(&self) -> anyhow::Result<u32> {
        let config = match &self.shared {
            Some(shared) => shared.database(),
            None => self.replica(0)?.database()?,
        };
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

    /// Where they listen.
    pub fn addresses(&self) -> watch::Receiver<Vec<Option<SocketAddr>>> {
        self.addresses.subscribe()
    }

    /// A way to them, for as many clients as there are.
    pub fn way(&self, stop: Arc<AtomicBool>) -> anyhow::Result<Way> {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        Ok(Way {
            http,
            addresses: self.addresses.subscribe(),
            only: None,
            next: Arc::default(),
            is_shared: self.shared.is_some(),
            last: Arc::default(),
            seen: Arc::default(),
            waits_for_all: false,
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

/// A way to the replicas that lasts longer than one life of any of them. Of several each request goes to the next,
/// and says what its client has seen so far.
#[derive(Clone)]
pub struct Way {
    http: reqwest::Client,
    addresses: watch::Receiver<Vec<Option<SocketAddr>>>,
    /// To this one alone.
    only: Option<usize>,
    next: Arc<AtomicUsize>,
    is_shared: bool,
    /// Where the last write of this client is.
    last: Arc<Mutex<Option<String>>>,
    /// By partition, the last write of anybody.
    seen: Arc<Mutex<BTreeMap<u32, u64>>>,
    waits_for_all: bool,
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
    /// For another client.
    #[must_use]
    pub fn for_client(&self) -> Self {
        Self {
            last: Arc::default(),
            ..self.clone()
        }
    }

    /// To one replica, which is to show everything that anybody was told.
    #[must_use]
    pub fn to(&self, replica: usize) -> Self {
        Self {
            only: Some(replica),
            waits_for_all: true,
            ..self.clone()
        }
    }

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
                    // A replica that is behind what its client has seen says so.
                    let is_behind = status == 409 && body["errors"][0]["code"] == "not_yet";
                    if (status < 500 && status != 429 || status == 502) && !is_behind {
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
        let address = self.address().await?;
        let url = format!("http://{address}{path}");
        let mut request = match (key, body) {
            (None, None) => self.http.get(url),
            _ => self.http.post(url),
        };
        request = request.header("duffel-version", "v2");
        if let Some(place) = self.at_least() {
            request = request.header("flightline-at-least", place);
        }
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
        let place = response.headers().get("flightline-offset");
        if let Some(place) = place.and_then(|place| place.to_str().ok()) {
            self.note(place);
        }
        let bytes = response.bytes().await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok((status, replayed, body))
    }
    /// Of the replica that is next, as soon as one is there.
    async fn address(&self) -> anyhow::Result<SocketAddr> {
        let mut addresses = self.addresses.clone();
        let wanted = |all: &Vec<Option<SocketAddr>>| match self.only {
            Some(only) => all[only].is_some(),
            None => all.iter().any(Option::is_some),
        };
        let all = addresses
            .wait_for(wanted)
            .await
            .context("the run is over")?;
        let found = match self.only {
            Some(only) => all[only],
            None => {
                let there: Vec<SocketAddr> = all.iter().flatten().copied().collect();
                let next = self.next.fetch_add(1, Ordering::Relaxed);
                there.get(next % there.len().max(1)).copied()
            }
        };
        found.context("an address")
    }

    /// What a request says that its client has seen.
    fn at_least(&self) -> Option<String> {
        if !self.is_shared {
            return None;
        }
        if !self.waits_for_all {
            return lock(&self.last).clone();
        }
        let seen = lock(&self.seen);
        let all: Vec<String> = seen.iter().map(|(p, o)| format!("{p}:{o}")).collect();
        (!all.is_empty()).then(|| all.join(","))
    }

    fn note(&self, place: &str) {
        if !self.is_shared {
            return;
        }
        let parsed = place.split_once(':');
        let parsed = parsed.and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
        let Some((partition, offset)) = parsed else {
            return;
        };
        let mut seen = lock(&self.seen);
        let last: &mut u64 = seen.entry(partition).or_default();
        *last = (*last).max(offset);
        *lock(&self.last) = Some(place.to_owned());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
