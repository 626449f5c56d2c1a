//! Queries with what stands around a SELECT: WITH, set operations, VALUES.

use sqlparser::ast::{self, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier};

use super::super::problem::Issue;
use super::Resolver;
use super::scope::{Column, Context, Relation, folded};
use super::types::{coerce, common};
use crate::relational::{Datum, Expr, Kind, Place, Plan, Row, Type};

impl Resolver<'_> {
    /// A query with everything around it.
    pub(super) fn query(&mut self, query: &Query) -> Result<Relation, Issue> {
        let place = self.place(query);
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(Issue::new(place, "queries are nested too deeply"));
        }
        let depth = std::mem::take(&mut self.depth);
        let known = self.named.len();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(Issue::new(self.place(with), "WITH RECURSIVE is not supported")
                    .help("join as often as there are steps; `offers` has flights of several legs already"));
            }
            for cte in &with.cte_tables {
                let mut relation = self.query(&cte.query)?;
                for (column, name) in relation.columns.iter_mut().zip(&cte.alias.columns) {
                    column.name = folded(&name.name);
                }
                self.named.push((folded(&cte.alias.name), relation));
            }
        }
        if query.fetch.is_some() || !query.locks.is_empty() || query.for_clause.is_some() {
            return Err(Issue::new(place, "FETCH and FOR are not supported").help("use LIMIT"));
        }
        let (offset, limit) = self.limits(query.limit_clause.as_ref(), place)?;
        let order: &[OrderByExpr] = match query.order_by.as_ref().map(|order| &order.kind) {
            None => &[],
            Some(OrderByKind::Expressions(order)) => order,
            Some(OrderByKind::All(_)) => {
                return Err(Issue::new(place, "ORDER BY ALL").help("name the columns"));
            }
        };
        if let (Some(first), None) = (order.first(), limit)
            && offset == 0
        {
            return Err(Issue::new(
                self.place(first),
                "ORDER BY without LIMIT: a table has no order",
            )
            .help("leave it out and sort when reading, or add LIMIT"));
        }
        if order.is_empty() && (limit.is_some() || offset > 0) {
            return Err(Issue::new(place, "LIMIT without ORDER BY takes any rows")
                .help("say which come first: ORDER BY …"));
        }
        if offset > 0 && limit.is_none() {
            return Err(Issue::new(place, "OFFSET without LIMIT").help("add LIMIT"));
        }
        let mut relation = match &*query.body {
            SetExpr::Select(select) => self.select(select, order, offset..limit.unwrap_or(0))?,
            other => {
                let relation = self.set(other)?;
                self.first(relation, order, offset, limit)?
            }
        };
        for column in &mut relation.columns {
            column.table = None;
        }
        self.named.truncate(known);
        self.depth = depth - 1;
        Ok(relation)
    }

    /// Rows of a relation in order, as far as they are wanted.
    fn first(
        &mut self,
        relation: Relation,
        order: &[OrderByExpr],
        offset: u64,
        limit: Option<u64>,
    ) -> Result<Relation, Issue> {
        let Some(limit) = limit else {
            return Ok(relation);
        };
        let order = self.order_by(order, Context::of(&relation.columns, "ORDER BY"))?;
        Ok(Relation {
            plan: Plan::Top {
                input: relation.plan.into(),
                partition: Vec::new(),
                order,
                offset,
                limit: Some(limit),
                numbered: false,
            },
            columns: relation.columns,
        })
    }

    fn set(&mut self, body: &SetExpr) -> Result<Relation, Issue> {
        let place = self.place(body);
        match body {
            SetExpr::Select(select) => self.select(select, &[], 0..0),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values, place),
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => {
                let (a, b) = (self.set(left)?, self.set(right)?);
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::None | SetQuantifier::Distinct => false,
                    _ => {
                        return Err(Issue::new(
                            place,
                            format!("{op} {set_quantifier} is not supported"),
                        ));
                    }
                };
                if a.columns.len() != b.columns.len() {
                    let what = format!(
                        "{op} of {} columns and {}",
                        a.columns.len(),
                        b.columns.len()
                    );
                    return Err(Issue::new(place, what).help("both sides need the same columns"));
                }
                let (a, b) = self.alike(a, b, &op.to_string(), place)?;
                let mut columns = a.columns;
                for (column, other) in columns.iter_mut().zip(&b.columns) {
                    column.nullable |= other.nullable && *op == SetOperator::Union;
                }
                let plan = match op {
                    SetOperator::Union => {
                        let both = Plan::Union(vec![a.plan, b.plan]);
                        if all {
                            both
                        } else {
                            Plan::Distinct(both.into())
                        }
                    }
                    SetOperator::Except => Plan::Except {
                        left: a.plan.into(),
                        right: b.plan.into(),
                        all,
                    },
                    SetOperator::Intersect | SetOperator::Minus => {
                        return Err(Issue::new(place, format!("{op} is not supported"))
                            .help("use EXISTS for INTERSECT, and EXCEPT for MINUS"));
                    }
                };
                Ok(Relation { plan, columns })
            }
            other => {
                Err(Issue::new(place, format!("not a query: {other}")).help("write one SELECT"))
            }
        }
    }

    /// Two relations with columns of the same types.
    fn alike(
        &self,
        a: Relation,
        b: Relation,
        what: &str,
        place: Place,
    ) -> Result<(Relation, Relation), Issue> {
        let mut types = Vec::new();
        for (x, y) in a.columns.iter().zip(&b.columns) {
            types.push(common(&[x.ty, y.ty], place, what)?);
        }
        let cast = |relation: Relation| -> Result<Relation, Issue> {
            let mut columns = relation.columns;
            let mut outputs = Vec::new();
            for (at, (column, ty)) in columns.iter_mut().zip(&types).enumerate() {
                let expr = Expr::column(at, column.ty, column.nullable, column.place);
                outputs.push(coerce(expr, *ty)?);
                column.ty = *ty;
            }
            let plan = relation.plan.projected(outputs);
            Ok(Relation { plan, columns })
        };
        Ok((cast(a)?, cast(b)?))
    }

    fn values(&mut self, values: &ast::Values, place: Place) -> Result<Relation, Issue> {
        let mut rows: Vec<Vec<Expr>> = Vec::new();
        for row in &values.rows {
            let mut exprs = Vec::new();
            for expr in &row.content {
                let expr = self.expr(expr, Context::of(&[], "VALUES"))?;
                if !matches!(expr.kind, Kind::Literal(_)) {
                    return Err(Issue::new(expr.place, "VALUES takes constants"));
                }
                exprs.push(expr);
            }
            if rows.first().is_some_and(|first| first.len() != exprs.len()) {
                return Err(Issue::new(place, "rows of VALUES differ in length"));
            }
            rows.push(exprs);
        }
        let arity = rows.first().map_or(0, Vec::len);
        let mut columns = Vec::new();
        for at in 0..arity {
            let types: Vec<Type> = rows.iter().map(|row| row[at].ty).collect();
            let ty = common(&types, place, "VALUES")?;
            for row in &mut rows {
                row[at] = coerce(row[at].clone(), ty)?;
            }
            columns.push(Column {
                table: None,
                name: format!("column{}", at + 1),
                ty,
                nullable: rows.iter().any(|row| row[at].nullable),
                hidden: false,
                place,
            });
        }
        let rows = rows.iter().map(|row| {
            let values = row.iter().map(|expr| match &expr.kind {
                Kind::Literal(value) => value.clone(),
                _ => Datum::Null,
            });
            Row::of(&values.collect::<Vec<_>>())
        });
        let plan = Plan::Rows(rows.collect(), arity);
        Ok(Relation { plan, columns })
    }
}
