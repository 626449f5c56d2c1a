//! Results of effects and the reasons of flights, inside the body of kind 54.
//!
//! | result | what follows |
//! |---|---|
//! | 1 held | provider, deadline, offset |
//! | 2 confirmed, 3 released, 4 cancelled, 8 captured, 9 voided, 10 refunded, 13 unknown, 16 noted, 17 withdrawn | – |
//! | 5 refused | reason; of sold out (1) the seats there are, of price changed (12) 0, or 1 and the price |
//! | 6 authorised | reference |
//! | 7 declined, 12 failed | code |
//! | 11 ticketed | number |
//! | 14 waiting | deadline |
//! | 15 placed | reference |
//!
//! Reasons: 1 sold out, 2 unknown flight, 3 flight cancelled, 4 departed, 5 retired, 6 unknown
//! segment, 7 segment restricted, 8 unknown cabin, 9 unknown class, 10 unknown provider, 11 closed,
//! 12 price changed, 13 not operating, 14 invalid seats, 15 invalid time to hold, 16 unknown hold,
//! 17 expired, 18 already released, 19 already cancelled, 20 already confirmed, 21 displaced,
//! 22 invalid event, 23 not scheduled, 24 not owner, 25 still waiting.

use flightline_ledger::Reason;
use flightline_ledger::order::EffectResult;

use super::body::{get_money, get_provider, put_money, put_provider};
use super::error::{DecodeError, EncodeError};
use super::order::text;
use super::wire::{Reader, put_bytes, put_int, put_uint};

const SOLD_OUT: u8 = 1;
const PRICE_CHANGED: u8 = 12;

/// The reasons that say nothing more, with their numbers.
const PLAIN: [(u8, Reason); 25] = [
    (2, Reason::UnknownFlight),
    (3, Reason::FlightCancelled),
    (4, Reason::Departed),
    (5, Reason::Retired),
    (6, Reason::UnknownSegment),
    (7, Reason::SegmentRestricted),
    (8, Reason::UnknownCabin),
    (9, Reason::UnknownClass),
    (10, Reason::UnknownProvider),
    (11, Reason::Closed),
    (13, Reason::NotOperating),
    (14, Reason::InvalidSeats),
    (15, Reason::InvalidTtl),
    (16, Reason::UnknownHold),
    (17, Reason::Expired),
    (18, Reason::AlreadyReleased),
    (19, Reason::AlreadyCancelled),
    (20, Reason::AlreadyConfirmed),
    (21, Reason::Displaced),
    (22, Reason::InvalidEvent),
    (23, Reason::NotScheduled),
    (24, Reason::NotOwner),
    (25, Reason::StillWaiting),
    (26, Reason::ProviderStopped),
    (27, Reason::ProviderSilent),
];

pub(super) fn put(out: &mut Vec<u8>, result: &EffectResult) -> Result<(), EncodeError> {
    match result {
        EffectResult::Held {
            provider,
            deadline_ms,
            offset,
        } => {
            out.push(1);
            put_provider(out, *provider)?;
            put_int(out, *deadline_ms);
            put_uint(out, *offset);
        }
        EffectResult::Confirmed => out.push(2),
        EffectResult::Released => out.push(3),
        EffectResult::Cancelled => out.push(4),
        EffectResult::Refused(reason) => {
            out.push(5);
            put_reason(out, reason)?;
        }
        EffectResult::Authorised { reference } => {
            out.push(6);
            put_bytes(out, reference.as_bytes());
        }
        EffectResult::Declined { code } => {
            out.push(7);
            put_bytes(out, code.as_bytes());
        }
        EffectResult::Captured => out.push(8),
        EffectResult::Voided => out.push(9),
        EffectResult::Refunded => out.push(10),
        EffectResult::Ticketed { number } => {
            out.push(11);
            put_bytes(out, number.as_bytes());
        }
        EffectResult::Failed { code } => {
            out.push(12);
            put_bytes(out, code.as_bytes());
        }
        EffectResult::Unknown => out.push(13),
        EffectResult::Waiting { deadline_ms } => {
            out.push(14);
            put_int(out, *deadline_ms);
        }
        EffectResult::Placed { reference } => {
            out.push(15);
            put_bytes(out, reference.as_bytes());
        }
        EffectResult::Noted => out.push(16),
        EffectResult::Withdrawn => out.push(17),
    }
    Ok(())
}

pub(super) fn get(reader: &mut Reader<'_>) -> Result<EffectResult, DecodeError> {
    Ok(match reader.byte()? {
        1 => EffectResult::Held {
            provider: get_provider(reader)?,
            deadline_ms: reader.int("deadline_ms")?,
            offset: reader.uint("offset")?,
        },
        2 => EffectResult::Confirmed,
        3 => EffectResult::Released,
        4 => EffectResult::Cancelled,
        5 => EffectResult::Refused(get_reason(reader)?),
        6 => EffectResult::Authorised {
            reference: text(reader, "reference")?,
        },
        7 => EffectResult::Declined {
            code: text(reader, "code")?,
        },
        8 => EffectResult::Captured,
        9 => EffectResult::Voided,
        10 => EffectResult::Refunded,
        11 => EffectResult::Ticketed {
            number: text(reader, "number")?,
        },
        12 => EffectResult::Failed {
            code: text(reader, "code")?,
        },
        13 => EffectResult::Unknown,
        14 => EffectResult::Waiting {
            deadline_ms: reader.int("deadline_ms")?,
        },
        15 => EffectResult::Placed {
            reference: text(reader, "reference")?,
        },
        16 => EffectResult::Noted,
        17 => EffectResult::Withdrawn,
        _ => return Err(DecodeError::bad("result", "is of no kind")),
    })
}

fn put_reason(out: &mut Vec<u8>, reason: &Reason) -> Result<(), EncodeError> {
    match reason {
        Reason::SoldOut { available } => {
            out.push(SOLD_OUT);
            put_uint(out, u64::from(*available));
        }
        Reason::PriceChanged { now } => {
            out.push(PRICE_CHANGED);
            out.push(u8::from(now.is_some()));
            if let Some(price) = now {
                put_money(out, *price)?;
            }
        }
        plain => {
            let number = PLAIN.iter().find(|(_, reason)| reason == plain);
            let Some((number, _)) = number else {
                return Err(EncodeError::Bad {
                    field: "reason",
                    what: "has no number",
                });
            };
            out.push(*number);
        }
    }
    Ok(())
}

fn get_reason(reader: &mut Reader<'_>) -> Result<Reason, DecodeError> {
    match reader.byte()? {
        SOLD_OUT => Ok(Reason::SoldOut {
            available: reader.small("available")?,
        }),
        PRICE_CHANGED => Ok(Reason::PriceChanged {
            now: match reader.bits("price", 1)? {
                0 => None,
                _ => Some(get_money(reader)?),
            },
        }),
        number => PLAIN
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, reason)| *reason)
            .ok_or(DecodeError::bad("reason", "is none")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reason that the ledger gives can be written: the compiler tells when one is added.
    #[test]
    fn every_reason_has_a_number() {
        fn all(reason: Reason) -> bool {
            match reason {
                Reason::SoldOut { .. } | Reason::PriceChanged { .. } => true,
                Reason::UnknownFlight
                | Reason::FlightCancelled
                | Reason::Departed
                | Reason::Retired
                | Reason::UnknownSegment
                | Reason::SegmentRestricted
                | Reason::UnknownCabin
                | Reason::UnknownClass
                | Reason::UnknownProvider
                | Reason::Closed
                | Reason::NotOperating
                | Reason::InvalidSeats
                | Reason::InvalidTtl
                | Reason::UnknownHold
                | Reason::Expired
                | Reason::AlreadyReleased
                | Reason::AlreadyCancelled
                | Reason::AlreadyConfirmed
                | Reason::Displaced
                | Reason::InvalidEvent
                | Reason::NotScheduled
                | Reason::NotOwner
                | Reason::StillWaiting
                | Reason::ProviderStopped
                | Reason::ProviderSilent => PLAIN.iter().filter(|(_, r)| *r == reason).count() == 1,
            }
        }
        for (number, reason) in PLAIN {
            assert!(all(reason), "{reason:?}");
            let mut out = Vec::new();
            put_reason(&mut out, &reason).unwrap();
            assert_eq!(out, [number]);
            assert_eq!(get_reason(&mut Reader::new(&out)), Ok(reason));
        }
    }
}
