//! How far the index has got, and who waits for it to get further.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What the index reflects: whole epochs up to `epoch`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covers {
    /// The last epoch applied; `None` before the first.
    pub epoch: Option<u64>,
    /// By partition, the offset after the last record that is reflected.
    pub offsets: Box<[u64]>,
}

/// The index did not get that far in the time allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "offset {offset} of partition {partition} is not yet reflected: the index stands at {covers}"
)]
pub struct NotYet {
    /// The partition.
    pub partition: u32,
    /// The offset that was waited for.
    pub offset: u64,
    /// The offset after the last record of the partition that is reflected.
    pub covers: u64,
}

/// Progress by partition and its waiters.
#[derive(Debug)]
pub(crate) struct Progress {
    published: ArcSwap<Covers>,
    partitions: Box<[PartitionProgress]>,
}

#[derive(Debug, Default)]
struct PartitionProgress {
    covers: AtomicU64,
    /// How many wait, so that an epoch nobody waits for takes no lock.
    waiting: AtomicUsize,
    /// By what must be covered and a number that tells waiters apart.
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next: u64,
    by_offset: BTreeMap<(u64, u64), oneshot::Sender<()>>,
}

impl Progress {
    pub(crate) fn new(partitions: u32) -> Self {
        let covers = Covers {
            epoch: None,
            offsets: vec![0; partitions as usize].into_boxed_slice(),
        };
        Self {
            published: ArcSwap::from_pointee(covers),
            partitions: (0..partitions)
                .map(|_| PartitionProgress::default())
                .collect(),
        }
    }

    pub(crate) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    pub(crate) fn covers(&self) -> Arc<Covers> {
        self.published.load_full()
    }

    /// 0 for a partition that does not exist.
    pub(crate) fn of(&self, partition: u32) -> u64 {
        self.partitions
            .get(partition as usize)
            .map_or(0, |p| p.covers.load(Ordering::SeqCst))
    }

    /// Makes an epoch's progress known, once its rows are in place, and wakes who waited for it.
    pub(crate) fn publish(&self, epoch: u64, covers: &[u64]) {
        assert_eq!(
            covers.len(),
            self.partitions.len(),
            "epoch {epoch} covers another number of partitions"
        );
        self.published.store(Arc::new(Covers {
            epoch: Some(epoch),
            offsets: covers.into(),
        }));
        for (at, (partition, covers)) in self.partitions.iter().zip(covers).enumerate() {
            let before = partition.covers.swap(*covers, Ordering::SeqCst);
            assert!(
                before <= *covers,
                "epoch {epoch} takes partition {at} back from {before} to {covers}"
            );
            if before != *covers && partition.waiting.load(Ordering::SeqCst) > 0 {
                partition.wake(*covers);
            }
        }
    }

    /// See [`super::Serving::wait_for`].
    pub(crate) async fn wait_for(
        &self,
        partition: u32,
        offset: u64,
        timeout: Duration,
    ) -> Result<(), NotYet> {
        if self.of(partition) > offset {
            return Ok(());
        }
        let not_yet = || NotYet {
            partition,
            offset,
            covers: self.of(partition),
        };
        let Some(at) = self.partitions.get(partition as usize) else {
            return Err(not_yet());
        };
        let (_waiting, woken) = at.register(offset.saturating_add(1));
        // An epoch may have come between the first look and the registration.
        if at.covers.load(Ordering::SeqCst) > offset {
            return Ok(());
        }
        match tokio::time::timeout(timeout, woken).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(not_yet()),
        }
    }
}

impl PartitionProgress {
    /// The order matters: a waiter is counted before it looks again, and an epoch is published
    /// before the count is read, so that one of the two sees the other.
    fn register(&self, covers: u64) -> (Waiting<'_>, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock();
        let key = (covers, waiters.next);
        waiters.next += 1;
        waiters.by_offset.insert(key, sender);
        self.waiting
            .store(waiters.by_offset.len(), Ordering::SeqCst);
        drop(waiters);
        let partition = self;
        (Waiting { partition, key }, receiver)
    }

    fn wake(&self, covers: u64) {
        let mut waiters = self.waiters.lock();
        let still = waiters.by_offset.split_off(&(covers.saturating_add(1), 0));
        let woken = std::mem::replace(&mut waiters.by_offset, still);
        self.waiting
            .store(waiters.by_offset.len(), Ordering::SeqCst);
        drop(waiters);
        for sender in woken.into_values() {
            // The waiter may have given up: nothing to tell then.
            let _ = sender.send(());
        }
    }
}

/// Takes a waiter off the list when it stops waiting, for whatever reason.
struct Waiting<'a> {
    partition: &'a PartitionProgress,
    key: (u64, u64),
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiters = self.partition.waiters.lock();
        waiters.by_offset.remove(&self.key);
        self.partition
            .waiting
            .store(waiters.by_offset.len(), Ordering::SeqCst);
    }
}
