//! Expressions.

use sqlparser::ast::{self, BinaryOperator, CastKind, CeilFloorKind, TrimWhereField};

use super::super::problem::Issue;
use super::literal::{fit, literal};
use super::operator::{compare, negated_if};
use super::scope::{Context, folded};
use super::types::{call, coerce, convert, unify};
use super::{Resolver, field};
use crate::relational::{Compare, Datum, Expr, Kind, Type};

/// A condition's parts that must all be true.
pub(super) fn conjuncts(expr: &ast::Expr) -> Vec<&ast::Expr> {
    match expr {
        ast::Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            let mut all = conjuncts(left);
            all.extend(conjuncts(right));
            all
        }
        ast::Expr::Nested(inner) => conjuncts(inner),
        other => vec![other],
    }
}

impl Resolver<'_> {
    /// An expression in its context.
    pub(super) fn expr(&mut self, ast: &ast::Expr, cx: Context<'_>) -> Result<Expr, Issue> {
        self.depth += 1;
        if self.depth > super::DEPTH_MAX * 10 {
            let place = self.place(ast);
            return Err(Issue::new(place, "the expression is nested too deeply"));
        }
        let result = match cx.groups {
            Some(_) => self.over_groups(ast, cx),
            None => self.plain(ast, cx),
        };
        self.depth -= 1;
        result
    }

    /// A condition.
    pub(super) fn condition(&mut self, ast: &ast::Expr, cx: Context<'_>) -> Result<Expr, Issue> {
        let expr = self.expr(ast, cx)?;
        if !matches!(expr.ty, Type::Bool | Type::Unknown) {
            let what = format!("{} needs a condition, and this is {}", cx.clause, expr.ty);
            return Err(Issue::new(self.place(ast), what));
        }
        coerce(expr, Type::Bool)
    }

    /// An expression over groups: a key as it stands, an aggregate, or something made of these.
    fn over_groups(&mut self, ast: &ast::Expr, cx: Context<'_>) -> Result<Expr, Issue> {
        let Some(groups) = cx.groups else {
            return self.plain(ast, cx);
        };
        let bare = Context {
            groups: None,
            windows: None,
            ..cx
        };
        let is_call = matches!(ast, ast::Expr::Function(_) | ast::Expr::Nested(_));
        if !is_call || !groups.borrow().keys.is_empty() {
            let place = self.place(ast);
            let depth = self.depth;
            let found = self.plain(ast, bare);
            self.depth = depth;
            match found {
                Ok(expr) if matches!(expr.kind, Kind::Literal(_)) => return Ok(expr),
                Ok(expr) => {
                    let at = groups.borrow().keys.iter().position(|key| *key == expr);
                    if let Some(at) = at {
                        return Ok(Expr::column(at, expr.ty, expr.nullable, place));
                    }
                    if let Kind::Column(_) = expr.kind {
                        let what = format!("{ast} is neither in GROUP BY nor in an aggregate");
                        return Err(Issue::new(place, what)
                            .help(format!("add {ast} to GROUP BY, or take min({ast})")));
                    }
                }
                // A name that nothing has is told as such; other faults are found on the way down.
                Err(issue)
                    if matches!(
                        ast,
                        ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)
                    ) =>
                {
                    return Err(issue);
                }
                Err(_) => {}
            }
        }
        self.plain(ast, cx)
    }

    fn plain(&mut self, ast: &ast::Expr, cx: Context<'_>) -> Result<Expr, Issue> {
        let place = self.place(ast);
        match ast {
            ast::Expr::Identifier(ident) => cx.column(None, &folded(ident), place),
            ast::Expr::CompoundIdentifier(parts) => match &parts[..] {
                [table, column] => cx.column(Some(&folded(table)), &folded(column), place),
                _ => Err(Issue::new(place, format!("{ast}: too many parts"))
                    .help("write alias.column")),
            },
            ast::Expr::Nested(inner) => self.expr(inner, cx),
            ast::Expr::Value(value) => literal(&value.value, place),
            ast::Expr::TypedString(typed) => {
                let ty = self.data_type(&typed.data_type, place)?;
                convert(literal(&typed.value.value, place)?, ty)
            }
            ast::Expr::Interval(interval) => self.interval(interval, place),
            ast::Expr::BinaryOp { left, op, right } => self.binary(left, op, right, place, cx),
            ast::Expr::UnaryOp { op, expr } => self.unary(op, expr, place, cx),
            ast::Expr::IsNull(a) => self.is_null(a, false, place, cx),
            ast::Expr::IsNotNull(a) => self.is_null(a, true, place, cx),
            ast::Expr::IsTrue(a) => self.is(a, true, false, place, cx),
            ast::Expr::IsNotTrue(a) => self.is(a, true, true, place, cx),
            ast::Expr::IsFalse(a) => self.is(a, false, false, place, cx),
            ast::Expr::IsNotFalse(a) => self.is(a, false, true, place, cx),
            ast::Expr::IsDistinctFrom(a, b) => self.same(a, b, true, place, cx),
            ast::Expr::IsNotDistinctFrom(a, b) => self.same(a, b, false, place, cx),
            ast::Expr::InList {
                expr,
                list,
                negated,
            } => {
                let mut all = vec![self.expr(expr, cx)?];
                for item in list {
                    all.push(self.expr(item, cx)?);
                }
                let mut all = unify(all, place, "IN")?.into_iter();
                let Some(value) = all.next() else {
                    return Err(Issue::new(place, "IN needs a value"));
                };
                let tests: Result<Vec<Expr>, Issue> = all
                    .map(|item| compare(Compare::Eq, value.clone(), item, place))
                    .collect();
                let tests = tests?;
                let nullable = tests.iter().any(|test| test.nullable);
                let found = Expr::truth(Kind::Or(tests), nullable, place);
                Ok(negated_if(*negated, found))
            }
            ast::Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let value = self.expr(expr, cx)?;
                let (low, high) = (self.expr(low, cx)?, self.expr(high, cx)?);
                let low = compare(Compare::Ge, value.clone(), low, place)?;
                let high = compare(Compare::Le, value, high, place)?;
                let nullable = low.nullable || high.nullable;
                let within = Expr::truth(Kind::And(vec![low, high]), nullable, place);
                Ok(negated_if(*negated, within))
            }
            ast::Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like("like", expr, pattern, *negated, place, cx),
            ast::Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like("ilike", expr, pattern, *negated, place, cx),
            ast::Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon,
                expr,
                data_type,
                ..
            } => {
                let value = self.expr(expr, cx)?;
                let ty = self.data_type(data_type, place)?;
                let value = convert(value, ty)?;
                fit(value, data_type, place)
            }
            ast::Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref(), place, cx),
            ast::Expr::Extract {
                field: name, expr, ..
            } => {
                let value = self.expr(expr, cx)?;
                field::extract(&name.to_string(), value, place)
            }
            ast::Expr::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime),
            } => call("ceil", vec![self.expr(expr, cx)?], place),
            ast::Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime),
            } => call("floor", vec![self.expr(expr, cx)?], place),
            ast::Expr::Position { expr, r#in } => {
                let (part, text) = (self.expr(expr, cx)?, self.expr(r#in, cx)?);
                call("strpos", vec![text, part], place)
            }
            ast::Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let mut args = vec![self.expr(expr, cx)?];
                match substring_from {
                    Some(from) => args.push(self.expr(from, cx)?),
                    None => args.push(Expr::literal(Datum::Int(1), Type::Int4, place)),
                }
                if let Some(len) = substring_for {
                    args.push(self.expr(len, cx)?);
                }
                call("substring", args, place)
            }
            ast::Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters: None,
            } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "btrim",
                };
                let mut args = vec![self.expr(expr, cx)?];
                if let Some(what) = trim_what {
                    args.push(self.expr(what, cx)?);
                }
                call(name, args, place)
            }
            ast::Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let is_utc = time_zone.to_string().to_lowercase() == "'utc'";
                if !is_utc {
                    return Err(Issue::new(place, "AT TIME ZONE of another zone than 'UTC'").help(
                        "`legs` and `offers` have departs_local and arrives_local, on the clocks of their stations",
                    ));
                }
                let value = self.expr(timestamp, cx)?;
                match value.ty {
                    Type::TimestampTz => convert(value, Type::Timestamp),
                    _ => convert(coerce(value, Type::Timestamp)?, Type::TimestampTz),
                }
            }
            ast::Expr::Function(function) => self.function(function, place, cx),
            ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => Err(Issue::new(
                place,
                format!("a subquery inside {}", cx.clause),
            )
            .help("EXISTS and IN (SELECT …) stand alone in WHERE, with AND between: take it out of OR, CASE and the like, or use a LEFT JOIN")),
            ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_) => {
                Err(Issue::new(place, "ROLLUP, CUBE and GROUPING SETS are not supported")
                    .help("write a SELECT for each grouping, with UNION ALL between"))
            }
            ast::Expr::Subquery(_) => Err(Issue::new(place, "a subquery as a value").help(
                "join with it: `… CROSS JOIN (SELECT max(x) AS x FROM …) AS m` for one value, LEFT JOIN with GROUP BY for one a row",
            )),
            other => Err(Issue::new(place, format!("not supported: {other}"))
                .help("docs/views.md lists what expressions can be made of")),
        }
    }
}
