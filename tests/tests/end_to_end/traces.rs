//! Traces, as a collector gets them: the way of a booking from HTTP to its commit in PostgreSQL.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::harness::Place;
use crate::replicas::wait_until;
use crate::{events, trip};

/// Takes traces over OTLP, protocol buffers over HTTP.
#[derive(Clone)]
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    /// Names of services, and the authorisation that came with them.
    said: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let collector = Self {
            url: format!("http://{address}"),
            spans: Arc::default(),
            said: Arc::default(),
        };
        let theirs = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let theirs = theirs.clone();
                tokio::spawn(async move { theirs.take(stream).await });
            }
        });
        collector
    }

    async fn take(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut length, mut is_first) = (0, true);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                if std::mem::take(&mut is_first) {
                    assert!(line.starts_with("POST /v1/traces "), "{line}");
                }
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if line.starts_with("authorization:") || line.starts_with("content-type:") {
                    self.said.lock().ok()?.push(line);
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let sent = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
            for resource in sent.resource_spans {
                let of = format!("{:?}", resource.resource);
                self.said.lock().ok()?.push(of);
                let scopes = resource.scope_spans.into_iter();
                let spans = scopes.flat_map(|scope| scope.spans);
                self.spans.lock().ok()?.extend(spans);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.get_mut().write_all(answer).await.ok()?;
        }
    }

    fn all(&self) -> Vec<Span> {
        self.spans.lock().expect("the spans").clone()
    }

    /// The steps of a trace, by the time they began.
    fn of(&self, trace: u128) -> Vec<Span> {
        let id = trace.to_be_bytes();
        let mut of = self.all();
        of.retain(|span| span.trace_id == id);
        of.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
        of
    }

    /// The first step of this name, once it is there.
    async fn step(&self, trace: u128, name: &str) -> Span {
        let mut found = None;
        wait_until(&format!("a step named {name}"), || {
            found = self.of(trace).into_iter().find(|span| span.name == name);
            let is_there = found.is_some();
            async move { is_there }
        })
        .await;
        found.expect("found above")
    }
}

fn traceparent(trace: u128, is_sampled: bool) -> String {
    format!("00-{trace:032x}-00000000000000aa-0{}", u8::from(is_sampled))
}

async fn post(url: &str, path: &str, body: &serde_json::Value, parent: &str) -> StatusCode {
    let http = reqwest::Client::new();
    let request = http.post(format!("{url}{path}")).json(body);
    let request = request
        .header("traceparent", parent)
        .header("duffel-version", "v2");
    request.send().await.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_followed_from_its_request_to_its_commit() {
    let collector = Collector::start().await;
    // Nothing is recorded that its caller does not want recorded.
    let place = Place::with_config(&format!(
        "[telemetry]\nurl = \"{}\"\nsample = 0.0\nservice = \"seats\"\nheaders = {{ authorization = \"Bearer abc\" }}\n",
        collector.url
    ));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    let said = [
        events::schedule(&flight, 9, 1),
        events::fares(&flight, "120.00", 1),
    ];
    client.push("acme", &said).await;

    let (wanted, unwanted) = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x77);
    let holds = format!("/flights/{flight}/holds");
    let hold = |id: &str| json!({"id": id, "cabin": "Y", "seats": 1});
    let held = post(
        &replica.url,
        &holds,
        &hold("a"),
        &traceparent(unwanted, false),
    )
    .await;
    assert_eq!(held, StatusCode::CREATED);
    let held = post(&replica.url, &holds, &hold("b"), &traceparent(wanted, true)).await;
    assert_eq!(held, StatusCode::CREATED);

    let request = collector
        .step(wanted, "POST /flights/{flight_key}/holds")
        .await;
    assert_eq!(request.parent_span_id, 0xaa_u64.to_be_bytes());
    let mut ended = request.start_time_unix_nano;
    for name in ["queue hold", "append hold", "fold hold", "commit hold"] {
        let step = collector.step(wanted, name).await;
        assert_eq!(step.parent_span_id, request.span_id, "{name}");
        assert!(step.start_time_unix_nano >= ended, "{name} follows");
        assert!(step.end_time_unix_nano >= step.start_time_unix_nano);
        ended = step.end_time_unix_nano;
    }
    // What it shares with others leads back to it.
    for name in ["append group", "commit in PostgreSQL"] {
        let mut shared = None;
        wait_until("what is shared", || {
            let mut all = collector.all().into_iter();
            shared = all.find(|s| s.name == name);
            let is_there = shared.is_some();
            async move { is_there }
        })
        .await;
        let shared = shared.expect("found above");
        let link = &shared.links[0];
        assert_eq!(link.trace_id, wanted.to_be_bytes(), "{name}");
        assert_eq!(link.span_id, request.span_id, "{name}");
    }
    assert!(collector.of(unwanted).is_empty());

    // An order: what it asks of flights belongs to the request that waits for it.
    let bought = 0x99;
    let offer = trip::offer(&client, 1, false).await;
    let body = trip::order_body(&offer, Some(trip::payment(&offer, None)));
    let made = post(
        &replica.url,
        "/air/orders",
        &body,
        &traceparent(bought, true),
    )
    .await;
    assert_eq!(made, StatusCode::CREATED);
    let request = collector.step(bought, "POST /air/orders").await;
    for name in [
        "queue order",
        "append order",
        "append hold",
        "append result of an effect",
        "append confirm",
        "commit order",
        "commit confirm",
    ] {
        let step = collector.step(bought, name).await;
        assert_eq!(step.parent_span_id, request.span_id, "{name}");
    }
    let said = collector.said.lock().expect("what was said").join("\n");
    assert!(said.contains("authorization: bearer abc"), "{said}");
    assert!(
        said.contains("content-type: application/x-protobuf"),
        "{said}"
    );
    assert!(said.contains("seats"), "{said}");
    replica.stop();
}

/// A collector that is away costs traces and nothing else, and is told of once.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_up_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", gone.local_addr().expect("an address"));
    drop(gone);
    let place = Place::with_config(&format!("[telemetry]\nurl = \"{url}\"\n"));
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 180, 1)])
        .await;
    for n in 0..20 {
        let held = client.hold(&flight, &format!("h{n}"), 1).await;
        assert_eq!(held.status, StatusCode::CREATED);
    }
    wait_until("the failures are counted", || async {
        let metrics = client.text("/metrics").await;
        metrics.contains("flightline_traces_failed_posts_total")
            && !metrics.contains("flightline_traces_failed_posts_total 0\n")
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let log = replica.stop();
    assert_eq!(
        log.matches("the collector does not take traces").count(),
        1,
        "{log}"
    );
}
