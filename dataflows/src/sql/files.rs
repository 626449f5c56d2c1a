//! All files, while their queries are resolved: what a query may name, and what a file says of time beside it.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{self, File};
use super::problem::{Issue, Problem};
use super::resolve::{Catalog, Column, Relation, call, coerce, resolve};
use super::view::{Text, check_name};
use crate::relational::functions::cast;
use crate::relational::{Datum, Expr, Place, Plan, Type, recent, sources};

/// Furthest that a view looks back at decisions, in microseconds: ten years.
const LOOK_BACK_MAX: i128 = 3_650 * 86_400_000_000;

/// How far the query of a file is.
enum State {
    Waiting,
    Busy,
    Done(Relation),
    Failed,
}

/// A file.
pub(super) struct Entry {
    pub(super) text: Text,
    pub(super) file: File,
    /// Views that its query names.
    pub(super) reads: BTreeSet<String>,
    /// Its query names the source `decisions`.
    looks_back: bool,
    state: State,
}

/// All files, while their queries are resolved.
#[derive(Default)]
pub(super) struct Files {
    pub(super) entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
    /// Files whose queries are being resolved, each named by the one before.
    path: Vec<usize>,
    pub(super) problems: Vec<Problem>,
}

impl Files {
    pub(super) fn add(&mut self, text: Text, file: File) {
        let place = file::place(&file.name);
        let name = file.name.value.clone();
        let known = self
            .by_name
            .get(&name)
            .map(|at| &self.entries[*at].text.file);
        let issue = match (check_name(&name, place, "name of a view"), known) {
            (Err(issue), _) => Some(issue),
            (Ok(()), Some(other)) => Some(
                Issue::new(place, format!("the name \"{name}\" is taken by {other}"))
                    .help("names of views are unique"),
            ),
            _ if sources::ALL.iter().any(|source| source.name == name) => Some(
                Issue::new(place, format!("\"{name}\" is the name of a source"))
                    .help("take another"),
            ),
            _ => None,
        };
        if let Some(issue) = issue {
            self.problems.push(issue.in_file(&text.file));
            return;
        }
        self.by_name.insert(name, self.entries.len());
        self.entries.push(Entry {
            text,
            file,
            reads: BTreeSet::new(),
            looks_back: false,
            state: State::Waiting,
        });
    }

    /// The query of a file as a relation; `None` when it has problems, which are kept.
    pub(super) fn resolved(&mut self, index: usize) -> Option<Relation> {
        match &self.entries[index].state {
            State::Done(relation) => return Some(relation.clone()),
            State::Failed | State::Busy => return None,
            State::Waiting => {}
        }
        self.entries[index].state = State::Busy;
        self.path.push(index);
        let entry = &self.entries[index];
        let (sql, position) = (
            entry.file.sql.value.clone(),
            file::position(&entry.text.text, &entry.file.sql),
        );
        let result = resolve(&sql, position, self).and_then(|relation| {
            let entry = &self.entries[index];
            let relation = looked_back(relation, entry)?;
            retained(relation, entry.file.retain.as_ref())
        });
        self.path.pop();
        match result {
            Ok(relation) => {
                self.entries[index].state = State::Done(relation.clone());
                Some(relation)
            }
            Err(issue) => {
                let file = self.entries[index].text.file.clone();
                self.problems.push(issue.in_file(&file));
                self.entries[index].state = State::Failed;
                None
            }
        }
    }
}

impl Catalog for Files {
    fn relation(&mut self, name: &str, place: Place) -> Result<Option<Relation>, Issue> {
        if let Some(at) = sources::ALL.iter().position(|source| source.name == name) {
            let columns = sources::ALL[at].columns.iter().map(|column| Column {
                table: None,
                name: column.name.to_owned(),
                ty: column.ty,
                nullable: column.nullable,
                hidden: false,
                place,
            });
            let columns = columns.collect();
            let plan = match at {
                sources::id::DECISIONS => self.decisions(place)?,
                at => Plan::Source(at),
            };
            return Ok(Some(Relation { plan, columns }));
        }
        let Some(index) = self.by_name.get(name).copied() else {
            return Ok(None);
        };
        if let Some(reader) = self.path.last() {
            self.entries[*reader].reads.insert(name.to_owned());
        }
        if let Some(from) = self.path.iter().position(|at| *at == index) {
            let mut path: Vec<&str> = Vec::new();
            for at in self.path[from..].iter().chain([&index]) {
                path.push(&self.entries[*at].file.name.value);
            }
            return Err(Issue::new(
                place,
                format!("views that need each other: {}", path.join(" → ")),
            )
            .help("put what they share into a view of its own"));
        }
        match self.resolved(index) {
            Some(mut relation) => {
                for column in &mut relation.columns {
                    column.place = place;
                }
                relation.plan = Plan::Shared {
                    view: name.to_owned(),
                    plan: relation.plan.into(),
                };
                Ok(Some(relation))
            }
            None => Err(Issue::new(
                place,
                format!("the view \"{name}\" has problems of its own"),
            )),
        }
    }

    fn names(&self) -> Vec<String> {
        let sources = sources::ALL.iter().map(|source| source.name.to_owned());
        sources.chain(self.by_name.keys().cloned()).collect()
    }
}

impl Files {
    /// The source `decisions`, as far back as the file says that reads it.
    fn decisions(&mut self, place: Place) -> Result<Plan, Issue> {
        let reader = self.path.last().copied();
        let reader = reader.and_then(|reader| self.entries.get_mut(reader));
        let long = reader.and_then(|reader| {
            reader.looks_back = true;
            reader.file.decisions.as_ref()
        });
        let Some(long) = long else {
            let what = "\"decisions\" grows for ever, and the file does not say how far back this view looks";
            return Err(Issue::new(place, what)
                .help("add a line such as `decisions: 7 days` to the file, beside `sql`"));
        };
        let long_place = file::place(long);
        let interval = match cast::parse(&long.value, Type::Interval) {
            Ok(Datum::Interval(interval)) if (1..=LOOK_BACK_MAX).contains(&interval.total()) => {
                interval
            }
            _ => {
                let what = format!(
                    "decisions: \"{}\" is no length of time up to 3650 days",
                    long.value
                );
                return Err(Issue::new(long_place, what).help("write such as 7 days, or 36 hours"));
            }
        };
        if interval.months != 0 {
            let what = format!(
                "decisions: \"{}\" has months, which differ in length",
                long.value
            );
            return Err(Issue::new(long_place, what).help("write days, such as 30 days"));
        }
        let column = &sources::ALL[sources::id::DECISIONS].columns[sources::DECIDED_AT];
        let at = Expr::column(sources::DECIDED_AT, column.ty, column.nullable, place);
        let long = Expr::literal(Datum::Interval(interval), Type::Interval, long_place);
        Ok(Plan::Clock {
            input: Plan::Source(sources::id::DECISIONS).into(),
            from: Vec::new(),
            until: vec![call("+", vec![at, long], place)?],
        })
    }
}

/// Lets all views that read the same of `decisions` share it.
fn looked_back(mut relation: Relation, entry: &Entry) -> Result<Relation, Issue> {
    if let Some(long) = &entry.file.decisions
        && !entry.looks_back
    {
        let issue = Issue::new(
            file::place(long),
            "decisions: the query does not read this source",
        );
        return Err(issue.help("leave it out: a view that is read has its own"));
    }
    recent::share(&mut relation.plan);
    if recent::is_unbounded(&relation.plan) {
        let issue = Issue::new(
            file::place(&entry.file.sql),
            "internal: \"decisions\" would be kept for ever",
        );
        return Err(issue.help("please report this query"));
    }
    Ok(relation)
}

/// The rows of a query for as long as they are wanted: until an instant that follows from the row.
fn retained(
    mut relation: Relation,
    retain: Option<&serde_saphyr::Spanned<file::Retain>>,
) -> Result<Relation, Issue> {
    let Some(retain) = retain else {
        return Ok(relation);
    };
    let (name, long) = (&retain.value.column, &retain.value.long);
    let place = file::place(name);
    let found = relation
        .columns
        .iter()
        .position(|column| column.name == name.value);
    let Some(at) = found else {
        let names: Vec<&str> = relation.columns.iter().map(|c| c.name.as_str()).collect();
        let what = format!("retain: the query has no column \"{}\"", name.value);
        return Err(Issue::new(place, what).help(format!("it has: {}", names.join(", "))));
    };
    let column = &relation.columns[at];
    if !matches!(column.ty, Type::TimestampTz | Type::Timestamp | Type::Date) {
        let what = format!("retain: \"{}\" is {}", name.value, column.ty);
        return Err(Issue::new(place, what).help("name a column that is an instant or a day"));
    }
    if column.nullable {
        let what = format!("retain: \"{}\" may be NULL", name.value);
        return Err(Issue::new(place, what)
            .help("use coalesce(…) AS name in SELECT, or exclude NULLs with WHERE … IS NOT NULL"));
    }
    let long_place = file::place(long);
    let interval = match cast::parse(&long.value, Type::Interval) {
        Ok(Datum::Interval(interval)) if interval.total() > 0 => interval,
        _ => {
            let what = format!("retain: \"{}\" is no length of time", long.value);
            return Err(Issue::new(long_place, what).help("write such as 7 days, or 36 hours"));
        }
    };
    let from = Expr::column(at, column.ty, false, place);
    let from = coerce(from, Type::TimestampTz)?;
    let long = Expr::literal(Datum::Interval(interval), Type::Interval, long_place);
    let until = call("+", vec![from, long], place)?;
    relation.plan = Plan::Clock {
        input: relation.plan.into(),
        from: Vec::new(),
        until: vec![until],
    };
    Ok(relation)
}
