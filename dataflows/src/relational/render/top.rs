//! The first rows of each partition.

use std::ops::Range;

use super::{Expr, Meter, Rendered, Row, RowFault, RowWriter, Scratch, split};
use crate::relational::datum::Datum;
use crate::relational::eval::{Compiled, Fault, Program, compile};
use crate::relational::plan::Order;

/// First and last byte in front of values, so that NULLs go where they should whatever their own place.
const BEFORE: Datum<'static> = Datum::Bool(false);
const AFTER: Datum<'static> = Datum::Bool(true);

pub(super) fn top<'scope>(
    input: Rendered<'scope>,
    partition: &[Expr],
    order: &[Order],
    range: Range<u64>,
    numbered: bool,
    mut meter: Meter,
) -> Rendered<'scope> {
    let Rendered { rows, mut faults } = input;
    let program = Program::key(partition);
    let by: Vec<(Compiled, bool, bool)> = order
        .iter()
        .map(|order| (compile(&order.by), order.descending, order.nulls_first))
        .collect();
    let read = partition.iter().chain(order.iter().map(|order| &order.by));
    let (mut scratch, mut out) = (Scratch::of(read), RowWriter::default());
    let sorted = rows.flat_map(move |row| {
        let done = scratch.with(&row, |values| -> Result<Row, Fault> {
            for (by, descending, nulls_first) in &by {
                let value = by(values)?.normalized();
                let first = value.is_null() == *nulls_first;
                out.push(if first { &BEFORE } else { &AFTER });
                if *descending {
                    out.push_descending(&value);
                } else {
                    out.push(&value);
                }
            }
            let sort = out.finish();
            program.run(values, &mut out)?;
            Ok(sort)
        });
        let key = out.finish();
        let fault = |fault| RowFault::new(fault, &[&row]);
        let result = done.map_err(fault);
        Some(result.map(|sort| {
            meter.see(key.bytes().len() + sort.bytes().len() + row.bytes().len());
            (key, (sort, row))
        }))
    });
    let (sorted, sorted_faults) = split(sorted);
    faults.push(sorted_faults);
    let rows = sorted
        .reduce_named("Top", move |_, input, output| {
            let mut number = 0;
            let mut out = RowWriter::default();
            for ((_, row), count) in input {
                if number >= range.end {
                    return;
                }
                let count = (*count).max(0) as u64;
                let (from, to) = (number.max(range.start), (number + count).min(range.end));
                if from < to && !numbered {
                    output.push((row.clone(), (to - from) as isize));
                }
                for number in from..to.max(from) {
                    if numbered {
                        out.raw(row);
                        out.int(number as i64 + 1);
                        output.push((out.finish(), 1));
                    }
                }
                number += count;
            }
        })
        .map(|(_, row)| row);
    Rendered { rows, faults }
}
