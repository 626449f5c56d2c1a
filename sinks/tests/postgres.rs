//! The tables beside a naive fold, through everything that can happen to a database.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::World;
use common::naive::Tables;
use common::server::{Server, client, kill9};
use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_dataflows::rows::LoadFactorRow;
use flightline_sinks::postgres::*;
use rand::RngExt;

const LONG: Duration = Duration::from_secs(120);

async fn open(config: PostgresConfig) -> (PostgresSink, PostgresHandle) {
    let sink = PostgresSink::open(config).await.unwrap();
    let handle = sink.handle();
    (sink, handle)
}

async fn covered(handle: &PostgresHandle, vector: &[u64]) {
    let covered = handle.wait_covered(vector, LONG).await;
    assert!(covered, "not written: {:?}", handle.status());
}

/// What `verify` does.
async fn verify(server: &Server, world: &World, tables: &Tables) -> Option<Difference> {
    let mut db = server.client().await;
    let state = world.snapshot(0);
    let mut decisions = tables.decisions.clone();
    decisions.sort_by_key(|line| (line.partition, line.decision.offset));
    let mut rejects = tables.rejects.clone();
    rejects.sort();
    assert_eq!(progress(&db).await.unwrap().as_ref(), Some(&state.covers));
    let expected = Expected {
        state: &state,
        decisions: &mut decisions.into_iter(),
        rejects: &mut rejects.into_iter(),
    };
    compare(&mut db, expected).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_equal_the_naive_fold() {
    let server = Server::start();
    for seed in 0..4 {
        let db = server.client().await;
        let drop = "DROP SCHEMA IF EXISTS flightline, views CASCADE";
        db.batch_execute(drop).await.unwrap();
        let mut world = World::new(seed, 5);
        let mut tables = Tables::default();
        let mut config = server.config(5, "spool");
        // Small enough that batches are closed by size as well, and go through the disk.
        config.batch_bytes_max = 200_000;
        config.memory_bytes_max = if seed % 2 == 0 { 1 << 20 } else { 0 };
        let (mut sink, handle) = open(config).await;
        assert_eq!(sink.progress(), [0; 5]);
        for steps in [1, 0, 30, 400, 3, 3, 60, 60, 1, 200] {
            if world.rng.random_ratio(1, 3) {
                handle.pause();
            }
            let epoch = world.epoch(steps);
            tables.add(&epoch);
            sink.epoch(epoch);
            if world.rng.random_ratio(1, 2) {
                handle.resume();
                covered(&handle, &world.covers).await;
                tables.check(&db, &world.hold_ids).await;
            }
        }
        handle.resume();
        covered(&handle, &world.covers).await;
        tables.check(&db, &world.hold_ids).await;
        assert_eq!(verify(&server, &world, &tables).await, None);
        handle.stop(LONG).await.unwrap();
        let status = handle.status();
        assert_eq!(
            (status.pending_epochs, status.pending_rows),
            (0, 0),
            "{status:?}"
        );
        assert_eq!(status.epochs_written, world.number);
        assert!(status.failed.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_from_sink_progress() {
    let server = Server::start();
    let mut world = World::new(3, 3);
    let mut tables = Tables::default();
    for run in 0..4_u64 {
        let (mut sink, handle) = open(server.config(3, "spool")).await;
        assert_eq!(sink.progress(), world.covers);
        if run > 0 {
            // What a replica tells first: the state at sink_progress, which is there already.
            sink.epoch(Arc::new(world.snapshot(0)));
        }
        for _ in 0..5 {
            let epoch = world.epoch(40);
            tables.add(&epoch);
            sink.epoch(epoch);
        }
        if run % 2 == 0 {
            handle.stop(LONG).await.unwrap();
        } else {
            drop(sink);
            covered(&handle, &world.covers).await;
        }
        let db = server.client().await;
        tables.check(&db, &world.hold_ids).await;
    }
    // A snapshot from elsewhere is refused.
    let (mut sink, handle) = open(server.config(3, "spool")).await;
    let mut elsewhere = world.snapshot(0);
    elsewhere.covers[1] += 1;
    sink.epoch(Arc::new(elsewhere));
    assert!(!handle.wait_covered(&[u64::MAX; 3], LONG).await);
    let failed = handle.status().failed.unwrap();
    assert!(
        matches!(*failed, PostgresError::WrongStart { partition: 1, .. }),
        "{failed}"
    );
    // The dataflow goes on without the sink.
    for _ in 0..3 {
        sink.epoch(world.epoch(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_takes_a_snapshot() {
    let server = Server::start();
    let mut world = World::new(5, 2);
    world.epoch(300);
    let mut ids = std::mem::take(&mut world.hold_ids);
    for ((partition, offset), id) in &mut ids {
        *id = world.holds.rows[&(*partition, *offset)].id.to_string();
    }
    let mut tables = Tables::default();
    let (mut sink, handle) = open(server.config(2, "spool")).await;
    for epoch in [Arc::new(world.snapshot(0)), world.epoch(100)] {
        tables.add(&epoch);
        sink.epoch(epoch);
    }
    covered(&handle, &world.covers).await;
    ids.append(&mut world.hold_ids);
    tables.check(&server.client().await, &ids).await;
}

/// Ends the connections of the sink, or the whole server, at random moments of a stream of epochs.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_when_postgres_is_killed() {
    let server = Server::start();
    let mut world = World::new(9, 3);
    let mut tables = Tables::default();
    let mut config = server.config(3, "spool");
    config.batch_bytes_max = 300_000;
    let (mut sink, handle) = open(config).await;
    let mut kills = 0;
    // How many kills meet the sink at work depends on the machine: on until some have.
    let met = || handle.status().reconnects > 3;
    for round in (0..240).take_while(|round| *round < 24 || !met()) {
        for _ in 0..world.rng.random_range(1..15) {
            let steps = world.rng.random_range(1..60);
            let epoch = world.epoch(steps);
            tables.add(&epoch);
            sink.epoch(epoch);
        }
        let pause = Duration::from_micros(world.rng.random_range(0..30_000));
        tokio::time::sleep(pause).await;
        match round % 8 {
            // The process that serves the sink: PostgreSQL then restarts all of them.
            0 | 4 => {
                let db = server.client().await;
                let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'flightline'";
                for row in db.query(sql, &[]).await.unwrap_or_default() {
                    kill9(row.get::<_, i32>(0) as u32);
                    kills += 1;
                }
            }
            1 | 5 | 6 => {
                let db = server.client().await;
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                if let Ok(row) = db.query_one(sql, &[]).await {
                    kills += row.get::<_, i64>(0);
                }
            }
            3 => {
                kill9(server.postmaster());
                kills += 1;
            }
            _ => {}
        }
    }
    covered(&handle, &world.covers).await;
    tables.check(&server.client().await, &world.hold_ids).await;
    assert!(kills >= 10, "only {kills} kills");
    assert!(handle.status().reconnects > 3, "{:?}", handle.status());
    assert_eq!(verify(&server, &world, &tables).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_wait_in_bounded_memory_while_postgres_is_away() {
    let mut server = Server::start();
    let mut world = World::new(21, 2);
    let mut tables = Tables::default();
    let mut config = server.config(2, "spool");
    config.batch_bytes_max = 400_000;
    config.memory_bytes_max = 800_000;
    let (mut sink, handle) = open(config).await;
    let mut send = |world: &mut World, steps| {
        let epoch = world.epoch(steps);
        tables.add(&epoch);
        sink.epoch(epoch);
    };
    send(&mut world, 200);
    covered(&handle, &world.covers).await;
    let before = handle.written();
    server.postgres.take().unwrap().stop();
    let mut most = 0;
    for _ in 0..250 {
        send(&mut world, 20);
        tokio::time::sleep(Duration::from_millis(2)).await;
        most = most.max(handle.status().pending_bytes);
    }
    let status = handle.status();
    assert!(!status.connected && status.trouble.is_some(), "{status:?}");
    assert!(status.spooled_bytes > 500_000, "{status:?}");
    assert!(most < 3_000_000, "{most} bytes in memory");
    assert!(status.lag > Duration::from_millis(300), "{status:?}");
    assert_eq!(handle.written(), before);
    let mut config = PrivateConfig::new(server.dir.path());
    config.shared_buffers_mib = 32;
    server.postgres = Some(PrivatePostgres::start(&config).unwrap());
    covered(&handle, &world.covers).await;
    tables.check(&server.client().await, &world.hold_ids).await;
    let status = handle.status();
    assert_eq!(
        (status.spooled_bytes, status.lag),
        (0, Duration::ZERO),
        "{status:?}"
    );
    assert_eq!(status.trouble, None);
    assert_eq!(
        std::fs::read_dir(server.dir.path().join("spool"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_while_postgres_is_away_says_what_is_unwritten() {
    let mut server = Server::start();
    let mut world = World::new(22, 2);
    let (mut sink, handle) = open(server.config(2, "spool")).await;
    server.postgres.take().unwrap().stop();
    for _ in 0..7 {
        sink.epoch(world.epoch(5));
    }
    let error = handle.stop(Duration::from_millis(300)).await.unwrap_err();
    assert!(
        matches!(error, PostgresError::Unfinished { epochs: 7 }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_never_both_write() {
    let server = Server::start();
    let mut world = World::new(31, 2);
    let mut tables = Tables::default();
    let epochs: Vec<Arc<Epoch>> = (0..30).map(|_| world.epoch(30)).collect();
    let (mut a, first) = open(server.config(2, "a")).await;
    let (mut b, second) = open(server.config(2, "b")).await;
    for epoch in &epochs {
        a.epoch(Arc::clone(epoch));
        b.epoch(Arc::clone(epoch));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let last = &epochs[29].covers;
    let (one, two) = tokio::join!(
        first.wait_covered(last, LONG),
        second.wait_covered(last, LONG)
    );
    assert!(one != two, "one of them has to give way");
    let loser = if one { second } else { first };
    let failed = loser.status().failed.unwrap();
    assert!(matches!(*failed, PostgresError::Fenced { .. }), "{failed}");
    assert!(failed.to_string().contains("Another replica"), "{failed}");
    epochs.iter().for_each(|epoch| tables.add(epoch));
    tables.check(&server.client().await, &world.hold_ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_went_back_is_noticed() {
    let server = Server::start();
    let mut world = World::new(32, 2);
    let (mut sink, handle) = open(server.config(2, "spool")).await;
    sink.epoch(world.epoch(50));
    covered(&handle, &world.covers).await;
    let db = server.client().await;
    let back =
        "UPDATE flightline.sink_progress SET next_offset = next_offset - 1 WHERE partition = 0";
    db.batch_execute(back).await.unwrap();
    sink.epoch(world.epoch(50));
    assert!(!handle.wait_covered(&world.covers, LONG).await);
    let failed = handle.status().failed.unwrap().to_string();
    assert!(failed.contains("lost committed rows"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_table_stops_the_sink_before_it_is_trusted() {
    let server = Server::start();
    let mut world = World::new(33, 2);
    let (mut sink, handle) = open(server.config(2, "spool")).await;
    sink.epoch(world.epoch(200));
    covered(&handle, &world.covers).await;
    let db = server.client().await;
    db.batch_execute("DELETE FROM flightline.inventory")
        .await
        .unwrap();
    for _ in 0..20 {
        sink.epoch(world.epoch(20));
    }
    assert!(!handle.wait_covered(&world.covers, LONG).await);
    let failed = handle.status().failed.unwrap().to_string();
    assert!(
        failed.contains("inventory") && failed.contains("verify"),
        "{failed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_made_once_and_only_forward() {
    let server = Server::start();
    let version = "SELECT max(version), count(*) FROM flightline.schema_version";
    for _ in 0..3 {
        // Several at once, as replicas that start together.
        let opened = tokio::join!(
            PostgresSink::open(server.config(2, "a")),
            PostgresSink::open(server.config(2, "b")),
        );
        assert!(opened.0.is_ok() && opened.1.is_ok());
        let row = server.client().await.query_one(version, &[]).await.unwrap();
        let (max, count): (i32, i64) = (row.get(0), row.get(1));
        assert_eq!((max, count), (SCHEMA_VERSION, i64::from(SCHEMA_VERSION)));
    }
    let db = server.client().await;
    let undescribed = "\
SELECT n.nspname || '.' || c.relname || coalesce('.' || a.attname, '') FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('flightline', 'views')
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relkind = 'r' AND (obj_description(c.oid) IS NULL OR col_description(c.oid, a.attnum) IS NULL)";
    let rows = db.query(undescribed, &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(names.is_empty(), "no comment on {names:?}");

    let partitions = PostgresSink::open(server.config(3, "a")).await.unwrap_err();
    assert!(matches!(
        partitions,
        PostgresError::OtherPartitions {
            found: 2,
            expected: 3
        }
    ));
    let mut named = server.config(2, "a");
    named.stream_id = Some("this".into());
    drop(PostgresSink::open(named.clone()).await.unwrap());
    drop(PostgresSink::open(named.clone()).await.unwrap());
    named.stream_id = Some("that".into());
    let other = PostgresSink::open(named).await.unwrap_err();
    assert!(
        matches!(other, PostgresError::OtherStream { .. }),
        "{other}"
    );
    db.batch_execute("INSERT INTO flightline.schema_version VALUES (99, 'future')")
        .await
        .unwrap();
    let newer = PostgresSink::open(server.config(2, "a")).await.unwrap_err();
    assert!(
        matches!(newer, PostgresError::NewerSchema { found: 99, .. }),
        "{newer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_an_error_that_says_so() {
    let dir = common::server::folder();
    let mut connect = tokio_postgres::Config::new();
    connect.host_path(dir.path()).user("nobody");
    let mut config = PostgresConfig::new(connect, 2, dir.path().join("spool"));
    config.start_timeout = Duration::from_millis(300);
    let error = PostgresSink::open(config).await.unwrap_err();
    assert!(
        matches!(error, PostgresError::Unreachable { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("database.url"), "{error}");
}

/// Every epoch sets the same number in three tables; a reader must never see two numbers.
#[tokio::test(flavor = "multi_thread")]
async fn readers_see_whole_epochs_only() {
    let server = Server::start();
    let mut world = World::new(41, 2);
    for _ in 0..30 {
        world.new_flight();
    }
    let stamp = |world: &mut World, n: i32| {
        for (key, row) in world.load.rows.clone() {
            world.load.set(key, Some(LoadFactorRow { sold: n, ..row }));
        }
        for (key, mut row) in world.inventory.rows.clone() {
            row.sold = n;
            world.inventory.set(key, Some(row));
        }
        for (key, mut row) in world.offers.rows.clone() {
            row.seats = n as u16;
            world.offers.set(key, Some(row));
        }
        world.covers[0] += 1;
    };
    let (mut sink, handle) = open(server.config(2, "spool")).await;
    stamp(&mut world, 1);
    sink.epoch(world.close());
    covered(&handle, &world.covers).await;
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (address, done) = (server.address(), Arc::clone(&done));
        tokio::spawn(async move {
            let db = client(&address).await;
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
            let (mut reads, mut seen) = (0, std::collections::BTreeSet::new());
            while !done.load(Ordering::Relaxed) {
                db.batch_execute(begin).await.unwrap();
                let mut bounds = Vec::new();
                for sql in [
                    "SELECT min(sold), max(sold) FROM flightline.inventory",
                    "SELECT min(sold), max(sold) FROM views.load_factor",
                    "SELECT min(seats), max(seats) FROM views.offers",
                    "SELECT next_offset::int, next_offset::int FROM flightline.sink_progress WHERE partition = 0",
                ] {
                    let row = db.query_one(sql, &[]).await.unwrap();
                    bounds.extend([row.get::<_, i32>(0), row.get::<_, i32>(1)]);
                }
                db.batch_execute("COMMIT").await.unwrap();
                let progress = bounds.pop().unwrap();
                bounds.pop();
                assert!(
                    bounds.iter().all(|n| *n == bounds[0]),
                    "a part of an epoch: {bounds:?}"
                );
                seen.insert((bounds[0], progress));
                reads += 1;
            }
            (reads, seen)
        })
    };
    let begun = Instant::now();
    let mut n = 1;
    while begun.elapsed() < Duration::from_secs(4) {
        n += 1;
        stamp(&mut world, n % 60_000);
        sink.epoch(world.close());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    covered(&handle, &world.covers).await;
    done.store(true, Ordering::Relaxed);
    let (reads, seen) = reader.await.unwrap();
    assert!(
        reads > 20 && seen.len() > 5,
        "{reads} reads of {} states",
        seen.len()
    );
    // The numbers rise by one with every epoch, and so does the offset: rows and progress agree.
    let shifts: std::collections::BTreeSet<_> = seen.iter().map(|(n, p)| p - n).collect();
    assert_eq!(
        shifts.len(),
        1,
        "rows and sink_progress of different epochs: {seen:?}"
    );
}

/// Whatever is changed behind the sink's back is found, and named.
#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_every_change() {
    let server = Server::start();
    let mut world = World::new(51, 3);
    let mut tables = Tables::default();
    let (mut sink, handle) = open(server.config(3, "spool")).await;
    for _ in 0..10 {
        let epoch = world.epoch(60);
        tables.add(&epoch);
        sink.epoch(epoch);
    }
    covered(&handle, &world.covers).await;
    assert_eq!(verify(&server, &world, &tables).await, None);
    let changes = [
        ("flightline.flight", "status = 'cancelled'"),
        (
            "flightline.leg",
            "departs_at = departs_at + interval '1 second'",
        ),
        ("flightline.inventory", "available = available + 1"),
        ("flightline.hold", "id = id || 'x'"),
        (
            "flightline.decision",
            "at = at + interval '1 microsecond', detail = 'x'",
        ),
        ("flightline.orders", "revision = revision + 1"),
        ("flightline.order_segment", "seats = seats + 1"),
        ("flightline.payment", "failures = failures + 1"),
        ("flightline.feed_reject", "raw = raw || '\\x00'"),
        ("flightline.inventory_drift", "expected = expected + 1"),
        ("views.offers", "price = price * 10.0"),
        ("views.availability_by_route_day", "seats = seats - 1"),
        ("views.cheapest_by_route_day", "provider = 'y'"),
        ("views.load_factor", "sold = -sold - 1"),
        ("views.oversold", "oversold = oversold + 1"),
    ];
    for (table, set) in &changes {
        let db = server.client().await;
        let ctid = format!("(SELECT ctid FROM {table} ORDER BY ctid LIMIT 1 OFFSET 1)");
        let keep = format!("CREATE TABLE kept AS SELECT * FROM {table}");
        db.batch_execute(&keep).await.unwrap();
        for sql in [
            format!("UPDATE {table} SET {set} WHERE ctid = {ctid}"),
            format!("DELETE FROM {table} WHERE ctid = {ctid}"),
        ] {
            assert_eq!(db.execute(&sql, &[]).await.unwrap(), 1, "{sql}");
            let found = verify(&server, &world, &tables).await;
            let found = found.unwrap_or_else(|| panic!("not found: {sql}"));
            assert_eq!(found.table, *table);
            assert!(found.expected.is_some(), "{found}");
            assert_eq!(found.found.is_none(), sql.starts_with("DELETE"), "{found}");
            let restore = format!("TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept");
            db.batch_execute(&restore).await.unwrap();
        }
        db.batch_execute("DROP TABLE kept").await.unwrap();
        assert_eq!(verify(&server, &world, &tables).await, None);
    }
    let db = server.client().await;
    let surplus = "INSERT INTO views.oversold VALUES ('A', 1, 'Y', '', '', 1)";
    db.batch_execute(surplus).await.unwrap();
    let found = verify(&server, &world, &tables).await.unwrap();
    assert_eq!(
        (found.table.as_str(), found.expected),
        ("views.oversold", None)
    );
    let moved = "UPDATE flightline.sink_progress SET next_offset = 0 WHERE partition = 2";
    db.batch_execute(moved).await.unwrap();
    let state = world.snapshot(0);
    let expected = Expected {
        state: &state,
        decisions: &mut std::iter::empty(),
        rejects: &mut std::iter::empty(),
    };
    let found = compare(&mut server.client().await, expected)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.table, "flightline.sink_progress");
}

/// A change of any column of the tables of orders, however small, is found.
#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_one_changed_byte_of_orders() {
    let server = Server::start();
    let mut world = World::new(52, 3);
    let mut tables = Tables::default();
    let (mut sink, handle) = open(server.config(3, "spool")).await;
    for _ in 0..6 {
        for _ in 0..60 {
            world.order_step();
        }
        let epoch = world.close();
        tables.add(&epoch);
        sink.epoch(epoch);
    }
    covered(&handle, &world.covers).await;
    assert_eq!(verify(&server, &world, &tables).await, None);
    let db = server.client().await;
    let mut changed = 0;
    for (table, only) in [
        ("orders", None),
        ("order_segment", None),
        ("payment", None),
        ("decision", Some("order_id")),
    ] {
        let name = format!("flightline.{table}");
        let keep = format!("CREATE TABLE kept AS SELECT * FROM {name}");
        db.batch_execute(&keep).await.unwrap();
        let sql = "SELECT column_name::text, data_type::text FROM information_schema.columns \
                   WHERE table_schema = 'flightline' AND table_name = $1 ORDER BY ordinal_position";
        for row in db.query(sql, &[&table]).await.unwrap() {
            let (column, kind): (String, String) = (row.get(0), row.get(1));
            if only.is_some_and(|only| only != column) {
                continue;
            }
            let other = match kind.as_str() {
                "text" => format!(
                    "coalesce(overlay({column} placing CASE left({column}, 1) WHEN 'x' THEN 'y' ELSE 'x' END FROM 1 FOR 1), 'x')"
                ),
                "boolean" => format!("NOT {column}"),
                "timestamp with time zone" => format!(
                    "CASE WHEN isfinite({column}) THEN {column} + interval '1 microsecond' ELSE '2000-01-01' END"
                ),
                _ => format!("coalesce({column} + 100, 0)"),
            };
            for offset in ["0", "(SELECT count(*) - 1 FROM kept)"] {
                let sql = format!(
                    "UPDATE {name} SET {column} = {other} \
                     WHERE ctid = (SELECT ctid FROM {name} ORDER BY ctid LIMIT 1 OFFSET {offset})"
                );
                assert_eq!(db.execute(&sql, &[]).await.unwrap(), 1, "{sql}");
                let found = verify(&server, &world, &tables).await;
                let found = found.unwrap_or_else(|| panic!("not found: {sql}"));
                assert_eq!(found.table, name, "{sql}: {found}");
                changed += 1;
                let restore = format!("TRUNCATE {name}; INSERT INTO {name} SELECT * FROM kept");
                db.batch_execute(&restore).await.unwrap();
            }
        }
        db.batch_execute("DROP TABLE kept").await.unwrap();
    }
    assert_eq!(changed, 2 * (23 + 20 + 10 + 1));
    assert_eq!(verify(&server, &world, &tables).await, None);
}

fn locked(server: &Server, spool: &str) -> PostgresConfig {
    PostgresConfig {
        session_lock: true,
        ..server.config(2, spool)
    }
}

/// Of several replicas one writes. It is heard of while it has nothing to write; when its session is ended
/// another can go on, and what the first one still has is not written.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_the_lock_writes_and_nobody_else() {
    let server = Server::start();
    let mut world = World::new(41, 2);
    let mut tables = Tables::default();
    let (mut first, handle) = open(locked(&server, "one")).await;
    let epoch = world.epoch(50);
    tables.add(&epoch);
    first.epoch(epoch);
    covered(&handle, &world.covers).await;
    let refused = PostgresSink::open(locked(&server, "two")).await;
    assert!(matches!(refused, Err(PostgresError::HeldByAnother)));

    let mut watch = LockWatch::new(server.address().config());
    let deadline = Instant::now() + LONG;
    let mut before = Duration::ZERO;
    let holder = loop {
        let look = watch.look().await.unwrap();
        assert_eq!(look.progress.as_deref(), Some(&world.covers[..]));
        assert!(look.clock_ahead_ms.abs() < 60_000, "{look:?}");
        let holder = look.holder.expect("somebody holds it");
        if holder.silent < before {
            // It said something although there is nothing to write.
            break holder;
        }
        before = holder.silent;
        assert!(Instant::now() < deadline, "it says nothing");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };

    // As if it had been stopped: others end its session while it has something to write.
    handle.pause();
    first.epoch(Arc::new(Epoch {
        covers: world.covers.iter().map(|offset| offset + 1).collect(),
        ..Epoch::default()
    }));
    watch.unseat(&holder).await.unwrap();
    let second = loop {
        match PostgresSink::open(locked(&server, "two")).await {
            Ok(sink) => break sink,
            Err(PostgresError::HeldByAnother) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < deadline, "the lock does not come free");
    };
    assert_eq!(second.progress(), world.covers);
    handle.resume();
    assert!(!handle.wait_covered(&[u64::MAX; 2], LONG).await);
    let failed = handle.status().failed.unwrap();
    assert!(matches!(*failed, PostgresError::HeldByAnother), "{failed}");
    let other = watch.look().await.unwrap().holder.expect("the second one");
    assert_ne!(other.pid, holder.pid);
    let mut second = second;
    let handle = second.handle();
    second.epoch(Arc::new(world.snapshot(0)));
    let epoch = world.epoch(50);
    tables.add(&epoch);
    second.epoch(epoch);
    covered(&handle, &world.covers).await;
    tables.check(&server.client().await, &world.hold_ids).await;
}

/// A session that holds the lock and hears nothing of its client is seen, idle or in the middle of its rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_stopped_is_seen_wherever_it_stands() {
    let server = Server::start();
    // Makes the tables.
    drop(open(server.config(2, "one")).await);
    let lock = "SELECT pg_advisory_lock(1718380903, 1952539244)";
    for stuck_in_copy in [false, true] {
        let holder = server.client().await;
        holder.batch_execute(lock).await.unwrap();
        let mut rows = None;
        if stuck_in_copy {
            holder
                .batch_execute("BEGIN; CREATE TEMPORARY TABLE t (x text)")
                .await
                .unwrap();
            let into = holder.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN");
            rows = Some(Box::pin(into.await.unwrap()));
        }
        let mut watch = LockWatch::new(server.address().config());
        let deadline = Instant::now() + LONG;
        loop {
            let seen = watch.look().await.unwrap().holder.expect("it is held");
            if seen.silent > Duration::from_millis(800) {
                watch.unseat(&seen).await.unwrap();
                break;
            }
            assert!(Instant::now() < deadline, "it is not seen: {seen:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while watch.look().await.unwrap().holder.is_some() {
            assert!(Instant::now() < deadline, "the lock does not come free");
        }
        drop(rows);
    }
}
