//! Files with something wrong: each message says where and what to do.
//!
//! Every case is a change to a file that is in order, and the whole message that it leads to.

use flightline_dataflows::sql::{Text, compile, run_examples};

const GOOD: &str = "name: v
description: A test.
sql: |
  SELECT flight_key, count(*) AS n
  FROM holds h
  WHERE seats > 1
  GROUP BY flight_key
sink:
  postgres:
    key: [flight_key]
";

fn text(file: &str, text: &str) -> Text {
    Text {
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

/// The messages about a file, one after the other.
fn told(yaml: &str) -> String {
    match compile(vec![text("v.yaml", yaml)]) {
        Ok(_) => "nothing".to_owned(),
        Err(problems) => {
            let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
            all.join("\n")
        }
    }
}

/// A file with this query.
fn of_query(sql: &str) -> String {
    let lines: Vec<String> = sql.lines().map(|line| format!("  {line}")).collect();
    format!(
        "name: v\ndescription: A test.\nsql: |\n{}\nsink: {{postgres: {{key: [k]}}}}\n",
        lines.join("\n")
    )
}

#[test]
fn the_file_that_the_cases_change_is_in_order() {
    assert_eq!(told(GOOD), "nothing");
}

/// What is replaced in the good file, by what, and the start of the message.
const FILES: &[(&str, &str, &str)] = &[
    (
        "key: [flight_key]",
        "key: []",
        "v.yaml:9:3: the table has no key\n  help: list the columns",
    ),
    (
        "key: [flight_key]",
        "key: [flight_key, flight_key]",
        "v.yaml:10:23: key: \"flight_key\" stands there twice",
    ),
    (
        "key: [flight_key]",
        "key: [flight]",
        "v.yaml:10:11: key: the query has no column \"flight\"\n  help: it has: flight_key, n",
    ),
    (
        "key: [flight_key]",
        "key: [flight_key]\n    schema: flightline",
        "v.yaml:11:13: the schema flightline is not for views",
    ),
    (
        "key: [flight_key]",
        "key: [flight_key]\n    table: offers",
        "v.yaml:11:12: the table views.offers is maintained already",
    ),
    (
        "key: [flight_key]",
        "key: [flight_key]\n    table: Tab",
        "v.yaml:11:12: \"Tab\" is no table\n  help: lower-case letters",
    ),
    (
        "key: [flight_key]",
        "key: [flight_key]\n    indexes: [[m]]",
        "v.yaml:11:16: indexes: the query has no column \"m\"",
    ),
    (
        "name: v",
        "name: 7 up",
        "v.yaml:1:7: \"7 up\" is no name of a view",
    ),
    (
        "name: v",
        "name: offers",
        "v.yaml:1:7: \"offers\" is the name of a source",
    ),
    (
        "description: A test.",
        "description: ''",
        "v.yaml:2:14: the description is empty",
    ),
    (
        "description: A test.",
        "descriptoin: A test.",
        "v.yaml:2:1: unknown field",
    ),
    (
        "    key: [flight_key]\n",
        "    key: [flight_key]\n    keys: [x]\n",
        "v.yaml:11:5: unknown field",
    ),
    ("name: v\n", "", "v.yaml: missing field `name`"),
    (
        "sink:",
        "retain: {column: n, for: 7 days}\nsink:",
        "v.yaml:8:18: retain: \"n\" is bigint\n  help: name a column that is an instant or a day",
    ),
    (
        "sink:",
        "retain: {column: m, for: 7 days}\nsink:",
        "v.yaml:8:18: retain: the query has no column \"m\"\n  help: it has: flight_key, n",
    ),
    (
        "flight_key, count(*) AS n\n  FROM holds h\n  WHERE seats > 1\n  GROUP BY flight_key\n",
        "order_id AS flight_key, paid_at AS n\n  FROM orders h\nretain: {column: n, for: 7 days}\n",
        "v.yaml:6:18: retain: \"n\" may be NULL\n  help: use coalesce",
    ),
    (
        "count(*) AS n\n  FROM holds h\n  WHERE seats > 1\n  GROUP BY flight_key\n",
        "created_at AS n\n  FROM holds h\nretain: {column: n, for: -7 days}\n",
        "v.yaml:6:26: retain: \"-7 days\" is no length of time\n  help: write such as 7 days",
    ),
    (
        "sink:",
        "retain: {column: n}\nsink:",
        "v.yaml: missing field `for`",
    ),
    ("sql: |", "sql: | \n  -- nothing\n#", "v.yaml:"),
    ("n\n  FROM", "n FORM", "v.yaml:4:36: not SQL:"),
    (
        "flight_key, count",
        "flight_kee, count",
        "v.yaml:4:10: there is no column \"flight_kee\"\n  help: did you mean \"flight_key\"?",
    ),
    (
        "FROM holds h",
        "FROM hold h",
        "v.yaml:5:8: there is no relation \"hold\"\n  help: the rows of that table are `holds` here",
    ),
    (
        "FROM holds h",
        "FROM hodls h",
        "v.yaml:5:8: there is no relation \"hodls\"\n  help: did you mean \"holds\"?",
    ),
    (
        "FROM holds h",
        "FROM flightline.hold h",
        "v.yaml:5:8: \"flightline.hold\": sources have no schema",
    ),
    (
        "FROM holds h",
        "FROM decisions h",
        "v.yaml:5:8: \"decisions\" grows for ever, and the file does not say how far back this view looks\n  help: add a line such as `decisions: 7 days`",
    ),
    (
        "FROM holds h\n  WHERE seats > 1\n  GROUP BY flight_key\n",
        "FROM decisions h\n  WHERE flight_key IS NOT NULL\n  GROUP BY flight_key\ndecisions: a while\n",
        "v.yaml:8:12: decisions: \"a while\" is no length of time up to 3650 days\n  help: write such as 7 days",
    ),
    (
        "FROM holds h\n  WHERE seats > 1\n  GROUP BY flight_key\n",
        "FROM decisions h\n  WHERE flight_key IS NOT NULL\n  GROUP BY flight_key\ndecisions: 11 years\n",
        "v.yaml:8:12: decisions: \"11 years\" is no length of time up to 3650 days",
    ),
    (
        "FROM holds h\n  WHERE seats > 1\n  GROUP BY flight_key\n",
        "FROM decisions h\n  WHERE flight_key IS NOT NULL\n  GROUP BY flight_key\ndecisions: 1 month\n",
        "v.yaml:8:12: decisions: \"1 month\" has months, which differ in length\n  help: write days",
    ),
    (
        "sink:",
        "decisions: 7 days\nsink:",
        "v.yaml:8:12: decisions: the query does not read this source\n  help: leave it out",
    ),
    (
        "FROM holds h",
        "FROM v h",
        "v.yaml:5:8: views that need each other: v → v",
    ),
    (
        "WHERE seats > 1",
        "WHERE holds.seats > 1",
        "v.yaml:6:9: there is no relation \"holds\" in FROM",
    ),
    (
        "WHERE seats > 1",
        "WHERE seats",
        "v.yaml:6:9: WHERE needs a condition, and this is integer",
    ),
    (
        "WHERE seats > 1",
        "WHERE seats > 'many'",
        "v.yaml:6:17: invalid input syntax for type integer: \"many\"",
    ),
    (
        "WHERE seats > 1",
        "WHERE seats > provider",
        "v.yaml:6:9: integer > text: integer and text have no type in common",
    ),
    (
        "WHERE seats > 1",
        "WHERE count(*) > 1",
        "v.yaml:6:9: count() in WHERE\n  help: conditions on groups stand in HAVING",
    ),
    (
        "GROUP BY flight_key",
        "GROUP BY provider",
        "v.yaml:4:10: flight_key is neither in GROUP BY nor in an aggregate",
    ),
    (
        "GROUP BY flight_key",
        "GROUP BY 7",
        "v.yaml:7:12: there is no column number 7",
    ),
    (
        "GROUP BY flight_key",
        "GROUP BY ROLLUP (flight_key)",
        "v.yaml:7:20: ROLLUP, CUBE and GROUPING SETS are not supported\n  help: write a SELECT for each",
    ),
    (
        "count(*) AS n",
        "count(*) AS flight_key",
        "v.yaml:4:22: two columns are named \"flight_key\"",
    ),
    (
        "count(*) AS n",
        "count(*) + 1",
        "v.yaml:4:22: a column without a name",
    ),
    (
        "count(*) AS n",
        "cuont(*) AS n",
        "v.yaml:4:22: cuont(*) is not supported",
    ),
];

#[test]
fn files_with_something_wrong() {
    let mut wrong = Vec::new();
    for (from, to, expected) in FILES {
        assert!(GOOD.contains(from), "{from}");
        let found = told(&GOOD.replacen(from, to, 1));
        if !found.starts_with(expected) {
            wrong.push(format!("{to}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Queries, and the start of the message.
const QUERIES: &[(&str, &str)] = &[
    (
        "SELECT random() AS k FROM flights",
        "v.yaml:4:10: random() is not supported\n  help: a view is the same whenever",
    ),
    (
        "SELECT now() AS k FROM flights",
        "v.yaml:4:10: now() in SELECT: every row would change all the time",
    ),
    (
        "SELECT flight_key AS k FROM holds WHERE deadline > now() OR seats > 1",
        "v.yaml:4:43: now() in a condition that is no plain comparison",
    ),
    (
        "SELECT flight_key AS k FROM holds WHERE deadline = now()",
        "v.yaml:4:43: = on now()",
    ),
    (
        "SELECT flight_key AS k FROM holds WHERE deadline > now() + INTERVAL '1 month'",
        "v.yaml:4:54: now() and months",
    ),
    (
        "SELECT flight_key AS k FROM flights ORDER BY number",
        "v.yaml:4:48: ORDER BY without LIMIT: a table has no order",
    ),
    (
        "SELECT flight_key AS k FROM flights LIMIT 3",
        "v.yaml:4:3: LIMIT without ORDER BY takes any rows",
    ),
    (
        "SELECT flight_key AS k, row_number() OVER (ORDER BY number) AS n FROM flights",
        "v.yaml:4:55: row_number() without a bound",
    ),
    (
        "SELECT flight_key AS k, rank() OVER (ORDER BY number) AS n FROM flights",
        "v.yaml:4:27: rank() OVER (…) is not supported",
    ),
    (
        "SELECT flight_key AS k, row_number() OVER () AS n FROM flights",
        "v.yaml:4:27: row_number() without ORDER BY",
    ),
    (
        "SELECT string_agg(provider, ',') AS k FROM holds",
        "v.yaml:4:10: string_agg() is not supported",
    ),
    (
        "SELECT (SELECT max(number) FROM flights) AS k FROM legs",
        "v.yaml:4:",
    ),
    (
        "SELECT flight_key AS k FROM flights WHERE number > 1 OR EXISTS (SELECT 1 FROM legs)",
        "v.yaml:4:",
    ),
    (
        "SELECT provider AS k FROM inventory WHERE authorised NOT IN (SELECT authorised FROM inventory)",
        "v.yaml:4:45: NOT IN where a NULL may be",
    ),
    (
        "SELECT a.flight_key AS k FROM legs a JOIN legs b ON true JOIN legs a ON true",
        "v.yaml:4:65: \"a\" is in FROM twice",
    ),
    (
        "SELECT flight_key AS k FROM legs a, legs b",
        "v.yaml:4:10: column \"flight_key\" is ambiguous\n  help: say which: a.flight_key or b.flight_key",
    ),
    (
        "SELECT a.flight_key AS k FROM legs a NATURAL JOIN legs b",
        "v.yaml:4:",
    ),
    ("SELECT k FROM (VALUES (1), (2, 3)) AS t (k)", "v.yaml:4:"),
    (
        "SELECT provider AS k FROM holds UNION SELECT provider, cabin FROM holds",
        "v.yaml:4:3: UNION of 1 columns and 2",
    ),
    (
        "SELECT provider AS k FROM holds INTERSECT SELECT provider FROM inventory",
        "v.yaml:4:3: INTERSECT is not supported",
    ),
    (
        "WITH RECURSIVE r AS (SELECT 1 AS k) SELECT k FROM r",
        "v.yaml:4:3: WITH RECURSIVE is not supported",
    ),
    (
        "SELECT CAST(price AS double precision) AS k FROM offers",
        "v.yaml:4:15: the type DOUBLE PRECISION: floating point",
    ),
    (
        "SELECT price::json AS k FROM offers",
        "v.yaml:4:10: the type JSON is not supported",
    ),
    (
        "SELECT seats + provider AS k FROM offers",
        "v.yaml:4:10: there is no integer + text",
    ),
    (
        "SELECT upper(seats) AS k FROM offers",
        "v.yaml:4:10: there is no upper(integer)\n  help: cast the arguments; there are: upper(text)",
    ),
    (
        "SELECT date_trunc('fortnight', departs_at) AS k FROM legs",
        "v.yaml:4:21: date_trunc has no field 'fortnight'",
    ),
    (
        "SELECT extract(hour FROM date) AS k FROM offers",
        "v.yaml:4:",
    ),
    (
        "SELECT provider ~ 'x' AS k FROM holds",
        "v.yaml:4:10: regular expressions are not supported",
    ),
    (
        "SELECT DISTINCT ON (provider) provider AS k FROM holds",
        "v.yaml:4:3: DISTINCT ON is not supported",
    ),
    (
        "SELECT arrives_at - departs_at AS k FROM legs",
        "v.yaml:5:25: key: an interval",
    ),
    (
        "SELECT authorised AS k FROM inventory",
        "v.yaml:5:25: key: \"k\" may be NULL\n  help: use coalesce",
    ),
    (
        "SELECT 99999999999999999999999999999999999999999 AS k",
        "v.yaml:4:10: 99999999999999999999999999999999999999999 is no number of at most 38 digits",
    ),
    ("SELECT DATE '2027-02-30' AS k", "v.yaml:4:"),
    (
        "SELECT sum(status) AS k FROM holds",
        "v.yaml:4:10: there is no sum(text)",
    ),
    (
        "SELECT sum(sum(seats)) AS k FROM holds",
        "v.yaml:4:14: sum() in an aggregate",
    ),
    ("DELETE FROM holds", "v.yaml:4:3: a view is a SELECT"),
    (
        "SELECT provider AS k FROM holds; SELECT 1",
        "v.yaml:4:36: a view is one SELECT",
    ),
    ("SELECT 'abc AS k", "v.yaml:4:10: not SQL:"),
    ("SELECT k FROM generate_series(1, 3) AS t (k)", "v.yaml:4:"),
    (
        "SELECT $1 AS k",
        "v.yaml:4:10: a view has no parameters ($1)",
    ),
    (
        "SELECT sum(seats) FILTER (WHERE seats) AS k FROM holds",
        "v.yaml:4:35: an aggregate needs a condition, and this is integer",
    ),
];

#[test]
fn queries_that_cannot_be_run() {
    let mut wrong = Vec::new();
    for (sql, expected) in QUERIES {
        let found = told(&of_query(sql));
        if !found.starts_with(expected) {
            wrong.push(format!("{sql}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn views_that_need_each_other_are_told_with_the_path() {
    let file = |name: &str, from: &str| {
        let yaml = of_query(&format!("SELECT k FROM {from}"));
        text(
            &format!("{name}.yaml"),
            &yaml.replace("name: v", &format!("name: {name}")),
        )
    };
    let problems = compile(vec![file("a", "b"), file("b", "c"), file("c", "a")]).unwrap_err();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    assert!(
        all.contains("c.yaml:4:17: views that need each other: a → b → c → a"),
        "{all}"
    );
}

#[test]
fn two_views_cannot_share_a_name_or_a_table() {
    let again = |yaml: &str| compile(vec![text("a.yaml", GOOD), text("b.yaml", yaml)]).unwrap_err();
    let problem = again(GOOD)[0].to_string();
    assert!(
        problem.starts_with("b.yaml:1:7: the name \"v\" is taken by a.yaml"),
        "{problem}"
    );
    let same_table = GOOD
        .replace("name: v", "name: w")
        .replace("key: [flight_key]", "key: [flight_key]\n    table: v");
    let problem = again(&same_table)[0].to_string();
    assert!(
        problem.contains("the table views.v is written by a.yaml too"),
        "{problem}"
    );
}

#[test]
fn an_example_that_does_not_hold_says_what_is_there_instead() {
    let yaml = format!(
        "{GOOD}examples:\n  - name: two of three\n    given:\n      holds:\n        - {{flight_key: A, seats: 2}}\n        - {{flight_key: A, seats: 3}}\n        - {{flight_key: A, seats: 1}}\n    expect:\n      - {{flight_key: A, n: 3}}\n"
    );
    let views = compile(vec![text("v.yaml", &yaml)]).unwrap();
    let outcomes = run_examples(&views[0]);
    let problem = outcomes[0].problem.as_ref().unwrap().to_string();
    assert_eq!(
        problem,
        "v.yaml:12:11: example \"two of three\": expected {flight_key: 'A', n: 3}\n  help: the view has instead: {flight_key: 'A', n: 2}"
    );
    let views = compile(vec![text("v.yaml", &yaml.replace("n: 3}", "n: 2}"))]).unwrap();
    assert!(run_examples(&views[0])[0].problem.is_none());
}
