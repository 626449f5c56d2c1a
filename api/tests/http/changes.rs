//! Following a view.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Connection, Request, Server};
use crate::replica::KEY;

#[derive(Debug, Default)]
struct Sse {
    id: Option<String>,
    event: String,
    data: Option<Value>,
}

struct Follower {
    connection: Connection,
    text: String,
}

impl Follower {
    async fn new(server: &Server, view: &str, last: Option<&str>) -> Self {
        let mut connection = server.connect().await;
        let mut request = Request::new("GET", &format!("/changes?view={view}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        connection.write(&request.bytes()).await;
        let (status, headers) = connection.reply_head().await;
        assert_eq!(status, 200);
        assert!(headers.contains(&("content-type".into(), "text/event-stream".into())));
        assert!(headers.iter().any(|(name, _)| name == "x-request-id"));
        Self {
            connection,
            text: String::new(),
        }
    }

    /// The next event; comments are skipped.
    async fn next(&mut self) -> Sse {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let text: String = self.text.drain(..end + 2).collect();
                let mut sse = Sse::default();
                for line in text
                    .lines()
                    .filter(|line| !line.starts_with(':') && !line.is_empty())
                {
                    match line.split_once(": ").unwrap() {
                        ("id", id) => sse.id = Some(id.into()),
                        ("event", name) => sse.event = name.into(),
                        ("data", data) => sse.data = Some(serde_json::from_str(data).unwrap()),
                        other => panic!("{other:?}"),
                    }
                }
                if sse.id.is_some() || sse.data.is_some() {
                    return sse;
                }
                continue;
            }
            let chunk = self.connection.chunk().await;
            assert!(!chunk.is_empty(), "the stream ended");
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    async fn until(&mut self, event: &str) -> Sse {
        loop {
            let sse = self.next().await;
            if sse.event == event {
                return sse;
            }
        }
    }
}

/// The change of a hold in the view `inventory`: held seats of cabin Y before and after.
fn held(sse: &Sse) -> Vec<(i64, i64)> {
    let changes = sse.data.as_ref().unwrap()["changes"].as_array().unwrap();
    let economy = changes
        .iter()
        .filter(|c| c["row"]["class"].is_null() && c["row"]["cabin"] == "Y");
    let mut out: Vec<_> = economy
        .map(|c| {
            (
                c["diff"].as_i64().unwrap(),
                c["row"]["held"].as_i64().unwrap(),
            )
        })
        .collect();
    out.sort_unstable();
    out
}

#[tokio::test]
async fn a_view_is_followed_and_resumed() {
    let server = Server::start().await;
    server.get(&format!("/flights/{KEY}")).await.is_ok();
    let mut follower = Follower::new(&server, "inventory", None).await;
    let reset = follower.next().await;
    assert_eq!(
        (reset.event.as_str(), &reset.data.unwrap()["view"]),
        ("reset", &json!("inventory"))
    );
    let rows = follower.next().await;
    assert_eq!(rows.event, "rows");
    let rows = rows.data.unwrap();
    assert!(
        rows["rows"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["flight_key"] == KEY && row["authorised"] == 10)
    );
    let ready = follower.until("ready").await;
    assert!(ready.id.is_some());

    server.hold("a", 2).await.is_ok();
    let first = follower.until("changes").await;
    assert_eq!(held(&first), [(-1, 0), (1, 2)]);
    server.hold("b", 1).await.is_ok();
    let second = follower.until("changes").await;
    assert_eq!(held(&second), [(-1, 2), (1, 3)]);
    drop(follower);

    // Back after the first: the second comes again, and nothing before it.
    server.hold("c", 1).await.is_ok();
    let mut follower = Follower::new(&server, "inventory", first.id.as_deref()).await;
    let again = follower.next().await;
    assert_eq!(
        (again.event.as_str(), &again.id, &again.data),
        ("changes", &second.id, &second.data)
    );
    let third = follower.until("changes").await;
    assert_eq!(held(&third), [(-1, 3), (1, 4)]);

    // An id of another run: begin anew.
    let mut follower = Follower::new(&server, "inventory", Some("0000000000000000-1")).await;
    assert_eq!(follower.next().await.event, "reset");
}

#[tokio::test]
async fn every_view_can_be_followed() {
    let server = Server::start().await;
    for view in flightline_sinks::serving::View::ALL {
        let mut follower = Follower::new(&server, view.name(), None).await;
        let reset = follower.next().await;
        assert_eq!(
            reset.data.unwrap()["rows_follow"],
            view.has_snapshot(),
            "{}",
            view.name()
        );
        follower.until("ready").await;
    }
    let mut decisions = Follower::new(&server, "decision", None).await;
    decisions.until("ready").await;
    server.hold("a", 99).await.is(409, "sold_out");
    let change = decisions.until("changes").await;
    let row = change.data.unwrap()["changes"][0]["row"].clone();
    assert_eq!(
        (&row["kind"], &row["outcome"], &row["reason"], &row["ref"]),
        (
            &json!("hold"),
            &json!("refused"),
            &json!("sold_out"),
            &json!("a")
        )
    );
}

#[tokio::test]
async fn heartbeats_move_the_id_on() {
    let server = Server::with(true, |config| config.heartbeat_ms = 50).await;
    server.get(&format!("/flights/{KEY}")).await.is_ok();
    let mut follower = Follower::new(&server, "feed_reject", None).await;
    let ready = follower.until("ready").await;
    server.hold("a", 1).await.is_ok();
    let beat = tokio::time::timeout(Duration::from_secs(5), follower.next())
        .await
        .unwrap();
    assert!(
        beat.data.is_none() && beat.id.is_some() && beat.id != ready.id,
        "{beat:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_followed() {
    let server = Server::with(true, |config| config.followers_max = 1).await;
    server.get("/changes").await.is(422, "validation_required");
    let unknown = server.get("/changes?view=orders").await;
    unknown.is(422, "unknown_view");
    assert!(unknown.message().contains("offers"));
    let bad = Request::new("GET", "/changes?view=offers").header("last-event-id", "x");
    server.send(bad).await.is(400, "bad_request");
    let _one = Follower::new(&server, "offers", None).await;
    server
        .get("/changes?view=offers")
        .await
        .is(429, "rate_limit_exceeded");
}
