//! Conditions on `now()`: between which instants of the stream's clock a row is seen.
//!
//! `bound > now()` holds until `bound`; `bound <= now()` holds from `bound` on. Everything that is added to
//! `now()` is taken to the other side.

use super::super::problem::Issue;
use super::types::{call, coerce};
use crate::relational::calendar::Interval;
use crate::relational::{Compare, Datum, Expr, Kind, Place, Type};

/// When a condition holds.
pub(super) enum Span {
    /// From this instant on.
    From(Expr),
    /// Before this instant.
    Until(Expr),
}

const HELP: &str = "write such as `departs_at > now() + INTERVAL '2 hours'` or `date >= current_date`, alone or with AND";

fn has_now(expr: &Expr) -> bool {
    expr.any(|part| matches!(part.kind, Kind::Now))
}

/// The instants that a condition with `now()` in it follows from.
pub(super) fn spans(condition: Expr) -> Result<Vec<Span>, Issue> {
    let place = condition.place;
    match condition.kind {
        Kind::And(all) => {
            let mut spans = Vec::new();
            for part in all {
                if !has_now(&part) {
                    return Err(
                        Issue::new(place, "a condition that is only in part on now()")
                            .help("put AND between them at the top of WHERE"),
                    );
                }
                spans.extend(self::spans(part)?);
            }
            Ok(spans)
        }
        Kind::Compare(op, a, b) => {
            let (op, bound, now) = match (has_now(&a), has_now(&b)) {
                (false, true) => (op, *a, *b),
                (true, false) => (op.flipped(), *b, *a),
                _ => {
                    return Err(Issue::new(place, "now() on both sides").help(HELP));
                }
            };
            one(op, bound, now, place)
        }
        _ => Err(Issue::new(place, "now() in a condition that is no plain comparison").help(HELP)),
    }
}

/// `bound op now`.
fn one(op: Compare, mut bound: Expr, mut now: Expr, place: Place) -> Result<Vec<Span>, Issue> {
    let minus = |from: Expr, by: Expr| call("-", vec![from, by], place);
    let plus = |to: Expr, by: Expr| call("+", vec![to, by], place);
    // Days count from midnight, instants as they are.
    let mut of_days = false;
    loop {
        let here = now.place;
        match now.kind {
            Kind::Now => break,
            Kind::Call(function, mut args) => match (function.name, args.len()) {
                ("cast", 1) => {
                    if function.result == Type::Date {
                        of_days = true;
                    } else if function.args == [Type::Date] {
                        // A day as an instant is its midnight: only days can be compared with days.
                        return Err(Issue::new(here, "current_date beside an instant")
                            .help("compare days with days: `departs_at::date >= current_date`"));
                    }
                    now = args.remove(0);
                }
                ("+", 2) => {
                    let (a, b) = (args.remove(0), args.remove(0));
                    let (inner, by) = if has_now(&a) { (a, b) } else { (b, a) };
                    check_shift(&by, here)?;
                    bound = minus(bound, by)?;
                    now = inner;
                }
                ("-", 2) => {
                    let (a, b) = (args.remove(0), args.remove(0));
                    if has_now(&b) {
                        return Err(Issue::new(here, "now() is subtracted").help(HELP));
                    }
                    check_shift(&b, here)?;
                    bound = plus(bound, b)?;
                    now = a;
                }
                (name, _) => {
                    return Err(Issue::new(here, format!("{name} of now()")).help(HELP));
                }
            },
            _ => return Err(Issue::new(here, "now() inside another expression").help(HELP)),
        }
    }
    if of_days {
        // bound > today until its midnight; bound >= today until the midnight after.
        let day = coerce(bound, Type::Date)?;
        let instant = |day: Expr| coerce(day, Type::TimestampTz);
        let next = |day: Expr| plus(day, Expr::literal(Datum::Int(1), Type::Int4, place));
        return Ok(match op {
            Compare::Gt => vec![Span::Until(instant(day)?)],
            Compare::Ge => vec![Span::Until(instant(next(day)?)?)],
            Compare::Le => vec![Span::From(instant(day)?)],
            Compare::Lt => vec![Span::From(instant(next(day)?)?)],
            Compare::Eq => vec![
                Span::From(instant(day.clone())?),
                Span::Until(instant(next(day)?)?),
            ],
            Compare::Ne => return Err(Issue::new(place, "<> on now()").help(HELP)),
        });
    }
    let bound = coerce(bound, Type::TimestampTz)?;
    let just_after = |bound: Expr| {
        let micro = Interval {
            micros: 1,
            ..Interval::default()
        };
        plus(
            bound,
            Expr::literal(Datum::Interval(micro), Type::Interval, place),
        )
    };
    Ok(match op {
        Compare::Gt => vec![Span::Until(bound)],
        Compare::Ge => vec![Span::Until(just_after(bound)?)],
        Compare::Le => vec![Span::From(bound)],
        Compare::Lt => vec![Span::From(just_after(bound)?)],
        Compare::Eq | Compare::Ne => {
            return Err(Issue::new(place, format!("{} on now()", op.symbol())).help(HELP));
        }
    })
}

/// What is added to now() can be taken to the other side, unless it has months, which differ in length.
fn check_shift(by: &Expr, place: Place) -> Result<(), Issue> {
    match (&by.kind, by.ty) {
        (Kind::Literal(Datum::Interval(interval)), _) if interval.months == 0 => Ok(()),
        (_, Type::Int2 | Type::Int4) => Ok(()),
        (Kind::Literal(_), _) => Err(Issue::new(place, "now() and months: they differ in length")
            .help("use days: INTERVAL '30 days'")),
        (_, Type::Interval) => Err(Issue::new(place, "now() and an interval that is computed")
            .help("put what is computed on the other side: `departs_at - x > now()`")),
        _ => Err(Issue::new(place, "now() inside another expression").help(HELP)),
    }
}
