//! Plans for people: what runs, and what it keeps.

use std::collections::HashSet;
use std::fmt::Write;

use crate::relational::plan::{AggregateFunction, JoinKind};
use crate::relational::{Datum, Expr, Plan, recent, sources};

/// The plan as an indented tree, each operator with its inputs below. Arrangements, which are what a view
/// keeps in memory, are marked; one that was there before is shared.
pub fn explain(plan: &Plan) -> String {
    let mut printer = Printer {
        out: String::new(),
        known: HashSet::new(),
    };
    printer.plan(plan, 0);
    printer.out
}

struct Printer {
    out: String,
    known: HashSet<String>,
}

fn list(of: &[Expr]) -> String {
    let all: Vec<String> = of.iter().map(Expr::to_string).collect();
    all.join(", ")
}

impl Printer {
    fn line(&mut self, depth: usize, text: &str) {
        // Writing to memory does not fail.
        let _ = writeln!(self.out, "{:width$}{text}", "", width = depth * 2);
    }

    /// What is kept, by the input's plan and what it is kept by.
    fn kept(&mut self, depth: usize, what: &str, input: &Plan, by: &str) {
        let name = format!("{what} {by} {input:?}");
        let state = if self.known.insert(name) {
            "keeps"
        } else {
            "shares"
        };
        self.line(depth, &format!("- {state} {what}{by}"));
    }

    fn plan(&mut self, plan: &Plan, depth: usize) {
        match plan {
            Plan::Source(index) => {
                let source = &sources::ALL[*index];
                self.line(depth, &format!("Source {}", source.name));
                return;
            }
            Plan::Shared { view, plan } => {
                if let Some(window) = recent::window(plan) {
                    let long = Datum::Interval(window.long);
                    let mut text = format!("Source {view} of the last {long}");
                    if !window.filters.is_empty() {
                        text += &format!(" where {}", list(window.filters));
                    }
                    self.line(depth, &text);
                    self.kept(depth + 1, "these rows", plan, "");
                    return;
                }
                self.line(
                    depth,
                    &format!("View {view}, computed once for all that read it"),
                );
                self.kept(depth + 1, "all its rows", plan, "");
            }
            Plan::Rows(rows, _) => self.line(depth, &format!("Rows ({} constant)", rows.len())),
            Plan::Map {
                filters, outputs, ..
            } => {
                let mut text = "Map".to_owned();
                if !filters.is_empty() {
                    text += &format!(" where {}", list(filters));
                }
                if let Some(outputs) = outputs {
                    text += &format!(" to {}", list(outputs));
                }
                self.line(depth, &text);
            }
            Plan::Clock { from, until, input } => {
                let mut text = "Clock".to_owned();
                if !from.is_empty() {
                    text += &format!(" from {}", list(from));
                }
                if !until.is_empty() {
                    text += &format!(" until {}", list(until));
                }
                self.line(depth, &text);
                self.kept(depth + 1, "rows whose time is to come", input, "");
            }
            Plan::Join {
                kind,
                left,
                right,
                on,
                residual,
            } => {
                let pairs: Vec<String> = on.iter().map(|(a, b)| format!("{a} = {b}")).collect();
                let mut text = match kind {
                    JoinKind::Inner => "Join",
                    JoinKind::Left => "Left join",
                    JoinKind::Full => "Full join",
                    JoinKind::Semi => "Semi-join",
                    JoinKind::Anti => "Anti-join",
                }
                .to_owned();
                if pairs.is_empty() {
                    text += " (every pair)";
                } else {
                    text += &format!(" on {}", pairs.join(", "));
                }
                if !residual.is_empty() {
                    text += &format!(" and {}", list(residual));
                }
                self.line(depth, &text);
                let key = |side: usize| {
                    let of = on.iter().map(|(a, b)| if side == 0 { a } else { b });
                    let all: Vec<String> = of.map(Expr::to_string).collect();
                    all.join(", ")
                };
                self.kept(
                    depth + 1,
                    "the left rows by ",
                    left,
                    &format!("({})", key(0)),
                );
                let only_keys =
                    matches!(kind, JoinKind::Semi | JoinKind::Anti) && residual.is_empty();
                let what = if only_keys {
                    "the right keys "
                } else {
                    "the right rows by "
                };
                self.kept(depth + 1, what, right, &format!("({})", key(1)));
            }
            Plan::Aggregate {
                input,
                keys,
                aggregates,
            } => {
                let all: Vec<String> = aggregates.iter().map(ToString::to_string).collect();
                let text = format!("Group by ({}) compute {}", list(keys), all.join(", "));
                self.line(depth, &text);
                let extremes = aggregates.iter().any(|aggregate| {
                    matches!(
                        aggregate.function,
                        AggregateFunction::Min | AggregateFunction::Max
                    )
                });
                if extremes {
                    let by = format!(" {} by ({})", all.join(", "), list(keys));
                    self.kept(depth + 1, "the values of min and max,", input, &by);
                }
                if aggregates.iter().any(|aggregate| aggregate.distinct) {
                    let by = format!(" {} by ({})", all.join(", "), list(keys));
                    self.kept(depth + 1, "the different values,", input, &by);
                }
                if !aggregates.iter().all(|aggregate| {
                    matches!(
                        aggregate.function,
                        AggregateFunction::Min | AggregateFunction::Max
                    )
                }) {
                    let by = format!(" {} by ({})", all.join(", "), list(keys));
                    self.kept(depth + 1, "one line of sums a group,", input, &by);
                }
            }
            Plan::Top {
                input,
                partition,
                order,
                offset,
                limit,
                numbered,
            } => {
                let by: Vec<String> = order.iter().map(ToString::to_string).collect();
                let limit = limit.map_or("all".to_owned(), |limit| limit.to_string());
                let mut text = format!(
                    "Top {limit} of each ({}) by {}",
                    list(partition),
                    by.join(", ")
                );
                if *offset > 0 {
                    text += &format!(" after {offset}");
                }
                if *numbered {
                    text += ", numbered";
                }
                self.line(depth, &text);
                let by = format!(" by ({}), sorted by {}", list(partition), by.join(", "));
                self.kept(depth + 1, "all rows", input, &by);
            }
            Plan::Distinct(input) => {
                self.line(depth, "Distinct");
                self.kept(depth + 1, "all rows", input, "");
            }
            Plan::Union(_) => self.line(depth, "Union"),
            Plan::Except { left, right, all } => {
                self.line(depth, if *all { "Except all" } else { "Except" });
                self.kept(depth + 1, "all rows", left, "");
                self.kept(depth + 1, "all rows", right, "");
            }
        }
        for input in plan.inputs() {
            self.plan(input, depth + 1);
        }
    }
}
