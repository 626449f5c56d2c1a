//! Views while they run, beside what their tables show: what they keep in memory, what is computed once for several,
//! and when time changes them though nothing happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::{Epoch, EpochSink, Record};
use flightline_dataflows::live::{Kept, ViewStatus, Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::reference::{AirportName, Reference};
use flightline_dataflows::relational::Decimal;
use flightline_dataflows::sql::{Text, View, compile};
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::{Command, CommandId, Input};

use crate::support::history;
use crate::support::sinks::Words;

const PARTITIONS: u32 = 3;
const LONG: Duration = Duration::from_secs(60);

struct Nobody;

impl EpochSink for Nobody {
    fn epoch(&mut self, _: Arc<Epoch>) {}
}

fn text((name, key, sql): (&str, &str, &str)) -> Text {
    Text {
        file: format!("{name}.yaml"),
        text: format!(
            "name: {name}\ndescription: A test.\nsql: |\n  {sql}\nsink: {{postgres: {{key: [{key}]}}}}\n"
        ),
    }
}

fn views(of: &[(&str, &str, &str)]) -> Vec<Arc<View>> {
    compile(of.iter().copied().map(text).collect()).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"));
    })
}

struct Run {
    dataflow: Dataflow,
    views: ViewsHandle,
}

impl Run {
    fn new(of: &[(&str, &str, &str)], workers: usize) -> Self {
        Self::with(ViewsConfig::new(PARTITIONS), of, workers)
    }

    fn with(mut config: ViewsConfig, of: &[(&str, &str, &str)], workers: usize) -> Self {
        config.workers = workers;
        config.views = views(of);
        let sink = Views::start(config, Nobody).unwrap();
        let views = sink.handle();
        let config = Config::new(PARTITIONS).with_workers(workers);
        let dataflow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
        Self { dataflow, views }
    }

    fn send(&mut self, records: &[Record]) {
        self.dataflow.send(records.to_vec()).unwrap();
        self.dataflow.close_epoch().unwrap();
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < LONG, "{what}: {:?}", self.views.list());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Waits until the views have been through everything that was sent.
    fn settle(&self) {
        self.until("the dataflow does not come to rest", || {
            self.dataflow.reader().backlog().epochs == 0
                && self.views.list().iter().all(|view| view.epochs_behind == 0)
        });
    }

    /// What all views share, when nothing more changes in it: a worker tells at the end of a round, and what is there
    /// twice is merged by and by, as epochs come.
    fn shared_at_rest(&mut self) -> Kept {
        let (mut last, mut same) = (self.views.shared(), 0);
        while same < 16 {
            self.send(&[]);
            self.settle();
            let now = self.views.shared();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    fn add(&self, of: &[(&str, &str, &str)], new: &str) {
        let view = views(of).into_iter().find(|view| view.name == new);
        let coming = self.views.prepare(vec![view.unwrap()]).unwrap();
        coming.wait().unwrap();
        coming.commit(&[]).unwrap();
    }

    fn status(&self, name: &str) -> ViewStatus {
        let list = self.views.list().into_iter();
        list.rev().find(|view| view.view.name == name).unwrap()
    }

    /// What is kept, once it is written down: a worker tells when it looks around.
    fn kept(&self, of: impl Fn(&Self) -> Kept, is_so: impl Fn(Kept) -> bool) -> Kept {
        self.until("what is kept is something else", || is_so(of(self)));
        of(self)
    }
}

const BY_FLIGHT: (&str, &str, &str) = (
    "by_flight",
    "flight_key",
    "SELECT flight_key, count(*) AS n, sum(seats) AS seats FROM holds GROUP BY flight_key",
);
const BY_FLIGHT_2: (&str, &str, &str) = (
    "again",
    "flight_key",
    "SELECT flight_key, n + 1 AS more FROM by_flight WHERE n > 1",
);
const BY_FLIGHT_3: (&str, &str, &str) = (
    "and_again",
    "n",
    "SELECT n, count(*) AS flights FROM by_flight GROUP BY n",
);

#[test]
fn what_a_view_keeps_is_what_its_groups_need_and_goes_with_it() {
    for workers in [1, 2] {
        let mut run = Run::new(&[BY_FLIGHT], workers);
        for chunk in history::random(3, PARTITIONS, 800).chunks(50) {
            run.send(chunk);
        }
        run.settle();
        let groups = run.status("by_flight").rows;
        assert!(groups > 3, "{groups} groups");
        // A line of sums a group, and what was said of it.
        let of = |run: &Run| run.status("by_flight").kept;
        let kept = run.kept(of, |kept| kept.records >= 2 * groups);
        assert!(
            kept.bytes > kept.records * 88 && kept.bytes < kept.records * 1_000,
            "{kept:?}"
        );
        let shared = run.views.shared();
        assert!(
            shared.records > groups && shared.bytes > shared.records,
            "{shared:?}"
        );
        // What comes reads what is there, and keeps as much.
        let copy = ("copy", BY_FLIGHT.1, BY_FLIGHT.2);
        run.add(&[copy], "copy");
        let of = |run: &Run| run.status("copy").kept;
        run.kept(of, |kept| kept.records >= 2 * groups);
        run.views.remove(&["copy".to_owned()]).unwrap();
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn a_view_that_others_read_is_computed_once_and_goes_when_nobody_reads_it() {
    let all = [BY_FLIGHT, BY_FLIGHT_2, BY_FLIGHT_3];
    for workers in [1, 2] {
        let mut run = Run::new(&all, workers);
        let history = history::random(5, PARTITIONS, 900);
        for chunk in history.chunks(60) {
            run.send(chunk);
        }
        run.settle();
        let groups = run.status("by_flight").rows;
        assert!(
            groups > 3 && run.status("again").rows > 0,
            "{:?}",
            run.views.list()
        );
        // The view itself and its first reader have nothing to keep: the groups are kept once, for all.
        for name in ["by_flight", "again"] {
            let kept = run.status(name).kept;
            assert_eq!(kept.records, 0, "{name} keeps {kept:?}");
        }
        let with = run.shared_at_rest();
        assert!(with.records >= 3 * groups, "{with:?}");
        let names: Vec<String> = all.iter().map(|view| view.0.to_owned()).collect();
        run.views.remove(&names[1..]).unwrap();
        // It reads itself from there still.
        let reading = run.shared_at_rest();
        assert!(reading.records >= 3 * groups, "of {with:?}");
        run.views.remove(&names[..1]).unwrap();
        let without = run.shared_at_rest();
        assert!(
            without.records + 3 * groups <= with.records,
            "{without:?} of {with:?}"
        );
        // A reader that comes later finds none, and has one made.
        run.add(&all, "again");
        let again = run.shared_at_rest();
        assert!(
            again.records >= without.records + 3 * groups,
            "{again:?} after {without:?}"
        );
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn names_of_codes_are_there_and_nothing_waits_for_them() {
    let named = (
        "named",
        "flight_key",
        "SELECT f.flight_key, a.city FROM flights f JOIN airports a ON a.iata = f.board",
    );
    for workers in [1, 2] {
        let codes: Vec<String> = (0..9_000_u32)
            .map(|n| {
                let letter = |by: u32| char::from(b'A' + (n / by % 26) as u8);
                format!("{}{}{}", letter(676), letter(26), letter(1))
            })
            .collect();
        let airports = codes.iter().map(|code| AirportName {
            iata: code.parse().unwrap(),
            icao: "",
            name: code,
            city: code,
            area: None,
            country: "XX",
            latitude: Decimal::ZERO,
            longitude: Decimal::ZERO,
            time_zone: "UTC",
        });
        let mut config = ViewsConfig::new(PARTITIONS);
        config.reference = Reference::new(airports, []);
        let mut run = Run::with(config, &[named], workers);
        run.send(&history::random(4, PARTITIONS, 300));
        run.settle();
        // JFK is among them, and EWR; what begins with N or later is not.
        assert!(run.status("named").rows > 2, "{:?}", run.views.list());
        run.dataflow.shutdown().unwrap();
    }
}

#[test]
fn it_is_known_when_time_changes_a_view_next() {
    let fresh = (
        "fresh",
        "partition, offset",
        "SELECT partition, \"offset\", created_at FROM holds WHERE created_at > now() - INTERVAL '90 seconds'",
    );
    let mut run = Run::new(&[fresh], 2);
    assert_eq!(run.views.due_ms(), None, "nothing waits");
    let history = history::random(9, PARTITIONS, 600);
    let clock = history
        .iter()
        .map(|record| record.input.at_ms)
        .max()
        .unwrap();
    run.send(&history);
    run.settle();
    let rows = run.status("fresh").rows;
    assert!(rows > 1, "{rows} rows");
    let due = run.views.due_ms().expect("a row waits for its time");
    assert!(
        due > clock && due <= clock + 90_000,
        "{due}, the clock is {clock}"
    );
    // Time passes: a record that does nothing else.
    let mut next = Record {
        partition: 0,
        input: Input {
            offset: history.iter().filter(|r| r.partition == 0).count() as u64,
            at_ms: due - 1,
            id: CommandId(0),
            command: Command::Tick,
        },
        note: None,
    };
    run.send(&[next.clone()]);
    run.settle();
    assert_eq!(
        run.status("fresh").rows,
        rows,
        "a millisecond before nothing happens"
    );
    next.input.at_ms = due;
    next.input.offset += 1;
    run.send(&[next]);
    run.settle();
    assert!(run.status("fresh").rows < rows, "then it does");
    assert!(run.views.due_ms().is_none_or(|later| later > due));
    run.views.remove(&["fresh".to_owned()]).unwrap();
    run.until("nobody waits any more", || run.views.due_ms().is_none());
    run.dataflow.shutdown().unwrap();
}
