//! What names mean.

use std::cell::RefCell;

use sqlparser::ast::Ident;

use super::super::problem::{Issue, nearest};
use crate::relational::plan::{Aggregate, Order};
use crate::relational::{Expr, Kind, Place, Plan, Type};

/// A column of a relation in the making.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The relation that it came from, by the name it has in the query.
    pub(crate) table: Option<String>,
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) nullable: bool,
    /// A column of the same name stands for it (`USING`).
    pub(crate) hidden: bool,
    /// Where it was named.
    pub(crate) place: Place,
}

/// A plan and its columns.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) plan: Plan,
    pub(crate) columns: Vec<Column>,
}

/// A numbering of rows that a SELECT asks for.
pub(super) struct Window {
    pub(super) partition: Vec<Expr>,
    pub(super) order: Vec<Order>,
}

/// The groups of a SELECT, while expressions over them are resolved.
#[derive(Default)]
pub(super) struct Groups {
    pub(super) keys: Vec<Expr>,
    pub(super) aggregates: Vec<Aggregate>,
}

/// Where an expression is resolved.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    /// Columns of the row.
    pub(super) columns: &'c [Column],
    /// Columns of the query around, for a subquery that may use them.
    pub(super) outer: Option<&'c [Column]>,
    /// The expression is over groups of such rows.
    pub(super) groups: Option<&'c RefCell<Groups>>,
    /// Rows may be numbered here.
    pub(super) windows: Option<&'c RefCell<Vec<Window>>>,
    /// `now()` may stand here.
    pub(super) clock: bool,
    /// The clause, for messages.
    pub(super) clause: &'static str,
}

impl<'c> Context<'c> {
    pub(super) fn of(columns: &'c [Column], clause: &'static str) -> Self {
        Self {
            columns,
            outer: None,
            groups: None,
            windows: None,
            clock: false,
            clause,
        }
    }
}

/// A name as PostgreSQL understands it: in lower case, unless it is quoted.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// The place of a column among others; `None` when there is none of the name.
fn find(columns: &[Column], table: Option<&str>, name: &str) -> Result<Option<usize>, Vec<String>> {
    let fits = |column: &&(usize, &Column)| {
        let of_table = table.is_none_or(|table| column.1.table.as_deref() == Some(table));
        of_table && column.1.name == name && !(column.1.hidden && table.is_none())
    };
    let all: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    let found: Vec<&(usize, &Column)> = all.iter().filter(fits).collect();
    match found[..] {
        [] => Ok(None),
        [(at, _)] => Ok(Some(*at)),
        _ => Err(found
            .iter()
            .map(|(_, column)| {
                let table = column.table.as_deref().unwrap_or("?");
                format!("{table}.{name}")
            })
            .collect()),
    }
}

impl Context<'_> {
    /// The column of a name.
    pub(super) fn column(
        &self,
        table: Option<&str>,
        name: &str,
        place: Place,
    ) -> Result<Expr, Issue> {
        let ambiguous = |names: Vec<String>| {
            Issue::new(place, format!("column \"{name}\" is ambiguous"))
                .help(format!("say which: {}", names.join(" or ")))
        };
        if let Some(at) = find(self.columns, table, name).map_err(ambiguous)? {
            let column = &self.columns[at];
            return Ok(Expr::column(at, column.ty, column.nullable, place));
        }
        if let Some(outer) = self.outer
            && let Some(at) = find(outer, table, name).map_err(ambiguous)?
        {
            let column = &outer[at];
            return Ok(Expr {
                kind: Kind::Outer(at),
                ty: column.ty,
                nullable: column.nullable,
                place,
            });
        }
        Err(self.unknown(table, name, place))
    }

    fn unknown(&self, table: Option<&str>, name: &str, place: Place) -> Issue {
        let tables = || self.columns.iter().filter_map(|c| c.table.as_deref());
        if let Some(table) = table
            && !tables().any(|known| known == table)
        {
            let issue = Issue::new(place, format!("there is no relation \"{table}\" in FROM"));
            return match nearest(table, tables()) {
                Some(known) => issue.help(format!("did you mean \"{known}\"?")),
                None => issue.help("an alias hides the name of its relation: use the alias"),
            };
        }
        let of_table = |column: &&Column| table.is_none_or(|t| column.table.as_deref() == Some(t));
        let mut names: Vec<&str> = self
            .columns
            .iter()
            .filter(of_table)
            .map(|column| column.name.as_str())
            .collect();
        let what = match table {
            Some(table) => format!("there is no column \"{name}\" in \"{table}\""),
            None => format!("there is no column \"{name}\""),
        };
        let issue = Issue::new(place, what);
        match nearest(name, names.iter().copied()) {
            Some(known) => issue.help(format!("did you mean \"{known}\"?")),
            None if names.is_empty() => issue,
            None => {
                names.sort_unstable();
                names.dedup();
                issue.help(format!("there are: {}", names.join(", ")))
            }
        }
    }
}

/// After a filter some columns cannot be NULL.
pub(super) fn refine(columns: &mut [Column], filter: &Expr) {
    let mut is_there = |expr: &Expr| {
        if let Kind::Column(at) = expr.kind {
            columns[at].nullable = false;
        }
    };
    match &filter.kind {
        Kind::Compare(_, a, b) => {
            is_there(a);
            is_there(b);
        }
        Kind::Not(inner) => {
            if let Kind::IsNull(of) = &inner.kind {
                is_there(of);
            }
        }
        _ => {}
    }
}
