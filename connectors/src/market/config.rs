//! When and where it was seen, and which booking classes are in which cabin.

use flightline_ledger::command::SourceVersion;
use flightline_ledger::{Cabin, Class};

use crate::canonical::time;
use crate::format::{ConfigError, Options};

/// Name of the option with the time of receipt.
pub(crate) const OBSERVED_AT: &str = "observed_at";
/// Name of the option with the point of sale.
pub(crate) const POINT_OF_SALE: &str = "point_of_sale";
/// Name of the option with the time for which an observation holds.
pub(crate) const VALID_S: &str = "valid_s";
/// Name of the option with the cabins of booking classes.
pub(crate) const CABINS: &str = "cabins";

/// The options that every format of offers and displays has.
pub(crate) const COMMON_OPTIONS: &[(&str, &str)] = &[
    (
        OBSERVED_AT,
        "when the message was received, such as 2027-01-05T10:15:00Z: its version where it has none of its own; default: now",
    ),
    (
        POINT_OF_SALE,
        "where it was asked, in the provider's terms, where the message does not say; kept with what was seen",
    ),
    (
        VALID_S,
        "for how many seconds what was seen holds, where the message does not say; default: 900",
    ),
    (
        CABINS,
        "cabins by booking class, such as F:FAP,J:JCDIZ,W:W (the default); classes that are not named are in Y",
    ),
];

/// What is known of a message beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// When it was received, Unix time in milliseconds; 0 when nobody said.
    pub(crate) observed_ms: i64,
    pub(crate) point_of_sale: Option<Box<str>>,
    /// For how long a look holds that does not say so itself, in milliseconds.
    pub(crate) valid_ms: i64,
    /// The cabin of each class, by letter from A.
    cabins: [Cabin; 26],
    /// Somebody stated the table; otherwise it is the usual one.
    is_stated: bool,
}

const USUAL: &str = "F:FAP,J:JCDIZ,W:W";

impl Terms {
    /// From options given by name, which hold these and the format's own.
    pub(crate) fn from_options(options: &Options) -> Result<Self, ConfigError> {
        let bad = |name, value: &str, expected: String| ConfigError::BadValue {
            name,
            value: value.to_owned(),
            expected,
        };
        let point_of_sale = match options.get(POINT_OF_SALE) {
            None => None,
            Some(text) if (1..=40).contains(&text.len()) && !text.contains(char::is_control) => {
                Some(text.into())
            }
            Some(text) => return Err(bad(POINT_OF_SALE, text, "1 to 40 bytes".to_owned())),
        };
        let valid_ms = match options.get(VALID_S) {
            None => 900_000,
            Some(text) => text
                .parse::<i64>()
                .ok()
                .filter(|s| (1..=31_536_000).contains(s))
                .map(|s| s * 1000)
                .ok_or_else(|| bad(VALID_S, text, "1 to 31536000 seconds (a year)".to_owned()))?,
        };
        let table = options.get(CABINS);
        Ok(Self {
            observed_ms: observed_at(options)?,
            valid_ms,
            point_of_sale,
            cabins: read_cabins(table.unwrap_or(USUAL))
                .map_err(|why| bad(CABINS, table.unwrap_or_default(), why))?,
            is_stated: table.is_some(),
        })
    }

    /// The cabin of a class, and whether it is a guess.
    pub(crate) fn cabin_of(&self, class: Class) -> (Cabin, bool) {
        (
            self.cabins[usize::from(class.letter() - b'A')],
            !self.is_stated,
        )
    }

    /// Every cabin that a flight of this provider can have: those of the table and the four of
    /// cabin names, in the order F, J, W, Y, then others.
    pub(crate) fn all_cabins(&self) -> Vec<Cabin> {
        let mut all: Vec<Cabin> = [b'F', b'J', b'W', b'Y'].map(cabin).to_vec();
        for cabin in self.cabins {
            if !all.contains(&cabin) {
                all.push(cabin);
            }
        }
        all
    }

    /// The version of a look at a certain time: its own, else that of receipt.
    pub(crate) fn version(&self, own_ms: Option<i64>) -> SourceVersion {
        SourceVersion {
            time_ms: own_ms.unwrap_or(self.observed_ms),
            group: 0,
            sequence: 0,
        }
    }

    /// The version of a flight as it was shown at that time: older than any schedule, and newer
    /// than that of an earlier look.
    pub(crate) fn shown_version(&self, own_ms: Option<i64>) -> SourceVersion {
        let seconds = own_ms.unwrap_or(self.observed_ms) / 1000;
        SourceVersion {
            time_ms: 0,
            group: u32::try_from(seconds.max(0)).unwrap_or(u32::MAX),
            sequence: 0,
        }
    }
}

/// When the message was received, in Unix milliseconds; 0 when nobody said.
pub(crate) fn observed_at(options: &Options) -> Result<i64, ConfigError> {
    let Some(text) = options.get(OBSERVED_AT) else {
        return Ok(0);
    };
    time::instant_ms(OBSERVED_AT, text)
        .ok()
        .filter(|ms| *ms >= 0)
        .ok_or_else(|| ConfigError::BadValue {
            name: OBSERVED_AT,
            value: text.to_owned(),
            expected: "a time since 1970 with its offset, such as 2027-01-05T10:15:00Z".to_owned(),
        })
}

/// A letter that is one.
pub(crate) const fn cabin(letter: u8) -> Cabin {
    match Cabin::new(letter) {
        Ok(cabin) => cabin,
        Err(_) => panic!("a capital letter"),
    }
}

fn read_cabins(text: &str) -> Result<[Cabin; 26], String> {
    const FORM: &str = "a table such as F:FAP,J:JCDIZ,W:W (cabin, colon, its classes)";
    let mut cabins = [cabin(b'Y'); 26];
    let mut seen = [false; 26];
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, classes) = part.trim().split_once(':').ok_or(FORM)?;
        let name: Cabin = name.parse().map_err(|_| FORM)?;
        for letter in classes.bytes() {
            if !letter.is_ascii_uppercase() {
                return Err(FORM.to_owned());
            }
            let at = usize::from(letter - b'A');
            if std::mem::replace(&mut seen[at], true) {
                return Err(format!(
                    "a table in which class {} stands once",
                    char::from(letter)
                ));
            }
            cabins[at] = name;
        }
    }
    Ok(cabins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(name: &str, value: &str) -> Result<Terms, ConfigError> {
        Terms::from_options(&Options::new().with(name, value))
    }

    #[test]
    fn classes_have_the_cabin_of_the_table_and_guesses_are_told() {
        let class = |text: &str| text.parse::<Class>().unwrap();
        let usual = Terms::from_options(&Options::new()).unwrap();
        for (letter, want) in [("A", "F"), ("D", "J"), ("W", "W"), ("Q", "Y"), ("Y", "Y")] {
            let (cabin, guessed) = usual.cabin_of(class(letter));
            assert_eq!((cabin.to_string().as_str(), guessed), (want, true));
        }
        let stated = terms(CABINS, "C:CD,M:M").unwrap();
        assert_eq!(stated.cabin_of(class("D")), (cabin(b'C'), false));
        assert_eq!(stated.cabin_of(class("F")), (cabin(b'Y'), false));
        let all: String = stated.all_cabins().iter().map(|c| c.to_string()).collect();
        assert_eq!(all, "FJWYCM");
        for bad in ["F", "F=FA", "f:F", "F:f", "F:FA,J:A"] {
            let error = terms(CABINS, bad).unwrap_err().to_string();
            assert!(error.contains("a table"), "{error}");
        }
    }

    #[test]
    fn a_shown_flight_is_older_than_any_schedule_and_newer_than_an_earlier_look() {
        let terms = terms(OBSERVED_AT, "2027-01-05T10:15:00Z").unwrap();
        let early = terms.shown_version(Some(1_640_099_413_263));
        let late = terms.shown_version(None);
        let schedule = SourceVersion {
            time_ms: 1,
            group: 0,
            sequence: 0,
        };
        assert!(early < late && late < schedule);
        assert_eq!(terms.version(None).time_ms, 1_799_144_100_000);
        for bad in ["2027-01-05T10:15:00", "yesterday", "1969-01-01T00:00:00Z"] {
            assert!(super::Terms::from_options(&Options::new().with(OBSERVED_AT, bad)).is_err());
        }
    }
}
