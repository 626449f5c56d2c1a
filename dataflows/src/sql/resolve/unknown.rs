//! Functions that are not here, and what can be written instead.

use super::super::problem::{Issue, nearest};
use crate::relational::Place;
use crate::relational::functions::all;

/// Functions that people know and that are not here, and what to write instead.
const INSTEAD: &[(&str, &str)] = &[
    (
        "random",
        "a view is the same whenever it is computed: nothing in it may be random",
    ),
    ("clock_timestamp", "use now(), the stream's clock, in WHERE"),
    (
        "statement_timestamp",
        "use now(), the stream's clock, in WHERE",
    ),
    (
        "transaction_timestamp",
        "use now(), the stream's clock, in WHERE",
    ),
    (
        "string_agg",
        "its value depends on the order of rows: make a row of each, and put them together when reading",
    ),
    (
        "array_agg",
        "its value depends on the order of rows: make a row of each",
    ),
    (
        "json_agg",
        "make a row of each, and put them together when reading",
    ),
    (
        "rank",
        "use row_number() and filter on it in the query around",
    ),
    (
        "dense_rank",
        "use row_number() and filter on it in the query around",
    ),
    ("lag", "join the relation with itself"),
    ("lead", "join the relation with itself"),
    ("first_value", "use row_number() and keep number 1"),
    (
        "last_value",
        "use row_number() with the order turned round, and keep number 1",
    ),
    ("date_part", "use extract(… FROM …), which is exact"),
    (
        "to_char",
        "use date_trunc, extract, or a cast to text; give values their form when reading",
    ),
    ("age", "subtract: a - b is an interval"),
    (
        "sqrt",
        "floating point is not exact: compute it when reading",
    ),
    ("power", "multiply"),
    (
        "stddev",
        "floating point is not exact: keep count, sum and sum of squares, and compute it when reading",
    ),
    (
        "variance",
        "floating point is not exact: keep count, sum and sum of squares, and compute it when reading",
    ),
    (
        "percentile_cont",
        "count in steps, such as GROUP BY price / 50, and read it off",
    ),
    (
        "percentile_disc",
        "count in steps, such as GROUP BY price / 50, and read it off",
    ),
    (
        "generate_series",
        "there are no set-returning functions: write the rows with VALUES",
    ),
    ("unnest", "there are no arrays"),
    ("every", "use bool_and"),
    ("ceiling", "use ceil"),
    ("to_timestamp", "use columns of type timestamptz"),
    ("regexp_replace", "use replace, split_part, substr"),
    ("md5", "use the text itself"),
];

/// What to say of a function of this name.
pub(super) fn function(name: &str, place: Place) -> Issue {
    if let Some((_, instead)) = INSTEAD.iter().find(|(known, _)| *known == name) {
        return Issue::new(place, format!("{name}() is not supported")).help(*instead);
    }
    let issue = Issue::new(place, format!("there is no function {name}()"));
    let special = [
        "coalesce",
        "greatest",
        "least",
        "nullif",
        "concat",
        "now",
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "bool_and",
        "bool_or",
        "row_number",
    ];
    match nearest(name, all().map(|known| known.name).chain(special)) {
        Some(known) => issue.help(format!("did you mean {known}()?")),
        None => issue.help("docs/views.md lists the functions"),
    }
}
