//! How fast the dataflow is on this machine: `cargo run --release -p flightline-dataflows --example speed`.
//!
//! Prints, for a Zipf load over 10,000 flights: the bare ledger, the same through timely with
//! decisions out, all views at several epoch sizes, and the delay from event to view in an open
//! loop. `bare`, `timely`, `views` or `delay` runs one of them, `--events=N` changes how many events
//! (1,000,000), `--partitions=N` and `--epoch=N` leave others out, `--quick` runs a small part of it, to see that it works. The official figures are made by the
//! benches package; this is for looking at one change.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightline_dataflows::changelog::{DecisionSink, Epoch, EpochSink, Record};
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::command::{
    CabinPlan, ClassPlan, Fare, Leg, LegTimes, Schedule, SourceVersion,
};
use flightline_ledger::{
    Command, CommandId, Date, Decision, FlightCommand, FlightKey, HoldRequest, Input, Ledger,
    Money, Observer, ProviderBody, ProviderEvent,
};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const FLIGHTS: usize = 10_000;
const BATCH: usize = 4_096;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let is_quick = arguments.iter().any(|a| a == "--quick");
    let only = arguments.get(1).filter(|a| !a.starts_with("--"));
    let wants = |name: &str| only.is_none_or(|only| name.starts_with(only.as_str()));
    let number = arguments.iter().find_map(|a| a.strip_prefix("--events="));
    let number = number.and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let events = if is_quick { 20_000 } else { number };
    let partitions = arguments
        .iter()
        .find_map(|a| a.strip_prefix("--partitions="));
    let partitions = partitions.and_then(|n| n.parse().ok());
    let epoch = arguments.iter().find_map(|a| a.strip_prefix("--epoch="));
    let only_epoch: Option<usize> = epoch.and_then(|n| n.parse().ok());
    for partitions in partitions.map_or(vec![1, 64], |n| vec![n]) {
        println!("{events} events, Zipf over {FLIGHTS} flights, {partitions} partitions");
        let load = load(partitions, events);
        let bare = if wants("bare") || wants("timely") {
            let rate = best(|| bare(&load, partitions));
            println!("  bare fold, batches of {BATCH}: {:.2} M/s", rate / 1e6);
            rate
        } else {
            f64::NAN
        };
        for workers in [1, 2] {
            if wants("timely") {
                let rate = best(|| decisions_out(&load, partitions, workers));
                println!(
                    "  through timely, decisions out, {workers} workers: {:.2} M/s = {:.2} x bare",
                    rate / 1e6,
                    rate / bare
                );
            }
        }
        for (workers, epoch) in [(1, 1_024), (1, 4_096), (1, 65_536), (2, 4_096)] {
            if wants("views") && only_epoch.is_none_or(|only| only == epoch) {
                let rate = best(|| all_views(&load, partitions, workers, epoch));
                println!(
                    "  all views, epochs of {epoch}, {workers} workers: {:.2} M/s",
                    rate / 1e6
                );
            }
        }
        for rate in [100_000, 300_000] {
            if wants("delay") {
                let seconds = if is_quick { 0.1 } else { 4.0 };
                open_loop(&load, partitions, rate, seconds);
            }
        }
    }
}

/// The best of three: the first one finds memory that the system still has to hand out.
fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..3).map(|_| run()).fold(0.0, f64::max)
}

/// A load: what sets the flights up, and the events.
struct Load {
    setup: Vec<Record>,
    events: Vec<Record>,
    ends: Vec<u64>,
}

struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn code<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is no code"))
}

fn flight(index: usize) -> FlightKey {
    FlightKey {
        carrier: code(["UA", "B6", "DL", "AA"][index % 4]),
        number: 1 + (index / 4 % 2_500) as u16,
        suffix: 0,
        origin_date: Date(20_900 + (index / 10 % 30) as i32),
        board: code(["EWR", "JFK", "LGA"][index % 3]),
    }
}

fn partition_of(index: usize, partitions: u32) -> u32 {
    (index as u64 * 0x9e37_79b9 % u64::from(partitions)) as u32
}

fn load(partitions: u32, events: usize) -> Load {
    let mut dice = Dice(1);
    let mut offsets = vec![0; partitions as usize];
    let mut ids = 0;
    let mut record = |index: usize, command: FlightCommand| {
        let partition = partition_of(index, partitions);
        let offset = offsets[partition as usize];
        offsets[partition as usize] += 1;
        ids += 1;
        let input = Input {
            offset,
            at_ms: 1_798_761_600_000 + ids as i64 / 100,
            id: CommandId(ids << 64 | u128::from(ids as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            command: Command::Flight(flight(index), command),
        };
        Record {
            partition,
            input,
            note: None,
        }
    };
    let mut setup = Vec::new();
    for index in 0..FLIGHTS {
        setup.push(record(index, schedule(index)));
        setup.push(record(index, fares()));
    }
    // The weight of the i-th flight is 1/i; hot ones are spread over the partitions.
    let mut weights: Vec<f64> = (1..=FLIGHTS).map(|i| 1.0 / i as f64).collect();
    for i in 1..weights.len() {
        weights[i] += weights[i - 1];
    }
    let total = weights[FLIGHTS - 1];
    let mut open: Vec<(usize, CommandId, bool)> = Vec::new();
    let mut out = Vec::with_capacity(events);
    while out.len() < events {
        if open.len() > 20_000 || (open.len() > 1_000 && dice.unit() < 0.5) {
            let at = (dice.next() % open.len() as u64) as usize;
            let (index, hold, is_sale) = open.swap_remove(at);
            let command = if is_sale {
                FlightCommand::Cancel { hold }
            } else if dice.unit() < 0.7 {
                open.push((index, hold, true));
                FlightCommand::Confirm { hold }
            } else {
                FlightCommand::Release { hold }
            };
            out.push(record(index, command));
        } else {
            let x = dice.unit() * total;
            let index = weights.partition_point(|w| *w < x).min(FLIGHTS - 1);
            let made = record(index, FlightCommand::Hold(hold(&mut dice)));
            open.push((index, made.input.id, false));
            out.push(made);
        }
    }
    Load {
        setup,
        events: out,
        ends: offsets,
    }
}

fn hold(dice: &mut Dice) -> HoldRequest {
    let y = dice.unit() < 0.85;
    HoldRequest {
        provider: None,
        cabin: code(if y { "Y" } else { "C" }),
        class: (y && dice.unit() < 0.5).then(|| code(["Y", "B", "M"][dice.next() as usize % 3])),
        board: None,
        off: None,
        seats: 1,
        ttl_ms: None,
        expected_price: None,
        wait_ms: None,
    }
}

fn schedule(index: usize) -> FlightCommand {
    let key = flight(index);
    let departs_s = i64::from(key.origin_date.0) * 86_400 + 36_000;
    let cabin = |cabin: &str, seats, classes: &[(&str, u16)]| CabinPlan {
        cabin: code(cabin),
        seats: Some(seats),
        authorised: None,
        classes: classes
            .iter()
            .map(|(class, limit)| ClassPlan {
                class: code(class),
                limit: Some(*limit),
            })
            .collect(),
    };
    event(ProviderBody::Schedule(Schedule {
        legs: vec![Leg {
            board: key.board,
            off: code(["IAH", "MIA", "BQN", "LAX", "SFO"][index % 5]),
            times: LegTimes {
                board: key.board,
                departs_s,
                arrives_s: departs_s + 10_000,
                departs_offset_min: -300,
                arrives_offset_min: -360,
            },
            aircraft: *b"320",
            service: b'J',
            cabins: vec![
                cabin("Y", 1_600, &[("Y", 1_600), ("B", 1_200), ("M", 800)]),
                cabin("C", 200, &[]),
            ],
        }],
        restricted: Vec::new(),
        operating: None,
    }))
}

fn fares() -> FlightCommand {
    let fare = |cabin, class: Option<&str>, minor| Fare {
        segment: None,
        cabin: code(cabin),
        class: class.map(code),
        price: Money {
            minor,
            currency: code("USD"),
            exponent: 2,
        },
    };
    event(ProviderBody::Fares(vec![
        fare("Y", None, 20_000),
        fare("Y", Some("B"), 15_000),
        fare("Y", Some("M"), 10_000),
        fare("C", None, 60_000),
    ]))
}

fn event(body: ProviderBody) -> FlightCommand {
    FlightCommand::Provider(Box::new(ProviderEvent {
        provider: code("sim"),
        version: SourceVersion::default(),
        authority: 1,
        quality: 0,
        body,
    }))
}

#[derive(Default)]
struct Heard {
    decisions: Vec<Decision>,
    refused: u64,
}

impl Observer for Heard {
    fn decided(&mut self, _: &Input, decision: &Decision) {
        self.refused += u64::from(decision.outcome.reason().is_some());
        self.decisions.push(*decision);
    }
}

fn bare(load: &Load, partitions: u32) -> f64 {
    let mut ledgers: Vec<Ledger> = (0..partitions).map(|_| Ledger::new()).collect();
    let mut heard = Heard::default();
    for record in &load.setup {
        ledgers[record.partition as usize].apply(&record.input, &mut heard);
    }
    let batches: Vec<Vec<(u32, Vec<Input>)>> = load
        .events
        .chunks(BATCH)
        .map(|records| {
            let mut by: Vec<Vec<Input>> = vec![Vec::new(); partitions as usize];
            for record in records {
                by[record.partition as usize].push(record.input.clone());
            }
            let by = by.into_iter().enumerate();
            by.map(|(p, inputs)| (p as u32, inputs)).collect()
        })
        .collect();
    heard.refused = 0;
    let cpu = cpu_ns();
    let start = Instant::now();
    for batch in &batches {
        heard.decisions.clear();
        for (partition, inputs) in batch {
            ledgers[*partition as usize].apply_batch(inputs, &mut heard);
        }
        black_box(&heard.decisions);
    }
    let rate = load.events.len() as f64 / start.elapsed().as_secs_f64();
    let refused = heard.refused as f64 / load.events.len() as f64;
    println!(
        "  ({:.0} % refused; ns of processor an event:{})",
        refused * 100.0,
        cpu_per_event(&cpu, load.events.len())
    );
    rate
}

/// Counts what it hears.
#[derive(Default)]
struct Count(AtomicU64);

impl DecisionSink for Count {
    fn decided(&self, _: u32, decisions: &[Decision]) {
        self.0.fetch_add(decisions.len() as u64, Ordering::Release);
    }
}

/// Hears of epochs: keeps when.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Instant>>>, Arc<AtomicU64>);

impl EpochSink for Times {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        let changes = epoch.inventory.len() + epoch.offers.len() + epoch.holds.len();
        self.1.fetch_add(changes as u64, Ordering::Relaxed);
        if let Ok(mut times) = self.0.lock() {
            times.push(Instant::now());
        }
        black_box(&epoch);
    }
}

fn batches(records: &[Record], size: usize) -> Vec<Vec<Record>> {
    let mut batches: Vec<Vec<Record>> = records.chunks(size).map(<[_]>::to_vec).collect();
    for batch in &mut batches {
        // As a stream is read: a partition at a time.
        batch.sort_by_key(|record| record.partition);
    }
    batches
}

fn decisions_out(load: &Load, partitions: u32, workers: usize) -> f64 {
    let count = Arc::new(Count::default());
    let config = Config::new(partitions).with_workers(workers);
    let mut dataflow = start(config, count.clone(), Times::default());
    dataflow.snapshot_epoch(&load.ends);
    send(&mut dataflow, load.setup.clone());
    wait(&count, load.setup.len());
    let batches = batches(&load.events, BATCH);
    let cpu = cpu_ns();
    let start = Instant::now();
    for batch in batches {
        send(&mut dataflow, batch);
    }
    wait(&count, load.setup.len() + load.events.len());
    let rate = load.events.len() as f64 / start.elapsed().as_secs_f64();
    println!(
        "  (ns of processor an event:{})",
        cpu_per_event(&cpu, load.events.len())
    );
    rate
}

fn all_views(load: &Load, partitions: u32, workers: usize, epoch: usize) -> f64 {
    let (count, times) = (Arc::new(Count::default()), Times::default());
    let config = Config::new(partitions).with_workers(workers);
    let mut dataflow = start(config, count, times.clone());
    send(&mut dataflow, load.setup.clone());
    close(&mut dataflow);
    settle(&dataflow);
    let batches = batches(&load.events, epoch);
    times.1.store(0, Ordering::Relaxed);
    let cpu = cpu_ns();
    let start = Instant::now();
    for batch in batches {
        send(&mut dataflow, batch);
        close(&mut dataflow);
    }
    settle(&dataflow);
    let seconds = start.elapsed().as_secs_f64();
    let changes = times.1.load(Ordering::Relaxed) as f64 / load.events.len() as f64;
    println!(
        "  ({changes:.1} changes of inventory, offers and holds an event; ns of processor an event:{})",
        cpu_per_event(&cpu, load.events.len())
    );
    load.events.len() as f64 / seconds
}

/// One epoch each millisecond, whatever happened to the ones before. The delay is counted from the
/// moment at which the epoch's events were due to be sent.
fn open_loop(load: &Load, partitions: u32, rate: usize, seconds: f64) {
    let times = Times::default();
    let mut dataflow = start(
        Config::new(partitions),
        Arc::new(Count::default()),
        times.clone(),
    );
    send(&mut dataflow, load.setup.clone());
    close(&mut dataflow);
    settle(&dataflow);
    let per_epoch = rate / 1_000;
    let epochs = ((seconds * 1e3) as usize).min(load.events.len() / per_epoch);
    let batches = batches(&load.events[..epochs * per_epoch], per_epoch);
    let cpu = cpu_ns();
    let start = Instant::now() + Duration::from_millis(5);
    let mut due = start;
    for batch in batches {
        while let Some(wait) = due.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(wait);
        }
        send(&mut dataflow, batch);
        close(&mut dataflow);
        due += Duration::from_millis(1);
    }
    settle(&dataflow);
    let cpu = cpu_per_event(&cpu, epochs * 1_000);
    if let Err(failure) = dataflow.shutdown() {
        panic!("{failure}");
    }
    let heard = times.0.lock().map(|t| t.clone()).unwrap_or_default();
    let mut delays: Vec<f64> = heard[1..]
        .iter()
        .enumerate()
        .map(|(i, at)| {
            let due = start + Duration::from_millis(i as u64);
            at.saturating_duration_since(due).as_secs_f64() * 1e3
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    let at = |p: f64| delays[((delays.len() - 1) as f64 * p) as usize];
    println!(
        "  open loop {rate}/s, 1 ms epochs: event to view p50 {:.3} p99 {:.3} p99.9 {:.3} max {:.2} ms; us of processor an epoch:{cpu}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
}

/// Processor time of this process's threads so far, in nanoseconds by name: what to look at on a
/// machine that has other work. Empty where the system keeps no such account.
fn cpu_ns() -> BTreeMap<String, u64> {
    let mut by_name = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else {
        return by_name;
    };
    for task in tasks.flatten() {
        let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let (name, times) = (read("comm"), read("schedstat"));
        let ns = times.split(' ').next().and_then(|ns| ns.parse().ok());
        *by_name.entry(name.trim().to_owned()).or_insert(0) += ns.unwrap_or(0_u64);
    }
    by_name
}

/// Nanoseconds of each thread for each of `events`, since `before`.
fn cpu_per_event(before: &BTreeMap<String, u64>, events: usize) -> String {
    let mut text = String::new();
    for (name, ns) in cpu_ns() {
        let ns = ns.saturating_sub(before.get(&name).copied().unwrap_or(0));
        let name = name.strip_prefix("flightline-").unwrap_or(&name);
        text += &format!(" {name} {:.0}", ns as f64 / events as f64);
    }
    text
}

fn start(config: Config, decisions: Arc<Count>, epochs: Times) -> Dataflow {
    match Dataflow::start(config, decisions, epochs) {
        Ok(dataflow) => dataflow,
        Err(error) => panic!("{error}"),
    }
}

fn send(dataflow: &mut Dataflow, records: Vec<Record>) {
    if let Err(failure) = dataflow.send(records) {
        panic!("{failure}");
    }
}

fn close(dataflow: &mut Dataflow) {
    if let Err(failure) = dataflow.close_epoch() {
        panic!("{failure}");
    }
}

fn settle(dataflow: &Dataflow) {
    while dataflow.backlog().epochs > 0 {
        std::thread::park_timeout(Duration::from_micros(100));
    }
}

fn wait(count: &Count, until: usize) {
    while count.0.load(Ordering::Acquire) < until as u64 {
        std::thread::park_timeout(Duration::from_micros(100));
    }
}
