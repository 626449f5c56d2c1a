//! The whole stream folded plainly, and checkpoints held against it.

use flightline_api::backend::PartitionDigest;
use flightline_stream::{Checker, StreamLog};

use super::VerifyError;
use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};
use crate::plain::{Plain, disagreement};
use crate::reading::{ReadError, for_each_batch};

/// What a fold of the whole stream gives.
pub(super) struct Whole {
    pub(super) flights: u64,
    pub(super) orders: u64,
    pub(super) seats_used: i64,
    pub(super) oversold: i64,
    pub(super) stream_hash: u128,
    pub(super) state_hash: u128,
    pub(super) broken: Option<String>,
}

/// Folds everything up to these offsets (those beyond its end count as its end) plainly, for comparing
/// replicas.
pub(crate) fn digest(
    log: &dyn StreamLog,
    until: Option<&[u64]>,
    answered: impl Fn(u32) -> u64,
) -> Result<Vec<PartitionDigest>, ReadError> {
    let ends = (0..log.partitions()).map(|partition| {
        let wanted = until.and_then(|u| u.get(partition as usize).copied());
        answered(partition).min(wanted.unwrap_or(u64::MAX))
    });
    let ends: Vec<u64> = ends.collect();
    let mut folds = Plain::all(log.partitions());
    let mut checkers: Vec<_> = (0..log.partitions()).map(Checker::new).collect();
    for_each_batch(log, &mut checkers, &ends, |records| {
        for record in records {
            folds[record.partition as usize].apply(&record.input);
        }
        Ok::<_, ReadError>(())
    })?;
    let each = folds.iter().zip(&checkers);
    Ok(each
        .map(|(fold, checker)| PartitionDigest {
            next_offset: checker.state().next_offset,
            stream_hash: checker.state().hash,
            state_hash: fold.hash_state(),
        })
        .collect())
}

/// Folds everything plainly, and checks the invariants of the result.
pub(super) fn whole_fold(
    log: &dyn StreamLog,
    ends: &[u64],
    kept: &[Manifest],
) -> Result<Whole, ReadError> {
    let mut folds = Plain::all(log.partitions());
    let mut checkers: Vec<_> = (0..log.partitions()).map(Checker::new).collect();
    let mut differs = None;
    let fold_to = |folds: &mut [Plain], checkers: &mut [Checker], until: &[u64]| {
        for_each_batch(log, checkers, until, |records| {
            for record in records {
                folds[record.partition as usize].apply(&record.input);
            }
            Ok::<_, ReadError>(())
        })
    };
    for manifest in kept {
        let offsets = manifest.offsets();
        let fits = offsets.len() == ends.len() && offsets.iter().zip(ends).all(|(a, b)| a <= b);
        if !fits {
            let id = manifest.id;
            differs.get_or_insert(format!("checkpoint {id} is beyond the end of the stream"));
            continue;
        }
        fold_to(&mut folds, &mut checkers, &offsets)?;
        differs = differs.or_else(|| compare_checkpoint(manifest, &folds, &checkers));
    }
    fold_to(&mut folds, &mut checkers, ends)?;
    let mut whole = Whole {
        flights: 0,
        orders: 0,
        seats_used: 0,
        oversold: 0,
        stream_hash: 0,
        state_hash: 0,
        broken: differs,
    };
    // An odd number without a pattern keeps the order of partitions in the sum.
    let mix = |sum: u128, part: u128| {
        sum.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
            .wrapping_add(part)
    };
    for (partition, (fold, checker)) in folds.iter().zip(&checkers).enumerate() {
        let Plain { ledger, orders } = fold;
        whole.stream_hash = mix(whole.stream_hash, checker.state().hash);
        whole.state_hash = mix(whole.state_hash, fold.hash_state());
        whole.orders += orders.orders().count() as u64;
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            ledger.check_invariants();
            orders.check_invariants();
        }));
        if checked.is_err() && whole.broken.is_none() {
            whole.broken = Some(format!(
                "partition {partition}: an invariant of the ledger is broken (the message stands in the log)"
            ));
        }
        for (_, flight) in ledger.flights() {
            whole.flights += 1;
            for line in flight.inventory().filter(|line| line.class.is_none()) {
                whole.seats_used += line.held + line.sold;
                whole.oversold += line.oversold;
            }
        }
    }
    if whole.broken.is_none() {
        whole.broken = disagreement(&folds);
    }
    Ok(whole)
}

/// What differs between a checkpoint's manifest and a fold that is where it is.
fn compare_checkpoint(
    manifest: &Manifest,
    folds: &[Plain],
    checkers: &[Checker],
) -> Option<String> {
    let id = manifest.id;
    let all = manifest.parts.iter().zip(folds).zip(checkers).enumerate();
    for (partition, ((part, fold), checker)) in all {
        let state = checker.state();
        if state.next_offset != part.next_offset {
            return Some(format!(
                "checkpoint {id} is behind an older one in partition {partition}"
            ));
        }
        let at = format!(
            "checkpoint {id}, partition {partition} at offset {}",
            part.next_offset
        );
        if format!("{:032x}", state.hash) != part.stream_hash {
            return Some(format!("{at}: it was made of other records"));
        }
        if format!("{:032x}", fold.hash_state()) != part.state_hash {
            return Some(format!(
                "{at}: its state is not that of a fold from the start"
            ));
        }
    }
    None
}

/// Reads a checkpoint back: are its bytes the state that its manifest tells of?
pub(super) fn compare_parts(
    checkpoints: &Checkpoints,
    manifest: &Manifest,
) -> Result<Option<String>, VerifyError> {
    for (entry, partition) in manifest.parts.iter().zip(0..) {
        let part = match checkpoints.store().get_part(manifest, partition) {
            Err(error @ CheckpointError::Damaged { .. }) => return Ok(Some(error.to_string())),
            other => other?,
        };
        let state_hash = format!("{:032x}", part.folded.hash_state());
        if state_hash != entry.state_hash {
            return Ok(Some(format!(
                "checkpoint {}, partition {partition}: what was stored is not what was folded",
                manifest.id
            )));
        }
    }
    Ok(None)
}
