//! Expressions.

use sqlparser::ast::{
    self, BinaryOperator, CaseWhen, CastKind, CeilFloorKind, DataType, ExactNumberInfo, Spanned,
    TimezoneInfo, TrimWhereField, UnaryOperator, Value,
};

use super::super::problem::Issue;
use super::Resolver;
use super::scope::{Context, folded};
use super::types::{call, coerce, convert, made, unify};
use crate::relational::calendar::Interval;
use crate::relational::functions::cast;
use crate::relational::{Compare, Datum, Decimal, Expr, Kind, Place, Type};

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

pub(super) fn compare_op(op: &BinaryOperator) -> Option<Compare> {
    Some(match op {
        BinaryOperator::Eq => Compare::Eq,
        BinaryOperator::NotEq => Compare::Ne,
        BinaryOperator::Lt => Compare::Lt,
        BinaryOperator::LtEq => Compare::Le,
        BinaryOperator::Gt => Compare::Gt,
        BinaryOperator::GtEq => Compare::Ge,
        _ => return None,
    })
}

/// Compares two expressions once they are of one type.
pub(super) fn compare(op: Compare, a: Expr, b: Expr, place: Place) -> Result<Expr, Issue> {
    let what = format!("{} {} {}", a.ty, op.symbol(), b.ty);
    let mut both = unify(vec![a, b], place, &what)?;
    let (Some(b), Some(a)) = (both.pop(), both.pop()) else {
        return Err(Issue::new(place, "a comparison needs two sides"));
    };
    let nullable = a.nullable || b.nullable;
    // Constants on the right, where filters look for them.
    Ok(match (&a.kind, &b.kind) {
        (Kind::Literal(_), kind) if !matches!(kind, Kind::Literal(_)) => Expr::truth(
            Kind::Compare(op.flipped(), b.into(), a.into()),
            nullable,
            place,
        ),
        _ => Expr::truth(Kind::Compare(op, a.into(), b.into()), nullable, place),
    })
}

pub(super) fn not(expr: Expr) -> Expr {
    let (nullable, place) = (expr.nullable, expr.place);
    Expr::truth(Kind::Not(expr.into()), nullable, place)
}

fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
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
            ast::Expr::Extract { field, expr, .. } => {
                let value = self.expr(expr, cx)?;
                self.extract(&field.to_string(), value, place)
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

    fn binary(
        &mut self,
        left: &ast::Expr,
        op: &BinaryOperator,
        right: &ast::Expr,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let kind: Option<fn(Vec<Expr>) -> Kind> = match op {
            BinaryOperator::And => Some(Kind::And),
            BinaryOperator::Or => Some(Kind::Or),
            _ => None,
        };
        if let Some(kind) = kind {
            let both = vec![self.condition(left, cx)?, self.condition(right, cx)?];
            let nullable = both.iter().any(|part| part.nullable);
            return Ok(Expr::truth(kind(both), nullable, place));
        }
        let (a, b) = (self.expr(left, cx)?, self.expr(right, cx)?);
        if let Some(op) = compare_op(op) {
            return compare(op, a, b, place);
        }
        let name = match op {
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => {
                // What is put together with a text becomes one.
                let text = |expr: Expr| convert(expr, Type::Text);
                if ![a.ty, b.ty]
                    .iter()
                    .any(|ty| matches!(ty, Type::Text | Type::Unknown))
                {
                    let what = format!("there is no {} || {}", a.ty, b.ty);
                    return Err(Issue::new(place, what).help("cast one side to text"));
                }
                return call("||", vec![text(a)?, text(b)?], place);
            }
            BinaryOperator::PGLikeMatch => return call("like", vec![a, b], place),
            BinaryOperator::PGNotLikeMatch => return Ok(not(call("like", vec![a, b], place)?)),
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => {
                return Err(Issue::new(place, "regular expressions are not supported")
                    .help("use LIKE, starts_with, substr or split_part"));
            }
            other => {
                return Err(
                    Issue::new(place, format!("the operator {other} is not supported"))
                        .help("docs/views.md lists the operators"),
                );
            }
        };
        call(name, vec![a, b], place)
    }

    fn unary(
        &mut self,
        op: &UnaryOperator,
        of: &ast::Expr,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        match op {
            UnaryOperator::Not => Ok(not(self.condition(of, cx)?)),
            UnaryOperator::Plus => self.expr(of, cx),
            UnaryOperator::Minus => {
                // The least integer has no positive counterpart: the sign belongs to the number.
                if let ast::Expr::Value(value) = of
                    && let Value::Number(digits, _) = &value.value
                {
                    return number(&format!("-{digits}"), place);
                }
                let value = self.expr(of, cx)?;
                call("-", vec![value], place)
            }
            other => Err(Issue::new(
                place,
                format!("the operator {other} is not supported"),
            )),
        }
    }

    fn is_null(
        &mut self,
        of: &ast::Expr,
        negated: bool,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let of = self.expr(of, cx)?;
        let test = Expr::truth(Kind::IsNull(of.into()), false, place);
        Ok(negated_if(negated, test))
    }

    fn is(
        &mut self,
        of: &ast::Expr,
        truth: bool,
        negated: bool,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let of = self.condition(of, cx)?;
        let test = Expr::truth(Kind::Is(truth, of.into()), false, place);
        Ok(negated_if(negated, test))
    }

    fn same(
        &mut self,
        a: &ast::Expr,
        b: &ast::Expr,
        negated: bool,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let both = vec![self.expr(a, cx)?, self.expr(b, cx)?];
        let mut both = unify(both, place, "IS DISTINCT FROM")?.into_iter();
        match (both.next(), both.next()) {
            (Some(a), Some(b)) => {
                let test = Expr::truth(Kind::Same(a.into(), b.into()), false, place);
                Ok(negated_if(negated, test))
            }
            _ => Err(Issue::new(place, "a comparison needs two sides")),
        }
    }

    fn like(
        &mut self,
        name: &str,
        text: &ast::Expr,
        pattern: &ast::Expr,
        negated: bool,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let args = vec![self.expr(text, cx)?, self.expr(pattern, cx)?];
        Ok(negated_if(negated, call(name, args, place)?))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&ast::Expr>,
        place: Place,
        cx: Context<'_>,
    ) -> Result<Expr, Issue> {
        let operand = operand.map(|operand| self.expr(operand, cx)).transpose()?;
        let mut when = Vec::new();
        let mut then = Vec::new();
        for branch in conditions {
            when.push(match &operand {
                Some(operand) => {
                    let value = self.expr(&branch.condition, cx)?;
                    compare(Compare::Eq, operand.clone(), value, place)?
                }
                None => self.condition(&branch.condition, cx)?,
            });
            then.push(self.expr(&branch.result, cx)?);
        }
        then.push(match otherwise {
            Some(otherwise) => self.expr(otherwise, cx)?,
            None => Expr::literal(Datum::Null, Type::Unknown, place),
        });
        let mut then = unify(then, place, "CASE")?;
        let nullable = then.iter().any(|expr| expr.nullable);
        let Some(otherwise) = then.pop() else {
            return Err(Issue::new(place, "CASE needs a branch"));
        };
        let ty = otherwise.ty;
        let branches = when.into_iter().zip(then).collect();
        Ok(Expr {
            kind: Kind::Case(branches, otherwise.into()),
            ty,
            nullable,
            place,
        })
    }

    fn interval(&mut self, interval: &ast::Interval, place: Place) -> Result<Expr, Issue> {
        let ast::Expr::Value(value) = &*interval.value else {
            return Err(Issue::new(place, "an interval that is computed")
                .help("multiply instead: x * INTERVAL '1 hour'"));
        };
        let text = match &value.value {
            Value::SingleQuotedString(text) => text.clone(),
            other => other.to_string(),
        };
        let parsed = match &interval.leading_field {
            Some(unit) => Interval::of(text.trim(), &unit.to_string()),
            None => Interval::parse(&text),
        };
        match parsed {
            Some(value) => Ok(Expr::literal(Datum::Interval(value), Type::Interval, place)),
            None => Err(Issue::new(place, format!("'{text}' is no interval"))
                .help("write such as INTERVAL '1 day 02:30' or INTERVAL '90 minutes'")),
        }
    }

    /// The type that a cast or a literal names.
    pub(super) fn data_type(&self, ty: &DataType, place: Place) -> Result<Type, Issue> {
        Ok(match ty {
            DataType::Bool | DataType::Boolean => Type::Bool,
            DataType::Int2(_) | DataType::SmallInt(_) => Type::Int2,
            DataType::Int(_) | DataType::Int4(_) | DataType::Integer(_) => Type::Int4,
            DataType::Int8(_) | DataType::BigInt(_) => Type::Int8,
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => Type::Numeric,
            DataType::Text | DataType::Varchar(None) | DataType::CharacterVarying(None) => {
                Type::Text
            }
            DataType::Date => Type::Date,
            DataType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                Type::Timestamp
            }
            DataType::Timestamp(None, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
                Type::TimestampTz
            }
            DataType::Interval {
                fields: None,
                precision: None,
            } => Type::Interval,
            DataType::Float(_)
            | DataType::Real
            | DataType::Float4
            | DataType::Float8
            | DataType::Double(_)
            | DataType::DoublePrecision => {
                return Err(Issue::new(place, format!("the type {ty}: floating point is not exact, and its sums depend on the order of rows"))
                    .help("use numeric"));
            }
            other => {
                return Err(Issue::new(place, format!("the type {other} is not supported")).help(
                    "there are boolean, smallint, integer, bigint, numeric, text, date, timestamp, timestamptz and interval",
                ));
            }
        })
    }
}

/// `numeric(p, s)` rounds, and refuses what is too large.
fn fit(value: Expr, ty: &DataType, place: Place) -> Result<Expr, Issue> {
    let (DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info)) = ty else {
        return Ok(value);
    };
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(value),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if !(1..=38).contains(&precision) || !(0..=precision as i64).contains(&scale) {
        return Err(Issue::new(place, format!("{ty}: more than there can be"))
            .help("numeric has 1 to 38 digits, and no more decimals than digits"));
    }
    let int = |n: i64| Expr::literal(Datum::Int(n), Type::Int4, place);
    Ok(made(
        &cast::FIT,
        vec![value, int(precision as i64), int(scale)],
        place,
    ))
}

fn number(digits: &str, place: Place) -> Result<Expr, Issue> {
    if let Ok(value) = digits.parse::<i64>() {
        let ty = match i32::try_from(value) {
            Ok(_) => Type::Int4,
            Err(_) => Type::Int8,
        };
        return Ok(Expr::literal(Datum::Int(value), ty, place));
    }
    match Decimal::parse(digits) {
        Some(value) => Ok(Expr::literal(Datum::Decimal(value), Type::Numeric, place)),
        None => Err(Issue::new(
            place,
            format!("{digits} is no number of at most 38 digits"),
        )),
    }
}

fn literal(value: &Value, place: Place) -> Result<Expr, Issue> {
    Ok(match value {
        Value::Number(digits, _) => return number(digits, place),
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
            Expr::literal(Datum::made(text.as_str()), Type::Unknown, place)
        }
        Value::DollarQuotedString(text) => {
            Expr::literal(Datum::made(text.value.as_str()), Type::Unknown, place)
        }
        Value::Boolean(value) => Expr::literal(Datum::Bool(*value), Type::Bool, place),
        Value::Null => Expr::literal(Datum::Null, Type::Unknown, place),
        Value::Placeholder(name) => {
            return Err(
                Issue::new(place, format!("a view has no parameters ({name})"))
                    .help("write the value itself"),
            );
        }
        other => return Err(Issue::new(place, format!("not supported: {other}"))),
    })
}

/// The place where something was written.
pub(super) fn start_of(of: &impl Spanned) -> sqlparser::tokenizer::Span {
    of.span()
}
