//! What the HTTP layer itself costs: holds over a backend that answers at once, beside a warp
//! handler that reads a JSON body and does nothing, in one process, 64 connections, closed loop.
//!
//! ```sh
//! cargo run --release -p flightline-api --example layer_rate            # holds
//! cargo run --release -p flightline-api --example layer_rate -- batch   # 1,000,000 lines
//! ```
//!
//! Client and server share the cores, so the figures are for comparing with each other.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightline_api::backend::*;
use flightline_api::{ApiConfig, serve};
use flightline_ledger::outcome::Kind;
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, FlightKey, Outcome, ProviderCode, Reason, Replay,
};
use flightline_sinks::serving::Serving;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use warp::Filter as _;

const CONNECTIONS: usize = 64;
const SECONDS: f64 = 3.0;

struct AtOnce {
    serving: Arc<Serving>,
    next: AtomicU64,
    provider: ProviderCode,
}

impl AtOnce {
    fn answer(&self, submit: &Submit) -> Answer {
        let Command::Flight(flight, FlightCommand::Hold(hold)) = &submit.command else {
            unreachable!()
        };
        let offset = self.next.fetch_add(1, Ordering::Relaxed);
        let outcome = if hold.seats == 9 {
            Outcome::Refused(Reason::SoldOut { available: 0 })
        } else {
            Outcome::Held {
                provider: self.provider,
                seats: hold.seats,
                deadline_ms: 1_800_000_000_000,
                price: None,
            }
        };
        Answer {
            partition: 7,
            decision: Decision {
                offset,
                at_ms: 0,
                id: submit.id,
                flight: *flight,
                kind: Kind::Hold,
                outcome,
                replay: Replay::First,
            },
        }
    }
}

impl Backend for AtOnce {
    fn submit(&self, submit: Submit) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        sender.send(self.answer(&submit)).ok();
        Ok(receiver)
    }
    fn submit_batch(
        &self,
        batch: Vec<Submit>,
    ) -> Result<oneshot::Receiver<Vec<Answer>>, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        sender
            .send(batch.iter().map(|s| self.answer(s)).collect())
            .ok();
        Ok(receiver)
    }
    fn flight_of_hold(&self, _: CommandId) -> Option<FlightKey> {
        None
    }
    fn serving(&self) -> &Arc<Serving> {
        &self.serving
    }
    fn partition_of(&self, _: &FlightKey) -> u32 {
        7
    }
    fn partitions(&self) -> u32 {
        64
    }
    fn answered(&self, _: u32) -> u64 {
        0
    }
    fn history(&self, _: &FlightKey, _: u64, _: usize) -> Result<Vec<HistoryEntry>, String> {
        Ok(Vec::new())
    }
    fn provider_status(&self, _: ProviderCode) -> Option<ProviderStatus> {
        None
    }
    fn ingest(
        &self,
        _: ProviderCode,
        _: &str,
        _: &[(String, String)],
        _: &str,
        _: Box<dyn std::io::Read + Send>,
    ) -> Result<FeedReport, FeedError> {
        Ok(FeedReport::default())
    }
    fn readiness(&self) -> Readiness {
        Readiness {
            ready: true,
            parts: Vec::new(),
        }
    }
    fn metrics(&self) -> String {
        String::new()
    }
}

struct Open;

impl Authenticator for Open {
    fn authenticate(&self, _: Option<&str>) -> Result<Caller, &'static str> {
        Ok(Caller {
            name: "open".into(),
            role: Role::Operator,
            provider: None,
        })
    }
}

/// About what the real function costs.
fn command_id(client: &str, kind: &str, text: &str) -> CommandId {
    let mut bytes = Vec::with_capacity(256);
    for part in [client, kind, text] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let hash = blake3::derive_key("layer_rate", &bytes);
    CommandId(u128::from_be_bytes(hash[..16].try_into().unwrap()))
}

async fn start_ours() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let backend = Arc::new(AtOnce {
        serving: Arc::new(Serving::new(64)),
        next: AtomicU64::new(0),
        provider: "nyc".parse().unwrap(),
    });
    let config = ApiConfig::new(command_id);
    tokio::spawn(serve(
        config,
        backend,
        Arc::new(Open),
        listener,
        std::future::pending(),
    ));
    addr
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Anything {
    id: String,
    cabin: String,
    seats: u16,
}

async fn start_nothing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let route = warp::path!("flights" / String / "holds")
        .and(warp::post())
        .and(warp::body::json::<Anything>())
        .map(|_key, _body| {
            warp::reply::with_status(warp::reply::json(&"ok"), warp::http::StatusCode::CREATED)
        });
    tokio::spawn(warp::serve(route).incoming(listener).run());
    addr
}

/// Twelve routes in an `or` chain, ours the last: what a chain costs.
async fn start_chain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    macro_rules! other {
        ($a:literal, $b:literal) => {
            warp::path!($a / String / $b)
                .and(warp::get())
                .map(|_| warp::reply::json(&"no"))
        };
    }
    let hold = warp::path!("flights" / String / "holds")
        .and(warp::post())
        .and(warp::body::json::<Anything>())
        .map(|_key, _body| warp::reply::json(&"ok"));
    let route = other!("a", "b")
        .or(other!("c", "d"))
        .or(other!("e", "f"))
        .or(other!("g", "h"))
        .or(other!("i", "j"))
        .or(other!("k", "l"))
        .or(other!("flights", "m"))
        .or(other!("flights", "n"))
        .or(other!("flights", "o"))
        .or(other!("flights", "p"))
        .or(other!("flights", "q"))
        .or(hold);
    tokio::spawn(warp::serve(route).incoming(listener).run());
    addr
}

async fn one_connection(addr: SocketAddr, number: usize, until: Instant, count: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    let mut buffer = vec![0; 4096];
    let mut n = 0_u64;
    while Instant::now() < until {
        let body = format!(r#"{{"id":"c{number}-{n:09}","cabin":"Y","seats":1}}"#);
        request.clear();
        write!(
            request,
            "POST /flights/UA1545.2027-01-05.EWR/holds HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        stream.write_all(&request).await.unwrap();
        let mut filled = 0;
        loop {
            filled += stream.read(&mut buffer[filled..]).await.unwrap();
            let text = &buffer[..filled];
            let Some(end) = text.windows(4).position(|w| w == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&text[..end]).unwrap();
            let length: usize = head
                .split("\r\n")
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap()
                .parse()
                .unwrap();
            if filled >= end + 4 + length {
                assert!(
                    head.starts_with("HTTP/1.1 20"),
                    "{}",
                    String::from_utf8_lossy(text)
                );
                break;
            }
        }
        n += 1;
    }
    count.fetch_add(n, Ordering::Relaxed);
}

async fn rate(addr: SocketAddr) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(SECONDS);
    let all =
        (0..CONNECTIONS).map(|n| tokio::spawn(one_connection(addr, n, until, Arc::clone(&count))));
    for one in all.collect::<Vec<_>>() {
        one.await.unwrap();
    }
    count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

async fn batch(addr: SocketAddr, connections: usize, lines: usize, seats: u16) {
    let started = Instant::now();
    let mut all = Vec::new();
    for number in 0..connections {
        let lines = lines / connections;
        all.push(tokio::spawn(async move {
            let stream = TcpStream::connect(addr).await.unwrap();
            let (mut read, mut write) = stream.into_split();
            let writer = tokio::spawn(async move {
                let mut out = Vec::new();
                write!(out, "POST /holds/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
                let mut n = 0;
                while n < lines {
                    let mut chunk = Vec::new();
                    for _ in 0..512.min(lines - n) {
                        writeln!(chunk, r#"{{"flight_key":"UA1545.2027-01-05.EWR","id":"c{number}-{n:09}","cabin":"Y","seats":{seats}}}"#).unwrap();
                        n += 1;
                    }
                    write!(out, "{:x}\r\n", chunk.len()).unwrap();
                    out.extend_from_slice(&chunk);
                    out.extend_from_slice(b"\r\n");
                    write.write_all(&out).await.unwrap();
                    out.clear();
                }
                write.write_all(b"0\r\n\r\n").await.unwrap();
                write
            });
            let mut buffer = vec![0; 1 << 16];
            let (mut seen, mut bytes) = (0, 0_usize);
            let mut tail: Vec<u8> = Vec::new();
            loop {
                let n = read.read(&mut buffer).await.unwrap();
                assert!(n > 0, "closed after {seen} lines");
                bytes += n;
                seen += memchr::memmem::find_iter(&buffer[..n], b"}\n").count();
                tail.extend_from_slice(&buffer[n.saturating_sub(5)..n]);
                if tail.ends_with(b"0\r\n\r\n") {
                    break;
                }
                tail.drain(..tail.len().saturating_sub(5));
            }
            writer.await.unwrap();
            assert!(seen + 50 >= lines, "{seen} of {lines}");
            bytes
        }));
    }
    let mut bytes = 0;
    for one in all {
        bytes += one.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    println!(
        "batch seats={seats}: {lines} lines over {connections} connections in {took:.2} s: {:.0} lines/s, {:.0} B/answer",
        lines as f64 / took,
        bytes as f64 / lines as f64
    );
}

/// CPU seconds of the threads whose name begins so.
fn cpu_s(name: &str) -> f64 {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else {
            continue;
        };
        let (head, tail) = stat.rsplit_once(") ").unwrap();
        if head.split_once('(').unwrap().1.starts_with(name) {
            let fields: Vec<u64> = tail
                .split(' ')
                .skip(11)
                .take(2)
                .map(|n| n.parse().unwrap())
                .collect();
            ticks += fields[0] + fields[1];
        }
    }
    ticks as f64 / 100.0
}

fn runtime(name: &str) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}

fn main() {
    let server = runtime("server");
    let client = runtime("client");
    let ours = server.block_on(start_ours());
    if std::env::args().any(|arg| arg == "batch") {
        for seats in [1, 9, 1, 9] {
            let before = cpu_s("server");
            client
                .block_on(client.spawn(batch(ours, 4, 1_000_000, seats)))
                .unwrap();
            println!("    server CPU {:.2} us/line", (cpu_s("server") - before));
        }
        return;
    }
    let nothing = server.block_on(start_nothing());
    let chain = server.block_on(start_chain());
    // `layer_rate holds` measures that alone, for a profiler.
    let only = std::env::args().nth(1);
    for _ in 0..3 {
        for (name, addr) in [
            ("do-nothing", nothing),
            ("chain of 12", chain),
            ("holds", ours),
        ] {
            if only.as_ref().is_some_and(|only| only != name) {
                continue;
            }
            let before = cpu_s("server");
            let rate = client.block_on(client.spawn(rate(addr))).unwrap();
            let cpu = (cpu_s("server") - before) / (rate * SECONDS) * 1e6;
            println!("{name:12} {rate:7.0}/s   server CPU {cpu:5.2} us/request");
        }
    }
}
