//! Where records enter a worker: a channel from the outside, turned into a timely stream.

use crossbeam_channel::{Receiver, TryRecvError};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::source;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::SyncActivator;

use crate::batch::Batch;

/// Records given to the ledger in one activation, after which the worker looks around (queries,
/// progress) before it goes on. It also bounds what waits inside the worker.
const RECORDS_PER_ACTIVATION: usize = 16_384;

/// What closing an epoch counts for in that budget. Epochs that pile up when the worker is behind go
/// through together, which costs the views less than one after the other.
const RECORDS_PER_EPOCH: usize = 256;

/// What the handle tells a worker.
pub(crate) enum Message {
    /// Records of the open epoch, in order.
    Records(Batch),
    /// The open epoch is over; the next one is open.
    Close,
}

/// The stream of a worker's partitions. Calls `hand_out` with what wakes it from another thread,
/// and `advanced` with every epoch it opens. It ends when the channel is closed and empty.
pub(crate) fn records<'scope>(
    scope: Scope<'scope, u64>,
    inbox: Receiver<Message>,
    hand_out: impl FnOnce(SyncActivator),
    mut advanced: impl FnMut(u64) + 'static,
) -> Stream<'scope, u64, Batch> {
    source::<_, CapacityContainerBuilder<Batch>, _, _>(scope, "Stream", move |capability, info| {
        hand_out(scope.worker().sync_activator_for(info.address.to_vec()));
        let again = scope.activator_for(info.address);
        let mut capability = Some(capability);
        move |output| {
            let Some(open) = capability.as_mut() else {
                return;
            };
            let mut budget = RECORDS_PER_ACTIVATION;
            loop {
                match inbox.try_recv() {
                    Ok(Message::Records(mut records)) => {
                        let count = records.inputs.len();
                        output.session(&open).give_container(&mut records);
                        budget = budget.saturating_sub(count);
                    }
                    Ok(Message::Close) => {
                        let next = *open.time() + 1;
                        open.downgrade(&next);
                        advanced(next);
                        budget = budget.saturating_sub(RECORDS_PER_EPOCH);
                    }
                    Err(TryRecvError::Empty) => return,
                    Err(TryRecvError::Disconnected) => {
                        capability = None;
                        return;
                    }
                }
                if budget == 0 {
                    again.activate();
                    return;
                }
            }
        }
    })
}
