//! What a fold tells the outside while it runs.

use crate::codes::FlightKey;
use crate::command::Input;
use crate::flight::Flight;
use crate::outcome::Decision;
use crate::view::HoldState;

/// Index of a flight in its [`Ledger`](crate::Ledger): dense, counted from 0 in the order in which
/// flights were created, and never given to another flight.
pub type FlightIx = u32;

/// Index of a hold in its [`Flight`](crate::Flight): dense, counted from 0 in the order in which
/// holds were made, and never given to another hold.
pub type HoldIx = u32;

/// Hears what one call of [`Ledger::apply`](crate::Ledger::apply) or
/// [`Ledger::apply_batch`](crate::Ledger::apply_batch) decides and changes, while it happens.
///
/// It gets indices, not state: read the state when the call has returned. A flight that was retired
/// in the call can still be read then, until the next call.
///
/// Within one record the order is: holds that expired, flights that retired, waiting holds that got
/// seats, then what the command changed, waiting holds that got seats by that, then
/// [`Observer::decided`]. So one hold can change twice within a record. Flights are packed and unpacked at any
/// point of it.
pub trait Observer {
    /// A record was decided. Called once for every record, in offset order, after its changes.
    #[inline]
    fn decided(&mut self, input: &Input, decision: &Decision) {
        let _ = (input, decision);
    }

    /// Inventory, status, schedule or fares of the flight may differ now. Called at least once per
    /// record and flight that changed, so a dirty list with a mark per flight is what fits.
    #[inline]
    fn flight_changed(&mut self, flight: FlightIx) {
        let _ = flight;
    }

    /// What is for sale of the flight may differ now though no count does: a provider stopped, fell
    /// silent or went on, or what was said until a time lapsed. [`Observer::flight_changed`] is called
    /// as well.
    #[inline]
    fn sale_changed(&mut self, flight: FlightIx) {
        let _ = flight;
    }

    /// A hold was made (`before` is absent) or went from `before` to another state.
    #[inline]
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        let _ = (flight, hold, before);
    }

    /// A flight that lay packed (see [`Ledger::keep_unpacked`](crate::Ledger::keep_unpacked)) is about to be
    /// worked on, or to be changed where it lies. `as_it_was` is its state before that.
    #[inline]
    fn flight_unpacked(&mut self, flight: FlightIx, as_it_was: &Flight) {
        let _ = (flight, as_it_was);
    }

    /// A flight was packed, after it had changed or not. Whoever keeps what follows from its state can let
    /// that go: before it changes there is [`Observer::flight_unpacked`].
    #[inline]
    fn flight_packed(&mut self, flight: FlightIx) {
        let _ = flight;
    }

    /// The flight is over: its live and waiting holds have expired (and were told), and its key is refused from
    /// now on. Its state is dropped when the next call begins.
    #[inline]
    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        let _ = (flight, key);
    }
}

/// Listens to nothing: for folds of which only the decisions or the end state matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

impl<O: Observer + ?Sized> Observer for &mut O {
    #[inline]
    fn decided(&mut self, input: &Input, decision: &Decision) {
        (**self).decided(input, decision);
    }
    #[inline]
    fn flight_changed(&mut self, flight: FlightIx) {
        (**self).flight_changed(flight);
    }
    #[inline]
    fn sale_changed(&mut self, flight: FlightIx) {
        (**self).sale_changed(flight);
    }
    #[inline]
    fn hold_changed(&mut self, flight: FlightIx, hold: HoldIx, before: Option<HoldState>) {
        (**self).hold_changed(flight, hold, before);
    }
    #[inline]
    fn flight_unpacked(&mut self, flight: FlightIx, as_it_was: &Flight) {
        (**self).flight_unpacked(flight, as_it_was);
    }
    #[inline]
    fn flight_packed(&mut self, flight: FlightIx) {
        (**self).flight_packed(flight);
    }
    #[inline]
    fn flight_retired(&mut self, flight: FlightIx, key: FlightKey) {
        (**self).flight_retired(flight, key);
    }
}
