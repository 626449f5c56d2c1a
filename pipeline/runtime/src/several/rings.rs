//! The running hashes of the records that were folded last, so that what another replica says of an
//! offset can be compared although this one has gone on.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Offsets that are remembered of each partition.
const KEPT: usize = 1_024;

/// What is known of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The running hash of everything before it.
    Hash(u128),
    /// It is not folded yet.
    NotYet,
    /// It was folded too long ago.
    Gone,
}

/// A ring for each partition.
#[derive(Debug)]
pub(crate) struct Rings {
    /// Next offset and hash, in the order of offsets, without gaps.
    partitions: Vec<Mutex<VecDeque<(u64, u128)>>>,
}

impl Rings {
    /// Begins with where each partition is.
    pub(crate) fn new(starts: impl IntoIterator<Item = (u64, u128)>) -> Self {
        let ring = |start| Mutex::new(VecDeque::from([start]));
        Self {
            partitions: starts.into_iter().map(ring).collect(),
        }
    }

    /// Records that were folded of a partition, each with the offset after it.
    pub(crate) fn note(&self, partition: u32, folded: &[(u64, u128)]) {
        let Some(ring) = self.partitions.get(partition as usize) else {
            return;
        };
        let mut ring = ring.lock();
        let newest = &folded[folded.len().saturating_sub(KEPT)..];
        let surplus = (ring.len() + newest.len()).saturating_sub(KEPT);
        let surplus = surplus.min(ring.len());
        ring.drain(..surplus);
        ring.extend(newest);
    }

    /// The hash of everything before an offset.
    pub(crate) fn at(&self, partition: u32, offset: u64) -> At {
        let Some(ring) = self.partitions.get(partition as usize) else {
            return At::Gone;
        };
        let ring = ring.lock();
        let Some((first, _)) = ring.front() else {
            return At::NotYet;
        };
        let Some(place) = offset.checked_sub(*first) else {
            return At::Gone;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        ring.get(place)
            .map_or(At::NotYet, |(_, hash)| At::Hash(*hash))
    }

    /// Where each partition is.
    pub(crate) fn ends(&self) -> Vec<(u64, u128)> {
        let last = |ring: &Mutex<VecDeque<(u64, u128)>>| ring.lock().back().copied();
        self.partitions
            .iter()
            .map(|ring| last(ring).unwrap_or_default())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_the_rest_is_told_apart() {
        let rings = Rings::new([(5, 50), (0, 0)]);
        assert_eq!(rings.at(0, 5), At::Hash(50));
        assert_eq!((rings.at(0, 4), rings.at(0, 6)), (At::Gone, At::NotYet));
        let folded: Vec<(u64, u128)> = (6..3_000).map(|n| (n, u128::from(n) * 10)).collect();
        for piece in folded.chunks(1_500) {
            rings.note(0, piece);
        }
        assert_eq!(rings.at(0, 2_999), At::Hash(29_990));
        let oldest = 3_000 - KEPT as u64;
        assert_eq!(rings.at(0, oldest), At::Hash(u128::from(oldest) * 10));
        assert_eq!(rings.at(0, oldest - 1), At::Gone);
        assert_eq!(rings.at(0, 3_000), At::NotYet);
        assert_eq!(rings.ends(), [(2_999, 29_990), (0, 0)]);
        rings.note(1, &[(1, 7)]);
        assert_eq!((rings.at(1, 0), rings.at(1, 1)), (At::Hash(0), At::Hash(7)));
    }
}
