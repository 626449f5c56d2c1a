//! Every epoch of the dataflow, handed to all that show or tell it.

use std::sync::Arc;

use flightline_dataflows::changelog::{Epoch, EpochSink};
use flightline_ledger::FlightKey;
use flightline_sinks::serving::Serving;

use crate::hold_index::HoldIndex;
use crate::orders::notices::Notices;
use crate::telemetry::Telemetry;
use crate::webhooks::Webhooks;

/// Retired flights whose hold ids are dropped together.
const FORGET_TOGETHER: usize = 256;

/// Hands every epoch to the sinks.
pub(super) struct Fanout {
    pub(super) serving: Arc<Serving>,
    pub(super) holds: Arc<HoldIndex>,
    pub(super) notices: Arc<Notices>,
    /// Absent in a simulation.
    pub(super) webhooks: Option<Arc<Webhooks>>,
    pub(super) telemetry: Option<Arc<Telemetry>>,
    /// The way to the tables: the views in SQL, when there are any, and then the sink.
    pub(super) tables: Box<dyn EpochSink>,
    pub(super) retired: Vec<FlightKey>,
}

impl EpochSink for Fanout {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.serving.apply(&epoch);
        self.notices.epoch(&epoch);
        if let Some(webhooks) = &self.webhooks {
            webhooks.epoch(&epoch);
        }
        self.forget(&epoch);
        if let Some(telemetry) = &self.telemetry {
            telemetry.folded(&epoch.covers);
        }
        self.tables.epoch(epoch);
    }
}

impl Fanout {
    /// Drops hold ids of flights that are gone. Rows are sorted by flight, so a flight that went
    /// and came stands in neighbouring rows.
    fn forget(&mut self, epoch: &Epoch) {
        let mut rows = epoch.flights.iter().peekable();
        while let Some((row, diff)) = rows.next() {
            let mut sum = *diff;
            while let Some((_, diff)) = rows.next_if(|(next, _)| next.flight == row.flight) {
                sum += diff;
            }
            if sum < 0 {
                self.retired.push(row.flight);
            }
        }
        if self.retired.len() >= FORGET_TOGETHER {
            self.holds.forget(&self.retired);
            self.retired.clear();
        }
    }
}
