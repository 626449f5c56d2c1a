//! Health, metrics, addresses, request ids.

use std::sync::atomic::Ordering::SeqCst;

use serde_json::json;

use crate::client::{Request, Server};

#[tokio::test]
async fn health_tells_live_from_ready() {
    let server = Server::start().await;
    assert_eq!(
        server.get("/health/live").await.is_ok(),
        json!({"status": "live"})
    );
    let ready = server.get("/health/ready").await.is_ok();
    assert_eq!(ready["status"], "ready");
    server.replica.knobs().starting.store(true, SeqCst);
    let reply = server.get("/health/ready").await;
    assert_eq!(reply.status, 503);
    let part = json!({"name": "stream", "ready": false, "detail": "folding history"});
    assert_eq!(reply.json(), json!({"status": "starting", "parts": [part]}));
    assert_eq!(server.get("/health/live").await.status, 200);
}

#[tokio::test]
async fn what_the_stream_holds_is_told_by_partition() {
    let server = Server::start().await;
    let all = server.get("/stream/digest").await.is_ok();
    let partitions = all["partitions"].as_array().unwrap();
    assert_eq!(
        partitions[0],
        json!({
            "next_offset": 7,
            "stream_hash": "00000010000000000000000000000000",
            "state_hash": "00000000000000000000000000000002",
        })
    );
    let some: Vec<String> = (0..partitions.len()).map(|n| n.to_string()).collect();
    let path = format!("/stream/digest?until={}", some.join(","));
    let some = server.get(&path).await.is_ok();
    assert_eq!(some["partitions"][1]["next_offset"], 1);
    for bad in ["1", "x", "1,,2", "-1"] {
        let reply = server.get(&format!("/stream/digest?until={bad}")).await;
        assert_eq!(reply.status, 422, "{bad}");
        assert!(reply.text().contains("until"), "{bad}");
    }
}

#[tokio::test]
async fn metrics_count_by_call_and_status() {
    let server = Server::start().await;
    server.hold("a", 1).await.is_ok();
    server.hold("b", 99).await.is(409, "sold_out");
    server.get("/nowhere").await.is(404, "not_found");
    let reply = server.get("/metrics").await;
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let text = reply.text();
    for line in [
        "flightline_http_requests_total{route=\"/flights/{flight_key}/holds\",status=\"201\"} 1\n",
        "flightline_http_requests_total{route=\"/flights/{flight_key}/holds\",status=\"409\"} 1\n",
        "flightline_http_requests_total{route=\"none\",status=\"404\"} 1\n",
        "flightline_http_request_seconds_count{route=\"/flights/{flight_key}/holds\"} 2\n",
        "flightline_http_in_flight 1\n",
        "flightline_test 1\n",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there() {
    let server = Server::start().await;
    for path in [
        "/",
        "/flights",
        "/holds/",
        "/search/",
        "/providers/nyc",
        "/a/b/c/d/e/f",
    ] {
        server.get(path).await.is(404, "not_found");
    }
    for (method, path, allow) in [
        ("PUT", "/holds/batch", "POST"),
        ("PUT", "/holds/x", "GET, HEAD"),
        ("PUT", "/flights/x/holds", "POST"),
        ("DELETE", "/search", "GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
        ("OPTIONS", "/flights/x", "GET, HEAD"),
        ("BREW", "/search", "GET, HEAD"),
    ] {
        let reply = server.send(Request::new(method, path)).await;
        reply.is(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow));
    }
}

#[tokio::test]
async fn request_ids_come_back() {
    let server = Server::start().await;
    let ask = |id: &str| server.send(Request::new("GET", "/nowhere").header("x-request-id", id));
    let reply = ask("trace-1:a/b").await;
    assert_eq!(reply.header("x-request-id"), Some("trace-1:a/b"));
    assert_eq!(reply.json()["meta"]["request_id"], "trace-1:a/b");
    for bad in ["", "a b", &"x".repeat(129), "<script>"] {
        let reply = ask(bad).await;
        assert!(
            reply.header("x-request-id").unwrap().starts_with("req_"),
            "{bad}"
        );
    }
    let (a, b) = (
        server.get("/health/live").await,
        server.get("/health/live").await,
    );
    assert_ne!(a.header("x-request-id"), b.header("x-request-id"));
}
