//! Folding a partition again to see how something came about.
//!
//! Outcomes are not stored in the stream: they follow from it. What `history` and `explain` show is
//! therefore made by folding the partition once more, from its first record, and keeping what
//! concerns one flight. It costs a read of the partition and no memory between questions.

use flightline_api::backend::{FlightStep, HistoryEntry, OrderExplanation, OrderStep};
use flightline_dataflows::references;
use flightline_dataflows::rows::{HoldStatus, OrderRow};
use flightline_ledger::order::{EffectId, LogEvent, OrderCommand, OrderId, Orders};
use flightline_ledger::{
    Command, CommandId, Decision, FlightIx, FlightKey, HoldIx, HoldState, Input, InventoryLine,
    Ledger, Observer, Silent,
};
use flightline_stream::{Checker, StreamLog, partition_of_flight};

use crate::control::OrderName;
use crate::orders::desk::partition_of_order;
use crate::reading::{ReadError, for_each_batch, for_each_record};

/// What a step changed on the flight that is watched.
#[derive(Debug, Default)]
struct Watch {
    flight: Option<FlightIx>,
    holds: Vec<(FlightIx, HoldIx, Option<HoldState>)>,
    retired: Vec<FlightKey>,
}

impl Observer for Watch {
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        if self.flight == Some(flight) && before.is_some() {
            self.holds.push((flight, hold, before));
        }
    }

    fn flight_retired(&mut self, _: FlightIx, key: FlightKey) {
        self.retired.push(key);
    }
}

/// The flight that an input is about, if it is about one.
fn flight_of(input: &Input) -> Option<FlightKey> {
    match &input.command {
        Command::Flight(flight, _) => Some(*flight),
        _ => None,
    }
}

/// Commands and outcomes of one flight below `until`, from `from_offset` on, at most `limit`. Records
/// of others appear where they made a hold of the flight change (their clock let it lapse).
pub fn history(
    log: &dyn StreamLog,
    partition: u32,
    until: u64,
    flight: &FlightKey,
    from_offset: u64,
    limit: usize,
) -> Result<Vec<HistoryEntry>, ReadError> {
    let mut ledger = Ledger::new();
    let mut watch = Watch::default();
    let mut found = Vec::new();
    for_each_record(log, partition, until, |record| {
        if watch.flight.is_none() {
            watch.flight = ledger.find(flight);
        }
        watch.holds.clear();
        let decision = ledger.apply(&record.input, &mut watch);
        let own = flight_of(&record.input) == Some(*flight);
        if record.input.offset >= from_offset && (own || !watch.holds.is_empty()) {
            let side_effects = side_effects(&ledger, &watch, &record.input, own);
            if own || !side_effects.is_empty() {
                found.push(HistoryEntry {
                    record,
                    decision,
                    side_effects,
                });
            }
        }
        found.len() < limit
    })?;
    Ok(found)
}

fn side_effects(
    ledger: &Ledger,
    watch: &Watch,
    input: &Input,
    own: bool,
) -> Vec<(CommandId, HoldStatus)> {
    let named = match (&input.command, own) {
        (Command::Flight(_, flightline_ledger::FlightCommand::Confirm { hold }), true)
        | (Command::Flight(_, flightline_ledger::FlightCommand::Release { hold }), true)
        | (Command::Flight(_, flightline_ledger::FlightCommand::Cancel { hold }), true) => {
            Some(*hold)
        }
        _ => None,
    };
    watch
        .holds
        .iter()
        .map(|(flight, hold, _)| ledger.flight(*flight).hold(*hold))
        .filter(|hold| Some(hold.id) != named)
        .map(|hold| (hold.id, hold.state))
        .collect()
}

/// Why a command ended as it did.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The record and its decision.
    pub entry: HistoryEntry,
    /// The flight's inventory just before the command was decided, after holds that lapsed at its
    /// time were given back; empty when the flight was unknown.
    pub inventory_before: Vec<InventoryLine>,
    /// The last commands of the flight before it that changed something, oldest first.
    pub led_there: Vec<HistoryEntry>,
}

/// How many earlier events an explanation shows.
const LED_THERE: usize = 20;

/// Finds every record of a command, by its id or by the text that its client or provider gave it, in
/// the order of partition and offset, and explains each decision.
pub fn explain(
    log: &dyn StreamLog,
    until: &[u64],
    name: &str,
) -> Result<Vec<Explanation>, ReadError> {
    let id: Option<CommandId> = name.parse().ok();
    let mut places = Vec::new();
    let mut checkers: Vec<_> = (0..log.partitions()).map(Checker::new).collect();
    for_each_batch(log, &mut checkers, until, |records| {
        for record in records {
            let text = record.note.as_ref().and_then(|n| n.ref_text.as_deref());
            if (id == Some(record.input.id) || text == Some(name))
                && let Some(flight) = flight_of(&record.input)
            {
                places.push((record.partition, record.input.offset, flight));
            }
        }
        Ok::<_, ReadError>(())
    })?;
    places.sort_unstable_by_key(|(partition, offset, _)| (*partition, *offset));
    places
        .into_iter()
        .map(|(partition, offset, flight)| explain_at(log, partition, offset, &flight))
        .collect()
}

fn explain_at(
    log: &dyn StreamLog,
    partition: u32,
    offset: u64,
    flight: &FlightKey,
) -> Result<Explanation, ReadError> {
    let mut ledger = Ledger::new();
    let mut watch = Watch::default();
    let mut led_there = std::collections::VecDeque::new();
    let mut inventory_before = Vec::new();
    let mut answer = None;
    for_each_record(log, partition, offset + 1, |record| {
        if watch.flight.is_none() {
            watch.flight = ledger.find(flight);
        }
        watch.holds.clear();
        if record.input.offset == offset {
            // The clock of the command itself may let holds lapse first: move it alone, on a copy.
            let mut before = ledger.clone();
            let tick = Input {
                command: Command::Tick,
                ..record.input.clone()
            };
            before.apply(&tick, &mut Silent);
            if let Some(ix) = before.find(flight) {
                inventory_before = before.flight(ix).inventory().collect();
            }
        }
        let decision: Decision = ledger.apply(&record.input, &mut watch);
        let own = flight_of(&record.input) == Some(*flight);
        let entry = HistoryEntry {
            side_effects: side_effects(&ledger, &watch, &record.input, own),
            record,
            decision,
        };
        if entry.decision.offset == offset {
            answer = Some(entry);
            return false;
        }
        let first = entry.decision.replay == flightline_ledger::Replay::First;
        let refused = entry.decision.outcome.reason().is_some();
        if (own && first && !refused) || !entry.side_effects.is_empty() {
            if led_there.len() == LED_THERE {
                led_there.pop_front();
            }
            led_there.push_back(entry);
        }
        true
    })?;
    let entry = answer.unwrap_or_else(|| {
        panic!("partition {partition}: the record at offset {offset} was there a moment ago")
    });
    Ok(Explanation {
        entry,
        inventory_before,
        led_there: led_there.into(),
    })
}

/// The flight's answer to an effect of an order, with what it saw; see
/// [`Backend::explain_order`](flightline_api::backend::Backend::explain_order).
pub fn explain_order(
    log: &dyn StreamLog,
    until: &[u64],
    order: OrderId,
) -> Result<Option<OrderExplanation>, ReadError> {
    let partitions = log.partitions();
    let partition = partition_of_order(order, partitions);
    let mut orders = Orders::new(partition, references(partitions));
    let mut created = None;
    for_each_record(log, partition, until[partition as usize], |record| {
        let input = &record.input;
        let command = OrderCommand::of(&input.command);
        orders.apply(input.offset, input.at_ms, input.id, &command, &mut Silent);
        if created.is_none() && orders.find(order).is_some() {
            created = Some(input.offset);
        }
        // Retired: what is known of it now is all that will be.
        created.is_none() || orders.find(order).is_some()
    })?;
    let Some(found) = orders.find(order).and_then(|at| orders.get(at)) else {
        return Ok(None);
    };
    let mut steps = Vec::new();
    for entry in found.log().iter() {
        let flight = match entry.event {
            LogEvent::Result {
                effect,
                step,
                segment,
                ..
            } if step.is_about_seats() => {
                let flight = found.segments()[usize::from(segment)].request.flight;
                explain_effect(log, until, effect, &flight)?
            }
            _ => None,
        };
        steps.push(OrderStep {
            entry: *entry,
            flight,
        });
    }
    Ok(Some(OrderExplanation {
        order: OrderRow::of(found, partition, None),
        steps,
        dropped: found.log().dropped(),
    }))
}

/// As [`explain_order`], by id or booking reference.
pub fn explain_named_order(
    log: &dyn StreamLog,
    until: &[u64],
    name: OrderName,
) -> Result<Option<OrderExplanation>, ReadError> {
    let booking = match name {
        OrderName::Id(order) => return explain_order(log, until, order),
        OrderName::Booking(booking) => booking,
    };
    let partitions = log.partitions();
    let (partition, number) = references(partitions).find(&booking);
    // Orders are numbered as they are first created: the fold knows which one it was.
    let mut orders = Orders::new(partition, references(partitions));
    let mut order = None;
    for_each_record(log, partition, until[partition as usize], |record| {
        let input = &record.input;
        let command = OrderCommand::of(&input.command);
        orders.apply(input.offset, input.at_ms, input.id, &command, &mut Silent);
        if orders.orders_ever() as u64 > number {
            order = orders.named(&booking).map(|(_, order)| order);
        }
        order.is_none()
    })?;
    match order {
        Some(order) => explain_order(log, until, order),
        None => Ok(None),
    }
}

/// The first record of an effect in its flight's partition, explained.
fn explain_effect(
    log: &dyn StreamLog,
    until: &[u64],
    effect: EffectId,
    flight: &FlightKey,
) -> Result<Option<FlightStep>, ReadError> {
    let partition = partition_of_flight(flight, log.partitions());
    let mut place = None;
    for_each_record(log, partition, until[partition as usize], |record| {
        if record.input.id == CommandId::from(effect) {
            place = Some(record.input.offset);
        }
        place.is_none()
    })?;
    let Some(offset) = place else {
        return Ok(None);
    };
    let explanation = explain_at(log, partition, offset, flight)?;
    Ok(Some(FlightStep {
        partition,
        entry: explanation.entry,
        inventory_before: explanation.inventory_before,
        led_there: explanation.led_there,
    }))
}
