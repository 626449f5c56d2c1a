//! Airports, cities, airlines and aircraft: names and places of codes. The runtime fills it.

use std::collections::HashMap;

use flightline_ledger::{Carrier, Station};
use flightline_sinks::serving::{BadPlace, Place, Places};

/// An airport.
#[derive(Clone, Debug, PartialEq)]
pub struct Airport {
    /// IATA code.
    pub iata: Station,
    /// ICAO code, empty when there is none.
    pub icao: Box<str>,
    /// Name in English.
    pub name: Box<str>,
    /// Name of the city that it serves.
    pub city_name: Box<str>,
    /// ISO 3166 code of the country, two letters.
    pub country: Box<str>,
    /// Latitude in degrees, north positive.
    pub latitude_deg: f64,
    /// Longitude in degrees, east positive.
    pub longitude_deg: f64,
    /// IANA time zone.
    pub time_zone: Box<str>,
}

/// A city with several airports, or with a code of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct City {
    /// IATA code of the metropolitan area. May be an airport's too.
    pub iata: Station,
    /// Name in English.
    pub name: Box<str>,
    /// ISO 3166 code of the country, two letters.
    pub country: Box<str>,
    /// Its airports.
    pub airports: Vec<Station>,
}

/// An airline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Airline {
    /// IATA designator.
    pub iata: Carrier,
    /// Name.
    pub name: Box<str>,
}

/// A type of aircraft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aircraft {
    /// IATA type code: three letters or digits.
    pub iata: [u8; 3],
    /// Name.
    pub name: Box<str>,
}

/// Reference data that contradicts itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadReference {
    /// A code stands there twice.
    #[error("the {what} {code} stands in the reference data twice: leave one of the two out")]
    Twice {
        /// Airport, city, airline or aircraft.
        what: &'static str,
        /// The code.
        code: String,
    },
    /// A city names an airport that is not there, or that another city names too.
    #[error("the city {city} names the airport {airport}, which {why}")]
    Airport {
        /// The city.
        city: Station,
        /// The airport.
        airport: Station,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Coordinates on no globe.
    #[error(transparent)]
    Place(#[from] BadPlace),
}

/// All of it, each list in the order of codes.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    airports: Vec<Airport>,
    cities: Vec<City>,
    airlines: Vec<Airline>,
    aircraft: Vec<Aircraft>,
    /// City of each airport that has one.
    city_of: HashMap<Station, Station>,
    places: Places,
}

impl Reference {
    /// From lists in any order.
    ///
    /// # Errors
    /// [`BadReference`] says what contradicts what.
    pub fn new(
        mut airports: Vec<Airport>,
        mut cities: Vec<City>,
        mut airlines: Vec<Airline>,
        mut aircraft: Vec<Aircraft>,
    ) -> Result<Self, BadReference> {
        airports.sort_by_key(|a| a.iata);
        cities.sort_by_key(|c| c.iata);
        airlines.sort_by_key(|a| a.iata);
        aircraft.sort_by_key(|a| a.iata);
        once("airport", airports.iter().map(|a| a.iata.to_string()))?;
        once("city", cities.iter().map(|c| c.iata.to_string()))?;
        once("airline", airlines.iter().map(|a| a.iata.to_string()))?;
        once(
            "aircraft",
            aircraft.iter().map(|a| type_code(&a.iata).to_owned()),
        )?;
        let mut city_of = HashMap::new();
        for city in &cities {
            for airport in &city.airports {
                let bad = |why| BadReference::Airport {
                    city: city.iata,
                    airport: *airport,
                    why,
                };
                if airports.binary_search_by_key(airport, |a| a.iata).is_err() {
                    return Err(bad("is in no list of airports: correct its code"));
                }
                if city_of.insert(*airport, city.iata).is_some() {
                    return Err(bad("belongs to another city: leave one of the two out"));
                }
            }
        }
        let places = Places::new(airports.iter().map(|airport| Place {
            station: airport.iata,
            city: city_of.get(&airport.iata).copied(),
            coordinates: Some((airport.latitude_deg, airport.longitude_deg)),
        }))?;
        Ok(Self {
            airports,
            cities,
            airlines,
            aircraft,
            city_of,
            places,
        })
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.airports.is_empty() && self.cities.is_empty()
    }

    /// Every airport, in the order of codes.
    pub fn airports(&self) -> &[Airport] {
        &self.airports
    }

    /// Every city, in the order of codes.
    pub fn cities(&self) -> &[City] {
        &self.cities
    }

    /// Every airline, in the order of codes.
    pub fn airlines(&self) -> &[Airline] {
        &self.airlines
    }

    /// Every type of aircraft, in the order of codes.
    pub fn aircraft_types(&self) -> &[Aircraft] {
        &self.aircraft
    }

    /// The airport of a code.
    pub fn airport(&self, iata: Station) -> Option<&Airport> {
        let at = self.airports.binary_search_by_key(&iata, |a| a.iata).ok()?;
        self.airports.get(at)
    }

    /// The city of a code.
    pub fn city(&self, iata: Station) -> Option<&City> {
        let at = self.cities.binary_search_by_key(&iata, |c| c.iata).ok()?;
        self.cities.get(at)
    }

    /// The city that an airport belongs to.
    pub fn city_of(&self, airport: Station) -> Option<&City> {
        self.city(*self.city_of.get(&airport)?)
    }

    /// The airline of a code.
    pub fn airline(&self, iata: Carrier) -> Option<&Airline> {
        let at = self.airlines.binary_search_by_key(&iata, |a| a.iata).ok()?;
        self.airlines.get(at)
    }

    /// The type of aircraft of a code.
    pub fn aircraft(&self, iata: [u8; 3]) -> Option<&Aircraft> {
        let at = self.aircraft.binary_search_by_key(&iata, |a| a.iata).ok()?;
        self.aircraft.get(at)
    }

    /// The stations of a city or airport code: of a city all its airports.
    pub fn stations(&self, code: Station) -> Vec<Station> {
        self.city(code)
            .map_or_else(|| vec![code], |city| city.airports.clone())
    }

    /// Cities and coordinates, for the rules of connection.
    pub fn places(&self) -> Places {
        self.places.clone()
    }

    /// Great-circle distance between two airports in kilometres, when both are known.
    pub fn distance_km(&self, from: Station, to: Station) -> Option<f64> {
        let (from, to) = (self.airport(from)?, self.airport(to)?);
        Some(distance_km(
            (from.latitude_deg, from.longitude_deg),
            (to.latitude_deg, to.longitude_deg),
        ))
    }
}

/// Mean radius of the Earth.
const RADIUS_KM: f64 = 6_371.008_8;

/// Great-circle distance between two points (latitude and longitude in degrees), in kilometres.
pub(crate) fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (from.0.to_radians(), to.0.to_radians());
    let half = |a: f64, b: f64| ((b - a) / 2.0).sin().powi(2);
    let (lon_a, lon_b) = (from.1.to_radians(), to.1.to_radians());
    let h = half(lat_a, lat_b) + lat_a.cos() * lat_b.cos() * half(lon_a, lon_b);
    2.0 * RADIUS_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

/// The text of an aircraft type; empty when unknown.
pub(crate) fn type_code(code: &[u8; 3]) -> &str {
    std::str::from_utf8(code)
        .unwrap_or_default()
        .trim_matches(['\0', ' '])
}

/// In a sorted list equals are neighbours.
fn once(what: &'static str, codes: impl Iterator<Item = String>) -> Result<(), BadReference> {
    let mut last = String::new();
    for code in codes {
        if code == last {
            return Err(BadReference::Twice { what, code });
        }
        last = code;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn airport(iata: &str) -> Airport {
        Airport {
            iata: iata.parse().unwrap(),
            icao: "".into(),
            name: iata.into(),
            city_name: "".into(),
            country: "US".into(),
            latitude_deg: 40.69,
            longitude_deg: -74.17,
            time_zone: "UTC".into(),
        }
    }

    fn city(iata: &str, airports: &[&str]) -> City {
        City {
            iata: iata.parse().unwrap(),
            name: iata.into(),
            country: "US".into(),
            airports: airports.iter().map(|a| a.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let new = |airports, cities| {
            Reference::new(airports, cities, vec![], vec![]).map_err(|error| error.to_string())
        };
        let error = new(vec![airport("EWR"), airport("EWR")], vec![]).unwrap_err();
        assert!(error.contains("airport EWR"), "{error}");
        let error = new(vec![airport("EWR")], vec![city("NYC", &["JFK"])]).unwrap_err();
        assert!(error.contains("NYC") && error.contains("JFK"), "{error}");
        let cities = vec![city("NYC", &["EWR"]), city("XYZ", &["EWR"])];
        let error = new(vec![airport("EWR")], cities).unwrap_err();
        assert!(error.contains("another city"), "{error}");
        let mut moon = airport("EWR");
        moon.latitude_deg = 100.0;
        assert!(new(vec![moon], vec![]).is_err());
    }

    #[test]
    fn cities_expand_and_distances_are_those_of_the_globe() {
        let mut sfo = airport("SFO");
        (sfo.latitude_deg, sfo.longitude_deg) = (37.62, -122.37);
        let airports = vec![sfo, airport("JFK"), airport("EWR")];
        let cities = vec![city("NYC", &["EWR", "JFK"])];
        let reference = Reference::new(airports, cities, vec![], vec![]).unwrap();
        let code = |text: &str| text.parse::<Station>().unwrap();
        assert_eq!(reference.stations(code("NYC")), [code("EWR"), code("JFK")]);
        assert_eq!(reference.stations(code("XXX")), [code("XXX")]);
        assert_eq!(reference.city_of(code("JFK")).unwrap().iata, code("NYC"));
        let km = reference.distance_km(code("EWR"), code("SFO")).unwrap();
        assert!((4_108.0..4_148.0).contains(&km), "{km}");
        assert_eq!(reference.distance_km(code("EWR"), code("XXX")), None);
    }
}
