//! Operators, tests and CASE.

use sqlparser::ast::{self, BinaryOperator, CaseWhen, UnaryOperator, Value};

use super::super::problem::Issue;
use super::Resolver;
use super::literal::number;
use super::scope::Context;
use super::types::{call, convert, unify};
use crate::relational::{Compare, Datum, Expr, Kind, Place, Type};

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

pub(super) fn negated_if(negated: bool, expr: Expr) -> Expr {
    if negated { not(expr) } else { expr }
}

impl Resolver<'_> {
    pub(super) fn binary(
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

    pub(super) fn unary(
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

    pub(super) fn is_null(
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

    pub(super) fn is(
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

    pub(super) fn same(
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

    pub(super) fn like(
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

    pub(super) fn case(
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
}
