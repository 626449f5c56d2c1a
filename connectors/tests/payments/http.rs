//! As much of HTTP/1.1 as the fake service and the breaking proxy need: one request a connection,
//! bodies of stated length.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) form: Vec<(String, String)>,
    /// As it came.
    pub(crate) raw: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut pairs = self.form.iter().chain(&self.query);
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An answer to be written.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} X\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!(
            "content-length: {}\r\nconnection: close\r\n\r\n",
            self.body.len()
        ));
        [head.as_bytes(), &self.body].concat()
    }
}

/// Reads one request; `None` when the connection ends first.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut raw = Vec::new();
    let head_end = loop {
        if let Some(at) = raw.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(raw[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let method = first.next()?.to_owned();
    let (path, query) = match first.next()?.split_once('?') {
        Some((path, query)) => (path.to_owned(), pairs(query)),
        None => (String::new(), Vec::new()),
    };
    let path = if path.is_empty() {
        head.split(' ').nth(1)?.to_owned()
    } else {
        path
    };
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = match headers.get("content-length") {
        Some(text) => text.parse().ok()?,
        None => 0,
    };
    while raw.len() < head_end + length {
        if stream.read_buf(&mut raw).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(raw[head_end..].to_vec()).ok()?;
    Some(Request {
        method,
        path,
        query,
        headers,
        form: pairs(&body),
        raw,
    })
}

fn pairs(text: &str) -> Vec<(String, String)> {
    reqwest::Url::parse(&format!("http://x/?{text}"))
        .unwrap()
        .query_pairs()
        .map(|(key, value)| (key.into_owned(), value.into_owned()))
        .collect()
}

/// Answers every request by a function, until the test ends. Returns the address.
pub(crate) async fn serve<F>(handle: F) -> String
where
    F: Fn(Request) -> Response + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let handle = Arc::clone(&handle);
            tokio::spawn(async move {
                if let Some(request) = read_request(&mut stream).await {
                    let bytes = handle(request).bytes();
                    // The client may have gone: that is its right.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    format!("http://{address}")
}
