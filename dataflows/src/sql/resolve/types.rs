//! Types: what stands for what without being asked, and what must be cast.

use super::super::problem::Issue;
use crate::relational::functions::{Function, all, cast};
use crate::relational::{Datum, Expr, Kind, Place, Type};

/// How much it costs to take a value of one type for one of another; `None` = it is not done unasked.
fn cost(from: Type, to: Type) -> Option<u32> {
    use Type::{Date, Int2, Int4, Int8, Numeric, Timestamp, TimestampTz, Unknown};
    Some(match (from, to) {
        (a, b) if a == b => 0,
        (Unknown, _) => 1,
        (Int2, Int4) | (Int4, Int8) | (Int8, Numeric) => 1,
        (Int2, Int8) | (Int4, Numeric) => 2,
        (Int2, Numeric) => 3,
        // PostgreSQL prefers the type with a zone.
        (Date, TimestampTz) => 1,
        (Date, Timestamp) | (Timestamp, TimestampTz) => 2,
        _ => return None,
    })
}

/// The expression as another type, if that is done unasked.
pub(crate) fn coerce(expr: Expr, to: Type) -> Result<Expr, Issue> {
    if expr.ty == to {
        return Ok(expr);
    }
    if cost(expr.ty, to).is_none() {
        let what = format!("{} where {to} is needed", expr.ty);
        return Err(Issue::new(expr.place, what).help(format!("cast it: CAST(… AS {to})")));
    }
    convert(expr, to)
}

/// The expression as another type, as a cast asks for it.
pub(super) fn convert(expr: Expr, to: Type) -> Result<Expr, Issue> {
    if expr.ty == to {
        return Ok(expr);
    }
    let place = expr.place;
    if expr.ty == Type::Unknown {
        return match &expr.kind {
            Kind::Literal(Datum::Text(text)) => {
                let value = cast::parse(text.as_str(), to);
                let value = value.map_err(|what| Issue::new(place, what))?;
                Ok(Expr::literal(value, to, place))
            }
            _ => Ok(Expr { ty: to, ..expr }),
        };
    }
    let Some(function) = cast::find(expr.ty, to) else {
        let what = format!("{} cannot be cast to {to}", expr.ty);
        return Err(Issue::new(place, what));
    };
    // What is constant is computed here, so that plans show it and filters recognise it.
    if let Kind::Literal(value) = &expr.kind {
        if value.is_null() {
            return Ok(Expr { ty: to, ..expr });
        }
        let value = (function.eval)(std::slice::from_ref(value));
        let value = value.map_err(|what| Issue::new(place, what))?;
        return Ok(Expr::literal(value, to, place));
    }
    Ok(Expr {
        nullable: expr.nullable,
        kind: Kind::Call(function, vec![expr]),
        ty: to,
        place,
    })
}

/// The type that all of them can be taken for.
pub(super) fn common(types: &[Type], place: Place, what: &str) -> Result<Type, Issue> {
    let mut all = Type::Unknown;
    for ty in types {
        all = match (all, *ty) {
            (Type::Unknown, ty) => ty,
            (all, Type::Unknown) => all,
            (all, ty) if cost(ty, all).is_some() => all,
            (all, ty) if cost(all, ty).is_some() => ty,
            (all, ty) => {
                let what = format!("{what}: {all} and {ty} have no type in common");
                return Err(
                    Issue::new(place, what).help("cast one of them, such as CAST(… AS text)")
                );
            }
        };
    }
    Ok(match all {
        Type::Unknown => Type::Text,
        all => all,
    })
}

/// All of them as the type that they have in common.
pub(super) fn unify(exprs: Vec<Expr>, place: Place, what: &str) -> Result<Vec<Expr>, Issue> {
    let types: Vec<Type> = exprs.iter().map(|expr| expr.ty).collect();
    let ty = common(&types, place, what)?;
    exprs.into_iter().map(|expr| coerce(expr, ty)).collect()
}

/// A call of the function of this name that fits the arguments best.
pub(crate) fn call(name: &str, args: Vec<Expr>, place: Place) -> Result<Expr, Issue> {
    let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    let other = |at: usize| args.get(1 - at.min(1)).map(|arg| arg.ty);
    let price = |function: &Function| -> Option<u32> {
        if function.args.len() != args.len() {
            return None;
        }
        let each = args.iter().zip(function.args).enumerate();
        each.map(|(at, (arg, wanted))| match arg.ty {
            // A literal in quotes beside an operand is taken for the same, if that works.
            Type::Unknown if is_operator && other(at) == Some(*wanted) => Some(0),
            from => cost(from, *wanted),
        })
        .sum()
    };
    let named = || all().filter(|function| function.name == name);
    let best = named().filter_map(|function| Some((price(function)?, function)));
    let Some((_, function)) = best.min_by_key(|(price, _)| *price) else {
        return Err(no_such(name, &args, place));
    };
    let args: Result<Vec<Expr>, Issue> = args
        .into_iter()
        .zip(function.args)
        .map(|(arg, ty)| coerce(arg, *ty))
        .collect();
    Ok(made(function, args?, place))
}

/// A call; computed at once when nothing in it varies.
pub(super) fn made(function: &'static Function, args: Vec<Expr>, place: Place) -> Expr {
    let constants: Option<Vec<Datum<'static>>> = args
        .iter()
        .map(|arg| match &arg.kind {
            Kind::Literal(value) if !value.is_null() => Some(value.clone()),
            _ => None,
        })
        .collect();
    if let Some(constants) = constants
        && let Ok(value) = (function.eval)(&constants)
    {
        return Expr::literal(value.into_owned(), function.result, place);
    }
    Expr {
        nullable: function.may_be_null || args.iter().any(|arg| arg.nullable),
        ty: function.result,
        kind: Kind::Call(function, args),
        place,
    }
}

fn no_such(name: &str, args: &[Expr], place: Place) -> Issue {
    let types: Vec<&str> = args.iter().map(|arg| arg.ty.name()).collect();
    let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    let what = match &types[..] {
        [a, b] if is_operator => format!("there is no {a} {name} {b}"),
        [a] if is_operator => format!("there is no {name} {a}"),
        types => format!("there is no {name}({})", types.join(", ")),
    };
    let known: Vec<String> = all()
        .filter(|function| function.name == name && function.args.len() == args.len())
        .map(|function| {
            let types: Vec<&str> = function.args.iter().map(|ty| ty.name()).collect();
            match &types[..] {
                [a, b] if is_operator => format!("{a} {name} {b}"),
                types => format!("{name}({})", types.join(", ")),
            }
        })
        .collect();
    let issue = Issue::new(place, what);
    if known.is_empty() {
        return issue.help(format!(
            "{name} takes another number of arguments: see docs/views.md"
        ));
    }
    issue.help(format!(
        "cast the arguments; there are: {}",
        known.join(", ")
    ))
}
