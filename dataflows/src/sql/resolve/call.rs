//! Calls of functions.

use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart};

use super::super::problem::Issue;
use super::field::{TRUNC, check_field};
use super::group::aggregate_function;
use super::operator::compare;
use super::scope::{Context, folded};
use super::types::{call, convert, unify};
use super::{Resolver, unknown};
use crate::relational::functions::all;
use crate::relational::{Compare, Datum, Expr, Kind, Place, Type};

/// A function's name, as it is known.
pub(super) fn name_of(function: &ast::Function) -> String {
    match &function.name.0[..] {
        [ObjectNamePart::Identifier(name)] => folded(name),
        _ => function.name.to_string(),
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
            return Err(unknown::function(&name, place));
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
                let same = compare(Compare::Eq, a.clone(), b, place)?;
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
            _ => Err(unknown::function(&name, place)),
        }
    }

    pub(super) fn arguments<'f>(
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
}
