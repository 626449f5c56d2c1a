//! A month of departures of the world's airlines, as one SSIM file.
//!
//! The shape is that of opentraveldata's monthly airline segments (CC-BY 4.0): how often each airline
//! flies each route. Where `FLIGHTLINE_SEGMENTS` names such a file (unpacked, `from;to;airline;month;
//! seats;frequency`), the airlines, routes and frequencies are its own, repeated or cut to the number of
//! departures that is asked for. Without it they are drawn: as many airlines and routes as August 2016
//! had, by Zipf. Times of day, flight numbers and days are made up in both.

mod file;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use flightline_connectors::airports::airports;
use flightline_ledger::Station;

pub use file::write;

use crate::random::{Dice, Zipf};

/// Airlines of August 2016.
const AIRLINES: usize = 664;
/// Routes of August 2016, each of one airline.
const ROUTES: usize = 67_573;
/// Days of the month, August 2027.
pub const DAYS: u32 = 31;

/// An airline on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Two characters.
    pub airline: String,
    /// Where it begins.
    pub from: Station,
    /// Where it ends.
    pub to: Station,
    /// Departures in the month.
    pub departures: u32,
}

/// The routes of a month, by airline.
#[derive(Debug)]
pub struct World {
    /// By airline.
    pub routes: BTreeMap<String, Vec<Route>>,
    /// Where they are from, in words.
    pub origin: String,
}

impl World {
    /// So many departures.
    ///
    /// # Errors
    /// When the file that `FLIGHTLINE_SEGMENTS` names cannot be read or holds nothing of use.
    pub fn new(departures: u64) -> anyhow::Result<Self> {
        let (all, origin) = match std::env::var_os("FLIGHTLINE_SEGMENTS") {
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("FLIGHTLINE_SEGMENTS: {}", path.display()))?;
                let (all, left_out) = segments(&text)?;
                let origin = format!(
                    "routes and frequencies of the file of FLIGHTLINE_SEGMENTS, {left_out} lines left out; times made up"
                );
                (all, origin)
            }
            None => (drawn(departures), "routes and frequencies drawn".to_owned()),
        };
        let sum: u64 = all.iter().map(|route| u64::from(route.departures)).sum();
        ensure!(sum > 0, "no departure in the segments");
        let mut routes: BTreeMap<String, Vec<Route>> = BTreeMap::new();
        let (mut seen, mut given) = (0_u128, 0_u64);
        for mut route in all {
            // Each its share, and no rounding is lost.
            seen += u128::from(route.departures);
            let until = (seen * u128::from(departures) / u128::from(sum)) as u64;
            route.departures = (until - given) as u32;
            given = until;
            if route.departures > 0 {
                routes.entry(route.airline.clone()).or_default().push(route);
            }
        }
        Ok(Self { routes, origin })
    }

    /// Departures in all.
    pub fn departures(&self) -> u64 {
        let routes = self.routes.values().flatten();
        routes.map(|route| u64::from(route.departures)).sum()
    }
}

/// The lines of the file, and how many are of no use: stations without a known time zone, airlines
/// without a code of two characters, nothing flown.
fn segments(text: &str) -> anyhow::Result<(Vec<Route>, usize)> {
    let (mut routes, mut left_out) = (Vec::new(), 0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let route = || {
            let fields: Vec<&str> = line.split(';').collect();
            let [from, to, airline, _, _, frequency] = fields.as_slice() else {
                return None;
            };
            let station = |text: &str| -> Option<Station> {
                let station = text.parse().ok()?;
                airports().get(station).map(|_| station)
            };
            let route = Route {
                airline: (airline.len() == 2).then(|| (*airline).to_owned())?,
                from: station(from)?,
                to: station(to)?,
                departures: frequency.parse().ok()?,
            };
            (route.from != route.to && route.departures > 0).then_some(route)
        };
        match route() {
            Some(route) => routes.push(route),
            None => left_out += 1,
        }
    }
    ensure!(!routes.is_empty(), "no line is a segment");
    Ok((routes, left_out))
}

fn drawn(departures: u64) -> Vec<Route> {
    // Fewer routes for few departures, so that a small run has the same shape.
    let routes = ROUTES.min((departures / 10).max(1) as usize);
    let stations: Vec<Station> = airports().iter().map(|airport| airport.iata).collect();
    let stations = &stations[..stations.len().min(4_000)];
    let mut dice = Dice::new(7);
    let letter = |n: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[n % 26]);
    let digit_or_letter = |n: usize| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789"[n % 34]);
    let by_airline = Zipf::new(AIRLINES, 0.9);
    let by_frequency = Zipf::new(400, 0.8);
    let mut all = Vec::with_capacity(routes);
    while all.len() < routes {
        let airline = by_airline.sample(&mut dice);
        let station = |dice: &mut Dice| stations[dice.below(stations.len() as u64) as usize];
        let (from, to) = (station(&mut dice), station(&mut dice));
        if from == to {
            continue;
        }
        all.push(Route {
            airline: [letter(airline), digit_or_letter(airline / 26)]
                .iter()
                .collect(),
            from,
            to,
            departures: 1 + by_frequency.sample(&mut dice) as u32,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_has_the_departures_that_are_asked_for() {
        for departures in [1, 100, 54_321] {
            assert_eq!(World::new(departures).unwrap().departures(), departures);
        }
    }

    #[test]
    fn segments_are_read_and_what_is_of_no_use_is_counted() {
        let text = "#header\nJFK;LAX;AA;201708;100;24\nJFK;JFK;AA;201708;1;1\nJFK;LAX;AAL;201708;1;1\nQQQQ;LAX;AA;1;1;1\nJFK;LAX\n";
        let (routes, left_out) = segments(text).unwrap();
        assert_eq!((routes.len(), routes[0].departures, left_out), (1, 24, 4));
    }
}
