//! A start goes on from a checkpoint: the same answers, rows and orders as if it had folded everything,
//! whatever became of the checkpoints and the tables in between.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flightline_api::backend::{Submit, SubmitError};
use flightline_ledger::order::{OrderAction, OrderState, Payment};
use flightline_ledger::{Command, CommandId, Decision, FlightCommand, HoldRequest, Replay};
use flightline_runtime::checkpoint::CheckpointPolicy;

use super::world::{PATIENCE, World, key, usd};

const A: &str = "UA1.2027-03-01.EWR";
const B: &str = "UA2.2027-03-05.IAH";
const UNKNOWN: &str = "UA9.2027-03-05.IAH";

/// Checkpoints only when they are asked for.
fn by_hand(keep: usize) -> CheckpointPolicy {
    CheckpointPolicy {
        every_records: 0,
        every: Duration::ZERO,
        keep,
        ..CheckpointPolicy::default()
    }
}

fn hold(seats: u16) -> FlightCommand {
    FlightCommand::Hold(HoldRequest {
        provider: None,
        cabin: "Y".parse().unwrap(),
        class: None,
        board: None,
        off: None,
        seats,
        ttl_ms: Some(3_600_000),
        expected_price: None,
        wait_ms: None,
    })
}

/// Asks a flight for something under an id of the client's.
async fn ask(world: &World, id: u128, flight: &str, command: FlightCommand) -> Decision {
    let answer = world.backend().submit(Submit {
        id: CommandId(id),
        command: Command::Flight(key(flight), command),
        ref_text: None,
        actor: None,
    });
    answer.unwrap().await.unwrap().decision
}

async fn take(world: &World) -> flightline_runtime::checkpoint::Taken {
    world.replica().flushed(PATIENCE).await.unwrap();
    world.replica().checkpoint().await.unwrap()
}

/// The folder of each checkpoint, oldest first.
fn folders(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.data_dir().join("checkpoints")).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// Changes a byte in the middle of a file.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// What becomes of a checkpoint's folder.
type Harm = Box<dyn Fn(&Path)>;

/// The parts of a checkpoint that hold something.
fn largest_part(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).unwrap();
    let parts = entries.map(|entry| entry.unwrap().path());
    let parts = parts.filter(|path| !path.ends_with("manifest"));
    parts
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_from_a_checkpoint_gives_the_answers_of_one_from_the_first_record() {
    let mut world = World::keeping(by_hand(3)).await;
    world.flight(A, 10).await;
    world.flight(B, 10).await;
    let booked = world.instant(&[A, B], 2);
    assert_eq!(world.create(&booked).await.state, OrderState::Booked);
    let held = world.hold(&[A], 3, 3_600_000);
    assert_eq!(world.create(&held).await.state, OrderState::AwaitingPayment);
    let first = [
        ask(&world, 1, A, hold(1)).await,
        ask(&world, 2, A, hold(99)).await,
        ask(&world, 3, UNKNOWN, hold(1)).await,
        ask(&world, 4, A, FlightCommand::Confirm { hold: CommandId(1) }).await,
    ];
    assert_eq!(first[1].outcome.reason().unwrap().code(), "sold_out");
    assert_eq!(first[2].outcome.reason().unwrap().code(), "unknown_flight");
    let taken = take(&world).await;
    assert!(taken.is_new && taken.records > 0 && taken.bytes > 0);
    let again = take(&world).await;
    assert_eq!((again.id, again.is_new), (taken.id, false));
    // A tail: one that was in the checkpoint goes on, one comes.
    let late = ask(&world, 5, B, hold(4)).await;
    let status = world.backend().provider_status("acme".parse().unwrap());

    world.restart().await;
    assert_eq!(world.replica().checkpoint_records(), taken.records);
    let tail = world.replica().history_records();
    assert!((1..100).contains(&tail), "{tail} records were folded");

    // Ids are answered as before, refused ones too, and name the flight that they named.
    for (id, flight, command, before) in [
        (1, A, hold(1), first[0]),
        (2, A, hold(99), first[1]),
        (
            4,
            A,
            FlightCommand::Confirm { hold: CommandId(1) },
            first[3],
        ),
        (5, B, hold(4), late),
    ] {
        let now = ask(&world, id, flight, command).await;
        assert_eq!(now.outcome, before.outcome, "id {id}");
        let first_offset = before.offset;
        assert_eq!(now.replay, Replay::Same { first_offset }, "id {id}");
    }
    for (id, was) in [(1, A), (2, A), (3, UNKNOWN), (5, B)] {
        let other = if was == A { B } else { A };
        let refused = world.backend().submit(Submit {
            id: CommandId(id),
            command: Command::Flight(key(other), hold(1)),
            ref_text: None,
            actor: None,
        });
        let Err(SubmitError::IdInUse { flight }) = refused else {
            panic!("id {id} was taken for another flight: {refused:?}");
        };
        assert_eq!(flight, key(was), "id {id}");
    }
    let now = world.backend().provider_status("acme".parse().unwrap());
    assert_eq!(format!("{now:?}"), format!("{status:?}"));

    // Orders go on: the held one is paid, the booked one is what it was.
    let pay = OrderAction::Pay(Payment {
        amount: usd(30_000),
        method: "balance".into(),
    });
    world.act(held.id, "pay", pay).await;
    assert_eq!(world.settled(held.id).await.state, OrderState::Booked);
    assert_eq!(world.row(booked.id).await.state, OrderState::Booked);
    assert_eq!(world.sold(A).await, 2 + 3 + 1);
    assert_eq!(world.held(B).await, 4);
    world.verify().await;
    let report = world.replica().verify().await.unwrap();
    assert_eq!(report.checkpoints, [(taken.id, taken.records)]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_streams_in_one_place_do_not_remove_each_others_checkpoints() {
    let mut one = World::keeping(by_hand(1)).await;
    one.flight(A, 100).await;
    let theirs = take(&one).await;
    let other = World::keeping(by_hand(1)).await;
    other.flight(A, 100).await;
    copy(&folders(&one)[0], &other.data_dir().join("checkpoints"));
    other.replica().flushed(PATIENCE).await.unwrap();
    let refused = other.replica().checkpoint().await.unwrap_err().to_string();
    assert!(refused.contains("a checkpoint.url of its own"), "{refused}");
    assert_eq!(folders(&other).len(), 1, "it is still there");
    other.stop().await;
    one.restart().await;
    assert_eq!(one.replica().checkpoint_records(), theirs.records);
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_passed_over_for_the_one_before_and_verify_names_it() {
    let mut world = World::keeping(by_hand(3)).await;
    world.flight(A, 100).await;
    let mut covered = Vec::new();
    for id in 1..=3 {
        ask(&world, id, A, hold(1)).await;
        covered.push(take(&world).await.records);
    }
    let all = folders(&world);
    assert_eq!(all.len(), 3);
    // A changed byte; a part that is gone; a manifest that is cut off.
    let harm: [(&str, Harm); 3] = [
        ("byte", Box::new(|folder| damage(&largest_part(folder)))),
        (
            "part",
            Box::new(|folder| std::fs::remove_file(largest_part(folder)).unwrap()),
        ),
        (
            "manifest",
            Box::new(|folder| {
                let manifest = folder.join("manifest");
                let bytes = std::fs::read(&manifest).unwrap();
                std::fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap();
            }),
        ),
    ];
    for ((what, harm), (folder, expected)) in harm
        .iter()
        .zip(all.iter().rev().zip([covered[1], covered[0], 0]))
    {
        world.pause().await;
        harm(folder);
        world.resume().await.unwrap();
        assert_eq!(world.replica().checkpoint_records(), expected, "{what}");
        assert_eq!(world.held(A).await, 3, "{what}");
        let report = world.replica().verify().await.unwrap();
        let difference = report.difference.unwrap();
        let id: u64 = folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(difference.contains("damaged"), "{what}: {difference}");
        assert!(
            (1..=3).any(|n| difference.contains(&format!("checkpoint {n}"))) && id <= 3,
            "{what}: {difference}"
        );
    }
    // New ones take the place of the damaged ones, which go when enough good ones are there.
    for id in 4..=6 {
        ask(&world, id, A, hold(1)).await;
        take(&world).await;
    }
    world.verify().await;
    assert_eq!(folders(&world).len(), 3);
    world.restart().await;
    assert!(world.replica().checkpoint_records() > covered[2]);
    world.verify().await;
    world.stop().await;
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_went_back_behind_the_checkpoint_or_are_gone_end_exact() {
    let mut world = World::keeping(by_hand(2)).await;
    world.flight(A, 100).await;
    let booked = world.instant(&[A], 2);
    world.create(&booked).await;
    let first = take(&world).await;
    ask(&world, 1, A, hold(1)).await;
    world.pause().await;
    let postgres = world.data_dir().join("postgres");
    let backup = world.data_dir().join("backup");
    copy(&postgres, &backup);
    // The tables are ahead of the checkpoint here: the usual case after a crash.
    world.resume().await.unwrap();
    assert_eq!(world.replica().checkpoint_records(), first.records);
    for id in 2..20 {
        ask(&world, id, A, hold(1)).await;
    }
    take(&world).await;
    ask(&world, 20, A, hold(1)).await;
    world.pause().await;
    // Tables of yesterday: behind the newest checkpoint, ahead of the one before.
    std::fs::remove_dir_all(&postgres).unwrap();
    copy(&backup, &postgres);
    world.resume().await.unwrap();
    assert_eq!(world.replica().checkpoint_records(), first.records);
    world.verify().await;
    // No tables at all: everything is folded, so that no decision is missing in them.
    world.pause().await;
    std::fs::remove_dir_all(&postgres).unwrap();
    world.resume().await.unwrap();
    assert_eq!(world.replica().checkpoint_records(), 0);
    world.verify().await;
    assert_eq!(world.held(A).await, 20);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_makes_checkpoints_keeps_some_and_trims_behind_them() {
    let policy = CheckpointPolicy {
        every_records: 20,
        every: Duration::ZERO,
        keep: 2,
        trim: true,
        url: None,
    };
    let mut world = World::keeping(policy).await;
    world.flight(A, 1000).await;
    let booked = world.instant(&[A], 2);
    world.create(&booked).await;
    let mut id = 0;
    let trimmed = |world: &World| metric(world, "flightline_stream_trimmed_records_total");
    while trimmed(&world) == 0 {
        id += 1;
        ask(&world, id, A, hold(1)).await;
        assert!(
            id < 998,
            "nothing was trimmed before the flight was sold out"
        );
        // Checkpoints are made by the clock: the seats must last until there are three.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(metric(&world, "flightline_checkpoints_made_total") >= 2);
    assert_eq!(metric(&world, "flightline_checkpoints_failed_total"), 0);
    assert!(folders(&world).len() <= 3, "{:?}", folders(&world));
    world.restart().await;
    assert!(world.replica().checkpoint_records() > 0);
    assert_eq!(world.held(A).await, i32::try_from(id).unwrap());
    let again = ask(&world, 1, A, hold(1)).await;
    assert!(matches!(again.replay, Replay::Same { .. }), "{again:?}");
    // What needs the first record says so.
    let verified = world.replica().verify().await.unwrap_err().to_string();
    assert!(verified.contains("trimmed"), "{verified}");
    // Tables that are gone are filled from a checkpoint.
    world.pause().await;
    std::fs::remove_dir_all(world.data_dir().join("postgres")).unwrap();
    world.resume().await.unwrap();
    assert_eq!(world.held(A).await, i32::try_from(id).unwrap());
    world.replica().flushed(PATIENCE).await.unwrap();
    let client = world.replica().database().client().await.unwrap();
    let held = "SELECT sum(seats)::int FROM flightline.hold WHERE status = 'held'";
    let held: i32 = client.query_one(held, &[]).await.unwrap().get(0);
    assert_eq!(held, i32::try_from(id).unwrap());
    // Without any checkpoint there is no way back: the start says what to do.
    world.pause().await;
    std::fs::remove_dir_all(world.data_dir().join("checkpoints")).unwrap();
    let refused = format!("{:#}", world.resume().await.unwrap_err());
    assert!(refused.contains("no good checkpoint"), "{refused}");
}

/// Value of a metric without labels.
fn metric(world: &World, name: &str) -> u64 {
    let text = world.backend().metrics();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    value.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_fails_or_was_broken_off_leaves_the_one_before_and_itself_nothing() {
    let mut world = World::keeping(by_hand(3)).await;
    world.flight(A, 100).await;
    let first = take(&world).await;
    ask(&world, 1, A, hold(1)).await;
    world.replica().flushed(PATIENCE).await.unwrap();
    let root = world.data_dir().join("checkpoints");
    // A file stands where the next one's folder is to be.
    let blocked = root.join(format!("{:020}", first.id + 1));
    std::fs::write(&blocked, "in the way").unwrap();
    let failed = world.replica().checkpoint().await.unwrap_err();
    let failed = format!("{failed:#}");
    assert!(
        failed.contains("cannot copy") && failed.contains("checkpoints"),
        "{failed}"
    );
    assert_eq!(metric(&world, "flightline_checkpoints_failed_total"), 1);
    std::fs::remove_file(&blocked).unwrap();
    // Killed while it wrote: parts without a manifest, and a part that was not finished.
    std::fs::create_dir_all(&blocked).unwrap();
    let part = folders(&world)[0].join("00000");
    std::fs::copy(&part, blocked.join("00000")).unwrap();
    std::fs::write(blocked.join("00001#1"), "half").unwrap();
    world.restart().await;
    assert_eq!(world.replica().checkpoint_records(), first.records);
    let next = take(&world).await;
    assert!(next.id > first.id && next.is_new);
    assert_eq!(folders(&world).len(), 2, "{:?}", folders(&world));
    world.verify().await;
    // Of another release: passed over, with a word on what to do.
    world.pause().await;
    let newest = folders(&world)[1].join("manifest");
    let text = std::fs::read_to_string(&newest).unwrap();
    let json = text.lines().next().unwrap();
    let format = format!("\"format\":{}", flightline_runtime::checkpoint::FORMAT);
    assert!(json.contains(&format), "{json}");
    let json = json.replace(&format, "\"format\":0") + "\n";
    let digest = xxhash_rust::xxh3::xxh3_128(json.as_bytes());
    std::fs::write(&newest, format!("{json}{digest:032x}\n")).unwrap();
    world.resume().await.unwrap();
    assert_eq!(world.replica().checkpoint_records(), first.records);
    let report = world.replica().verify().await.unwrap();
    assert_eq!(report.difference, None);
    assert_eq!(report.checkpoints, [(first.id, first.records)]);
    let [passed_over] = &report.passed_over[..] else {
        panic!("{:?}", report.passed_over);
    };
    assert!(passed_over.contains("written by release"), "{passed_over}");
    assert!(
        passed_over.contains("flightline checkpoint take"),
        "{passed_over}"
    );
    world.stop().await;
}

const INSIDE: &str = "FLIGHTLINE_TEST_INSIDE_NAMESPACE";

/// Runs a test again in a mount namespace of its own, which root may make, and on most systems everyone
/// in a user namespace. True when this is that run. Where it is not possible the test is skipped, and
/// says so loudly.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |what: &[&str]| {
        let mut process = std::process::Command::new("unshare");
        process
            .args(["-m", "--"])
            .args(what)
            .env(INSIDE, "1")
            .output()
    };
    let probe = unshare(&["mount", "-t", "tmpfs", "none", "/mnt"]);
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("\n## SKIPPED: {test}: no namespace for mounting could be made here.\n");
        return false;
    }
    let exe = std::env::current_exe().unwrap();
    let output = unshare(&[exe.to_str().unwrap(), test, "--exact", "--nocapture"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "it did not run: {text}");
    false
}

fn mount(args: &[&str]) {
    let status = std::process::Command::new("mount").args(args).status();
    assert!(status.unwrap().success(), "mount {args:?}");
}

#[test]
fn a_place_that_is_full_or_read_only_costs_checkpoints_and_nothing_else() {
    if inside("checkpoints::a_place_that_is_full_or_read_only_costs_checkpoints_and_nothing_else") {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(full_then_read_only());
    }
}

async fn full_then_read_only() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=1m", "none", place]);
    let policy = CheckpointPolicy {
        url: Some(format!("file://{place}")),
        ..by_hand(2)
    };
    let mut world = World::keeping(policy).await;
    world.flight(A, 100).await;
    world.replica().flushed(PATIENCE).await.unwrap();
    // All but two pages.
    let filler = folder.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    let len = file.metadata().unwrap().len();
    file.set_len(len.saturating_sub(8192)).unwrap();
    let failed = format!("{:#}", world.replica().checkpoint().await.unwrap_err());
    assert!(failed.contains("No space left"), "{failed}");
    let left: Vec<_> = std::fs::read_dir(place).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "what was written stays in the way: {left:?}");
    ask(&world, 1, A, hold(1)).await;
    // There is room again.
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let taken = take(&world).await;
    assert!(taken.is_new);
    // From now on it cannot be written, and is good to start from.
    mount(&["-o", "remount,ro", place]);
    ask(&world, 2, A, hold(1)).await;
    world.replica().flushed(PATIENCE).await.unwrap();
    let failed = format!("{:#}", world.replica().checkpoint().await.unwrap_err());
    assert!(failed.contains("Read-only"), "{failed}");
    world.restart().await;
    assert_eq!(world.replica().checkpoint_records(), taken.records);
    assert_eq!(world.held(A).await, 2);
    world.verify().await;
    world.stop().await;
}
