//! Views in SQL come, are replaced and go in a running replica, whatever dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::events;
use crate::harness::{Place, Replica, program, run, stderr, stdout};
use crate::tables::{connect, rows, until};

/// A replica's place with a folder of views.
pub(crate) struct Views {
    pub(crate) place: Place,
    pub(crate) folder: TempDir,
}

/// Name, key and query.
pub(crate) const SALES: (&str, &str, &str) = (
    "sales",
    "flight_key",
    "SELECT flight_key, count(*) AS holds, sum(seats) AS seats FROM holds GROUP BY flight_key",
);
pub(crate) const SALES_2: (&str, &str, &str) = (
    "sales",
    "flight_key, status",
    "SELECT flight_key, status, sum(seats) AS seats FROM holds GROUP BY flight_key, status",
);
pub(crate) const BUSY: (&str, &str, &str) = (
    "busy",
    "flight_key",
    "SELECT s.flight_key, f.board, s.seats FROM sales s JOIN flights f ON f.flight_key = s.flight_key WHERE s.seats > 3",
);

pub(crate) const DECIDED: (&str, &str, &str) = (
    "decided",
    "kind, outcome",
    "SELECT kind, outcome, count(*) AS n, count(DISTINCT flight_key) AS flights, min(at) AS since, max(at) AS latest FROM decisions GROUP BY kind, outcome",
);

/// What PostgreSQL answers to the query itself.
fn own(view: (&str, &str, &str)) -> String {
    let sql = view.2.replace(
        "FROM sales s",
        "FROM (SELECT flight_key, count(*) AS holds, sum(seats) AS seats FROM holds GROUP BY flight_key) s",
    );
    sql.replace("FROM holds", "FROM flightline.hold")
        .replace("FROM decisions", "FROM flightline.decision")
        .replace("JOIN flights", "JOIN flightline.flight")
}

impl Views {
    fn new() -> Self {
        Self::with_config("")
    }

    /// With further settings.
    pub(crate) fn with_config(config: &str) -> Self {
        let folder = TempDir::with_prefix("flightline-views-").expect("a folder");
        let views = folder.path().display();
        Self {
            place: Place::with_config(&format!("{config}[dataflow]\nviews = [\"{views}\"]\n")),
            folder,
        }
    }

    pub(crate) fn file(&self, (name, key, sql): (&str, &str, &str)) -> String {
        let text = format!(
            "name: {name}\ndescription: A test.\nsql: |\n  {sql}\nsink: {{postgres: {{key: [{key}]}}}}\n"
        );
        // Beside the folder: files get there by being added.
        self.place.file(&format!("{name}-{}.txt", key.len()), &text)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("dataflow")
            .args(args)
            .args(["--data-dir", &self.place.data_dir_text()])
            .env_remove("FLIGHTLINE_TOKEN");
        command
    }

    /// Runs `flightline dataflow`; what it printed, or what it complained of.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String, String> {
        let output = self.command(args).output().expect("the program starts");
        match output.status.success() {
            true => Ok(stdout(&output)),
            false => Err(format!("{}{}", stdout(&output), stderr(&output))),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// `flightline verify` with the views; not one of their tables is left out.
    fn verify(&self) -> Value {
        let folder = self.folder.path().display().to_string();
        let dir = self.place.data_dir_text();
        let output = run(&["verify", "--json", "--data-dir", &dir, "--views", &folder]);
        assert!(
            output.status.success(),
            "verify is not clean:\n{}\n{}",
            stdout(&output),
            stderr(&output)
        );
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["left_out"], serde_json::json!([]), "{report}");
        report
    }
}

/// More than are sold out while a slow machine is at it: bookings are to go on.
const FLIGHTS: u32 = 100;

/// Books until it is told to stop, or nobody answers.
pub(crate) async fn book(replica: &Replica, tag: &str, stop: &Arc<AtomicBool>) -> JoinSet<u64> {
    let client = Client::new(&replica.url);
    let flights: Vec<_> = (1..=FLIGHTS)
        .map(|n| events::schedule(&events::flight(n), 2_000, 1))
        .collect();
    client.push("acme", &flights).await;
    let mut tasks = JoinSet::new();
    for task in 0..6 {
        let (client, tag, stop) = (Client::new(&replica.url), tag.to_owned(), stop.clone());
        tasks.spawn(async move {
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                let flight = events::flight(1 + (done as u32 + task) % FLIGHTS);
                let body = serde_json::json!({"id": format!("{tag}-{task}-{done}"), "cabin": "Y", "seats": 1});
                let path = format!("/flights/{flight}/holds");
                let answer = client.try_call(reqwest::Method::POST, &path, Some(&body)).await;
                if !answer.is_ok_and(|answer| answer.status == StatusCode::CREATED) {
                    break;
                }
                done += 1;
            }
            done
        });
    }
    tasks
}

/// Waits until a table is what PostgreSQL itself makes of the query.
pub(crate) async fn equals(tables: &tokio_postgres::Client, view: (&str, &str, &str)) {
    let (table, own) = (format!("SELECT * FROM views.{}", view.0), own(view));
    // In the order of the table: the key's columns come first there and in these queries.
    let differs = format!(
        "SELECT (SELECT count(*) FROM ({table} EXCEPT ALL {own}) a) + (SELECT count(*) FROM ({own} EXCEPT ALL {table}) b)"
    );
    until(tables, &differs, &[&["0"]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_change_and_go_while_bookings_go_on() {
    let views = Views::new();
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = book(&replica, "a", &stop).await;

    let (sales, busy) = (views.file(SALES), views.file(BUSY));
    let refused = views.run(&["add", &busy]).unwrap_err();
    assert!(refused.contains("sales"), "{refused}");
    assert!(views.run(&["list"]).unwrap().starts_with("no views"));
    let added = views.run(&["add", &sales]).unwrap();
    assert!(added.starts_with("sales: live, "), "{added}");
    equals(&tables, SALES).await;
    views.run(&["add", &busy]).unwrap();
    equals(&tables, BUSY).await;
    assert_eq!(views.names(), ["busy.yaml", "sales.yaml"]);

    // What others read stays, unless it still fits.
    let again = views.run(&["add", &sales]).unwrap_err();
    assert!(
        again.contains("there is a view \"sales\" already"),
        "{again}"
    );
    let removed = views.run(&["remove", "sales"]).unwrap_err();
    assert!(
        removed.contains("other views read \"sales\": busy"),
        "{removed}"
    );
    let narrow = views.file((
        "sales",
        "flight_key",
        "SELECT flight_key, count(*) AS holds FROM holds GROUP BY flight_key",
    ));
    let refused = views.run(&["replace", &narrow]).unwrap_err();
    assert!(
        refused.contains("(busy)") && refused.contains("seats"),
        "{refused}"
    );
    let unknown = views.run(&["remove", "sale"]).unwrap_err();
    assert!(unknown.contains("there are sales, busy"), "{unknown}");
    let doubled = views.file((
        "sales",
        "status",
        "SELECT status, flight_key, seats FROM holds",
    ));
    let refused = views.run(&["replace", &doubled]).unwrap_err();
    assert!(
        refused.contains("two rows have the key status = "),
        "{refused}"
    );

    views.run(&["remove", "busy"]).unwrap();
    let replaced = views.run(&["replace", &views.file(SALES_2)]).unwrap();
    assert!(replaced.starts_with("sales: live, "), "{replaced}");
    equals(&tables, SALES_2).await;
    assert_eq!(views.names(), ["sales.yaml"]);
    let gone = "SELECT to_regclass('views.busy') IS NULL";
    until(&tables, gone, &[&["t"]]).await;

    // Somebody else's table.
    rows(&tables, "CREATE TABLE views.mine (x integer)").await;
    let refused = views.run(&["add", &views.file(("mine", "flight_key", SALES.2))]);
    let refused = refused.unwrap_err();
    assert!(refused.contains("the table views.mine exists"), "{refused}");

    let client = Client::new(&replica.url);
    let listed = client.get("/dataflows").await.body;
    let line = &listed["views"][0];
    assert_eq!(
        (&line["name"], &line["state"]),
        (&"sales".into(), &"live".into())
    );
    assert!(line["rows"].as_u64() >= Some(10), "{listed}");
    let metrics = client.text("/metrics").await;
    assert!(
        metrics.contains("flightline_view_live{view=\"sales\"} 1"),
        "{metrics}"
    );

    stop.store(true, Ordering::Relaxed);
    let booked: u64 = tasks.join_all().await.into_iter().sum();
    assert!(booked > 0, "nobody could book meanwhile");
    replica.stop();
    let report = views.verify();
    let compared = report["tables"].to_string();
    assert!(compared.contains("views.sales"), "{compared}");

    // It is there after a restart, without a word.
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    equals(&tables, SALES_2).await;
    replica.stop();
}

/// Rows as a follower has them: JSON, and how often.
#[derive(Default)]
struct Copy(BTreeMap<String, i64>);

impl Copy {
    fn put(&mut self, row: &Value, diff: i64) {
        let count = self.0.entry(row.to_string()).or_default();
        *count += diff;
        assert!((0..=1).contains(count), "{row} comes or goes twice");
    }

    fn is(&self, expected: &BTreeSet<String>) -> bool {
        let there = self.0.iter().filter(|(_, count)| **count > 0);
        there.map(|(row, _)| row).eq(expected)
    }
}

/// Follows a view until it has these rows; the id of the last event.
async fn follow(
    url: &str,
    after: Option<&str>,
    copy: &mut Copy,
    rows: &BTreeSet<String>,
) -> String {
    let mut request = reqwest::Client::new().get(format!("{url}/changes?view=sales"));
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    let mut response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let (mut text, mut id, mut is_ready) = (String::new(), String::new(), after.is_some());
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(60), response.chunk()).await;
        let chunk = chunk
            .expect("events in time")
            .expect("events")
            .expect("more");
        text += &String::from_utf8_lossy(&chunk);
        while let Some((event, rest)) = text.split_once("\n\n") {
            let mut name = "";
            let mut data = Value::Null;
            for line in event.lines() {
                match line.split_once(": ") {
                    Some(("id", value)) => id = value.to_owned(),
                    Some(("event", value)) => name = value,
                    Some(("data", value)) => data = serde_json::from_str(value).expect("JSON"),
                    _ => {}
                }
            }
            let list = |name: &str| data[name].as_array().cloned().unwrap_or_default();
            match name {
                "reset" => {
                    assert!(after.is_none(), "nothing was missed");
                    copy.0.clear();
                }
                "rows" => list("rows").iter().for_each(|row| copy.put(row, 1)),
                "ready" => is_ready = true,
                "changes" => {
                    let changes = list("changes");
                    let sorted = |diff: i64| changes.iter().filter(move |c| c["diff"] == diff);
                    sorted(-1).for_each(|change| copy.put(&change["row"], -1));
                    sorted(1).for_each(|change| copy.put(&change["row"], 1));
                }
                _ => {}
            }
            text = rest.to_owned();
        }
        if is_ready && copy.is(rows) {
            return id;
        }
    }
}

/// The rows of the view as a follower should have them, when there are so many holds.
async fn told(tables: &tokio_postgres::Client, holds: u64) -> BTreeSet<String> {
    let sum = "SELECT sum(holds) FROM views.sales";
    until(tables, sum, &[&[&holds.to_string()]]).await;
    equals(tables, SALES).await;
    let query = "SELECT flight_key, holds, seats FROM views.sales";
    let rows = rows(tables, query).await;
    let json = |row: Vec<Option<String>>| {
        let text = |at: usize| row[at].clone().expect("no NULL");
        let number = |at: usize| text(at).parse::<i64>().expect("a number");
        let row =
            serde_json::json!({"flight_key": text(0), "holds": number(1), "seats": number(2)});
        row.to_string()
    };
    rows.into_iter().map(json).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_view_are_told_to_followers_and_written_to_a_file() {
    let views = Views::new();
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = book(&replica, "a", &stop).await;
    let file = views.file(SALES);
    let text = std::fs::read_to_string(&file).expect("the file");
    let text = text.replace("]}}", "]}, changes: true, file: true}");
    let file = views.place.file("told.txt", &text);
    views.run(&["add", &file]).unwrap();
    stop.store(true, Ordering::Relaxed);
    let booked: u64 = tasks.join_all().await.into_iter().sum();
    let mut copy = Copy::default();
    let expected = told(&tables, booked).await;
    let id = follow(&replica.url, None, &mut copy, &expected).await;
    // More, while nobody listens; then he comes back.
    let client = Client::new(&replica.url);
    for n in 0..20 {
        let held = client
            .hold(&events::flight(1 + n % 10), &format!("more-{n}"), 2)
            .await;
        assert_eq!(held.status, StatusCode::CREATED);
    }
    let after = told(&tables, booked + 20).await;
    assert_ne!(after, expected);
    follow(&replica.url, Some(&id), &mut copy, &after).await;
    // A view that does not tell is none that can be followed.
    let unknown = client.get("/changes?view=sale").await;
    assert_eq!(unknown.code(), "unknown_view");
    let message = unknown.body.to_string();
    assert!(message.contains("sales"), "{message}");
    replica.stop();

    // Another run says everything anew, in the file too.
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    assert_eq!(told(&tables, booked + 20).await, after);
    let log = views.place.data_dir().join("changelogs/sales.ndjson");
    let read = || {
        let mut copy = Copy::default();
        for line in std::fs::read_to_string(&log).expect("the file").lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                assert!(line.is_empty(), "{line}");
                continue;
            };
            if line["reset"] == true {
                copy.0.clear();
            }
            if let Some(diff) = line["diff"].as_i64() {
                *copy.0.entry(line["row"].to_string()).or_default() += diff;
            }
        }
        copy
    };
    crate::harness::until("the file follows", Duration::from_secs(60), || {
        read().is(&after)
    });
    replica.stop();
}

/// What became of the file of a view, by `GET /dataflows`; `None` = it was not tried.
async fn tried(client: &Client, name: &str) -> Option<(String, String)> {
    let listed = client.get("/dataflows").await.body;
    let tried = listed["files"]["tried"].as_array().expect("a list");
    let line = tried.iter().find(|line| {
        let file = line["file"].as_str().expect("a name");
        file.ends_with(&format!("/{name}"))
    })?;
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    Some((text("state"), text("reason")))
}

/// Waits until that is so.
async fn until_tried(client: &Client, name: &str, state: &str, says: &str) -> String {
    for _ in 0..1500 {
        match tried(client, name).await {
            Some((found, reason)) if found == state && reason.contains(says) => return reason,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!(
        "{name} is not {state} with {says:?}: {:?}",
        tried(client, name).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn views_follow_files_that_come_change_and_go() {
    let views = Views::new();
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    let client = Client::new(&replica.url);
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = book(&replica, "w", &stop).await;
    let path = |name: &str| views.folder.path().join(name);
    let read = |view| std::fs::read_to_string(views.file(view)).expect("the file");
    let put = |name: &str, text: &str| std::fs::write(path(name), text).expect("written");
    let (sales, sales_2, busy) = (read(SALES), read(SALES_2), read(BUSY));

    // Two that came together, the reader first by name; what editors leave behind is not looked at.
    put("a_busy.yaml", &busy);
    put("sales.yaml", &sales);
    put(".sales.yaml.swp.yaml", "nonsense\n");
    until_tried(&client, "a_busy.yaml", "taken", "").await;
    equals(&tables, SALES).await;
    equals(&tables, BUSY).await;

    // One that is cut off is left alone: the one that came after it is there before.
    let (half, rest) = busy.split_at(busy.len() - 30);
    put("b_half.yaml", &half.replace("busy", "half"));
    put("other.yaml", &sales.replace("sales", "other"));
    until_tried(&client, "other.yaml", "taken", "").await;
    assert_eq!(tried(&client, "b_half.yaml").await, None);
    put("b_half.yaml", &(half.replace("busy", "half") + rest));
    until_tried(&client, "b_half.yaml", "taken", "").await;

    // A bad one is refused with place and remedy, and the old one goes on.
    put("sales.yaml", &sales.replace("sum(seats)", "sum(seat)"));
    let reason = until_tried(&client, "sales.yaml", "refused", "there is no column").await;
    assert!(
        reason.contains("sales.yaml:4:") && reason.contains("did you mean \"seats\"?"),
        "{reason}"
    );
    let listed = views.run(&["list"]).unwrap();
    assert!(
        listed.contains("sales.yaml: refused") && listed.contains("sales: live"),
        "{listed}"
    );
    let metrics = client.text("/metrics").await;
    assert!(
        metrics.contains("flightline_view_files_wrong 1"),
        "{metrics}"
    );
    equals(&tables, SALES).await;
    // One that breaks its key, by the rows that there are.
    put(
        "sales.yaml",
        &sales.replace("key: [flight_key]", "key: [seats]"),
    );
    until_tried(&client, "sales.yaml", "refused", "").await;
    equals(&tables, SALES).await;
    // One that does not fit those that read it. Then it comes with them.
    put(
        "sales.yaml",
        &sales_2.replace("sum(seats) AS seats", "sum(seats) AS total"),
    );
    until_tried(
        &client,
        "sales.yaml",
        "refused",
        "other views do not go with that",
    )
    .await;
    let busy_2 = busy
        .replace("s.seats", "s.total")
        .replace("key: [flight_key]", "key: [flight_key, total]");
    put("a_busy.yaml", &busy_2);
    std::fs::remove_file(path("b_half.yaml")).expect("removed");
    until_tried(&client, "sales.yaml", "taken", "").await;
    let columns = "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'busy'";
    until(&tables, columns, &[&["flight_key total board"]]).await;
    until(
        &tables,
        "SELECT to_regclass('views.half') IS NULL",
        &[&["t"]],
    )
    .await;

    // What others read does not go alone.
    std::fs::remove_file(path("sales.yaml")).expect("removed");
    until_tried(&client, "sales.yaml", "refused", "put it back").await;
    assert!(views.run(&["list"]).unwrap().contains("sales: live"));
    // A folder that is away says nothing of its files.
    let away = views.folder.path().with_extension("away");
    std::fs::rename(views.folder.path(), &away).expect("moved");
    for _ in 0..1500 {
        let listed = client.get("/dataflows").await.body;
        if listed["files"]["problem"]
            .as_str()
            .is_some_and(|why| why.contains("cannot be read"))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(views.run(&["list"]).unwrap().contains("cannot be read"));
    std::fs::rename(&away, views.folder.path()).expect("moved back");
    std::fs::remove_file(path("a_busy.yaml")).expect("removed");
    for gone in ["sales", "busy"] {
        let gone = format!("SELECT to_regclass('views.{gone}') IS NULL");
        until(&tables, &gone, &[&["t"]]).await;
    }
    // A command and the folder are of one mind.
    views.run(&["add", &views.file(SALES)]).unwrap();
    views.run(&["remove", "other"]).unwrap();
    let listed = client.get("/dataflows").await.body;
    assert_eq!(
        listed["views"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    assert_eq!(listed["files"]["problem"], Value::Null);
    stop.store(true, Ordering::Relaxed);
    let booked: u64 = tasks.join_all().await.into_iter().sum();
    assert!(booked > 0, "nobody could book meanwhile");
    equals(&tables, SALES).await;
    replica.stop();
    std::fs::remove_file(path(".sales.yaml.swp.yaml")).expect("removed");
    views.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_there_from_before_a_view_came_and_after_kill_9() {
    let views = Views::new();
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = book(&replica, "a", &stop).await;
    let some = "SELECT count(*) > 300 FROM flightline.decision WHERE kind = 'hold'";
    until(&tables, some, &[&["t"]]).await;
    let file = views.file(DECIDED);
    let refused = views.run(&["add", &file]).unwrap_err();
    assert!(
        refused.contains("does not say how far back") && refused.contains("decisions: 7 days"),
        "{refused}"
    );
    let text = std::fs::read_to_string(&file).expect("the file");
    std::fs::write(&file, format!("{text}decisions: 1 day\n")).expect("the file");
    // Bookings go on meanwhile.
    let added = views.run(&["add", &file]).unwrap();
    assert!(added.starts_with("decided: live, "), "{added}");
    equals(&tables, DECIDED).await;
    let before = rows(&tables, "SELECT sum(n) FROM views.decided").await;
    replica.kill();
    tasks.join_all().await;
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    equals(&tables, DECIDED).await;
    let tasks = book(&replica, "b", &stop).await;
    let known = before[0][0].as_deref().unwrap_or_default();
    let more = format!("SELECT sum(n) > {known} + 100 FROM views.decided");
    until(&tables, &more, &[&["t"]]).await;
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    equals(&tables, DECIDED).await;
    replica.stop();
    views.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_leave_with_time_though_nothing_happens() {
    let views = Views::new();
    let replica = views.place.start();
    let tables = connect(&views.place).await;
    let client = Client::new(&replica.url);
    let flight = events::flight(1);
    let schedule = events::schedule(&flight, 2_000, 1);
    client.push("acme", &[schedule]).await;
    let fresh = (
        "fresh",
        "partition, offset",
        "SELECT partition, \"offset\", created_at FROM holds WHERE created_at > now() - INTERVAL '2 seconds'",
    );
    let kept = (
        "kept",
        "partition, offset",
        "SELECT partition, \"offset\", created_at FROM holds",
    );
    let kept = std::fs::read_to_string(views.file(kept)).expect("the file");
    let kept = kept + "retain: {column: created_at, for: 3 seconds}\n";
    views.run(&["add", &views.file(fresh)]).unwrap();
    views
        .run(&["add", &views.place.file("kept.txt", &kept)])
        .unwrap();
    let hold = client.hold(&flight, "one", 1).await;
    assert_eq!(hold.status, StatusCode::CREATED);
    let came = |updates: u64| async move {
        for _ in 0..1500 {
            let listed = client.get("/dataflows").await.body;
            let views = listed["views"].as_array().cloned().unwrap_or_default();
            if views
                .iter()
                .all(|view| view["updates"].as_u64() == Some(updates))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("rows did not come, or did not go");
    };
    // The row came and went: two updates each. The hold itself is as it was.
    came(2).await;
    for view in ["fresh", "kept"] {
        let rows = format!("SELECT count(*) FROM views.{view}");
        until(&tables, &rows, &[&["0"]]).await;
    }
    until(&tables, "SELECT status FROM flightline.hold", &[&["held"]]).await;
    let asked = "SELECT count(*) FROM flightline.decision WHERE kind = 'hold'";
    until(&tables, asked, &[&["1"]]).await;
    replica.stop();
    views.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_without_views_says_how_to_have_them() {
    let place = Place::new();
    let replica = place.start();
    let views = Views {
        place,
        folder: TempDir::new().expect("a folder"),
    };
    let refused = views.run(&["add", &views.file(SALES)]).unwrap_err();
    assert!(refused.contains("start it with `--views DIR`"), "{refused}");
    replica.stop();
}

/// A command that may be in the middle of its work when the replica dies.
fn spawn(views: &Views, args: &[&str]) -> Child {
    let mut command = views.command(args);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_the_middle_leaves_nothing_half_installed() {
    let rounds: u64 = std::env::var("FLIGHTLINE_KILL_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(4);
    let views = Views::new();
    let versions = [SALES, SALES_2];
    for round in 0..rounds {
        let replica = views.place.start();
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = book(&replica, &format!("r{round}"), &stop).await;
        let version = versions[round as usize % 2];
        let file = views.file(version);
        let is_there = views.names().contains(&"sales.yaml".to_owned());
        let verb = if is_there { "replace" } else { "add" };
        let mut command = spawn(&views, &[verb, &file]);
        // From before it asks to after it is done.
        tokio::time::sleep(Duration::from_millis(20 + round * 137 % 400)).await;
        replica.kill();
        stop.store(true, Ordering::Relaxed);
        tasks.join_all().await;
        let was_told = command.wait().expect("it ends").success();
        let now = std::fs::read_to_string(views.folder.path().join("sales.yaml")).ok();
        let new = std::fs::read_to_string(Path::new(&file)).expect("the file");
        assert!(
            !was_told || now.as_ref() == Some(&new),
            "it was told that it is live"
        );
        let replica = views.place.start();
        let tables = connect(&views.place).await;
        let states = "SELECT view, state FROM flightline.view_state ORDER BY view";
        if now.is_some() {
            until(&tables, states, &[&["sales", "live"]]).await;
            let version = versions
                .into_iter()
                .find(|version| now.as_ref().is_some_and(|text| text.contains(version.2)));
            equals(&tables, version.expect("one of them")).await;
        } else {
            until(&tables, states, &[]).await;
            until(
                &tables,
                "SELECT to_regclass('views.sales') IS NULL",
                &[&["t"]],
            )
            .await;
        }
        let apart = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('flightline_filling', 'flightline_rehearsal')";
        until(&tables, apart, &[&["0"]]).await;
        replica.stop();
        views.verify();
    }
}
