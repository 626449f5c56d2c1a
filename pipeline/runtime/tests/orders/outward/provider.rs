//! A provider that takes signed JSON, over HTTP, and does what a test tells it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::outward::{OutwardConfig, Secret};
use flightline_connectors::webhooks::signature::sign;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

#[path = "../../../../../connectors/tests/suite/outward/request.rs"]
mod request;

const SECRET: &str = "whsec_outward";

/// What it does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers so.
    Answer(u16, Value),
    /// Hears it, and breaks the connection off.
    Drop,
}

type Script = Box<dyn Fn(&Value) -> Act + Send + Sync>;

pub(crate) struct Provider {
    address: std::net::SocketAddr,
    script: Mutex<Script>,
    heard: Mutex<Vec<(String, Value)>>,
}

pub(crate) fn accepted(reference: &str) -> Act {
    Act::Answer(200, json!({ "status": "accepted", "reference": reference }))
}

pub(crate) fn refused(code: &str) -> Act {
    Act::Answer(409, json!({ "status": "refused", "code": code }))
}

pub(crate) fn withdrawn() -> Act {
    Act::Answer(200, json!({ "status": "withdrawn" }))
}

impl Provider {
    pub(crate) async fn start(script: impl Fn(&Value) -> Act + Send + Sync + 'static) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            script: Mutex::new(Box::new(script)),
            heard: Mutex::default(),
        });
        let served = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        provider
    }

    pub(crate) fn config(&self) -> OutwardConfig {
        OutwardConfig::Webhook {
            url: format!("http://{}/orders", self.address),
            secret: Secret::new(SECRET),
            timeout: Duration::from_secs(5),
        }
    }

    pub(crate) fn now(&self, script: impl Fn(&Value) -> Act + Send + Sync + 'static) {
        *self.script.lock() = Box::new(script);
    }

    /// What it heard of a kind, in order.
    pub(crate) fn heard(&self, kind: &str) -> Vec<Value> {
        let heard = self.heard.lock();
        let of_kind = heard.iter().filter(|(_, body)| body["type"] == kind);
        of_kind.map(|(_, body)| body.clone()).collect()
    }

    /// The keys under which it was asked for something of a kind.
    pub(crate) fn keys(&self, kind: &str) -> Vec<String> {
        let heard = self.heard.lock();
        let of_kind = heard.iter().filter(|(_, body)| body["type"] == kind);
        of_kind.map(|(key, _)| key.clone()).collect()
    }

    /// For how many things of a kind it was asked. Who waited too long for an answer asks again, under the same key.
    pub(crate) fn asked(&self, kind: &str) -> usize {
        let keys: BTreeSet<String> = self.keys(kind).into_iter().collect();
        keys.len()
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        while let Some((head, body)) = request::read(&mut stream).await {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(':'));
                let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
                named.next().map(|(_, value)| value.trim().to_owned())
            };
            let signature = header("x-duffel-signature").unwrap();
            let (time, _) = signature.split_once(',').unwrap();
            let time = time.strip_prefix("t=").unwrap().parse().unwrap();
            assert_eq!(signature, sign(SECRET, time, &body), "the signature");
            let parsed: Value = serde_json::from_slice(&body).unwrap();
            let key = header("idempotency-key").unwrap();
            self.heard.lock().push((key, parsed.clone()));
            let act = (self.script.lock())(&parsed);
            let Act::Answer(status, answer) = act else {
                return;
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            if stream.write_all((head + &answer).as_bytes()).await.is_err() {
                return;
            }
        }
    }
}
