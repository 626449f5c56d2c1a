//! A view's file: YAML, its keys checked, and where in it the query stands.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use serde_saphyr::Spanned;

use super::problem::Issue;
use super::resolve::Position;
use crate::relational::Place;

/// What a file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: Spanned<String>,
    pub(crate) description: Spanned<String>,
    pub(crate) sql: Spanned<String>,
    pub(crate) sink: Spanned<Sink>,
    /// How far back the source `decisions` goes.
    #[serde(default)]
    pub(crate) decisions: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) retain: Option<Spanned<Retain>>,
    #[serde(default)]
    pub(crate) examples: Vec<Example>,
}

/// How long rows stay.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retain {
    /// From when on it counts.
    pub(crate) column: Spanned<String>,
    /// How long.
    #[serde(rename = "for")]
    pub(crate) long: Spanned<String>,
}

/// Where rows go.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sink {
    pub(crate) postgres: Postgres,
    /// Told to followers too.
    #[serde(default)]
    pub(crate) changes: bool,
    /// Written to a file too.
    #[serde(default)]
    pub(crate) file: bool,
}

/// A table in PostgreSQL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Postgres {
    #[serde(default)]
    pub(crate) schema: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) table: Option<Spanned<String>>,
    pub(crate) key: Vec<Spanned<String>>,
    #[serde(default)]
    pub(crate) indexes: Vec<Vec<Spanned<String>>>,
}

/// Rows given and rows expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Example {
    pub(crate) name: Spanned<String>,
    /// The stream's clock.
    #[serde(default)]
    pub(crate) now: Option<Spanned<String>>,
    pub(crate) given: BTreeMap<String, Vec<Spanned<ExampleRow>>>,
    pub(crate) expect: Vec<Spanned<ExampleRow>>,
}

/// Values by column.
pub(crate) type ExampleRow = BTreeMap<String, Scalar>;

/// A value as YAML has it; what it means follows from its column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value: text, a number, true, false or null")
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
            fn visit_none<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_string()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_string()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// The place of a value in its file.
pub(crate) fn place<T>(of: &Spanned<T>) -> Place {
    Place {
        line: of.referenced.line() as u32,
        column: of.referenced.column() as u32,
    }
}

/// Reads a file.
pub(crate) fn parse(text: &str) -> Result<File, Issue> {
    serde_saphyr::from_str::<File>(text).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location();
        // What is missing is nowhere.
        let at = at.filter(|_| !error.to_string().contains("missing field"));
        let place = at.map_or_else(Place::default, |at| Place {
            line: at.line() as u32,
            column: at.column() as u32,
        });
        let message = error.to_string();
        // Its place stands in front of ours already.
        let what = message
            .find(" at line ")
            .map_or(&message[..], |end| &message[..end]);
        let what = what.split(" (line ").next().unwrap_or(what);
        Issue::new(place, what.trim().trim_start_matches("error: ").to_owned())
            .help("a view's file has name, description, sql, sink, and perhaps decisions, retain and examples: see docs/views.md")
    })
}

/// Where the query stands: in a block (`sql: |`) each line is one of the file.
pub(crate) fn position(text: &str, sql: &Spanned<String>) -> Position {
    let at = place(sql);
    let lines: Vec<&str> = text.lines().collect();
    let index = (at.line as usize).saturating_sub(1);
    // The place is the mark of the block, or its first line.
    let is_mark = |line: &str| {
        let rest: String = line
            .chars()
            .skip(at.column.saturating_sub(1) as usize)
            .collect();
        rest.starts_with('|') || rest.starts_with('>')
    };
    let mark = lines.get(index).is_some_and(|line| is_mark(line));
    let header_above = index > 0
        && lines.get(index - 1).is_some_and(|line| {
            let line = line.trim_end();
            line.contains("sql:") && line.ends_with(['|', '-', '+']) && line.contains('|')
        });
    let first = match (mark, header_above) {
        (true, _) => index + 1,
        (false, true) => index,
        (false, false) => return Position::Inline(at),
    };
    let indent = lines[first..]
        .iter()
        .find(|line| !line.trim().is_empty())
        .map_or(0, |line| line.len() - line.trim_start().len());
    Position::Block {
        line: first as u32 + 1,
        indent: indent as u32,
    }
}
