//! The ledger operator: records in; decisions out at once, row changes out when their epoch closes.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use flightline_ledger::Input;
use timely::Container;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;

use crate::batch::{Batch, split};
use crate::decided::Decided;
use crate::failure::Shared;
use crate::part::{Part, Spares, Updates};
use crate::rows::{
    DriftRow, FareRow, FeedRejectRow, FlightRow, HoldRow, InventoryRow, LegRow, LoadFactorRow,
    OfferRow, OrderRow, OversoldRow,
};
use crate::shard::Shard;
use crate::views::{FlightUpdates, availability_by_route_day, cheapest_by_route_day};

/// What the ledger operator gives out, a stream each.
pub(crate) struct Outputs<'scope> {
    pub(crate) decided: Stream<'scope, u64, Decided>,
    pub(crate) rejects: Stream<'scope, u64, Vec<FeedRejectRow>>,
    pub(crate) flights: Stream<'scope, u64, Updates<FlightRow>>,
    pub(crate) legs: Stream<'scope, u64, Updates<LegRow>>,
    pub(crate) inventory: Stream<'scope, u64, Updates<InventoryRow>>,
    pub(crate) holds: Stream<'scope, u64, Updates<HoldRow>>,
    pub(crate) drift: Stream<'scope, u64, Updates<DriftRow>>,
    pub(crate) fares: Stream<'scope, u64, Updates<FareRow>>,
    pub(crate) offers: Stream<'scope, u64, Updates<OfferRow>>,
    pub(crate) load_factor: Stream<'scope, u64, Updates<LoadFactorRow>>,
    pub(crate) oversold: Stream<'scope, u64, Updates<OversoldRow>>,
    pub(crate) orders: Stream<'scope, u64, Updates<Arc<OrderRow>>>,
    pub(crate) seats: Stream<'scope, u64, Vec<availability_by_route_day::Update>>,
    pub(crate) prices: Stream<'scope, u64, Vec<cheapest_by_route_day::Update>>,
    /// The latest time of the records of an epoch, Unix milliseconds.
    pub(crate) clock: Stream<'scope, u64, Vec<i64>>,
}

/// An output port that takes whole containers.
struct Port<C: Container> {
    index: usize,
    output: OutputBuilder<u64, CapacityContainerBuilder<C>>,
}

impl<C: Container> Port<C> {
    fn new<'scope>(builder: &mut OperatorBuilder<'scope, u64>) -> (Self, Stream<'scope, u64, C>) {
        let index = builder.shape().outputs();
        let (output, stream) = builder.new_output();
        let output = OutputBuilder::from(output);
        (Self { index, output }, stream)
    }

    /// Sends what `container` holds and leaves it empty: with the memory of a spare, if there is one.
    fn send(
        &mut self,
        capabilities: &[Capability<u64>],
        container: &mut C,
        spare: impl FnOnce() -> Option<C>,
    ) {
        if !container.is_empty() {
            let mut output = self.output.activate();
            output
                .session(&capabilities[self.index])
                .give_container(container);
            // What comes back may be a used container of someone else.
            *container = spare().unwrap_or_default();
        }
    }
}

/// Buffers on their way back.
pub(crate) struct Buffers {
    /// Parts of epochs, from the collector.
    pub(crate) returned: Receiver<Box<Part>>,
    /// Inputs, to the sender.
    pub(crate) emptied: Sender<Vec<Input>>,
}

/// The operator over the records of this worker's partitions. `is_resumed`: the first epoch has rows
/// of partitions that were folded before, whether or not a record comes in it.
pub(crate) fn fold<'scope>(
    records: Stream<'scope, u64, Batch>,
    shard: Rc<RefCell<Shard>>,
    shared: Arc<Shared>,
    buffers: Buffers,
    is_resumed: bool,
) -> Outputs<'scope> {
    let mut builder = OperatorBuilder::new("Ledger".to_owned(), records.scope());
    let mut input = builder.new_input(records, Pipeline);
    let (mut decided_port, decided) = Port::<Decided>::new(&mut builder);
    let (mut rejects_port, rejects) = Port::new(&mut builder);
    let (mut flights_port, flights) = Port::new(&mut builder);
    let (mut legs_port, legs) = Port::new(&mut builder);
    let (mut inventory_port, inventory) = Port::new(&mut builder);
    let (mut holds_port, holds) = Port::new(&mut builder);
    let (mut drift_port, drift) = Port::new(&mut builder);
    let (mut fares_port, fares) = Port::new(&mut builder);
    let (mut offers_port, offers) = Port::new(&mut builder);
    let (mut load_factor_port, load_factor) = Port::new(&mut builder);
    let (mut oversold_port, oversold) = Port::new(&mut builder);
    let (mut orders_port, orders) = Port::new(&mut builder);
    let (mut seats_port, seats) = Port::new(&mut builder);
    let (mut prices_port, prices) = Port::new(&mut builder);
    let (mut clock_port, clock) = Port::new(&mut builder);
    let ports = builder.shape().outputs();

    builder.build(move |initial| {
        let Buffers { returned, emptied } = buffers;
        let mut updates = FlightUpdates::default();
        let mut rejected = Vec::new();
        let mut spares = Spares::default();
        // One capability per output while an epoch is open here.
        let mut open: Vec<Capability<u64>> = if is_resumed { initial } else { Vec::new() };
        let mut flush = move |open: &mut Vec<Capability<u64>>,
                              rejected: &mut Vec<FeedRejectRow>,
                              updates: &mut FlightUpdates,
                              spares: &mut Spares,
                              shard: &mut Shard| {
            let epoch = *open[0].time();
            let mut clock = vec![shard.clock_ms()];
            clock_port.send(open, &mut clock, || None);
            shard.flush(updates, epoch);
            if shared.is_snapshot(epoch) {
                rejected.clear();
            }
            rejects_port.send(open, rejected, || None);
            flights_port.send(open, &mut updates.flights, || spares.flights.pop());
            legs_port.send(open, &mut updates.legs, || spares.legs.pop());
            inventory_port.send(open, &mut updates.inventory, || spares.inventory.pop());
            holds_port.send(open, &mut updates.holds, || spares.holds.pop());
            drift_port.send(open, &mut updates.drift, || spares.drift.pop());
            fares_port.send(open, &mut updates.fares, || None);
            offers_port.send(open, &mut updates.offers, || spares.offers.pop());
            load_factor_port.send(open, &mut updates.load_factor, || spares.load_factor.pop());
            oversold_port.send(open, &mut updates.oversold, || spares.oversold.pop());
            orders_port.send(open, &mut updates.orders, || None);
            seats_port.send(open, &mut updates.seats, || None);
            prices_port.send(open, &mut updates.prices, || None);
            open.clear();
        };
        move |frontiers| {
            let mut shard = shard.borrow_mut();
            while let Ok(part) = returned.try_recv() {
                spares.take(*part);
            }
            // In the order of arrival, which is that of the stream: never sorted by stamp.
            input.for_each(|capability, batch| {
                let Some(epoch) = capability.least().copied() else {
                    return;
                };
                if open.first().is_some_and(|c| *c.time() != epoch) {
                    flush(
                        &mut open,
                        &mut rejected,
                        &mut updates,
                        &mut spares,
                        &mut shard,
                    );
                }
                if open.is_empty() {
                    open.extend((0..ports).map(|port| capability.delayed(&epoch, port)));
                }
                let Batch {
                    runs,
                    mut inputs,
                    notes,
                } = std::mem::take(batch);
                let mut decisions = spares.decisions.pop().unwrap_or_default();
                decisions.reserve(inputs.len());
                let (mut first, mut orders) = (0, Vec::new());
                for (run, inputs) in split(&runs, &mut inputs) {
                    shard.fold(run.partition, inputs, &mut decisions, &mut updates, epoch);
                    let news = shard.fold_orders(run.partition, inputs, first, &mut updates, epoch);
                    orders.extend(news.map(|news| (run.partition, news)));
                    first += run.len;
                    shard.take_rejects(run.partition, inputs, &mut rejected);
                }
                let mut decided = Decided {
                    runs,
                    decisions,
                    notes,
                    orders,
                };
                decided_port.send(&open, &mut decided, || None);
                inputs.clear();
                // The sender is gone when the dataflow is being abandoned.
                let _ = emptied.try_send(inputs);
            });
            if open
                .first()
                .is_some_and(|c| !frontiers[0].less_equal(c.time()))
            {
                flush(
                    &mut open,
                    &mut rejected,
                    &mut updates,
                    &mut spares,
                    &mut shard,
                );
            }
        }
    });
    Outputs {
        decided,
        rejects,
        flights,
        legs,
        inventory,
        holds,
        drift,
        fares,
        offers,
        load_factor,
        oversold,
        orders,
        seats,
        prices,
        clock,
    }
}
