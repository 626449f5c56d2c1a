//! Schedules and their changes, pushed to a whole replica in any order.

use flightline_api::backend::Submit;
use flightline_ledger::{Command, Outcome};

use crate::world::{PATIENCE, World, key};

/// `SSM` in local time, with reference and parts.
fn ssm(reference: &str, body: &str) -> String {
    format!("SSM\nLT\n{reference}\n{body}\n")
}

/// An SSIM file of one airline for March 2027 with these flights from Newark at noon.
fn ssim(created: &str, flights: &[(u16, &str)]) -> String {
    let mut text = format!("{:<194}000001\n", "1AIRLINE STANDARD SCHEDULE DATA SET");
    let carrier = format!("2LUA      W26 01MAR2731MAR27{created}");
    text.push_str(&format!("{carrier:<190}1200000002\n"));
    for (n, (number, day)) in (3..).zip(flights) {
        let leg = format!(
            "3 UA {number:>4}0101J{day}{day}1234567 EWR12001200-0500  IAH15001500-0600  738Y"
        );
        text.push_str(&format!("{leg:<172}Y150                  {n:06}\n"));
    }
    let last = flights.len() + 2;
    text.push_str(&format!("{:<187}{last:06}E{:06}\n", "5 UA", last + 1));
    text
}

async fn push(
    world: &World,
    format: &'static str,
    text: String,
) -> flightline_api::backend::FeedReport {
    let backend = world.backend();
    let options = match format {
        "ssm" => vec![("received".to_owned(), "2027-01-15".to_owned())],
        _ => Vec::new(),
    };
    let report = tokio::task::spawn_blocking(move || {
        let body = Box::new(std::io::Cursor::new(text.into_bytes()));
        backend.ingest("acme".parse().unwrap(), format, &options, "test", body)
    });
    world.index().await;
    report.await.unwrap().unwrap()
}

/// Status of a flight and the minute of the day (UTC) at which it departs.
async fn state(world: &World, flight: &str) -> Option<(String, i64)> {
    world.index().await;
    let view = world.backend().serving().flight(&key(flight))?;
    let minute = view.legs[0].departs_s.rem_euclid(86_400) / 60;
    Some((format!("{:?}", view.flight.status).to_lowercase(), minute))
}

const ONE: &str = "UA1.2027-03-01.EWR";

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_overtakes_the_schedule_is_applied_behind_it() {
    let world = World::start().await;
    let cancel = ssm(
        "10JAN00001E001",
        "CNL\nUA1\n01MAR27 01MAR27 1\n//\nTIM\nUA2\n01MAR27 01MAR27 1\nEWR1300 IAH1600",
    );
    let report = push(&world, "ssm", cancel.clone()).await;
    assert_eq!((report.read, report.rejected), (2, 2));
    assert!(
        report.rejects.iter().all(|r| r.code == "no_flight"),
        "{report:?}"
    );
    let file = ssim("05JAN27", &[(1, "01MAR27"), (2, "01MAR27")]);
    let report = push(&world, "ssim", file.clone()).await;
    assert_eq!((report.read, report.accepted), (2, 2), "{report:?}");
    let cancelled = ("cancelled".to_owned(), 17 * 60);
    assert_eq!(state(&world, ONE).await, Some(cancelled.clone()));
    assert_eq!(
        state(&world, "UA2.2027-03-01.EWR").await.unwrap().1,
        18 * 60
    );
    // Again, all of it: nothing changes.
    push(&world, "ssm", cancel).await;
    let report = push(&world, "ssim", file).await;
    assert_eq!(report.duplicate, 2, "{report:?}");
    assert_eq!(state(&world, ONE).await, Some(cancelled));
    // A newer word brings it back.
    let report = push(
        &world,
        "ssm",
        ssm("11JAN00002E001", "RIN\nUA1\n01MAR27 01MAR27 1"),
    )
    .await;
    assert_eq!(report.accepted, 1, "{report:?}");
    assert_eq!(state(&world, ONE).await.unwrap().0, "scheduled");
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flight_that_a_newer_file_did_not_name_does_not_come_back_with_an_older_one() {
    let world = World::start().await;
    let old = ssim("05JAN27", &[(1, "01MAR27"), (2, "02MAR27")]);
    push(&world, "ssim", ssim("06JAN27", &[(2, "02MAR27")])).await;
    push(&world, "ssim", old.clone()).await;
    assert_eq!(state(&world, ONE).await.unwrap().0, "cancelled");
    assert_eq!(
        state(&world, "UA2.2027-03-02.EWR").await.unwrap().0,
        "scheduled"
    );
    // Cut behind its first leg it replaces nothing: the second flight stays.
    let cut: String = old
        .replace("05JAN27", "07JAN27")
        .lines()
        .take(3)
        .map(|l| format!("{l}\n"))
        .collect();
    let report = push(&world, "ssim", cut).await;
    assert_eq!(report.rejects[0].code, "bad_replace");
    assert_eq!(state(&world, ONE).await.unwrap().0, "scheduled");
    assert_eq!(
        state(&world, "UA2.2027-03-02.EWR").await.unwrap().0,
        "scheduled"
    );
    world.verify().await;
    world.stop().await;
}

/// Begins or ends a replacement of an airline's flights on that day.
fn canonical_mark(mark: &str, carrier: &str, sequence: u32) -> String {
    format!(
        r#"{{"type":"replace_{mark}","source_version":{{"time":"2027-01-01T00:00:00Z","sequence":{sequence}}},"carrier":"{carrier}","from":"2027-03-01","to":"2027-03-01"}}"#
    )
}

/// A replacement that names one flight.
fn canonical_replacement(carrier: &str, sequence: u32, flight: &str) -> String {
    let begin = canonical_mark("begin", carrier, sequence);
    let end = canonical_mark("end", carrier, sequence);
    [begin, canonical_schedule(flight, sequence), end].join("\n")
}

/// A file whose end does not come before somebody says so.
struct Slow {
    text: std::io::Cursor<Vec<u8>>,
    ends: std::sync::mpsc::Receiver<()>,
}

impl std::io::Read for Slow {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.text.read(out)?;
        if read == 0 {
            // Whoever says it goes away.
            let _ = self.ends.recv();
        }
        Ok(read)
    }
}

/// A replacement that has ended waits for others before it is closed. What another push of the provider brings
/// meanwhile is withdrawn all the same; cut by a stop, the push fails, and does it when it is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_waits_to_be_closed_loses_nothing() {
    for is_cut in [false, true] {
        let mut world = World::start().await;
        let two = "UA2.2027-03-01.EWR";
        let newer = canonical_replacement("UA", 5, two) + "\n";
        let (end, ends) = std::sync::mpsc::channel();
        let slow = Slow {
            text: std::io::Cursor::new(newer.clone().into_bytes()),
            ends,
        };
        let backend = world.backend();
        let pushed = tokio::task::spawn_blocking(move || {
            backend.ingest(
                "acme".parse().unwrap(),
                "canonical",
                &[],
                "slow",
                Box::new(slow),
            )
        });
        let is_read = async {
            while state(&world, two).await.is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let is_read = tokio::time::timeout(PATIENCE, is_read).await;
        is_read.expect("it is read before its end");
        let old = [ONE, two].map(|flight| canonical_schedule(flight, 1));
        let report = push(&world, "canonical", old.join("\n")).await;
        assert_eq!((report.accepted, report.stale), (1, 1), "{report:?}");
        assert_eq!(state(&world, ONE).await.unwrap().0, "scheduled");
        if is_cut {
            world.pause().await;
        }
        drop(end);
        let pushed = pushed.await.unwrap();
        assert_eq!(pushed.is_err(), is_cut, "{pushed:?}");
        if is_cut {
            world.resume().await.unwrap();
            assert_eq!(state(&world, ONE).await.unwrap().0, "scheduled");
            let report = push(&world, "canonical", newer).await;
            assert_eq!(report.duplicate, 1, "{report:?}");
        }
        assert_eq!(state(&world, ONE).await.unwrap().0, "cancelled");
        world.verify().await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_flight_is_withdrawn_from_where_it_began_and_days_in_utc_find_their_flights() {
    let world = World::start().await;
    push(&world, "ssim", ssim("05JAN27", &[(1, "01MAR27")])).await;
    let replace = ssm(
        "10JAN00001E001",
        "RPL\nUA1\n01MAR27 01MAR27 1\nJ 738 Y.Y150\nJFK2000 IAH2300",
    );
    let report = push(&world, "ssm", replace).await;
    assert_eq!((report.read, report.accepted), (1, 1), "{report:?}");
    assert_eq!(state(&world, ONE).await.unwrap().0, "cancelled");
    let from_jfk = "UA1.2027-03-01.JFK";
    assert_eq!(
        state(&world, from_jfk).await.unwrap(),
        ("scheduled".to_owned(), 60)
    );
    // It departs at 01:00 of the next day, as UTC counts: the day of the flight itself names another.
    let cancel = |day: &str| format!("ASM\n11JAN00001E001\nCNL\nUA1/{day}\n");
    let report = push(&world, "ssm", cancel("01MAR27")).await;
    assert_eq!(report.accepted, 1, "the one from Newark: {report:?}");
    assert_eq!(state(&world, from_jfk).await.unwrap().0, "scheduled");
    push(&world, "ssm", cancel("02MAR27")).await;
    assert_eq!(state(&world, from_jfk).await.unwrap().0, "cancelled");
    world.verify().await;
    world.stop().await;
}

/// A command of provider acme as a push would make it.
fn command(line: &str) -> flightline_connectors::PushCommand {
    let connector = flightline_connectors::format("canonical").unwrap();
    let connector = connector.connector(&Default::default()).unwrap();
    let source = flightline_connectors::Source::new("m", line.as_bytes());
    let config = flightline_connectors::PushConfig::new("acme".parse().unwrap());
    let mut batch = flightline_connectors::Push::new(&*connector, source, config)
        .next()
        .unwrap();
    batch.commands.remove(0)
}

/// Appends a command without what a push does besides, as if the process had ended behind it.
async fn append(world: &World, line: &str) -> Outcome {
    let command = command(line);
    let submit = Submit {
        id: command.id,
        command: Command::Flight(command.flight, command.command),
        ref_text: None,
        actor: None,
    };
    let answer = world.backend().submit(submit).unwrap().await.unwrap();
    answer.decision.outcome
}

/// One canonical event, at a sequence.
fn event(kind: &str, flight: &str, sequence: u32, more: &str) -> String {
    format!(
        r#"{{"type":"{kind}","flight_key":"{flight}","source_version":{{"time":"2027-01-01T00:00:00Z","sequence":{sequence}}}{more}}}"#
    )
}

fn canonical_schedule(flight: &str, sequence: u32) -> String {
    event(
        "schedule",
        flight,
        sequence,
        r#","legs":[{"board":"EWR","off":"IAH","departs":"2027-03-01T12:00:00-05:00","arrives":"2027-03-01T15:00:00-06:00","cabins":[{"cabin":"Y","seats":150}]}]"#,
    )
}

/// Replacements of a file are closed together where they can be: the same comes of it as one by one.
#[tokio::test(flavor = "multi_thread")]
async fn each_airline_of_a_file_is_replaced_whatever_comes_behind_it() {
    let world = World::start().await;
    let flights = ["UA1", "UA2", "AA1", "AA2", "DL1"].map(|n| format!("{n}.2027-03-01.EWR"));
    let [ua1, ua2, aa1, aa2, dl1] = flights.each_ref().map(String::as_str);
    let before = flights
        .each_ref()
        .map(|flight| canonical_schedule(flight, 1));
    push(&world, "canonical", before.join("\n")).await;
    let file = [
        canonical_replacement("UA", 5, ua1),
        canonical_replacement("AA", 5, aa1),
        // The same airline once more, in the same file: it names another flight.
        canonical_replacement("UA", 6, ua2),
        // And the end of the file is lost.
        canonical_mark("begin", "DL", 5),
    ];
    let report = push(&world, "canonical", file.join("\n")).await;
    assert_eq!(report.rejects[0].code, "bad_replace", "{report:?}");
    // Three schedules, and what they did not name: UA2 by the first, AA2 by the second, UA1 by the third.
    assert_eq!((report.accepted, report.stale), (6, 0), "{report:?}");
    for (flight, status) in [
        (ua1, "cancelled"),
        (ua2, "scheduled"),
        (aa1, "scheduled"),
        (aa2, "cancelled"),
        (dl1, "scheduled"),
    ] {
        assert_eq!(state(&world, flight).await.unwrap().0, status, "{flight}");
    }
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_should_have_followed_a_schedule_when_the_process_ended_follows_at_the_next_start() {
    for with_checkpoint in [false, true] {
        ended_behind_schedules(with_checkpoint).await;
    }
}

async fn ended_behind_schedules(with_checkpoint: bool) {
    let mut world = World::start().await;
    let two = "UA2.2027-03-01.EWR";
    let three = "UA3.2027-03-01.EWR";
    // A cancellation, a message of days and numbers, and a whole replacement overtake the schedules.
    push(&world, "canonical", event("cancel", ONE, 9, "")).await;
    let cancel = ssm("10JAN00001E001", "CNL\nUA2\n01MAR27 01MAR27 1");
    push(&world, "ssm", cancel).await;
    let marks = ["replace_begin", "replace_end"].map(|mark| {
        format!(
            r#"{{"type":"{mark}","source_version":{{"time":"2027-01-01T00:00:00Z","sequence":9}},"carrier":"UA","from":"2027-03-01","to":"2027-03-01"}}"#
        )
    });
    push(&world, "canonical", marks.join("\n")).await;
    for flight in [ONE, two, three] {
        let outcome = append(&world, &canonical_schedule(flight, 1)).await;
        assert_eq!(outcome.name(), "accepted");
        assert_eq!(state(&world, flight).await.unwrap().0, "scheduled");
    }
    if with_checkpoint {
        let patience = crate::world::PATIENCE;
        world.replica().flushed(patience).await.unwrap();
        world.replica().checkpoint().await.unwrap();
    }
    world.restart().await;
    for flight in [ONE, two, three] {
        assert_eq!(
            state(&world, flight).await.unwrap().0,
            "cancelled",
            "{flight}, with a checkpoint: {with_checkpoint}"
        );
    }
    // It was sent once: another start finds nothing missing.
    let sent = world.backend().provider_status("acme".parse().unwrap());
    world.restart().await;
    let now = world.backend().provider_status("acme".parse().unwrap());
    assert_eq!(sent, now);
    world.verify().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_its_flight_is_known_after_a_start_with_and_without_a_checkpoint() {
    for with_checkpoint in [false, true] {
        let mut world = World::start().await;
        let two = "UA2.2027-03-01.EWR";
        let three = "UA3.2027-03-01.EWR";
        push(&world, "canonical", event("cancel", ONE, 9, "")).await;
        let cancel = ssm("10JAN00001E001", "CNL\nUA2\n01MAR27 01MAR27 1");
        push(&world, "ssm", cancel).await;
        push(&world, "ssim", ssim("06JAN27", &[(9, "01MAR27")])).await;
        if with_checkpoint {
            let patience = crate::world::PATIENCE;
            world.replica().flushed(patience).await.unwrap();
            world.replica().checkpoint().await.unwrap();
        }
        world.restart().await;
        if with_checkpoint {
            assert!(world.replica().checkpoint_records() > 0);
        }
        let schedules: Vec<String> = [(ONE, 1), (two, 1)]
            .map(|(flight, sequence)| canonical_schedule(flight, sequence))
            .into();
        push(&world, "canonical", schedules.join("\n")).await;
        push(&world, "ssim", ssim("05JAN27", &[(3, "01MAR27")])).await;
        for flight in [ONE, two, three] {
            assert_eq!(
                state(&world, flight).await.unwrap().0,
                "cancelled",
                "{flight}, with a checkpoint: {with_checkpoint}"
            );
        }
        world.verify().await;
        world.stop().await;
    }
}
