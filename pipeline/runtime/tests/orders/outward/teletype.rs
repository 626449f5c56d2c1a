//! Providers that are reached by teletype lines in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::payments::Sandbox;
use flightline_ledger::order::{OrderId, OrderState, Outward};
use flightline_runtime::ProviderFeed;
use flightline_runtime::control::{self, Answer, Question};

use super::{FLIGHT, instant, until};
use crate::world::{Setup, World, settings, usd};

async fn world(folder: &Path) -> World {
    fed(folder, Vec::new()).await
}

async fn fed(folder: &Path, feeds: Vec<ProviderFeed>) -> World {
    let way = OutwardConfig::Teletype {
        folder: folder.to_owned(),
        address: "NYCRMUA".to_owned(),
        origin: "HDQFLXX".to_owned(),
    };
    let setup = Setup {
        settings: settings(),
        outward: vec![("acme".parse().unwrap(), way)],
        feeds,
        ..Setup::default()
    };
    World::start_as(Arc::new(Sandbox::in_memory()), setup).await
}

fn messages(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder.join("out")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    let is_kind = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(kind)
    };
    all.filter(is_kind).collect()
}

/// Answers a message as a provider does, which takes it away first.
fn answer(folder: &Path, message: &Path, status: &str) {
    let text = std::fs::read_to_string(message).unwrap();
    std::fs::remove_file(message).unwrap();
    let line = text.lines().find(|line| line.contains(" SS")).unwrap();
    let (flight, _) = line.split_once(" SS").unwrap();
    let reference = text.lines().last().unwrap();
    let reply = format!(
        "QU HDQFLXX\n.NYCRMUA 231206\nHDQFL ABC234\nNYCUA XYZ987\n{flight} {status}\n{reference}\n"
    );
    let partial = folder.join("in/.answer.part");
    std::fs::write(&partial, reply).unwrap();
    std::fs::rename(partial, folder.join("in/answer.txt")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_books_the_order_though_the_replica_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 2);
    world.begin(&order, OrderState::Placing).await;
    until("the message", || messages(folder.path(), "SS").len() == 1).await;
    let message = messages(folder.path(), "SS").remove(0);
    let text = std::fs::read_to_string(&message).unwrap();
    assert!(text.contains("\n1EARHART/AMELIA MS\n"), "{text}");
    assert!(text.contains("\nUA1Y01MAREWRIAH SS2\n"), "{text}");
    world.pause().await;
    answer(folder.path(), &message, "HK2");
    world.resume().await.unwrap();
    world.until(order.id, OrderState::Booked).await;
    let row = world.row(order.id).await;
    assert_eq!(row.segments[0].outward, Outward::Acknowledged);
    assert_eq!(row.segments[0].outward_reference.as_deref(), Some("XYZ987"));
    assert_eq!(messages(folder.path(), "SS").len(), 0, "sent twice");
    assert!(folder.path().join("in/done/answer.txt").exists());
    world.cancel_booking(order.id).await;
    assert_eq!(messages(folder.path(), "XX").len(), 1);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unable_ends_the_order_and_nonsense_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    world.flight(FLIGHT, 10).await;
    let order = instant(&world, &[FLIGHT], 1);
    world.begin(&order, OrderState::Placing).await;
    std::fs::write(folder.path().join("in/nonsense.txt"), "HELLO\n").unwrap();
    until("the message", || messages(folder.path(), "SS").len() == 1).await;
    let message = messages(folder.path(), "SS").remove(0);
    answer(folder.path(), &message, "UC1");
    world.until(order.id, OrderState::Refused).await;
    let row = world.row(order.id).await;
    let ending = row.ending.as_ref().unwrap();
    assert_eq!(ending.cause, "placement_refused");
    assert_eq!(ending.code.as_deref(), Some("UC"));
    let report = folder.path().join("in/rejected/nonsense.txt.report");
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("FLREF"), "{report}");
    assert_eq!(world.kept(), usd(0));
    world.verify().await;
    world.stop().await;
}

async fn erase(world: &World, order: OrderId) {
    let question = Question::EraseOrder(format!("ord_{order}"));
    let answer = control::ask(&world.data_dir(), &question).await.unwrap();
    assert!(
        matches!(answer, Some(Answer::Erased(Some(_)))),
        "{answer:?}"
    );
}

/// Where passengers are named.
fn naming(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for part in ["out", "in", "in/done", "in/rejected", "journal"] {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && std::fs::read_to_string(&path).unwrap().contains("EARHART") {
                all.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    all
}

/// The message was not taken away when its passengers are erased; another one's is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn erasing_an_order_takes_its_passengers_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path()).await;
    world.flight(FLIGHT, 10).await;
    let (erased, other) = (instant(&world, &[FLIGHT], 1), instant(&world, &[FLIGHT], 1));
    for order in [&erased, &other] {
        world.begin(order, OrderState::Placing).await;
    }
    until("both messages", || messages(folder.path(), "SS").len() == 2).await;
    assert_eq!(naming(folder.path()).len(), 2);
    erase(&world, erased.id).await;
    let left = naming(folder.path());
    assert_eq!(left.len(), 1, "{left:?}");
    // Killed in the middle of that, at another time: the next start finishes it.
    let out = folder.path().join("out");
    let held = out.join(format!(".{}.erased", left[0]));
    world.pause().await;
    world.resume().await.unwrap();
    let question = Question::EraseOrder(format!("ord_{}", other.id));
    world.pause().await;
    std::fs::rename(out.join(&left[0]), &held).unwrap();
    world.resume().await.unwrap();
    let answer = control::ask(&world.data_dir(), &question).await.unwrap();
    assert!(
        matches!(answer, Some(Answer::Erased(Some(1)))),
        "{answer:?}"
    );
    assert_eq!(naming(folder.path()), [""; 0]);
    assert_eq!(
        messages(folder.path(), "SS").len(),
        2,
        "both are asked for still"
    );
    for message in messages(folder.path(), "SS") {
        answer_to(folder.path(), &message);
    }
    for order in [&erased, &other] {
        world.until(order.id, OrderState::Booked).await;
    }
    world.verify().await;
    world.stop().await;
}

fn answer_to(folder: &Path, message: &Path) {
    let name = message.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(message).unwrap();
    let line = text.lines().find(|line| line.contains(" SS")).unwrap();
    let line = line.replace(" SS", " HK");
    let reply = format!("{line}\n{}\n", text.lines().last().unwrap());
    std::fs::remove_file(message).unwrap();
    std::fs::write(folder.join(format!("in/.{name}")), reply).unwrap();
    let from = folder.join(format!("in/.{name}"));
    std::fs::rename(from, folder.join(format!("in/{name}.txt"))).unwrap();
}

/// The journal goes with orders that are over, a week later; of those that may still be asked about it stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_journal_goes_behind_orders_that_are_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = world(folder.path()).await;
    world.flight(FLIGHT, 10).await;
    let (over, booked) = (instant(&world, &[FLIGHT], 1), instant(&world, &[FLIGHT], 1));
    for order in [&over, &booked] {
        world.begin(order, OrderState::Placing).await;
    }
    until("both messages", || messages(folder.path(), "SS").len() == 2).await;
    for message in messages(folder.path(), "SS") {
        answer_to(folder.path(), &message);
    }
    for order in [&over, &booked] {
        world.until(order.id, OrderState::Booked).await;
    }
    world.cancel_booking(over.id).await;
    for message in messages(folder.path(), "XX") {
        std::fs::remove_file(message).unwrap();
    }
    world.pause().await;
    let journal = folder.path().join("journal");
    let of = |id: OrderId| {
        let all = std::fs::read_dir(&journal).unwrap();
        let mut names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.any(|name| name.ends_with(&format!("ord_{id}")))
    };
    assert!(of(over.id) && of(booked.id));
    let age = |days: u64| {
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(days * 86_400);
        for entry in std::fs::read_dir(&journal).unwrap() {
            let file = std::fs::File::options()
                .write(true)
                .open(entry.unwrap().path());
            file.unwrap().set_modified(then).unwrap();
        }
    };
    // Too young to be dropped. Whoever looks through the folder has done so when it has dropped what is old.
    let old = |name: &str| {
        let path = journal.join(name);
        std::fs::write(&path, b"").unwrap();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(40 * 86_400);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
        path
    };
    age(6);
    let first = old("SSM-01JAN00001.asked");
    world.resume().await.unwrap();
    until("it is looked through", || !first.exists()).await;
    assert!(of(over.id) && of(booked.id));
    world.pause().await;
    age(8);
    let second = old("SSM-01JAN00002.asked");
    world.resume().await.unwrap();
    until("it is looked through", || !second.exists()).await;
    until("the one that is over goes", || !of(over.id)).await;
    assert!(of(booked.id), "it can still be cancelled");
    world.cancel_booking(booked.id).await;
    assert_eq!(messages(folder.path(), "XX").len(), 1);
    world.verify().await;
    world.stop().await;
}

/// Messages of a feed: 1 and 3 of a group have come, and of the next day a group is left out.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_feed_that_are_missing_are_told_and_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let acme = "acme".parse().unwrap();
    let feed = ProviderFeed {
        provider: acme,
        format: Some("ssm".to_owned()),
        options: vec![("received".to_owned(), "2027-01-21".to_owned())],
        silence_max_ms: None,
        overbooking: Vec::new(),
        numbered_daily: true,
        missing_after_ms: 0,
    };
    let mut world = fed(folder.path(), vec![feed]).await;
    let message = |reference: &str, flight: u32| {
        format!(
            "SSM\n{reference}/ACME\nNEW\nUA{flight}\n01MAR27 01MAR27 1\n\
             J 738 Y.Y150\nEWR1200 IAH1600\n"
        )
    };
    let push = async |world: &World, text: String| {
        let backend = world.backend();
        let body = Box::new(std::io::Cursor::new(text.into_bytes()));
        let pushed =
            tokio::task::spawn_blocking(move || backend.ingest(acme, "ssm", &[], "file", body));
        pushed.await.unwrap().unwrap()
    };
    let missing = |world: &World| {
        let status = world.backend().provider_status(acme).unwrap();
        let names = status.missing.into_iter().map(|one| one.messages);
        names.collect::<Vec<_>>()
    };
    let all = [
        message("21JAN00001C001", 1),
        message("21JAN00001E003", 3),
        message("21JAN00003E001", 4),
    ];
    let report = push(&world, all.concat()).await;
    assert_eq!((report.accepted, report.rejected), (3, 0), "{report:?}");
    let both = ["SSM 21JAN00001 002", "SSM 21JAN00002"];
    assert_eq!(missing(&world), both);
    let day = flightline_ledger::Date((world.now_ms() / 86_400_000) as i32);
    let report = world.backend().provider_day(acme, day).unwrap();
    assert_eq!(report.accepted, 3, "what is numbered is no event");
    assert_eq!(report.missing.len(), 2);
    until("it is asked for", || {
        messages(folder.path(), "RPT").len() == 2
    })
    .await;
    let asked = folder.path().join("out/RPT-SSM-21JAN00001-002.txt");
    let text = std::fs::read_to_string(asked).unwrap();
    assert_eq!(text, "QU NYCRMUA\n.HDQFLXX\nPLS RPT SSM 21JAN00001 002\n");
    // It is known after a restart, from the stream; and what comes is not missing any more.
    world.restart().await;
    assert_eq!(missing(&world), both);
    push(&world, message("21JAN00001C002", 2)).await;
    assert_eq!(missing(&world), both[1..]);
    // What is cut off has not come.
    let cut = message("21JAN00002E001", 5);
    let backend = world.backend();
    let body = Box::new(std::io::Cursor::new(
        cut.as_bytes()[..cut.len() - 10].to_vec(),
    ));
    let pushed =
        tokio::task::spawn_blocking(move || backend.ingest(acme, "ssm", &[], "file", body));
    let _ = pushed.await.unwrap();
    assert_eq!(missing(&world), both[1..]);
    push(&world, cut).await;
    assert_eq!(missing(&world), [""; 0]);
    world.verify().await;
    world.stop().await;
}
