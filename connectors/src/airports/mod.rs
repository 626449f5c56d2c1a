//! Airports by IATA code: name, place and time zone, from the bundled airportsdata list.
//!
//! Read once, on first use (about 8,000 airports), then looked up by an index over all codes there
//! can be: no hashing and no allocation. Metropolitan codes such as LON or NYC are no airports and
//! are not in here.

mod zone;

use std::io::Read;
use std::str::FromStr;
use std::sync::OnceLock;

use flightline_ledger::Station;

use crate::csv_line;

pub use zone::{LocalTime, Zone};

/// The list as it is published, gzipped CSV.
const BUNDLED: &[u8] = include_bytes!("../../data/airportsdata/airports.csv.gz");

/// There are this many codes of three capital letters.
const CODES: usize = 26 * 26 * 26;

/// One airport.
#[derive(Clone, Debug, PartialEq)]
pub struct Airport {
    /// IATA code.
    pub iata: Station,
    /// ICAO code, or empty where there is none.
    pub icao: Box<str>,
    /// Name in English.
    pub name: Box<str>,
    /// City it serves.
    pub city: Box<str>,
    /// ISO 3166 code of the country, two letters.
    pub country: Box<str>,
    /// Latitude in degrees, north positive.
    pub latitude_deg: f64,
    /// Longitude in degrees, east positive.
    pub longitude_deg: f64,
    /// Time zone.
    pub zone: Zone,
}

/// All airports that have an IATA code.
#[derive(Debug)]
pub struct Airports {
    /// Sorted by code.
    list: Vec<Airport>,
    /// For each code 1 + its place in `list`, or 0.
    index: Box<[u16]>,
}

/// The bundled airports.
pub fn airports() -> &'static Airports {
    static AIRPORTS: OnceLock<Airports> = OnceLock::new();
    AIRPORTS.get_or_init(|| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(BUNDLED)
            .read_to_string(&mut text)
            .expect("the bundled airports unpack");
        Airports::read(&text).expect("the bundled airports are sound")
    })
}

fn slot(station: Station) -> usize {
    let [a, b, c] = station.bytes().map(|b| usize::from(b.wrapping_sub(b'A')));
    (a * 26 + b) * 26 + c
}

impl Airports {
    /// The airport of a code.
    pub fn get(&self, station: Station) -> Option<&Airport> {
        // The default station is three zero bytes and has no slot.
        match self.index.get(slot(station)) {
            None | Some(0) => None,
            Some(n) => self.list.get(usize::from(*n) - 1),
        }
    }

    /// Every airport, in the order of codes.
    pub fn iter(&self) -> impl Iterator<Item = &Airport> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Reads the list; `Err` says which line is unsound.
    fn read(text: &str) -> Result<Self, String> {
        const HEADER: [&str; 11] = [
            "icao",
            "iata",
            "name",
            "city",
            "subd",
            "country",
            "elevation",
            "lat",
            "lon",
            "tz",
            "lid",
        ];
        let mut lines = text.lines();
        let mut fields = Vec::new();
        csv_line::split(lines.next().unwrap_or_default(), &mut fields)?;
        if fields != HEADER {
            return Err("the header is another one".to_owned());
        }
        let mut list = Vec::new();
        for (n, line) in lines.enumerate() {
            let unsound = |what: &str| format!("line {}: {what}", n + 2);
            csv_line::split(line, &mut fields).map_err(|e| unsound(&e))?;
            if fields.len() != HEADER.len() {
                return Err(unsound("wrong number of columns"));
            }
            if fields[1].is_empty() {
                continue;
            }
            list.push(Airport {
                iata: Station::from_str(&fields[1]).map_err(|e| unsound(e.0))?,
                icao: fields[0].as_ref().into(),
                name: fields[2].as_ref().into(),
                city: fields[3].as_ref().into(),
                country: fields[5].as_ref().into(),
                latitude_deg: fields[7].parse().map_err(|_| unsound("latitude"))?,
                longitude_deg: fields[8].parse().map_err(|_| unsound("longitude"))?,
                zone: Zone::named(&fields[9]).ok_or_else(|| unsound("unknown time zone"))?,
            });
        }
        list.sort_by_key(|airport| airport.iata);
        let mut index = vec![0; CODES].into_boxed_slice();
        for (n, airport) in list.iter().enumerate() {
            let place = &mut index[slot(airport.iata)];
            if *place != 0 {
                return Err(format!("{} stands twice", airport.iata));
            }
            *place = u16::try_from(n + 1).map_err(|_| "too many airports".to_owned())?;
        }
        Ok(Self { list, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn airports_are_found_by_code() {
        let all = airports();
        assert_eq!(all.len(), 7884);
        let get = |code: &str| all.get(code.parse().unwrap());
        let ewr = get("EWR").unwrap();
        assert_eq!(&*ewr.icao, "KEWR");
        assert_eq!(&*ewr.city, "Newark");
        assert_eq!(&*ewr.country, "US");
        assert_eq!(ewr.zone.name(), "America/New_York");
        assert!((ewr.latitude_deg - 40.69).abs() < 0.1);
        assert!((ewr.longitude_deg + 74.17).abs() < 0.1);
        for (code, zone) in [
            ("SJU", "America/Puerto_Rico"),
            ("BQN", "America/Puerto_Rico"),
            ("PSE", "America/Puerto_Rico"),
            ("STT", "America/St_Thomas"),
            ("HNL", "Pacific/Honolulu"),
        ] {
            assert_eq!(get(code).unwrap().zone.name(), zone, "{code}");
        }
        assert!(get("NYC").is_none(), "a metropolitan code");
        assert!(get("ZZZ").is_none());
        assert!(all.get(Station::default()).is_none());
        for airport in all.iter() {
            assert_eq!(all.get(airport.iata), Some(airport));
        }
    }

    #[test]
    fn an_unsound_list_is_refused_with_its_line() {
        const HEAD: &str = "icao,iata,name,city,subd,country,elevation,lat,lon,tz,lid\n";
        for (row, want) in [
            (
                "X,AAA,n,c,s,US,1,2.0,3.0,Mars/Base,l",
                "line 2: unknown time zone",
            ),
            ("X,aaa,n,c,s,US,1,2.0,3.0,UTC,l", "line 2: a station"),
            ("X,AAA,n,c,s,US,1,2.0,3.0", "line 2: wrong number"),
            (
                "X,AAA,n,c,s,US,1,2.0,3.0,UTC,l\nX,AAA,n,c,s,US,1,2.0,3.0,UTC,l",
                "AAA stands twice",
            ),
        ] {
            let error = Airports::read(&format!("{HEAD}{row}")).unwrap_err();
            assert!(error.contains(want), "{error}");
        }
        assert!(Airports::read("iata\n").is_err());
    }
}
