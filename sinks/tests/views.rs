//! Views in SQL beside PostgreSQL's own answers over the same source tables, at many points of random
//! streams; and their tables through restarts, changes of files, and failures.

mod common;

#[path = "../../dataflows/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::server::Server;
use flightline_dataflows::changelog::Record;
use flightline_dataflows::live::{Refusal, Views, ViewsConfig, ViewsHandle};
use flightline_dataflows::reference::{AirlineName, AirportName, Reference};
use flightline_dataflows::relational::{Decimal, sources};
use flightline_dataflows::sql::{Text, View, compile};
use flightline_dataflows::{Config, Dataflow};
use flightline_ledger::{Ledger, Silent, Station};
use flightline_sinks::postgres::*;
use support::past::Past;
use support::sinks::Words;
use support::{Dice, history, january, order_history};
use tokio_postgres::Client;

/// A view and its file.
type Added = (Arc<View>, Text);

const LONG: Duration = Duration::from_secs(120);
const PARTITIONS: u32 = 4;

/// Queries for tables that the dataflow maintains by operators of its own: name, key and query. `BUILT_IN` and the
/// table's name are the view's.
const BUILT_IN: &str = "t_as_";
const AS_BUILT_IN: &[(&str, &str, &str)] = &[
    ("t_as_availability_by_route_day", "board, off, date, cabin",
     "SELECT board, off, date, cabin, count(*) AS flights, count(*) FILTER (WHERE seats > 0) AS flights_open, sum(seats) AS seats
      FROM (SELECT flight_key, board, off, date, cabin, max(seats) AS seats FROM offers GROUP BY flight_key, board, off, date, cabin) best
      GROUP BY board, off, date, cabin"),
    ("t_as_cheapest_by_route_day", "board, off, date, cabin, currency",
     "SELECT board, off, date, cabin, currency, price, flight_key, provider, class
      FROM (SELECT o.*, row_number() OVER (PARTITION BY o.board, o.off, o.date, o.cabin, o.currency
              ORDER BY o.price, f.carrier, f.number, f.suffix, f.origin_date, f.board, o.provider, o.class) AS n
            FROM offers o JOIN flights f ON f.flight_key = o.flight_key WHERE o.seats > 0) r
      WHERE n = 1"),
    ("t_as_load_factor", "flight_key, leg_no, cabin",
     "SELECT flight_key, leg_no, cabin, capacity, held, sold, CASE WHEN capacity = 0 THEN 0 ELSE (sold::bigint * 1000 / capacity)::integer END AS load_permille
      FROM cabins"),
];

/// Name, key and query of views that between them use every operator.
const TEST_VIEWS: &[(&str, &str, &str)] = &[
    ("t_inner", "flight_key, leg_no, provider, cabin, class",
     "SELECT i.flight_key, i.leg_no, i.provider, i.cabin, i.class, f.status, i.sold + i.held AS used, i.authorised
      FROM inventory i JOIN flights f ON f.flight_key = i.flight_key AND i.sold + i.held > 0"),
    ("t_left", "flight_key, provider",
     "SELECT f.flight_key, coalesce(p.provider, '-') AS provider, p.seats, p.value
      FROM flights f LEFT JOIN (
        SELECT flight_key, provider, sum(seats) AS seats, sum(price * seats) AS value
        FROM holds WHERE status = 'confirmed' GROUP BY flight_key, provider) p USING (flight_key)"),
    ("t_left_residual", "flight_key, leg_no, cabin, provider",
     "SELECT l.flight_key, l.leg_no, coalesce(i.cabin, '') AS cabin, coalesce(i.provider, '') AS provider, i.available
      FROM legs l LEFT JOIN inventory i ON i.flight_key = l.flight_key AND i.leg_no = l.leg_no
        AND i.class = '' AND i.available > i.sold"),
    ("t_full", "flight_key",
     "SELECT coalesce(a.flight_key, b.flight_key, '') AS flight_key, a.n AS held, b.n AS sold
      FROM (SELECT flight_key, count(*) AS n FROM holds WHERE status = 'held' GROUP BY flight_key) a
      FULL JOIN (SELECT flight_key, count(*) AS n FROM holds WHERE status = 'confirmed' GROUP BY flight_key) b
      ON a.flight_key = b.flight_key"),
    ("t_right", "flight_key, off",
     "SELECT f.flight_key, coalesce(l.off, '') AS off, l.departs_at
      FROM legs l RIGHT JOIN flights f ON f.flight_key = l.flight_key AND l.leg_no = 1"),
    ("t_exists", "flight_key",
     "SELECT flight_key, owner FROM flights f
      WHERE EXISTS (SELECT 1 FROM holds h WHERE h.flight_key = f.flight_key AND h.seats > 1)
        AND NOT EXISTS (SELECT FROM holds h WHERE h.flight_key = f.flight_key AND h.status = 'displaced')"),
    ("t_exists_residual", "flight_key, leg_no",
     "SELECT flight_key, leg_no FROM legs a
      WHERE EXISTS (SELECT 1 FROM legs b WHERE b.board = a.off AND b.departs_at > a.arrives_at)"),
    ("t_in", "flight_key",
     "SELECT flight_key, carrier FROM flights
      WHERE flight_key IN (SELECT flight_key FROM inventory WHERE oversold > 0 GROUP BY flight_key)
         AND owner NOT IN (SELECT provider FROM inventory WHERE status = 'closed')"),
    ("t_not_in_list", "flight_key, leg_no",
     "SELECT flight_key, leg_no, board NOT IN ('EWR', 'JFK') AS elsewhere FROM legs WHERE off IN ('SFO', 'LAX', 'ORD', 'JFK')"),
    ("t_global", "one",
     "SELECT 1 AS one, count(*) AS n, count(DISTINCT flight_key) AS flights, sum(seats) AS seats,
             avg(seats) AS mean, min(price) AS least, max(price) AS greatest, avg(price) AS mean_price,
             bool_or(status = 'expired') AS some_expired, bool_and(seats > 0) AS all_positive FROM holds"),
    ("t_global_text", "one",
     "SELECT 1 AS one, position('E' IN min(flight_key)) AS found, substring('abcdef' FROM count(*)::integer) AS rest,
             substring('abcdef' FROM 1 FOR count(*)::integer) AS some, trim(max(cabin) FROM 'YAY') AS bare FROM holds"),
    ("t_group", "board, off, cabin",
     "SELECT board, off, cabin, count(*) AS n, count(*) FILTER (WHERE seats = 0) AS closed,
             avg(price) AS mean, sum(DISTINCT price) AS prices, count(DISTINCT provider) AS providers,
             min(flight_key) AS first, max(departs_at) AS latest, sum(seats) AS seats
      FROM offers GROUP BY 1, 2, 3 HAVING count(*) > 1"),
    ("t_distinct", "board, off", "SELECT DISTINCT board, off FROM legs"),
    ("t_union", "code",
     "SELECT board AS code FROM legs UNION SELECT off FROM legs UNION SELECT provider FROM inventory"),
    ("t_union_all", "code, kind",
     "SELECT code, kind, count(*) AS n FROM (SELECT board AS code, 'b' AS kind FROM legs UNION ALL SELECT off, 'o' FROM legs) u GROUP BY code, kind"),
    ("t_except", "flight_key", "SELECT flight_key FROM flights EXCEPT SELECT flight_key FROM holds"),
    ("t_except_all", "status",
     "SELECT status, count(*) AS n FROM (SELECT status FROM holds EXCEPT ALL SELECT status FROM holds WHERE seats = 1) e GROUP BY status"),
    ("t_top", "flight_key", "SELECT flight_key, sum(sold) AS sold FROM inventory GROUP BY flight_key ORDER BY sum(sold) DESC, flight_key LIMIT 3 OFFSET 1"),
    ("t_rank", "flight_key, n",
     "SELECT * FROM (SELECT flight_key, provider, price, row_number() OVER (PARTITION BY flight_key ORDER BY price DESC NULLS LAST, partition, \"offset\") AS n
      FROM holds) r WHERE n <= 2"),
    ("t_case", "partition, offset",
     "SELECT partition, \"offset\", CASE WHEN price IS NULL THEN 'none' WHEN price < 100 THEN 'low' ELSE 'high' END AS level,
             CASE status WHEN 'held' THEN 1 WHEN 'confirmed' THEN 2 END AS code,
             nullif(seats, 1) AS many, greatest(seats, 2) AS at_least, least(price, 100) AS capped,
             price IS DISTINCT FROM 100 AS other, price * seats / 3 AS third, round(price / 7, 2) AS seventh, price % 7 AS rest FROM holds"),
    ("t_text", "flight_key",
     "SELECT flight_key, carrier || number || suffix AS designator, lower(board) AS low, length(flight_key) AS len,
             split_part(flight_key, '.', 2) AS day, substr(flight_key, 3, 4) AS part, left(flight_key, -4) AS most, right(flight_key, 3) AS last,
             replace(flight_key, '.', '/') AS slashes, strpos(flight_key, '.') AS dot, lpad(number::text, 5, '0') AS padded,
             flight_key LIKE '%E_R%' AS liked, concat(owner, ':', operating) AS both, trim(suffix) = '' AS plain, number::numeric / 7 AS seventh FROM flights"),
    ("t_time", "flight_key, leg_no",
     "SELECT flight_key, leg_no, departs_local::date AS day, arrives_at - departs_at AS flying, departs_at + INTERVAL '1 month' AS later,
             date_trunc('week', departs_local) AS week, date_trunc('hour', departs_at) AS hour, extract(dow FROM departs_local) AS dow, extract(epoch FROM departs_at) AS epoch,
             extract(doy FROM departs_local::date) AS doy, extract(week FROM departs_local) AS isoweek, departs_local::date + 3 AS then, departs_local::date - DATE '2027-01-01' AS days,
             extract(epoch FROM arrives_at - departs_at) / 60 AS minutes, departs_at::text AS shown FROM legs"),
    ("t_numbers", "flight_key",
     "SELECT flight_key, number / 7 AS div, number % 7 AS rest, -number AS neg, abs(3 - number) AS abs, number * 1.5 AS half, number / 7.0 AS exact,
             round(number / 7.0, 3) AS rounded, ceil(number / 7.0) AS up, floor(-number / 7.0) AS down, trunc(number / 7.0, 1) AS cut, sign(number - 10.0) AS sign,
             CAST(number / 7.0 AS integer) AS whole, (number / 7.0)::numeric(10,4) AS fit FROM flights"),
    ("t_scalar", "flight_key",
     "SELECT f.flight_key, m.n AS of, f.number * 100.0 / m.n AS share FROM flights f CROSS JOIN (SELECT count(*) + 1 AS n FROM flights) m"),
    ("t_cte", "provider",
     "WITH s AS (SELECT provider, status, sum(seats) AS n FROM holds GROUP BY provider, status), t AS (SELECT provider, sum(n) AS n FROM s GROUP BY provider)
      SELECT t.provider, t.n AS total, s.n AS sold FROM t LEFT JOIN s ON s.provider = t.provider AND s.status = 'confirmed'"),
    ("t_self", "a, b", "SELECT x.flight_key AS a, y.flight_key AS b, y.departs_at - x.arrives_at AS gap FROM legs x, legs y
      WHERE x.off = y.board AND y.departs_at > x.arrives_at AND y.departs_at < x.arrives_at + INTERVAL '6 hours' AND x.leg_no = 1 AND y.leg_no = 1"),
    ("t_clock", "partition, offset", "SELECT partition, \"offset\", flight_key, deadline FROM holds WHERE deadline > now() AND created_at <= now() - INTERVAL '30 seconds' AND status = 'held'"),
    ("t_clock_days", "flight_key", "SELECT flight_key, origin_date FROM flights WHERE origin_date >= now()::date AND origin_date < now()::date + 4"),
    ("t_clock_group", "provider", "SELECT provider, count(*) AS n FROM holds WHERE created_at > now() - INTERVAL '10 minutes' GROUP BY provider"),
    ("t_orders", "state", "SELECT state, count(*) AS n, sum(total) AS total, count(*) FILTER (WHERE ticket IS NOT NULL) AS ticketed FROM orders GROUP BY state"),
    ("t_segments", "order_id, segment", "SELECT s.order_id, s.segment, s.flight_key, o.state, o.total - s.price AS rest, p.state AS paid
      FROM order_segments s JOIN orders o USING (order_id) LEFT JOIN payments p ON p.order_id = o.order_id"),
    ("t_reports", "provider, counts", "SELECT provider, counts, count(*) AS n, sum(drift) AS drift, max(version_at) AS latest FROM provider_reports GROUP BY provider, counts"),
    ("t_cabins", "cabin", "SELECT cabin, sum(capacity) AS capacity, sum(sold) AS sold, sum(sold) * 100 / nullif(sum(capacity), 0) AS percent FROM cabins GROUP BY cabin"),
    ("t_fares", "flight_key, provider, board, off, cabin, class", "SELECT * FROM fares"),
    ("t_fares_open", "provider, cabin, currency",
     "SELECT f.provider, f.cabin, f.currency, count(*) AS filed, count(*) FILTER (WHERE f.board <> '') AS of_segments, min(f.price) AS least, max(f.version_at) AS latest,
             count(o.flight_key) AS open
      FROM fares f LEFT JOIN offers o ON o.flight_key = f.flight_key AND o.provider = f.provider AND o.cabin = f.cabin AND o.class = f.class AND o.price = f.price AND o.seats > 0
      GROUP BY f.provider, f.cabin, f.currency"),
    ("t_airports", "flight_key, leg_no",
     "SELECT l.flight_key, l.leg_no, a.name, a.area, b.city, b.country, round(a.latitude - b.latitude, 2) AS north, a.longitude AS east, a.time_zone = b.time_zone AS one_zone, coalesce(b.icao, '?') AS icao
      FROM legs l LEFT JOIN airports a ON a.iata = l.board LEFT JOIN airports b ON b.iata = l.off"),
    ("t_airlines", "carrier",
     "SELECT f.carrier, n.name, count(*) AS flights FROM flights f LEFT JOIN airlines n ON n.iata = f.carrier GROUP BY f.carrier, n.name"),
    ("t_areas", "area", "SELECT area, count(*) AS airports, min(name) AS first FROM airports WHERE area IS NOT NULL GROUP BY area"),
    ("t_of_view", "low", "SELECT low, count(*) AS n FROM t_text GROUP BY low"),
];

/// The same with rows that leave: by what column, and after how long.
const RETAINED: &[(&str, &str, &str, &str, &str)] = &[
    (
        "t_retain",
        "partition, offset",
        "SELECT partition, \"offset\", status, created_at FROM holds",
        "created_at",
        "3 minutes",
    ),
    (
        "t_retain_day",
        "flight_key",
        "SELECT flight_key, origin_date, status FROM flights",
        "origin_date",
        "1 day 12:00:00",
    ),
    (
        "t_retain_local",
        "flight_key, leg_no",
        "SELECT l.flight_key, l.leg_no, l.departs_local, f.status FROM legs l JOIN flights f USING (flight_key)",
        "departs_local",
        "2 hours",
    ),
    (
        "t_retain_group",
        "provider, minute",
        "SELECT provider, date_trunc('minute', created_at) AS minute, count(*) AS n FROM holds GROUP BY provider, date_trunc('minute', created_at)",
        "minute",
        "5 minutes",
    ),
];

/// Reads one of them: what has left there has left here.
const OF_RETAINED: (&str, &str, &str) = (
    "t_of_retained",
    "status",
    "SELECT status, count(*) AS n, min(created_at) AS oldest FROM t_retain GROUP BY status",
);

/// What was decided lately: name, key, how far back, and query.
const OF_DECISIONS: &[(&str, &str, &str, &str)] = &[
    (
        "t_decisions",
        "partition, offset",
        "12 minutes",
        "SELECT * FROM decisions",
    ),
    (
        "t_refused",
        "kind, reason",
        "1 hour",
        "SELECT d.kind, coalesce(d.reason, '') AS reason, count(*) AS n, count(DISTINCT d.flight_key) AS flights, max(d.at) AS latest
      FROM decisions d WHERE d.outcome = 'refused' AND d.replay IS NULL GROUP BY d.kind, coalesce(d.reason, '')",
    ),
    (
        "t_who_held",
        "partition, offset",
        "2 days",
        "SELECT d.partition, d.\"offset\", d.command_id, d.actor, d.detail, h.seats, h.status
      FROM decisions d JOIN holds h ON h.partition = d.partition AND h.\"offset\" = d.\"offset\" WHERE d.kind = 'hold' AND d.at > now() - INTERVAL '1 day'",
    ),
    (
        "t_order_steps",
        "order_id, kind",
        "2 days",
        "SELECT d.order_id, d.kind, count(*) AS n, count(d.first_offset) AS replays, count(d.detail) AS details
      FROM decisions d WHERE d.order_id IS NOT NULL GROUP BY d.order_id, d.kind",
    ),
];

/// Reads one of them.
const OF_RECENT: (&str, &str, &str) = (
    "t_of_decisions",
    "outcome",
    "SELECT outcome, count(*) AS n, count(ref_text) AS named FROM t_decisions GROUP BY outcome",
);

fn looking_back((name, key, back, sql): (&str, &str, &str, &str)) -> Text {
    let mut text = text(name, key, sql);
    text.text += &format!("decisions: {back}\n");
    text
}

fn retained((name, key, sql, column, long): (&str, &str, &str, &str, &str)) -> Text {
    let mut text = text(name, key, sql);
    text.text += &format!("retain: {{column: {column}, for: {long}}}\n");
    text
}

fn text(name: &str, key: &str, sql: &str) -> Text {
    let lines: Vec<String> = sql.lines().map(|line| format!("  {line}")).collect();
    Text {
        file: format!("{name}.yaml"),
        text: format!(
            "name: {name}\ndescription: A test.\nsql: |\n{}\nsink: {{postgres: {{key: [{key}]}}}}\n",
            lines.join("\n")
        ),
    }
}

fn shipped() -> Vec<Text> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dataflows/views");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| Text {
        file: path.file_name().unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}

fn views(texts: Vec<Text>) -> Vec<Arc<View>> {
    compile(texts).unwrap_or_else(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"));
    })
}

fn test_texts() -> Vec<Text> {
    let mut texts: Vec<Text> = TEST_VIEWS
        .iter()
        .map(|(name, key, sql)| text(name, key, sql))
        .collect();
    let built_in = AS_BUILT_IN
        .iter()
        .map(|(name, key, sql)| text(name, key, sql));
    texts.extend(built_in);
    texts.extend(RETAINED.iter().copied().map(retained));
    texts.extend(OF_DECISIONS.iter().copied().map(looking_back));
    for (name, key, sql) in [OF_RETAINED, OF_RECENT] {
        texts.push(text(name, key, sql));
    }
    texts.extend(shipped());
    texts
}

/// The query of a file.
fn sql_of(text: &Text) -> String {
    let (_, rest) = text.text.split_once("sql: |\n").unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with(' '));
    lines.collect::<Vec<_>>().join("\n")
}

/// Makes PostgreSQL answer queries of views: the sources by their names, and a clock that is the stream's.
async fn prepare(db: &Client) {
    let mut sql = "DROP SCHEMA IF EXISTS src CASCADE; CREATE SCHEMA src;
        CREATE TABLE src.clock (at timestamptz);
        INSERT INTO src.clock VALUES ('epoch');
        CREATE FUNCTION src.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM src.clock';"
        .to_owned();
    for source in &sources::ALL {
        let Some(table) = source.table else {
            let columns: Vec<String> = source
                .columns
                .iter()
                .map(|c| {
                    format!(
                        "\"{}\" {} {}",
                        c.name,
                        c.ty,
                        if c.nullable { "" } else { "NOT NULL" }
                    )
                })
                .collect();
            sql += &format!("CREATE TABLE src.{} ({});", source.name, columns.join(", "));
            continue;
        };
        let columns: Vec<String> = source
            .columns
            .iter()
            .map(|c| format!("\"{}\"", c.name))
            .collect();
        sql += &format!(
            "CREATE VIEW src.{} AS SELECT {} FROM {};",
            source.name,
            columns.join(", "),
            table
        );
    }
    sql += "SET search_path = src, pg_catalog; SET TimeZone = 'UTC'; SET jit = off;";
    sql += "INSERT INTO src.airports VALUES";
    for (n, (iata, icao, name, city, area, country, latitude, longitude, zone)) in
        AIRPORTS.iter().enumerate()
    {
        let area = area.map_or("NULL".to_owned(), |area| format!("'{area}'"));
        let comma = if n == 0 { "" } else { "," };
        sql += &format!(
            "{comma} ('{iata}', '{icao}', '{name}', '{city}', {area}, '{country}', {latitude}, {longitude}, '{zone}')"
        );
    }
    sql += "; INSERT INTO src.airlines VALUES ('UA', 'United'), ('9E', 'Endeavor Äir');";
    db.batch_execute(&sql).await.unwrap();
}

/// Code, ICAO code, name, city, area, country, place and time zone. One that flights go to is missing.
type Airport = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const AIRPORTS: &[Airport] = &[
    (
        "EWR",
        "KEWR",
        "Newark Liberty",
        "Newark",
        Some("NYC"),
        "US",
        "40.6925",
        "-74.16866",
        "America/New_York",
    ),
    (
        "JFK",
        "KJFK",
        "John F Kennedy",
        "New York",
        Some("NYC"),
        "US",
        "40.63993",
        "-73.77869",
        "America/New_York",
    ),
    (
        "IAH",
        "",
        "Houston Intercontinental",
        "Houston",
        None,
        "US",
        "29.9844",
        "-95.34144",
        "America/Chicago",
    ),
    (
        "BQN",
        "TJBQ",
        "Aguadilla Ñ",
        "Aguadilla",
        None,
        "PR",
        "18.5",
        "0.000001",
        "America/Puerto_Rico",
    ),
];

fn names() -> Reference {
    let number = |text: &str| {
        let (whole, part) = text.split_once('.').unwrap();
        Decimal::new(format!("{whole}{part}").parse().unwrap(), part.len() as u32).unwrap()
    };
    let airports = AIRPORTS.iter().map(
        |(iata, icao, name, city, area, country, latitude, longitude, time_zone)| AirportName {
            iata: iata.parse().unwrap(),
            icao,
            name,
            city,
            area: area.map(|area| area.parse().unwrap()),
            country,
            latitude: number(latitude),
            longitude: number(longitude),
            time_zone,
        },
    );
    let airlines = [("UA", "United"), ("9E", "Endeavor Äir")].map(|(iata, name)| AirlineName {
        iata: iata.parse().unwrap(),
        name,
    });
    Reference::new(airports, airlines)
}

/// Fills the sources that no table has, from a plain fold of the stream.
async fn fill(db: &Client, folded: &[Record]) {
    let mut ledgers: Vec<Ledger> = (0..PARTITIONS).map(|_| Ledger::new()).collect();
    for record in folded {
        ledgers[record.partition as usize].apply(&record.input, &mut Silent);
    }
    let mut sql = "TRUNCATE src.fares;".to_owned();
    for (_, flight) in ledgers.iter().flat_map(Ledger::flights) {
        for fare in flight.fares() {
            let (board, off) = fare.segment.unzip();
            let station =
                |station: Option<Station>| station.map_or(String::new(), |s| s.to_string());
            sql += &format!(
                "INSERT INTO src.fares VALUES ('{}', '{}', '{}', '{}', '{}', '{}', {}, '{}', 'epoch'::timestamptz + {} * interval '1 ms');",
                flight.key(),
                fare.provider,
                station(board),
                station(off),
                fare.cabin,
                fare.class.map_or(String::new(), |class| class.to_string()),
                fare.price,
                fare.price.currency,
                fare.version.time_ms
            );
        }
    }
    db.batch_execute(&sql).await.unwrap();
}

/// Compares the table of every view with the answer to its query.
async fn judge(db: &Client, views: &[Arc<View>], texts: &[Text], clock_ms: i64, at: &str) {
    let clock =
        format!("UPDATE src.clock SET at = 'epoch'::timestamptz + {clock_ms} * interval '1 ms'");
    db.batch_execute(&clock).await.unwrap();
    for (view, text) in views.iter().zip(texts) {
        let columns: Vec<String> = view
            .columns
            .iter()
            .map(|c| format!("\"{}\"", c.name))
            .collect();
        let columns = columns.join(", ");
        let sql = sql_of(text)
            .replace("current_date", "now()::date")
            .replace("FROM t_text", "FROM views.t_text")
            .replace("FROM t_retain", "FROM views.t_retain")
            .replace("FROM t_decisions", "FROM views.t_decisions");
        let back = text
            .text
            .lines()
            .find_map(|l| l.strip_prefix("decisions: "));
        let sql = match back {
            None => sql,
            Some(back) => {
                let recent = format!("decisions_{}", back.replace(' ', "_"));
                let made = format!(
                    "CREATE OR REPLACE VIEW src.{recent} AS SELECT * FROM src.decisions WHERE at + INTERVAL '{back}' > src.now()"
                );
                db.batch_execute(&made).await.unwrap();
                sql.replace("FROM decisions", &format!("FROM {recent}"))
            }
        };
        let kept = text.text.split_once("retain: {column: ").map(|(_, rest)| {
            let (column, long) = rest
                .trim_end()
                .trim_end_matches('}')
                .split_once(", for: ")
                .unwrap();
            format!("WHERE {column} + INTERVAL '{long}' > now()")
        });
        let table = format!(
            "SELECT {columns} FROM \"{}\".\"{}\"",
            view.schema, view.table
        );
        let built_in = view.name.strip_prefix(BUILT_IN);
        let built_in = built_in.map(|name| format!("SELECT {columns} FROM views.{name}"));
        let query = format!(
            "SELECT {columns} FROM ({sql}) AS q {}",
            kept.unwrap_or_default()
        );
        let mut differences = vec![(&query, &table, "missing"), (&table, &query, "too much")];
        if let Some(built_in) = &built_in {
            differences.push((built_in, &table, "the built-in table has besides"));
            differences.push((&table, built_in, "the built-in table has not"));
        }
        for (more, less, what) in differences {
            let differ = format!("SELECT d::text FROM (({more}) EXCEPT ALL ({less})) AS d LIMIT 3");
            let rows = db.query(&differ, &[]).await.unwrap_or_else(|e| {
                panic!("{}: {e:?}\n{differ}", view.name);
            });
            let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert!(
                rows.is_empty(),
                "{at}: {}: {what}: {}",
                view.name,
                rows.join(" ")
            );
        }
    }
    let failed = "SELECT view, message FROM flightline.view_state WHERE state <> 'live'";
    let rows = db.query(failed, &[]).await.unwrap();
    let failed: Vec<(String, Option<String>)> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(failed.is_empty(), "{at}: not live: {failed:?}");
}

/// A stream of flights, or of flights and orders.
fn stream(seed: u64, records: usize) -> Vec<Record> {
    if seed.is_multiple_of(2) {
        history::random(seed, PARTITIONS, records)
    } else {
        order_history::random(seed, PARTITIONS, records)
    }
}

struct Run {
    dataflow: Dataflow,
    views: ViewsHandle,
    handle: PostgresHandle,
}

async fn start(
    server: &Server,
    views: &[Arc<View>],
    workers: usize,
    stream: &[Record],
) -> (Run, Vec<u64>) {
    start_over(server, PARTITIONS, views, workers, stream).await
}

async fn start_over(
    server: &Server,
    partitions: u32,
    views: &[Arc<View>],
    workers: usize,
    stream: &[Record],
) -> (Run, Vec<u64>) {
    let mut config = server.config(partitions, "spool");
    config.views = views.to_vec();
    config.commit_interval_min = Duration::ZERO;
    let sink = PostgresSink::open(config).await.unwrap();
    let (handle, progress) = (sink.handle(), sink.progress().to_vec());
    let mut config = ViewsConfig::new(partitions);
    config.workers = 1 + workers % 2;
    config.views = views.to_vec();
    config.reference = names();
    config.history = Some(Arc::new(Past::of(stream)));
    let sink = Views::start(config, sink).unwrap();
    let views = sink.handle();
    let config = Config::new(partitions).with_workers(workers);
    let dataflow = Dataflow::start(config, Arc::new(Words::default()), sink).unwrap();
    let run = Run {
        dataflow,
        views,
        handle,
    };
    (run, progress)
}

impl Run {
    async fn covered(&self) {
        let vector = self.dataflow.next_offsets().to_vec();
        let covered = self.handle.wait_covered(&vector, LONG).await;
        assert!(covered, "not written: {:?}", self.handle.status());
        // Views come and go in epochs that cover nothing new.
        let written = self.handle.wait_taken(LONG).await;
        assert!(written, "not written: {:?}", self.handle.status());
    }

    async fn stop(self) {
        self.dataflow.shutdown().unwrap();
        let stopped = self.handle.stop(LONG).await;
        assert!(stopped.is_ok(), "{stopped:?}: {:?}", self.handle.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_equal_postgresql_at_every_point_looked_at() {
    let server = Server::start();
    let texts = test_texts();
    let views = views(texts.clone());
    for seed in 0..4 {
        let db = server.client().await;
        db.batch_execute("DROP SCHEMA IF EXISTS flightline, views, src CASCADE")
            .await
            .unwrap();
        let history = stream(seed, 700);
        let (mut run, _) = start(&server, &views, 1 + seed as usize % 3, &history).await;
        prepare(&db).await;
        let mut dice = Dice(seed);
        let mut rest = &history[..];
        let mut clock_ms = 0;
        let mut points = 0;
        while !rest.is_empty() {
            let take = (1 + dice.below(25) as usize).min(rest.len());
            let (now, later) = rest.split_at(take);
            rest = later;
            // The ledger's clock never goes back; nor does this one.
            clock_ms = now
                .iter()
                .map(|record| record.input.at_ms)
                .fold(clock_ms, i64::max);
            run.dataflow.send(now.to_vec()).unwrap();
            run.dataflow.close_epoch().unwrap();
            if dice.one_in(3) || rest.is_empty() {
                run.covered().await;
                fill(&db, &history[..history.len() - rest.len()]).await;
                judge(
                    &db,
                    &views,
                    &texts,
                    clock_ms,
                    &format!("seed {seed}, {} left", rest.len()),
                )
                .await;
                points += 1;
            }
        }
        assert!(points > 6, "seed {seed}: only {points} points");
        run.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_follow_restarts_and_changes_of_files() {
    let server = Server::start();
    let db = server.client().await;
    let history = stream(7, 600);
    let (first, second) = history.split_at(history.len() / 2);
    let clock = |of: &[Record]| of.iter().map(|r| r.input.at_ms).max().unwrap();
    let all = test_texts();

    // Some views at first.
    let few: Vec<Text> = all.iter().take(6).cloned().collect();
    let few_views = views(few.clone());
    let (mut run, _) = start(&server, &few_views, 1, &history).await;
    run.dataflow.send(first.to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.covered().await;
    prepare(&db).await;
    judge(&db, &few_views, &few, clock(first), "before").await;
    run.stop().await;

    // All of them after a restart, one with another meaning: those that are new are filled from the history.
    let mut changed = all.clone();
    changed[0] = text(
        "t_inner",
        "flight_key, leg_no, provider, cabin, class",
        "SELECT flight_key, leg_no, provider, cabin, class, sold FROM inventory",
    );
    let changed_views = views(changed.clone());
    let (mut run, progress) = start(&server, &changed_views, 2, &history).await;
    run.dataflow.snapshot_epoch(&progress);
    run.dataflow.send(first.to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.dataflow.send(second[..50].to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.covered().await;
    let so_far = clock(&history[..first.len() + 50]);
    fill(&db, &history[..first.len() + 50]).await;
    judge(&db, &changed_views, &changed, so_far, "after a restart").await;
    run.dataflow.send(second[50..].to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.covered().await;
    fill(&db, &history).await;
    judge(&db, &changed_views, &changed, clock(&history), "at the end").await;
    run.stop().await;

    // A view whose file is gone takes its table with it.
    let last_views = views(all[1..2].to_vec());
    let (run, _) = start(&server, &last_views, 1, &history).await;
    let tables =
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'views' AND tablename LIKE 't\\_%'";
    assert_eq!(db.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 1);
    drop(run);
}

/// The real January with simulated bookings on it: the shipped views at random points of the stream. How many is
/// `FLIGHTLINE_JANUARY_POINTS`; a hundred take a quarter of an hour and more.
#[tokio::test(flavor = "multi_thread")]
async fn shipped_views_equal_postgresql_over_the_real_january() {
    let points: u64 = std::env::var("FLIGHTLINE_JANUARY_POINTS")
        .ok()
        .and_then(|points| points.parse().ok())
        .unwrap_or(3);
    let server = Server::start();
    let db = server.client().await;
    let texts = shipped();
    let views = views(texts.clone());
    // The schedule comes in December, bookings as the year turns: flights depart meanwhile.
    let schedule = 54_000;
    let history = january::history(|place| {
        let booked = place.saturating_sub(schedule) as i64;
        january::NOW_MS + place as i64 * 20 + booked * 110_000
    });
    let mut dice = Dice(points);
    let mut cuts: Vec<usize> = (1..points)
        .map(|_| 1 + dice.below(history.len() as u64 - 1) as usize)
        .collect();
    cuts.push(history.len());
    cuts.sort_unstable();
    let partitions = january::PARTITIONS;
    let (mut run, _) = start_over(&server, partitions, &views, 1, &history).await;
    prepare(&db).await;
    let (mut from, mut clock_ms) = (0, 0);
    for (point, until) in cuts.into_iter().enumerate() {
        // Epochs as they come: small ones and large ones.
        while from < until {
            let take = (1 + dice.below(3_000) as usize).min(until - from);
            let now = &history[from..from + take];
            from += take;
            clock_ms = now
                .iter()
                .map(|record| record.input.at_ms)
                .fold(clock_ms, i64::max);
            run.dataflow.send(now.to_vec()).unwrap();
            run.dataflow.close_epoch().unwrap();
        }
        run.covered().await;
        let at = format!("point {point}, {until} records");
        judge(&db, &views, &texts, clock_ms, &at).await;
    }
    // None of them had nothing to say: else this would say nothing.
    for status in run.views.list() {
        let may_be_empty = ["inventory_drift_by_provider", "orders_at_risk"];
        let name = &status.view.name[..];
        assert!(
            status.updates > 0 || may_be_empty.contains(&name),
            "{name} was always empty"
        );
    }
    run.stop().await;
}

/// Brings views in while the stream goes on; the names are those that they take the place of.
fn bring(
    views: &ViewsHandle,
    adds: Vec<Arc<View>>,
    ended: Vec<String>,
) -> std::thread::JoinHandle<Result<(), Refusal>> {
    let views = views.clone();
    std::thread::spawn(move || {
        let coming = views.prepare(adds)?;
        coming.wait()?;
        coming.commit(&ended)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_change_and_go_while_the_stream_goes_on() {
    let server = Server::start();
    let texts = test_texts();
    let all = views(texts.clone());
    // As `t_text`, which another view reads, but with other rows, and a table of another form.
    let mut changed_texts = texts.clone();
    for (name, from, to) in [
        ("t_text", "lower(board)", "upper(board)"),
        ("t_group", "HAVING count(*) > 1", "HAVING count(*) > 0"),
        ("t_cabins", "sum(sold) AS sold", "sum(sold) AS gone"),
    ] {
        let text = changed_texts
            .iter_mut()
            .find(|text| text.file == format!("{name}.yaml"));
        let text = text.unwrap();
        assert!(text.text.contains(from));
        text.text = text.text.replace(from, to);
    }
    let changed = views(changed_texts.clone());
    for seed in 10..12 {
        let db = server.client().await;
        db.batch_execute("DROP SCHEMA IF EXISTS flightline, views, src CASCADE")
            .await
            .unwrap();
        let history = stream(seed, 900);
        let workers = 1 + seed as usize % 3;
        let mut live: Vec<(Arc<View>, Text)> = (0..4)
            .map(|at| (all[at].clone(), texts[at].clone()))
            .collect();
        let mut to_come: Vec<usize> = (4..all.len()).collect();
        let first: Vec<_> = live.iter().map(|(view, _)| view.clone()).collect();
        let (mut run, _) = start(&server, &first, workers, &history).await;
        prepare(&db).await;
        let mut dice = Dice(seed);
        let (mut sent, mut clock_ms, mut points) = (0, 0, 0);
        let mut beside = 0;
        let mut coming: Option<(Vec<Added>, _)> = None;
        while sent < history.len() || coming.is_some() {
            let take = (1 + dice.below(12) as usize).min(history.len() - sent);
            let now = &history[sent..sent + take];
            sent += take;
            clock_ms = now
                .iter()
                .map(|record| record.input.at_ms)
                .fold(clock_ms, i64::max);
            run.dataflow.send(now.to_vec()).unwrap();
            run.dataflow.close_epoch().unwrap();
            if coming.is_none() {
                // Several at once, and the more the nearer the end is.
                let few = 1 + dice.below(6) as usize;
                let next: Vec<usize> = to_come.drain(..few.min(to_come.len())).collect();
                let named = |name: &str| live.iter().any(|(view, _)| view.name == name);
                let (adds, ended): (Vec<_>, Vec<String>) = if !next.is_empty() {
                    let adds = next.iter().map(|at| (all[*at].clone(), texts[*at].clone()));
                    (adds.collect(), Vec::new())
                } else if let Some(at) = (0..all.len()).find(|at| {
                    let is_changed = all[*at].fingerprint != changed[*at].fingerprint;
                    is_changed && live.iter().any(|(view, _)| *view == all[*at])
                }) {
                    // A view goes with those that read it: here `t_of_view` with `t_text`.
                    let together = (at..all.len())
                        .filter(|at| all[*at].fingerprint != changed[*at].fingerprint)
                        .filter(|at| named(&all[*at].name));
                    let adds: Vec<_> = together
                        .map(|at| (changed[at].clone(), changed_texts[at].clone()))
                        .collect();
                    let ended = adds.iter().map(|(view, _)| view.name.clone()).collect();
                    (adds, ended)
                } else {
                    continue;
                };
                let views = adds.iter().map(|(view, _)| view.clone()).collect();
                live.retain(|(view, _)| !ended.contains(&view.name));
                coming = Some((adds, bring(&run.views, views, ended)));
                beside = 0;
            } else if beside < 4 && sent < history.len() {
                beside += 1;
            } else {
                let (adds, thread) = coming.take().unwrap();
                thread.join().unwrap().unwrap();
                live.extend(adds);
                run.covered().await;
                let (views, texts): (Vec<_>, Vec<_>) = live.iter().cloned().unzip();
                let at = format!("seed {seed}, {sent} sent, {} views", views.len());
                fill(&db, &history[..sent]).await;
                judge(&db, &views, &texts, clock_ms, &at).await;
                points += 1;
                if dice.one_in(3) && live.len() > 3 {
                    let (view, _) = live.remove(dice.below(live.len() as u64) as usize);
                    run.views.remove(std::slice::from_ref(&view.name)).unwrap();
                    run.covered().await;
                    let there = "SELECT to_regclass($1) IS NOT NULL";
                    let table = format!("\"{}\".\"{}\"", view.schema, view.table);
                    let row = db.query_one(there, &[&table]).await.unwrap();
                    assert!(!row.get::<_, bool>(0), "{table} is still there");
                }
                if dice.one_in(4) {
                    // Another run of the replica: what is live has its table already.
                    run.stop().await;
                    let (views, _): (Vec<_>, Vec<_>) = live.iter().cloned().unzip();
                    let progress;
                    (run, progress) = start(&server, &views, 3 - workers.min(2), &history).await;
                    run.dataflow.snapshot_epoch(&progress);
                    run.dataflow.send(history[..sent].to_vec()).unwrap();
                    run.dataflow.close_epoch().unwrap();
                }
            }
        }
        assert!(points >= 5, "seed {seed}: only {points} points");
        assert!(
            changed.iter().any(|view| live
                .iter()
                .any(|(l, _)| l == view && all.iter().all(|other| other != view))),
            "nothing was replaced"
        );
        run.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_cannot_be_leaves_nothing_behind() {
    let server = Server::start();
    let db = server.client().await;
    let history = stream(4, 500);
    let good = text(
        "sales",
        "provider",
        "SELECT provider, count(*) AS n FROM holds GROUP BY provider",
    );
    let doubles = text(
        "sales",
        "provider",
        "SELECT provider, flight_key FROM holds",
    );
    let divides = text(
        "ratio",
        "partition, offset",
        "SELECT partition, \"offset\", 10 / (seats - 2) AS x FROM holds",
    );
    let first = views(vec![good.clone()]);
    let (mut run, _) = start(&server, &first, 2, &history).await;
    run.dataflow.send(history[..400].to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.covered().await;
    for (bad, ended) in [(&doubles, vec!["sales".to_owned()]), (&divides, Vec::new())] {
        let view = views(vec![bad.clone()]);
        let refused = bring(&run.views, view, ended).join().unwrap().unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains("two rows have the key") || message.contains("division by zero"),
            "{message}"
        );
        assert!(message.contains("the row: ("), "{message}");
    }
    // Given up before it is live.
    let given_up = run.views.prepare(views(vec![divides])).unwrap();
    drop(given_up);
    run.dataflow.send(history[400..].to_vec()).unwrap();
    run.dataflow.close_epoch().unwrap();
    run.covered().await;
    prepare(&db).await;
    let clock = history.iter().map(|r| r.input.at_ms).max().unwrap();
    judge(&db, &first, &[good], clock, "after refusals").await;
    let known = "SELECT (SELECT count(*) FROM flightline.view_state) = 1 AND to_regclass('views.ratio') IS NULL";
    assert!(db.query_one(known, &[]).await.unwrap().get::<_, bool>(0));
    let list = run.views.list();
    assert_eq!(list.len(), 1, "{list:?}");
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_and_go_while_nothing_happens_and_the_database_is_asked_before() {
    let server = Server::start();
    let mut db = server.client().await;
    let text = text(
        "sales",
        "provider",
        "SELECT provider, count(*) AS n FROM holds GROUP BY provider",
    );
    let view = views(vec![text]);
    let (run, _) = start(&server, &[], 1, &[]).await;
    // Not one record.
    rehearse(&mut db, &view).await.unwrap();
    let before = "SELECT to_regclass('views.sales') IS NULL
        AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE 'flightline\\_%')";
    assert!(db.query_one(before, &[]).await.unwrap().get::<_, bool>(0));
    bring(&run.views, view.clone(), Vec::new())
        .join()
        .unwrap()
        .unwrap();
    run.covered().await;
    let rows = db.query("SELECT * FROM views.sales", &[]).await.unwrap();
    assert!(rows.is_empty());
    run.views.remove(&["sales".to_owned()]).unwrap();
    run.covered().await;
    assert!(db.query_one(before, &[]).await.unwrap().get::<_, bool>(0));
    // Somebody's own table is left alone, whoever asks and whenever.
    db.batch_execute("CREATE TABLE views.sales (mine integer)")
        .await
        .unwrap();
    let error = rehearse(&mut db, &view).await.unwrap_err().to_string();
    assert!(error.contains("the table views.sales exists"), "{error}");
    bring(&run.views, view, Vec::new()).join().unwrap().unwrap();
    run.covered().await;
    let mine = db.query("SELECT mine FROM views.sales", &[]).await.unwrap();
    assert!(mine.is_empty());
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_fails_stops_alone_and_says_with_which_row() {
    let server = Server::start();
    let db = server.client().await;
    let history = stream(4, 500);
    let texts = vec![
        text(
            "doubles",
            "provider",
            "SELECT provider, flight_key FROM holds",
        ),
        text(
            "divides",
            "partition, offset",
            "SELECT partition, \"offset\", 10 / (seats - 2) AS x FROM holds",
        ),
        text(
            "fine",
            "provider",
            "SELECT provider, count(*) AS n FROM holds GROUP BY provider",
        ),
    ];
    let views = views(texts.clone());
    let (mut run, _) = start(&server, &views, 1, &history).await;
    for chunk in history.chunks(40) {
        run.dataflow.send(chunk.to_vec()).unwrap();
        run.dataflow.close_epoch().unwrap();
    }
    run.covered().await;
    let state = "SELECT view, state, message FROM flightline.view_state ORDER BY view";
    let rows = db.query(state, &[]).await.unwrap();
    let states: Vec<(String, String, Option<String>)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert_eq!((&states[0].0[..], &states[0].1[..]), ("divides", "failed"));
    let message = states[0].2.as_deref().unwrap();
    assert!(
        message.starts_with("divides.yaml:4:31: division by zero; the row: ("),
        "{message}"
    );
    assert_eq!((&states[1].0[..], &states[1].1[..]), ("doubles", "failed"));
    let message = states[1].2.as_deref().unwrap();
    assert!(
        message.contains("two rows have the key provider = "),
        "{message}"
    );
    assert_eq!((&states[2].0[..], &states[2].1[..]), ("fine", "live"));
    prepare(&db).await;
    let clock = history.iter().map(|r| r.input.at_ms).max().unwrap();
    let of = "SELECT (SELECT sum(n) FROM views.fine) = (SELECT count(*) FROM flightline.hold)";
    assert!(
        db.query_one(of, &[]).await.unwrap().get::<_, bool>(0),
        "{clock}"
    );
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_ours_is_left_alone() {
    let server = Server::start();
    let db = server.client().await;
    let mine = "CREATE SCHEMA reports; CREATE TABLE reports.mine (x integer); INSERT INTO reports.mine VALUES (7)";
    db.batch_execute(mine).await.unwrap();
    let mut text = text(
        "mine",
        "provider",
        "SELECT provider, count(*) AS n FROM holds GROUP BY provider",
    );
    text.text = text.text.replace("{key:", "{schema: reports, key:");
    let mut config = server.config(PARTITIONS, "spool");
    config.views = views(vec![text]);
    let error = PostgresSink::open(config).await.unwrap_err().to_string();
    assert!(
        error.starts_with("mine.yaml: the table reports.mine exists"),
        "{error}"
    );
    let row = db
        .query_one("SELECT x FROM reports.mine", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 7);
    let known = "SELECT count(*) FROM flightline.view_state";
    assert_eq!(db.query_one(known, &[]).await.unwrap().get::<_, i64>(0), 0);
}
