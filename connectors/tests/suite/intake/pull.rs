//! Answers that are fetched from a real server on a real socket.

use std::sync::Arc;
use std::time::Duration;

use flightline_connectors::intake::source::Doing;
use flightline_connectors::intake::{Pull, PullConfig, Source, SourceState};
use flightline_connectors::webhooks::ManualClock;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Desk, desk, kind, line};
use crate::http::{Request, Response, read_request};

/// What the server does with a request.
enum Act {
    Answer(Response),
    /// Says how long the answer is, and breaks off in its middle.
    BreakOff,
}

type Script = dyn Fn(&Request, usize) -> Act + Send + Sync;

struct World {
    clock: ManualClock,
    desk: Arc<Desk>,
    seen: Arc<Mutex<Vec<Request>>>,
    source: Source,
    stop: watch::Sender<bool>,
    pulling: tokio::task::JoinHandle<()>,
}

/// 2027-01-01 at 08:00.
const START_MS: i64 = 1_798_790_400_000;

impl World {
    async fn start(
        configure: impl FnOnce(PullConfig) -> PullConfig,
        script: impl Fn(&Request, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(desk(), configure, script).await
    }

    async fn start_at(
        desk: Arc<Desk>,
        configure: impl FnOnce(PullConfig) -> PullConfig,
        script: impl Fn(&Request, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let theirs = seen.clone();
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, seen) = (script.clone(), theirs.clone());
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else {
                        return;
                    };
                    let act = {
                        let mut seen = seen.lock();
                        seen.push(request);
                        script(&seen[seen.len() - 1], seen.len() - 1)
                    };
                    let bytes = match act {
                        Act::Answer(response) => response.bytes(),
                        Act::BreakOff => {
                            let bytes = Response::new(200, line(1) + &line(2)).bytes();
                            bytes[..bytes.len() - line(2).len()].to_vec()
                        }
                    };
                    let _ = stream.write_all(&bytes).await;
                });
            }
        });
        let clock = ManualClock::at(START_MS);
        let mut config = configure(PullConfig::new("/feed", Duration::from_secs(600)));
        config.url = format!("{base}{}", config.url);
        let pull = Pull::new(config, kind(), desk.clone(), Arc::new(clock.clone())).unwrap();
        let source = pull.source();
        let (stop, stopped) = watch::channel(false);
        Self {
            clock,
            desk,
            seen,
            source,
            stop,
            pulling: tokio::spawn(pull.run(stopped)),
        }
    }

    /// Waits, in real time, until the way in stands as wished.
    async fn until(&self, wish: impl Fn(&SourceState) -> bool) -> SourceState {
        for _ in 0..6_000 {
            let state = self.source.state();
            if wish(&state) {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to that: {:?}", self.source.state());
    }

    /// Moves the clock on, bit by bit, until the way in stands as wished.
    async fn advance_until(&self, step_s: u64, wish: impl Fn(&SourceState) -> bool) -> SourceState {
        for _ in 0..6_000 {
            let state = self.source.state();
            if wish(&state) {
                return state;
            }
            self.clock.advance(Duration::from_secs(step_s));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to that: {:?}", self.source.state());
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(60), self.pulling)
            .await
            .expect("it stops")
            .unwrap();
    }
}

fn ok(number: u32) -> Act {
    Act::Answer(Response::new(200, line(number)))
}

#[tokio::test]
async fn an_answer_is_fetched_on_schedule_and_not_read_again_while_it_has_not_changed() {
    let world = World::start(
        |config| PullConfig {
            token: Some("s3cret".into()),
            headers: vec![("duffel-version".into(), "v2".into())],
            ..config
        },
        |request, _| match request.header("if-none-match") {
            Some("\"one\"") => Act::Answer(Response::new(304, "")),
            _ => Act::Answer(Response::new(200, line(1)).with("etag", "\"one\"")),
        },
    )
    .await;
    world.until(|state| state.taken == 1).await;
    for rounds in 1..=3 {
        world.until(|state| state.doing == Doing::Waiting).await;
        assert_eq!(world.seen.lock().len(), rounds);
        world.clock.advance(Duration::from_secs(599));
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(world.seen.lock().len(), rounds, "asked too early");
        world.clock.advance(Duration::from_secs(1));
        world.until(|state| state.unchanged == rounds as u64).await;
    }
    for request in world.seen.lock().iter() {
        assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
        assert_eq!(request.header("duffel-version"), Some("v2"));
        assert_eq!(request.method, "GET");
    }
    assert_eq!(world.desk.handed.lock().len(), 1);
    assert!(!format!("{:?}", world.source).contains("s3cret"));
    world.stop().await;
}

#[tokio::test]
async fn each_coming_day_is_asked_for_and_the_rate_limit_is_kept() {
    let world = World::start(
        |config| PullConfig {
            url: "/air/offer_requests".into(),
            body: Some(r#"{"date":"{date}"}"#.into()),
            days: Some("1..3".parse().unwrap()),
            gap: Duration::from_secs(5),
            ..config
        },
        |_, at| ok(at as u32 + 1),
    )
    .await;
    for asked in 1..=3 {
        world.until(|state| state.taken == asked).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(world.seen.lock().len() as u64, asked, "faster than allowed");
        world.clock.advance(Duration::from_secs(5));
    }
    let bodies: Vec<_> = world
        .seen
        .lock()
        .iter()
        .map(|request| {
            assert_eq!(request.method, "POST");
            String::from_utf8(request.raw.clone()).unwrap()
        })
        .collect();
    for (body, day) in bodies
        .iter()
        .zip(["2027-01-02", "2027-01-03", "2027-01-04"])
    {
        assert!(body.contains(&format!("{{\"date\":\"{day}\"}}")), "{body}");
    }
    world.stop().await;
}

#[tokio::test]
async fn failures_are_tried_again_and_a_provider_that_is_down_is_left_alone() {
    let world = World::start(
        |config| config,
        |_, at| match at {
            0 => Act::BreakOff,
            1..=8 => Act::Answer(Response::new(503, "").with("retry-after", "120")),
            _ => ok(1),
        },
    )
    .await;
    let state = world.until(|state| state.failed == 1).await;
    assert_eq!(state.doing, Doing::BackingOff);
    assert!(state.last_error.unwrap().contains("broke off"));
    assert!(
        world.desk.names().is_empty(),
        "half an answer was handed in"
    );
    let state = world.advance_until(10, |state| state.failed == 5).await;
    assert_eq!(state.doing, Doing::Open);
    // Retry-After kept: four pauses of which three were of 120 s.
    assert!(flightline_connectors::webhooks::Clock::now_ms(&world.clock) >= START_MS + 361_000);
    let state = world.advance_until(60, |state| state.taken == 1).await;
    assert_eq!((state.failed, state.last_error), (9, None));
    world.until(|state| state.doing == Doing::Waiting).await;
    world.stop().await;
}

#[tokio::test]
async fn a_day_that_is_refused_or_fails_holds_up_no_other() {
    let world = World::start(
        |config| PullConfig {
            url: "/offers?on={date}".into(),
            days: Some("0..3".parse().unwrap()),
            gap: Duration::ZERO,
            ..config
        },
        |request, at| match request.field("on").unwrap() {
            "2027-01-01" => Act::Answer(Response::new(404, "")),
            "2027-01-02" => Act::Answer(Response::new(500, "")),
            _ => ok(at as u32),
        },
    )
    .await;
    let state = world
        .advance_until(1, |state| state.taken == 2 && state.failed == 5)
        .await;
    assert_eq!(state.refused, 1);
    let asked = |day: &str| {
        let seen = world.seen.lock();
        seen.iter().filter(|r| r.field("on") == Some(day)).count()
    };
    assert_eq!(
        ["2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04"].map(asked),
        [1, 5, 1, 1]
    );
    world.stop().await;
}

#[tokio::test]
async fn an_answer_of_which_nothing_is_of_use_is_told_as_refused() {
    let world = World::start(
        |config| config,
        |_, _| Act::Answer(Response::new(200, "<html>Sign in</html>\n")),
    )
    .await;
    let state = world.until(|state| state.refused == 1).await;
    assert_eq!(state.taken, 0);
    let why = state.last_error.unwrap();
    assert!(
        why.contains("every record of the answer was rejected"),
        "{why}"
    );
    world.stop().await;
}

#[tokio::test]
async fn what_the_replica_cannot_take_now_is_handed_in_again_without_asking_the_provider_again() {
    let desk = desk();
    *desk.later.lock() = 4;
    let world = World::start_at(desk, |config| config, |_, _| ok(1)).await;
    let state = world.advance_until(1, |state| state.taken == 1).await;
    assert_eq!((state.failed, world.seen.lock().len()), (4, 1));
    world.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_and_a_stop_ends_a_wait() {
    let world = World::start(
        |config| PullConfig {
            bytes_max: 10,
            ..config
        },
        |_, _| ok(1),
    )
    .await;
    let state = world.until(|state| state.refused == 1).await;
    assert!(state.last_error.unwrap().contains("longer than 10 bytes"));
    world.stop().await;
}

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    let new = |change: &dyn Fn(&mut PullConfig)| {
        let mut config = PullConfig::new("http://127.0.0.1:1/x", Duration::from_secs(1));
        change(&mut config);
        let clock = Arc::new(ManualClock::at(0));
        Pull::new(config, kind(), desk(), clock).map(|_| ())
    };
    assert!(new(&|_| ()).is_ok());
    type Change = &'static dyn Fn(&mut PullConfig);
    let wrong: [(Change, &str); 6] = [
        (&|c| c.url = "feed".into(), "not an http or https address"),
        (&|c| c.url = "ftp://a/b".into(), "must begin with http"),
        (&|c| c.url = "https://me:pw@a/b".into(), "token_env"),
        (&|c| c.url = "https://a/{date}".into(), "days = \"1..30\""),
        (
            &|c| c.days = "1..2".parse().ok(),
            "neither in url nor in body",
        ),
        (
            &|c| c.headers = vec![("a b".into(), "x".into())],
            "the header a b",
        ),
    ];
    for (change, want) in wrong {
        let error = new(change).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}
