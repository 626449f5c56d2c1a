//! How fast the sinks are and how much memory they take, on the shape of a busy day: bookings spread
//! over ten thousand flights. Ignored by default; run with
//! `cargo test -p flightline-sinks --release --test speed -- --ignored --nocapture --test-threads 1`.
#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::World;
use common::server::Server;
use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::rows::*;
use flightline_ledger::command::SaleStatus;
use flightline_ledger::outcome::{Kind, Outcome, Replay};
use flightline_ledger::{Cabin, Class, CommandId, Date, Decision, FlightKey, Money, Station};
use flightline_sinks::postgres::*;
use flightline_sinks::serving::*;
use rand::RngExt;

const PARTITIONS: u32 = 64;

fn usd(minor: i64) -> Money {
    let currency = "USD".parse().unwrap();
    Money {
        minor,
        currency,
        exponent: 2,
    }
}

fn station(n: u16) -> Station {
    let letter = |n: u16| b'A' + (n % 26) as u8;
    Station::from_bytes([letter(n / 676), letter(n / 26), letter(n)]).unwrap()
}

/// Flights of one leg, with a cabin and two classes: per flight 3 rows of inventory, 3 offers.
fn flights(world: &mut World, count: u32) -> Vec<FlightKey> {
    let mut keys = Vec::new();
    let provider = "nyc".parse().unwrap();
    let cabin = Cabin::new(b'Y').unwrap();
    let classes = [None, Class::new(b'Y').ok(), Class::new(b'M').ok()];
    for n in 0..count {
        let date = Date(20_800 + (n % 30) as i32);
        let board = station((n % 3) as u16);
        let key = FlightKey {
            carrier: "UA".parse().unwrap(),
            number: (n / 30 % 9_999) as u16 + 1,
            suffix: if n >= 299_970 { b'A' } else { 0 },
            origin_date: date,
            board,
        };
        let off = station(100 + (n / 90 % 100) as u16);
        let departs_s = i64::from(date.0) * 86_400 + i64::from(n % 960) * 60;
        let (arrives_s, aircraft) = (departs_s + 7200, *b"320");
        let flight = FlightRow {
            flight: key,
            status: FlightStatus::Scheduled,
            owner: provider,
            operating: None,
            quality: 64,
        };
        world.flights.set(key, Some(flight));
        let leg = LegRow {
            flight: key,
            leg_no: 1,
            board,
            off,
            departs_s,
            arrives_s,
            departs_offset_min: 0,
            arrives_offset_min: 0,
            aircraft,
            service: b'J',
        };
        world.legs.set((key, 1), Some(leg));
        for (at, class) in classes.into_iter().enumerate() {
            let inventory = InventoryRow {
                flight: key,
                provider,
                leg_no: 1,
                board,
                off,
                cabin,
                class,
                authorised: Some(180),
                held: 0,
                sold: 0,
                available: 180,
                oversold: 0,
                status: SaleStatus::Open,
            };
            world
                .inventory
                .set((key, provider, 1, cabin, class), Some(inventory));
            let offer = OfferRow {
                board,
                off,
                date,
                flight: key,
                provider,
                cabin,
                class,
                price: usd(10_000 + i64::from(n * 7 % 40_000) + at as i64),
                seats: 180,
                seats_is_floor: false,
                departs_s,
                departs_offset_min: 0,
                arrives_s,
                arrives_offset_min: 0,
                aircraft,
                legs: 1,
            };
            world
                .offers
                .set((key, board, off, provider, cabin, class), Some(offer));
        }
        let load = LoadFactorRow {
            flight: key,
            leg_no: 1,
            cabin,
            capacity: 180,
            held: 0,
            sold: 0,
            load_permille: 0,
        };
        world.load.set((key, 1, cabin), Some(load));
        let route = RouteDayRow {
            board,
            off,
            date,
            cabin,
            flights: 3,
            flights_open: 3,
            seats: 540,
        };
        world
            .availability
            .set((board, off, date, cabin), Some(route));
        keys.push(key);
    }
    keys
}

/// One hold on a flight: a decision, a hold, and every row of the flight that shows its seats.
fn hold(world: &mut World, key: FlightKey, decisions: &mut Vec<DecisionRow>, client_ids: bool) {
    let provider = "nyc".parse().unwrap();
    let cabin = Cabin::new(b'Y').unwrap();
    let class = Class::new(b'M').ok();
    let partition = (u32::from(key.number) * 31 + key.origin_date.0 as u32) % PARTITIONS;
    let offset = world.covers[partition as usize];
    world.covers[partition as usize] += 1;
    let id = CommandId(u128::from(world.rng.random::<u64>()) << 64 | 7);
    let at_ms = 1_798_000_000_000 + offset as i64;
    let leg = world.legs.rows[&(key, 1)].clone();
    let price = Some(usd(12_345));
    let row = HoldRow {
        partition,
        offset,
        id,
        flight: key,
        provider,
        cabin,
        class,
        board: leg.board,
        off: leg.off,
        seats: 1,
        status: HoldStatus::Held,
        deadline_ms: at_ms + 900_000,
        price,
        created_at_ms: at_ms,
        changed_at_ms: at_ms,
        changed_offset: offset,
    };
    world.holds.set((partition, offset), Some(row));
    let outcome = Outcome::Held {
        provider,
        seats: 1,
        deadline_ms: at_ms + 900_000,
        price,
    };
    let note = client_ids.then(|| {
        Box::new(Note {
            ref_text: Some(format!("web-{:016x}", id.0 >> 64).into()),
            actor: Some("website".into()),
        })
    });
    decisions.push(DecisionRow {
        partition,
        decision: Decision {
            offset,
            at_ms,
            id,
            flight: key,
            kind: Kind::Hold,
            outcome,
            replay: Replay::First,
        },
        order: None,
        note,
    });
    // Nested classes: the class, the one above it and the cabin lose a seat.
    for class in [None, Class::new(b'Y').ok(), class] {
        let bucket = (key, provider, 1, cabin, class);
        let mut row = world.inventory.rows[&bucket].clone();
        row.held += 1;
        row.available -= 1;
        world.inventory.set(bucket, Some(row));
        let offer = (key, leg.board, leg.off, provider, cabin, class);
        let mut row = world.offers.rows[&offer].clone();
        row.seats = row.seats.wrapping_sub(1) % 181;
        world.offers.set(offer, Some(row));
    }
    let mut row = world.load.rows[&(key, 1, cabin)].clone();
    row.held += 1;
    world.load.set((key, 1, cabin), Some(row));
    let route = (leg.board, leg.off, key.origin_date, cabin);
    let mut row = world.availability.rows[&route].clone();
    row.seats -= 1;
    world.availability.set(route, Some(row));
}

fn epoch_of(
    world: &mut World,
    flights: &[FlightKey],
    holds: usize,
    client_ids: bool,
) -> Arc<Epoch> {
    let mut decisions = Vec::new();
    for _ in 0..holds {
        let key = flights[world.rng.random_range(0..flights.len())];
        hold(world, key, &mut decisions, client_ids);
    }
    decisions.sort_by_key(|d| (d.partition, d.decision.offset));
    // The holds of past epochs do not change here; keep the table of the world small.
    let mut epoch = Arc::unwrap_or_clone(world.close());
    world.holds.rows.clear();
    epoch.decisions = decisions;
    Arc::new(epoch)
}

/// Time on a processor, of a process or thread, in seconds. Other load on the machine does not count.
fn cpu_s(of: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{of}/schedstat")).unwrap_or_default();
    let ns = stat.split_whitespace().next().unwrap_or_default();
    ns.parse::<f64>().unwrap_or_default() / 1e9
}

/// That of all threads with the name.
fn thread_cpu_s(name: &str) -> f64 {
    let threads = std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(Result::ok);
    let named = threads.filter(|t| {
        std::fs::read_to_string(t.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    });
    named
        .map(|t| cpu_s(&format!("self/task/{}", t.file_name().to_string_lossy())))
        .sum()
}

/// That of the calling thread while something runs, and the clock's.
fn timed<R>(run: impl FnOnce() -> R) -> (R, f64, f64) {
    let (cpu, clock) = (cpu_s("thread-self"), Instant::now());
    let result = run();
    let clock = clock.elapsed().as_secs_f64();
    (result, cpu_s("thread-self") - cpu, clock)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of a minute: cargo test --release -p flightline-sinks --test speed -- --ignored --nocapture --test-threads 1"]
async fn postgres_rows_per_second() {
    let (per_epoch, epochs, flights_n) = (4_000, 500, 10_000);
    let mut world = World::new(1, PARTITIONS);
    let keys = flights(&mut world, flights_n);
    let first = world.close();
    let made: Vec<_> = (0..epochs)
        .map(|_| epoch_of(&mut world, &keys, per_epoch, true))
        .collect();
    let changed: usize = made
        .iter()
        .map(|e| e.inventory.len() + e.offers.len())
        .sum();
    println!(
        "{epochs} epochs of {per_epoch} holds over {flights_n} flights, {changed} changes of inventory and offers"
    );
    let server = Server::start_on_disk();
    let mut config = server.config(PARTITIONS, "spool");
    config.commit_interval_min = Duration::from_millis(50);
    let mut sink = PostgresSink::open(config).await.unwrap();
    let handle = sink.handle();
    sink.epoch(first);
    let db = server.client().await;
    let backend = "SELECT pid FROM pg_stat_activity WHERE application_name = 'flightline'";
    let pid: i32 = db.query_one(backend, &[]).await.unwrap().get(0);
    let (sink_before, backend_before) = (thread_cpu_s("postgres-sink"), cpu_s(&pid.to_string()));
    let begun = Instant::now();
    let all = begun;
    let mut before = handle.status();
    for (n, epoch) in made.iter().enumerate() {
        sink.epoch(Arc::clone(epoch));
        if (n + 1) % 100 == 0 {
            // Within the memory bound: a replica that keeps up.
            handle
                .wait_covered(&epoch.covers, Duration::from_secs(300))
                .await;
            let now = handle.status();
            let took = (now.write_time - before.write_time).as_secs_f64();
            println!(
                "{:>7.1} s: {:>6.0} decisions/s, {:>7.0} rows/s in {} transactions, {:.0} MB/s",
                all.elapsed().as_secs_f64(),
                (100 * per_epoch) as f64 / took,
                (now.rows_written - before.rows_written) as f64 / took,
                now.commits - before.commits,
                (now.bytes_written - before.bytes_written) as f64 / took / 1e6,
            );
            before = now;
        }
    }
    let vector = made.last().unwrap().covers.clone();
    handle.wait_covered(&vector, Duration::from_secs(300)).await;
    let took = begun.elapsed().as_secs_f64();
    let decisions = (per_epoch * epochs) as f64;
    println!(
        "{:.0} decisions/s with their rows over {took:.1} s; processor time a decision: sink {:.2} µs, PostgreSQL's backend {:.2} µs",
        decisions / took,
        (thread_cpu_s("postgres-sink") - sink_before) * 1e6 / decisions,
        (cpu_s(&pid.to_string()) - backend_before) * 1e6 / decisions,
    );
    let sizes = "SELECT relname, pg_total_relation_size(c.oid)/1024/1024, n_live_tup, n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE n_live_tup > 0 ORDER BY 2 DESC LIMIT 8";
    for row in db
        .query(&sizes.replace("SELECT relname", "SELECT s.relname"), &[])
        .await
        .unwrap()
    {
        let (name, mib, rows): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        let (hot, updates): (i64, i64) = (row.get(3), row.get(4));
        println!(
            "  {name:<28} {mib:>5} MiB {rows:>9} rows, {updates} updates, {hot} of them in place"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of half a minute: cargo test --release -p flightline-sinks --test speed -- --ignored --nocapture --test-threads 1"]
async fn postgres_freshness_at_10_000_holds_a_second() {
    let mut world = World::new(2, PARTITIONS);
    let keys = flights(&mut world, 10_000);
    let first = world.close();
    let made: Vec<_> = (0..2_000)
        .map(|_| epoch_of(&mut world, &keys, 100, true))
        .collect();
    let server = Server::start_on_disk();
    let mut config = server.config(PARTITIONS, "spool");
    config.commit_interval_min = Duration::from_millis(50);
    let mut sink = PostgresSink::open(config).await.unwrap();
    let handle = sink.handle();
    sink.epoch(first);
    let covers = |epoch: &Epoch| epoch.covers.clone();
    handle
        .wait_covered(
            &covers(&made[0]).iter().map(|_| 0).collect::<Vec<_>>(),
            Duration::from_secs(60),
        )
        .await;
    let begun = Instant::now();
    let watcher = {
        let (handle, made) = (handle.clone(), made.clone());
        tokio::spawn(async move {
            let mut lags = Vec::new();
            for (n, epoch) in made.iter().enumerate() {
                handle
                    .wait_covered(&epoch.covers, Duration::from_secs(60))
                    .await;
                let due = begun + Duration::from_millis(10) * n as u32;
                lags.push(Instant::now().saturating_duration_since(due));
            }
            lags
        })
    };
    for (n, epoch) in made.iter().enumerate() {
        tokio::time::sleep_until((begun + Duration::from_millis(10) * n as u32).into()).await;
        sink.epoch(Arc::clone(epoch));
    }
    let mut lags = watcher.await.unwrap();
    lags.sort();
    let took = begun.elapsed().as_secs_f64();
    let at = |p: f64| lags[((lags.len() - 1) as f64 * p) as usize];
    println!(
        "10,000 holds/s in epochs of 10 ms: decision → committed row p50 {:?} p99 {:?} max {:?}; sink {:.1} % of a core; {} transactions",
        at(0.5),
        at(0.99),
        at(1.0),
        thread_cpu_s("postgres-sink") / took * 100.0,
        handle.status().commits,
    );
}

#[test]
#[ignore = "a measurement of half a minute: cargo test --release -p flightline-sinks --test speed -- --ignored --nocapture --test-threads 1"]
fn serving_speed_and_memory() {
    let mut world = World::new(3, PARTITIONS);
    let keys = flights(&mut world, 333_334);
    let epoch = world.close();
    let offers = epoch.offers.len();
    let serving = Arc::new(Serving::new(PARTITIONS));
    let ((), cpu, clock) = timed(|| serving.apply(&epoch));
    let heap = serving.heap_bytes();
    println!(
        "{offers} offers on {} flights applied in {cpu:.2} s of processor time ({clock:.2} s); {:.0} bytes an offer, {:.0} bytes a flight ({} MiB)",
        keys.len(),
        heap.offers as f64 / offers as f64,
        heap.flights as f64 / keys.len() as f64,
        (heap.offers + heap.flights) >> 20,
    );
    drop(epoch);
    let rows: Vec<_> = world.offers.rows.values().step_by(97).cloned().collect();
    let queries: Vec<_> = rows
        .iter()
        .map(|row| SearchQuery::new(row.board, row.off, row.date))
        .collect();
    for (name, best, sort, limit) in [
        ("best a flight, by price, 50", true, Sort::Price, 50),
        ("all offers, by price, 50", false, Sort::Price, 50),
        ("best a flight, by duration, 50", true, Sort::Duration, 50),
        ("best a flight, by price, 10", true, Sort::Price, 10),
    ] {
        let mut found = 0;
        let rounds = 200_000;
        let ((), cpu, clock) = timed(|| {
            for n in 0..rounds {
                let mut query = queries[n * 7919 % queries.len()].clone();
                (query.best_per_flight, query.sort, query.limit) = (best, sort, limit);
                found += serving.search(&query).offers.len();
            }
        });
        println!(
            "search, {name}: {:.2} µs of processor time ({:.2} µs), {} offers an answer",
            cpu * 1e6 / rounds as f64,
            clock * 1e6 / rounds as f64,
            found / rounds
        );
    }
    let ((), cpu, clock) = timed(|| {
        for n in 0..200_000 {
            assert!(serving.flight(&keys[n * 7919 % keys.len()]).is_some());
        }
    });
    println!(
        "flight: {:.2} µs of processor time ({:.2} µs)",
        cpu * 5.0,
        clock * 5.0
    );

    let made: Vec<_> = (0..300)
        .map(|_| epoch_of(&mut world, &keys[..10_000], 1_000, false))
        .collect();
    let (done, searches) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let reader = {
        let (serving, done, searches) = (
            Arc::clone(&serving),
            Arc::clone(&done),
            Arc::clone(&searches),
        );
        let query = queries.clone();
        std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            for query in query.iter().cycle() {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                serving.search(query);
                worst = worst.max(begun.elapsed());
                searches.fetch_add(1, Ordering::Relaxed);
            }
            worst
        })
    };
    let ((), cpu, clock) = timed(|| made.iter().for_each(|epoch| serving.apply(epoch)));
    done.store(true, Ordering::Relaxed);
    let worst = reader.join().unwrap();
    let changes: usize = made
        .iter()
        .map(|e| e.offers.len() + e.inventory.len())
        .sum();
    println!(
        "applying: {:.2} µs of processor time a hold ({:.2} µs a change of inventory or offers) beside a reader at {:.0} searches/s, slowest {worst:?}",
        cpu * 1e6 / 300_000.0,
        cpu * 1e6 / changes as f64,
        searches.load(Ordering::Relaxed) as f64 / clock,
    );
    let (snapshot, cpu, _) = timed(|| serving.snapshot(View::Offers));
    let ViewRows::Offers(rows) = snapshot.rows else {
        panic!("other rows")
    };
    println!(
        "snapshot of {} offers: {:.0} ms of processor time",
        rows.len(),
        cpu * 1e3
    );
}
