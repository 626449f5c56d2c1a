//! The graph itself. See the crate's page for what flows where, and why.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use flightline_ledger::Input;
use timely::dataflow::Scope;
use timely::scheduling::SyncActivator;

use crate::changelog::DecisionSink;
use crate::collector::Report;
use crate::decided::announce;
use crate::export::Export;
use crate::failure::Shared;
use crate::fold::{Buffers, Outputs, fold};
use crate::shard::Shard;
use crate::source::{self, Message};
use crate::views::{availability_by_route_day, cheapest_by_route_day};

/// What the graph is connected to.
pub(crate) struct Ends {
    pub(crate) inbox: Receiver<Message>,
    pub(crate) hand_out: Box<dyn FnOnce(SyncActivator)>,
    /// Newest epoch that the source has opened.
    pub(crate) opened: Rc<Cell<u64>>,
    pub(crate) decisions: Arc<dyn DecisionSink>,
    pub(crate) reports: Sender<Report>,
    /// Where emptied buffers of inputs go.
    pub(crate) emptied: Sender<Vec<Input>>,
    /// The first epoch has rows before any record came.
    pub(crate) is_resumed: bool,
}

/// More than a worker could use are dropped.
const PARTS_ON_THEIR_WAY_BACK_MAX: usize = 8;

/// Builds a worker's copy of the graph.
pub(crate) fn render(
    scope: Scope<'_, u64>,
    ends: Ends,
    shard: Rc<RefCell<Shard>>,
    shared: Arc<Shared>,
) {
    let advanced = {
        let opened = Rc::clone(&ends.opened);
        move |epoch| opened.set(epoch)
    };
    let (home, spares) = bounded(PARTS_ON_THEIR_WAY_BACK_MAX);
    let records = source::records(scope, ends.inbox, ends.hand_out, advanced);
    let buffers = Buffers {
        returned: spares,
        emptied: ends.emptied,
    };
    let outputs = fold(
        records,
        shard,
        Arc::clone(&shared),
        buffers,
        ends.is_resumed,
    );
    let Outputs {
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
    } = outputs;

    let mut export = Export::new(scope);
    // The snapshot leaves decisions out: each may have been taken by a sink before.
    let keeps = move |epoch| !shared.is_snapshot(epoch);
    export.whole(announce(decided, ends.decisions, keeps), |part, decided| {
        part.decisions.push(decided);
    });
    export.whole(rejects, |part, rows| part.rejects.push(rows));
    export.whole(flights, |part, rows| part.flights.push(rows));
    export.whole(legs, |part, rows| part.legs.push(rows));
    export.whole(inventory, |part, rows| part.inventory.push(rows));
    export.whole(holds, |part, rows| part.holds.push(rows));
    export.whole(drift, |part, rows| part.drift.push(rows));
    export.whole(fares, |part, rows| part.fares.push(rows));
    export.whole(offers, |part, rows| part.offers.push(rows));
    export.whole(load_factor, |part, rows| part.load_factor.push(rows));
    export.whole(oversold, |part, rows| part.oversold.push(rows));
    export.whole(orders, |part, rows| part.orders.push(rows));
    export.timed(availability_by_route_day::render(seats), |part| {
        &mut part.availability
    });
    export.timed(cheapest_by_route_day::render(prices), |part| {
        &mut part.cheapest
    });
    export.whole(clock, |part, clocks| {
        part.clock_ms = part.clock_ms.max(clocks.into_iter().max());
    });
    export.build(ends.reports, home, ends.opened);
}
