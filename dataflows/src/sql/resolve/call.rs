//! Calls: functions, aggregates, numberings.

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart,
    WindowType,
};

use super::super::problem::{Issue, nearest};
use super::Resolver;
use super::scope::{Context, Window, folded};
use super::types::{call, coerce, convert, unify};
use crate::relational::functions::all;
use crate::relational::plan::{Aggregate, AggregateFunction};
use crate::relational::{Compare, Datum, Expr, Kind, Place, Type};

/// Fields of `extract` and `date_trunc`.
const EXTRACT: &[&str] = &[
    "year",
    "isoyear",
    "quarter",
    "month",
    "week",
    "day",
    "dow",
    "isodow",
    "doy",
    "epoch",
    "decade",
    "hour",
    "minute",
    "second",
    "milliseconds",
    "microseconds",
];
/// Those that only a clock has.
const CLOCK: &[&str] = &["hour", "minute", "second", "milliseconds", "microseconds"];
/// Those that a span of time has not.
const NOT_OF_INTERVAL: &[&str] = &["isoyear", "week", "dow", "isodow", "doy"];
const TRUNC: &[&str] = &[
    "microseconds",
    "milliseconds",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
];

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

fn aggregate_function(name: &str) -> Option<AggregateFunction> {
    Some(match name {
        "count" => AggregateFunction::Count,
        "sum" => AggregateFunction::Sum,
        "avg" => AggregateFunction::Avg,
        "min" => AggregateFunction::Min,
        "max" => AggregateFunction::Max,
        "bool_and" => AggregateFunction::BoolAnd,
        "bool_or" => AggregateFunction::BoolOr,
        _ => return None,
    })
}

fn name_of(function: &ast::Function) -> String {
    match &function.name.0[..] {
        [ObjectNamePart::Identifier(name)] => folded(name),
        _ => function.name.to_string(),
    }
}

/// Does it compute something of a group?
pub(super) fn has_aggregate(ast: &ast::Expr) -> bool {
    if let ast::Expr::Function(function) = ast
        && function.over.is_none()
        && aggregate_function(&name_of(function)).is_some()
    {
        return true;
    }
    parts(ast).into_iter().any(has_aggregate)
}

/// The expressions right below one.
fn parts(ast: &ast::Expr) -> Vec<&ast::Expr> {
    use ast::Expr as E;
    match ast {
        E::Nested(a)
        | E::IsNull(a)
        | E::IsNotNull(a)
        | E::IsTrue(a)
        | E::IsNotTrue(a)
        | E::IsFalse(a)
        | E::IsNotFalse(a) => vec![a],
        E::UnaryOp { expr, .. }
        | E::Cast { expr, .. }
        | E::Extract { expr, .. }
        | E::Ceil { expr, .. }
        | E::Floor { expr, .. }
        | E::Trim { expr, .. }
        | E::Substring { expr, .. }
        | E::AtTimeZone {
            timestamp: expr, ..
        } => vec![expr],
        E::BinaryOp { left, right, .. } => vec![left, right],
        E::IsDistinctFrom(a, b) | E::IsNotDistinctFrom(a, b) => vec![a, b],
        E::InList { expr, list, .. } => [&**expr].into_iter().chain(list).collect(),
        E::Between {
            expr, low, high, ..
        } => vec![expr, low, high],
        E::Like { expr, pattern, .. } | E::ILike { expr, pattern, .. } => vec![expr, pattern],
        E::Case {
            operand,
            conditions,
            else_result,
            ..
        } => {
            let branches = conditions.iter().flat_map(|c| [&c.condition, &c.result]);
            let ends = operand.iter().chain(else_result).map(|e| &**e);
            branches.chain(ends).collect()
        }
        E::Function(function) => {
            let mut all: Vec<&ast::Expr> = Vec::new();
            if let FunctionArguments::List(list) = &function.args {
                all.extend(list.args.iter().filter_map(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                    _ => None,
                }));
            }
            if let Some(WindowType::WindowSpec(spec)) = &function.over {
                all.extend(&spec.partition_by);
                all.extend(spec.order_by.iter().map(|order| &order.expr));
            }
            all
        }
        _ => Vec::new(),
    }
}

impl Resolver<'_> {
    pub(super) fn function(
        &mut self,
        function: &ast::Function,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let name = name_of(function);
        if !function.within_group.is_empty() || function.null_treatment.is_some() {
            return Err(self.unknown_function(&name, place));
        }
        if function.over.is_some() {
            return self.window(function, &name, place, cx);
        }
        if let Some(kind) = aggregate_function(&name) {
            return self.aggregate(function, kind, place, cx);
        }
        if function.filter.is_some() {
            let what = format!("FILTER after {name}, which is no aggregate");
            return Err(Issue::new(place, what));
        }
        let mut args = Vec::new();
        for arg in self.arguments(function, &name, place)? {
            args.push(self.expr(arg, cx)?);
        }
        match (&name[..], args.len()) {
            ("now" | "current_timestamp", 0) => self.now(place, cx),
            ("current_date", 0) => {
                let now = self.now(place, cx)?;
                convert(now, Type::Date)
            }
            ("coalesce", 1..) => {
                let args = unify(args, place, "coalesce")?;
                let nullable = args.iter().all(|arg| arg.nullable);
                let ty = args[0].ty;
                let kind = Kind::Coalesce(args);
                Ok(Expr {
                    kind,
                    ty,
                    nullable,
                    place,
                })
            }
            ("greatest" | "least", 1..) => {
                let args = unify(args, place, &name)?;
                let nullable = args.iter().all(|arg| arg.nullable);
                let ty = args[0].ty;
                let kind = Kind::Extreme(name == "greatest", args);
                Ok(Expr {
                    kind,
                    ty,
                    nullable,
                    place,
                })
            }
            ("nullif", 2) => {
                let args = unify(args, place, "nullif")?;
                let [a, b] = <[Expr; 2]>::try_from(args)
                    .map_err(|_| Issue::new(place, "nullif takes two arguments"))?;
                let ty = a.ty;
                let same = super::expr::compare(Compare::Eq, a.clone(), b, place)?;
                let null = Expr::literal(Datum::Null, ty, place);
                let kind = Kind::Case(vec![(same, null)], a.into());
                Ok(Expr {
                    kind,
                    ty,
                    nullable: true,
                    place,
                })
            }
            ("concat", 1..) => {
                // NULLs are nothing here.
                let empty = || Expr::literal(Datum::made(""), Type::Text, place);
                let mut all = empty();
                for arg in args {
                    let text = convert(arg, Type::Text)?;
                    let text = Expr {
                        nullable: false,
                        ty: Type::Text,
                        kind: Kind::Coalesce(vec![text, empty()]),
                        place,
                    };
                    all = call("||", vec![all, text], place)?;
                }
                Ok(all)
            }
            ("date_trunc", 2) => {
                check_field(&args[0], TRUNC, "date_trunc")?;
                call("date_trunc", args, place)
            }
            _ if all().any(|known| known.name == name && !known.is_operator()) => {
                call(&name, args, place)
            }
            _ => Err(self.unknown_function(&name, place)),
        }
    }

    fn unknown_function(&self, name: &str, place: Place) -> Issue {
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

    fn arguments<'f>(
        &self,
        function: &'f ast::Function,
        name: &str,
        place: Place,
    ) -> Result<Vec<&'f ast::Expr>, Issue> {
        let list = match &function.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::List(list) => list,
            FunctionArguments::Subquery(_) => {
                return Err(Issue::new(place, format!("{name} of a subquery"))
                    .help("join with the subquery in FROM"));
            }
        };
        if !list.clauses.is_empty() {
            return Err(Issue::new(
                place,
                format!("{name} with further clauses in its brackets"),
            )
            .help("views have no order within groups: leave them out"));
        }
        list.args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
                other => Err(Issue::new(
                    place,
                    format!("{name}({other}) is not supported"),
                )),
            })
            .collect()
    }

    fn now(&self, place: Place, cx: Context<'_>) -> Result<Expr, Issue> {
        if !cx.clock {
            return Err(Issue::new(
                place,
                format!("now() in {}: every row would change all the time", cx.clause),
            )
            .help("compare with it in WHERE: `departs_at > now() + INTERVAL '2 hours'`; rows then come and go as time passes"));
        }
        Ok(Expr {
            kind: Kind::Now,
            ty: Type::TimestampTz,
            nullable: false,
            place,
        })
    }

    pub(super) fn extract(
        &mut self,
        field: &str,
        value: Expr,
        place: Place,
    ) -> Result<Expr, Issue> {
        let field = field.to_lowercase();
        let field = match field.trim_matches('\'') {
            "years" => "year",
            "months" => "month",
            "days" => "day",
            "hours" => "hour",
            "minutes" => "minute",
            "seconds" => "second",
            "millisecond" => "milliseconds",
            "microsecond" => "microseconds",
            other => other,
        };
        let known: Vec<&str> = match value.ty {
            Type::Date => EXTRACT
                .iter()
                .filter(|f| !CLOCK.contains(f))
                .copied()
                .collect(),
            Type::Interval => {
                let of = EXTRACT.iter().filter(|f| !NOT_OF_INTERVAL.contains(f));
                of.copied().collect()
            }
            _ => EXTRACT.to_vec(),
        };
        if !known.contains(&field) {
            let what = format!("{} has no field \"{field}\"", value.ty);
            return Err(Issue::new(place, what).help(format!("there are: {}", known.join(", "))));
        }
        let field = Expr::literal(Datum::made(field), Type::Text, place);
        call("extract", vec![field, value], place)
    }

    fn aggregate(
        &mut self,
        function: &ast::Function,
        kind: AggregateFunction,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let name = kind.name();
        let Some(groups) = cx.groups else {
            return Err(
                Issue::new(place, format!("{name}() in {}", cx.clause)).help(match cx.clause {
                    "WHERE" => "conditions on groups stand in HAVING",
                    _ => "compute it in a subquery in FROM",
                }),
            );
        };
        let of_rows = Context {
            groups: None,
            windows: None,
            clock: false,
            clause: "an aggregate",
            ..cx
        };
        let mut of = None;
        let distinct = if let FunctionArguments::List(list) = &function.args {
            let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            let is_star = matches!(
                list.args[..],
                [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
            );
            if !(is_star && kind == AggregateFunction::Count && !distinct) {
                let args = self.arguments(function, name, place)?;
                let [arg] = args[..] else {
                    return Err(Issue::new(place, format!("{name}() takes one argument")));
                };
                of = Some(self.expr(arg, of_rows)?);
            }
            distinct
        } else {
            return Err(Issue::new(place, format!("{name} needs an argument")));
        };
        if let Some(expr) = &mut of
            && expr.ty == Type::Unknown
        {
            *expr = coerce(expr.clone(), Type::Text)?;
        }
        let ty = match (kind, of.as_ref().map(|of| of.ty)) {
            (AggregateFunction::Count, _) => Type::Int8,
            (AggregateFunction::Sum, Some(Type::Int2 | Type::Int4)) => Type::Int8,
            (AggregateFunction::Sum, Some(Type::Int8 | Type::Numeric)) => Type::Numeric,
            (AggregateFunction::Avg, Some(ty)) if ty.is_number() => Type::Numeric,
            (AggregateFunction::Min | AggregateFunction::Max, Some(ty)) if ty != Type::Bool => ty,
            (AggregateFunction::BoolAnd | AggregateFunction::BoolOr, Some(Type::Bool)) => {
                Type::Bool
            }
            (_, ty) => {
                let ty = ty.unwrap_or(Type::Unknown);
                let issue = Issue::new(place, format!("there is no {name}({ty})"));
                return Err(match ty {
                    Type::Bool => issue.help("use bool_and, bool_or, or count(*) FILTER (WHERE …)"),
                    Type::Interval => issue.help("take seconds: extract(epoch FROM …)"),
                    _ => issue.help("cast its argument"),
                });
            }
        };
        let filter = match &function.filter {
            Some(filter) => Some(self.condition(filter, of_rows)?),
            None => None,
        };
        // Least and greatest are the same of different values.
        let distinct = distinct && !matches!(kind, AggregateFunction::Min | AggregateFunction::Max);
        if distinct && of.as_ref().is_some_and(|of| of.ty == Type::Interval) {
            return Err(Issue::new(place, format!("{name}(DISTINCT interval)"))
                .help("take seconds: extract(epoch FROM …)"));
        }
        let nullable = kind != AggregateFunction::Count
            && (filter.is_some()
                || of.as_ref().is_none_or(|of| of.nullable)
                || groups.borrow().keys.is_empty());
        let aggregate = Aggregate {
            function: kind,
            of,
            filter,
            distinct,
            ty,
            place,
        };
        let mut groups = groups.borrow_mut();
        let known = groups
            .aggregates
            .iter()
            .position(|other| *other == aggregate);
        let at = known.unwrap_or_else(|| {
            groups.aggregates.push(aggregate);
            groups.aggregates.len() - 1
        });
        Ok(Expr::column(groups.keys.len() + at, ty, nullable, place))
    }

    fn window(
        &mut self,
        function: &ast::Function,
        name: &str,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let (Some(windows), "row_number") = (cx.windows, name) else {
            if name == "row_number" {
                return Err(
                    Issue::new(place, format!("row_number() in {}", cx.clause)).help(
                        "number the rows in a subquery in FROM, and filter on the number around it",
                    ),
                );
            }
            return Err(Issue::new(place, format!("{name}() OVER (…) is not supported"))
                .help("there is row_number() with a bound; for sums and counts join with a subquery that has GROUP BY"));
        };
        let Some(WindowType::WindowSpec(spec)) = &function.over else {
            return Err(Issue::new(place, "a named window").help("write it after OVER"));
        };
        if spec.window_frame.is_some() || spec.window_name.is_some() {
            return Err(Issue::new(place, "row_number() needs no frame").help("leave it out"));
        }
        if spec.order_by.is_empty() {
            return Err(Issue::new(
                place,
                "row_number() without ORDER BY numbers rows at random",
            )
            .help("write OVER (PARTITION BY … ORDER BY …)"));
        }
        let inner = Context {
            windows: None,
            ..cx
        };
        let mut partition = Vec::new();
        for expr in &spec.partition_by {
            partition.push(self.key(expr, inner)?);
        }
        let order = self.order_by(&spec.order_by, inner)?;
        let mut windows = windows.borrow_mut();
        windows.push(Window { partition, order });
        // Its column is known when all are: until then it counts from the end.
        Ok(Expr::column(
            usize::MAX - (windows.len() - 1),
            Type::Int8,
            false,
            place,
        ))
    }

    /// An expression that rows are grouped by.
    pub(super) fn key(&mut self, ast: &ast::Expr, cx: Context<'_>) -> Result<Expr, Issue> {
        let expr = self.expr(ast, cx)?;
        match expr.ty {
            Type::Interval => Err(Issue::new(
                self.place(ast),
                format!("{} by an interval", cx.clause),
            )
            .help("take seconds: extract(epoch FROM …)")),
            Type::Unknown => coerce(expr, Type::Text),
            _ => Ok(expr),
        }
    }
}

fn check_field(field: &Expr, known: &[&str], what: &str) -> Result<(), Issue> {
    match &field.kind {
        Kind::Literal(Datum::Text(text)) if known.contains(&text.as_str()) => Ok(()),
        Kind::Literal(Datum::Text(text)) => {
            let what = format!("{what} has no field '{}'", text.as_str());
            Err(Issue::new(field.place, what).help(format!("there are: {}", known.join(", "))))
        }
        _ => Err(Issue::new(
            field.place,
            format!("the field of {what} must be written out"),
        )
        .help(format!("there are: {}", known.join(", ")))),
    }
}
