//! From the syntax tree to a plan: names found, types checked, subqueries taken apart.
//!
//! - Queries: `query`, `select`, `from`, `subquery`, `order`. `scope`: what names mean.
//! - Expressions: `expr`, `operator`, `call`, `field`, `literal`, `types`; `unknown`: functions that are not
//!   here. `group`: what is computed of several rows. `clock`: conditions on `now()`.
//!
//! What cannot be kept up to date row by row, or is not supported, is refused at the place where it
//! stands, with what can be written instead.

mod call;
mod clock;
mod expr;
mod field;
mod from;
mod group;
mod literal;
mod operator;
mod order;
mod query;
mod scope;
mod select;
mod subquery;
mod types;
mod unknown;

use sqlparser::ast::{Query, Spanned, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span};

use super::problem::Issue;
use crate::relational::{Place, Plan};

pub(crate) use scope::{Column, Relation};
pub(crate) use types::{call, coerce};

/// The most that queries may be nested in each other.
const DEPTH_MAX: usize = 40;

/// Where the text of a query stands in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Position {
    /// In a block: its first line, and the columns that lines are indented by.
    Block { line: u32, indent: u32 },
    /// Somewhere on one line: the place of its beginning.
    Inline(Place),
}

impl Position {
    fn place(self, at: Location) -> Place {
        let (line, column) = (at.line.max(1) as u32, at.column.max(1) as u32);
        match self {
            Self::Block {
                line: first,
                indent,
            } => Place {
                line: first + line - 1,
                column: column + indent,
            },
            Self::Inline(place) if line == 1 => Place {
                column: place.column + column - 1,
                ..place
            },
            Self::Inline(place) => place,
        }
    }
}

/// What other relations a query can name.
pub(crate) trait Catalog {
    /// The relation of this name, if there is one.
    fn relation(&mut self, name: &str, place: Place) -> Result<Option<Relation>, Issue>;
    /// All names, for suggestions.
    fn names(&self) -> Vec<String>;
}

/// Resolves a query.
pub(crate) struct Resolver<'a> {
    position: Position,
    catalog: &'a mut dyn Catalog,
    /// Named subqueries, the innermost last.
    named: Vec<(String, Relation)>,
    depth: usize,
}

/// Reads a query and makes it a relation.
pub(crate) fn resolve(
    sql: &str,
    position: Position,
    catalog: &mut dyn Catalog,
) -> Result<Relation, Issue> {
    let query = parse(sql, position)?;
    let mut resolver = Resolver {
        position,
        catalog,
        named: Vec::new(),
        depth: 0,
    };
    let relation = resolver.query(&query)?;
    let mut unbounded = None;
    relation.plan.walk(&mut |plan| {
        if let Plan::Top {
            limit: None, order, ..
        } = plan
        {
            unbounded = unbounded.or(order.first().map(|order| order.by.place));
        }
    });
    if let Some(place) = unbounded {
        return Err(Issue::new(
            place,
            "row_number() without a bound: any change would number all rows anew",
        )
        .help("filter on it in the query around: `SELECT … FROM (SELECT …, row_number() OVER (…) AS n FROM …) AS t WHERE n <= 10`"));
    }
    Ok(relation)
}

fn parse(sql: &str, position: Position) -> Result<Box<Query>, Issue> {
    let start = position.place(Location { line: 1, column: 1 });
    let parser = Parser::new(&PostgreSqlDialect {}).with_recursion_limit(DEPTH_MAX * 2);
    let statements = parser
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| syntax(error, position))?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(Statement::Query(query)), None) => Ok(query),
        (Some(Statement::Query(_)), Some(second)) => Err(Issue::new(
            position.place(second.span().start),
            "a view is one SELECT, and here a second statement begins",
        )
        .help("put it into a file of its own")),
        (Some(_), _) => Err(Issue::new(start, "a view is a SELECT")
            .help("write the query alone: the table is made from `sink`")),
        (None, _) => {
            Err(Issue::new(start, "there is no query").help("write one SELECT under `sql: |`"))
        }
    }
}

/// The parser puts the place at the end of its message.
fn syntax(error: ParserError, position: Position) -> Issue {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            let place = position.place(Location { line: 1, column: 1 });
            return Issue::new(place, "the query is nested too deeply")
                .help("name parts of it with WITH");
        }
    };
    let found = message.rsplit_once(" at Line: ").and_then(|(what, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        let (line, column) = (line.trim().parse().ok()?, column.trim().parse().ok()?);
        Some((what.to_owned(), Location { line, column }))
    });
    let (what, at) = found.unwrap_or((message, Location { line: 1, column: 1 }));
    Issue::new(position.place(at), format!("not SQL: {what}"))
}

impl Resolver<'_> {
    pub(super) fn at(&self, span: Span) -> Place {
        self.position.place(span.start)
    }

    pub(super) fn place(&self, of: &impl Spanned) -> Place {
        self.at(of.span())
    }
}
