//! Joins: pairs of rows with equal keys; and rows that have a partner, or none.
//!
//! Both sides are arranged by their keys. Rows without a partner are all rows less those with one: no
//! further copy of either side is kept for them.

use super::{
    Expr, Faults, JoinKind, Meter, Pairs, Plan, Program, Rendered, Renderer, Row, RowWriter, Rows,
    Scratch, distinct, joined, map, nulls,
};

impl<'scope> Renderer<'scope> {
    pub(super) fn join(
        &mut self,
        kind: JoinKind,
        left: &Plan,
        right: &Plan,
        on: &[(Expr, Expr)],
        residual: &[Expr],
    ) -> Rendered<'scope> {
        let left_key: Vec<Expr> = on.iter().map(|(expr, _)| expr.clone()).collect();
        let right_key: Vec<Expr> = on.iter().map(|(_, expr)| expr.clone()).collect();
        let is_plain = residual.is_empty();
        match kind {
            JoinKind::Inner => {
                let (rows, mut faults) = self.inner(left, right, (&left_key, &right_key));
                if is_plain {
                    return Rendered { rows, faults };
                }
                let arity = left.arity() + right.arity();
                let rendered = Rendered {
                    rows,
                    faults: std::mem::take(&mut faults),
                };
                map(rendered, arity, residual, None)
            }
            JoinKind::Semi | JoinKind::Anti if is_plain => {
                let (with, mut faults) = self.with_partner(left, right, (&left_key, &right_key));
                if kind == JoinKind::Semi {
                    return Rendered { rows: with, faults };
                }
                let all = self.plan(left);
                faults.extend(all.faults);
                let rows = all.rows.concat(with.negate());
                Rendered { rows, faults }
            }
            JoinKind::Left if is_plain => {
                let keys = (&left_key[..], &right_key[..]);
                let (pairs, mut faults) = self.inner(left, right, keys);
                let (with, more) = self.with_partner(left, right, keys);
                faults.extend(more);
                let without = self.plan(left).rows.concat(with.negate());
                let rows = pairs.concat(padded_right(without, right.arity()));
                Rendered { rows, faults }
            }
            _ => self.by_pairs(kind, left, right, (&left_key, &right_key), residual),
        }
    }

    /// Pairs as one row each.
    fn inner(
        &mut self,
        left: &Plan,
        right: &Plan,
        (left_key, right_key): (&[Expr], &[Expr]),
    ) -> (Rows<'scope>, Vec<Faults<'scope>>) {
        let (a, mut faults) = self.arrange(left, left_key);
        let (b, more) = self.arrange(right, right_key);
        faults.extend(more);
        let mut out = RowWriter::default();
        let rows = a.join_core(b, move |_, left, right| Some(joined(&mut out, left, right)));
        (rows, faults)
    }

    /// Left rows whose key is there on the right.
    fn with_partner(
        &mut self,
        left: &Plan,
        right: &Plan,
        (left_key, right_key): (&[Expr], &[Expr]),
    ) -> (Rows<'scope>, Vec<Faults<'scope>>) {
        let (a, mut faults) = self.arrange(left, left_key);
        let (keys, more) = self.distinct_keys(right, right_key);
        faults.extend(more);
        let rows = a.join_core(keys, |_, left, ()| Some(left.clone()));
        (rows, faults)
    }

    /// Joins that need to know which pairs there are before they know who has a partner.
    fn by_pairs(
        &mut self,
        kind: JoinKind,
        left: &Plan,
        right: &Plan,
        (left_key, right_key): (&[Expr], &[Expr]),
        residual: &[Expr],
    ) -> Rendered<'scope> {
        let (a, mut faults) = self.arrange(left, left_key);
        let (b, more) = self.arrange(right, right_key);
        faults.extend(more);
        let pairs: Pairs<'scope> =
            a.join_core(b, |_, left, right| Some((left.clone(), right.clone())));
        let pairs = matching(pairs, residual, &mut faults);
        let all_left = self.plan(left);
        faults.extend(all_left.faults.iter().cloned());
        let among = pairs.clone().map(|(left, _)| left);
        let with = partners(all_left.rows.clone(), among, &self.meter);
        if kind == JoinKind::Semi {
            return Rendered { rows: with, faults };
        }
        let without = all_left.rows.concat(with.negate());
        if kind == JoinKind::Anti {
            let rows = without;
            return Rendered { rows, faults };
        }
        let mut out = RowWriter::default();
        let mut rows = pairs
            .clone()
            .map(move |(left, right)| joined(&mut out, &left, &right))
            .concat(padded_right(without, right.arity()));
        if kind == JoinKind::Full {
            let all_right = self.plan(right);
            faults.extend(all_right.faults.iter().cloned());
            let among = pairs.map(|(_, right)| right);
            let with = partners(all_right.rows.clone(), among, &self.meter);
            let without = all_right.rows.concat(with.negate());
            let (padding, mut out) = (nulls(left.arity()), RowWriter::default());
            rows = rows.concat(without.map(move |row| joined(&mut out, &padding, &row)));
        }
        Rendered { rows, faults }
    }
}

/// The pairs that satisfy the further conditions.
fn matching<'scope>(
    pairs: Pairs<'scope>,
    residual: &[Expr],
    faults: &mut Vec<Faults<'scope>>,
) -> Pairs<'scope> {
    if residual.is_empty() {
        return pairs;
    }
    let can_fail = residual.iter().any(Expr::can_fail);
    let program = Program::new(residual, &[]);
    let (mut scratch, mut out) = (Scratch::of([]), RowWriter::default());
    let mut run = move |(left, right): (Row, Row)| {
        let done = scratch.with_both([&left, &right], |values| program.run(values, &mut out));
        match done {
            Ok(true) => Some(Ok((left, right))),
            Ok(false) => None,
            Err(fault) => Some(Err(super::RowFault::new(fault, &[&left, &right]))),
        }
    };
    if can_fail {
        let (ok, err) = super::split(pairs.flat_map(run));
        faults.push(err);
        ok
    } else {
        pairs.flat_map(move |pair| run(pair).and_then(Result::ok))
    }
}

/// Those of the rows that are among the others, as often as they are there.
fn partners<'scope>(rows: Rows<'scope>, among: Rows<'scope>, meter: &Meter) -> Rows<'scope> {
    rows.arrange_by_self_named("Partners")
        .join_core(distinct(among, meter), |row, (), ()| Some(row.clone()))
}

fn padded_right(rows: Rows<'_>, arity: usize) -> Rows<'_> {
    let (padding, mut out) = (nulls(arity), RowWriter::default());
    rows.map(move |row| joined(&mut out, &row, &padding))
}
