//! The process ends, or a step fails, at every point at which something is promised on a write: afterwards
//! everything that was answered is there, once, and everything adds up. See `docs/failpoints.md`.
//!
//! A child, which is this test program again, runs a replica with a real stream and real tables, and does a fixed
//! piece of work; it says what it was answered. The parent starts a replica on what the child has left.

use std::path::Path;
use std::process::{Command as Process, Output, Stdio};
use std::sync::Arc;

use flightline_api::backend::{Submit, WebhookCall};
use flightline_connectors::payments::Sandbox;
use flightline_failpoints::Point;
use flightline_ledger::order::{OrderId, OrderState};
use flightline_ledger::{
    Command, CommandId, Decision, FlightCommand, HoldRequest, Outcome, Replay,
};
use flightline_runtime::checkpoint::CheckpointPolicy;
use flightline_sinks::postgres::{PrivateConfig, PrivatePostgres};

use super::world::{FARE_MINOR, PATIENCE, Setup, World, key, usd};

const A: &str = "UA1.2027-03-01.EWR";
const B: &str = "UA2.2027-03-05.IAH";

const FOLDER: &str = "FLIGHTLINE_FAILPOINT_FOLDER";
const DATABASE: &str = "FLIGHTLINE_FAILPOINT_DATABASE";

/// Points at which the process ends, and at which time there.
const ENDS: [(Point, u64); 31] = [
    (Point::StreamAppend, 1),
    (Point::StreamAppend, 3),
    (Point::StreamAppend, 9),
    (Point::StreamSynced, 1),
    (Point::StreamSynced, 3),
    (Point::StreamSynced, 9),
    (Point::StreamTrim, 1),
    (Point::CheckpointPart, 1),
    (Point::CheckpointPart, 4),
    (Point::CheckpointManifest, 1),
    (Point::CheckpointManifest, 2),
    (Point::CheckpointPublished, 1),
    (Point::CheckpointPublished, 2),
    (Point::CheckpointRemove, 1),
    (Point::TablesBegin, 1),
    (Point::TablesRows, 1),
    (Point::TablesCommit, 2),
    (Point::TablesCommitted, 1),
    (Point::EffectSeats, 1),
    (Point::EffectSeats, 3),
    (Point::EffectAsk, 1),
    (Point::EffectAsk, 2),
    (Point::EffectAnswered, 1),
    (Point::EffectAnswered, 2),
    (Point::EffectTicket, 1),
    (Point::EffectReport, 1),
    (Point::EffectReport, 4),
    (Point::KeysWrite, 1),
    (Point::KeysSynced, 1),
    (Point::WebhooksWrite, 1),
    (Point::WebhooksWritten, 1),
];

/// The stream is trimmed only where that is what is tried: `verify` folds from the first record.
fn trims(case: &str) -> bool {
    case.starts_with(Point::StreamTrim.name())
}

fn setup(database: String, case: &str) -> Setup {
    Setup {
        database: Some(database),
        checkpoints: CheckpointPolicy {
            every_records: 0,
            every: std::time::Duration::ZERO,
            keep: 1,
            trim: trims(case),
            ..CheckpointPolicy::default()
        },
        ..Setup::default()
    }
}

fn books(folder: &Path) -> Arc<Sandbox> {
    Arc::new(Sandbox::open(&folder.join("books")).unwrap())
}

fn say(what: &str) {
    use std::io::Write;
    // The pipe takes it in pieces; only a line with its end counts. The test runner writes in front of the first.
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nsaid {what} .").unwrap();
    out.flush().unwrap();
}

async fn hold(world: &World, id: u128) -> Decision {
    let answer = world.backend().submit(Submit {
        id: CommandId(id << 64 | 0xfa11),
        command: Command::Flight(
            key(A),
            FlightCommand::Hold(HoldRequest {
                provider: None,
                cabin: "Y".parse().unwrap(),
                class: None,
                board: None,
                off: None,
                seats: 1,
                ttl_ms: Some(3_600_000),
                expected_price: None,
                wait_ms: None,
            }),
        ),
        ref_text: None,
        actor: None,
    });
    answer.unwrap().await.unwrap().decision
}

/// Not a test of its own: what the parent runs.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let database = std::env::var(DATABASE).unwrap();
    let case = std::env::var("FLIGHTLINE_FAILPOINT").unwrap();
    let world = World::start_in(folder, books(folder), setup(database, &case)).await;
    let call = WebhookCall::Create {
        url: "http://127.0.0.1:9/".to_owned(),
        events: vec!["order.created".to_owned()],
    };
    let backend = world.backend();
    let created = tokio::task::spawn_blocking(move || backend.webhooks("shop", call));
    if created.await.unwrap().is_ok() {
        say("endpoint");
    }
    world.flight(A, 20).await;
    world.flight(B, 20).await;
    say("flights");
    for id in 0..3 {
        let decision = hold(&world, id).await;
        assert!(matches!(decision.outcome, Outcome::Held { .. }));
        say(&format!("held {id}"));
    }
    let first = world.instant(&[A, B], 2);
    if world.backend().seal(first.id, b"a person").is_ok() {
        say("sealed");
    }
    assert_eq!(world.create(&first).await.state, OrderState::Booked);
    say(&format!("booked {}", first.id));
    checkpoint(&world).await;
    let second = world.instant(&[A], 1);
    assert_eq!(world.create(&second).await.state, OrderState::Booked);
    say(&format!("booked {}", second.id));
    world.cancel_booking(second.id).await;
    say(&format!("cancelled {}", second.id));
    checkpoint(&world).await;
    world.stop().await;
    say("done");
}

/// One that fails changes nothing: the next one is another try.
async fn checkpoint(world: &World) {
    world.replica().flushed(PATIENCE).await.unwrap();
    for _ in 0..2 {
        if world.replica().checkpoint().await.is_ok() {
            return say("checkpoint");
        }
    }
    panic!("two checkpoints fail, and one was told to");
}

async fn run_child(folder: &Path, database: &str, plan: &str) -> Output {
    let program = std::env::current_exe().unwrap();
    let mut child = Process::new(program);
    child
        .args(["--exact", "failpoints::child", "--nocapture"])
        .env(FOLDER, folder)
        .env(DATABASE, database)
        .env("FLIGHTLINE_FAILPOINT", plan)
        .stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || child.output());
    ran.await.unwrap().unwrap()
}

/// A replica on what the child has left has everything that the child was answered, and goes on.
async fn recover(folder: &Path, database: String, said: &[String], case: &str) {
    let mut world = World::start_in(folder, books(folder), setup(database, case)).await;
    world.count_from(1_000);
    // Asks whose outcome nobody knows are asked again, until all orders have settled.
    for order in world.backend().serving().all_orders() {
        world.settled(order.order).await;
    }
    let has = |what: &str| said.iter().any(|line| line == what);
    for id in 0..3_u128 {
        if has(&format!("held {id}")) {
            let again = hold(&world, id).await;
            assert!(
                matches!(again.outcome, Outcome::Held { .. })
                    && matches!(again.replay, Replay::Same { .. }),
                "{case}: hold {id} was answered, and now {again:?}"
            );
        }
    }
    for line in said {
        let Some((what, order)) = line.split_once(' ') else {
            continue;
        };
        let is_over = has(&format!("cancelled {order}"));
        let Ok(order) = order.parse::<OrderId>() else {
            continue;
        };
        let state = world.row(order).await.state;
        let may = match what {
            "cancelled" => state == OrderState::Cancelled,
            // It may have been cancelled, and that not answered.
            "booked" => state == OrderState::Booked || state == OrderState::Cancelled || is_over,
            _ => true,
        };
        assert!(may, "{case}: {line}, and now it is {state:?}");
    }
    world.flight(A, 20).await;
    world.flight(B, 20).await;
    let order = world.instant(&[A, B], 1);
    assert_eq!(
        world.create(&order).await.state,
        OrderState::Booked,
        "{case}"
    );
    let booked = world.backend().serving().all_orders();
    let booked = booked
        .iter()
        .filter(|order| order.state == OrderState::Booked);
    let owed = booked.map(|order| {
        let seats: i64 = order.segments.iter().map(|s| i64::from(s.seats)).sum();
        seats * FARE_MINOR
    });
    assert_eq!(world.kept(), usd(owed.sum()), "{case}");
    checkpoint_works(&world, case).await;
    if !trims(case) {
        world.verify().await;
    }
    world.stop().await;
}

async fn checkpoint_works(world: &World, case: &str) {
    world.replica().flushed(PATIENCE).await.unwrap();
    let made = world.replica().checkpoint().await;
    assert!(made.is_ok(), "{case}: {made:?}");
}

struct Server {
    postgres: PrivatePostgres,
    folder: tempfile::TempDir,
}

async fn server() -> Server {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    // The server's account goes through it when the test runs as root.
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let private = PrivateConfig::new(folder.path());
    let started = tokio::task::spawn_blocking(move || PrivatePostgres::start(&private));
    Server {
        postgres: started.await.unwrap().unwrap(),
        folder,
    }
}

impl Server {
    /// A database that nobody has used.
    async fn database(&self, name: &str) -> String {
        let address = self.postgres.address();
        let (client, connection) = address
            .config()
            .connect(tokio_postgres::NoTls)
            .await
            .unwrap();
        let connected = tokio::spawn(connection);
        let create = format!("CREATE DATABASE \"{name}\"");
        client.batch_execute(&create).await.unwrap();
        drop(client);
        connected.await.unwrap().unwrap();
        let url = address.url();
        let (_, rest) = url.split_once("///").unwrap();
        let (_, rest) = rest.split_once('?').unwrap();
        format!("postgresql:///{name}?{rest}")
    }

    async fn case(&self, point: Point, what: &str, at: u64) {
        let case = format!("{}:{what}:{at}", point.name());
        let name = case.replace([':', '.'], "_");
        let database = self.database(&name).await;
        let folder = self.folder.path().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let output = run_child(&folder, &database, &case).await;
        let text = String::from_utf8_lossy(&output.stdout);
        let said = text.lines().filter_map(|line| line.strip_prefix("said "));
        let said = said.filter_map(|line| line.strip_suffix(" ."));
        let said: Vec<String> = said.map(str::to_owned).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.contains(&format!("failpoint {} reached", point.name())),
            "{case}: the child never got there; it said {said:?}\n{errors}"
        );
        let is_aborted = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(6);
        assert_eq!(is_aborted, what == "abort", "{case}: {}", output.status);
        assert!(!is_aborted || !said.iter().any(|line| line == "done"));
        recover(&folder, database, &said, &case).await;
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// Two at a time.
    async fn cases(&self, what: &str, cases: &[(Point, u64)]) {
        let (one, two): (Vec<_>, Vec<_>) = cases.iter().enumerate().partition(|(n, _)| n % 2 == 0);
        let run = async |cases: Vec<(usize, &(Point, u64))>| {
            for (_, (point, at)) in cases {
                self.case(*point, what, *at).await;
            }
        };
        tokio::join!(run(one), run(two));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_process_ends_what_was_answered_is_there() {
    let server = server().await;
    server.cases("abort", &ENDS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_step_fails_what_was_answered_is_there() {
    let server = server().await;
    // The opening of the stream is not let fail: there is nobody yet who could be told.
    let at = |point| match point {
        Point::StreamAppend | Point::StreamSynced => 5,
        _ => 1,
    };
    let cases: Vec<(Point, u64)> = Point::ALL.map(|point| (point, at(point))).to_vec();
    server.cases("error", &cases).await;
}

/// Every point is tried in both ways.
#[test]
fn no_point_is_left_out() {
    for point in Point::ALL {
        let tried = ENDS.iter().any(|(tried, _)| *tried == point);
        assert!(tried, "the process never ends at {}", point.name());
    }
}
