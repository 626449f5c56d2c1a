//! The forms of a line.
//!
//! | form | example |
//! |---|---|
//! | status | `PK0785Y25DEC A4 LHEKHI`, `PK0785/25DEC LN` |
//! | context | `BA0175/27SEP/LHRJFK`, then lines of tokens `Y/O4 J/C` |
//! | context in one line | `BA0175 27SEP LHRJFK Y O` |
//! | numeric | `UT422Y 25APR21 03 UFAAER Y09 B04 V00` |

use flightline_ledger::{Cabin, Carrier, Class, Station};

use super::date::{self, Day};

/// A flight as a line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) carrier: Carrier,
    pub(super) number: u16,
    /// Letter, or 0.
    pub(super) suffix: u8,
    pub(super) day: Day,
}

/// Two stations.
pub(super) type Pair = (Station, Station);

/// One line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// Status of one class, or of all.
    Status {
        flight: Named,
        class: Option<Class>,
        code: &'l str,
        pair: Option<Pair>,
    },
    /// The flight to which tokens belong that follow.
    Context { flight: Named, pair: Pair },
    /// Classes with their codes, of the flight before.
    Tokens(Vec<(Class, &'l str)>),
    /// A class with its code, flight and all.
    Single {
        flight: Named,
        pair: Pair,
        class: Class,
        code: &'l str,
    },
    /// Counts of the classes of a cabin.
    Numeric {
        flight: Named,
        cabin: Cabin,
        pair: Pair,
        announced: usize,
        counts: Vec<(Class, i32)>,
    },
}

/// What [`read`] expects, for people.
pub(super) const FORMS: &str = "such as PK0785Y25DEC A4 LHEKHI, PK0785/25DEC LN, BA0175/27SEP/LHRJFK, Y/O4 J/C, BA0175 27SEP LHRJFK Y O, or UT422Y 25APR21 03 UFAAER Y09 B04";

/// Reads a line; `None` when it has none of the forms.
pub(super) fn read(text: &str) -> Option<Line<'_>> {
    if !text.is_ascii() {
        return None;
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    match words.as_slice() {
        [first] if first.contains('/') && first.len() > 8 => {
            let mut parts = first.split('/');
            let (flight, rest) = flight(parts.next()?)?;
            let day = date::read(parts.next()?)?;
            let pair = pair(parts.next()?)?;
            (rest.is_empty() && parts.next().is_none()).then_some(Line::Context {
                flight: named(flight, 0, day),
                pair,
            })
        }
        [first, date, count, stations, counts @ ..] if is_count(count) => {
            let (flight, rest) = flight(first)?;
            let (suffix, cabin) = suffix_and(rest)?;
            let counts: Option<Vec<_>> = counts
                .iter()
                .map(|word| {
                    let (class, digits) = word.split_at_checked(1)?;
                    let count = digits.parse().ok().filter(|_| is_count(digits))?;
                    Some((class.parse().ok()?, count))
                })
                .collect();
            Some(Line::Numeric {
                flight: named(flight, suffix, date::read(date)?),
                cabin: cabin.parse().ok()?,
                pair: pair(stations)?,
                announced: count.parse().ok()?,
                counts: counts?,
            })
        }
        [first, date, stations, class, code] => {
            let (flight, rest) = flight(first)?;
            let suffix = match rest.as_bytes() {
                [] => 0,
                [letter @ b'A'..=b'Z'] => *letter,
                _ => return None,
            };
            Some(Line::Single {
                flight: named(flight, suffix, date::read(date)?),
                pair: pair(stations)?,
                class: class.parse().ok()?,
                code,
            })
        }
        words if words.iter().all(|word| is_token(word)) && !words.is_empty() => {
            let tokens: Option<Vec<_>> = words
                .iter()
                .map(|word| {
                    let (class, code) = word.split_once('/')?;
                    Some((class.parse().ok()?, code))
                })
                .collect();
            tokens.map(Line::Tokens)
        }
        [first, code, stations @ ..] => {
            let pair = match stations {
                [] => None,
                [stations] => Some(pair(stations)?),
                _ => return None,
            };
            if !(1..=3).contains(&code.len()) {
                return None;
            }
            let (flight, rest) = flight(first)?;
            // The class and the day are written behind the number without a space.
            let at = rest.find(|c: char| c.is_ascii_digit())?;
            let (letters, day) = rest.split_at(at);
            let (suffix, class) = suffix_and(letters)?;
            Some(Line::Status {
                flight: named(flight, suffix, date::read(day)?),
                class: match class {
                    "/" => None,
                    letter => Some(letter.parse().ok()?),
                },
                code,
                pair,
            })
        }
        _ => None,
    }
}

fn named((carrier, number): (Carrier, u16), suffix: u8, day: Day) -> Named {
    Named {
        carrier,
        number,
        suffix,
        day,
    }
}

/// The carrier and number in front, and what follows them.
fn flight(text: &str) -> Option<((Carrier, u16), &str)> {
    let bytes = text.as_bytes();
    // Two characters, of which at least one is a letter, and perhaps a third letter.
    let with_three = bytes.get(..3)?.iter().all(u8::is_ascii_uppercase);
    let split = if with_three { 3 } else { 2 };
    let carrier: Carrier = text.get(..split)?.parse().ok()?;
    let rest = &text[split..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = rest
        .get(..end)
        .filter(|digits| (1..=4).contains(&digits.len()))?
        .parse()
        .ok()
        .filter(|n| *n > 0)?;
    Some(((carrier, number), &rest[end..]))
}

/// One letter or `/`, or a suffix in front of it.
fn suffix_and(text: &str) -> Option<(u8, &str)> {
    match text.len() {
        1 => Some((0, text)),
        2 => {
            let suffix = text.bytes().next().filter(u8::is_ascii_uppercase)?;
            Some((suffix, &text[1..]))
        }
        _ => None,
    }
}

fn pair(text: &str) -> Option<Pair> {
    let (board, off) = text.split_at_checked(3)?;
    let pair: Pair = (board.parse().ok()?, off.parse().ok()?);
    (pair.0 != pair.1).then_some(pair)
}

fn is_count(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_token(word: &str) -> bool {
    let bytes = word.as_bytes();
    (3..=5).contains(&bytes.len()) && bytes[0].is_ascii_uppercase() && bytes[1] == b'/'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_of_five_forms() {
        let kind = |text: &str| match read(text) {
            None => "none".to_owned(),
            Some(Line::Status {
                flight,
                class,
                code,
                pair,
            }) => format!(
                "status {}{} {} {:?} {code} {pair:?}",
                flight.carrier, flight.number, flight.suffix, class
            ),
            Some(Line::Context { flight, pair }) => {
                format!("context {}{} {pair:?}", flight.carrier, flight.number)
            }
            Some(Line::Tokens(tokens)) => format!("tokens {tokens:?}"),
            Some(Line::Single { class, code, .. }) => format!("single {class} {code}"),
            Some(Line::Numeric {
                cabin,
                counts,
                announced,
                ..
            }) => {
                format!("numeric {cabin} {announced} {counts:?}")
            }
        };
        for (text, want) in [
            (
                "PK0785Y25DEC AS LHEKHI",
                "status PK785 0 Some(Y) AS Some((LHE, KHI))",
            ),
            ("PK0785AY25DEC26 A4", "status PK785 65 Some(Y) A4 None"),
            ("PK0785/25DEC LN", "status PK785 0 None LN None"),
            ("9E785/25DEC LN", "status 9E785 0 None LN None"),
            (
                "UAL785Y25DEC CS LHEKHI",
                "status UAL785 0 Some(Y) CS Some((LHE, KHI))",
            ),
            (
                "UT422/26APR21 CN UFAAER",
                "status UT422 0 None CN Some((UFA, AER))",
            ),
            ("BA0175/27SEP/LHRJFK", "context BA175 (LHR, JFK)"),
            (
                "Y/O4 J/C M/L",
                "tokens [(Y, \"O4\"), (J, \"C\"), (M, \"L\")]",
            ),
            ("BA0175 27SEP LHRJFK Y O", "single Y O"),
            (
                "UT422Y 25APR21 03 UFAAER Y09 B04 V00",
                "numeric Y 3 [(Y, 9), (B, 4), (V, 0)]",
            ),
            ("UT422Y 25APR21 00 UFAAER", "numeric Y 0 []"),
            ("garbage", "none"),
            ("PK0785Y25DEC", "none"),
            ("PK0785Y25DEC AS LHELHE", "none"),
            ("PK0785Y25DEC AS LHEKHI MORE", "none"),
            ("PK078500Y25DEC AS", "none"),
            ("PK0000Y25DEC AS", "none"),
            ("BA0175/27SEP/LHRJF", "none"),
            ("UT422Y 25APR21 03 UFAAER Y9 B04", "none"),
            ("Y/O4 X", "none"),
            ("é", "none"),
            ("", "none"),
        ] {
            assert_eq!(kind(text), want, "{text}");
        }
    }
}
