//! A proxy that breaks: it stands between the adapter and a service, and does to each request what
//! networks do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http::{Request, Response, read_request};

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Nothing.
    Pass,
    /// It is not forwarded, the connection closes.
    DropRequest,
    /// It is not forwarded, the connection is reset.
    ResetRequest,
    /// The service acts, the connection closes without an answer.
    DropAnswer,
    /// The service acts, the connection is reset.
    ResetAnswer,
    /// The service acts, half of its answer arrives.
    CutAnswer,
    /// The service acts, the answer comes after the client has given up.
    LateAnswer,
    /// The request reaches the service after the client has given up, and perhaps asked again.
    LateRequest,
    /// It is not forwarded, a 500 comes back that is not the service's.
    FaultBefore,
    /// The service acts, a 502 in HTML comes back in its place.
    FaultAfter,
    /// The service acts, a 200 comes back that is not the service's.
    Garbage,
    /// It is not forwarded: too many requests.
    RateLimit,
    /// The service gets it twice, the second answer comes back.
    Twice,
}

impl Break {
    pub(crate) const ALL: [Break; 13] = [
        Break::Pass,
        Break::DropRequest,
        Break::ResetRequest,
        Break::DropAnswer,
        Break::ResetAnswer,
        Break::CutAnswer,
        Break::LateAnswer,
        Break::LateRequest,
        Break::FaultBefore,
        Break::FaultAfter,
        Break::Garbage,
        Break::RateLimit,
        Break::Twice,
    ];
}

type Plan = dyn Fn(usize) -> Break + Send + Sync;

pub(crate) struct Proxy {
    pub(crate) base: String,
    plan: Arc<Mutex<Arc<Plan>>>,
    seen: Arc<AtomicUsize>,
    /// Requests that are still on their way to the service.
    under_way: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of `upstream`; `late` is longer than the client waits.
    pub(crate) async fn start(upstream: &str, late: Duration) -> Self {
        let upstream: reqwest::Url = upstream.parse().unwrap();
        let to = format!("127.0.0.1:{}", upstream.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let path = upstream.path().trim_end_matches('/').to_owned();
        let plan: Arc<Plan> = Arc::new(|_| Break::Pass);
        let proxy = Self {
            base: format!("http://{address}{path}"),
            plan: Arc::new(Mutex::new(plan)),
            seen: Arc::new(AtomicUsize::new(0)),
            under_way: Arc::new(AtomicUsize::new(0)),
        };
        let (plan, seen) = (Arc::clone(&proxy.plan), Arc::clone(&proxy.seen));
        let under_way = Arc::clone(&proxy.under_way);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (plan, seen, to) = (Arc::clone(&plan), Arc::clone(&seen), to.clone());
                let under_way = Arc::clone(&under_way);
                tokio::spawn(async move {
                    if let Some(request) = read_request(&mut stream).await {
                        let number = seen.fetch_add(1, Ordering::SeqCst);
                        let what = plan.lock().unwrap()(number);
                        under_way.fetch_add(1, Ordering::SeqCst);
                        pass_on(stream, request, &to, what, late).await;
                        under_way.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        proxy
    }

    /// What happens from now on to request number 0, 1, ...
    pub(crate) fn set(&self, plan: impl Fn(usize) -> Break + Send + Sync + 'static) {
        *self.plan.lock().unwrap() = Arc::new(plan);
        self.seen.store(0, Ordering::SeqCst);
    }

    /// How many requests came since then.
    pub(crate) fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn quiet(&self) {
        while self.under_way.load(Ordering::SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn pass_on(mut stream: TcpStream, request: Request, to: &str, what: Break, late: Duration) {
    match what {
        Break::DropRequest => {}
        Break::ResetRequest => reset(stream),
        Break::FaultBefore => write(stream, &Response::new(500, "upstream gone").bytes()).await,
        Break::RateLimit => {
            let body = r#"{"error":{"type":"invalid_request_error","code":"rate_limit"}}"#;
            write(
                stream,
                &Response::new(429, body).with("retry-after", "0").bytes(),
            )
            .await;
        }
        Break::LateRequest => {
            tokio::time::sleep(late).await;
            forward(&request, to).await;
        }
        Break::Pass => {
            let answer = forward(&request, to).await;
            write(stream, &answer).await;
        }
        Break::Twice => {
            forward(&request, to).await;
            let answer = forward(&request, to).await;
            write(stream, &answer).await;
        }
        Break::DropAnswer => {
            forward(&request, to).await;
        }
        Break::ResetAnswer => {
            forward(&request, to).await;
            reset(stream);
        }
        Break::CutAnswer => {
            let answer = forward(&request, to).await;
            // Behind the head, so that it looks like an answer at first.
            let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            let cut = head + (answer.len() - head) / 2;
            let _ = stream.write_all(&answer[..cut]).await;
            let _ = stream.shutdown().await;
        }
        Break::LateAnswer => {
            let answer = forward(&request, to).await;
            tokio::time::sleep(late).await;
            write(stream, &answer).await;
        }
        Break::FaultAfter => {
            forward(&request, to).await;
            write(stream, &Response::new(502, "<html>bad gateway").bytes()).await;
        }
        Break::Garbage => {
            forward(&request, to).await;
            write(stream, &Response::new(200, "<html>welcome").bytes()).await;
        }
    }
}

/// Sends the request on, on a connection of its own, and reads the whole answer.
async fn forward(request: &Request, to: &str) -> Vec<u8> {
    let mut upstream = TcpStream::connect(to).await.unwrap();
    let line_end = request.raw.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
    upstream.write_all(&request.raw[..line_end]).await.unwrap();
    upstream.write_all(b"connection: close\r\n").await.unwrap();
    upstream.write_all(&request.raw[line_end..]).await.unwrap();
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await.unwrap();
    answer
}

async fn write(mut stream: TcpStream, answer: &[u8]) {
    // The client may have given up: that is what some of this is about.
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}
