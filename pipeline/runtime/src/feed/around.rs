//! Flights by their numbers: reports that name a flight by number and day reach those that there are.

use std::collections::{BTreeMap, HashMap};

use flightline_connectors::{Scope, Unplaced};
use flightline_ledger::{Carrier, Date, FlightKey, ProviderCode};

use crate::backend::Inner;

/// Carrier, number and suffix of a flight.
type Number = (Carrier, u16, u8);

/// A provider's flights by number, over some days.
pub(crate) struct FlightsAround(HashMap<Number, Vec<FlightKey>>);

/// The provider's flights by number, over the days that the reports are about.
pub(crate) fn flights_around<'a>(
    inner: &Inner,
    provider: ProviderCode,
    events: impl Iterator<Item = &'a Unplaced>,
) -> FlightsAround {
    let mut days: BTreeMap<Carrier, (Date, Date)> = BTreeMap::new();
    for event in events {
        let (from, to) = event.flights.dates();
        let known = days.entry(event.flights.carrier).or_insert((from, to));
        *known = (known.0.min(from), known.1.max(to));
    }
    let mut flights: HashMap<Number, Vec<FlightKey>> = HashMap::new();
    for (carrier, (from, to)) in days {
        let scope = Scope {
            carrier: Some(carrier),
            from,
            to,
        };
        for flight in inner.flights_of(provider, scope) {
            let number = (flight.carrier, flight.number, flight.suffix);
            flights.entry(number).or_default().push(flight);
        }
    }
    FlightsAround(flights)
}

impl FlightsAround {
    /// Those that a report is about.
    pub(crate) fn of<'a>(
        &'a self,
        inner: &'a Inner,
        event: &'a Unplaced,
    ) -> impl Iterator<Item = FlightKey> + 'a {
        let which = &event.flights;
        let number = (which.carrier, which.number, which.suffix);
        let flights = self.0.get(&number).into_iter().flatten();
        flights.copied().filter(move |flight| {
            let departs_s = || {
                let plan = inner.serving.plan(flight)?;
                plan.departures.first().map(|(_, departs_s)| *departs_s)
            };
            which.contains(flight, which.utc.then(departs_s).flatten())
        })
    }
}
