//! Bounds: sizes, times, load.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;

use crate::client::{Request, Server};
use crate::replica::KEY;

fn hold(id: &str) -> Request {
    let body = format!(r#"{{"id":"{id}","cabin":"Y","seats":1}}"#);
    Request::new("POST", &format!("/flights/{KEY}/holds")).json(&body)
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let mut bytes = Vec::new();
    for n in 0..20 {
        bytes.extend_from_slice(&hold(&format!("p{n}")).bytes());
        bytes.extend_from_slice(&Request::new("GET", "/health/live").bytes());
    }
    connection.write(&bytes).await;
    for n in 0..20 {
        let reply = connection.reply(&hold("")).await;
        if n < 10 {
            assert_eq!(reply.is_ok()["id"], format!("p{n}"));
        } else {
            reply.is(409, "sold_out");
        }
        assert_eq!(
            connection
                .reply(&Request::new("GET", "/health/live"))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn a_huge_body_gets_its_answer_before_the_connection_closes() {
    let server = Server::start().await;
    let request = Request::new("POST", &format!("/flights/{KEY}/holds"));
    // Announced: refused without reading. Not announced: refused when it gets too long.
    for head in [
        "content-length: 4000000\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n3d0900\r\n",
    ] {
        let mut connection = server.connect().await;
        connection.write((request.head() + head).as_bytes()).await;
        connection.write(&vec![b' '; 4_000_000]).await;
        connection.reply(&request).await.is(413, "body_too_large");
        assert!(!connection.more().await, "the connection is closed");
    }
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let server = Server::with(true, |config| {
        config.head_timeout_ms = 300;
        config.idle_timeout_ms = 900;
        config.body_timeout_ms = 300;
    })
    .await;
    // A head that never ends, a byte at a time.
    let mut loris = server.connect().await;
    let started = Instant::now();
    let head = hold("x").head();
    let mut closed = false;
    for byte in head.bytes().cycle() {
        use tokio::io::AsyncWriteExt as _;
        if loris.stream.write_all(&[byte]).await.is_err() {
            closed = true;
            break;
        }
        let mut buffer = [0; 100];
        if let Ok(Ok(0)) =
            tokio::time::timeout(Duration::from_millis(20), loris.stream.read(&mut buffer)).await
        {
            closed = true;
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "still open");
    }
    assert!(closed && started.elapsed() >= Duration::from_millis(300));
    // A body that never ends.
    let mut slow = server.connect().await;
    slow.write((hold("x").head() + "content-length: 50\r\n\r\n{").as_bytes())
        .await;
    slow.reply(&hold("x")).await.is(408, "request_timeout");
    // No request at all, and none after the first.
    for first in [false, true] {
        // The server's time runs from when it sees the connection, or has answered: both are later.
        let started = Instant::now();
        let mut idle = server.connect().await;
        if first {
            let request = Request::new("GET", "/health/live");
            idle.write(&request.bytes()).await;
            idle.reply(&request).await.is_ok();
        }
        assert!(!idle.more().await);
        assert!(started.elapsed() >= Duration::from_millis(600));
    }
    // A request that takes long is not idle.
    server.replica.knobs().keep_answers.store(true, SeqCst);
    let mut patient = server.connect().await;
    patient.write(&hold("patient").bytes()).await;
    tokio::time::sleep(Duration::from_millis(1600)).await;
    server.replica.let_go();
    assert_eq!(patient.reply(&hold("patient")).await.status, 201);
}

#[tokio::test]
async fn too_many_in_flight_are_turned_away_but_health_is_not() {
    let server = Server::with(true, |config| config.in_flight_max = 2).await;
    server.replica.knobs().keep_answers.store(true, SeqCst);
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    first.write(&hold("a").bytes()).await;
    second.write(&hold("b").bytes()).await;
    while server.replica.kept() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let third = server.send(hold("c")).await;
    third.is(429, "rate_limit_exceeded");
    assert!(third.header("ratelimit-reset").is_some());
    for path in ["/health/live", "/health/ready", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    server.replica.let_go();
    assert_eq!(first.reply(&hold("a")).await.status, 201);
    assert_eq!(second.reply(&hold("b")).await.status, 201);
    assert_eq!(server.send(hold("c")).await.status, 201);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let server = Server::with(true, |config| config.connections_max = 1).await;
    let request = Request::new("GET", "/health/live");
    let mut first = server.connect().await;
    first.write(&request.bytes()).await;
    first.reply(&request).await.is_ok();
    let mut second = server.connect().await;
    second.write(&request.bytes()).await;
    let early = tokio::time::timeout(Duration::from_millis(200), second.more()).await;
    assert!(early.is_err(), "answered beyond the bound");
    drop(first);
    second.reply(&request).await.is_ok();
}

#[tokio::test]
async fn garbage_is_not_http() {
    let server = Server::start().await;
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" as &[u8],
        b"GET\r\n\r\n",
        b"\r\n\r\n\0",
    ] {
        let mut connection = server.connect().await;
        connection.write(bytes).await;
        while connection.more().await {}
    }
    // An address that is too long: answered if the client listens, and closed.
    let mut connection = server.connect().await;
    let long = Request::new("GET", &format!("/search?{}", "x".repeat(70_000)));
    connection.write(&long.bytes()).await;
    while connection.more().await {}
    let text = String::from_utf8_lossy(&connection.buffer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    assert_eq!(server.get("/health/live").await.status, 200);
}
