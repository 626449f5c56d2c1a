//! ORDER BY, LIMIT, OFFSET.

use sqlparser::ast::{self, LimitClause, OrderByExpr, OrderBySort, Value};

use super::super::problem::Issue;
use super::Resolver;
use super::scope::{Column, Context, folded};
use super::types::coerce;
use crate::relational::plan::Order;
use crate::relational::{Expr, Place, Type};

impl Resolver<'_> {
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
    pub(super) fn ordinal(
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

    pub(super) fn limits(
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

    pub(super) fn sort_key(
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
}
