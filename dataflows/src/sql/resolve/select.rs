//! Queries: SELECT, set operations, WITH, ORDER BY … LIMIT.

use std::cell::RefCell;

use sqlparser::ast::{
    self, Distinct, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Value,
};

use super::super::problem::Issue;
use super::Resolver;
use super::call::has_aggregate;
use super::scope::{Column, Context, Groups, Relation, Window, folded};
use super::types::{coerce, common};
use crate::relational::plan::Order;
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

    pub(super) fn order_by(
        &mut self,
        order: &[OrderByExpr],
        cx: Context<'_>,
    ) -> Result<Vec<Order>, Issue> {
        let mut all = Vec::new();
        for item in order {
            let place = self.place(item);
            let descending = match &item.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => {
                    return Err(Issue::new(place, "ORDER BY … USING").help("use ASC or DESC"));
                }
            };
            let by = match self.ordinal(&item.expr, cx.columns.len(), place)? {
                Some(at) if cx.groups.is_none() => {
                    let column = &cx.columns[at];
                    Expr::column(at, column.ty, column.nullable, place)
                }
                _ => self.expr(&item.expr, cx)?,
            };
            let by = match by.ty {
                Type::Unknown => coerce(by, Type::Text)?,
                _ => by,
            };
            all.push(Order {
                by,
                descending,
                nulls_first: item.options.nulls_first.unwrap_or(descending),
            });
        }
        Ok(all)
    }

    /// A number alone stands for a column of SELECT.
    fn ordinal(
        &self,
        ast: &ast::Expr,
        columns: usize,
        place: Place,
    ) -> Result<Option<usize>, Issue> {
        let ast::Expr::Value(value) = ast else {
            return Ok(None);
        };
        let Value::Number(digits, _) = &value.value else {
            return Ok(None);
        };
        match digits.parse::<usize>() {
            Ok(n) if (1..=columns).contains(&n) => Ok(Some(n - 1)),
            _ => Err(Issue::new(
                place,
                format!("there is no column number {digits}"),
            )),
        }
    }

    fn limits(
        &mut self,
        clause: Option<&LimitClause>,
        place: Place,
    ) -> Result<(u64, Option<u64>), Issue> {
        let number = |expr: &ast::Expr| -> Result<u64, Issue> {
            if let ast::Expr::Value(value) = expr
                && let Value::Number(digits, _) = &value.value
                && let Ok(n) = digits.parse()
            {
                return Ok(n);
            }
            Err(Issue::new(
                place,
                format!("LIMIT and OFFSET take a number, not {expr}"),
            ))
        };
        match clause {
            None => Ok((0, None)),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                let offset = offset.as_ref().map(|offset| number(&offset.value));
                let limit = limit.as_ref().map(number).transpose()?;
                Ok((offset.transpose()?.unwrap_or(0), limit))
            }
            Some(_) => Err(Issue::new(place, "this form of LIMIT is not supported")
                .help("write LIMIT n OFFSET m")),
        }
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

    fn select(
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
        let mut outputs = Vec::new();
        let mut named = Vec::new();
        for item in &items {
            let (expr, name, place) = match item {
                Item::Expr(ast, name) => (self.expr(ast, cx)?, name.clone(), self.place(*ast)),
                Item::Column(at, place) => {
                    let column = &columns[*at];
                    let expr = Expr::column(*at, column.ty, column.nullable, *place);
                    if is_grouped {
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
                        let expr = Expr::column(key, column.ty, column.nullable, *place);
                        (expr, Some(column.name.clone()), *place)
                    } else {
                        (expr, Some(column.name.clone()), *place)
                    }
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
        let on = match &select.distinct {
            Some(Distinct::On(on)) => {
                let mut keys = Vec::new();
                for expr in on {
                    keys.push(self.key(expr, inner)?);
                }
                Some(keys)
            }
            _ => None,
        };

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
        let limit = (!order.is_empty()).then_some(limits.end);
        if let Some(keys) = on {
            if limit.is_some() {
                return Err(Issue::new(place, "DISTINCT ON with LIMIT")
                    .help("take the first rows of the query in a query around it"));
            }
            return Err(Issue::new(place, "DISTINCT ON is not supported").help(format!(
                "use row_number() OVER (PARTITION BY {} ORDER BY …) in a subquery, and keep number 1",
                keys.iter().map(|_| "…").collect::<Vec<_>>().join(", ")
            )));
        }
        let is_distinct = matches!(select.distinct, Some(Distinct::Distinct));
        if is_distinct && let Some(column) = named.iter().find(|c| c.ty == Type::Interval) {
            return Err(Issue::new(column.place, "DISTINCT of an interval")
                .help("take seconds: extract(epoch FROM …)"));
        }
        let Some(limit) = limit else {
            plan = plan.projected(outputs);
            if is_distinct {
                plan = Plan::Distinct(plan.into());
            }
            return Ok(Relation {
                plan,
                columns: named,
            });
        };
        if is_distinct {
            return Err(Issue::new(place, "DISTINCT with LIMIT")
                .help("take the first rows in a query around it: SELECT … FROM (SELECT DISTINCT …) AS t ORDER BY … LIMIT …"));
        }
        plan = Plan::Top {
            input: plan.into(),
            partition: Vec::new(),
            order: sort,
            offset: limits.start,
            limit: Some(limit),
            numbered: false,
        };
        plan = plan.projected(outputs);
        Ok(Relation {
            plan,
            columns: named,
        })
    }

    fn sort_key(
        &mut self,
        item: &OrderByExpr,
        named: &[Column],
        outputs: &[Expr],
        cx: Context<'_>,
    ) -> Result<Order, Issue> {
        let place = self.place(item);
        let by_name = match &item.expr {
            ast::Expr::Identifier(ident) => {
                let name = folded(ident);
                named.iter().position(|column| column.name == name)
            }
            expr => self.ordinal(expr, outputs.len(), place)?,
        };
        if let Some(at) = by_name {
            if outputs[at]
                .columns()
                .iter()
                .any(|column| *column > usize::MAX / 2)
            {
                return Err(Issue::new(place, "ORDER BY a row number")
                    .help("order by what the rows are numbered by"));
            }
            let descending = matches!(item.options.sort, Some(OrderBySort::Desc));
            return Ok(Order {
                by: outputs[at].clone(),
                descending,
                nulls_first: item.options.nulls_first.unwrap_or(descending),
            });
        }
        let mut all = self.order_by(std::slice::from_ref(item), cx)?;
        all.pop()
            .ok_or_else(|| Issue::new(place, "ORDER BY nothing"))
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
