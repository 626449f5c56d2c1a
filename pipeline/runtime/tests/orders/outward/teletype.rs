//! Providers that are reached by teletype lines in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::payments::Sandbox;
use flightline_ledger::order::{OrderState, Outward};

use super::{FLIGHT, instant, until};
use crate::world::{Setup, World, settings, usd};

async fn world(folder: &Path) -> World {
    let way = OutwardConfig::Teletype {
        folder: folder.to_owned(),
        address: "NYCRMUA".to_owned(),
        origin: "HDQFLXX".to_owned(),
    };
    let setup = Setup {
        settings: settings(),
        outward: vec![("acme".parse().unwrap(), way)],
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
