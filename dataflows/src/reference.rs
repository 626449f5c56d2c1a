//! What views can read that does not come from the stream: names of codes, as they come with the program.
//!
//! The dataflow has no list of its own: whoever starts the views gives one. It never changes while they run.

use std::fmt;
use std::sync::Arc;

use flightline_ledger::{Carrier, Station};
use xxhash_rust::xxh3::Xxh3;

use crate::relational::sources::{SourceWriter, id};
use crate::relational::{Decimal, Row};

/// An airport. Source `airports`.
#[derive(Clone, Debug, PartialEq)]
pub struct AirportName<'a> {
    /// IATA code.
    pub iata: Station,
    /// ICAO code; empty when there is none.
    pub icao: &'a str,
    /// Name in English.
    pub name: &'a str,
    /// City it serves.
    pub city: &'a str,
    /// IATA code of the metropolitan area.
    pub area: Option<Station>,
    /// ISO 3166 code of the country, two letters.
    pub country: &'a str,
    /// Degrees, north positive.
    pub latitude: Decimal,
    /// Degrees, east positive.
    pub longitude: Decimal,
    /// Name of the time zone.
    pub time_zone: &'a str,
}

/// An airline. Source `airlines`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AirlineName<'a> {
    /// IATA designator.
    pub iata: Carrier,
    /// Name.
    pub name: &'a str,
}

/// Rows of the sources that never change while views run. Cheap to clone; without any by default.
#[derive(Clone, Default)]
pub struct Reference {
    airports: Arc<[Row]>,
    airlines: Arc<[Row]>,
}

impl Reference {
    /// With these. Codes are unique.
    pub fn new<'a>(
        airports: impl IntoIterator<Item = AirportName<'a>>,
        airlines: impl IntoIterator<Item = AirlineName<'a>>,
    ) -> Self {
        let mut writer = SourceWriter::default();
        let airports = airports.into_iter().map(|row| writer.airports(&row));
        let airports = airports.collect();
        let airlines = airlines.into_iter().map(|row| writer.airlines(&row));
        Self {
            airports,
            airlines: airlines.collect(),
        }
    }

    /// Changes when any of the rows does.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Xxh3::new();
        for rows in [&self.airports, &self.airlines] {
            hash.update(&(rows.len() as u64).to_le_bytes());
            for row in rows.iter() {
                hash.update(row.bytes());
            }
        }
        hash.digest()
    }

    /// The rows of a source that has its rows here; none of others.
    pub(crate) fn rows(&self, source: usize) -> &[Row] {
        match source {
            id::AIRPORTS => &self.airports,
            id::AIRLINES => &self.airlines,
            _ => &[],
        }
    }

    /// Does a source have its rows here?
    pub(crate) fn has(source: usize) -> bool {
        matches!(source, id::AIRPORTS | id::AIRLINES)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reference")
            .field("airports", &self.airports.len())
            .field("airlines", &self.airlines.len())
            .finish()
    }
}
