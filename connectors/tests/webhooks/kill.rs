//! Killed at any moment while it takes events in and delivers them, nothing is lost.
//!
//! The child derives numbered events from where its progress says, and delivers them to the parent,
//! which kills it with SIGKILL at random moments and breaks some of its requests. In the end every
//! event up to the progress must have arrived at least once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use flightline_connectors::webhooks::{
    Clock, DeliveryStatus, Engine, EngineConfig, Progress, SystemClock, WebhookStore,
};
use rand::RngExt;

use super::receiver::{Act, Receiver};
use super::support::{config, endpoint, event};

const FOLDER: &str = "FLIGHTLINE_WEBHOOKS_FOLDER";
const ROUNDS: u64 = 8;

fn open(folder: &Path) -> Arc<WebhookStore> {
    let clock = Arc::new(SystemClock) as Arc<dyn Clock>;
    Arc::new(WebhookStore::open(config(folder), clock).unwrap())
}

fn engine(store: &Arc<WebhookStore>) -> Engine {
    let mut config = EngineConfig::default();
    config.backoff.first = Duration::from_millis(20);
    config.backoff.last = Duration::from_millis(100);
    Engine::start(store.clone(), config).unwrap()
}

fn reached(store: &WebhookStore) -> u64 {
    store.progress().unwrap().of(3)
}

fn name(n: u64) -> String {
    format!("ord_{n}")
}

/// Not a test of its own: what the parent runs, and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = open(folder.as_ref());
    let _engine = engine(&store);
    loop {
        let theirs = Arc::clone(&store);
        let next = tokio::task::spawn_blocking(move || {
            let first = reached(&theirs);
            let next = first + 3;
            let events: Vec<_> = (first..next).map(|n| event("acme", &name(n), 1)).collect();
            let progress = [(3, next)].into();
            theirs.append(&events, &Progress(progress)).unwrap();
            next
        });
        let next = next.await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "reached {next} .").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_process_is_killed() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(|_, before| match (before, rand::random_range(0..6)) {
        (0, 0) => Act::Drop,
        (0, 1) => Act::Answer(500),
        _ => Act::Answer(200),
    })
    .await;
    let secret = {
        let store = open(dir.path());
        let made = store
            .create_endpoint("acme", &endpoint(&receiver.url))
            .unwrap();
        made.secret
    };
    let mut told = 0;
    for round in 0..ROUNDS {
        let folder = dir.path().to_owned();
        let last = tokio::task::spawn_blocking(move || run_and_kill(&folder, round))
            .await
            .unwrap();
        told = told.max(last);
    }
    let store = open(dir.path());
    let end = reached(&store);
    assert!(end >= told, "told {told}, and progress says {end}");
    assert!(end > 5 * ROUNDS, "the children hardly ran");
    let _engine = engine(&store);
    // All of them together have a minute from now on.
    let mut patience = 6_000;
    for n in 0..end {
        let id = event("acme", &name(n), 1).id();
        while store.event("acme", &id).unwrap().deliveries[0].status != DeliveryStatus::Delivered {
            patience -= 1;
            assert!(patience > 0, "{} is never delivered", name(n));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let seen = receiver.seen();
    let arrived: BTreeSet<String> = seen
        .iter()
        .map(|one| {
            one.verify(&secret);
            one.body["idempotency_key"].as_str().unwrap().to_owned()
        })
        .collect();
    let all: BTreeSet<String> = (0..end).map(name).collect();
    assert_eq!(arrived, all);
    eprintln!(
        "{end} events in {} requests over {ROUNDS} kills",
        seen.len()
    );
}

/// Returns the last event that the child said was stored.
fn run_and_kill(folder: &Path, round: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines {
            // A line without its end was cut.
            if let ["reached", n, "."] = line.unwrap().split(' ').collect::<Vec<_>>()[..] {
                let _ = tell.send(n.parse::<u64>().unwrap());
            }
        }
    });
    let enough = rand::rng().random_range(1..60);
    let (mut count, mut last) = (0, 0);
    while count < enough {
        last = told
            .recv()
            .unwrap_or_else(|_| panic!("round {round}: the child died by itself"));
        count += 1;
    }
    // Anywhere in what it does next.
    let until = Instant::now() + Duration::from_micros(rand::rng().random_range(0..15_000));
    while let Ok(n) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
        last = n;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    told.try_iter().last().unwrap_or(last)
}
