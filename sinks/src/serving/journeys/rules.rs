//! When two flights connect, and which ways are no nonsense.

use std::collections::BTreeMap;

use flightline_ledger::Station;
use hashbrown::HashMap;

/// The rules by which flights are joined to journeys.
///
/// A passenger who arrives at a station may go on from there, or from another station of the same
/// city, when between arrival and departure there is at least [`ConnectionRules::minimum_s`] and at
/// most `max_layover_min`.
#[derive(Clone, Debug)]
pub struct ConnectionRules {
    /// Least time between two flights at one station, in minutes.
    pub min_connection_min: u16,
    /// Stations where it is another, in minutes.
    pub min_connection_at: BTreeMap<Station, u16>,
    /// Least time between two flights when the passenger changes from one station to another of the
    /// same city, in minutes. Where a station's own least time is longer, that holds.
    pub airport_change_min: u16,
    /// Most time between two flights, in minutes. A night is allowed when this is long enough.
    pub max_layover_min: u16,
    /// How far a journey with connections may go round; `None` = as far as it likes.
    pub detour: Option<Detour>,
    /// Cities and coordinates of stations.
    pub places: Places,
}

/// How long a way may be: `straight × factor + slack`, both measured along great circles, from
/// boarding to leaving each flight. Not applied to a way with a station whose coordinates are not
/// known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detour {
    /// Thousandths of the straight distance.
    pub factor_permille: u32,
    /// Kilometres on top: between near stations a way over a hub is long, and still the only one.
    pub slack_km: u32,
}

impl Default for ConnectionRules {
    /// 60 minutes at a station, 180 between two, at most 24 hours, at most twice the straight
    /// distance and 500 km; no cities and no coordinates.
    fn default() -> Self {
        Self {
            min_connection_min: 60,
            min_connection_at: BTreeMap::new(),
            airport_change_min: 180,
            max_layover_min: 24 * 60,
            detour: Some(Detour {
                factor_permille: 2000,
                slack_km: 500,
            }),
            places: Places::default(),
        }
    }
}

impl ConnectionRules {
    /// Least time from an arrival at one station to a departure at another or the same, in seconds.
    /// Whether they belong to one city is not asked here.
    pub fn minimum_s(&self, arrival: Station, departure: Station) -> i64 {
        let at = |station| {
            let own = self.min_connection_at.get(&station);
            *own.unwrap_or(&self.min_connection_min)
        };
        let minutes = if arrival == departure {
            at(arrival)
        } else {
            self.airport_change_min.max(at(arrival)).max(at(departure))
        };
        i64::from(minutes) * 60
    }

    /// Most time between two flights, in seconds.
    pub fn maximum_s(&self) -> i64 {
        i64::from(self.max_layover_min) * 60
    }
}

impl Detour {
    /// May a way be so long? Both in metres.
    pub fn allows(&self, way_m: u64, straight_m: u64) -> bool {
        let most = straight_m * u64::from(self.factor_permille) / 1000;
        way_m <= most + u64::from(self.slack_km) * 1000
    }
}

/// What is known of a station.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The station.
    pub station: Station,
    /// Code of the city that it belongs to, such as `LON`. Without one it is a city by itself, under
    /// its own code.
    pub city: Option<Station>,
    /// Latitude and longitude in degrees, north and east positive.
    pub coordinates: Option<(f64, f64)>,
}

/// Places that contradict themselves.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadPlace {
    /// A station came twice.
    #[error("station {0} stands in the table of places twice: leave one of the two out")]
    Twice(Station),
    /// Coordinates that are on no globe.
    #[error(
        "station {station} is said to lie at latitude {latitude_deg}, longitude {longitude_deg}: degrees from -90 to 90 and from -180 to 180 are expected"
    )]
    Coordinates {
        /// The station.
        station: Station,
        /// Its latitude.
        latitude_deg: f64,
        /// Its longitude.
        longitude_deg: f64,
    },
}

type Hasher = foldhash::fast::FixedState;

/// Cities and coordinates of stations.
#[derive(Clone, Debug, Default)]
pub struct Places {
    stations: HashMap<Station, Known, Hasher>,
    /// Stations by city, in order.
    cities: HashMap<Station, Vec<Station>, Hasher>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    city: Station,
    at: Option<OnGlobe>,
}

/// A point on a globe of radius 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OnGlobe([f64; 3]);

/// Mean radius of the Earth.
const RADIUS_M: f64 = 6_371_008.8;

impl Places {
    /// From a table.
    ///
    /// # Errors
    /// When a station stands there twice, or its coordinates are on no globe.
    pub fn new(table: impl IntoIterator<Item = Place>) -> Result<Self, BadPlace> {
        let mut places = Self::default();
        for place in table {
            let station = place.station;
            let at = match place.coordinates {
                None => None,
                Some((latitude_deg, longitude_deg)) => {
                    let at = OnGlobe::new(latitude_deg, longitude_deg);
                    Some(at.ok_or(BadPlace::Coordinates {
                        station,
                        latitude_deg,
                        longitude_deg,
                    })?)
                }
            };
            let city = place.city.unwrap_or(station);
            if places
                .stations
                .insert(station, Known { city, at })
                .is_some()
            {
                return Err(BadPlace::Twice(station));
            }
            places.cities.entry(city).or_default().push(station);
        }
        for (city, stations) in &mut places.cities {
            // The code of a city may be an airport's too, which then belongs to it.
            if !places.stations.contains_key(city) {
                stations.push(*city);
            }
            stations.sort_unstable();
        }
        Ok(places)
    }

    /// The city of a station: its own code where nothing else is known.
    pub fn city(&self, station: Station) -> Station {
        self.stations.get(&station).map_or(station, |k| k.city)
    }

    /// The stations of a city, in order, as far as they are known.
    pub fn stations_of(&self, city: Station) -> &[Station] {
        self.cities.get(&city).map_or(&[], Vec::as_slice)
    }

    pub(super) fn at(&self, station: Station) -> Option<OnGlobe> {
        self.stations.get(&station).and_then(|known| known.at)
    }
}

impl OnGlobe {
    fn new(latitude_deg: f64, longitude_deg: f64) -> Option<Self> {
        let sound = latitude_deg.abs() <= 90.0 && longitude_deg.abs() <= 180.0;
        let (lat, lon) = (latitude_deg.to_radians(), longitude_deg.to_radians());
        sound.then(|| Self([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]))
    }

    /// Great-circle distance in whole metres.
    pub(super) fn distance_m(self, other: Self) -> u64 {
        let squares = self.0.iter().zip(other.0).map(|(a, b)| (a - b) * (a - b));
        let chord = squares.sum::<f64>().sqrt();
        (2.0 * RADIUS_M * (chord / 2.0).min(1.0).asin()).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(code: &str) -> Station {
        code.parse().unwrap()
    }

    fn place(code: &str, city: Option<&str>, coordinates: Option<(f64, f64)>) -> Place {
        Place {
            station: station(code),
            city: city.map(station),
            coordinates,
        }
    }

    #[test]
    fn a_change_of_airport_takes_the_longest_of_three() {
        let mut rules = ConnectionRules::default();
        let (ewr, jfk) = (station("EWR"), station("JFK"));
        assert_eq!(rules.minimum_s(ewr, ewr), 3600);
        assert_eq!(rules.minimum_s(ewr, jfk), 180 * 60);
        rules.min_connection_at.insert(jfk, 200);
        rules.min_connection_at.insert(ewr, 30);
        assert_eq!(rules.minimum_s(ewr, ewr), 30 * 60);
        assert_eq!(rules.minimum_s(ewr, jfk), 200 * 60);
        assert_eq!(rules.minimum_s(jfk, ewr), 200 * 60);
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let at = |lat, lon| OnGlobe::new(lat, lon).unwrap();
        // A quarter of a meridian, and once halfway round.
        let quarter = at(0.0, 0.0).distance_m(at(90.0, 0.0));
        assert_eq!(quarter, 10_007_557);
        assert_eq!(at(0.0, -90.0).distance_m(at(0.0, 90.0)), 20_015_114);
        // Newark to San Francisco: 4,128 km on the ellipsoid, from which a globe is up to 0.5 % off.
        let km = at(40.69, -74.17).distance_m(at(37.62, -122.37)) / 1000;
        assert!((4_108..=4_148).contains(&km), "{km}");
    }

    #[test]
    fn a_way_may_be_the_factor_and_the_slack_longer() {
        let detour = Detour {
            factor_permille: 1500,
            slack_km: 10,
        };
        assert!(detour.allows(160_000, 100_000));
        assert!(!detour.allows(160_001, 100_000));
        assert!(detour.allows(10_000, 0));
    }

    #[test]
    fn an_airport_under_the_code_of_a_city_belongs_to_it() {
        let places = Places::new([
            place("TXL", Some("BER"), None),
            place("SXF", Some("BER"), None),
            place("WAS", Some("XXX"), None),
            place("IAD", Some("WAS"), None),
        ])
        .unwrap();
        let of = |city| places.stations_of(station(city));
        assert_eq!(of("BER"), ["BER", "SXF", "TXL"].map(station));
        assert_eq!(of("WAS"), [station("IAD")], "WAS is said to lie elsewhere");
        assert_eq!(places.city(station("BER")), station("BER"));
        assert_eq!(places.city(station("ZRH")), station("ZRH"));
        assert_eq!(of("ZRH"), []);
    }

    #[test]
    fn places_that_cannot_be_are_refused() {
        let twice = [place("EWR", None, None), place("EWR", Some("NYC"), None)];
        let error = Places::new(twice).unwrap_err();
        assert_eq!(error, BadPlace::Twice(station("EWR")));
        for (lat, lon) in [
            (91.0, 0.0),
            (0.0, 180.5),
            (f64::NAN, 0.0),
            (0.0, f64::INFINITY),
        ] {
            let error = Places::new([place("EWR", None, Some((lat, lon)))]).unwrap_err();
            assert!(error.to_string().contains("EWR"), "{error}");
        }
    }
}
