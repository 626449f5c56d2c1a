//! Views that come, change and go at random moments, on one, two and four workers, beside a plain evaluation of the same
//! queries over the state that the epochs tell of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::{Change, Epoch, EpochSink, ViewChanges};
use flightline_dataflows::live::{
    Phase, Preparation, Refusal, Views, ViewsConfig, ViewsHandle, rows_of,
};
use flightline_dataflows::reference::Reference;
use flightline_dataflows::relational::Row;
use flightline_dataflows::sql::{Text, View, compile};
use flightline_dataflows::{Config, Dataflow};

use crate::support::past::{Past, decided};
use crate::support::sinks::Words;
use crate::support::{Dice, history, order_history};

const PARTITIONS: u32 = 3;
const LONG: Duration = Duration::from_secs(120);

/// What the epochs have told so far.
#[derive(Default)]
pub struct Shown {
    state: Epoch,
    /// By name: the view, its rows, and whether it has stopped.
    tables: BTreeMap<String, (Arc<View>, BTreeSet<Row>, bool)>,
}

#[derive(Clone, Default)]
pub struct Screen(pub Arc<Mutex<Shown>>);

fn apply<R: Ord + Clone>(rows: &mut Vec<Change<R>>, changes: &[Change<R>]) {
    for (row, diff) in changes {
        match (rows.binary_search_by(|(known, _)| known.cmp(row)), diff) {
            (Err(at), 1) => rows.insert(at, (row.clone(), 1)),
            (Ok(at), -1) => drop(rows.remove(at)),
            _ => panic!("a row came twice, or went and was not there"),
        }
    }
}

impl Shown {
    fn view(&mut self, changes: &ViewChanges) {
        let name = changes.view.name.clone();
        let table = self.tables.entry(name);
        let begin = || (Arc::clone(&changes.view), BTreeSet::new(), false);
        let (view, rows, has_failed) = table.or_insert_with(begin);
        assert!(*view == changes.view, "rows of a view that was replaced");
        *has_failed |= changes.failed.is_some();
        for (row, diff) in changes.rows.iter().filter(|(_, diff)| *diff < 0) {
            assert_eq!(*diff, -1);
            assert!(rows.remove(row), "{}: {row} was not there", view.name);
        }
        for (row, diff) in changes.rows.iter().filter(|(_, diff)| *diff > 0) {
            assert_eq!(*diff, 1);
            assert!(rows.insert(row.clone()), "{}: {row} is there", view.name);
        }
    }
}

impl EpochSink for Screen {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let mut shown = self.0.lock().unwrap();
        let shown = &mut *shown;
        let state = &mut shown.state;
        if !epoch.covers.is_empty() {
            state.covers.clone_from(&epoch.covers);
        }
        state.clock_ms = state.clock_ms.max(epoch.clock_ms);
        apply(&mut state.flights, &epoch.flights);
        apply(&mut state.legs, &epoch.legs);
        apply(&mut state.inventory, &epoch.inventory);
        apply(&mut state.holds, &epoch.holds);
        apply(&mut state.drift, &epoch.drift);
        apply(&mut state.fares, &epoch.fares);
        apply(&mut state.offers, &epoch.offers);
        apply(&mut state.load_factor, &epoch.load_factor);
        apply(&mut state.orders, &epoch.orders);
        for view in &epoch.ended_views {
            shown.tables.remove(&view.name);
        }
        for changes in &epoch.views {
            assert_eq!(
                changes.begins,
                changes.begins && !shown.tables.contains_key(&changes.view.name)
            );
            shown.view(changes);
        }
    }
}

/// Name, key, how far back it looks, and query. Some read others, and what several need is shared.
const ALL: &[(&str, &str, &str, &str)] = &[
    (
        "by_flight",
        "flight_key",
        "",
        "SELECT flight_key, count(*) AS n, sum(seats) AS seats FROM holds GROUP BY flight_key",
    ),
    (
        "busy",
        "flight_key",
        "",
        "SELECT flight_key, n FROM by_flight WHERE n > 1",
    ),
    (
        "sizes",
        "n",
        "",
        "SELECT n, count(*) AS flights FROM by_flight GROUP BY n",
    ),
    (
        "of_legs",
        "flight_key, leg_no",
        "",
        "SELECT l.flight_key, l.leg_no, f.status, b.n FROM legs l JOIN flights f ON f.flight_key = l.flight_key LEFT JOIN by_flight b ON b.flight_key = l.flight_key",
    ),
    (
        "legs_again",
        "flight_key, leg_no",
        "",
        "SELECT l.flight_key, l.leg_no, f.owner FROM legs l JOIN flights f ON f.flight_key = l.flight_key",
    ),
    (
        "fresh",
        "partition, offset",
        "",
        "SELECT partition, \"offset\", status FROM holds WHERE created_at > now() - INTERVAL '10 minutes'",
    ),
    (
        "cheapest",
        "board, off",
        "",
        "SELECT board, off, min(price) AS price, count(DISTINCT flight_key) AS flights FROM offers WHERE seats > 0 GROUP BY board, off",
    ),
    (
        "recent",
        "partition, offset",
        "15 minutes",
        "SELECT * FROM decisions",
    ),
    (
        "recent_again",
        "kind, outcome",
        "15 minutes",
        "SELECT kind, outcome, count(*) AS n FROM decisions GROUP BY kind, outcome",
    ),
    (
        "refused",
        "kind, reason",
        "1 hour",
        "SELECT kind, coalesce(reason, '') AS reason, count(*) AS n, max(at) AS latest FROM decisions WHERE outcome = 'refused' GROUP BY kind, coalesce(reason, '')",
    ),
    (
        "who",
        "partition, offset",
        "1 hour",
        "SELECT d.partition, d.\"offset\", d.actor, h.seats, h.status FROM decisions d JOIN holds h ON h.partition = d.partition AND h.\"offset\" = d.\"offset\" WHERE d.outcome = 'held'",
    ),
    (
        "of_refused",
        "n",
        "",
        "SELECT n, count(*) AS reasons FROM refused GROUP BY n",
    ),
];

pub fn text((name, key, back, sql): (&str, &str, &str, &str)) -> Text {
    let back = match back {
        "" => String::new(),
        back => format!("decisions: {back}\n"),
    };
    Text {
        file: format!("{name}.yaml"),
        text: format!(
            "name: {name}\ndescription: A test.\nsql: |\n  {sql}\n{back}sink: {{postgres: {{key: [{key}]}}}}\n"
        ),
    }
}

pub fn views(texts: Vec<Text>) -> Vec<Arc<View>> {
    compile(texts).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"));
    })
}

/// The tables beside the queries over the state.
pub fn judge(screen: &Screen, past: &Past, at: &str) {
    let shown = screen.0.lock().unwrap();
    let mut state = shown.state.clone();
    state.decisions = decided(&past.records.lock().unwrap(), &state.covers);
    for (name, (view, rows, has_failed)) in &shown.tables {
        let expected = rows_of(view, &state, &Reference::default());
        assert!(!has_failed && expected.failed.is_none(), "{at}: {name}");
        let expected: BTreeSet<Row> = expected.rows.into_iter().map(|(row, _)| row).collect();
        let missing: Vec<_> = expected.difference(rows).take(3).collect();
        let besides: Vec<_> = rows.difference(&expected).take(3).collect();
        assert!(
            missing.is_empty() && besides.is_empty(),
            "{at}: {name}: missing {missing:?}, besides {besides:?}"
        );
    }
}

pub fn settle(dataflow: &Dataflow, views: &ViewsHandle, screen: &Screen) {
    let begun = Instant::now();
    let is_there = || screen.0.lock().unwrap().state.covers == dataflow.next_offsets();
    while !is_there() {
        assert!(begun.elapsed() < LONG, "{:?}", views.list());
        assert!(views.failure().is_none(), "{:?}", views.failure());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

type Coming = std::thread::JoinHandle<Result<Preparation, Refusal>>;

fn bring(views: &ViewsHandle, adds: Vec<Arc<View>>) -> Coming {
    let views = views.clone();
    std::thread::spawn(move || {
        let coming = views.prepare(adds)?;
        coming.wait()?;
        Ok(coming)
    })
}

/// One run: what is live changes every few epochs, in a way that the dice decide.
fn moves(seed: u64, workers: usize) -> (u64, u64) {
    let of_orders = seed.is_multiple_of(2);
    let stream = match of_orders {
        true => order_history::random(seed, PARTITIONS, 700),
        false => history::random(seed, PARTITIONS, 700),
    };
    let all = views(ALL.iter().copied().map(text).collect());
    let named = |name: &str| all.iter().find(|view| view.name == name).unwrap();
    let (screen, past) = (Screen::default(), Past::of(&stream));
    let mut dice = Dice(seed);
    let first: Vec<Arc<View>> = all.iter().filter(|_| dice.one_in(3)).cloned().collect();
    let mut live: BTreeSet<String> = first.iter().map(|view| view.name.clone()).collect();
    let mut config = ViewsConfig::new(PARTITIONS);
    (config.workers, config.views) = (workers, first);
    config.history = Some(Arc::new(past.clone()));
    let sink = Views::start(config, screen.clone()).unwrap();
    let handle = sink.handle();
    let config = Config::new(PARTITIONS);
    let mut dataflow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
    let mut rest = &stream[..];
    if dice.one_in(2) {
        // A start over a history.
        let (before, after) = rest.split_at(dice.below(500) as usize);
        let mut until = vec![0; PARTITIONS as usize];
        before
            .iter()
            .for_each(|r| until[r.partition as usize] = r.input.offset + 1);
        dataflow.snapshot_epoch(&until);
        dataflow.send(before.to_vec()).unwrap();
        dataflow.close_epoch().unwrap();
        rest = after;
    }
    let mut coming: Option<(Coming, Vec<String>, Vec<String>)> = None;
    let (mut changes, mut points) = (0, 0);
    while !rest.is_empty() || coming.is_some() {
        let take = (1 + dice.below(9) as usize).min(rest.len());
        let (now, later) = rest.split_at(take);
        rest = later;
        dataflow.send(now.to_vec()).unwrap();
        dataflow.close_epoch().unwrap();
        if let Some((thread, adds, ended)) = coming.take_if(|_| rest.is_empty() || dice.one_in(3)) {
            let preparation = thread.join().unwrap().unwrap();
            changes += 1;
            if dice.one_in(6) {
                // Given up at the last moment.
                drop(preparation);
            } else {
                preparation.commit(&ended).unwrap();
                live.extend(adds);
            }
        } else if coming.is_none() && dice.one_in(2) {
            let one = all[dice.below(all.len() as u64) as usize].name.clone();
            if live.contains(&one) && dice.one_in(2) {
                // Sometimes it is one that others read: they go on all the same.
                handle.remove(std::slice::from_ref(&one)).unwrap();
                live.remove(&one);
                changes += 1;
            } else {
                let few = 1 + dice.below(3) as usize;
                let mut names = vec![one];
                names.extend((1..few).map(|_| dice.pick(ALL).0.to_owned()));
                names.sort();
                names.dedup();
                let ended: Vec<String> = names
                    .iter()
                    .filter(|n| live.contains(*n))
                    .cloned()
                    .collect();
                let adds = names.iter().map(|name| Arc::clone(named(name))).collect();
                coming = Some((bring(&handle, adds), names, ended));
            }
        }
        if dice.one_in(8) || rest.is_empty() && coming.is_none() {
            settle(&dataflow, &handle, &screen);
            judge(
                &screen,
                &past,
                &format!("seed {seed}, {workers} workers, {} left", rest.len()),
            );
            points += 1;
            let shown: BTreeSet<String> = screen.0.lock().unwrap().tables.keys().cloned().collect();
            assert_eq!(shown, live, "seed {seed}, {workers} workers");
        }
    }
    // What nobody reads leaves nothing behind, whatever came and went.
    let names: Vec<String> = live.into_iter().collect();
    handle.remove(&names).unwrap();
    let begun = Instant::now();
    while !handle.list().is_empty() || handle.due_ms().is_some() {
        let (list, due) = (handle.list(), handle.due_ms());
        assert!(begun.elapsed() < LONG, "seed {seed}: {list:?}, {due:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    dataflow.shutdown().unwrap();
    (changes, points)
}

#[test]
fn views_that_move_are_what_their_queries_say_on_any_number_of_workers() {
    for seed in 0..6 {
        let workers = [1, 2, 4][seed as usize % 3];
        let (changes, points) = moves(seed, workers);
        assert!(
            changes > 10 && points > 5,
            "seed {seed}: {changes} changes, {points} points"
        );
    }
}

/// What overflows in one view is nobody else's business, though they read the same.
#[test]
fn a_view_that_overflows_stops_alone_though_others_read_what_it_reads() {
    let over = (
        "over",
        "flight_key",
        "",
        "SELECT flight_key, n * 4611686018427387904 AS much FROM by_flight",
    );
    for workers in [1, 2, 4] {
        let stream = history::random(8, PARTITIONS, 600);
        let texts = ALL[..4].iter().copied().chain([over]).map(text);
        let all = views(texts.collect());
        let (screen, past) = (Screen::default(), Past::of(&stream));
        let mut config = ViewsConfig::new(PARTITIONS);
        (config.workers, config.views) = (workers, all.clone());
        let sink = Views::start(config, screen.clone()).unwrap();
        let handle = sink.handle();
        let config = Config::new(PARTITIONS);
        let mut dataflow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
        for chunk in stream.chunks(40) {
            dataflow.send(chunk.to_vec()).unwrap();
            dataflow.close_epoch().unwrap();
        }
        settle(&dataflow, &handle, &screen);
        let failed: Vec<String> = handle
            .list()
            .into_iter()
            .filter_map(|status| match status.phase {
                Phase::Failed(failure) => Some(format!("{}: {failure}", status.view.name)),
                _ => None,
            })
            .collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(
            failed[0].starts_with("over: over.yaml:4:") && failed[0].contains("out of range"),
            "{failed:?}"
        );
        // Its place is taken by one that does not, in one step.
        let mended = views(
            ALL[..4]
                .iter()
                .copied()
                .chain([(
                    over.0,
                    over.1,
                    "",
                    "SELECT flight_key, n::numeric * 4611686018427387904 AS much FROM by_flight",
                )])
                .map(text)
                .collect(),
        );
        screen.0.lock().unwrap().tables.remove("over");
        judge(&screen, &past, "the others");
        let coming = handle.prepare(vec![Arc::clone(&mended[4])]).unwrap();
        coming.wait().unwrap();
        coming.commit(&["over".to_owned()]).unwrap();
        judge(&screen, &past, "all of them");
        assert!(screen.0.lock().unwrap().tables.contains_key("over"));
        dataflow.shutdown().unwrap();
    }
}

#[test]
fn coming_and_going_a_thousand_times_leaves_nothing_behind() {
    for (workers, rounds) in [(1, 340), (2, 30)] {
        let stream = history::random(21, PARTITIONS, 500);
        let past = Past::of(&stream);
        let mut config = ViewsConfig::new(PARTITIONS);
        config.workers = workers;
        config.history = Some(Arc::new(past.clone()));
        let sink = Views::start(config, Screen::default()).unwrap();
        let handle = sink.handle();
        let config = Config::new(PARTITIONS);
        let mut dataflow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
        let (first, second) = stream.split_at(400);
        dataflow.send(first.to_vec()).unwrap();
        dataflow.close_epoch().unwrap();
        let all = views(ALL.iter().copied().map(text).collect());
        let of = |names: &[&str]| -> Vec<Arc<View>> {
            let named = all.iter().filter(|view| names.contains(&&view.name[..]));
            named.cloned().collect()
        };
        let come_and_go = |names: &[&str]| {
            let coming = handle.prepare(of(names)).unwrap();
            coming.wait().unwrap();
            coming.commit(&[]).unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            handle.remove(&names).unwrap();
        };
        let sets: [&[&str]; 3] = [
            &["by_flight", "busy", "of_legs"],
            &["legs_again", "fresh", "recent", "recent_again"],
            &["refused", "of_refused", "cheapest"],
        ];
        // A worker tells when it looks around, and traces forget when epochs come.
        let mut kept_at_most = |records: u64| {
            let begun = Instant::now();
            while handle.shared().records > records || handle.due_ms().is_some() {
                let (kept, due) = (handle.shared(), handle.due_ms());
                assert!(
                    begun.elapsed() < LONG,
                    "{workers} workers: {kept:?}, {due:?}"
                );
                dataflow.send(Vec::new()).unwrap();
                dataflow.close_epoch().unwrap();
                std::thread::park_timeout(Duration::from_millis(5));
            }
        };
        let begun = Instant::now();
        while handle.shared().records < 50 {
            assert!(begun.elapsed() < LONG, "{:?}", handle.shared());
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let before = handle.shared().records;
        for round in 0..rounds {
            come_and_go(sets[round % 3]);
        }
        assert_eq!(handle.list().len(), 0);
        // Not one record of each time may stay, nor anything that waits for a time; what other workers had not
        // told yet may come.
        kept_at_most(before + 160);
        // It goes on as if nothing had been.
        dataflow.send(second.to_vec()).unwrap();
        dataflow.close_epoch().unwrap();
        let coming = handle.prepare(of(&["recent"])).unwrap();
        coming.wait().unwrap();
        coming.commit(&[]).unwrap();
        assert!(handle.list()[0].rows > 0);
        dataflow.shutdown().unwrap();
    }
}
