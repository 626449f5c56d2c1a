//! Feeds of providers.

use std::io::Write as _;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::json;

use crate::client::{Request, Server};
use crate::replica::KEY;

const EVENTS: &str = "/providers/nyc/events";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lines(from: u32, to: u32) -> String {
    (from..to)
        .map(|n| format!("BA{n}.2027-01-05.LHR 100\n"))
        .collect()
}

fn events(body: &[u8]) -> Request {
    Request::new("POST", EVENTS)
        .header("content-type", "application/x-ndjson")
        .body(body)
}

#[tokio::test]
async fn a_feed_is_counted_and_its_rejects_listed() {
    let server = Server::start().await;
    let body = format!("{}nonsense\n{}", lines(1, 4), lines(4, 6));
    let reply = server.send(events(body.as_bytes())).await;
    let expected = json!({
        "read": 6, "accepted": 5, "duplicate": 0, "stale": 0, "rejected": 1,
        "rejects": [{"line": 4, "code": "bad_line", "message": "a line is FLIGHT SEATS"}],
        "rejects_omitted": 0,
    });
    assert_eq!(reply.is_ok(), expected);
    // The offsets it names cover all of it.
    let at_least = reply.header("flightline-offset").unwrap();
    let search =
        Request::new("GET", "/flights/BA5.2027-01-05.LHR").header("flightline-at-least", at_least);
    assert_eq!(server.send(search).await.status, 200);
    // Again: all duplicates, since there is no key.
    assert_eq!(
        server.send(events(body.as_bytes())).await.is_ok()["duplicate"],
        5
    );
}

#[tokio::test]
async fn gzip_by_header_by_mark_and_both() {
    let server = Server::start().await;
    let plain = lines(1, 50);
    let packed = gzip(plain.as_bytes());
    for (request, field) in [
        (
            events(&packed).header("content-encoding", "gzip"),
            "accepted",
        ),
        (events(&packed), "duplicate"),
        (
            Request::new("POST", EVENTS)
                .header("content-type", "application/gzip")
                .body(&packed),
            "duplicate",
        ),
        (
            events(&gzip(&packed)).header("content-encoding", "gzip"),
            "duplicate",
        ),
        (
            events(plain.as_bytes()).header("content-encoding", "identity"),
            "duplicate",
        ),
    ] {
        assert_eq!(server.send(request).await.is_ok()[field], 49);
    }
    let cut = events(&packed[..packed.len() - 4]).header("content-encoding", "gzip");
    let reply = server.send(cut).await;
    reply.is(400, "feed_broke_off");
    assert_eq!(reply.json()["errors"][0]["report"]["read"], 49);
    let zstd = events(b"x").header("content-encoding", "zstd");
    server
        .send(zstd)
        .await
        .is(415, "invalid_content_encoding_header");
    let html = Request::new("POST", EVENTS)
        .header("content-type", "text/html")
        .body(b"x");
    server
        .send(html)
        .await
        .is(415, "invalid_content_type_header");
}

#[tokio::test]
async fn files_name_their_format() {
    let server = Server::start().await;
    let post = |query: &str| {
        server.send(
            Request::new("POST", &format!("/providers/nyc/files{query}"))
                .body(b"BA1.2027-01-05.LHR 9"),
        )
    };
    assert_eq!(
        post("?format=canonical&message=a+file.csv").await.is_ok()["accepted"],
        1
    );
    // None is named, and the backend knows none for the provider.
    post("").await.is(422, "unknown_format");
    let unknown = post("?format=ssim").await;
    unknown.is(422, "unknown_format");
    assert!(unknown.message().contains("canonical"));
    // Other parameters are the connector's own.
    post("?format=canonical&shift_days=3")
        .await
        .is(422, "unknown_format");
    post("?format=canonical&message=")
        .await
        .is(422, "validation_length");
    server
        .send(Request::new("POST", "/providers/NYC/events"))
        .await
        .is(404, "not_found");
}

#[tokio::test]
async fn a_key_gives_the_same_answer() {
    let server = Server::start().await;
    let body = lines(1, 10);
    let send =
        |body: &str, key: &str| server.send(events(body.as_bytes()).header("idempotency-key", key));
    let first = send(&body, "f1").await;
    assert_eq!(first.is_ok()["accepted"], 9);
    let records = server.replica.records();
    let again = send(&body, "f1").await;
    assert_eq!(
        (again.header("idempotency-replayed"), &again.body),
        (Some("true"), &first.body)
    );
    send(&lines(1, 11), "f1")
        .await
        .is(409, "idempotency_key_reused");
    assert_eq!(server.replica.records(), records, "nothing was taken again");
    let file = Request::new("POST", "/providers/nyc/files?format=ssim")
        .header("idempotency-key", "f1")
        .body(body.as_bytes());
    server.send(file).await.is(409, "idempotency_key_reused");
    assert_eq!(send(&body, "f2").await.is_ok()["duplicate"], 9);
}

#[tokio::test]
async fn a_long_feed_streams() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection
        .write((events(b"").head() + "transfer-encoding: chunked\r\n\r\n").as_bytes())
        .await;
    // More than any buffer between here and there: taken only because it is read as it comes.
    let text = "no such line\n".repeat(80_000);
    for _ in 0..20 {
        connection
            .write(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            .await;
    }
    // The rest is in the buffers of the two sockets, which the system bounds, and in ours.
    let fed = server.replica.knobs().fed_bytes.load(SeqCst);
    let waiting = 20 * text.len() as u64 - fed;
    assert!(waiting < 16 << 20, "{waiting} bytes were waiting");
    connection.write(b"0\r\n\r\n").await;
    let reply = connection.reply(&events(b"")).await.is_ok();
    assert_eq!(reply["rejected"], 1_600_000);
    assert_eq!(reply["rejects"].as_array().unwrap().len(), 1000);
    assert_eq!(reply["rejects_omitted"], 1_599_000);
}

#[tokio::test]
async fn feeds_that_break_off_or_come_at_a_bad_time() {
    let server = Server::with(true, |config| {
        config.body_timeout_ms = 150;
        config.feeds_max = 1;
    })
    .await;
    let head = events(b"").head() + "content-length: 1000\r\n\r\n";
    let mut stalled = server.connect().await;
    stalled
        .write((head.clone() + &lines(1, 3)).as_bytes())
        .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // One feed at a time here: the second has to wait.
    server
        .send(events(lines(1, 3).as_bytes()))
        .await
        .is(429, "rate_limit_exceeded");
    let reply = stalled.reply(&events(b"")).await;
    reply.is(400, "feed_broke_off");
    assert_eq!(reply.json()["errors"][0]["report"]["accepted"], 2);
    // A client that goes away in the middle leaves what was read, and no slot taken.
    let mut gone = server.connect().await;
    gone.write((head + &lines(3, 5)).as_bytes()).await;
    drop(gone);
    let mut taken = server.send(events(lines(5, 6).as_bytes())).await;
    while taken.status == 429 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        taken = server.send(events(lines(5, 6).as_bytes())).await;
    }
    taken.is_ok();
    server.replica.knobs().unavailable.store(true, SeqCst);
    server
        .send(events(b"x\n"))
        .await
        .is(503, "service_unavailable");
}

#[tokio::test]
async fn status_of_a_feed() {
    let server = Server::start().await;
    let status = server.get("/providers/nyc/status").await.is_ok();
    assert_eq!(status["accepted"], 4);
    assert_eq!(
        status["last_sequence"],
        json!({"time": "2027-01-01T00:00:00.000000Z", "group": 1, "sequence": 2})
    );
    assert_eq!(status["drift"], json!({"rows": 0, "seats": 0}));
    server
        .get("/providers/lon/status")
        .await
        .is(404, "not_found");
    assert_eq!(server.get(&format!("/flights/{KEY}")).await.status, 200);
}
