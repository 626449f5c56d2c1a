//! Groups. What adds up (counts, sums, means) is kept as one difference a group; what does not (least,
//! greatest, different values) keeps the values that it looks at, sorted, and nothing else of the rows.

use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::difference::Multiply;

use super::sums::Sums;
use super::{Faults, Meter, Rendered, Renderer, Row, RowFault, RowWriter, Rows, Scratch, split};
use crate::relational::datum::Datum;
use crate::relational::decimal::{Decimal, TooLarge};
use crate::relational::eval::{Compiled, Fault, Program, compile};
use crate::relational::expr::{Expr, Place, Type};
use crate::relational::plan::{Aggregate, AggregateFunction};

/// Aggregates by key: `Ok` with the values in the order of the plan's aggregates of the kind.
type Groups<'scope> = VecCollection<'scope, u64, (Row, Result<Row, RowFault>), isize>;

/// An aggregate ready to be fed.
struct Feed {
    of: Option<Compiled>,
    filter: Option<Compiled>,
}

impl Feed {
    fn new(aggregate: &Aggregate) -> Self {
        Self {
            of: aggregate.of.as_ref().map(compile),
            filter: aggregate.filter.as_ref().map(compile),
        }
    }

    /// The value of a row; NULL when it does not count.
    fn value<'r>(&self, row: &[Datum<'r>]) -> Result<Datum<'r>, Fault> {
        if let Some(filter) = &self.filter
            && filter(row)? != Datum::Bool(true)
        {
            return Ok(Datum::Null);
        }
        match &self.of {
            Some(of) => of(row),
            None => Ok(Datum::Bool(true)),
        }
    }
}

fn adds_up(function: AggregateFunction) -> bool {
    !matches!(function, AggregateFunction::Min | AggregateFunction::Max)
}

/// Digits and scale of what is summed.
fn digits(value: &Datum<'_>) -> (i128, u8) {
    match value {
        Datum::Int(value) => ((*value).into(), 0),
        Datum::Decimal(value) => (value.digits(), value.scale()),
        Datum::Bool(value) => (i128::from(*value), 0),
        // Counted only.
        _ => (0, 0),
    }
}

/// Whether an aggregate needs the sum, or how many there are is enough.
fn needs_sum(function: AggregateFunction) -> bool {
    !matches!(function, AggregateFunction::Count)
}

impl<'scope> Renderer<'scope> {
    pub(super) fn aggregate(
        &mut self,
        input: Rendered<'scope>,
        keys: &[Expr],
        aggregates: &[Aggregate],
    ) -> Rendered<'scope> {
        let Rendered { rows, mut faults } = input;
        let (summed, extreme): (Vec<_>, Vec<_>) =
            (0..aggregates.len()).partition(|at| adds_up(aggregates[*at].function));
        let pick = |of: &[usize]| -> Vec<Aggregate> {
            of.iter().map(|at| aggregates[*at].clone()).collect()
        };
        let groups: Groups<'scope> = if extreme.is_empty() {
            sums(rows, keys, pick(&summed), &mut faults, &self.meter)
        } else if summed.is_empty() {
            extremes(rows, keys, pick(&extreme), &mut faults, &self.meter)
        } else {
            let a = sums(rows.clone(), keys, pick(&summed), &mut faults, &self.meter);
            let b = extremes(rows, keys, pick(&extreme), &mut faults, &self.meter);
            let (a, a_faults) = values(a);
            let (b, b_faults) = values(b);
            faults.extend([a_faults, b_faults]);
            let mut places = vec![0; aggregates.len()];
            for (place, at) in summed.iter().chain(&extreme).enumerate() {
                places[*at] = place;
            }
            a.arrange_by_key_named("Sums").join_core(
                b.arrange_by_key_named("Extremes"),
                move |key, a, b| {
                    let all: Vec<Datum<'_>> = a.values().chain(b.values()).collect();
                    let row = Row::of(places.iter().map(|place| &all[*place]));
                    Some((key.clone(), Ok(row)))
                },
            )
        };
        let (groups, group_faults) = values(groups);
        faults.push(group_faults);
        let mut out = RowWriter::default();
        let rows = groups.map(move |(key, values)| super::joined(&mut out, &key, &values));
        let rows = match keys {
            [] => self.always_one(rows, aggregates),
            _ => rows,
        };
        Rendered { rows, faults }
    }

    /// Without keys there is a row also when there is nothing to compute it of.
    fn always_one(&self, rows: Rows<'scope>, aggregates: &[Aggregate]) -> Rows<'scope> {
        let of_nothing = |aggregate: &Aggregate| match aggregate.function {
            AggregateFunction::Count => Datum::Int(0),
            _ => Datum::Null,
        };
        let values: Vec<Datum<'_>> = aggregates.iter().map(of_nothing).collect();
        let row = Row::of(&values);
        let instead = row.clone();
        let gone = rows.clone().map(move |_| instead.clone()).negate();
        rows.concat(self.constant(vec![row])).concat(gone)
    }
}

/// Takes the faults out.
fn values<'scope>(
    groups: Groups<'scope>,
) -> (
    VecCollection<'scope, u64, (Row, Row), isize>,
    Faults<'scope>,
) {
    split(groups.map(|(key, values)| values.map(|values| (key, values))))
}

/// What keys and aggregates read of a row.
fn read<'a>(keys: &'a [Expr], of: impl IntoIterator<Item = &'a Aggregate>) -> Scratch {
    let parts = |aggregate: &'a Aggregate| aggregate.of.iter().chain(&aggregate.filter);
    Scratch::of(keys.iter().chain(of.into_iter().flat_map(parts)))
}

/// Key and contributions of each row.
fn sums<'scope>(
    rows: Rows<'scope>,
    keys: &[Expr],
    aggregates: Vec<Aggregate>,
    faults: &mut Vec<Faults<'scope>>,
    meter: &Meter,
) -> Groups<'scope> {
    let program = Program::key(keys);
    let feeds: Rc<[Feed]> = aggregates.iter().map(Feed::new).collect();
    let plain: Vec<usize> = (0..aggregates.len())
        .filter(|at| !aggregates[*at].distinct)
        .collect();
    let is_sum: Vec<bool> = aggregates.iter().map(|a| needs_sum(a.function)).collect();

    // Each row once, and of values that count once, each value once.
    let read_here = read(keys, plain.iter().map(|at| &aggregates[*at]));
    let (mut scratch, mut out) = (read_here, RowWriter::default());
    let of_rows = {
        let (program, feeds, is_sum) = (program.clone(), feeds.clone(), is_sum.clone());
        rows.clone().flat_map(move |row| {
            let done = scratch.with(&row, |values| -> Result<Sums, Fault> {
                program.run(values, &mut out)?;
                let mut sums = Sums::row();
                for at in &plain {
                    let value = feeds[*at].value(values)?;
                    if !value.is_null() {
                        let (digits, scale) = if is_sum[*at] { digits(&value) } else { (0, 0) };
                        sums.push(*at as u16, digits, scale);
                    }
                }
                Ok(sums)
            });
            let key = out.finish();
            Some(
                done.map(|sums| (key, sums))
                    .map_err(|fault| RowFault::new(fault, &[&row])),
            )
        })
    };
    let (of_rows, of_rows_faults) = split(of_rows);
    faults.push(of_rows_faults);
    let mut seen = meter.clone();
    let mut all = of_rows.explode(move |(key, sums)| {
        seen.see(key.bytes().len() + sums.bytes());
        Some((key, sums))
    });
    for at in (0..aggregates.len()).filter(|at| aggregates[*at].distinct) {
        let (program, feeds, is_sum) = (program.clone(), feeds.clone(), is_sum[at]);
        let (mut scratch, mut out) = (read(keys, [&aggregates[at]]), RowWriter::default());
        let keys = keys.len();
        let pairs = rows.clone().flat_map(move |row| {
            let done = scratch.with(&row, |values| -> Result<bool, Fault> {
                program.run(values, &mut out)?;
                let value = feeds[at].value(values)?.normalized();
                out.push(&value);
                Ok(!value.is_null())
            });
            let pair = out.finish();
            match done {
                Ok(true) => Some(Ok(pair)),
                Ok(false) => None,
                Err(fault) => Some(Err(RowFault::new(fault, &[&row]))),
            }
        });
        let (pairs, pair_faults) = split(pairs);
        faults.push(pair_faults);
        let different = super::distinct(pairs, meter).as_collection(|pair, ()| pair.clone());
        all = all.concat(different.explode(move |pair| {
            let mut values: Vec<Datum<'_>> = pair.values().collect();
            let value = values.pop().unwrap_or(Datum::Null);
            let mut sums = Sums::default();
            let (digits, scale) = if is_sum { digits(&value) } else { (0, 0) };
            sums.push(at as u16, digits, scale);
            debug_assert_eq!(values.len(), keys);
            Some((Row::of(&values), sums))
        }));
    }
    use differential_dataflow::trace::implementations::{ValBuilder, ValSpine};
    all.arrange_by_self_named("Groups")
        .reduce_abelian::<_, ValBuilder<Row, Result<Row, RowFault>, u64, isize>, ValSpine<Row, Result<Row, RowFault>, u64, isize>, _, _>(
            "Sums",
            move |key, input, output| {
                let sums = input[0].1.clone().multiply(&1);
                if sums.rows > 0 {
                    output.push((finish(key, &sums, &aggregates), 1));
                }
            },
            |buffer, key, updates| {
                buffer.clear();
                let each = updates.drain(..);
                buffer.extend(each.map(|(value, time, diff)| ((key.clone(), value), time, diff)));
            },
        )
        .as_collection(|key, values| (key.clone(), values.clone()))
}

/// The values of a group.
fn finish(key: &Row, sums: &Sums, aggregates: &[Aggregate]) -> Result<Row, RowFault> {
    let mut out = RowWriter::default();
    for (slot, aggregate) in aggregates.iter().enumerate() {
        let value = value_of(sums, slot as u16, aggregate).map_err(|what| {
            let place: Place = aggregate.place;
            RowFault::new(Fault { place, what }, &[key])
        })?;
        out.push(&value);
    }
    Ok(out.finish())
}

fn value_of(sums: &Sums, slot: u16, aggregate: &Aggregate) -> Result<Datum<'static>, String> {
    let count = sums.count(slot);
    let sum = || sums.sum(slot).map_err(|TooLarge| too_large(aggregate));
    Ok(match aggregate.function {
        AggregateFunction::Count => Datum::Int(count),
        _ if count == 0 => Datum::Null,
        AggregateFunction::Sum if aggregate.ty == Type::Int8 => {
            let sum = sum()?.to_i64();
            Datum::Int(sum.ok_or("bigint out of range")?)
        }
        AggregateFunction::Sum => Datum::Decimal(sum()?),
        AggregateFunction::Avg => {
            let mean = sum()?.over(Decimal::from_i64(count));
            let mean = mean.ok_or("division by zero")?;
            Datum::Decimal(mean.map_err(|TooLarge| too_large(aggregate))?)
        }
        AggregateFunction::BoolAnd => Datum::Bool(sum()?.to_i64() == Some(count)),
        AggregateFunction::BoolOr => Datum::Bool(!sum()?.is_zero()),
        AggregateFunction::Min | AggregateFunction::Max => Datum::Null,
    })
}

fn too_large(aggregate: &Aggregate) -> String {
    let name = aggregate.function.name();
    format!("{name}() is a number of more than 38 digits")
}

/// The tag of the value that says that there is a row at all.
const PRESENT: i64 = -1;

fn extremes<'scope>(
    rows: Rows<'scope>,
    keys: &[Expr],
    aggregates: Vec<Aggregate>,
    faults: &mut Vec<Faults<'scope>>,
    meter: &Meter,
) -> Groups<'scope> {
    let (program, mut meter) = (Program::key(keys), meter.clone());
    let feeds: Vec<Feed> = aggregates.iter().map(Feed::new).collect();
    let (mut scratch, mut out) = (read(keys, &aggregates), RowWriter::default());
    let tagged = rows.flat_map(move |row| {
        let done = scratch.with(&row, |values| -> Result<Vec<Row>, Fault> {
            let mut tagged = Vec::with_capacity(feeds.len() + 1);
            for (tag, feed) in feeds.iter().enumerate() {
                let value = feed.value(values)?;
                if !value.is_null() {
                    out.int(tag as i64);
                    out.push(&value);
                    tagged.push(out.finish());
                }
            }
            out.int(PRESENT);
            tagged.push(out.finish());
            program.run(values, &mut out)?;
            Ok(tagged)
        });
        let key = out.finish();
        match done {
            Ok(tagged) => {
                let pairs = tagged.into_iter().map(|value| {
                    meter.see(key.bytes().len() + value.bytes().len());
                    Ok((key.clone(), value))
                });
                pairs.collect::<Vec<_>>()
            }
            Err(fault) => vec![Err(RowFault::new(fault, &[&row]))],
        }
    });
    let (tagged, tagged_faults) = split(tagged);
    faults.push(tagged_faults);
    tagged.reduce_named("Extremes", move |_, input, output| {
        let mut best: Vec<Option<Datum<'_>>> = vec![None; aggregates.len()];
        for (value, count) in input {
            let mut values = value.values();
            let (Some(Datum::Int(tag)), Some(value)) = (values.next(), values.next()) else {
                continue;
            };
            let (Ok(tag), true) = (usize::try_from(tag), *count > 0) else {
                continue;
            };
            // They come sorted: the first is the least, the last the greatest.
            let keeps_first = aggregates[tag].function == AggregateFunction::Min;
            if best[tag].is_none() || !keeps_first {
                best[tag] = Some(value);
            }
        }
        let values: Vec<Datum<'_>> = best
            .into_iter()
            .map(|value| value.unwrap_or(Datum::Null))
            .collect();
        output.push((Ok(Row::of(&values)), 1));
    })
}
