//! Aircraft as they are written, and the data elements of segments that say more of their seats.

use flightline_ledger::Station;
use flightline_ledger::command::Leg;

use crate::reject::{Code, Fault, quoted};
use crate::schedule::cabins::{self, Configuration, Seating};

/// In the place of the classes: they stand in data element 106.
const ELSEWHERE: &str = "XX";

/// An aircraft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aircraft {
    pub(super) service: u8,
    pub(super) kind: [u8; 3],
    pub(super) seating: Seating,
    classes: String,
    configuration: Configuration,
}

impl Aircraft {
    pub(super) fn read(
        service: u8,
        kind: [u8; 3],
        classes: &str,
        configuration: &str,
    ) -> Result<Self, Fault> {
        let classes = match cabins::class_letters(classes) {
            ELSEWHERE => "",
            classes => classes,
        };
        let configuration = read(configuration)?;
        Ok(Self::of(service, kind, classes, configuration))
    }

    fn of(service: u8, kind: [u8; 3], classes: &str, configuration: Configuration) -> Self {
        Self {
            service,
            kind,
            seating: cabins::seating(&configuration, classes, kind),
            classes: classes.to_owned(),
            configuration,
        }
    }
}

fn read(configuration: &str) -> Result<Configuration, Fault> {
    Configuration::read(configuration).map_err(|why| {
        Fault::at(
            Code::BadCode,
            "aircraft configuration",
            format!("{}: {why}", quoted(configuration)),
        )
    })
}

/// Stations of a segment; absent: any.
type Pair = (Option<Station>, Option<Station>);

/// Data elements of segments.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// 106: booking classes.
    classes: Vec<(Pair, String)>,
    /// 108: configurations.
    configurations: Vec<(Pair, String)>,
    /// 8: restrictions of traffic, with their codes.
    restrictions: Vec<(Pair, u8)>,
    /// 170 and 171: what code `Z` means for passengers. 172 and 173: for freight and mail.
    qualified: [bool; 2],
}

impl Elements {
    /// Takes an element, unless it says nothing that is read.
    pub(super) fn add(&mut self, pair: Pair, element: u16, data: &str) {
        match element {
            8 => {
                let code = data.bytes().find(u8::is_ascii_uppercase);
                self.restrictions.extend(code.map(|code| (pair, code)));
            }
            106 => self.classes.push((pair, letters(data))),
            108 => self.configurations.push((pair, data.to_owned())),
            170 | 171 => self.qualified[0] = true,
            172 | 173 => self.qualified[1] = true,
            _ => {}
        }
    }

    /// Whether some are about what is on board.
    pub(super) fn are_of_aircraft(&self) -> bool {
        !(self.classes.is_empty() && self.configurations.is_empty())
    }

    /// The aircraft with what is said of it between two stations, when that is more than it says itself.
    pub(super) fn settle(
        &self,
        aircraft: &Aircraft,
        board: Option<Station>,
        off: Option<Station>,
    ) -> Result<Option<Aircraft>, Fault> {
        let of = |all: &[(Pair, String)]| {
            let fits = |said: Option<Station>, wanted: Option<Station>| {
                wanted.is_none() || said.is_none() || said == wanted
            };
            all.iter()
                .find(|((from, to), _)| fits(*from, board) && fits(*to, off))
                .map(|(_, data)| data.clone())
        };
        let classes = of(&self.classes).filter(|_| aircraft.classes.is_empty());
        let configuration =
            of(&self.configurations).filter(|_| !aircraft.configuration.has_seats());
        if classes.is_none() && configuration.is_none() {
            return Ok(None);
        }
        let configuration = match configuration {
            Some(text) => read(&text)?,
            None => aircraft.configuration.clone(),
        };
        let classes = classes.unwrap_or_else(|| aircraft.classes.clone());
        Ok(Some(Aircraft::of(
            aircraft.service,
            aircraft.kind,
            &classes,
            configuration,
        )))
    }

    /// The segments of a flight that no passenger may fly alone.
    pub(super) fn restricted(&self, legs: &[Leg]) -> Vec<(Station, Station)> {
        let mut pairs = Vec::new();
        let freight_only = self.qualified == [false, true];
        for ((board, off), code) in &self.restrictions {
            if *code == b'Z' && freight_only {
                continue;
            }
            for (n, first) in legs.iter().enumerate() {
                for last in &legs[n..] {
                    let pair = (first.board, last.off);
                    let meant = board.is_none_or(|board| board == pair.0)
                        && off.is_none_or(|off| off == pair.1);
                    if meant && pair.0 != pair.1 && !pairs.contains(&pair) {
                        pairs.push(pair);
                    }
                }
            }
        }
        pairs
    }
}

/// Booking classes without what stands between them.
fn letters(data: &str) -> String {
    let all = cabins::class_letters(data);
    all.chars().filter(char::is_ascii_uppercase).collect()
}
