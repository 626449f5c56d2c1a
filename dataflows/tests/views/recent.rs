//! What views read of decisions: as far back as they say, with what was decided before they came, and no more.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::{Epoch, EpochSink, Record};
use flightline_dataflows::live::{History, Phase, Refusal, Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::rows::DecisionRow;
use flightline_dataflows::sql::{View, run_examples};
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::{Command, CommandId, Input};

use crate::moving::{Screen, judge, settle, text, views};
use crate::support::history;
use crate::support::past::{Past, decided};
use crate::support::sinks::Words;

const PARTITIONS: u32 = 3;
const LONG: Duration = Duration::from_secs(60);

const LAST: (&str, &str, &str, &str) = (
    "last",
    "partition, offset",
    "10 minutes",
    "SELECT * FROM decisions",
);
const LAST_KINDS: (&str, &str, &str, &str) = (
    "last_kinds",
    "kind",
    "10 minutes",
    "SELECT kind, count(*) AS n FROM decisions GROUP BY kind",
);
const REFUSED: (&str, &str, &str, &str) = (
    "refused",
    "partition, offset",
    "30 days",
    "SELECT partition, \"offset\", reason FROM decisions WHERE outcome = 'refused'",
);

struct Run {
    dataflow: Dataflow,
    views: ViewsHandle,
    screen: Screen,
    past: Past,
}

fn run(first: Vec<Arc<View>>, past: &Past, workers: usize) -> Run {
    let screen = Screen::default();
    let mut config = ViewsConfig::new(PARTITIONS);
    (config.workers, config.views) = (workers, first);
    config.history = Some(Arc::new(past.clone()));
    let sink = Views::start(config, screen.clone()).unwrap();
    let views = sink.handle();
    let config = Config::new(PARTITIONS);
    Run {
        dataflow: Dataflow::start(config, Arc::new(Words::default()), sink).unwrap(),
        views,
        screen,
        past: past.clone(),
    }
}

impl Run {
    fn send(&mut self, records: &[Record]) {
        self.dataflow.send(records.to_vec()).unwrap();
        self.dataflow.close_epoch().unwrap();
    }

    fn settle(&self) {
        settle(&self.dataflow, &self.views, &self.screen);
    }

    fn judge(&self, at: &str) {
        self.settle();
        judge(&self.screen, &self.past, at);
    }

    fn add(&self, view: &Arc<View>) {
        let coming = self.views.prepare(vec![Arc::clone(view)]).unwrap();
        coming.wait().unwrap();
        coming.commit(&[]).unwrap();
    }

    fn asked(&self) -> u64 {
        self.past.asked.load(Ordering::SeqCst)
    }

    fn rows(&self, name: &str) -> u64 {
        let list = self.views.list().into_iter();
        list.filter(|view| view.view.name == name)
            .map(|view| view.rows)
            .sum()
    }
}

fn all() -> [Arc<View>; 3] {
    let all = views([LAST, LAST_KINDS, REFUSED].map(text).to_vec());
    all.try_into().unwrap()
}

/// Waits for something that other threads do.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Where records end, by partition.
fn ends(records: &[Record]) -> Vec<u64> {
    let mut ends = vec![0; PARTITIONS as usize];
    for record in records {
        ends[record.partition as usize] = record.input.offset + 1;
    }
    ends
}

#[test]
fn what_was_decided_before_is_asked_for_by_the_first_reader_and_kept_while_there_is_one() {
    let stream = history::random(11, PARTITIONS, 600);
    let [last, kinds, refused] = all();
    for workers in [1, 2, 4] {
        let mut run = run(Vec::new(), &Past::of(&stream), workers);
        run.send(&stream[..400]);
        run.settle();
        assert_eq!(run.asked(), 0, "nobody reads it");
        run.add(&last);
        assert_eq!(run.asked(), 1);
        run.judge("the first reader");
        assert!(run.rows("last") > 0);
        run.add(&kinds);
        assert_eq!(run.asked(), 1, "it is there");
        run.add(&refused);
        assert_eq!(run.asked(), 2, "another stretch of time");
        run.judge("all three");
        run.send(&stream[400..500]);
        run.judge("what came since");
        run.views
            .remove(&["last".to_owned(), "last_kinds".to_owned()])
            .unwrap();
        run.judge("one of three");
        assert!(run.rows("refused") > 3);
        run.add(&last);
        assert_eq!(run.asked(), 3, "nobody had kept it");
        run.send(&stream[500..]);
        run.judge("at the end");
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn only_what_passes_the_conditions_is_kept() {
    let stream = history::random(17, PARTITIONS, 900);
    let everything = ("everything", LAST.1, "30 days", LAST.3);
    let [.., refused] = all();
    let everything = views(vec![text(everything)]).remove(0);
    // What is kept beside the rows of the other sources.
    let kept = |view: Option<&Arc<View>>| {
        let mut run = run(view.cloned().into_iter().collect(), &Past::default(), 1);
        run.send(&stream);
        run.settle();
        let rows = view.map_or(0, |view| run.rows(&view.name));
        let mut last = run.views.shared().records;
        // A worker tells when it looks around.
        for _ in 0..50 {
            std::thread::park_timeout(Duration::from_millis(2));
            last = last.max(run.views.shared().records);
        }
        run.dataflow.shutdown().unwrap();
        (last, rows)
    };
    let (nothing, _) = kept(None);
    let (of_refused, refusals) = kept(Some(&refused));
    let (of_all, decisions) = kept(Some(&everything));
    assert!(
        refusals > 20 && decisions > refusals + 100,
        "{refusals} of {decisions}"
    );
    assert_eq!(of_refused - nothing, refusals);
    assert_eq!(of_all - nothing, decisions);
}

#[test]
fn what_is_decided_while_the_past_is_read_is_neither_lost_nor_doubled() {
    let stream = history::random(12, PARTITIONS, 600);
    let [last, kinds, refused] = all();
    for workers in [1, 2] {
        let past = Past::of(&stream);
        let mut run = run(vec![Arc::clone(&kinds)], &past, workers);
        run.send(&stream[..300]);
        run.settle();
        let gate = past.gate.lock().unwrap();
        let (told, hears) = mpsc::channel();
        let views = run.views.clone();
        let adds = vec![Arc::clone(&last), Arc::clone(&refused)];
        let coming = std::thread::spawn(move || {
            let coming = views.prepare(adds).unwrap();
            told.send(()).unwrap();
            coming.wait().unwrap();
            coming.commit(&[]).unwrap();
        });
        until("it asks for the past", || run.asked() > 0);
        let phases = run.views.list().into_iter().map(|view| view.phase);
        let looking = Phase::LookingBack { read: 0, of: 300 };
        let phases: Vec<Phase> = phases.collect();
        assert_eq!(phases, [Phase::Live, looking.clone(), looking]);
        for chunk in stream[300..500].chunks(7) {
            run.send(chunk);
        }
        // Nothing stops for it: the view that was there goes on, and who kept what is wanted may go.
        run.settle();
        assert!(run.rows("last_kinds") > 0);
        run.views.remove(&["last_kinds".to_owned()]).unwrap();
        assert!(hears.try_recv().is_err(), "it waits for the past");
        drop(gate);
        coming.join().unwrap();
        run.judge("when it has come");
        for chunk in stream[500..].chunks(11) {
            run.send(chunk);
        }
        run.judge("at the end");
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn a_start_over_a_history_has_what_was_decided_in_it() {
    let stream = history::random(13, PARTITIONS, 600);
    for workers in [1, 2, 4] {
        let past = Past::of(&stream);
        let mut run = run(all().to_vec(), &past, workers);
        let (before, after) = stream.split_at(450);
        run.dataflow.snapshot_epoch(&ends(before));
        let gate = past.gate.lock().unwrap();
        run.send(before);
        for chunk in after.chunks(9) {
            // The views are behind, and nobody else is.
            run.send(chunk);
        }
        until("the ledger does not wait for the views", || {
            run.dataflow.reader().backlog().epochs == 0
        });
        assert_eq!(run.rows("last"), 0);
        drop(gate);
        run.judge("after the start");
        assert_eq!(run.asked(), 1);
        assert!(run.rows("last") > 0 && run.rows("refused") > 0);
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn a_decision_leaves_with_the_clock_of_the_stream_and_at_no_other_time() {
    let stream = history::random(14, PARTITIONS, 300);
    let [last, ..] = all();
    let mut run = run(vec![last], &Past::default(), 2);
    run.send(&stream);
    run.settle();
    let (rows, due) = (run.rows("last"), run.views.due_ms().unwrap());
    assert!(rows > 1, "{rows} rows");
    let offset = stream.iter().filter(|r| r.partition == 0).count() as u64;
    let tick = |offset, at_ms| Record {
        partition: 0,
        input: Input {
            offset,
            at_ms,
            id: CommandId(0),
            command: Command::Tick,
        },
        note: None,
    };
    run.send(&[tick(offset, due - 1)]);
    run.settle();
    assert_eq!(run.rows("last"), rows, "a millisecond before");
    run.send(&[tick(offset + 1, due)]);
    run.settle();
    assert!(run.rows("last") < rows, "then it leaves");
    run.send(&[tick(offset + 2, due + 3_600_000)]);
    run.settle();
    assert_eq!((run.rows("last"), run.views.due_ms()), (0, None));
    run.dataflow.shutdown().unwrap();
}

struct Broken;

impl History for Broken {
    fn decisions(
        &self,
        _: &[u64],
        _: i64,
        _: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String> {
        Err("the disk is on fire".to_owned())
    }
}

#[test]
fn who_does_not_know_the_past_says_so() {
    let stream = history::random(15, PARTITIONS, 200);
    let [last, ..] = all();
    let made = |views: Vec<Arc<View>>, history: &Option<Arc<dyn History>>| {
        let mut config = ViewsConfig::new(PARTITIONS);
        (config.views, config.history) = (views, history.clone());
        let sink = Views::start(config, Screen::default()).unwrap();
        let views = sink.handle();
        let config = Config::new(PARTITIONS);
        let flow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
        (flow, views)
    };
    let nobody: Option<Arc<dyn History>> = None;
    for (history, expected) in [
        (nobody, "nobody knows what was decided before"),
        (Some(Arc::new(Broken) as _), "the disk is on fire"),
    ] {
        // A view that comes is refused, and everything else goes on.
        let (mut flow, handle) = made(Vec::new(), &history);
        flow.send(stream.clone()).unwrap();
        flow.close_epoch().unwrap();
        until("the ledger is through", || {
            flow.reader().backlog().epochs == 0
        });
        let refused = handle.prepare(vec![Arc::clone(&last)]).unwrap_err();
        assert!(matches!(refused, Refusal::Past(_)), "{refused}");
        assert!(refused.to_string().contains(expected), "{refused}");
        assert!(handle.list().is_empty() && handle.failure().is_none());
        flow.shutdown().unwrap();
        // At a start there is nothing to go on with.
        let (mut flow, handle) = made(vec![Arc::clone(&last)], &history);
        flow.snapshot_epoch(&ends(&stream));
        flow.send(stream.clone()).unwrap();
        flow.close_epoch().unwrap();
        until("it does not go on without its past", || {
            handle.failure().is_some()
        });
        let failure = handle.failure().unwrap();
        assert!(failure.message.contains(expected), "{failure}");
        drop(flow);
    }
}

#[test]
fn however_it_is_read_there_is_an_end_to_it() {
    let key = "partition, offset";
    let queries = [
        "SELECT * FROM decisions WHERE at > now() - INTERVAL '1 hour'",
        "SELECT * FROM decisions WHERE at + INTERVAL '1 hour' > now() AND kind = 'hold'",
        "SELECT d.* FROM (SELECT * FROM decisions WHERE 10 / \"offset\" > 1) d WHERE d.kind = 'hold'",
        // What can fail, outside: on rows that are there, and on no others.
        "SELECT * FROM (SELECT * FROM decisions) d WHERE 10 / \"offset\" > 1",
        "SELECT * FROM (SELECT * FROM decisions WHERE kind = 'hold') d WHERE 10 / \"offset\" > 1",
        "SELECT a.* FROM decisions a JOIN flights f USING (flight_key) WHERE 10 / a.\"offset\" > 1",
        "WITH d AS (SELECT * FROM decisions) SELECT a.partition, a.\"offset\" FROM d a \
         JOIN d b ON a.partition = b.partition AND a.first_offset = b.\"offset\"",
        "SELECT d.partition, d.\"offset\", h.seats FROM decisions d \
         LEFT JOIN holds h ON h.partition = d.partition AND h.\"offset\" = d.\"offset\" WHERE d.outcome = 'held'",
        "SELECT partition, \"offset\" FROM decisions WHERE kind = 'hold' \
         UNION SELECT partition, \"offset\" FROM decisions WHERE kind = 'confirm'",
        "SELECT h.partition, h.\"offset\" FROM holds h WHERE NOT EXISTS \
         (SELECT 1 FROM decisions d WHERE d.partition = h.partition AND d.\"offset\" = h.\"offset\")",
    ];
    for query in queries {
        let view = views(vec![text(("seen", key, "1 day", query))]).remove(0);
        assert_eq!(view.looks_back_ms(), Some(86_400_001), "{query}");
    }
}

/// Gives the same decision again and again.
struct Endless(DecisionRow);

impl History for Endless {
    fn decisions(
        &self,
        _: &[u64],
        _: i64,
        give: &mut dyn FnMut(DecisionRow) -> bool,
    ) -> Result<(), String> {
        while give(self.0.clone()) {}
        Ok(())
    }
}

#[test]
fn who_leaves_does_not_wait_for_the_past() {
    let stream = history::random(16, PARTITIONS, 200);
    let [last, ..] = all();
    let row = decided(&stream, &ends(&stream)).swap_remove(0);
    let history: Option<Arc<dyn History>> = Some(Arc::new(Endless(row)));
    for is_start in [false, true] {
        let screen = Screen::default();
        let mut config = ViewsConfig::new(PARTITIONS);
        config.history = history.clone();
        if is_start {
            config.views = vec![Arc::clone(&last)];
        }
        let sink = Views::start(config, screen.clone()).unwrap();
        let handle = sink.handle();
        let config = Config::new(PARTITIONS);
        let mut flow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
        if is_start {
            flow.snapshot_epoch(&ends(&stream));
        }
        flow.send(stream.clone()).unwrap();
        flow.close_epoch().unwrap();
        if !is_start {
            settle(&flow, &handle, &screen);
            let (views, coming) = (handle.clone(), Arc::clone(&last));
            let refused = std::thread::spawn(move || views.prepare(vec![coming]).unwrap_err());
            let is_reading = || {
                let phase = handle.list().pop().map(|view| view.phase);
                matches!(phase, Some(Phase::LookingBack { read: 1.., .. }))
            };
            until("it reads", is_reading);
            handle.leave();
            let refused = refused.join().unwrap();
            assert!(matches!(refused, Refusal::Stopped(_)), "{refused}");
            assert!(handle.list().is_empty());
        }
        handle.leave();
        flow.shutdown().unwrap();
        assert!(handle.failure().is_none(), "nothing was wrong");
    }
}

#[test]
fn an_example_sees_what_the_view_would_see() {
    let mut file = text((
        "seen",
        "offset",
        "1 day",
        "SELECT \"offset\" FROM decisions WHERE kind = 'hold'",
    ));
    file.text += "examples:
  - name: a day and no more
    now: 2027-01-05 10:00:00Z
    given:
      decisions:
        - {partition: 0, offset: 1, kind: hold, at: 2027-01-04 10:00:00Z}
        - {partition: 0, offset: 2, kind: hold, at: 2027-01-04 10:00:00.001Z}
        - {partition: 0, offset: 3, kind: confirm, at: 2027-01-05 09:00:00Z}
    expect:
      - {offset: 2}
";
    let view = views(vec![file]).remove(0);
    assert_eq!(view.looks_back_ms(), Some(86_400_001));
    let outcome = run_examples(&view).remove(0);
    assert!(outcome.problem.is_none(), "{outcome:?}");
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// What docs/views.md says that a decision takes.
#[test]
#[ignore = "a measurement: cargo test -p flightline-dataflows --test views decision_takes -- --ignored --nocapture"]
fn what_a_kept_decision_takes() {
    const EPOCHS: u64 = 1_000;
    const EACH: u64 = 1_000;
    let kinds = (
        "kinds",
        "kind",
        "1 day",
        "SELECT kind, count(*) AS n FROM decisions GROUP BY kind",
    );
    let mut config = ViewsConfig::new(1);
    config.views = views(vec![text(kinds)]);
    let screen = Screen::default();
    let mut sink = Views::start(config, screen).unwrap();
    let handle = sink.handle();
    let stream = history::random(18, 1, 300);
    let model = decided(&stream, &[300]).swap_remove(20);
    let before = resident();
    for number in 0..EPOCHS {
        let rows = (0..EACH).map(|at| {
            let mut row = model.clone();
            row.decision.offset = number * EACH + at;
            row.decision.id = CommandId(u128::from(row.decision.offset) << 64);
            row.decision.at_ms = row.decision.offset as i64 * 10;
            row
        });
        sink.epoch(Arc::new(Epoch {
            number,
            covers: vec![(number + 1) * EACH],
            clock_ms: Some(((number + 1) * EACH) as i64 * 10),
            decisions: rows.collect(),
            ..Epoch::default()
        }));
    }
    until("all epochs are through", || {
        handle.list().iter().all(|view| view.epochs_behind == 0)
    });
    // What is merged is given back a little later.
    std::thread::park_timeout(Duration::from_secs(3));
    let (kept, took) = (handle.shared(), resident() - before);
    assert!(kept.records >= EPOCHS * EACH);
    let each = took / (EPOCHS * EACH);
    eprintln!(
        "{each} bytes each, in memory; {} as it is told",
        kept.bytes / kept.records
    );
}
