//! Headers, bodies and errors.

use serde_json::json;

use super::{Booking, one_way, post, request};
use crate::client::Request;

#[tokio::test]
async fn a_version_is_required_whatever_the_address() {
    let booking = Booking::start().await;
    let get = |path: &str| Request::new("GET", path);
    let reply = booking.server.send(get("/air/airlines")).await;
    reply.is(400, "missing_version_header");
    let v3 = get("/air/airlines").header("duffel-version", "v3");
    booking.server.send(v3).await.is(400, "unsupported_version");
    let v1 = get("/air/airlines").header("duffel-version", "v1");
    assert_eq!(booking.server.send(v1).await.status, 200);
    let html = request("GET", "/air/airlines");
    let html = Request {
        headers: vec![
            ("duffel-version".into(), "v2".into()),
            ("accept".into(), "text/html".into()),
        ],
        ..html
    };
    booking
        .server
        .send(html)
        .await
        .is(406, "unsupported_format");
    booking.get("/air/nothing").await.is(404, "not_found");
    let delete = request("DELETE", "/air/airlines");
    booking
        .server
        .send(delete)
        .await
        .is(405, "method_not_allowed");
}

#[tokio::test]
async fn every_answer_says_what_is_left() {
    let booking = Booking::start().await;
    for path in ["/air/airlines", "/air/offers/off_x", "/places/nothing"] {
        let reply = booking.get(path).await;
        let number = |name| reply.header(name).unwrap().parse::<u64>().unwrap();
        assert!(
            number("ratelimit-remaining") < number("ratelimit-limit"),
            "{path}"
        );
        assert!(
            reply.header("ratelimit-reset").unwrap().ends_with(" GMT"),
            "{path}"
        );
        assert!(reply.header("x-request-id").is_some(), "{path}");
    }
    // The other calls of the system are as they were.
    let reply = booking.server.get("/health/live").await;
    assert!(reply.header("ratelimit-limit").is_none());
}

#[tokio::test]
async fn bodies_are_wrapped_json() {
    let booking = Booking::start().await;
    let with = |body: &str| request("POST", "/air/offer_requests").body(body.as_bytes());
    for (body, code) in [
        ("", "missing_data_param"),
        ("{}", "missing_data_param"),
        (r#"{"data":3}"#, "invalid_data_param"),
        ("[]", "malformed_data_param"),
        (r#"{"data":"#, "bad_request"),
    ] {
        booking.server.send(with(body)).await.is(400, code);
    }
    let body = json!({"data": one_way()}).to_string();
    let bare = Request::new("POST", "/air/offer_requests").header("duffel-version", "v2");
    let untyped = bare.clone().body(body.as_bytes());
    booking
        .server
        .send(untyped)
        .await
        .is(400, "missing_content_type_header");
    let text = bare
        .header("content-type", "text/plain")
        .body(body.as_bytes());
    booking
        .server
        .send(text)
        .await
        .is(400, "invalid_content_type_header");
    let large = with(&format!(r#"{{"data":{{"x":"{}"}}}}"#, "x".repeat(300_000)));
    booking.server.send(large).await.is(413, "body_too_large");
}

#[tokio::test]
async fn a_slash_at_the_end_means_nothing() {
    let booking = Booking::start().await;
    let mut slash = post(&one_way());
    slash.path =
        "/air/offer_requests/?return_offers=false&supplier_timeout=2000&view=offers".into();
    let reply = booking.server.send(slash).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert!(reply.json()["data"].get("offers").is_none());
    for (query, field) in [
        ("return_offers=yes", "return_offers"),
        ("supplier_timeout=1999", "supplier_timeout"),
        ("view=all", "view"),
    ] {
        let mut wrong = post(&one_way());
        wrong.path = format!("/air/offer_requests?{query}");
        let reply = booking.server.send(wrong).await;
        reply.is(422, "validation_inclusion");
        assert_eq!(reply.json()["errors"][0]["source"]["field"], field);
    }
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let booking = Booking::with_auth(false, |_| {}).await;
    booking
        .get("/air/airlines")
        .await
        .is(401, "missing_authorization_header");
    let wrong = post(&one_way()).token("nobody");
    booking
        .server
        .send(wrong)
        .await
        .is(401, "access_token_not_found");
    let mine = booking
        .server
        .send(post(&one_way()).token("client"))
        .await
        .is_ok();
    let offer = mine["data"]["offers"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/air/offers/{offer}");
    let get = |token: &str| request("GET", &path).token(token);
    assert_eq!(booking.server.send(get("client")).await.status, 200);
    booking.server.send(get("other")).await.is(404, "not_found");
    let list = |token: &str| request("GET", "/air/offer_requests").token(token);
    let count = |reply: crate::client::Reply| reply.is_ok()["data"].as_array().unwrap().len();
    assert_eq!(count(booking.server.send(list("client")).await), 1);
    assert_eq!(count(booking.server.send(list("other")).await), 0);
}
