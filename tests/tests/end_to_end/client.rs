//! A booking client and a provider, over real HTTP.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// An HTTP client with a pool of its own.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// Status, headers and JSON of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) replayed: bool,
    pub(crate) offset: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The code of the first error.
    pub(crate) fn code(&self) -> &str {
        self.body["errors"][0]["code"].as_str().unwrap_or("")
    }
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .expect("an HTTP client");
        Self {
            http,
            url: url.to_owned(),
            token: None,
        }
    }

    /// A client that makes a connection for every request: a balancer sends each elsewhere.
    pub(crate) fn unpooled(url: &str, token: &str) -> Self {
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            url: url.to_owned(),
            token: Some(token.to_owned()),
        }
    }

    /// The same, with a token.
    pub(crate) fn with_token(url: &str, token: &str) -> Self {
        let mut client = Self::new(url);
        client.token = Some(token.to_owned());
        client
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body).await.expect("an answer")
    }

    pub(crate) async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        self.try_keyed(method, path, body, None).await
    }

    /// A call with an `Idempotency-Key`.
    pub(crate) async fn try_keyed(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        // The booking API wants to know its version; other calls do not mind.
        let mut request = request.header("duffel-version", "v2");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let replayed = header("idempotency-replayed").as_deref() == Some("true");
        let offset = header("flightline-offset");
        let bytes = response.bytes().await?;
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_else(|e| {
            panic!(
                "{status} with a body that is not JSON ({e}): {}",
                String::from_utf8_lossy(&bytes)
            )
        });
        // The only part of an answer that is the request's and not the command's.
        if let Some(meta) = body["meta"].as_object_mut() {
            meta.remove("request_id");
        }
        Ok(Answer {
            status,
            replayed,
            offset,
            body,
        })
    }

    /// A page that is no JSON.
    pub(crate) async fn text(&self, path: &str) -> String {
        let request = self.http.get(format!("{}{path}", self.url));
        let answer = request.send().await.expect("an answer");
        answer.text().await.expect("a text")
    }

    /// A call whose answer has no body.
    pub(crate) async fn post(&self, path: &str) -> StatusCode {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = request.header("duffel-version", "v2");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer").status()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// Reads what shows at least the write at this place.
    pub(crate) async fn get_at_least(&self, path: &str, place: &str) -> Answer {
        let request = self.http.get(format!("{}{path}", self.url));
        let request = request.header("flightline-at-least", place);
        let request = request.header("duffel-version", "v2");
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status(),
            replayed: false,
            offset: None,
            body: response.json().await.expect("a JSON answer"),
        }
    }

    pub(crate) async fn hold(&self, flight: &str, id: &str, seats: u32) -> Answer {
        let body = json!({"id": id, "cabin": "Y", "seats": seats});
        self.call(
            Method::POST,
            &format!("/flights/{flight}/holds"),
            Some(&body),
        )
        .await
    }

    pub(crate) async fn act(&self, id: &str, verb: &str) -> Answer {
        self.call(Method::POST, &format!("/holds/{id}/{verb}"), None)
            .await
    }

    /// Sends canonical events, and expects every one to be read.
    pub(crate) async fn push(&self, provider: &str, events: &[Value]) -> Value {
        let lines: String = events.iter().map(|e| format!("{e}\n")).collect();
        self.send(&format!("/providers/{provider}/events"), lines)
            .await
    }

    /// Sends a text, and expects it to be taken.
    pub(crate) async fn send(&self, path: &str, lines: String) -> Value {
        let request = self.http.post(format!("{}{path}", self.url));
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request
            .header("content-type", "application/x-ndjson")
            .body(lines)
            .send()
            .await
            .expect("an answer");
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }
}

/// Economy of a flight's only leg, in the answer about the flight.
pub(crate) fn economy(flight: &Value) -> &Value {
    let cabins = flight["legs"][0]["cabins"].as_array();
    cabins
        .and_then(|all| all.iter().find(|cabin| cabin["cabin"] == "Y"))
        .unwrap_or_else(|| panic!("no economy in {flight}"))
}
