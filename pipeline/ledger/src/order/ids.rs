//! Identities: of orders, of the effects they ask for, of cancellation quotes.
//!
//! None is made up: each is derived with [`Print`] from what it belongs to, so that every replica, and
//! the same replica after a crash, names the same thing by the same number.

use core::fmt;
use core::str::FromStr;

use super::print::Print;
use crate::codes::{BadCode, CommandId};

// Keys of the derivations: the sixteen bytes of the texts `flightline-order`, `flightline-effec` and
// `flightline-quote`.
const SPACE: u64 = u64::from_le_bytes(*b"flightli");
const ORDER: [u64; 2] = [SPACE, u64::from_le_bytes(*b"ne-order")];
const EFFECT: [u64; 2] = [SPACE, u64::from_le_bytes(*b"ne-effec")];
const QUOTE: [u64; 2] = [SPACE, u64::from_le_bytes(*b"ne-quote")];

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadCode;
            fn from_str(s: &str) -> Result<Self, BadCode> {
                const BAD: BadCode =
                    BadCode(concat!($what, " is 32 lower-case hexadecimal digits"));
                if s.len() != 32 || s.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(BAD);
                }
                u128::from_str_radix(s, 16).map(Self).map_err(|_| BAD)
            }
        }
    };
}

id! {
    /// Identity of the offer request (the search) that an order came from, made at the edge.
    OfferRequestId, "an offer request id"
}
id! {
    /// Identity of an order, and key of its stream: [`OrderId::of`] its offer request.
    OrderId, "an order id"
}
id! {
    /// Identity of an effect. It is the id of the command in a flight's stream, and the idempotency
    /// key at a payment service: asking twice with it does the thing once.
    EffectId, "an effect id"
}
id! {
    /// Identity of a cancellation quote.
    QuoteId, "a quote id"
}

impl OrderId {
    /// The order of an offer request: there is one at most.
    pub const fn of(request: OfferRequestId) -> Self {
        let mut print = Print::new(ORDER);
        print.add_wide(request.0);
        Self(print.get())
    }
}

impl EffectId {
    /// The effect of one step of an order. `segment` counts from 0 over all slices, and is 0 for
    /// steps about the whole order; `attempt` is described at [`Effect`](super::Effect).
    pub const fn derive(order: OrderId, step: super::Step, segment: u8, attempt: u64) -> Self {
        let mut print = Print::new(EFFECT);
        print.add_wide(order.0);
        print.add((step as u64) << 8 | segment as u64);
        print.add(attempt);
        Self(print.get())
    }
}

impl QuoteId {
    /// The `number`th quote of an order, from 1.
    pub(crate) const fn derive(order: OrderId, number: u32) -> Self {
        let mut print = Print::new(QUOTE);
        print.add_wide(order.0);
        print.add(number as u64);
        Self(print.get())
    }
}

impl From<EffectId> for CommandId {
    /// The id of the command that an effect on a flight becomes.
    fn from(effect: EffectId) -> Self {
        CommandId(effect.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Step;
    use super::*;

    /// The derivations are a format: ids in streams and at payment services follow from them. These
    /// are what `openssl mac -macopt size:16 ... SIPHASH` makes of the same keys and bytes.
    #[test]
    fn derivations_never_change() {
        let order = OrderId::of(OfferRequestId(7));
        assert_eq!(order.to_string(), "6c8c8bbd023f143b7f88caefff5e01f1");
        assert_eq!(
            EffectId::derive(order, Step::Confirm, 3, 1 << 32 | 2).to_string(),
            "da5320f1b2e99d19487aa3e607a8a8e2"
        );
        assert_eq!(
            QuoteId::derive(order, 1).to_string(),
            "47917ecd0bb898faa77ddbd7d07ae4cb"
        );
    }

    #[test]
    fn every_part_of_an_effect_tells() {
        let mut seen = BTreeSet::new();
        for order in [OrderId(1), OrderId(1 << 64), OrderId(2)] {
            for step in Step::ALL {
                for segment in 0..4 {
                    for attempt in [0, 1, 2, 1 << 32, 1 << 32 | 1] {
                        seen.insert(EffectId::derive(order, step, segment, attempt));
                    }
                }
            }
        }
        assert_eq!(seen.len(), 3 * 13 * 4 * 5);
    }

    #[test]
    fn ids_round_trip_and_malformed_ones_are_refused() {
        let id = EffectId(u128::MAX / 3);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "12",
            "0000000000000000000000000000000G",
            "+0000000000000000000000000000001",
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text} was taken");
        }
    }
}
