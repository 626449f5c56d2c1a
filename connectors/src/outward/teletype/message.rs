//! The lines of a message, written and read. The grammar is in `docs/outward-orders.md`.

use std::fmt::Write;
use std::str::FromStr;

use flightline_ledger::Date;

use crate::outward::port::{Placement, PlacementKey};

/// The element that names the placement: answers repeat it.
const REFERENCE: &str = "OSI YY FLREF ";

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

/// What a message asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// `SS`: sold, take it.
    Sell,
    /// `XX`: cancelled.
    Cancel,
}

/// What an answer says of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// `HK`, `KK`, `KL`.
    Taken(String),
    /// `UU`, `US`, `HL`, `LL`: on the provider's waitlist.
    Waitlisted(String),
    /// `UC`, `UN`, `NO`, `HX`.
    Refused(String),
}

impl Status {
    pub(super) fn code(&self) -> &str {
        let (Status::Taken(code) | Status::Waitlisted(code) | Status::Refused(code)) = self;
        code
    }

    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Status::Taken(_))
    }

    pub(super) fn is_waitlisted(&self) -> bool {
        matches!(self, Status::Waitlisted(_))
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, String> {
        let text = code.to_owned();
        match code {
            "HK" | "KK" | "KL" => Ok(Status::Taken(text)),
            "UU" | "US" | "HL" | "LL" => Ok(Status::Waitlisted(text)),
            "UC" | "UN" | "NO" | "HX" => Ok(Status::Refused(text)),
            _ => Err(format!(
                "status {code} is none of HK, KK, KL, UC, UN, NO, HX, UU, US, HL, LL"
            )),
        }
    }
}

/// An answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) key: PlacementKey,
    pub(super) status: Status,
    pub(super) seats: u16,
    /// The provider's own record locator.
    pub(super) locator: Option<String>,
}

/// A message that asks something of a placement.
pub(super) fn write(placement: &Placement, action: Action, address: &str, origin: &str) -> String {
    let mut text = String::new();
    let code = match action {
        Action::Sell => "SS",
        Action::Cancel => "XX",
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "QU {address}");
    let _ = writeln!(text, ".{origin}");
    let _ = writeln!(text, "{} {}", &origin[..5], placement.booking);
    for traveller in &placement.travellers {
        let (family, given) = (
            letters(&traveller.family_name),
            letters(&traveller.given_name),
        );
        let title = letters(&traveller.title);
        let _ = writeln!(text, "1{family}/{given} {title}");
    }
    let _ = writeln!(text, "{} {code}{}", designator(placement), placement.seats);
    let _ = writeln!(text, "{REFERENCE}{}", placement.key);
    text
}

/// A message that asks for messages of a feed again.
pub(super) fn repeat(missing: &str, address: &str, origin: &str) -> String {
    format!("QU {address}\n.{origin}\nPLS RPT {missing}\n")
}

/// Carrier, number, class, day, stations.
fn designator(placement: &Placement) -> String {
    let flight = &placement.flight;
    let suffix = match flight.suffix {
        0 => String::new(),
        letter => char::from(letter).to_string(),
    };
    let class = placement
        .class
        .map_or_else(|| placement.cabin.to_string(), |class| class.to_string());
    format!(
        "{}{}{suffix}{class}{}{}{}",
        flight.carrier,
        flight.number,
        day(placement.date),
        placement.board.as_str(),
        placement.off.as_str()
    )
}

fn day(date: Date) -> String {
    let (_, month, day) = date.ymd();
    let month = usize::try_from(month).unwrap_or(1).clamp(1, 12);
    format!("{day:02}{}", MONTHS[month - 1])
}

/// A name as teletype can carry it: capital letters and spaces. What is no letter of the Latin alphabet is
/// left out.
fn letters(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' => text.push(character.to_ascii_uppercase()),
            ' ' | '-' => text.push(' '),
            _ => text.push_str(folded(character)),
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        "X".to_owned()
    } else {
        text
    }
}

/// The letters that machine-readable passports use for some others.
fn folded(character: char) -> &'static str {
    match character {
        'ä' | 'Ä' | 'æ' | 'Æ' => "AE",
        'ö' | 'Ö' | 'ø' | 'Ø' | 'œ' | 'Œ' => "OE",
        'ü' | 'Ü' => "UE",
        'ß' => "SS",
        'å' | 'Å' => "AA",
        'à' | 'á' | 'â' | 'ã' | 'À' | 'Á' | 'Â' | 'Ã' => "A",
        'ç' | 'Ç' => "C",
        'è' | 'é' | 'ê' | 'ë' | 'È' | 'É' | 'Ê' | 'Ë' => "E",
        'ì' | 'í' | 'î' | 'ï' | 'Ì' | 'Í' | 'Î' | 'Ï' => "I",
        'ñ' | 'Ñ' => "N",
        'ò' | 'ó' | 'ô' | 'õ' | 'Ò' | 'Ó' | 'Ô' | 'Õ' => "O",
        'ù' | 'ú' | 'û' | 'Ù' | 'Ú' | 'Û' => "U",
        'ý' | 'ÿ' | 'Ý' => "Y",
        _ => "",
    }
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn read(text: &str) -> Result<Reply, String> {
    let mut key = None;
    let mut status = None;
    let mut locators = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = number + 1;
        let line = line.trim();
        if let Some(reference) = line.strip_prefix(REFERENCE) {
            let found: PlacementKey = reference
                .trim()
                .parse()
                .map_err(|error| format!("line {at}: FLREF '{reference}': {error}"))?;
            if key.replace(found).is_some_and(|first| first != found) {
                return Err(format!(
                    "line {at}: a second FLREF: answer one placement in a file"
                ));
            }
        } else if let Some(found) = segment(line, at)? {
            if status.replace(found).is_some() {
                return Err(format!(
                    "line {at}: a second segment: answer one placement in a file"
                ));
            }
        } else if let Some(locator) = locator(line) {
            locators.push(locator);
        }
    }
    let key = key.ok_or("no line 'OSI YY FLREF ...': repeat that of the message")?;
    let (status, seats) =
        status.ok_or("no segment line such as 'UA1545Q05JANEWRIAH HK1': say what became of it")?;
    Ok(Reply {
        key,
        status,
        seats,
        // Ours comes first, then theirs.
        locator: locators.into_iter().nth(1),
    })
}

/// The lines of an answer that are read: the others may name people, and are not kept.
pub(super) fn read_lines(text: &str) -> String {
    let mut kept = String::new();
    for line in text.lines() {
        let line = line.trim();
        let is_segment = matches!(segment(line, 0), Ok(Some(_)));
        let reference = line.strip_prefix(REFERENCE);
        let is_reference = reference.is_some_and(|key| key.trim().parse::<PlacementKey>().is_ok());
        if is_reference || is_segment || locator(line).is_some() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// A message of ours without the passengers' names; absent = it has none.
pub(super) fn without_names(text: &str) -> Option<String> {
    let is_name = |line: &&str| line.starts_with('1') && line.contains('/');
    text.lines().any(|line| is_name(&line)).then(|| {
        let kept = text.lines().filter(|line| !is_name(line));
        kept.flat_map(|line| [line, "\n"]).collect()
    })
}

/// The status and number at the end of a segment line; absent = it is another line.
fn segment(line: &str, at: usize) -> Result<Option<(Status, u16)>, String> {
    let Some((designator, action)) = line.rsplit_once(' ') else {
        return Ok(None);
    };
    let is_designator = designator.len() >= 14
        && !designator.contains(' ')
        && designator.bytes().all(|b| b.is_ascii_alphanumeric())
        && MONTHS.iter().any(|month| designator.contains(month));
    if !is_designator {
        return Ok(None);
    }
    let (Some(code), Some(number)) = (action.get(..2), action.get(2..)) else {
        return Err(format!(
            "line {at}: '{action}' is no status and number, such as HK1"
        ));
    };
    let seats = number
        .parse()
        .map_err(|_| format!("line {at}: '{action}' has no number of seats, such as HK1"))?;
    let status = code.parse().map_err(|why| format!("line {at}: {why}"))?;
    Ok(Some((status, seats)))
}

/// `CCCXX LOCATOR`: a record locator with whose it is.
fn locator(line: &str) -> Option<String> {
    let (whose, locator) = line.split_once(' ')?;
    let is_code = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    let is_locator = whose.len() == 5 && (5..=8).contains(&locator.len());
    (is_locator && is_code(whose) && is_code(locator)).then(|| locator.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outward::testing::placement;

    #[test]
    fn a_message_is_what_the_page_says() {
        let text = write(&placement(17), Action::Sell, "NYCRMUA", "HDQFLXX");
        assert_eq!(
            text,
            "QU NYCRMUA\n.HDQFLXX\nHDQFL ABC234\n1OEARHART/AMELIA MS\n\
             UA1545Q05JANEWRIAH SS1\nOSI YY FLREF 00000000000000000000000000000011\n"
        );
        let cancel = write(&placement(17), Action::Cancel, "NYCRMUA", "HDQFLXX");
        assert!(cancel.contains("UA1545Q05JANEWRIAH XX1\n"), "{cancel}");
    }

    #[test]
    fn names_are_letters() {
        for (name, written) in [
            ("O'Brien", "OBRIEN"),
            ("Jean-Luc", "JEAN LUC"),
            ("Müller", "MUELLER"),
            ("Łukasz", "UKASZ"),
            ("山田", "X"),
        ] {
            assert_eq!(letters(name), written);
        }
    }

    #[test]
    fn names_go_and_what_is_read_stays() {
        let sent = write(&placement(17), Action::Sell, "NYCRMUA", "HDQFLXX");
        let erased = without_names(&sent).unwrap();
        assert_eq!(
            erased,
            "QU NYCRMUA\n.HDQFLXX\nHDQFL ABC234\nUA1545Q05JANEWRIAH SS1\n\
             OSI YY FLREF 00000000000000000000000000000011\n"
        );
        assert_eq!(without_names(&erased), None);
        let answer = "QU HDQFLXX\r\n.NYCRMUA 231206\r\nHDQFL ABC234\r\nNYCUA XYZ987\r\n\
             1OEARHART/AMELIA MS\r\nUA1545Q05JANEWRIAH HK1\r\nSSR DOCS YY HK1/P/OEARHART/AMELIA\r\n\
             OSI YY FLREF 00000000000000000000000000000011\r\n";
        let kept = read_lines(answer);
        assert!(!kept.contains("EARHART"), "{kept}");
        assert_eq!(read(&kept), read(answer));
        assert_eq!(read_lines(&kept), kept);
        let behind = "OSI YY FLREF 00000000000000000000000000000011 1OEARHART/AMELIA MS\n";
        assert_eq!(read_lines(behind), "", "no reference that is read");
    }

    #[test]
    fn answers_are_read_and_others_refused_with_what_to_do() {
        let reference = "OSI YY FLREF 00000000000000000000000000000011\n";
        let full = format!(
            "QU HDQFLXX\r\n.NYCRMUA 231206\r\nHDQFL ABC234\r\nNYCUA XYZ987\r\n\
             1EARHART/AMELIA MS\r\nUA1545Q05JANEWRIAH HK1\r\n{reference}"
        );
        let reply = read(&full).unwrap();
        assert_eq!(reply.key, PlacementKey(17));
        assert!(reply.status.is_taken());
        assert_eq!(reply.locator.as_deref(), Some("XYZ987"));
        for (code, taken, waits) in [
            ("KK", true, false),
            ("KL", true, false),
            ("UC", false, false),
            ("UN", false, false),
            ("NO", false, false),
            ("UU", false, true),
        ] {
            let reply = read(&format!("UA1545Q05JANEWRIAH {code}1\n{reference}")).unwrap();
            assert_eq!(reply.status.code(), code);
            assert_eq!(reply.status.is_taken(), taken);
            assert_eq!(reply.status.is_waitlisted(), waits);
            assert_eq!(reply.locator, None);
        }
        for (text, want) in [
            ("", "FLREF"),
            ("UA1545Q05JANEWRIAH HK1\n", "FLREF"),
            ("OSI YY FLREF 17\n", "32"),
            (reference, "segment line"),
            (&format!("UA1545Q05JANEWRIAH ZZ1\n{reference}"), "ZZ"),
            (&format!("UA1545Q05JANEWRIAH HK\n{reference}"), "HK1"),
            (&format!("UA1545Q05JANEWRIAH é1\n{reference}"), "none of"),
            (
                &format!("UA1545Q05JANEWRIAH HK1\nUA1545Q05JANEWRIAH HK1\n{reference}"),
                "second segment",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(want), "{text:?}: {error}");
        }
    }
}
