//! Rows of a view with the names of their columns, for whoever is told of them as JSON.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::View;
use crate::relational::calendar::{ShowDay, ShowInstant};
use crate::relational::{Datum, Row, Type};

/// A row of a view as an object. Numbers with decimals, days, instants and intervals are texts, as PostgreSQL
/// shows them.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a>(pub &'a View, pub &'a Row);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(view, row) = self;
        let mut map = serializer.serialize_map(Some(view.columns.len()))?;
        for (column, value) in view.columns.iter().zip(row.values()) {
            let name = &column.name;
            match &value {
                Datum::Null => map.serialize_entry(name, &())?,
                Datum::Bool(value) => map.serialize_entry(name, value)?,
                Datum::Int(value) => map.serialize_entry(name, value)?,
                Datum::Text(value) => map.serialize_entry(name, value.as_str())?,
                Datum::Date(value) => map.serialize_entry(name, &ShowDay(*value).to_string())?,
                Datum::Instant(value) => {
                    let zone = column.ty == Type::TimestampTz;
                    map.serialize_entry(name, &ShowInstant(*value, zone).to_string())?;
                }
                other => map.serialize_entry(name, &other.to_string())?,
            }
        }
        map.end()
    }
}
