//! What is computed of several rows: aggregates, numberings, and the keys of groups.

use std::iter;

use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments, WindowType,
};

use super::super::problem::Issue;
use super::Resolver;
use super::call::name_of;
use super::scope::{Context, Window};
use super::types::coerce;
use crate::relational::plan::{Aggregate, AggregateFunction};
use crate::relational::{Expr, Place, Type};

pub(super) fn aggregate_function(name: &str) -> Option<AggregateFunction> {
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
        | E::AtTimeZone {
            timestamp: expr, ..
        } => vec![expr],
        E::Trim {
            expr, trim_what, ..
        } => iter::once(expr).chain(trim_what).map(|e| &**e).collect(),
        E::Substring {
            expr,
            substring_from,
            substring_for,
            ..
        } => {
            let bounds = substring_from.iter().chain(substring_for);
            iter::once(expr).chain(bounds).map(|e| &**e).collect()
        }
        E::Position { expr, r#in } => vec![expr, r#in],
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
    pub(super) fn aggregate(
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

    pub(super) fn window(
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
