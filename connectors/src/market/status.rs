//! What a provider's availability codes mean: a table, never a guess.

use flightline_ledger::command::SaleStatus;

use super::gather::Seats;
use crate::format::{ConfigError, Options};
use crate::reject::{Code, Fault, quoted};

/// Name of the option that changes the table.
pub(crate) const CODES: &str = "codes";

/// What [`CODES`] does, for help texts.
pub(crate) const CODES_HELP: &str = "what availability codes mean, beside the usual ones: CODE=MEANING, separated by commas; a meaning is open, request, waitlist_open, closed, not_operating, a number of seats, such a number with + for as many or more, or reject";

/// Where a code applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Exactly between the two stations.
    Segment,
    /// The leg, hence every segment that uses it.
    Leg,
}

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    pub(crate) scope: Scope,
    pub(crate) status: SaleStatus,
    pub(crate) seats: Option<Seats>,
}

/// Codes with their meanings.
#[derive(Clone, Debug)]
pub(crate) struct CodeTable {
    entries: Vec<(Box<str>, Option<Meaning>)>,
    usual: fn(&str) -> Option<Meaning>,
}

impl CodeTable {
    /// The usual codes of a format, with those of the options before them.
    pub(crate) fn from_options(
        options: &Options,
        usual: fn(&str) -> Option<Meaning>,
    ) -> Result<Self, ConfigError> {
        let mut entries: Vec<(Box<str>, Option<Meaning>)> = Vec::new();
        let text = options.get(CODES).unwrap_or_default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let read = part.split_once('=').and_then(|(code, meaning)| {
                let code = code.trim();
                let fits = (1..=3).contains(&code.len())
                    && code
                        .bytes()
                        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                fits.then(|| meaning_of(meaning.trim()).map(|meaning| (code.into(), meaning)))?
            });
            let Some(entry) = read else {
                return Err(ConfigError::BadValue {
                    name: CODES,
                    value: part.to_owned(),
                    expected: "CODE=MEANING, where CODE is 1 to 3 capital letters or digits and MEANING is open, request, waitlist_open, closed, not_operating, 0 to 999, such a number with +, or reject; with leg: in front for the whole leg".to_owned(),
                });
            };
            if entries.iter().any(|(code, _)| *code == entry.0) {
                return Err(ConfigError::BadValue {
                    name: CODES,
                    value: part.to_owned(),
                    expected: format!("the only meaning of {}", entry.0),
                });
            }
            entries.push(entry);
        }
        Ok(Self { entries, usual })
    }

    /// The meaning of a code. An unknown one is a fault: it is never read as open.
    pub(crate) fn read(&self, field: &str, code: &str) -> Result<Meaning, Fault> {
        let stated = self.entries.iter().find(|(known, _)| **known == *code);
        let meaning = match stated {
            Some((_, meaning)) => *meaning,
            None => (self.usual)(code),
        };
        meaning.ok_or_else(|| {
            Fault::at(
                Code::UnknownStatus,
                field,
                format!(
                    "{} is not in the provider's table; {}",
                    quoted(code),
                    Code::UnknownStatus.remedy()
                ),
            )
        })
    }
}

/// `Some(None)`: to be rejected.
fn meaning_of(text: &str) -> Option<Option<Meaning>> {
    let (scope, text) = match text.split_once(':') {
        Some(("leg", rest)) => (Scope::Leg, rest),
        Some(("segment", rest)) => (Scope::Segment, rest),
        Some(_) => return None,
        None => (Scope::Segment, text),
    };
    let status = match text {
        "open" => SaleStatus::Open,
        "request" => SaleStatus::Request,
        "waitlist_open" => SaleStatus::WaitlistOpen,
        "closed" => SaleStatus::Closed,
        "not_operating" => SaleStatus::NotOperating,
        "reject" => return Some(None),
        number => {
            let (digits, is_floor) = match number.strip_suffix('+') {
                Some(digits) => (digits, true),
                None => (number, false),
            };
            let fits =
                (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            let count = digits.parse().ok().filter(|_| fits)?;
            return Some(Some(Meaning {
                scope,
                status: SaleStatus::Open,
                seats: Some(Seats { count, is_floor }),
            }));
        }
    };
    Some(Some(Meaning {
        scope,
        status,
        seats: None,
    }))
}

/// A digit as seats: 9 means nine or more.
pub(crate) fn digit(code: &str) -> Option<Seats> {
    match code.as_bytes() {
        [digit @ b'0'..=b'9'] => Some(Seats {
            count: i32::from(digit - b'0'),
            is_floor: *digit == b'9',
        }),
        _ => None,
    }
}

/// The codes of availability displays: digits, and the letters that reservation systems publish.
pub(crate) fn display(code: &str) -> Option<Meaning> {
    let status = match code {
        "A" => SaleStatus::Open,
        "L" => SaleStatus::WaitlistOpen,
        "C" => SaleStatus::Closed,
        "R" => SaleStatus::Request,
        "N" | "X" => SaleStatus::NotOperating,
        _ => {
            // Some write two digits.
            let trimmed = match code.len() {
                2 => code.strip_prefix('0')?,
                _ => code,
            };
            return digit(trimmed).map(|seats| Meaning {
                scope: Scope::Segment,
                status: SaleStatus::Open,
                seats: Some(seats),
            });
        }
    };
    Some(Meaning {
        scope: Scope::Segment,
        status,
        seats: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(codes: &str) -> Result<CodeTable, ConfigError> {
        CodeTable::from_options(&Options::new().with(CODES, codes), display)
    }

    #[test]
    fn unknown_codes_are_faults_until_the_table_knows_them() {
        let usual = table("").unwrap();
        for code in ["S", "K", "10", "Z9", "", "a", "99"] {
            assert_eq!(
                usual.read("class Y", code).unwrap_err().code,
                Code::UnknownStatus,
                "{code}"
            );
        }
        let stated = table("S=open, K=closed,Z9=4+,9=9,A=reject,X=leg:not_operating").unwrap();
        let read = |code: &str| stated.read("class Y", code);
        assert_eq!(read("S").unwrap().status, SaleStatus::Open);
        assert_eq!(read("K").unwrap().status, SaleStatus::Closed);
        let seats = |count, is_floor| Some(Seats { count, is_floor });
        assert_eq!(read("Z9").unwrap().seats, seats(4, true));
        assert_eq!(read("9").unwrap().seats, seats(9, false));
        assert_eq!(read("X").unwrap().scope, Scope::Leg);
        assert!(read("A").is_err());
    }

    #[test]
    fn nine_means_nine_or_more() {
        let usual = table("").unwrap();
        let seats = |code: &str| usual.read("class Y", code).unwrap().seats.unwrap();
        assert!(seats("9").is_floor && !seats("8").is_floor);
        assert_eq!((seats("0").count, seats("07").count), (0, 7));
    }

    #[test]
    fn a_bad_table_is_refused_with_what_belongs_there() {
        for bad in [
            "CS",
            "cs=open",
            "CS=perhaps",
            "ABCD=open",
            "C=1000",
            "C=flight:open",
            "A=open,A=closed",
        ] {
            let error = table(bad).unwrap_err().to_string();
            assert!(error.contains("codes: "), "{error}");
        }
    }
}
