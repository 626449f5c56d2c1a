//! From files to views: every name found, every type known, every table described.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::explain::explain;
use super::file::{self, File};
use super::files::{Entry, Files};
use super::problem::{Issue, Problem};
use super::resolve::{Column, Relation};
use crate::reference::Reference;
use crate::relational::{Expr, Place, Plan, Type, recent, sources};

/// A column of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Can it be NULL?
    pub nullable: bool,
}

/// A view that can be run.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The file that it comes from.
    pub file: String,
    /// Schema of its table.
    pub schema: String,
    /// Name of its table.
    pub table: String,
    /// Its columns; the key's come first.
    pub columns: Vec<ViewColumn>,
    /// Number of columns of the key.
    pub key: usize,
    /// Further indexes, by column.
    pub indexes: Vec<Vec<String>>,
    /// Its changes are told to followers.
    pub changes: bool,
    /// Its changes are written to a file.
    pub changelog: bool,
    /// What it computes: rows of these columns.
    pub plan: Plan,
    /// The same over its rows as they are shared with the views that read it; `None` = none of those that it was
    /// compiled with does.
    pub(crate) over_shared: Option<Plan>,
    /// Names of the views that its query reads.
    pub reads: BTreeSet<String>,
    /// Changes when the view means something else, or its table looks different.
    pub fingerprint: u64,
    /// Its examples, which [`super::run_examples`] runs.
    pub(crate) examples: Arc<Vec<file::Example>>,
}

impl View {
    /// What runs: the plan, over what is computed once for all that read it.
    pub(crate) fn running_plan(&self) -> &Plan {
        self.over_shared.as_ref().unwrap_or(&self.plan)
    }

    /// How far back it reads decisions, itself or what it reads, in milliseconds, rounded up; `None` = not at all.
    pub fn looks_back_ms(&self) -> Option<i64> {
        let mut longest = None;
        self.plan.walk(&mut |plan| {
            let micros = recent::window(plan).map(|window| window.micros);
            longest = longest.max(micros.map(|micros| micros / 1_000 + 1));
        });
        longest
    }
}

/// Text of a file and its name.
#[derive(Clone, Debug)]
pub struct Text {
    /// The name, as messages show it.
    pub file: String,
    /// What is in it.
    pub text: String,
}

/// Tables of schema `views` that the dataflow maintains without files.
const BUILT_IN: [&str; 5] = [
    "offers",
    "availability_by_route_day",
    "cheapest_by_route_day",
    "load_factor",
    "oversold",
];

/// Most bytes of a name in PostgreSQL.
const NAME_MAX: usize = 63;

/// Part of the fingerprint: raised when the same plan comes to mean something else.
const MEANING: u32 = 1;

impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.fingerprint == other.fingerprint
    }
}

impl Eq for View {}

/// Reads views from the texts of files. Views may name each other, in any order.
///
/// # Errors
/// Everything that is wrong with any of them, in the order of files.
pub fn compile(texts: Vec<Text>) -> Result<Vec<Arc<View>>, Vec<Problem>> {
    let mut files = Files::default();
    for text in texts {
        match file::parse(&text.text) {
            Ok(file) => files.add(text, file),
            Err(issue) => files.problems.push(issue.in_file(&text.file)),
        }
    }
    let mut views = Vec::new();
    let mut tables: BTreeMap<(String, String), String> = BTreeMap::new();
    // All of them first: it takes all to know which are read by others.
    let relations: Vec<_> = (0..files.entries.len())
        .map(|at| files.resolved(at))
        .collect();
    let reads = files.entries.iter().flat_map(|entry| entry.reads.iter());
    let read: BTreeSet<String> = reads.cloned().collect();
    for (index, relation) in relations.into_iter().enumerate() {
        let Some(relation) = relation else {
            continue;
        };
        let is_read = read.contains(&files.entries[index].file.name.value);
        let entry = &mut files.entries[index];
        match view(entry, relation, is_read) {
            Ok(view) => {
                let table = (view.schema.clone(), view.table.clone());
                if let Some(other) = tables.insert(table, view.file.clone()) {
                    let what = format!(
                        "the table {}.{} is written by {other} too",
                        view.schema, view.table
                    );
                    let issue = Issue::new(file::place(&entry.file.sink), what)
                        .help("name another one under sink.postgres.table");
                    files.problems.push(issue.in_file(&view.file));
                } else {
                    views.push(Arc::new(view));
                }
            }
            Err(issue) => files.problems.push(issue.in_file(&entry.text.file)),
        }
    }
    if files.problems.is_empty() {
        return Ok(views);
    }
    let key = |p: &Problem| (p.file.clone(), p.place.line, p.place.column);
    files.problems.sort_by_key(key);
    Err(files.problems)
}

/// The name that a file gives its view.
///
/// # Errors
/// When the file cannot be read, or the name is none.
pub fn name_of(text: &Text) -> Result<String, Problem> {
    let file = file::parse(&text.text).map_err(|issue| issue.in_file(&text.file))?;
    let place = file::place(&file.name);
    let name = file.name.value;
    match check_name(&name, place, "name of a view") {
        Ok(()) => Ok(name),
        Err(issue) => Err(issue.in_file(&text.file)),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && name.len() <= NAME_MAX
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

pub(super) fn check_name(name: &str, place: Place, what: &str) -> Result<(), Issue> {
    if is_name(name) {
        return Ok(());
    }
    Err(Issue::new(place, format!("\"{name}\" is no {what}"))
        .help("lower-case letters, digits and _, a letter first, at most 63"))
}

fn view(entry: &mut Entry, relation: Relation, is_read: bool) -> Result<View, Issue> {
    let examples = std::mem::take(&mut entry.file.examples);
    let File {
        name,
        description,
        sink,
        ..
    } = &entry.file;
    if description.value.trim().is_empty() {
        return Err(
            Issue::new(file::place(description), "the description is empty")
                .help("say in a sentence what a row is: it becomes the table's comment"),
        );
    }
    let postgres = &sink.value.postgres;
    let sink_place = file::place(sink);
    let named = |given: &Option<serde_saphyr::Spanned<String>>, default: &str, what: &str| {
        let (value, place) = match given {
            Some(given) => (given.value.clone(), file::place(given)),
            None => (default.to_owned(), sink_place),
        };
        check_name(&value, place, what).map(|()| (value, place))
    };
    let (schema, schema_place) = named(&postgres.schema, "views", "schema")?;
    let (table, table_place) = named(&postgres.table, &name.value, "table")?;
    if schema == "flightline" || schema == "information_schema" || schema.starts_with("pg_") {
        return Err(Issue::new(
            schema_place,
            format!("the schema {schema} is not for views"),
        )
        .help("leave it out, which is `views`, or name one of your own"));
    }
    if schema == "views" && BUILT_IN.contains(&table.as_str()) {
        return Err(Issue::new(
            table_place,
            format!("the table views.{table} is maintained already"),
        )
        .help("name another one under sink.postgres.table"));
    }
    let mut seen: Vec<&Column> = Vec::new();
    for column in &relation.columns {
        if column.name == "?column?" {
            return Err(
                Issue::new(column.place, "a column without a name").help("add AS and a name")
            );
        }
        if !is_name(&column.name) {
            return Err(check_name(&column.name, column.place, "name of a column")
                .err()
                .unwrap_or_else(|| Issue::new(column.place, "no name of a column")));
        }
        if seen.iter().any(|other| other.name == column.name) {
            let what = format!("two columns are named \"{}\"", column.name);
            return Err(Issue::new(column.place, what).help("name one of them otherwise with AS"));
        }
        seen.push(column);
    }
    let find = |name: &serde_saphyr::Spanned<String>, what: &str| -> Result<usize, Issue> {
        let found = relation
            .columns
            .iter()
            .position(|column| column.name == name.value);
        found.ok_or_else(|| {
            let issue = Issue::new(
                file::place(name),
                format!("{what}: the query has no column \"{}\"", name.value),
            );
            let names: Vec<&str> = relation.columns.iter().map(|c| c.name.as_str()).collect();
            issue.help(format!("it has: {}", names.join(", ")))
        })
    };
    if postgres.key.is_empty() {
        return Err(Issue::new(sink_place, "the table has no key")
            .help("list the columns that tell its rows apart under sink.postgres.key"));
    }
    let mut order: Vec<usize> = Vec::new();
    for name in &postgres.key {
        let at = find(name, "key")?;
        let column = &relation.columns[at];
        if order.contains(&at) {
            return Err(Issue::new(
                file::place(name),
                format!("key: \"{}\" stands there twice", name.value),
            ));
        }
        if column.nullable {
            return Err(Issue::new(
                file::place(name),
                format!("key: \"{}\" may be NULL", name.value),
            )
            .help("use coalesce(…) AS name in SELECT, or exclude NULLs with WHERE … IS NOT NULL"));
        }
        if column.ty == Type::Interval {
            return Err(Issue::new(file::place(name), "key: an interval")
                .help("take seconds: extract(epoch FROM …)"));
        }
        order.push(at);
    }
    let key = order.len();
    let others = (0..relation.columns.len()).filter(|at| !order.contains(at));
    let others: Vec<usize> = others.collect();
    order.extend(others);
    let mut indexes = Vec::new();
    for index in &postgres.indexes {
        let mut columns = Vec::new();
        for name in index {
            find(name, "indexes")?;
            columns.push(name.value.clone());
        }
        if columns.is_empty() {
            return Err(Issue::new(sink_place, "an index without columns"));
        }
        indexes.push(columns);
    }
    let outputs = order.iter().map(|at| {
        let column = &relation.columns[*at];
        Expr::column(*at, column.ty, column.nullable, column.place)
    });
    let outputs: Vec<Expr> = outputs.collect();
    let over_shared = is_read.then(|| {
        let shared = Plan::Shared {
            view: name.value.clone(),
            plan: relation.plan.clone().into(),
        };
        shared.projected(outputs.clone())
    });
    let plan = relation.plan.clone().projected(outputs);
    let columns: Vec<ViewColumn> = order
        .iter()
        .map(|at| {
            let column = &relation.columns[*at];
            ViewColumn {
                name: column.name.clone(),
                ty: column.ty,
                nullable: column.nullable,
            }
        })
        .collect();
    let mut meaning = format!(
        "{MEANING} {schema}.{table} {key} {indexes:?}\n{}",
        explain(&plan)
    );
    let mut reads_names = false;
    plan.walk(&mut |plan| reads_names |= matches!(plan, Plan::Source(at) if Reference::has(*at)));
    if reads_names {
        // Writing to memory does not fail.
        let _ = writeln!(meaning, "names {:x}", sources::REFERENCE);
    }
    for (is_set, what) in [(sink.value.changes, "changes"), (sink.value.file, "file")] {
        if is_set {
            meaning += what;
        }
    }
    for column in &columns {
        // Writing to memory does not fail.
        let _ = writeln!(meaning, "{} {} {}", column.name, column.ty, column.nullable);
    }
    Ok(View {
        name: name.value.clone(),
        description: description.value.trim().to_owned(),
        file: entry.text.file.clone(),
        schema,
        table,
        columns,
        key,
        indexes,
        changes: sink.value.changes,
        changelog: sink.value.file,
        plan,
        over_shared,
        reads: entry.reads.clone(),
        fingerprint: xxh3_64(meaning.as_bytes()),
        examples: Arc::new(examples),
    })
}
