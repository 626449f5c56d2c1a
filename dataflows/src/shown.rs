//! What the rows of a flight last said, and with it which rows went.
//!
//! Most rows that went can be told from the hold as it is now: it was held since it was made. What
//! cannot be told so is kept: rows of sales, and of holds that waited.

use std::collections::BTreeMap;

use flightline_ledger::{Flight, FlightKey, HoldIx, HoldState, HoldView};

use crate::image::Image;
use crate::rows::HoldRow;
use crate::views::hold;
use crate::watch::HoldChange;

/// What is kept of a flight between epochs.
#[derive(Default)]
pub(crate) struct Shown {
    pub(crate) image: Image,
    /// Holds last shown as confirmed, and where they became so.
    confirmed: BTreeMap<HoldIx, Confirmed>,
    /// Rows of holds last shown as waiting, or as held after they had waited.
    waited: BTreeMap<HoldIx, HoldRow>,
}

/// Where a hold became a sale.
#[derive(Clone, Copy)]
struct Confirmed {
    offset: u64,
    at_ms: i64,
}

impl Shown {
    /// Does all of it follow from the state of its flight?
    pub(crate) fn is_told(&self) -> bool {
        self.image.drift.is_empty() && self.confirmed.is_empty() && self.waited.is_empty()
    }

    /// The row of a hold that went and the one that came in the epoch that began at `since`, for
    /// one of its changes in the epoch.
    pub(crate) fn change(
        &mut self,
        partition: u32,
        flight: &Flight,
        change: HoldChange,
        since: u64,
        mut give: impl FnMut(HoldRow, isize),
    ) {
        let index = change.hold;
        let hold = flight.hold(index);
        // Of several changes of one hold in an epoch, the first one counts.
        let is_first = match change.before {
            None => true,
            Some(_) if hold.offset >= since => false,
            Some(HoldState::Confirmed) => self.confirmed.contains_key(&index),
            // What was last shown is the state before the first change.
            Some(before) => (self.waited.get(&index)).is_none_or(|row| row.status == before),
        };
        if !is_first {
            return;
        }
        let key = flight.key();
        if let Some(row) = self.before(partition, key, index, &hold, since) {
            give(row, -1);
        }
        let row = hold::row(partition, key, &hold);
        if change.before == Some(HoldState::Confirmed) {
            self.confirmed.remove(&index);
        }
        if hold.state == HoldState::Waiting
            || hold.state == HoldState::Held && hold.changed_offset != hold.offset
        {
            self.waited.insert(index, row.clone());
        } else if !self.waited.is_empty() {
            self.waited.remove(&index);
        }
        give(row, 1);
        if hold.state == HoldState::Confirmed {
            let confirmed = Confirmed {
                offset: hold.changed_offset,
                at_ms: hold.changed_at_ms,
            };
            self.confirmed.insert(index, confirmed);
        }
    }

    /// The row that a hold had before the records from `since` on, told from what it is now.
    pub(crate) fn before(
        &self,
        partition: u32,
        flight: FlightKey,
        index: HoldIx,
        hold: &HoldView,
        since: u64,
    ) -> Option<HoldRow> {
        if hold.offset >= since {
            return None;
        }
        let mut before = *hold;
        if hold.changed_offset >= since {
            if let Some(row) = self.waited.get(&index) {
                return Some(row.clone());
            }
            match self.confirmed.get(&index) {
                Some(confirmed) => {
                    before.state = HoldState::Confirmed;
                    before.changed_offset = confirmed.offset;
                    before.changed_at_ms = confirmed.at_ms;
                }
                None => {
                    before.state = HoldState::Held;
                    before.changed_offset = hold.offset;
                    before.changed_at_ms = hold.created_at_ms;
                }
            }
        }
        Some(hold::row(partition, flight, &before))
    }
}
