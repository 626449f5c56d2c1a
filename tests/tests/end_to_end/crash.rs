//! The program is killed in the middle of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, until};

/// What a client was told before the replica died.
#[derive(Clone, Debug)]
struct Told {
    id: String,
    flight: String,
    status: StatusCode,
    offset: Option<String>,
    confirmed: bool,
}

async fn client_until_killed(
    client: Client,
    flights: Arc<Vec<String>>,
    tag: String,
    stop: Arc<AtomicBool>,
) -> Vec<Told> {
    let mut told = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let id = format!("{tag}-{n}");
        let flight = &flights[n % flights.len()];
        let body = serde_json::json!({"id": id, "cabin": "Y", "seats": 1});
        let path = format!("/flights/{flight}/holds");
        let Ok(held) = client
            .try_call(reqwest::Method::POST, &path, Some(&body))
            .await
        else {
            break;
        };
        if held.status.is_server_error() {
            break;
        }
        let mut confirmed = false;
        if held.status == StatusCode::CREATED && n % 2 == 0 {
            let path = format!("/holds/{id}/confirm");
            let answer = client.try_call(reqwest::Method::POST, &path, None).await;
            confirmed = answer.is_ok_and(|a| a.status == StatusCode::OK);
        }
        told.push(Told {
            id,
            flight: flight.clone(),
            status: held.status,
            offset: held.offset,
            confirmed,
        });
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost_by_kill_9_under_load() {
    killed_under_load(&Place::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_by_kill_9_while_one_checkpoint_after_the_other_is_made() {
    let place = Place::with_config("[checkpoint]\nevery_records = 100\nkeep = 2\n");
    let report = killed_under_load(&place).await;
    // Checked against a fold from the first record, bytes and all.
    let checkpoints = report["checkpoints"].as_array().expect("checkpoints");
    assert!(!checkpoints.is_empty(), "no checkpoint was made: {report}");
}

/// Kills a replica under load, over and over. What `verify` says at the end.
async fn killed_under_load(place: &Place) -> serde_json::Value {
    let rounds: u32 = std::env::var("FLIGHTLINE_KILL_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3);
    let flights: Arc<Vec<String>> = Arc::new((1..=20).map(events::flight).collect());
    let mut all: Vec<Told> = Vec::new();
    for round in 0..rounds {
        let replica = place.start();
        let client = Client::new(&replica.url);
        if round == 0 {
            let schedules: Vec<_> = flights
                .iter()
                .map(|f| events::schedule(f, 2000, 1))
                .collect();
            client.push("acme", &schedules).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for n in 0..32 {
            let client = Client::new(&replica.url);
            let tag = format!("r{round}-c{n}");
            tasks.spawn(client_until_killed(
                client,
                flights.clone(),
                tag,
                stop.clone(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(300 + u64::from(round) * 170 % 900)).await;
        replica.kill();
        stop.store(true, Ordering::Relaxed);
        let before = all.len();
        all.extend(tasks.join_all().await.into_iter().flatten());
        assert!(all.len() > before, "round {round}: nobody was answered");
    }
    // Whoever was told something is told the same by the next life.
    let replica = place.start();
    let client = Client::new(&replica.url);
    for told in &all {
        let again = client.hold(&told.flight, &told.id, 1).await;
        assert_eq!(
            (again.status, &again.offset),
            (told.status, &told.offset),
            "{told:?}"
        );
        assert!(again.replayed, "{told:?} was answered before the crash");
        if told.confirmed {
            let confirm = client.act(&told.id, "confirm").await;
            assert_eq!(confirm.status, StatusCode::OK, "{told:?}: {confirm:?}");
        }
    }
    replica.stop();
    place.verify()
}

#[tokio::test(flavor = "multi_thread")]
async fn bookings_go_on_while_postgresql_is_killed_and_its_tables_catch_up() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    client
        .push("acme", &[events::schedule(&flight, 2000, 1)])
        .await;
    let killed = kill_postgres(&place.data_dir());
    assert!(killed > 0, "no PostgreSQL runs below the replica");
    for n in 0..500 {
        let id = format!("during-{n}");
        assert_eq!(
            client.hold(&flight, &id, 1).await.status,
            StatusCode::CREATED
        );
    }
    replica.stop();
    place.verify();
}

/// Kills every PostgreSQL process of the replica with SIGKILL; says how many there were.
fn kill_postgres(data_dir: &std::path::Path) -> usize {
    let folder = data_dir.display().to_string();
    let mut parents = Vec::new();
    let mut others = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        if read("comm").trim() != "postgres" {
            continue;
        }
        // pid (comm) state ppid …
        let stat = read("stat");
        let after = stat.rsplit(')').next().unwrap_or_default();
        let parent: Option<u32> = after.split_whitespace().nth(1).and_then(|p| p.parse().ok());
        if read("cmdline").contains(&folder) {
            parents.push(pid);
        } else {
            others.push((pid, parent));
        }
    }
    let children = others
        .iter()
        .filter(|(_, parent)| parent.is_some_and(|p| parents.contains(&p)))
        .map(|(pid, _)| *pid);
    let victims: Vec<u32> = parents.iter().copied().chain(children).collect();
    for victim in &victims {
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &victim.to_string()])
            .status();
    }
    let gone = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |s| s.contains(") Z "))
    };
    until("PostgreSQL dies", Duration::from_secs(10), || {
        victims.iter().all(gone)
    });
    victims.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_its_flight_survives_kill_9() {
    let place = Place::new();
    let replica = place.start();
    let client = Client::new(&replica.url);
    let flights: Vec<_> = (1..=3).map(events::flight).collect();
    // A cancellation that overtakes its schedule; a teletype message that names a number and a day; a
    // whole replacement that does not name a flight.
    client
        .push("acme", &[events::status(&flights[0], "cancel", 9)])
        .await;
    let ssm = "ASM\nLT\n31DEC00009E001\nCNL\nFL2/01JUN35\n";
    let report = client
        .send(
            "/providers/acme/files?format=ssm&received=2034-12-31",
            ssm.to_owned(),
        )
        .await;
    assert_eq!(report["rejects"][0]["code"], "no_flight", "{report}");
    let mark = |kind: &str| {
        serde_json::json!({
            "type": kind, "source_version": events::version(9), "carrier": "FL",
            "from": "2035-06-01", "to": "2035-06-01",
        })
    };
    client
        .push("other", &[mark("replace_begin"), mark("replace_end")])
        .await;
    replica.kill();

    let replica = place.start();
    let client = Client::new(&replica.url);
    for (provider, flight) in [("acme", 0), ("acme", 1), ("other", 2)] {
        let mut schedule = events::schedule(&flights[flight], 50, 1);
        if flight == 1 {
            schedule["source_version"] = serde_json::json!({"time": "2034-12-01T00:00:00Z"});
        }
        let report = client.push(provider, &[schedule]).await;
        assert_eq!(report["accepted"], 1, "{report}");
        let answer = client.get(&format!("/flights/{}", flights[flight])).await;
        assert_eq!(answer.body["status"], "cancelled", "{}", answer.body);
    }
    replica.stop();
    place.verify();
}
