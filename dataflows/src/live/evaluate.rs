//! Views over a state that is there as a whole: what verifying compares tables with.

use std::sync::Arc;

use super::feed::whole_source;
use super::keeper::Keeper;
use crate::changelog::{Epoch, ViewChanges};
use crate::reference::Reference;
use crate::relational::Plan;
use crate::relational::sources::ALL;
use crate::sql::{View, evaluate};

/// The rows of a view over a state: an epoch that has every row as coming, and its clock; and the names that
/// views can read.
pub fn rows_of(view: &Arc<View>, state: &Epoch, reference: &Reference) -> ViewChanges {
    let reads = |source: usize| {
        let mut found = false;
        view.plan
            .walk(&mut |plan| found |= *plan == Plan::Source(source));
        found
    };
    let sources = (0..ALL.len()).map(|source| match reads(source) {
        true => whole_source(source, state, reference),
        false => Vec::new(),
    });
    let now = state.clock_ms.unwrap_or(i64::MIN).saturating_mul(1_000);
    let (mut rows, faults) = evaluate(&view.plan, sources.collect(), now);
    rows.sort();
    let mut counted: Vec<(_, isize)> = Vec::with_capacity(rows.len());
    for row in rows {
        match counted.last_mut() {
            Some((last, count)) if *last == row => *count += 1,
            _ => counted.push((row, 1)),
        }
    }
    let faults = faults.into_iter().map(|fault| (fault, 1)).collect();
    Keeper::new(Arc::clone(view)).pass(counted, faults)
}
