//! Airlines and aircraft.

use flightline_ledger::Carrier;
use serde::Serialize;
use utoipa::ToSchema;

use crate::duffel::reference::{Reference, type_code};

/// An airline.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Airline {
    /// Its id, such as `arl_ua`.
    id: String,
    /// Its name; the code when it is not known.
    name: String,
    /// IATA designator.
    iata_code: Option<String>,
    /// Not known here.
    logo_symbol_url: Option<String>,
    /// Not known here.
    logo_lockup_url: Option<String>,
    /// Not known here.
    conditions_of_carriage_url: Option<String>,
}

/// A type of aircraft.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Aircraft {
    /// Its id, such as `arc_738`.
    id: String,
    /// Its name; the code when it is not known.
    name: String,
    /// IATA type code.
    iata_code: String,
}

impl Airline {
    /// The airline of a code. One that is not known is its own name.
    pub(crate) fn of(reference: &Reference, iata: Carrier) -> Self {
        let known = reference.airline(iata);
        Self {
            id: format!("arl_{iata}").to_ascii_lowercase(),
            name: known.map_or_else(|| iata.to_string(), |a| a.name.to_string()),
            iata_code: Some(iata.to_string()),
            logo_symbol_url: None,
            logo_lockup_url: None,
            conditions_of_carriage_url: None,
        }
    }
}

impl Aircraft {
    /// The aircraft of a type code, `None` for zeros.
    pub(crate) fn of(reference: &Reference, iata: [u8; 3]) -> Option<Self> {
        let code = type_code(&iata);
        if code.is_empty() {
            return None;
        }
        let known = reference.aircraft(iata);
        Some(Self {
            id: format!("arc_{code}").to_ascii_lowercase(),
            name: known.map_or_else(|| code.to_owned(), |a| a.name.to_string()),
            iata_code: code.to_owned(),
        })
    }
}
