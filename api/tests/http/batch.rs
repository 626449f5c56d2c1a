//! Many holds over one connection.

use std::io::Write as _;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::client::{Connection, Reply, Request, Server, fits, is_error};
use crate::replica::{KEY, LEGS};

fn line(flight: &str, id: &str, seats: u16) -> String {
    format!("{{\"flight_key\":\"{flight}\",\"id\":\"{id}\",\"cabin\":\"Y\",\"seats\":{seats}}}\n")
}

fn request(body: &[u8]) -> Request {
    Request::new("POST", "/holds/batch")
        .header("content-type", "application/x-ndjson")
        .body(body)
}

/// Every line is a hold or an error, as the document describes them.
fn check(reply: &Reply) -> Vec<Value> {
    let document: Value = serde_json::from_str(flightline_api::openapi_json()).unwrap();
    let lines = reply.lines();
    for line in &lines {
        let name = if line.get("errors").is_some() {
            "Errors"
        } else {
            "Hold"
        };
        fits(
            &document,
            &document["components"]["schemas"][name],
            line,
            name,
        );
        if name == "Errors" {
            let status = line["meta"]["status"].as_u64().unwrap() as u16;
            is_error(line, status, reply.header("x-request-id").unwrap());
        }
    }
    lines
}

fn code(line: &Value) -> &str {
    line["errors"][0]["code"].as_str().unwrap_or("held")
}

#[tokio::test]
async fn answers_come_in_order_and_bad_lines_stop_nothing() {
    let server = Server::start().await;
    let mut body = line(KEY, "a", 4);
    body += "this is not json\n\n   \n";
    body += &line(KEY, "b", 4);
    body += "{\"flight_key\":\"UA9.2027-01-05.EWR\",\"cabin\":\"Y\",\"seats\":1}\n";
    body += &line(KEY, "c", 4);
    body += &format!("{{\"x\":\"{}\"}}\n", "x".repeat(70_000));
    body += &line("UA9", "d", 4);
    body += &line(KEY, "e", 2).replace('\n', "\r\n");
    body += line(LEGS, "a", 1).trim_end();
    let reply = server.send(request(body.as_bytes())).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/x-ndjson"))
    );
    let lines = check(&reply);
    let codes: Vec<_> = lines.iter().map(code).collect();
    assert_eq!(
        codes,
        [
            "held",
            "bad_request",
            "held",
            "unknown_flight",
            "sold_out",
            "body_too_large",
            "validation_format",
            "held",
            "idempotency_key_reused"
        ]
    );
    let numbers: Vec<_> = lines
        .iter()
        .filter_map(|line| line["meta"]["line"].as_u64())
        .collect();
    assert_eq!(numbers, [2, 6, 7, 8, 9, 11]);
    assert_eq!(lines[4]["errors"][0]["available"], 2);
    assert_eq!(lines[7]["id"], "e");

    // All of it again: the same answers, and said to be.
    let again = server.send(request(body.as_bytes())).await;
    let lines = check(&again);
    assert_eq!(lines.iter().map(code).collect::<Vec<_>>(), codes);
    assert_eq!(lines[0]["idempotency_replayed"], true);
    let only = server.send(request(line(KEY, "a", 4).as_bytes())).await;
    assert_eq!(only.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn an_empty_batch_has_an_empty_answer() {
    let server = Server::start().await;
    for body in ["", "\n\n"] {
        let reply = server.send(request(body.as_bytes())).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0));
    }
    let html = Request::new("POST", "/holds/batch")
        .header("content-type", "text/html")
        .body(b"x");
    server
        .send(html)
        .await
        .is(415, "invalid_content_type_header");
    let brotli = request(b"x").header("content-encoding", "br");
    server
        .send(brotli)
        .await
        .is(415, "invalid_content_encoding_header");
}

#[tokio::test]
async fn a_key_names_the_lines_without_an_id() {
    let server = Server::start().await;
    let body = "{\"flight_key\":\"UA1545.2027-01-05.EWR\",\"cabin\":\"Y\",\"seats\":1}\n".repeat(3);
    let first = server
        .send(request(body.as_bytes()).header("idempotency-key", "night"))
        .await;
    let ids: Vec<_> = check(&first)
        .iter()
        .map(|line| line["id"].clone())
        .collect();
    assert_eq!(ids, ["night:1", "night:2", "night:3"]);
    let again = server
        .send(request(body.as_bytes()).header("idempotency-key", "night"))
        .await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let flight = server.get(&format!("/flights/{KEY}")).await.is_ok();
    assert_eq!(flight["legs"][0]["cabins"][1]["held"], 3);
    let single = Request::new("POST", &format!("/flights/{KEY}/holds"))
        .header("idempotency-key", "night")
        .json(r#"{"cabin":"Y","seats":1}"#);
    server.send(single).await.is(409, "idempotency_key_reused");
    let long = request(b"").header("idempotency-key", &"k".repeat(181));
    server.send(long).await.is(400, "invalid_idempotency_key");
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let server = Server::start().await;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed
        .write_all(line(KEY, "a", 1).repeat(2).as_bytes())
        .unwrap();
    let packed = packed.finish().unwrap();
    let reply = server
        .send(request(&packed).header("content-encoding", "gzip"))
        .await;
    assert_eq!(check(&reply).len(), 2);
    let cut = request(&packed[..packed.len() - 9]).header("content-encoding", "gzip");
    let reply = server.send(cut).await;
    // What could be unpacked is answered; then it is said that the rest is missing.
    if reply.status == 200 {
        assert_eq!(code(check(&reply).last().unwrap()), "bad_request");
    } else {
        reply.is(400, "bad_request");
    }
    let plain = request(b"{}").header("content-encoding", "gzip");
    server.send(plain).await.is(400, "bad_request");
}

fn chunked() -> String {
    request(b"").head() + "transfer-encoding: chunked\r\n\r\n"
}

async fn send_chunk(connection: &mut Connection, bytes: &str) {
    connection
        .write(format!("{:x}\r\n{bytes}\r\n", bytes.len()).as_bytes())
        .await;
}

#[tokio::test]
async fn answers_come_while_the_client_sends() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.write(chunked().as_bytes()).await;
    for n in 0..3 {
        // Half a line, and the rest a little later.
        let text = line(KEY, &format!("s{n}"), 1);
        let (begin, end) = text.split_at(20);
        send_chunk(&mut connection, begin).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        send_chunk(&mut connection, end).await;
        if n == 0 {
            let (status, _) = connection.reply_head().await;
            assert_eq!(status, 200);
        }
        let chunk = connection.chunk().await;
        let answer: Value = serde_json::from_slice(&chunk).unwrap();
        assert_eq!(answer["id"], json!(format!("s{n}")));
    }
    connection.write(b"0\r\n\r\n").await;
    assert_eq!(connection.chunk().await, b"");
    // The connection goes on with the next request.
    let next = Request::new("GET", "/health/live");
    connection.write(&next.bytes()).await;
    assert_eq!(connection.reply(&next).await.status, 200);
}

#[tokio::test]
async fn many_lines_over_several_slabs() {
    let server = Server::start().await;
    server.replica.schedule("UA100.2027-01-05.EWR", 1500);
    let lines = 3500;
    let body: String = (0..lines)
        .map(|n| line("UA100.2027-01-05.EWR", &format!("n{n}"), 1))
        .collect();
    // Read while writing, as a client should.
    let stream = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let (read, mut write) = stream.into_split();
    let bytes = request(body.as_bytes()).bytes();
    let writer = tokio::spawn(async move {
        write.write_all(&bytes).await.unwrap();
        write
    });
    let write = writer.await.unwrap();
    let mut connection = Connection {
        stream: read.reunite(write).unwrap(),
        buffer: vec![],
    };
    let reply = connection.reply(&request(b"")).await;
    let answers = check(&reply);
    assert_eq!(answers.len(), lines);
    for (n, answer) in answers.iter().enumerate() {
        if n < 1500 {
            assert_eq!(answer["id"], json!(format!("n{n}")));
        } else {
            assert_eq!(
                (code(answer), &answer["meta"]["line"]),
                ("sold_out", &json!(n + 1))
            );
        }
    }
}

#[tokio::test]
async fn a_full_stream_is_waited_for() {
    let server = Server::start().await;
    server.replica.knobs().overloaded.store(3, SeqCst);
    let body = line(KEY, "a", 1) + &line(KEY, "b", 1);
    let reply = server.send(request(body.as_bytes())).await;
    assert_eq!(
        check(&reply).iter().map(code).collect::<Vec<_>>(),
        ["held", "held"]
    );
    server.replica.knobs().unavailable.store(true, SeqCst);
    server
        .send(request(line(KEY, "c", 1).as_bytes()))
        .await
        .is(503, "service_unavailable");
    server.replica.knobs().unavailable.store(false, SeqCst);
    let server = Server::with(true, |config| config.request_timeout_ms = 100).await;
    server.replica.knobs().overloaded.store(u32::MAX, SeqCst);
    server
        .send(request(line(KEY, "c", 1).as_bytes()))
        .await
        .is(429, "rate_limit_exceeded");
}

#[tokio::test]
async fn trouble_in_the_middle_is_told_line_by_line() {
    let server = Server::with(true, |config| config.request_timeout_ms = 300).await;
    let knobs = server.replica.knobs();
    let mut connection = server.connect().await;
    connection.write(chunked().as_bytes()).await;
    send_chunk(&mut connection, &line(KEY, "a", 1)).await;
    assert_eq!(connection.reply_head().await.0, 200);
    assert!(connection.chunk().await.starts_with(b"{\"id\":\"a\""));
    let mut next = async |text: &str| -> Value {
        send_chunk(&mut connection, text).await;
        serde_json::from_slice(&connection.chunk().await).unwrap()
    };
    knobs.unavailable.store(true, SeqCst);
    assert_eq!(code(&next(&line(KEY, "b", 1)).await), "service_unavailable");
    knobs.unavailable.store(false, SeqCst);
    knobs.lose_answers.store(true, SeqCst);
    assert_eq!(code(&next(&line(KEY, "c", 1)).await), "service_unavailable");
    knobs.lose_answers.store(false, SeqCst);
    knobs.keep_answers.store(true, SeqCst);
    assert_eq!(
        code(&next(&line(KEY, "d", 1)).await),
        "gateway_timeout_error"
    );
    server.replica.let_go();
    let again = next(&line(KEY, "d", 1)).await;
    assert_eq!(
        (code(&again), &again["idempotency_replayed"]),
        ("held", &json!(true))
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_last() {
    let server = Server::with(true, |config| config.body_timeout_ms = 200).await;
    let mut connection = server.connect().await;
    connection.write(chunked().as_bytes()).await;
    send_chunk(&mut connection, &line(KEY, "a", 1)).await;
    send_chunk(&mut connection, "{\"flight_key\":").await;
    assert_eq!(connection.reply_head().await.0, 200);
    assert!(connection.chunk().await.starts_with(b"{\"id\":\"a\""));
    let last: Value = serde_json::from_slice(&connection.chunk().await).unwrap();
    assert_eq!(
        (code(&last), &last["meta"]["line"]),
        ("request_timeout", &json!(2))
    );
    assert_eq!(connection.chunk().await, b"");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    let server = Server::with(true, |config| {
        config.batch_unread_bytes_max = 64 << 10;
        config.write_timeout_ms = 700;
    })
    .await;
    let connection = server.connect().await;
    let mut stream = connection.stream;
    stream.write_all(chunked().as_bytes()).await.unwrap();
    // Lines that are cheap to refuse, so that only the bound on answers can stop them.
    let text = "x\n".repeat(4000);
    let chunk = format!("{:x}\r\n{text}\r\n", text.len());
    let flood = async {
        let mut sent = 0_u64;
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len() as u64;
            assert!(sent < 1 << 30, "read without end");
        }
        sent
    };
    // It stops being read, and is closed in the end.
    let sent = tokio::time::timeout(Duration::from_secs(20), flood)
        .await
        .expect("closed");
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    assert_eq!(server.get("/health/live").await.status, 200);
}
