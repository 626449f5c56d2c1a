//! FROM: relations, subqueries and joins.

use sqlparser::ast::{
    self, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Select, TableAlias,
    TableFactor, TableWithJoins,
};

use super::super::problem::{Issue, nearest};
use super::Resolver;
use super::expr::conjuncts;
use super::operator::compare;
use super::scope::{Column, Context, Relation, folded, refine};
use crate::relational::plan::{JoinKind, equality};
use crate::relational::{Compare, Expr, Kind, Place, Plan};

impl Resolver<'_> {
    /// Everything in FROM, put together.
    pub(super) fn from(&mut self, select: &Select, place: Place) -> Result<Relation, Issue> {
        let mut all: Option<Relation> = None;
        for table in &select.from {
            let next = self.joined(table)?;
            all = Some(match all {
                None => next,
                Some(before) => {
                    self.check_names(&before, &next)?;
                    cross(before, next)
                }
            });
        }
        match all {
            Some(all) => Ok(all),
            // One row without columns.
            None => {
                let _ = place;
                let row = crate::relational::Row::of([]);
                Ok(Relation {
                    plan: Plan::Rows(vec![row], 0),
                    columns: Vec::new(),
                })
            }
        }
    }

    fn joined(&mut self, table: &TableWithJoins) -> Result<Relation, Issue> {
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            let place = self.place(join);
            let right = self.factor(&join.relation)?;
            self.check_names(&left, &right)?;
            left = self.join_one(left, right, &join.join_operator, place)?;
        }
        Ok(left)
    }

    /// Two relations of one name could not be told apart.
    fn check_names(&self, a: &Relation, b: &Relation) -> Result<(), Issue> {
        for column in &b.columns {
            let twice = column.table.is_some() && a.columns.iter().any(|c| c.table == column.table);
            if twice {
                let name = column.table.as_deref().unwrap_or_default();
                return Err(
                    Issue::new(column.place, format!("\"{name}\" is in FROM twice"))
                        .help("give one of them another name: … AS other"),
                );
            }
        }
        Ok(())
    }

    fn join_one(
        &mut self,
        left: Relation,
        right: Relation,
        operator: &JoinOperator,
        place: Place,
    ) -> Result<Relation, Issue> {
        let (kind, constraint, swap) = match operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (JoinKind::Inner, c, false),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (JoinKind::Left, c, false),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (JoinKind::Left, c, true),
            JoinOperator::FullOuter(c) => (JoinKind::Full, c, false),
            JoinOperator::CrossJoin(_) => return Ok(cross(left, right)),
            _ => {
                return Err(Issue::new(place, "this kind of join is not supported").help(
                    "there are JOIN, LEFT, RIGHT and FULL JOIN with ON or USING, and CROSS JOIN; for semi-joins use EXISTS",
                ));
            }
        };
        let (left_arity, right_arity) = (left.columns.len(), right.columns.len());
        // A right join is a left join from the other side, its columns put back in order afterwards.
        let (a, b) = if swap { (right, left) } else { (left, right) };
        let split = a.columns.len();
        let mut columns: Vec<Column> = a.columns.iter().chain(&b.columns).cloned().collect();
        let mut filters = Vec::new();
        match constraint {
            JoinConstraint::On(on) => {
                for part in conjuncts(on) {
                    let cx = Context::of(&columns, "ON");
                    filters.push(self.condition(part, cx)?);
                }
            }
            JoinConstraint::Using(names) => {
                for name in names {
                    let name = match &name.0[..] {
                        [ObjectNamePart::Identifier(name)] => folded(name),
                        _ => name.to_string(),
                    };
                    let of = |relation: &Relation, shift: usize| -> Result<Expr, Issue> {
                        let cx = Context::of(&relation.columns, "USING");
                        Ok(cx.column(None, &name, place)?.shifted(shift))
                    };
                    let (x, y) = (of(&a, 0)?, of(&b, split)?);
                    if kind == JoinKind::Full {
                        return Err(Issue::new(place, "FULL JOIN with USING")
                            .help("use ON, and coalesce in SELECT"));
                    }
                    // The one of the side whose rows all stay stands for both.
                    if let Kind::Column(at) = y.kind {
                        columns[at].hidden = true;
                    }
                    filters.push(compare(Compare::Eq, x, y, place)?);
                }
            }
            JoinConstraint::Natural => {
                return Err(Issue::new(
                    place,
                    "NATURAL JOIN changes its meaning when a column is added",
                )
                .help("name the columns: USING (…)"));
            }
            JoinConstraint::None => {
                return Err(Issue::new(place, "a join without a condition")
                    .help("add ON or USING, or write CROSS JOIN"));
            }
        }
        let mut plan = Plan::Join {
            kind,
            left: a.plan.into(),
            right: b.plan.into(),
            on: Vec::new(),
            residual: Vec::new(),
        };
        if kind == JoinKind::Inner {
            for filter in filters {
                refine(&mut columns, &filter);
                plan = plan.filtered(filter);
            }
        } else if let Plan::Join { on, residual, .. } = &mut plan {
            for filter in filters {
                match equality(&filter, split) {
                    Some(pair) => on.push(pair),
                    None => residual.push(filter),
                }
            }
            for (at, column) in columns.iter_mut().enumerate() {
                column.nullable |= at >= split || kind == JoinKind::Full;
            }
        }
        if swap {
            let order = (right_arity..right_arity + left_arity).chain(0..right_arity);
            let order: Vec<usize> = order.collect();
            let outputs = order.iter().map(|at| {
                let column = &columns[*at];
                Expr::column(*at, column.ty, column.nullable, column.place)
            });
            plan = plan.projected(outputs.collect());
            columns = order.iter().map(|at| columns[*at].clone()).collect();
        }
        Ok(Relation { plan, columns })
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<Relation, Issue> {
        let place = self.place(factor);
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                ..
            } => {
                let relation = self.named(name, place)?;
                let own = match name.0.last() {
                    Some(ObjectNamePart::Identifier(ident)) => folded(ident),
                    _ => name.to_string(),
                };
                self.alias(relation, alias.as_ref(), Some(own), place)
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                let relation = self.query(subquery)?;
                self.alias(relation, alias.as_ref(), None, place)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.joined(table_with_joins),
            TableFactor::Derived { lateral: true, .. } => Err(Issue::new(
                place,
                "LATERAL is not supported",
            )
            .help(
                "for the first rows of each group use row_number() in a subquery; otherwise join",
            )),
            TableFactor::Table { args: Some(_), .. }
            | TableFactor::Function { .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::UNNEST { .. } => Err(Issue::new(place, "a function in FROM")
                .help("there are no set-returning functions: write rows with VALUES")),
            other => Err(Issue::new(place, format!("not supported in FROM: {other}"))),
        }
    }

    fn named(&mut self, name: &ObjectName, place: Place) -> Result<Relation, Issue> {
        let parts: Vec<String> = name
            .0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => folded(ident),
                other => other.to_string(),
            })
            .collect();
        let [plain] = &parts[..] else {
            let last = parts.last().cloned().unwrap_or_default();
            return Err(Issue::new(place, format!("\"{name}\": sources have no schema")).help(
                format!("views are made from the dataflow's own relations, not from tables: write the name alone, such as {last}"),
            ));
        };
        if let Some((_, relation)) = self.named.iter().rev().find(|(known, _)| known == plain) {
            return Ok(relation.clone());
        }
        if let Some(relation) = self.catalog.relation(plain, place)? {
            return Ok(relation);
        }
        let mut names = self.catalog.names();
        names.extend(self.named.iter().map(|(name, _)| name.clone()));
        let issue = Issue::new(place, format!("there is no relation \"{plain}\""));
        // The table's name is the likeliest mistake: they are called as in PostgreSQL there.
        let of_table = crate::relational::sources::ALL.iter().find(|source| {
            source.table.and_then(|table| table.split('.').next_back()) == Some(plain)
        });
        if let Some(source) = of_table {
            return Err(issue.help(format!("the rows of that table are `{}` here", source.name)));
        }
        Err(match nearest(plain, names.iter().map(String::as_str)) {
            Some(known) => issue.help(format!("did you mean \"{known}\"?")),
            None => {
                names.sort_unstable();
                issue.help(format!("there are: {}", names.join(", ")))
            }
        })
    }

    fn alias(
        &self,
        mut relation: Relation,
        alias: Option<&TableAlias>,
        own: Option<String>,
        place: Place,
    ) -> Result<Relation, Issue> {
        let name = match alias {
            Some(alias) => Some(folded(&alias.name)),
            None => own,
        };
        if let Some(alias) = alias
            && !alias.columns.is_empty()
        {
            if alias.columns.len() > relation.columns.len() {
                let what = format!(
                    "{} names for {} columns",
                    alias.columns.len(),
                    relation.columns.len()
                );
                return Err(Issue::new(place, what));
            }
            for (column, name) in relation.columns.iter_mut().zip(&alias.columns) {
                column.name = folded(&name.name);
            }
        }
        for column in &mut relation.columns {
            column.table.clone_from(&name);
            column.hidden = false;
            column.place = place;
        }
        Ok(relation)
    }

    /// WHERE, over the relation; what is correlated with the query around is given back.
    pub(super) fn filter(
        &mut self,
        mut relation: Relation,
        selection: Option<&ast::Expr>,
        outer: Option<&[Column]>,
    ) -> Result<(Relation, Vec<Expr>), Issue> {
        let mut correlated = Vec::new();
        let (mut from, mut until) = (Vec::new(), Vec::new());
        let mut queries = Vec::new();
        for part in selection.map(conjuncts).unwrap_or_default() {
            if super::subquery::is_test(part) {
                queries.push(part);
                continue;
            }
            let columns = relation.columns.clone();
            let cx = Context {
                outer,
                clock: true,
                ..Context::of(&columns, "WHERE")
            };
            let filter = self.condition(part, cx)?;
            let is_of_outer = filter.any(|part| matches!(part.kind, Kind::Outer(_)));
            if filter.any(|part| matches!(part.kind, Kind::Now)) {
                if is_of_outer {
                    return Err(Issue::new(
                        filter.place,
                        "now() beside a column of the query around",
                    )
                    .help("filter on now() in the query around"));
                }
                for span in super::clock::spans(filter)? {
                    match span {
                        super::clock::Span::From(expr) => from.push(expr),
                        super::clock::Span::Until(expr) => until.push(expr),
                    }
                }
            } else if is_of_outer {
                correlated.push(filter);
            } else {
                refine(&mut relation.columns, &filter);
                relation.plan = relation.plan.filtered(filter);
            }
        }
        if !from.is_empty() || !until.is_empty() {
            relation.plan = Plan::Clock {
                input: relation.plan.into(),
                from,
                until,
            };
        }
        for part in queries {
            relation = self.subquery_test(relation, part)?;
        }
        Ok((relation, correlated))
    }
}

fn cross(a: Relation, b: Relation) -> Relation {
    Relation {
        plan: Plan::Join {
            kind: JoinKind::Inner,
            left: a.plan.into(),
            right: b.plan.into(),
            on: Vec::new(),
            residual: Vec::new(),
        },
        columns: a.columns.into_iter().chain(b.columns).collect(),
    }
}
