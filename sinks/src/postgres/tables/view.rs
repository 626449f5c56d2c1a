//! Tables of views that are defined in files: their columns are known when the program runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use flightline_dataflows::relational::{Datum, Row as ViewRow, Type as SqlType};
use flightline_dataflows::sql::View;
use parking_lot::Mutex;

use super::Table;
use crate::postgres::copy::{Row, Type};

/// A view and its table.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct ViewTable {
    pub(in crate::postgres) view: Arc<View>,
    pub(in crate::postgres) table: &'static Table,
}

/// Tables by the name of the view and its fingerprint, which says what its columns are.
static DESCRIBED: Mutex<BTreeMap<(String, u64), &'static Table>> = Mutex::new(BTreeMap::new());

fn keep(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

impl ViewTable {
    /// The table of a view. Its description stays for as long as the program runs, as those of the other
    /// tables do: some hundred bytes for each that there ever was, however often its view comes and goes.
    pub(in crate::postgres) fn new(view: Arc<View>) -> Self {
        let mut known = DESCRIBED.lock();
        let table = *known
            .entry((view.name.clone(), view.fingerprint))
            .or_insert_with(|| Self::describe(&view));
        Self { view, table }
    }

    fn describe(view: &View) -> &'static Table {
        let columns = view.columns.iter();
        let columns: Vec<(&'static str, Type)> = columns
            .map(|column| (keep(&column.name), of(column.ty)))
            .collect();
        Box::leak(Box::new(Table {
            schema: keep(&view.schema),
            name: keep(&view.table),
            columns: Box::leak(columns.into_boxed_slice()),
            key: view.key,
            fixed: &[],
        }))
    }

    /// The statements that make the table in a schema.
    pub(in crate::postgres) fn create(&self, schema: &str) -> String {
        let quote = |text: &str| text.replace('\'', "''");
        let path = format!("\"{schema}\".\"{}\"", self.table.name);
        let columns = self.view.columns.iter().map(|column| {
            let collate = match column.ty {
                SqlType::Text => " COLLATE \"C\"",
                _ => "",
            };
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!("\"{}\" {}{collate}{null}", column.name, column.ty)
        });
        let columns: Vec<String> = columns.collect();
        let mut sql = format!(
            "CREATE TABLE {path} ({}, PRIMARY KEY ({})) WITH (fillfactor = 70);\n\
             COMMENT ON TABLE {path} IS '{}';\n",
            columns.join(", "),
            self.table.list(self.table.key, ""),
            quote(&self.view.description),
        );
        for index in &self.view.indexes {
            let columns: Vec<String> = index.iter().map(|name| format!("\"{name}\"")).collect();
            sql += &format!("CREATE INDEX ON {path} ({});\n", columns.join(", "));
        }
        sql
    }

    /// Writes a row.
    pub(in crate::postgres) fn write(&self, values: &ViewRow, row: &mut Row<'_>) {
        for (value, (_, ty)) in values.values().zip(self.table.columns) {
            write(&value, *ty, row);
        }
    }

    /// Writes its key, and NULLs for the rest.
    pub(in crate::postgres) fn write_gone(&self, values: &ViewRow, row: &mut Row<'_>) {
        let columns = self.table.columns.iter().enumerate();
        for (value, (at, (_, ty))) in values.values().zip(columns) {
            if at < self.table.key {
                write(&value, *ty, row);
            } else {
                row.null();
            }
        }
    }
}

fn of(ty: SqlType) -> Type {
    match ty {
        SqlType::Bool => Type::Bool,
        SqlType::Int2 => Type::Int2,
        SqlType::Int4 => Type::Int4,
        SqlType::Int8 => Type::Int8,
        SqlType::Numeric => Type::Numeric,
        SqlType::Text | SqlType::Unknown => Type::Text,
        SqlType::Date => Type::Date,
        SqlType::Timestamp | SqlType::TimestampTz => Type::Timestamp,
        SqlType::Interval => Type::Interval,
    }
}

/// # Panics
/// When the value is of another type than its column: the planner is broken.
fn write(value: &Datum<'_>, ty: Type, row: &mut Row<'_>) {
    match (value, ty) {
        (Datum::Null, _) => row.null(),
        (Datum::Bool(value), Type::Bool) => row.bool(*value),
        (Datum::Int(value), Type::Int2) => row.i16(*value as i16),
        (Datum::Int(value), Type::Int4) => row.i32(*value as i32),
        (Datum::Int(value), Type::Int8) => row.i64(*value),
        (Datum::Decimal(value), Type::Numeric) => row.decimal(value.digits(), value.scale()),
        (Datum::Text(value), Type::Text) => row.text(value.as_str()),
        (Datum::Date(days), Type::Date) => row.days(*days),
        (Datum::Instant(micros), Type::Timestamp) => row.timestamp_us(*micros),
        (Datum::Interval(i), Type::Interval) => row.interval(i.months, i.days, i.micros),
        (value, ty) => panic!("{value:?} in a column of type {ty:?}"),
    }
}
