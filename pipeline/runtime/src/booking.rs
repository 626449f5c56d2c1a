//! What the booking API is given: its key, and names of codes.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_api::OfferKey;
use flightline_api::reference::{Aircraft, Airline, Airport, City, Reference};
use flightline_connectors::airports::airports;
use flightline_connectors::reference;

/// The file of the key in the data directory: 64 hexadecimal digits.
const KEY_FILE: &str = "offer-key";

/// What the booking API is given.
pub(crate) struct BookingData {
    pub(crate) key: OfferKey,
    pub(crate) reference: Arc<Reference>,
}

impl BookingData {
    /// Reads the key, or makes it when there is none, and collects names.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            key: load_key(data_dir)?,
            reference: Arc::new(collect().context("the reference data contradicts itself")?),
        })
    }
}

/// The key of a data directory, which is made when there is none.
pub(crate) fn load_key(data_dir: &Path) -> anyhow::Result<OfferKey> {
    key(&data_dir.join(KEY_FILE))
}

/// The key of a data directory, if there is one.
pub(crate) fn known_key(data_dir: &Path) -> anyhow::Result<Option<OfferKey>> {
    read_key(&data_dir.join(KEY_FILE))
}

/// Leaves another key in a data directory.
pub(crate) fn keep_key(data_dir: &Path, key: &OfferKey) -> anyhow::Result<()> {
    write_key(&data_dir.join(KEY_FILE), key)
}

/// Made once: ids of offers are good as long as it stays.
fn key(path: &Path) -> anyhow::Result<OfferKey> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let key = OfferKey::random();
    write_key(path, &key)?;
    Ok(key)
}

fn read_key(path: &Path) -> anyhow::Result<Option<OfferKey>> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(text.trim()).map(Some).with_context(|| {
            format!(
                "{} is not a key of offers: 64 hexadecimal digits are expected; restore it, or remove it to \
                 have a new one made, which ends all offers that clients were given",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn write_key(path: &Path, key: &OfferKey) -> anyhow::Result<()> {
    let mut text: String = key
        .bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    text.push('\n');
    crate::tokens::write_private(path, text.as_bytes())?;
    Ok(())
}

fn parse(text: &str) -> Option<OfferKey> {
    let digits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !digits {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(OfferKey::new(bytes))
}

fn collect() -> anyhow::Result<Reference> {
    let airports = airports().iter().map(|airport| Airport {
        iata: airport.iata,
        icao: airport.icao.clone(),
        name: airport.name.clone(),
        // One client reads the name of every airport's city, and fails without: where none is known
        // the airport's own name stands in.
        city_name: match &*airport.city {
            "" => airport.name.clone(),
            city => city.into(),
        },
        country: airport.country.clone(),
        latitude_deg: airport.latitude_deg,
        longitude_deg: airport.longitude_deg,
        time_zone: airport.zone.name().into(),
    });
    let cities = reference::cities().iter().map(|city| City {
        iata: city.iata,
        name: city.name.clone(),
        country: city.country.clone(),
        airports: city.airports.clone(),
    });
    let airlines = reference::airlines().iter().map(|airline| Airline {
        iata: airline.iata,
        name: airline.name.clone(),
    });
    let aircraft = reference::aircraft_types().iter().map(|aircraft| Aircraft {
        iata: aircraft.iata,
        name: aircraft.name.clone(),
    });
    Ok(Reference::new(
        airports.collect(),
        cities.collect(),
        airlines.collect(),
        aircraft.collect(),
    )?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_nobody_else_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = BookingData::load(dir.path()).unwrap().key;
        let path = dir.path().join(KEY_FILE);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(BookingData::load(dir.path()).unwrap().key, first);
        std::fs::write(&path, "short\n").unwrap();
        let error = key(&path).unwrap_err().to_string();
        assert!(
            error.contains("offer-key") && error.contains("restore"),
            "{error}"
        );
    }

    #[test]
    fn the_bundled_names_fit_together() {
        let reference = collect().unwrap();
        assert!(reference.airports().len() > 7_000);
        assert!(reference.city("LON".parse().unwrap()).is_some());
    }
}
