//! SELECT: its columns, groups and numberings.

use std::cell::RefCell;

use sqlparser::ast::{
    self, Distinct, GroupByExpr, OrderByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::super::problem::Issue;
use super::Resolver;
use super::group::has_aggregate;
use super::scope::{Column, Context, Groups, Relation, Window, folded};
use super::types::coerce;
use crate::relational::{Expr, Kind, Place, Plan, Type};

impl Resolver<'_> {
    /// What a SELECT may not have.
    pub(super) fn check_select(&self, select: &Select) -> Result<(), Issue> {
        let place = self.place(select);
        let refused = [
            (select.into.is_some(), "SELECT INTO"),
            (select.top.is_some(), "TOP"),
            (select.qualify.is_some(), "QUALIFY"),
            (!select.named_window.is_empty(), "WINDOW"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
        ];
        match refused.iter().find(|(is_there, _)| *is_there) {
            Some((_, what)) => Err(Issue::new(place, format!("{what} is not supported"))),
            None => Ok(()),
        }
    }

    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
        limits: std::ops::Range<u64>,
    ) -> Result<Relation, Issue> {
        self.check_select(select)?;
        let place = self.place(select);
        let relation = self.from(select, place)?;
        let (relation, _) = self.filter(relation, select.selection.as_ref(), None)?;
        let Relation { mut plan, columns } = relation;

        let items = self.items(select, &columns)?;
        let keys = match &select.group_by {
            GroupByExpr::Expressions(keys, more) if more.is_empty() => &keys[..],
            _ => {
                return Err(Issue::new(place, "GROUP BY with ALL, ROLLUP, CUBE or sets")
                    .help("write one GROUP BY each, and put UNION ALL between"));
            }
        };
        let aggregates = |item: &Item<'_>| match item {
            Item::Expr(expr, _) => has_aggregate(expr),
            Item::Column(..) => false,
        };
        let is_grouped =
            !keys.is_empty() || select.having.is_some() || items.iter().any(aggregates);

        let groups = RefCell::new(Groups::default());
        if is_grouped {
            for key in keys {
                let key = self.group_key(key, &items, &columns)?;
                groups.borrow_mut().keys.push(key);
            }
        }
        let windows = RefCell::new(Vec::new());
        let cx = Context {
            groups: is_grouped.then_some(&groups),
            windows: Some(&windows),
            ..Context::of(&columns, "SELECT")
        };
        let (mut outputs, named) = self.outputs(&items, &columns, cx)?;
        let having = match &select.having {
            Some(having) => {
                let cx = Context {
                    windows: None,
                    clause: "HAVING",
                    ..cx
                };
                Some(self.condition(having, cx)?)
            }
            None => None,
        };
        // What rows are ordered by may be a column of SELECT, or anything that SELECT could compute.
        let inner = Context {
            windows: None,
            clause: "ORDER BY",
            ..cx
        };
        let mut sort = Vec::new();
        for item in order {
            sort.push(self.sort_key(item, &named, &outputs, inner)?);
        }
        if is_grouped {
            let groups = groups.into_inner();
            plan = Plan::Aggregate {
                input: plan.into(),
                keys: groups.keys,
                aggregates: groups.aggregates,
            };
        }
        if let Some(having) = having {
            plan = plan.filtered(having);
        }
        plan = number(plan, windows.into_inner(), &mut outputs);
        let is_distinct = is_distinct(select, &named, order, place)?;
        if !order.is_empty() {
            plan = Plan::Top {
                input: plan.into(),
                partition: Vec::new(),
                order: sort,
                offset: limits.start,
                limit: Some(limits.end),
                numbered: false,
            };
        }
        plan = plan.projected(outputs);
        if is_distinct {
            plan = Plan::Distinct(plan.into());
        }
        Ok(Relation {
            plan,
            columns: named,
        })
    }

    /// What SELECT lists, computed, and the columns that it becomes.
    fn outputs(
        &mut self,
        items: &[Item<'_>],
        columns: &[Column],
        cx: Context<'_>,
    ) -> Result<(Vec<Expr>, Vec<Column>), Issue> {
        let mut outputs = Vec::new();
        let mut named = Vec::new();
        for item in items {
            let (expr, name, place) = match item {
                Item::Expr(ast, name) => (self.expr(ast, cx)?, name.clone(), self.place(*ast)),
                Item::Column(at, place) => {
                    let column = &columns[*at];
                    let mut expr = Expr::column(*at, column.ty, column.nullable, *place);
                    if let Some(groups) = cx.groups {
                        let known = groups.borrow().keys.iter().position(|key| *key == expr);
                        let Some(key) = known else {
                            let what = format!(
                                "{} is neither in GROUP BY nor in an aggregate",
                                column.name
                            );
                            return Err(
                                Issue::new(*place, what).help("name the columns instead of *")
                            );
                        };
                        expr.kind = Kind::Column(key);
                    }
                    (expr, Some(column.name.clone()), *place)
                }
            };
            let expr = match expr.ty {
                Type::Unknown => coerce(expr, Type::Text)?,
                _ => expr,
            };
            named.push(Column {
                table: None,
                name: name.unwrap_or_else(|| "?column?".to_owned()),
                ty: expr.ty,
                nullable: expr.nullable,
                hidden: false,
                place,
            });
            outputs.push(expr);
        }
        Ok((outputs, named))
    }

    /// A key of GROUP BY: an expression, the number of a column, or the name of one.
    fn group_key(
        &mut self,
        key: &ast::Expr,
        items: &[Item<'_>],
        columns: &[Column],
    ) -> Result<Expr, Issue> {
        let place = self.place(key);
        let cx = Context::of(columns, "GROUP BY");
        if let Some(at) = self.ordinal(key, items.len(), place)? {
            return match &items[at] {
                Item::Expr(ast, _) => self.key(ast, cx),
                Item::Column(at, place) => {
                    let column = &columns[*at];
                    Ok(Expr::column(*at, column.ty, column.nullable, *place))
                }
            };
        }
        if let ast::Expr::Identifier(ident) = key {
            let name = folded(ident);
            let is_column = columns.iter().any(|column| column.name == name);
            let item = items.iter().find_map(|item| match item {
                Item::Expr(ast, Some(alias)) if *alias == name => Some(*ast),
                _ => None,
            });
            if let (false, Some(ast)) = (is_column, item) {
                return self.key(ast, cx);
            }
        }
        if has_aggregate(key) {
            return Err(Issue::new(place, "an aggregate in GROUP BY"));
        }
        self.key(key, cx)
    }

    /// What SELECT lists, `*` written out.
    fn items<'s>(&self, select: &'s Select, columns: &[Column]) -> Result<Vec<Item<'s>>, Issue> {
        let mut items = Vec::new();
        for item in &select.projection {
            let place = self.place(item);
            match item {
                SelectItem::UnnamedExpr(expr) => items.push(Item::Expr(expr, name_of(expr))),
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(Item::Expr(expr, Some(folded(alias))));
                }
                SelectItem::Wildcard(_) => {
                    let shown = columns.iter().enumerate().filter(|(_, c)| !c.hidden);
                    items.extend(shown.map(|(at, _)| Item::Column(at, place)));
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let table = name.to_string().to_lowercase();
                    let of = |c: &Column| c.table.as_deref() == Some(&table);
                    let mut found = columns.iter().enumerate().filter(|(_, c)| of(c)).peekable();
                    if found.peek().is_none() {
                        let what = format!("there is no relation \"{table}\" in FROM");
                        return Err(Issue::new(place, what));
                    }
                    items.extend(found.map(|(at, _)| Item::Column(at, place)));
                }
                other => {
                    return Err(Issue::new(
                        place,
                        format!("not supported in SELECT: {other}"),
                    ));
                }
            }
        }
        Ok(items)
    }
}

/// Is each row to come once?
fn is_distinct(
    select: &Select,
    named: &[Column],
    order: &[OrderByExpr],
    place: Place,
) -> Result<bool, Issue> {
    match &select.distinct {
        None | Some(Distinct::All) => return Ok(false),
        Some(Distinct::Distinct) => {}
        Some(Distinct::On(on)) => {
            return Err(Issue::new(place, "DISTINCT ON is not supported").help(format!(
                "use row_number() OVER (PARTITION BY {} ORDER BY …) in a subquery, and keep number 1",
                vec!["…"; on.len()].join(", ")
            )));
        }
    }
    if let Some(column) = named.iter().find(|c| c.ty == Type::Interval) {
        return Err(Issue::new(column.place, "DISTINCT of an interval")
            .help("take seconds: extract(epoch FROM …)"));
    }
    if !order.is_empty() {
        return Err(Issue::new(place, "DISTINCT with LIMIT")
            .help("take the first rows in a query around it: SELECT … FROM (SELECT DISTINCT …) AS t ORDER BY … LIMIT …"));
    }
    Ok(true)
}

/// An item of SELECT.
enum Item<'s> {
    Expr(&'s ast::Expr, Option<String>),
    Column(usize, Place),
}

/// The name that a column has without AS.
fn name_of(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Identifier(ident) => Some(folded(ident)),
        ast::Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        ast::Expr::Nested(inner) | ast::Expr::Cast { expr: inner, .. } => name_of(inner),
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            Some(name)
        }
        ast::Expr::Case { .. } => Some("case".to_owned()),
        ast::Expr::Extract { .. } => Some("extract".to_owned()),
        _ => None,
    }
}

/// Numbers the rows as the windows ask for, and puts the numbers' columns in their places.
fn number(mut plan: Plan, windows: Vec<Window>, outputs: &mut [Expr]) -> Plan {
    let first = plan.arity();
    for window in windows {
        plan = Plan::Top {
            input: plan.into(),
            partition: window.partition,
            order: window.order,
            offset: 0,
            limit: None,
            numbered: true,
        };
    }
    for output in outputs {
        output.replace_columns(&|column| {
            let from_end = usize::MAX - column;
            (from_end < usize::MAX / 2).then(|| Kind::Column(first + from_end))
        });
    }
    plan
}
