//! A server for a test, and a client that shows what really goes over the wire.
//!
//! Every answer is held against the OpenAPI document: its status must be declared for the call, and
//! its body must have the fields of its schema, no more and no less.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flightline_api::backend::{Authenticator, Caller, Role};
use flightline_api::{ApiConfig, Drained, openapi_json, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::replica::{Replica, command_id};

/// Tokens `client`, `other`, `nyc`, `lon`, `operator`.
pub struct Tokens {
    pub open: bool,
}

impl Authenticator for Tokens {
    fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, &'static str> {
        let (name, role) = match bearer {
            None if self.open => ("open", Role::Operator),
            None => return Err("missing_authorization_header"),
            Some("client") => ("client", Role::Client),
            Some("other") => ("other", Role::Client),
            Some("operator") => ("operator", Role::Operator),
            Some("nyc") => ("nyc", Role::Provider),
            Some("lon") => ("lon", Role::Provider),
            Some(_) => return Err("access_token_not_found"),
        };
        let provider = (role == Role::Provider).then(|| name.parse().unwrap());
        Ok(Caller {
            name: name.into(),
            role,
            provider,
        })
    }
}

pub struct Server {
    pub addr: SocketAddr,
    pub replica: Arc<Replica>,
    pub ended: JoinHandle<Drained>,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    /// Open to everybody, with short time-outs where a test waits for them.
    pub async fn start() -> Self {
        Self::with(true, |_| {}).await
    }

    pub async fn with_tokens() -> Self {
        Self::with(false, |_| {}).await
    }

    pub async fn with(open: bool, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let mut config = ApiConfig::new(command_id);
        config.at_least_timeout_ms = 2_000;
        change(&mut config);
        let replica = Replica::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let backend = Arc::clone(&replica);
        let ended = tokio::spawn(serve(
            config,
            backend,
            Arc::new(Tokens { open }),
            listener,
            async {
                let _ = stopped.await;
            },
        ));
        Self {
            addr,
            replica,
            ended,
            stop: Some(stop),
        }
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection {
            stream,
            buffer: Vec::new(),
        }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, request: Request) -> Reply {
        let mut connection = self.connect().await;
        connection.write(&request.bytes()).await;
        connection.reply(&request).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Request::new("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.send(Request::new("POST", path).json(body)).await
    }

    /// A hold on the usual flight; the seats are in the usual cabin.
    pub async fn hold(&self, id: &str, seats: u16) -> Reply {
        let body = format!(r#"{{"id":"{id}","cabin":"Y","seats":{seats}}}"#);
        self.post(&format!("/flights/{}/holds", crate::replica::KEY), &body)
            .await
    }
}

#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            headers: vec![],
            body: vec![],
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json")
            .body(body.as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    pub fn head(&self) -> String {
        let mut out = format!(
            "{} {} HTTP/1.1\r\nhost: localhost\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        out
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.head();
        if self.method == "POST" || !self.body.is_empty() {
            out += &format!("content-length: {}\r\n", self.body.len());
        }
        out += "\r\n";
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.body);
        out
    }
}

pub struct Connection {
    pub stream: TcpStream,
    pub buffer: Vec<u8>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Connection {
    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// More bytes; `false` at the end.
    pub async fn more(&mut self) -> bool {
        let mut piece = vec![0; 65_536];
        let read = tokio::time::timeout(Duration::from_secs(20), self.stream.read(&mut piece));
        let n = read.await.expect("the server answers in time").unwrap_or(0);
        self.buffer.extend_from_slice(&piece[..n]);
        n > 0
    }

    /// Status and headers of the next answer.
    pub async fn reply_head(&mut self) -> (u16, Vec<(String, String)>) {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.more().await,
                "closed before an answer: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| {
                line.split_once(": ")
                    .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
                    .unwrap()
            })
            .collect();
        (status, headers)
    }

    /// The next piece of a chunked body; empty at its end.
    pub async fn chunk(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..end]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                if self.buffer.len() >= end + 2 + size + 2 {
                    let chunk = self.buffer[end + 2..end + 2 + size].to_vec();
                    self.buffer.drain(..end + 2 + size + 2);
                    return chunk;
                }
            }
            assert!(self.more().await, "closed within a body");
        }
    }

    pub async fn reply(&mut self, request: &Request) -> Reply {
        let (status, headers) = self.reply_head().await;
        let mut reply = Reply {
            status,
            headers,
            body: vec![],
        };
        if request.method == "HEAD" {
        } else if let Some(length) = reply.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length {
                assert!(self.more().await, "closed within a body");
            }
            reply.body = self.buffer.drain(..length).collect();
        } else {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                reply.body.extend_from_slice(&chunk);
            }
        }
        conforms(request, &reply);
        reply
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The lines of an NDJSON body.
    pub fn lines(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn code(&self) -> String {
        self.json()["errors"][0]["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub fn message(&self) -> String {
        self.json()["errors"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Asserts status and code of an error.
    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text()
        );
    }

    #[track_caller]
    pub fn is_ok(&self) -> Value {
        assert!(
            matches!(self.status, 200..=202),
            "{} {}",
            self.status,
            self.text()
        );
        self.json()
    }
}

/// Holds an answer against the OpenAPI document.
#[track_caller]
fn conforms(request: &Request, reply: &Reply) {
    let id = reply
        .header("x-request-id")
        .expect("every answer has a request id");
    if reply.status >= 400 && !reply.body.is_empty() && !request.path.starts_with("/health") {
        is_error(&reply.json(), reply.status, id);
    }
    let document: Value = serde_json::from_str(openapi_json()).unwrap();
    let path = request.path.split('?').next().unwrap();
    // The booking API takes a slash at the end.
    let path = path
        .strip_suffix('/')
        .filter(|p| p.starts_with("/air/"))
        .unwrap_or(path);
    let method = request.method.to_lowercase().replace("head", "get");
    let operation = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .find_map(|(template, item)| {
            let (mut a, mut b) = (template.split('/'), path.split('/'));
            let same = loop {
                match (a.next(), b.next()) {
                    (None, None) => break true,
                    (Some(a), Some(b)) if a == b || (a.starts_with('{') && !b.is_empty()) => {}
                    _ => break false,
                }
            };
            same.then_some(item).and_then(|item| item.get(&method))
        });
    let Some(operation) = operation else {
        assert!(
            matches!(reply.status, 404 | 405),
            "{} {path}: {}",
            request.method,
            reply.status
        );
        return;
    };
    let declared = &operation["responses"][reply.status.to_string()];
    assert!(
        declared.is_object(),
        "{} {path}: {} is not declared",
        request.method,
        reply.status
    );
    let Some((content_type, content)) = declared["content"]
        .as_object()
        .and_then(|c| c.iter().next())
    else {
        return;
    };
    if reply.body.is_empty() {
        return;
    }
    let sent = reply.header("content-type").unwrap();
    assert!(
        sent.starts_with(content_type.as_str()),
        "{sent} is not {content_type}"
    );
    if content_type == "application/json" && path != "/openapi.json" {
        fits(&document, &content["schema"], &reply.json(), path);
    }
}

/// The shape of errors, as DUFFEL's clients want it.
#[track_caller]
pub fn is_error(body: &Value, status: u16, request_id: &str) {
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    for name in ["type", "code", "title", "message", "documentation_url"] {
        assert!(
            errors[0][name]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{name}: {body}"
        );
    }
    if let Some(source) = errors[0].get("source") {
        assert!(
            source["field"].is_string() && source["pointer"].as_str().unwrap().starts_with('/')
        );
    }
    assert_eq!(body["meta"]["status"], status);
    assert_eq!(body["meta"]["request_id"], request_id);
}

/// Does a value have exactly the fields and types of its schema?
#[track_caller]
pub fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema.get("$ref") {
        let pointer = reference.as_str().unwrap().trim_start_matches('#');
        let target = document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("no {pointer}"));
        return fits(document, target, value, at);
    }
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        let is_null = |option: &&Value| option["type"] == "null";
        if value.is_null() {
            assert!(options.iter().any(|o| is_null(&o)), "{at}: null");
            return;
        }
        let other = options.iter().find(|option| !is_null(option)).unwrap();
        return fits(document, other, value, at);
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        let mut whole = serde_json::json!({"type": "object", "properties": {}, "required": []});
        for part in all {
            let part = match part.get("$ref") {
                Some(r) => document
                    .pointer(r.as_str().unwrap().trim_start_matches('#'))
                    .unwrap(),
                None => part,
            };
            for (name, property) in part["properties"].as_object().unwrap() {
                whole["properties"][name] = property.clone();
            }
            let required = part["required"].as_array().unwrap().clone();
            whole["required"].as_array_mut().unwrap().extend(required);
        }
        return fits(document, &whole, value, at);
    }
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(many) => many.iter().any(|one| one == name),
        _ => true,
    };
    assert!(allowed, "{at}: {name} is not {}", schema["type"]);
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        assert!(
            values.contains(value),
            "{at}: {value} is none of {values:?}"
        );
    }
    match value {
        Value::Array(items) => {
            for item in items {
                fits(document, &schema["items"], item, &format!("{at}[]"));
            }
        }
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                assert!(
                    fields.contains_key(name.as_str().unwrap()),
                    "{at}: no {name}"
                );
            }
            for (name, field) in fields {
                let property = &schema["properties"][name];
                assert!(property.is_object(), "{at}: {name} is not described");
                fits(document, property, field, &format!("{at}.{name}"));
            }
        }
        _ => {}
    }
}
