//! Reading a partition: its clock, its flights, and when it next has something to do.

use crate::codes::{FlightKey, ProviderCode};
use crate::command::Settings;
use crate::flight::Flight;
use crate::flights::FlightRef;
use crate::ledger::{Ledger, lapsing};
use crate::mix;
use crate::observer::FlightIx;
use crate::view::FeedView;

impl Ledger {
    /// The partition's clock: the highest `at_ms` seen, Unix time in milliseconds.
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// The settings that hold now.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A flight that is not retired.
    pub fn find(&self, key: &FlightKey) -> Option<FlightIx> {
        let at = self.locate(mix::hash_key(key), key)?;
        self.flights.is_there(at).then_some(at)
    }

    /// Is the flight over, so that its key is all that is known of it?
    pub fn is_retired(&self, key: &FlightKey) -> bool {
        self.locate(mix::hash_key(key), key).is_some() && self.find(key).is_none()
    }

    /// A flight by its index. Panics when it was retired before the last call, and on an index that
    /// the ledger never gave.
    pub fn flight(&self, at: FlightIx) -> FlightRef<'_> {
        match self.get(at) {
            Some(flight) => flight,
            None => panic!("flight {at} is not in the ledger any more: read it when it retires"),
        }
    }

    /// A flight by its index, unless it was retired before the last call.
    pub fn get(&self, at: FlightIx) -> Option<FlightRef<'_>> {
        self.flights.get(at)
    }

    /// A flight by its index, if it is not packed (see [`Ledger::keep_unpacked`]) and was not retired before
    /// the last call.
    #[inline]
    pub fn get_unpacked(&self, at: FlightIx) -> Option<&Flight> {
        self.flights.at_work(at)
    }

    /// The flights that are neither retired nor packed, in the order in which they were created: all that
    /// ever had a hold are among them.
    pub fn unpacked_flights(&self) -> impl Iterator<Item = (FlightIx, &Flight)> + '_ {
        let flights = self.flights.all_at_work();
        flights.filter(|(_, flight)| !flight.retired)
    }

    /// The flights that are not retired, in the order in which they were created.
    pub fn flights(&self) -> impl Iterator<Item = (FlightIx, FlightRef<'_>)> + '_ {
        let flights = self.flights.iter();
        flights.filter(|(_, flight)| !flight.retired)
    }

    /// The indices of the flights that are not retired.
    pub fn indices(&self) -> impl Iterator<Item = FlightIx> + '_ {
        (0..self.flights.len()).filter(|at| self.flights.is_there(*at))
    }

    /// How many flights were ever created: their indices are below this.
    pub fn flights_ever(&self) -> usize {
        self.flights.len() as usize
    }

    /// How many flights [`Ledger::keep_unpacked`] keeps unless it is told. They take some 2 MiB.
    pub const FLIGHTS_UNPACKED: usize = 1024;

    /// Sets how many flights of which nobody ever held a seat are kept as they are worked on, at least one;
    /// [`Ledger::FLIGHTS_UNPACKED`] unless it is set. The others are kept packed: they take a third of the memory, and some
    /// microseconds more when something is decided about them. No decision depends on it.
    pub fn keep_unpacked(&mut self, flights: usize) {
        self.flights.keep_unpacked(flights);
    }

    /// Holds that are live, over all flights.
    pub fn live_holds(&self) -> usize {
        self.live
    }

    /// Holds that wait for seats, over all flights.
    pub fn waiting_holds(&self) -> usize {
        self.waiting
    }

    /// When the clock next has something to do: a hold lapses, a flight retires, a provider falls
    /// silent, or what one said lapses. Absent =
    /// never. A partition to which nothing else is appended needs a `Tick` then. Never later than
    /// that; earlier when very many holds ended before their deadline.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let hold = if self.live + self.waiting == 0 {
            None
        } else {
            self.expiry.first_live(|due| {
                let flight = self.flights.at_work(due.flight);
                flight.is_some_and(|flight| lapsing(flight, due).is_some())
            })
        };
        let flight = self.ends.first().map(|end| self.retires_at_ms(end.0));
        let due = hold.into_iter().chain(flight);
        due.chain(self.feeds_due_ms()).min()
    }

    /// How a provider's feed stands in the partition; absent when its silence has no limit and nobody
    /// told it to stop.
    pub fn feed(&self, provider: ProviderCode) -> Option<FeedView> {
        self.sellers.view(provider)
    }

    /// Every provider's feed of which there is something to say, see [`Ledger::feed`].
    pub fn feeds(&self) -> impl Iterator<Item = (ProviderCode, FeedView)> + '_ {
        self.sellers.views()
    }
}
