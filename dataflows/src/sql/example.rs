//! A view's examples: given rows run through its operators, and compared with the rows expected.

use std::sync::mpsc;

use differential_dataflow::input::Input;
use timely::dataflow::operators::core::capture::{Capture, Extract};
use timely::dataflow::operators::vec::ToStream;

use super::file::{self, ExampleRow, Scalar};
use super::problem::{Issue, Problem};
use super::view::View;
use crate::relational::functions::cast;
use crate::relational::render::Renderer;
use crate::relational::{Datum, Place, Plan, Row, RowFault, Type, calendar, sources};

/// How an example ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What is wrong; `None` = as expected.
    pub problem: Option<Problem>,
}

/// Runs the examples of a view.
pub fn run_examples(view: &View) -> Vec<Outcome> {
    let each = view.examples.iter();
    each.map(|example| Outcome {
        name: example.name.value.clone(),
        problem: run(view, example)
            .err()
            .map(|issue| issue.in_file(&view.file)),
    })
    .collect()
}

fn run(view: &View, example: &file::Example) -> Result<(), Issue> {
    let place = file::place(&example.name);
    let mut given: Vec<Vec<Row>> = vec![Vec::new(); sources::ALL.len()];
    for (name, rows) in &example.given {
        let Some(at) = sources::ALL.iter().position(|source| source.name == name) else {
            return Err(
                Issue::new(place, format!("given: there is no source \"{name}\""))
                    .help("examples give rows of sources, also of those that other views read"),
            );
        };
        for row in rows {
            given[at].push(source_row(at, &row.value, file::place(row))?);
        }
    }
    let mut expected = Vec::new();
    for row in &example.expect {
        expected.push(view_row(view, &row.value, file::place(row))?);
    }
    let now = match &example.now {
        None => 0,
        Some(now) => calendar::parse_instant(&now.value, true).ok_or_else(|| {
            Issue::new(
                file::place(now),
                format!("now: \"{}\" is no instant", now.value),
            )
            .help("write such as 2027-01-05 10:00:00Z")
        })?,
    };
    let mut used = false;
    view.plan
        .walk(&mut |plan| used |= matches!(plan, Plan::Clock { .. }));
    if used && example.now.is_none() {
        return Err(Issue::new(
            place,
            "the view looks at now(), or at it for retain, and the example does not say when that is",
        )
        .help("add `now: 2027-01-05 10:00:00Z` to it"));
    }
    let (mut found, faults) = evaluate(&view.plan, given, now);
    if let Some(fault) = faults.first() {
        let at = Place {
            line: fault.line,
            column: fault.column,
        };
        return Err(Issue::new(
            at,
            format!(
                "example \"{}\": {}, for the row {}",
                example.name.value, fault.what, fault.row
            ),
        ));
    }
    expected.sort();
    found.sort();
    let show = |row: &Row| {
        let each = view.columns.iter().zip(row.values());
        let all: Vec<String> = each
            .map(|(column, value)| format!("{}: {value}", column.name))
            .collect();
        format!("{{{}}}", all.join(", "))
    };
    for row in &expected {
        if let Ok(at) = found.binary_search(row) {
            found.remove(at);
        } else {
            let rest: Vec<String> = found.iter().map(show).collect();
            let issue = Issue::new(
                place,
                format!("example \"{}\": expected {}", example.name.value, show(row)),
            );
            return Err(issue.help(match rest.is_empty() {
                true => "the view has no such row, and no other that was not expected".to_owned(),
                false => format!("the view has instead: {}", rest.join("; ")),
            }));
        }
    }
    match found.first() {
        None => Ok(()),
        Some(row) => Err(Issue::new(
            place,
            format!(
                "example \"{}\": not expected: {}",
                example.name.value,
                show(row)
            ),
        )),
    }
}

/// The rows of a plan over given rows, at a clock; and what it has no value for.
pub(crate) fn evaluate(plan: &Plan, given: Vec<Vec<Row>>, now: i64) -> (Vec<Row>, Vec<RowFault>) {
    let plan = plan.clone();
    let (rows_out, rows_in) = mpsc::channel();
    let (faults_out, faults_in) = mpsc::channel();
    timely::execute_directly(move |worker| {
        worker.dataflow::<u64, _, _>(|scope| {
            let mut given = given;
            let source = move |source: usize| {
                let rows = std::mem::take(&mut given[source]).into_iter();
                let rows: Vec<(Row, u64, isize)> = rows.map(|row| (row, 0, 1)).collect();
                let (_, rows) = scope.new_collection_from_raw(rows);
                rows
            };
            let clock = vec![now].to_stream(scope);
            let mut renderer = Renderer::new(scope, Box::new(source), Some(clock));
            let rendered = renderer.plan(&plan);
            rendered.rows.consolidate().inner.capture_into(rows_out);
            for faults in rendered.faults {
                faults.capture_into(faults_out.clone());
            }
        });
    });
    let mut rows = Vec::new();
    for (_, updates) in rows_in.extract() {
        for (row, _, count) in updates {
            rows.extend(std::iter::repeat_n(row, count.max(0) as usize));
        }
    }
    let mut faults: Vec<(RowFault, u64, isize)> = Vec::new();
    for (_, updates) in faults_in.extract() {
        faults.extend(updates);
    }
    differential_dataflow::consolidation::consolidate_updates(&mut faults);
    (rows, faults.into_iter().map(|(fault, ..)| fault).collect())
}

fn value(scalar: &Scalar, ty: Type, place: Place, name: &str) -> Result<Datum<'static>, Issue> {
    let text = match scalar {
        Scalar::Null => return Ok(Datum::Null),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Text(text) => text.clone(),
    };
    cast::parse(&text, ty).map_err(|what| Issue::new(place, format!("{name}: {what}")))
}

/// What stands for a column that an example leaves out.
fn default(ty: Type, nullable: bool) -> Datum<'static> {
    match ty {
        _ if nullable => Datum::Null,
        Type::Bool => Datum::Bool(false),
        Type::Int2 | Type::Int4 | Type::Int8 => Datum::Int(0),
        Type::Numeric => Datum::Decimal(crate::relational::Decimal::ZERO),
        Type::Text | Type::Unknown => Datum::text(""),
        Type::Date => Datum::Date(0),
        Type::Timestamp | Type::TimestampTz => Datum::Instant(0),
        Type::Interval => Datum::Interval(calendar::Interval::default()),
    }
}

fn row_of<'c>(
    row: &ExampleRow,
    columns: impl Iterator<Item = (&'c str, Type, bool)>,
    place: Place,
    of: &str,
    all: bool,
) -> Result<Row, Issue> {
    let columns: Vec<(&str, Type, bool)> = columns.collect();
    if let Some(name) = row
        .keys()
        .find(|name| !columns.iter().any(|c| c.0 == *name))
    {
        let names: Vec<&str> = columns.iter().map(|c| c.0).collect();
        return Err(Issue::new(place, format!("{of} has no column \"{name}\""))
            .help(format!("it has: {}", names.join(", "))));
    }
    let mut values = Vec::new();
    for (name, ty, nullable) in columns {
        let value = match row.get(name) {
            Some(scalar) => value(scalar, ty, place, name)?,
            None if all => {
                return Err(Issue::new(place, format!("the expected row has no {name}"))
                    .help("expected rows have every column of the view"));
            }
            None => default(ty, nullable),
        };
        if value.is_null() && !nullable {
            return Err(Issue::new(place, format!("{name} of {of} is never NULL")));
        }
        values.push(value);
    }
    Ok(Row::of(&values))
}

fn source_row(at: usize, row: &ExampleRow, place: Place) -> Result<Row, Issue> {
    let source = &sources::ALL[at];
    let columns = source.columns.iter().map(|c| (c.name, c.ty, c.nullable));
    row_of(row, columns, place, source.name, false)
}

fn view_row(view: &View, row: &ExampleRow, place: Place) -> Result<Row, Issue> {
    let columns = view.columns.iter().map(|c| (c.name.as_str(), c.ty, true));
    row_of(row, columns, place, &view.name, true)
}
