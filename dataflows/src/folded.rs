//! A partition folded plainly, outside of any dataflow: what a checkpoint keeps, and where a dataflow
//! goes on.

use flightline_ledger::command::{Availability, ProviderBody, SourceVersion};
use flightline_ledger::order::{OrderCommand, OrderDecision, OrderObserver, Orders};
use flightline_ledger::{
    BadState, Command, Decision, FlightCommand, Input, Ledger, Observer, Outcome, Replay,
};

use crate::orders::references;

/// The state of one partition at an offset: seats, orders, and what the rows say that neither of them
/// knows.
#[derive(Clone)]
pub struct Folded {
    partition: u32,
    next_offset: u64,
    ledger: Ledger,
    orders: Orders,
    /// Offset and version of the counts that providers reported, as far as a flight may still show
    /// them; sorted.
    versions: Vec<(u64, SourceVersion)>,
}

/// The stored parts of a [`Folded`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoldedBytes {
    /// Of the seats: [`Ledger::save`].
    pub ledger: Vec<u8>,
    /// Of the orders: [`Orders::save`].
    pub orders: Vec<u8>,
    /// Of the reports that rows tell of: offset, time, group and sequence of each, little-endian.
    pub versions: Vec<u8>,
}

/// Bytes of one report in [`FoldedBytes::versions`].
const VERSION_BYTES: usize = 24;

/// Why stored parts are not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFolded {
    /// The seats cannot be read.
    #[error("its seats: {0}")]
    Ledger(BadState),
    /// The orders cannot be read.
    #[error("its orders: {0}")]
    Orders(BadState),
    /// The list of reports is cut off.
    #[error("its list of reports is cut off")]
    Versions,
}

/// Hears one record.
struct Ear<'a> {
    versions: &'a mut Vec<(u64, SourceVersion)>,
    order: Option<OrderDecision>,
}

impl Observer for Ear<'_> {
    fn decided(&mut self, input: &Input, decision: &Decision) {
        let Command::Flight(_, FlightCommand::Provider(event)) = &input.command else {
            return;
        };
        if let (Outcome::Accepted { .. }, Replay::First) = (decision.outcome, decision.replay)
            && let ProviderBody::Availability(Availability { seats: Some(_), .. }) = event.body
        {
            self.versions.push((input.offset, event.version));
        }
    }
}

impl OrderObserver for Ear<'_> {
    fn decided(&mut self, decision: &OrderDecision) {
        self.order = decision.order.is_some().then_some(*decision);
    }
}

impl Folded {
    /// The state before the first record of a partition.
    pub fn new(partition: u32, partitions: u32) -> Self {
        Self {
            partition,
            next_offset: 0,
            ledger: Ledger::new(),
            orders: Orders::new(partition, references(partitions)),
            versions: Vec::new(),
        }
    }

    /// Folds the next record; gives the decision, and the one about its order if it is about one.
    ///
    /// # Panics
    /// When the record is not the next one.
    pub fn apply(&mut self, input: &Input) -> (Decision, Option<OrderDecision>) {
        assert_eq!(
            input.offset, self.next_offset,
            "partition {}: record {} came where record {} was due: the stream has a hole or a double",
            self.partition, input.offset, self.next_offset
        );
        self.next_offset += 1;
        let mut ear = Ear {
            versions: &mut self.versions,
            order: None,
        };
        let decision = self.ledger.apply(input, &mut ear);
        let is_ours = matches!(
            input.command,
            Command::Order(..) | Command::ConfigureOrders(_)
        );
        // Most records only move the clock of orders.
        if is_ours || !self.orders.pass(input.at_ms) {
            let command = OrderCommand::of(&input.command);
            self.orders
                .apply(input.offset, input.at_ms, input.id, &command, &mut ear);
        }
        (decision, ear.order)
    }

    /// The partition.
    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// Offset of the record that comes next.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Its seats.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Its orders.
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// One digest of seats and orders: equal after equal histories, on any machine.
    pub fn hash_state(&self) -> u128 {
        hash_of(self.ledger.hash_state(), self.orders.hash_state())
    }

    /// The stored form. Reports that no flight shows any more are forgotten.
    pub fn save(&mut self) -> FoldedBytes {
        let mut shown = Vec::new();
        for (_, flight) in self.ledger.flights() {
            shown.extend(flight.drift().map(|line| line.offset));
        }
        shown.sort_unstable();
        self.versions
            .retain(|(offset, _)| shown.binary_search(offset).is_ok());
        let mut bytes = FoldedBytes::default();
        self.ledger.save(&mut bytes.ledger);
        self.orders.save(&mut bytes.orders);
        for (offset, version) in &self.versions {
            let SourceVersion {
                time_ms,
                group,
                sequence,
            } = version;
            bytes.versions.extend_from_slice(&offset.to_le_bytes());
            bytes.versions.extend_from_slice(&time_ms.to_le_bytes());
            bytes.versions.extend_from_slice(&group.to_le_bytes());
            bytes.versions.extend_from_slice(&sequence.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Folded::save`] gave for the same partition of a stream with so many partitions.
    ///
    /// # Errors
    /// When it is not a state of this release.
    pub fn load(
        partition: u32,
        partitions: u32,
        next_offset: u64,
        ledger: &[u8],
        orders: &[u8],
        versions: &[u8],
    ) -> Result<Self, BadFolded> {
        let (reports, rest) = versions.as_chunks::<VERSION_BYTES>();
        if !rest.is_empty() {
            return Err(BadFolded::Versions);
        }
        let eight = |bytes: &[u8], at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let versions = reports.iter().map(|bytes| {
            let both = eight(bytes, 16);
            let version = SourceVersion {
                time_ms: eight(bytes, 8) as i64,
                group: both as u32,
                sequence: (both >> 32) as u32,
            };
            (eight(bytes, 0), version)
        });
        Ok(Self {
            partition,
            next_offset,
            ledger: Ledger::load(ledger).map_err(BadFolded::Ledger)?,
            orders: Orders::load(partition, references(partitions), orders)
                .map_err(BadFolded::Orders)?,
            versions: versions.collect(),
        })
    }

    /// Its orders alone.
    pub fn into_orders(self) -> Orders {
        self.orders
    }

    pub(crate) fn into_parts(self) -> (Ledger, Orders, Vec<(u64, SourceVersion)>) {
        (self.ledger, self.orders, self.versions)
    }
}

impl std::fmt::Debug for Folded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folded")
            .field("partition", &self.partition)
            .field("next_offset", &self.next_offset)
            .finish_non_exhaustive()
    }
}

/// One digest of the digests of seats and orders.
pub fn hash_of(seats: u128, orders: u128) -> u128 {
    seats.rotate_left(1) ^ orders
}
