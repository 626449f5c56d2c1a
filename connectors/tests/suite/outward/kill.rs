//! Killed at any moment while it hands messages over, among others between a message and the note that it was
//! handed over: every sale that was asked for again comes, whole, under one name, and whoever is erased
//! afterwards is named nowhere.
//!
//! The child places numbered sales, one order each, withdraws every third, and says how far it is. The parent
//! takes messages away as a provider does, and kills it with SIGKILL.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use flightline_connectors::outward::{Answer, Placement};
use rand::RngExt;

use super::erasing::{files, teletype};
use super::placement;

const FOLDER: &str = "FLIGHTLINE_TELETYPE_FOLDER";
const FIRST: &str = "FLIGHTLINE_TELETYPE_FIRST";
const ROUNDS: u64 = 8;

fn sale(n: u64) -> Placement {
    Placement {
        order: format!("ord_{n:032x}"),
        ..placement(u128::from(n))
    }
}

/// Not a test of its own: what the parent runs, and kills.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let way = teletype(folder.as_ref());
    let mut out = std::io::stdout();
    for n in first.. {
        // Asked for again, as after any start.
        for again in [n.saturating_sub(1).max(first), n] {
            let answer = way.place(&sale(again)).await;
            assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
        }
        if n % 3 == 0 {
            assert_eq!(way.withdraw(&sale(n), None).await, Answer::Done(()));
        }
        writeln!(out, "reached {n} .").unwrap();
    }
}

/// Messages that were taken away, by name.
type Taken = BTreeMap<String, String>;

/// Takes away what lies there: whole, and the same as before if it came before.
fn take(folder: &Path, taken: &mut Taken) {
    let out = folder.join("out");
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let key = name[3..].strip_suffix(".txt").unwrap();
        let end = format!("\nOSI YY FLREF {key}\n");
        assert!(text.ends_with(&end), "{name} is not whole: {text:?}");
        if let Some(before) = taken.insert(name.clone(), text.clone()) {
            assert_eq!(before, text, "{name} came with another text");
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_comes_whole_and_the_erased_are_nowhere() {
    if std::env::var_os(FOLDER).is_some() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    teletype(folder);
    let mut taken = Taken::new();
    let mut last = 0;
    for round in 0..ROUNDS {
        let until = {
            let (folder, first) = (folder.to_owned(), last + 1);
            let run = tokio::task::spawn_blocking(move || {
                let mut taken = Taken::new();
                let reached = run_and_kill(&folder, round, first, &mut taken);
                (reached, taken)
            });
            let (reached, new) = run.await.unwrap();
            for (name, text) in new {
                if let Some(before) = taken.insert(name.clone(), text.clone()) {
                    assert_eq!(before, text, "{name} came with another text");
                }
            }
            reached
        };
        // Whatever was not answered is asked for again by the next process.
        let way = teletype(folder);
        for n in until..=until + 1 {
            let answer = way.place(&sale(n)).await;
            assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
            if n % 3 == 0 {
                assert_eq!(way.withdraw(&sale(n), None).await, Answer::Done(()));
            }
        }
        last = until + 1;
        if round % 2 == 0 {
            take(folder, &mut taken);
        }
    }
    assert!(last > 2 * ROUNDS, "the children hardly ran: {last}");
    // Some lie there still, some were taken: together they are all.
    let mut all = taken.clone();
    let lying: BTreeSet<String> = files(&folder.join("out")).into_keys().collect();
    all.extend(lying.iter().map(|name| (name.clone(), String::new())));
    for n in 1..=last {
        let key = sale(n).key;
        assert!(all.contains_key(&format!("SS-{key}.txt")), "sale {n}");
        let cancelled = all.contains_key(&format!("XX-{key}.txt"));
        assert_eq!(cancelled, n % 3 == 0, "sale {n}");
    }
    let way = teletype(folder);
    let orders: BTreeSet<String> = (1..=last).map(|n| sale(n).order).collect();
    let kept = way.kept().unwrap();
    let known: BTreeSet<String> = kept.iter().map(|kept| kept.order.clone()).collect();
    assert_eq!(known, orders, "of every sale it is known whose it is");
    for order in &orders {
        way.erase(order).unwrap();
    }
    for (name, text) in files(folder) {
        assert!(!text.contains("EARHART"), "{name}: {text}");
    }
    let keys: Vec<_> = kept.iter().map(|kept| kept.key).collect();
    let later = SystemTime::now() + Duration::from_secs(2 * 24 * 3600);
    way.forget(&keys, later).unwrap();
    assert_eq!(files(&folder.join("journal")).len(), 0);
    eprintln!(
        "{last} sales, {} messages over {ROUNDS} kills, {} of them left lying",
        all.len(),
        lying.len()
    );
}

/// Returns the last sale that the child said was handed over.
fn run_and_kill(folder: &Path, round: u64, first: u64, taken: &mut Taken) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["outward::kill::child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let enough = rand::rng().random_range(1..12);
    let (mut count, mut last) = (0, first);
    while count < enough {
        let line = lines.next();
        let line = line.unwrap_or_else(|| panic!("round {round}: the child died by itself"));
        if let ["reached", n, "."] = line.unwrap().split(' ').collect::<Vec<_>>()[..] {
            last = n.parse().unwrap();
            count += 1;
        }
        if round % 2 == 1 {
            take(folder, taken);
        }
    }
    // Anywhere in what it does next.
    let until = Instant::now() + Duration::from_micros(rand::rng().random_range(0..8_000));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        // What it said before, and was not read yet. A line without its end was cut.
        if let ["reached", n, "."] = line.unwrap_or_default().split(' ').collect::<Vec<_>>()[..] {
            last = n.parse().unwrap();
        }
    }
    last
}
