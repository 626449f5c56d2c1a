//! The seats of a partition.

use std::collections::BTreeSet;

use super::{BadState, Reader, STATE_FORMAT, Stored, Writer, flight};
use crate::codes::FlightKey;
use crate::expiry::{Due, Expiry};
use crate::index::Index;
use crate::ledger::Ledger;
use crate::mix;
use crate::observer::FlightIx;
use crate::view::HoldState;

impl Ledger {
    /// Appends the stored form of the state to `out`. Equal states need not give equal bytes: flights
    /// stand in the order in which they were created. Compare states by [`Ledger::hash_state`].
    pub fn save(&self, out: &mut Vec<u8>) {
        let mut writer = Writer(core::mem::take(out));
        writer.number(u64::from(STATE_FORMAT));
        self.clock_ms.put(&mut writer);
        self.settings.put(&mut writer);
        self.sellers.0.put(&mut writer);
        writer.len(self.flights.keys.len());
        for (key, at) in self.flights.keys.iter().zip(0..) {
            key.put(&mut writer);
            let stored = self.flights.stored(at);
            let at_work = self.flights.at_work(at).filter(|flight| !flight.retired);
            (stored.is_some() || at_work.is_some()).put(&mut writer);
            if let Some(stored) = stored {
                writer.bytes(stored);
            } else if let Some(flight) = at_work {
                flight::put(flight, &mut writer);
            }
        }
        *out = writer.0;
    }

    /// Reads what [`Ledger::save`] wrote: a state that decides every further record alike.
    ///
    /// # Errors
    /// When the bytes are not a state of this version, with where. Bytes whose checksum was right
    /// are trusted to be as they were written.
    pub fn load(bytes: &[u8]) -> Result<Self, BadState> {
        let mut input = Reader::new(bytes);
        if input.number()? != u64::from(STATE_FORMAT) {
            return Err(input.bad("its version is not the one of this release"));
        }
        let mut ledger = Self::new();
        ledger.clock_ms = Stored::get(&mut input)?;
        ledger.settings = Stored::get(&mut input)?;
        ledger.sellers.0 = Stored::get(&mut input)?;
        let len = input.len()?;
        let mut index = Index::with_capacity(len);
        let mut ends = Vec::new();
        let mut dues = Vec::new();
        for at in 0..len as FlightIx {
            let key: FlightKey = Stored::get(&mut input)?;
            index.insert(mix::hash_key(&key), at);
            if !bool::get(&mut input)? {
                ledger.flights.push_removed(key);
                continue;
            }
            let start = input.position();
            let flight = flight::get(key, &mut input)?;
            let stored = input.since(start);
            ends.push((flight.latest_ms(), key, at));
            ledger
                .lapses
                .extend(flight.next_lapse_ms().map(|ms| (ms, at)));
            ledger.live += flight.live as usize;
            ledger.waiting += flight.waiting as usize;
            let holds = flight.holds.iter().zip(&flight.origins).zip(0..);
            let live = holds.filter(|((hold, _), _)| {
                matches!(hold.state, HoldState::Held | HoldState::Waiting)
            });
            dues.extend(live.map(|((hold, origin), hold_at)| Due {
                deadline_ms: hold.deadline_ms,
                offset: origin.offset,
                flight: at,
                hold: hold_at,
            }));
            ledger.flights.push_stored(flight, stored);
        }
        input.end()?;
        if dues.len() != ledger.live + ledger.waiting {
            return Err(input.bad("holds that are not counted"));
        }
        ledger.index_is(index);
        ledger.ends = BTreeSet::from_iter(ends);
        dues.sort_unstable();
        let mut expiry = Expiry::default();
        dues.into_iter().for_each(|due| expiry.push(due));
        ledger.expiry = expiry;
        ledger.find_due();
        Ok(ledger)
    }
}
