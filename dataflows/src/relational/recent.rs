//! The source `decisions` as views read it: as far back as their files say, and of that what passes the filters.
//!
//! In a plan that is the clock over the source, or over filters of it, as it would be for any source. While views run,
//! nobody could keep the whole source, so that these nodes are taken as one: what they let through is kept, no more.

use super::calendar::Interval;
use super::datum::Datum;
use super::expr::{Expr, Kind};
use super::plan::Plan;
use super::sources::{ALL, DECIDED_AT, id};

/// What of `decisions` is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'p> {
    /// How far back, without months.
    pub(crate) long: Interval,
    /// The same in microseconds.
    pub(crate) micros: i64,
    /// Of these all must be true; none can fail.
    pub(crate) filters: &'p [Expr],
}

/// What a node of a plan wants of `decisions`, if that is what it is.
pub(crate) fn window(plan: &Plan) -> Option<Window<'_>> {
    let Plan::Clock { input, from, until } = plan else {
        return None;
    };
    let filters = match &**input {
        Plan::Source(id::DECISIONS) => &[],
        Plan::Map {
            input,
            filters,
            outputs: None,
        } if **input == Plan::Source(id::DECISIONS) => &filters[..],
        _ => return None,
    };
    let ([], [until]) = (&from[..], &until[..]) else {
        return None;
    };
    let Kind::Call(function, args) = &until.kind else {
        return None;
    };
    let ("+", [at, long]) = (function.name, &args[..]) else {
        return None;
    };
    let Kind::Literal(Datum::Interval(long)) = long.kind else {
        return None;
    };
    let is_plain = at.kind == Kind::Column(DECIDED_AT) && !filters.iter().any(Expr::can_fail);
    let micros = i64::try_from(long.total()).ok()?;
    (is_plain && long.months == 0).then_some(Window {
        long,
        micros,
        filters,
    })
}

/// Lets all that read the same of `decisions` share it. Plans of other views, which are shared as a whole, have been
/// through this before.
pub(crate) fn share(plan: &mut Plan) {
    if matches!(plan, Plan::Shared { .. }) {
        return;
    }
    if window(plan).is_some() {
        let whole = std::mem::replace(plan, Plan::Rows(Vec::new(), 0));
        *plan = Plan::Shared {
            view: ALL[id::DECISIONS].name.to_owned(),
            plan: Box::new(whole),
        };
        return;
    }
    for input in plan.inputs_mut() {
        share(input);
    }
}

/// Does it read `decisions` without an end?
pub(crate) fn is_unbounded(plan: &Plan) -> bool {
    match plan {
        Plan::Shared { .. } => false,
        Plan::Source(source) => *source == id::DECISIONS,
        other => other.inputs().into_iter().any(is_unbounded),
    }
}
