//! The stations that one search meets, by small numbers.

use flightline_ledger::Station;
use hashbrown::HashMap;

use super::JourneyQuery;
use super::rules::{ConnectionRules, OnGlobe};

/// A station of one search.
pub(super) type StationNo = u16;

/// What a search knows of a station.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) station: Station,
    pub(super) city: Station,
    at: Option<OnGlobe>,
    /// Where the journey may begin or end: no place to change.
    is_end: bool,
    /// Stations to go on from after arriving here: itself, and those of its city.
    onward: Option<Vec<StationNo>>,
}

/// Numbers for stations, given as they are met.
#[derive(Debug)]
pub(super) struct Board<'a> {
    rules: &'a ConnectionRules,
    numbers: HashMap<Station, StationNo, foldhash::fast::FixedState>,
    stops: Vec<Stop>,
    pub(super) origins: Vec<StationNo>,
    pub(super) destinations: Vec<StationNo>,
}

impl<'a> Board<'a> {
    pub(super) fn new(query: &'a JourneyQuery) -> Self {
        let mut board = Self {
            rules: &query.rules,
            numbers: HashMap::default(),
            stops: Vec::new(),
            origins: Vec::new(),
            destinations: Vec::new(),
        };
        for station in &query.origins {
            let no = board.end(*station);
            if !board.origins.contains(&no) {
                board.origins.push(no);
            }
        }
        for station in &query.destinations {
            let no = board.end(*station);
            if !board.destinations.contains(&no) {
                board.destinations.push(no);
            }
        }
        board
    }

    fn end(&mut self, station: Station) -> StationNo {
        let no = self.no(station);
        self.stops[usize::from(no)].is_end = true;
        no
    }

    /// The number of a station. There are 17,576 codes, so that numbers do not run out.
    pub(super) fn no(&mut self, station: Station) -> StationNo {
        *self.numbers.entry(station).or_insert_with(|| {
            self.stops.push(Stop {
                station,
                city: self.rules.places.city(station),
                at: self.rules.places.at(station),
                is_end: false,
                onward: None,
            });
            (self.stops.len() - 1) as StationNo
        })
    }

    pub(super) fn stop(&self, no: StationNo) -> &Stop {
        &self.stops[usize::from(no)]
    }

    pub(super) fn station(&self, no: StationNo) -> Station {
        self.stop(no).station
    }

    /// Is it no place to change, being where the journey may begin or end?
    pub(super) fn is_end(&self, no: StationNo) -> bool {
        self.stop(no).is_end
    }

    pub(super) fn same_city(&self, a: StationNo, b: StationNo) -> bool {
        self.stop(a).city == self.stop(b).city
    }

    /// Where to go on from after an arrival: the station, and the others of its city.
    pub(super) fn onward(&mut self, no: StationNo) -> Vec<StationNo> {
        if let Some(known) = &self.stop(no).onward {
            return known.clone();
        }
        let rules = self.rules;
        let stations = rules.places.stations_of(self.stop(no).city);
        let mut onward: Vec<StationNo> = stations.iter().map(|s| self.no(*s)).collect();
        if !onward.contains(&no) {
            onward.push(no);
        }
        onward.retain(|no| !self.is_end(*no));
        self.stops[usize::from(no)].onward = Some(onward.clone());
        onward
    }

    /// Least and most time between an arrival and a departure, in seconds.
    pub(super) fn layover_s(&self, arrival: StationNo, departure: StationNo) -> (i64, i64) {
        let (arrival, departure) = (self.station(arrival), self.station(departure));
        let least = self.rules.minimum_s(arrival, departure);
        (least, self.rules.maximum_s())
    }

    /// Metres flown on a way, given as the two ends of each flight; `None` when coordinates are
    /// missing.
    pub(super) fn way_m(&self, flights: &[(StationNo, StationNo)]) -> Option<u64> {
        let mut sum = 0;
        for (from, to) in flights {
            sum += self.stop(*from).at?.distance_m(self.stop(*to).at?);
        }
        Some(sum)
    }

    /// May a way be so long?
    pub(super) fn allows(&self, way_m: u64, from: StationNo, to: StationNo) -> bool {
        let straight_m = self.way_m(&[(from, to)]);
        match (self.rules.detour, straight_m) {
            (Some(detour), Some(straight_m)) => detour.allows(way_m, straight_m),
            _ => true,
        }
    }
}
