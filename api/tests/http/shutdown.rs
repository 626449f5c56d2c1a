//! Shutting down answers everything in flight.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::client::{Request, Server};
use crate::replica::KEY;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn hold(id: &str) -> Request {
    let body = format!(r#"{{"id":"{id}","cabin":"Y","seats":1}}"#);
    Request::new("POST", &format!("/flights/{KEY}/holds")).json(&body)
}

#[tokio::test]
async fn requests_in_flight_are_answered() {
    let mut server = Server::start().await;
    server.replica.knobs().keep_answers.store(true, SeqCst);
    let mut waiting = Vec::new();
    for n in 0..8 {
        let mut connection = server.connect().await;
        connection.write(&hold(&format!("s{n}")).bytes()).await;
        waiting.push(connection);
    }
    let mut idle = server.connect().await;
    let live = Request::new("GET", "/health/live");
    idle.write(&live.bytes()).await;
    idle.reply(&live).await.is_ok();
    let mut follower = server.connect().await;
    follower
        .write(&Request::new("GET", "/changes?view=offers").bytes())
        .await;
    assert_eq!(follower.reply_head().await.0, 200);
    while server.replica.kept() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop();
    // Idle connections and streams end at once, new ones are refused.
    assert!(!idle.more().await);
    while follower.more().await {}
    assert!(TcpStream::connect(server.addr).await.is_err());
    assert!(!server.ended.is_finished());
    server.replica.let_go();
    for (n, mut connection) in waiting.into_iter().enumerate() {
        let reply = connection.reply(&hold("")).await;
        assert_eq!(reply.is_ok()["id"], format!("s{n}"));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(!connection.more().await);
    }
    let drained = tokio::time::timeout(PATIENCE, server.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(drained.killed, 0);
}

#[tokio::test]
async fn a_batch_under_way_is_finished() {
    let mut server = Server::start().await;
    let mut connection = server.connect().await;
    let request =
        Request::new("POST", "/holds/batch").header("content-type", "application/x-ndjson");
    connection
        .write((request.head() + "transfer-encoding: chunked\r\n\r\n").as_bytes())
        .await;
    let line = |id: &str| {
        let line =
            format!("{{\"flight_key\":\"{KEY}\",\"id\":\"{id}\",\"cabin\":\"Y\",\"seats\":1}}\n");
        format!("{:x}\r\n{line}\r\n", line.len())
    };
    connection.write(line("a").as_bytes()).await;
    assert_eq!(connection.reply_head().await.0, 200);
    assert!(connection.chunk().await.starts_with(b"{\"id\":\"a\""));
    server.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    connection.write(line("b").as_bytes()).await;
    assert!(connection.chunk().await.starts_with(b"{\"id\":\"b\""));
    connection.write(b"0\r\n\r\n").await;
    assert_eq!(connection.chunk().await, b"");
    let drained = tokio::time::timeout(PATIENCE, server.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(drained.killed, 0);
}

#[tokio::test]
async fn the_drain_has_a_bound() {
    let mut server = Server::with(true, |config| config.drain_timeout_ms = 300).await;
    server.replica.knobs().keep_answers.store(true, SeqCst);
    let mut stuck = server.connect().await;
    stuck.write(&hold("stuck").bytes()).await;
    while server.replica.kept() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop();
    let drained = tokio::time::timeout(PATIENCE, server.ended)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(drained.killed, 1);
    assert!(!stuck.more().await);
}
