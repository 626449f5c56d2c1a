//! Who may do what.

use crate::client::{Request, Server};
use crate::replica::KEY;

#[tokio::test]
async fn roles_by_call() {
    let server = Server::with_tokens().await;
    let hold = format!("/flights/{KEY}/holds");
    let flight = format!("/flights/{KEY}");
    let history = format!("/flights/{KEY}/history");
    // (method, path, who is let in)
    let everybody: &[&str] = &["client", "operator", "nyc", "lon"];
    let table: &[(&str, &str, &[&str])] = &[
        ("POST", &hold, &["client", "operator"]),
        ("POST", "/holds/x/confirm", &["client", "operator"]),
        ("POST", "/holds/x/release", &["client", "operator"]),
        ("POST", "/holds/x/cancel", &["client", "operator"]),
        ("POST", "/holds/batch", &["client", "operator"]),
        ("GET", &flight, everybody),
        ("GET", &history, everybody),
        (
            "GET",
            "/search?origin=EWR&destination=IAH&date=2027-01-05",
            everybody,
        ),
        ("GET", "/changes?view=nothing", everybody),
        ("POST", "/providers/nyc/events", &["nyc", "operator"]),
        (
            "POST",
            "/providers/nyc/files?format=canonical",
            &["nyc", "operator"],
        ),
        ("GET", "/providers/nyc/status", &["nyc", "operator"]),
        (
            "GET",
            "/health/live",
            &["", "x", "client", "operator", "nyc"],
        ),
        (
            "GET",
            "/health/ready",
            &["", "x", "client", "operator", "nyc"],
        ),
        (
            "GET",
            "/openapi.json",
            &["", "x", "client", "operator", "nyc"],
        ),
        ("GET", "/stream/digest", &["operator"]),
        // On loopback, as here.
        ("GET", "/metrics", &["", "x", "client", "operator", "nyc"]),
    ];
    for (method, path, let_in) in table {
        for token in ["", "x", "client", "operator", "nyc", "lon"] {
            let mut request = Request::new(method, path);
            if !token.is_empty() {
                request = request.token(token);
            }
            let reply = server.send(request).await;
            let open = let_in.contains(&"");
            match reply.status {
                401 if token.is_empty() && !open => {
                    reply.is(401, "missing_authorization_header");
                    assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
                }
                401 if token == "x" && !open => reply.is(401, "access_token_not_found"),
                403 => {
                    assert!(!let_in.contains(&token), "{method} {path} refuses {token}");
                    reply.is(403, "insufficient_permissions");
                }
                other => {
                    assert!(
                        open || let_in.contains(&token),
                        "{method} {path} lets {token} in"
                    );
                    assert!(other < 500, "{method} {path}: {other}");
                }
            }
        }
    }
}

#[tokio::test]
async fn malformed_authorization() {
    let server = Server::with_tokens().await;
    for value in ["client", "Basic abc", "Bearer", "Bearer ", "Bearer\tclient"] {
        let request = Request::new("GET", "/search").header("authorization", value);
        server
            .send(request)
            .await
            .is(401, "invalid_authorization_header");
    }
    // The scheme is read in any case.
    let request =
        Request::new("GET", &format!("/flights/{KEY}")).header("authorization", "bearer client");
    assert_eq!(server.send(request).await.status, 200);
}

#[tokio::test]
async fn holds_of_one_client_are_not_those_of_another() {
    let server = Server::with_tokens().await;
    let path = format!("/flights/{KEY}/holds");
    let body = r#"{"id":"a","cabin":"Y","seats":1}"#;
    let send = |request: Request, token: &str| server.send(request.token(token));
    let ask = || Request::new("POST", &path).json(body);
    let act = |path: &str| Request::new("POST", path);
    send(ask(), "client").await.is_ok();
    // The same name, another hold.
    let other = send(ask(), "other").await;
    assert_eq!(
        (other.status, other.header("idempotency-replayed")),
        (201, None)
    );
    let body = r#"{"id":"b","cabin":"Y","seats":1}"#;
    send(Request::new("POST", &path).json(body), "client")
        .await
        .is_ok();
    send(act("/holds/b/cancel"), "other")
        .await
        .is(404, "unknown_hold");

    // An operator finds any hold by its command id, which only histories and tables show.
    let history = send(
        Request::new("GET", &format!("/flights/{KEY}/history")),
        "operator",
    )
    .await
    .is_ok();
    let item = history["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["ref"] == "b")
        .unwrap();
    let seen = send(
        Request::new("GET", &format!("/flights/{KEY}/history")),
        "other",
    )
    .await
    .is_ok();
    let names: Vec<_> = seen["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["ref"].as_str())
        .collect();
    assert_eq!(names, ["a"], "only its own");
    send(Request::new("GET", "/changes?view=decision"), "other")
        .await
        .is(403, "insufficient_permissions");
    let by_id = format!("/holds/{}/cancel", item["command_id"].as_str().unwrap());
    send(act(&by_id), "other").await.is(404, "unknown_hold");
    send(act(&by_id), "client").await.is(404, "unknown_hold");
    assert_eq!(
        send(act(&by_id), "operator").await.is_ok()["state"],
        "cancelled"
    );
}
