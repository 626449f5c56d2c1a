//! Aircraft configurations and booking classes.

use flightline_ledger::command::{CabinPlan, ClassPlan};
use flightline_ledger::{Cabin, Class};

/// The most seats that a cabin may have.
const SEATS_MAX: u16 = 2000;

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Cabins with their seats, in the order given.
    pub(crate) cabins: Vec<(Cabin, Option<u16>)>,
    /// It has places for freight.
    pub(crate) freight: bool,
}

impl Configuration {
    /// Reads `J14W34Y316VV364`, `C030Y150`, `CY`: a letter and up to three digits for each cabin.
    /// What follows `VV` names the version of the aircraft, digits included. Freight is not
    /// counted: `L`, and doubled letters such as `LL` and `PP` (containers, pallets).
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = text.split_once("VV").map_or(text, |(seats, _)| seats);
        // It stands elsewhere.
        let text = if text == "XX" { "" } else { text };
        let bytes = text.as_bytes();
        let mut cabins: Vec<(Cabin, Option<u16>)> = Vec::new();
        let mut any_freight = false;
        let mut at = 0;
        while let Some(letter) = bytes.get(at) {
            if *letter == b' ' {
                at += 1;
                continue;
            }
            let cabin = Cabin::new(*letter).map_err(|_| {
                format!(
                    "{} is no cabin letter",
                    char::from(*letter).escape_default()
                )
            })?;
            at += 1;
            let freight = if bytes.get(at) == Some(letter) {
                at += 1;
                true
            } else {
                *letter == b'L'
            };
            let digits = bytes[at..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            if digits > 3 {
                return Err(format!("cabin {cabin} has more than three digits"));
            }
            let seats = text[at..at + digits].parse::<u16>().ok();
            at += digits;
            if freight {
                any_freight = true;
                continue;
            }
            match cabins.iter_mut().find(|(known, _)| *known == cabin) {
                None => cabins.push((cabin, seats)),
                Some((_, sum)) => {
                    *sum = match (*sum, seats) {
                        (None, other) | (other, None) => other,
                        (Some(a), Some(b)) => Some(a + b).filter(|n| *n <= SEATS_MAX),
                    };
                }
            }
        }
        Ok(Self {
            cabins,
            freight: any_freight,
        })
    }

    /// Whether any cabin has a count.
    pub(crate) fn has_seats(&self) -> bool {
        self.cabins.iter().any(|(_, seats)| seats.is_some())
    }
}

/// Seats of a type of aircraft as it is usually fitted, for sources that do not say.
pub(crate) fn usual_seats(aircraft: [u8; 3]) -> Option<u16> {
    const USUAL: [(&[u8; 3], u16); 52] = [
        (b"100", 100),
        (b"141", 82),
        (b"142", 84),
        (b"143", 98),
        (b"221", 120),
        (b"223", 140),
        (b"290", 106),
        (b"295", 132),
        (b"318", 118),
        (b"319", 138),
        (b"320", 165),
        (b"321", 199),
        (b"32A", 165),
        (b"32B", 199),
        (b"32N", 174),
        (b"32Q", 206),
        (b"332", 260),
        (b"333", 290),
        (b"339", 287),
        (b"343", 270),
        (b"346", 320),
        (b"359", 315),
        (b"351", 350),
        (b"388", 489),
        (b"733", 133),
        (b"734", 147),
        (b"735", 118),
        (b"736", 120),
        (b"73G", 132),
        (b"73H", 174),
        (b"73J", 189),
        (b"73W", 132),
        (b"738", 174),
        (b"739", 179),
        (b"744", 374),
        (b"752", 200),
        (b"753", 243),
        (b"763", 230),
        (b"772", 312),
        (b"773", 360),
        (b"77W", 350),
        (b"788", 242),
        (b"789", 290),
        (b"7M8", 174),
        (b"AT4", 46),
        (b"AT7", 68),
        (b"CR2", 50),
        (b"CR7", 68),
        (b"CR9", 86),
        (b"DH4", 74),
        (b"E90", 98),
        (b"E95", 114),
    ];
    USUAL
        .iter()
        .find(|(code, _)| **code == aircraft)
        .map(|(_, seats)| *seats)
}

/// What is on board, and whether the count is an estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seating {
    pub(crate) cabins: Vec<CabinPlan>,
    pub(crate) imputed: bool,
}

/// Brings configuration, classes and type together.
///
/// A configuration without counts and with at most one cabin takes the seats that the type usually
/// has. Of several cabins nobody can tell the division: their seats stay unknown, and none is sold
/// until a report of availability says how many there are.
pub(crate) fn seating(configuration: &Configuration, classes: &str, aircraft: [u8; 3]) -> Seating {
    let mut cabins = configuration.cabins.clone();
    let mut imputed = false;
    let only_freight = configuration.freight && cabins.is_empty();
    if !configuration.has_seats()
        && cabins.len() <= 1
        && !only_freight
        && let Some(seats) = usual_seats(aircraft)
    {
        let cabin = cabins
            .first()
            .map(|(cabin, _)| *cabin)
            .or(Cabin::new(b'Y').ok());
        cabins = cabin
            .map(|cabin| (cabin, Some(seats)))
            .into_iter()
            .collect();
        imputed = true;
    }
    let mut plans: Vec<CabinPlan> = cabins
        .into_iter()
        .map(|(cabin, seats)| CabinPlan {
            cabin,
            seats,
            authorised: None,
            classes: Vec::new(),
        })
        .collect();
    place(classes, &mut plans);
    Seating {
        cabins: plans,
        imputed,
    }
}

/// Puts each class into its cabin. Classes are written cabin by cabin, highest first: a class with
/// the letter of a cabin begins that cabin. Before any, the usual meaning of the letter tells.
fn place(classes: &str, plans: &mut [CabinPlan]) {
    let mut current = None;
    let mut seen = 0_u32;
    for letter in classes.bytes() {
        let Ok(class) = Class::new(letter) else {
            continue;
        };
        let bit = 1 << (letter - b'A');
        if seen & bit != 0 {
            continue;
        }
        seen |= bit;
        let own = plans.iter().position(|plan| plan.cabin.letter() == letter);
        let usual = || {
            plans
                .iter()
                .position(|plan| group(plan.cabin.letter()) == group(letter))
        };
        current = own.or(current).or_else(usual);
        let Some(plan) = current.or(Some(0)).and_then(|n| plans.get_mut(n)) else {
            return;
        };
        plan.classes.push(ClassPlan { class, limit: None });
    }
}

/// First, business, premium, economy.
fn group(letter: u8) -> u8 {
    match letter {
        b'F' | b'A' | b'P' | b'R' => 0,
        b'J' | b'C' | b'D' | b'I' | b'Z' => 1,
        b'W' | b'S' => 2,
        _ => 3,
    }
}

/// Booking classes of a text that may carry modifiers: up to the first point.
pub(crate) fn class_letters(text: &str) -> &str {
    text.split('.').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(acv: &str, classes: &str, aircraft: &[u8; 3]) -> (Vec<String>, bool) {
        let seating = seating(&Configuration::read(acv).unwrap(), classes, *aircraft);
        let cabins = seating
            .cabins
            .iter()
            .map(|plan| {
                let classes: String = plan
                    .classes
                    .iter()
                    .map(|c| char::from(c.class.letter()))
                    .collect();
                let seats = plan.seats.map_or("?".to_owned(), |n| n.to_string());
                format!("{}{seats} {classes}", plan.cabin)
            })
            .collect();
        (cabins, seating.imputed)
    }

    #[test]
    fn what_follows_vv_is_a_name_and_never_seats() {
        for (acv, want) in [
            ("W18Y112VV112", vec!["W18 ", "Y112 "]),
            ("J14W34Y316VV364", vec!["J14 ", "W34 ", "Y316 "]),
            ("Y64VV064", vec!["Y64 "]),
            ("C030Y150", vec!["C30 ", "Y150 "]),
            ("F014Y119VVT3M33", vec!["F14 ", "Y119 "]),
            ("Y189VV738H189", vec!["Y189 "]),
            ("Y150L12", vec!["Y150 "]),
            ("Y150LL2PP4", vec!["Y150 "]),
            ("Y100Y20", vec!["Y120 "]),
        ] {
            assert_eq!(
                shown(acv, "", b"738"),
                (want.into_iter().map(str::to_owned).collect(), false),
                "{acv}"
            );
        }
        for bad in ["Y1890", "18Y", "y12", "Y12-"] {
            assert!(Configuration::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_seats_are_imputed_only_where_one_cabin_has_them_all() {
        assert_eq!(shown("", "", b"738"), (vec!["Y174 ".to_owned()], true));
        assert_eq!(shown("M", "", b"738"), (vec!["M174 ".to_owned()], true));
        assert_eq!(
            shown("CY", "", b"738"),
            (vec!["C? ".to_owned(), "Y? ".to_owned()], false)
        );
        assert_eq!(shown("", "Y", b"ZZZ"), (vec![], false));
        assert_eq!(shown("XX", "", b"738"), (vec!["Y174 ".to_owned()], true));
        // Freight alone: nobody sits there.
        assert_eq!(shown("LL12PP8", "", b"738"), (vec![], false));
        assert_eq!(shown("LL12Y", "", b"738"), (vec!["Y174 ".to_owned()], true));
    }

    #[test]
    fn classes_go_to_the_cabin_that_they_follow() {
        let of = |acv, classes| shown(acv, classes, b"738").0;
        assert_eq!(
            of("J14W34Y316", "JCDWSYBM"),
            ["J14 JCD", "W34 WS", "Y316 YBM"]
        );
        // J is no cabin here, but business by its meaning.
        assert_eq!(of("C14Y316", "JDYBM"), ["C14 JD", "Y316 YBM"]);
        assert_eq!(of("W18Y112", "Y"), ["W18 ", "Y112 Y"]);
        assert_eq!(of("Y112", "FYYB "), ["Y112 FYB"]);
        assert_eq!(class_letters("GV.Y126"), "GV");
    }
}
