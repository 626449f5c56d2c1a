//! Views in SQL at several replicas: what is changed at one of them becomes live at all, whoever writes the tables
//! and whoever dies meanwhile.
//!
//! Needs a Fluvio cluster, as `replicas` does.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::harness::{Replica, run, stderr};
use crate::replicas::{Shared, wait_until, writes};
use crate::tables::until;
use crate::views::{BUSY, DECIDED, SALES, SALES_2, Views, book, equals};

type View = (&'static str, &'static str, &'static str);

/// A view among several that come and go.
const BY_STATUS: View = (
    "by_status",
    "status",
    "SELECT status, count(*) AS n, sum(seats) AS seats FROM holds GROUP BY status",
);

const GONE: &str = "SELECT to_regclass('views.busy') IS NULL";

async fn connect(shared: &Shared) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&shared.url, tokio_postgres::NoTls)
        .await
        .expect("PostgreSQL answers");
    tokio::spawn(connection);
    client
}

/// Waits until a replica has just these views, live, and its folder their files.
async fn has(views: &Views, replica: &Replica, names: &[&str]) -> Duration {
    let client = Client::new(&replica.url);
    let files: Vec<String> = names.iter().map(|name| format!("{name}.yaml")).collect();
    wait_until(&format!("{} has {names:?}", replica.url), || async {
        let listed = client.get("/dataflows").await.body;
        let line = |line: &Value| match line["state"] == "live" {
            true => line["name"].as_str().unwrap_or_default().to_owned(),
            false => format!("{line}"),
        };
        let mut live: Vec<String> = listed["views"]
            .as_array()
            .map(|lines| lines.iter().map(line).collect())
            .unwrap_or_default();
        live.sort();
        let mut seen = views.names();
        // What was set aside, and what is being written.
        seen.retain(|name| !name.starts_with('.'));
        live == names && seen == files
    })
    .await
}

fn text(views: &Views, view: View) -> String {
    std::fs::read_to_string(views.file(view)).expect("the file is there")
}

/// Bookings at a replica while something else happens.
struct Load {
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<u64>,
}

impl Load {
    async fn start(replica: &Replica, tag: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = book(replica, tag, &stop).await;
        Self { stop, tasks }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_at_one_replica_becomes_live_at_all() {
    let Some(shared) = Shared::new("views").await else {
        return;
    };
    let (a, b) = (
        Views::with_config(shared.config()),
        Views::with_config(shared.config()),
    );
    // The first one brings its folder in, the second one gets it.
    std::fs::write(a.folder.path().join("sales.yaml"), text(&a, SALES)).expect("a file");
    let at_a = a.place.start();
    assert!(
        writes(&Client::new(&at_a.url)).await,
        "the first one writes"
    );
    let at_b = b.place.start();
    assert!(
        !writes(&Client::new(&at_b.url)).await,
        "the second one does not"
    );
    has(&b, &at_b, &["sales"]).await;
    let tables = connect(&shared).await;

    // Added at the one that does not write; when the command comes back, the table is there.
    let load = Load::start(&at_b, "a").await;
    let added = b.run(&["add", &b.file(BUSY)]).unwrap();
    assert!(added.starts_with("busy: live, "), "{added}");
    let there = tables.query_one("SELECT to_regclass('views.busy') IS NOT NULL", &[]);
    assert!(there.await.expect("an answer").get::<_, bool>(0));
    let took = has(&a, &at_a, &["busy", "sales"]).await;
    eprintln!("live at the other {took:?} after the command was done");
    has(&b, &at_b, &["busy", "sales"]).await;
    equals(&tables, BUSY).await;
    let refused = a.run(&["add", &a.file(BUSY)]).unwrap_err();
    assert!(
        refused.contains("there is a view \"busy\" already"),
        "{refused}"
    );

    // The writer is killed under load: the tables of the views go on at the other one.
    at_a.kill();
    let client_b = Client::new(&at_b.url);
    wait_until("b takes the tables over", || writes(&client_b)).await;
    equals(&tables, BUSY).await;
    equals(&tables, SALES).await;

    // While it is down: one goes, one is replaced, one comes.
    b.run(&["remove", "busy"]).unwrap();
    until(&tables, GONE, &[&["t"]]).await;
    b.run(&["replace", &b.file(SALES_2)]).unwrap();
    let decided = format!("{}decisions: 7 days\n", text(&b, DECIDED));
    b.run(&["add", &b.place.file("decided.txt", &decided)])
        .unwrap();
    assert!(load.end().await > 0, "b was booked at");
    equals(&tables, SALES_2).await;
    equals(&tables, DECIDED).await;
    assert_eq!(a.names(), ["busy.yaml", "sales.yaml"], "a is down");
    let at_a = a.place.start();
    assert!(!writes(&Client::new(&at_a.url)).await, "b writes");
    has(&a, &at_a, &["decided", "sales"]).await;
    has(&b, &at_b, &["decided", "sales"]).await;
    until(&tables, GONE, &[&["t"]]).await;

    // Files, at the one that does not write: one is put there, then another is taken away.
    let load = Load::start(&at_a, "b").await;
    let path = a.folder.path().join("by_status.yaml");
    std::fs::write(&path, text(&a, BY_STATUS)).expect("a file");
    has(&b, &at_b, &["by_status", "decided", "sales"]).await;
    equals(&tables, BY_STATUS).await;
    std::fs::remove_file(a.folder.path().join("decided.yaml")).expect("it goes");
    has(&b, &at_b, &["by_status", "sales"]).await;
    has(&a, &at_a, &["by_status", "sales"]).await;
    let gone = "SELECT to_regclass('views.decided') IS NULL";
    until(&tables, gone, &[&["t"]]).await;
    assert!(load.end().await > 0, "a was booked at");

    for place in [&a.place, &b.place] {
        let report = place.verify();
        let compared = report["tables"].to_string();
        assert!(compared.contains("views.by_status"), "{compared}");
        assert_eq!(report["left_out"], serde_json::json!([]), "{report}");
    }
    at_b.stop();
    let client_a = Client::new(&at_a.url);
    wait_until("a takes the tables over", || writes(&client_a)).await;
    a.run(&["remove", "by_status"]).unwrap();
    let gone = "SELECT to_regclass('views.by_status') IS NULL";
    until(&tables, gone, &[&["t"]]).await;
    equals(&tables, SALES_2).await;
    assert_eq!(a.place.verify()["oversold"], 0);
    at_a.stop();
}

/// The writer of the tables is killed again and again while the other one changes a view.
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_right_when_their_writer_dies_in_the_middle_of_a_change() {
    let Some(shared) = Shared::new("views-killed").await else {
        return;
    };
    let places = [
        Views::with_config(shared.config()),
        Views::with_config(shared.config()),
    ];
    let mut writer = 0;
    let mut running = Vec::new();
    for place in &places {
        running.push(Some(place.place.start()));
    }
    let tables = connect(&shared).await;
    places[1].run(&["add", &places[1].file(SALES)]).unwrap();
    for (round, delay_ms) in [0, 40, 120, 350, 700].into_iter().enumerate() {
        let other = 1 - writer;
        let (view, there) = match round % 2 {
            0 => (SALES_2, SALES),
            _ => (SALES, SALES_2),
        };
        let here: Replica = running[other].take().expect("it runs");
        let load = Load::start(&here, &format!("r{round}")).await;
        equals(&tables, there).await;
        let changing = places[other]
            .command(&["replace", &places[other].file(view)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        running[writer].take().expect("it runs").kill();
        let changed = tokio::task::spawn_blocking(move || changing.wait_with_output());
        let changed = changed.await.expect("it ends").expect("it ends");
        assert!(changed.status.success(), "round {round}: {changed:?}");
        let client = Client::new(&here.url);
        wait_until("the other takes the tables over", || writes(&client)).await;
        equals(&tables, view).await;
        assert!(load.end().await > 0, "round {round}: nobody could book");
        equals(&tables, view).await;
        let back = places[writer].place.start();
        has(&places[writer], &back, &["sales"]).await;
        places[other].place.verify();
        running[writer] = Some(back);
        running[other] = Some(here);
        writer = other;
    }
    for replica in running.into_iter().flatten() {
        replica.stop();
    }
}

/// A replica without views would take their tables away.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_views_leaves_the_tables_of_those_that_have_some() {
    let Some(shared) = Shared::new("views-without").await else {
        return;
    };
    let (a, without) = (Views::with_config(shared.config()), shared.place());
    let (at_a, bare) = (a.place.start(), without.start());
    let tables = connect(&shared).await;
    a.run(&["add", &a.file(SALES)]).unwrap();
    at_a.kill();
    let client = Client::new(&bare.url);
    wait_until("it says why it does not write", || async {
        let ready = client.get("/health/ready").await;
        ready.body.to_string().contains("was started without")
    })
    .await;
    let there = "SELECT to_regclass('views.sales') IS NOT NULL";
    until(&tables, there, &[&["t"]]).await;
    bare.stop();
    let (config, dir) = (without.config_file(), without.data_dir_text());
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        &config,
        "--data-dir",
        &dir,
    ];
    let refused = run(&serve);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(
        said.contains("have views in SQL (sales)") && said.contains("--views DIR"),
        "{said}"
    );
    let at_a = a.place.start();
    has(&a, &at_a, &["sales"]).await;
    let load = Load::start(&at_a, "w").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(load.end().await > 0, "a was booked at");
    equals(&tables, SALES).await;
    at_a.stop();
}

/// The one where a change is made is killed: the change is made at both, or at neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_in_the_middle_of_its_own_change_leaves_all_of_it_or_nothing() {
    let Some(shared) = Shared::new("views-cut-off").await else {
        return;
    };
    let (a, b) = (
        Views::with_config(shared.config()),
        Views::with_config(shared.config()),
    );
    let at_a = a.place.start();
    let tables = connect(&shared).await;
    a.run(&["add", &a.file(SALES)]).unwrap();
    let text_of = |view| text(&a, view);
    let mut made = 0;
    for (round, delay_ms) in [60, 150, 240, 330, 420, 510, 900].into_iter().enumerate() {
        let at_b = b.place.start();
        has(&b, &at_b, &["sales"]).await;
        let before = std::fs::read_to_string(b.folder.path().join("sales.yaml")).expect("a file");
        let view = if before == text_of(SALES) {
            SALES_2
        } else {
            SALES
        };
        let load = Load::start(&at_a, &format!("c{round}")).await;
        let changing = b
            .command(&["replace", &b.file(view)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        at_b.kill();
        let mut changing = changing;
        changing.wait().expect("it ends");
        let at_b = b.place.start();
        has(&b, &at_b, &["sales"]).await;
        let after = std::fs::read_to_string(b.folder.path().join("sales.yaml")).expect("a file");
        wait_until("both have the same", || async {
            std::fs::read_to_string(a.folder.path().join("sales.yaml"))
                .ok()
                .as_ref()
                == Some(&after)
        })
        .await;
        let is_new = after != before;
        made += u32::from(is_new);
        let there = if after == text_of(SALES) {
            SALES
        } else {
            SALES_2
        };
        assert_eq!(after, text_of(there), "one or the other");
        assert!(load.end().await > 0, "a was booked at");
        equals(&tables, there).await;
        a.place.verify();
        at_b.stop();
    }
    eprintln!("{made} of 7 changes were made");
    at_a.stop();
}

/// Of two changes at the same time one is first, and the other is refused or comes after it; all replicas have the same.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_two_replicas_at_once_are_made_one_after_the_other() {
    let Some(mut shared) = Shared::new("views-at-once").await else {
        return;
    };
    let (a, b) = (
        Views::with_config(shared.config()),
        Views::with_config(shared.config()),
    );
    let (at_a, at_b) = (a.place.start(), b.place.start());
    let mut overtaken = 0;
    for _ in 0..6 {
        let commands = [
            (&a, ["add".to_owned(), a.file(SALES)]),
            (&b, ["add".to_owned(), b.file(BY_STATUS)]),
        ];
        let running = commands.each_ref().map(|(views, args)| {
            let args = args.each_ref().map(String::as_str);
            let mut command = views.command(&args);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the program starts")
        });
        for ((views, args), child) in commands.iter().zip(running) {
            let output = child.wait_with_output().expect("it ends");
            if output.status.success() {
                continue;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                said.contains("changed at another replica meanwhile"),
                "{said}"
            );
            overtaken += 1;
            views.run(&args.each_ref().map(String::as_str)).unwrap();
        }
        has(&a, &at_a, &["by_status", "sales"]).await;
        has(&b, &at_b, &["by_status", "sales"]).await;
        a.run(&["remove", "by_status"]).unwrap();
        b.run(&["remove", "sales"]).unwrap();
        has(&a, &at_a, &[]).await;
        has(&b, &at_b, &[]).await;
    }
    eprintln!("{overtaken} of 6 pairs: the second was refused");

    // Without the database: what runs goes on, changes are refused, and a start knows the views.
    a.run(&["add", &a.file(SALES)]).unwrap();
    has(&b, &at_b, &["sales"]).await;
    shared.lose_database().await;
    let refused = a.run(&["add", &a.file(BY_STATUS)]).unwrap_err();
    assert!(refused.contains("nothing was changed"), "{refused}");
    at_b.kill();
    std::fs::remove_file(b.folder.path().join("sales.yaml")).expect("it goes");
    let at_b = b.place.start();
    has(&b, &at_b, &["sales"]).await;
    let load = Load::start(&at_b, "away").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(load.end().await > 0, "nobody could book");
    shared.find_database().await;
    let tables = connect(&shared).await;
    equals(&tables, SALES).await;
    wait_until("changes are taken again", || async {
        a.run(&["remove", "sales"]).is_ok()
    })
    .await;
    has(&b, &at_b, &[]).await;
    at_a.stop();
    at_b.stop();
}
