//! Names of codes for the booking API: metropolitan areas, airlines, types of aircraft. Airports are in
//! [`airports`](mod@crate::airports).
//!
//! Three small tables, written for this project (`data/reference`): read once, on first use. They are
//! not complete, and need not be: a code that is not in them is its own name.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::OnceLock;

use flightline_ledger::{Carrier, Station};

use crate::csv_line;

/// A metropolitan area with several airports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct City {
    /// IATA code of the area. May be an airport's too.
    pub iata: Station,
    /// Name in English.
    pub name: Box<str>,
    /// ISO 3166 code of the country, two letters.
    pub country: Box<str>,
    /// Its airports, the largest first.
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
pub struct AircraftType {
    /// IATA code.
    pub iata: [u8; 3],
    /// Name.
    pub name: Box<str>,
}

/// The metropolitan areas.
pub fn cities() -> &'static [City] {
    static CITIES: OnceLock<Vec<City>> = OnceLock::new();
    CITIES.get_or_init(|| {
        let text = include_str!("../../data/reference/cities.csv");
        read(
            text,
            "code,name,country,airports",
            |[code, name, country, airports]| {
                Ok(City {
                    iata: parsed(code)?,
                    name: name.as_ref().into(),
                    country: country.as_ref().into(),
                    airports: airports.split(' ').map(parsed).collect::<Result<_, _>>()?,
                })
            },
        )
        .expect("the bundled cities are sound")
    })
}

/// The airlines.
pub fn airlines() -> &'static [Airline] {
    static AIRLINES: OnceLock<Vec<Airline>> = OnceLock::new();
    AIRLINES.get_or_init(|| {
        let text = include_str!("../../data/reference/airlines.csv");
        read(text, "code,name", |[code, name]| {
            Ok(Airline {
                iata: parsed(code)?,
                name: name.as_ref().into(),
            })
        })
        .expect("the bundled airlines are sound")
    })
}

/// The types of aircraft.
pub fn aircraft_types() -> &'static [AircraftType] {
    static TYPES: OnceLock<Vec<AircraftType>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let text = include_str!("../../data/reference/aircraft.csv");
        read(text, "code,name", |[code, name]| {
            let code = code.as_bytes().try_into();
            Ok(AircraftType {
                iata: code.map_err(|_| "an aircraft type has three letters".to_owned())?,
                name: name.as_ref().into(),
            })
        })
        .expect("the bundled types of aircraft are sound")
    })
}

fn parsed<T: FromStr<Err = flightline_ledger::codes::BadCode>>(
    code: impl AsRef<str>,
) -> Result<T, String> {
    code.as_ref()
        .parse()
        .map_err(|error: T::Err| error.to_string())
}

/// Reads a table; `Err` says which line is unsound.
fn read<T, const N: usize>(
    text: &str,
    header: &str,
    row: impl Fn(&[Cow<'_, str>; N]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(header) {
        return Err("the header is another one".to_owned());
    }
    let mut fields = Vec::new();
    let mut out = Vec::new();
    for (n, line) in lines.enumerate() {
        let unsound = |what: String| format!("line {}: {what}", n + 2);
        csv_line::split(line, &mut fields).map_err(unsound)?;
        let fields = fields.as_slice().try_into();
        let fields = fields.map_err(|_| unsound("wrong number of columns".to_owned()))?;
        out.push(row(fields).map_err(unsound)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::airports::airports;

    #[test]
    fn cities_name_airports_of_their_country_once() {
        let mut seen = HashSet::new();
        for city in cities() {
            assert!(city.airports.len() > 1, "{}", city.iata);
            for airport in &city.airports {
                let known = airports().get(*airport);
                let known = known.unwrap_or_else(|| panic!("{}: {airport}", city.iata));
                assert_eq!(known.country, city.country, "{airport}");
                assert!(seen.insert(*airport), "{airport} stands twice");
            }
            if airports().get(city.iata).is_some() {
                assert!(city.airports.contains(&city.iata), "{}", city.iata);
            }
        }
        let london = cities()
            .iter()
            .find(|city| city.iata.as_str() == "LON")
            .unwrap();
        assert_eq!(london.airports.len(), 6);
    }

    #[test]
    fn codes_stand_once_and_the_demo_has_names() {
        let codes: HashSet<_> = airlines().iter().map(|a| a.iata).collect();
        assert_eq!(codes.len(), airlines().len());
        assert!(codes.len() > 250);
        let types: HashSet<_> = aircraft_types().iter().map(|a| a.iata).collect();
        assert_eq!(types.len(), aircraft_types().len());
        assert!(types.len() > 80);
        for line in include_str!("../../data/nycflights13/airlines.csv")
            .lines()
            .skip(1)
        {
            let code = line.split(',').next().unwrap().trim_matches('"');
            assert!(codes.contains(&code.parse().unwrap()), "{code}");
        }
    }

    #[test]
    fn an_unsound_table_is_refused_with_its_line() {
        let error = |text| {
            let read = read(text, "code,name", |[code, _]: &[Cow<'_, str>; 2]| {
                parsed::<Station>(code)
            });
            read.unwrap_err()
        };
        assert!(error("code\n").contains("header"));
        assert!(error("code,name\nEWR\n").contains("line 2: wrong number"));
        assert!(error("code,name\nEWR,x\newr,y\n").contains("line 3"));
    }
}
