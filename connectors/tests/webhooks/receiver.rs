//! A client's receiver: a real server on a real socket that does as it is told, and checks each
//! signature with code of its own.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::http::{Request, Response, read_request};

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Answer(u16),
    /// Reads it, does its work, and the connection breaks before the answer.
    Drop,
    /// Reads it and says nothing for as long as the other side waits.
    Hang,
    /// Sends the other side elsewhere.
    Redirect,
}

/// One request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) raw: String,
    pub(crate) signature: String,
}

type Script = dyn Fn(&Seen, usize) -> Act + Send + Sync;

pub(crate) struct Receiver {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts one; `script` is given each request with how many of the same event came before.
    pub(crate) async fn start<F>(script: F) -> Self
    where
        F: Fn(&Seen, usize) -> Act + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?of=us", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (tell, count) = watch::channel(0);
        let script: Arc<Script> = Arc::new(script);
        let theirs = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, tell) = (Arc::clone(&theirs), tell.clone());
                tokio::spawn(serve(stream, Arc::clone(&script), seen, tell));
            }
        });
        Self {
            url,
            seen,
            count,
            task,
        }
    }

    /// Everything that came, once that many requests did.
    pub(crate) async fn wait_for(&self, requests: usize) -> Vec<Seen> {
        let mut count = self.count.clone();
        let enough = count.wait_for(|count| *count >= requests);
        let waited = tokio::time::timeout(Duration::from_secs(60), enough).await;
        let have = self.seen();
        assert!(waited.is_ok(), "{} of {requests} requests came", have.len());
        have
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    tell: watch::Sender<usize>,
) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    let one = read(&request);
    let act = {
        let mut seen = seen.lock();
        let before = seen.iter().filter(|other| other.id == one.id).count();
        seen.push(one.clone());
        script(&one, before)
    };
    tell.send_modify(|count| *count += 1);
    let answer = match act {
        Act::Answer(status) => Response::new(status, "{}"),
        Act::Drop => return,
        Act::Hang => {
            // Until the other side has had enough.
            let _ = read_request(&mut stream).await;
            return;
        }
        Act::Redirect => Response::new(307, "").with("location", "/elsewhere"),
    };
    let _ = stream.write_all(&answer.bytes()).await;
    let _ = stream.shutdown().await;
}

fn read(request: &Request) -> Seen {
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/hook");
    assert_eq!(request.header("content-type"), Some("application/json"));
    let text = std::str::from_utf8(&request.raw).unwrap();
    let (_, raw) = text.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(raw).unwrap();
    Seen {
        id: body["id"].as_str().unwrap().to_owned(),
        body,
        raw: raw.to_owned(),
        signature: request.header("x-duffel-signature").unwrap().to_owned(),
    }
}

impl Seen {
    /// Checks the signature as a client does; returns the time in it.
    pub(crate) fn verify(&self, secret: &str) -> i64 {
        let (time, signature) = self.signature.split_once(",v1=").unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(self.raw.as_bytes());
        let bytes: Vec<u8> = (0..signature.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&signature[at..at + 2], 16).unwrap())
            .collect();
        mac.verify_slice(&bytes).unwrap();
        assert_eq!(signature, signature.to_lowercase());
        time.parse().unwrap()
    }
}
