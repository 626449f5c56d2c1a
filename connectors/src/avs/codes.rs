//! What the codes mean unless the provider's table says otherwise.

use flightline_ledger::command::SaleStatus;

use crate::market::{Meaning, Scope, digit};

/// Two letters of a line. The first: A and C are about the segment, L about the leg, hence every
/// segment that uses it. `CS` is agreed between two parties and means nothing by itself.
pub(super) fn of_lines(code: &str) -> Option<Meaning> {
    let scope = match code.bytes().next()? {
        b'A' | b'C' => Scope::Segment,
        b'L' => Scope::Leg,
        _ => return None,
    };
    let status = match code {
        "AS" | "LA" => SaleStatus::Open,
        "CR" | "LR" => SaleStatus::Request,
        "CL" | "LL" => SaleStatus::WaitlistOpen,
        "CC" | "LC" => SaleStatus::Closed,
        "CN" | "LN" => SaleStatus::NotOperating,
        _ => {
            let digits = code.strip_prefix('A').or(code.strip_prefix('L'))?;
            return Some(Meaning {
                scope,
                status: SaleStatus::Open,
                seats: Some(digit(digits)?),
            });
        }
    };
    Some(Meaning {
        scope,
        status,
        seats: None,
    })
}

/// A letter of a token, with a digit behind it for seats.
pub(super) fn of_tokens(code: &str) -> Option<Meaning> {
    let mut seats = None;
    let status = match code {
        "O" | "A" => SaleStatus::Open,
        "L" => SaleStatus::WaitlistOpen,
        "C" => SaleStatus::Closed,
        "R" => SaleStatus::Request,
        "N" | "X" => SaleStatus::NotOperating,
        _ => {
            let digits = code.strip_prefix('O').or(code.strip_prefix('A'))?;
            seats = Some(digit(digits)?);
            SaleStatus::Open
        }
    };
    Some(Meaning {
        scope: Scope::Segment,
        status,
        seats,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning_and_others_have_none() {
        use SaleStatus::{Closed, NotOperating, Open, Request, WaitlistOpen};
        for (code, scope, status, seats) in [
            ("AS", Scope::Segment, Open, None),
            ("A0", Scope::Segment, Open, Some((0, false))),
            ("A9", Scope::Segment, Open, Some((9, true))),
            ("CR", Scope::Segment, Request, None),
            ("CL", Scope::Segment, WaitlistOpen, None),
            ("CC", Scope::Segment, Closed, None),
            ("CN", Scope::Segment, NotOperating, None),
            ("LA", Scope::Leg, Open, None),
            ("LR", Scope::Leg, Request, None),
            ("LL", Scope::Leg, WaitlistOpen, None),
            ("LC", Scope::Leg, Closed, None),
            ("LN", Scope::Leg, NotOperating, None),
            ("L4", Scope::Leg, Open, Some((4, false))),
        ] {
            let meaning = of_lines(code).unwrap();
            let got = meaning.seats.map(|seats| (seats.count, seats.is_floor));
            assert_eq!(
                (meaning.scope, meaning.status, got),
                (scope, status, seats),
                "{code}"
            );
        }
        for code in ["CS", "LS", "A", "L", "C4", "AA", "X", "4", "", "A10"] {
            assert_eq!(of_lines(code), None, "{code}");
        }
        assert_eq!(of_tokens("O4").unwrap().seats.unwrap().count, 4);
        assert_eq!(of_tokens("L").unwrap().status, WaitlistOpen);
        for code in ["S", "4", "C4", "OO", ""] {
            assert_eq!(of_tokens(code), None, "{code}");
        }
    }
}
