//! `EXISTS` and `IN (SELECT …)`: rows that have a partner, or none.

use sqlparser::ast::{self, GroupByExpr, Query, Select, SelectItem, SetExpr, UnaryOperator};

use super::super::problem::Issue;
use super::Resolver;
use super::group::has_aggregate;
use super::operator::compare;
use super::scope::{Column, Context, Relation};
use crate::relational::plan::{JoinKind, equality};
use crate::relational::{Compare, Expr, Kind, Place, Plan};

/// Is it a test on a subquery that can stand in WHERE?
pub(super) fn is_test(part: &ast::Expr) -> bool {
    match part {
        ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => true,
        ast::Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => is_test(expr),
        ast::Expr::Nested(inner) => is_test(inner),
        _ => false,
    }
}

/// A SELECT whose rows are those of FROM and WHERE, so that conditions on the query around can be
/// taken out of it.
fn plain(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(keys, more) if keys.is_empty() && more.is_empty());
    let has_aggregates = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            has_aggregate(expr)
        }
        _ => false,
    });
    let is_plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && !is_grouped
        && !has_aggregates
        && select.having.is_none();
    is_plain.then_some(select)
}

impl Resolver<'_> {
    /// Keeps the rows for which a test on a subquery holds.
    pub(super) fn subquery_test(
        &mut self,
        relation: Relation,
        part: &ast::Expr,
    ) -> Result<Relation, Issue> {
        self.test(relation, part, false)
    }

    fn test(&mut self, left: Relation, part: &ast::Expr, not: bool) -> Result<Relation, Issue> {
        let place = self.place(part);
        match part {
            ast::Expr::Nested(inner) => self.test(left, inner, not),
            ast::Expr::UnaryOp { expr, .. } => self.test(left, expr, !not),
            ast::Expr::Exists { subquery, negated } => {
                let (right, correlated) = self.inner(subquery, &left.columns, place)?;
                join(left, right, correlated, not != *negated)
            }
            ast::Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let not = not != *negated;
                let value = self.expr(expr, Context::of(&left.columns, "IN"))?;
                let (right, mut correlated, found) =
                    self.inner_value(subquery, &left.columns, place)?;
                if not && (value.nullable || found.nullable) {
                    return Err(Issue::new(place, "NOT IN where a NULL may be: it would then let no row pass")
                        .help("use NOT EXISTS (SELECT … WHERE inner = outer), or exclude NULLs on both sides with IS NOT NULL"));
                }
                // The value of the query around, as seen from the subquery.
                let mut value = value;
                value.replace_columns(&|at| Some(Kind::Outer(at)));
                correlated.push(compare(Compare::Eq, found, value, place)?);
                join(left, right, correlated, not)
            }
            _ => Err(Issue::new(place, "not a test on a subquery")),
        }
    }

    /// The subquery's rows, and the conditions that tie them to the query around.
    fn inner(
        &mut self,
        query: &Query,
        outer: &[Column],
        place: Place,
    ) -> Result<(Relation, Vec<Expr>), Issue> {
        let Some(select) = plain(query) else {
            let _ = place;
            return Ok((self.query(query)?, Vec::new()));
        };
        self.check_select(select)?;
        let relation = self.from(select, place)?;
        self.filter(relation, select.selection.as_ref(), Some(outer))
    }

    fn inner_value(
        &mut self,
        query: &Query,
        outer: &[Column],
        place: Place,
    ) -> Result<(Relation, Vec<Expr>, Expr), Issue> {
        let one = || Issue::new(place, "IN needs a subquery of one column");
        let Some(select) = plain(query) else {
            let relation = self.query(query)?;
            let [column] = &relation.columns[..] else {
                return Err(one());
            };
            let found = Expr::column(0, column.ty, column.nullable, place);
            return Ok((relation, Vec::new(), found));
        };
        let (relation, correlated) = self.inner(query, outer, place)?;
        let item = match &select.projection[..] {
            [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] => expr,
            _ => return Err(one()),
        };
        let cx = Context::of(&relation.columns, "the subquery of IN");
        let found = self.expr(item, cx)?;
        Ok((relation, correlated, found))
    }
}

/// Puts the subquery's rows behind those of the query around, and joins.
fn join(
    left: Relation,
    right: Relation,
    correlated: Vec<Expr>,
    not: bool,
) -> Result<Relation, Issue> {
    let split = left.columns.len();
    let (mut on, mut residual) = (Vec::new(), Vec::new());
    for condition in correlated {
        let mut condition = condition.shifted(split);
        place_outer(&mut condition);
        match equality(&condition, split) {
            Some(pair) => on.push(pair),
            None => residual.push(condition),
        }
    }
    let kind = if not { JoinKind::Anti } else { JoinKind::Semi };
    Ok(Relation {
        plan: Plan::Join {
            kind,
            left: left.plan.into(),
            right: right.plan.into(),
            on,
            residual,
        },
        columns: left.columns,
    })
}

/// Columns of the query around are now the first ones of the row.
fn place_outer(expr: &mut Expr) {
    if let Kind::Outer(at) = expr.kind {
        expr.kind = Kind::Column(at);
        return;
    }
    for part in expr.parts_mut() {
        place_outer(part);
    }
}
