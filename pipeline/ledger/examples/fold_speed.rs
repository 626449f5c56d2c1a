//! How fast the ledger folds, beside a bare `HashMap` decrement, for profiling the ledger alone.
//!
//! `cargo run --release -p flightline-ledger --example fold_speed -- [MILLIONS] [RUNS] [ONLY]`
//!
//! Holds, confirmations, releases and cancellations in equal parts (two holds to one each of the
//! others), over 10,000 flights by Zipf's law or on one flight; and a timetable of a quarter as many flights of
//! which nobody has booked yet. `ONLY` runs what contains the text.

// A measurement needs clocks, arguments and output; the fold itself does not.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use flightline_ledger::command::{
    CabinPlan, ClassPlan, Fare, Leg, LegTimes, ProviderEvent, Schedule, SourceVersion,
};
use flightline_ledger::{
    Class, Command, CommandId, Date, FlightCommand, FlightKey, HoldRequest, Input, Ledger, Money,
    ProviderBody, ProviderCode, Silent, Station,
};

/// Time on the processor where the system tells (other load on the machine does not count then),
/// else time on the wall.
struct Clock(Instant, Option<u64>);

impl Clock {
    fn on_processor_ns() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    }

    fn start() -> Self {
        Self(Instant::now(), Self::on_processor_ns())
    }

    fn elapsed(&self) -> Duration {
        match (self.1, Self::on_processor_ns()) {
            (Some(before), Some(after)) => Duration::from_nanos(after - before),
            _ => self.0.elapsed(),
        }
    }
}

struct Random(u64);

impl Random {
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

    fn id(&mut self) -> CommandId {
        CommandId(u128::from(self.next()) << 64 | u128::from(self.next()))
    }
}

fn station(text: &str) -> Station {
    text.parse().expect("a station")
}

fn key(number: u32) -> FlightKey {
    FlightKey {
        carrier: "UA".parse().expect("a carrier"),
        number: (number % 9999) as u16 + 1,
        suffix: 0,
        origin_date: Date(20_800 + (number / 9999) as i32),
        board: station("EWR"),
    }
}

fn provider() -> ProviderCode {
    "united".parse().expect("a provider")
}

fn class(letter: u8) -> Class {
    Class::new(letter).expect("a class")
}

const CLASSES: &[u8] = b"YBMHQ";

fn event(body: ProviderBody) -> FlightCommand {
    FlightCommand::Provider(Box::new(ProviderEvent {
        provider: provider(),
        version: SourceVersion::default(),
        authority: 1,
        quality: 0,
        body,
    }))
}

/// Two cabins, five nested classes, a fare for each.
fn schedule(random: &mut Random, flights: std::ops::Range<u32>) -> Vec<FlightCommandFor> {
    let mut out = Vec::new();
    let cabin = |letter| flightline_ledger::Cabin::new(letter).expect("a cabin");
    for flight in flights {
        let nest = CLASSES.iter().enumerate().map(|(i, letter)| ClassPlan {
            class: class(*letter),
            limit: (i > 0).then(|| 150 - 20 * i as u16),
        });
        let plan = |letter, seats, classes| CabinPlan {
            cabin: cabin(letter),
            seats: Some(seats),
            authorised: None,
            classes,
        };
        let leg = Leg {
            board: station("EWR"),
            off: station("ORD"),
            times: LegTimes {
                board: station("EWR"),
                departs_s: 1_900_000_000,
                arrives_s: 1_900_010_000,
                departs_offset_min: -300,
                arrives_offset_min: -360,
            },
            aircraft: *b"738",
            service: b'J',
            cabins: vec![plan(b'C', 30, vec![]), plan(b'Y', 150, nest.collect())],
        };
        let body = ProviderBody::Schedule(Schedule {
            legs: vec![leg],
            restricted: vec![],
            operating: None,
        });
        out.push((random.id(), key(flight), event(body)));
        let fare = |letter, class, minor| Fare {
            segment: None,
            cabin: cabin(letter),
            class,
            price: Money {
                minor,
                currency: "USD".parse().expect("a currency"),
                exponent: 2,
            },
        };
        let mut fares = vec![fare(b'C', None, 50_000), fare(b'Y', None, 20_000)];
        let classes = CLASSES.iter().zip(1..);
        fares.extend(
            classes.map(|(letter, i)| fare(b'Y', Some(class(*letter)), 20_000 - i * 2_000)),
        );
        out.push((random.id(), key(flight), event(ProviderBody::Fares(fares))));
    }
    out
}

type FlightCommandFor = (CommandId, FlightKey, FlightCommand);

/// Commands of clients; `pick` chooses the flight.
fn bookings(
    random: &mut Random,
    count: usize,
    flights: u32,
    ttl_ms: Option<u64>,
    mut pick: impl FnMut(&mut Random) -> u32,
) -> Vec<FlightCommandFor> {
    let mut held: Vec<VecDeque<CommandId>> = vec![VecDeque::new(); flights as usize];
    let mut sold = held.clone();
    let mut out = Vec::with_capacity(count);
    for _ in 0..count {
        let flight = pick(random);
        let (id, at) = (random.id(), flight as usize);
        let kind = random.next() % 10;
        let target = match kind {
            0..4 => None,
            4..8 => held[at].pop_front(),
            _ => sold[at].pop_front(),
        };
        let command = match target {
            Some(hold) if kind < 6 => {
                sold[at].push_back(hold);
                FlightCommand::Confirm { hold }
            }
            Some(hold) if kind < 8 => FlightCommand::Release { hold },
            Some(hold) => FlightCommand::Cancel { hold },
            None => {
                held[at].push_back(id);
                let letter = CLASSES[(random.next() % 5) as usize];
                let business = random.next().is_multiple_of(8);
                FlightCommand::Hold(HoldRequest {
                    provider: Some(provider()),
                    cabin: flightline_ledger::Cabin::new(if business { b'C' } else { b'Y' })
                        .expect("a cabin"),
                    class: (!business && random.next().is_multiple_of(2)).then(|| class(letter)),
                    board: None,
                    off: None,
                    seats: 1 + (random.next() % 2) as u16,
                    ttl_ms,
                    expected_price: None,
                    wait_ms: None,
                })
            }
        };
        out.push((id, key(flight), command));
    }
    out
}

fn inputs(first_offset: u64, commands: Vec<FlightCommandFor>) -> Vec<Input> {
    let commands = commands.into_iter().zip(first_offset..);
    commands
        .map(|((id, key, command), offset)| Input {
            offset,
            at_ms: 1_800_000_000_000 + offset as i64 / 1_000,
            id,
            command: Command::Flight(key, command),
        })
        .collect()
}

/// Ranks by Zipf's law with exponent 1, shuffled over the flights.
fn zipf(random: &mut Random, flights: u32) -> impl FnMut(&mut Random) -> u32 + use<> {
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=flights)
        .map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        })
        .collect();
    let mut order: Vec<u32> = (0..flights).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, random.next() as usize % (i + 1));
    }
    move |random| {
        let at = random.unit() * sum;
        order[sums.partition_point(|s| *s < at).min(order.len() - 1)]
    }
}

/// Leaves the runs record by record out.
fn only_batches() -> bool {
    std::env::args().any(|arg| arg == "--batches")
}

fn fold(name: &str, flights: u32, ttl_ms: Option<u64>, hot: bool, count: usize, runs: usize) {
    let mut random = Random(7);
    let start = inputs(0, schedule(&mut random, 0..flights));
    let mut by_zipf = zipf(&mut random, flights);
    let commands = bookings(&mut random, count, flights, ttl_ms, |random| {
        if hot { 17 } else { by_zipf(random) }
    });
    let inputs = inputs(start.len() as u64, commands);
    for batch in [4096, 1]
        .into_iter()
        .take(if only_batches() { 1 } else { 2 })
    {
        let mut rates = Vec::new();
        let mut decided = HashMap::<&str, u64>::new();
        for run in 0..runs {
            let mut ledger = Ledger::new();
            ledger.apply_batch(&start, &mut Silent);
            let clock = Clock::start();
            for inputs in inputs.chunks(batch) {
                if batch == 1 {
                    std::hint::black_box(ledger.apply(&inputs[0], &mut Silent));
                } else {
                    ledger.apply_batch(inputs, &mut Silent);
                }
            }
            rates.push(count as f64 / clock.elapsed().as_secs_f64() / 1e6);
            if run == 0 && batch == 4096 {
                ledger.check_invariants();
                for (_, flight) in ledger.flights() {
                    for hold in flight.holds() {
                        *decided.entry(hold.state.name()).or_default() += 1;
                    }
                }
            }
        }
        rates.sort_by(f64::total_cmp);
        println!(
            "{name}, batches of {batch}: {:.2} M decisions/s (worst {:.2}, best {:.2}) {decided:?}",
            rates[rates.len() / 2],
            rates[0],
            rates[rates.len() - 1]
        );
    }
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0_usize) * 4096
}

/// A timetable nobody books of yet: what a flight takes, packed and not, and what a word about each in no
/// order costs.
fn timetable(name: &str, flights: u32) {
    for (how, keep) in [
        ("packed", Ledger::FLIGHTS_UNPACKED),
        ("not packed", usize::MAX),
    ] {
        let mut random = Random(7);
        let mut ledger = Ledger::new();
        ledger.keep_unpacked(keep);
        let before = resident();
        let mut took = Duration::ZERO;
        let mut next = 0;
        for first in (0..flights).step_by(10_000) {
            // The schedule alone.
            let commands = schedule(&mut random, first..(first + 10_000).min(flights));
            let batch = inputs(next, commands.into_iter().step_by(2).collect());
            next += batch.len() as u64;
            let clock = Clock::start();
            ledger.apply_batch(&batch, &mut Silent);
            took += clock.elapsed();
        }
        let memory = resident().saturating_sub(before);
        let rate = |took: Duration| f64::from(flights) / took.as_secs_f64() / 1e6;
        println!(
            "{name}, {how}: {} bytes a flight, made at {:.2} M/s",
            memory / flights as usize,
            rate(took)
        );
        let clock = Clock::start();
        let legs: usize = ledger.flights().map(|(_, f)| f.legs().len()).sum();
        println!("  read at {:.2} M/s ({legs} legs)", rate(clock.elapsed()));
        let mut stored = Vec::new();
        let clock = Clock::start();
        ledger.save(&mut stored);
        println!(
            "  stored in {} bytes a flight at {:.2} M/s",
            stored.len() / flights as usize,
            rate(clock.elapsed())
        );
        let mut order: Vec<u32> = (0..flights).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, random.next() as usize % (i + 1));
        }
        let mut took = Duration::ZERO;
        for part in order.chunks(10_000) {
            let terms = |at: &u32| {
                let cabin = flightline_ledger::Cabin::new(b'Y').expect("a cabin");
                let terms = event(ProviderBody::Terms(vec![(cabin, 3)]));
                (random.id(), key(*at), terms)
            };
            let batch = inputs(next, part.iter().map(terms).collect());
            next += batch.len() as u64;
            let clock = Clock::start();
            ledger.apply_batch(&batch, &mut Silent);
            took += clock.elapsed();
        }
        println!("  a word about each at {:.2} M/s", rate(took));
        ledger.check_invariants();
    }
}

/// What a fold could not do less than: find a counter and take from it.
fn decrement(name: &str, hot: bool, count: usize, runs: usize) {
    let mut random = Random(7);
    let mut by_zipf = zipf(&mut random, 10_000);
    let picks: Vec<FlightKey> = (0..count)
        .map(|_| key(if hot { 17 } else { by_zipf(&mut random) }))
        .collect();
    let mut rates = Vec::new();
    for _ in 0..runs {
        let mut seats: HashMap<FlightKey, i64> = (0..10_000).map(|f| (key(f), 0)).collect();
        let clock = Clock::start();
        for pick in &picks {
            if let Some(seats) = seats.get_mut(pick) {
                *seats -= 1;
            }
        }
        rates.push(count as f64 / clock.elapsed().as_secs_f64() / 1e6);
        std::hint::black_box(&seats);
    }
    rates.sort_by(f64::total_cmp);
    println!("{name}: {:.2} M/s", rates[rates.len() / 2]);
}

fn main() {
    let mut args = std::env::args().skip(1);
    let millions: f64 = args
        .next()
        .map_or(4.0, |text| text.parse().expect("millions"));
    let runs = args.next().map_or(5, |text| text.parse().expect("runs"));
    let only = args.next().unwrap_or_default();
    let count = (millions * 1e6) as usize;
    let wanted = |name: &str| name.contains(&only);
    for (name, ttl_ms, hot) in [
        ("zipf 10,000 flights", None, false),
        ("one hot flight", None, true),
        ("zipf with deadlines passing", Some(100), false),
        ("hot with deadlines passing", Some(100), true),
    ] {
        if wanted(name) {
            fold(name, 10_000, ttl_ms, hot, count, runs);
        }
    }
    if wanted("timetable") {
        timetable("timetable", (millions / 4.0 * 1e6) as u32);
    }
    for (name, hot) in [
        ("HashMap decrement, zipf", false),
        ("HashMap decrement, hot", true),
    ] {
        if wanted(name) {
            decrement(name, hot, count, runs);
        }
    }
}
