//! What stands around replicas: a balancer that sends every connection to the next of them, and a receiver
//! of webhooks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Sends the first connection to the first replica, the next to the second, and so on.
#[derive(Clone)]
pub(crate) struct Balancer {
    pub(crate) url: String,
    replicas: Arc<Mutex<Vec<String>>>,
    /// How many connections each place in the list was sent.
    sent: Arc<[AtomicUsize; 8]>,
}

impl Balancer {
    pub(crate) async fn start(replicas: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let balancer = Self {
            url: format!("http://{address}"),
            replicas: Arc::default(),
            sent: Arc::default(),
        };
        balancer.set(replicas);
        let theirs = balancer.clone();
        tokio::spawn(async move {
            let mut next = 0;
            while let Ok((mut client, _)) = listener.accept().await {
                let all = theirs.replicas.lock().expect("the list").clone();
                let place = next % all.len();
                next += 1;
                theirs.sent[place].fetch_add(1, Ordering::Relaxed);
                let to = all[place].clone();
                tokio::spawn(async move {
                    if let Ok(mut replica) = TcpStream::connect(to).await {
                        // Either side may break off.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut replica).await;
                    }
                });
            }
        });
        balancer
    }

    /// Sends to these from now on.
    pub(crate) fn set(&self, replicas: &[&str]) {
        let address = |url: &&str| url.trim_start_matches("http://").to_owned();
        *self.replicas.lock().expect("the list") = replicas.iter().map(address).collect();
    }

    /// How many connections each of the first replicas was sent.
    pub(crate) fn sent(&self, replicas: usize) -> Vec<usize> {
        let count = |sent: &AtomicUsize| sent.load(Ordering::Relaxed);
        self.sent.iter().take(replicas).map(count).collect()
    }
}

/// Takes every delivery and remembers it.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self {
            url: format!("http://{address}/hook"),
            seen: Arc::default(),
        };
        let seen = receiver.seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, seen.clone()));
            }
        });
        receiver
    }

    /// The bodies that came, in their order.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().expect("what was seen").clone()
    }

    /// Of an order, the sequence and type of every delivery, by sequence.
    pub(crate) fn of(&self, order: &str) -> Vec<(u64, String)> {
        let mut of: Vec<_> = self
            .seen()
            .iter()
            .filter(|body| body["order_id"] == order)
            .map(|body| {
                let sequence = body["order_sequence"].as_u64().expect("a sequence");
                (sequence, body["type"].as_str().expect("a type").to_owned())
            })
            .collect();
        of.sort();
        of
    }
}

async fn take(stream: TcpStream, seen: Arc<Mutex<Vec<Value>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = serde_json::from_slice(&body).ok()?;
        seen.lock().ok()?.push(body);
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.get_mut().write_all(answer).await.ok()?;
    }
}
