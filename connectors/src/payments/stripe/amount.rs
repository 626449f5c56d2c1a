//! Amounts as Stripe counts them.
//!
//! Stripe takes whole numbers of a currency's smallest unit, with exceptions of its own: it counts
//! ISK and UGX in hundredths though they have none, MGA in whole ones though ISO 4217 gives it two
//! decimals, and of three-decimal currencies it takes tens only. An amount that Stripe cannot
//! express exactly is refused: nothing here rounds money.

use flightline_ledger::Money;

use crate::currency;
use crate::payments::port::{Refusal, check_amount};

/// Decimals in which Stripe counts a currency.
fn exponent_at_stripe(currency: &str) -> Option<u8> {
    match currency {
        "ISK" | "UGX" => Some(2),
        "MGA" => Some(0),
        other => currency::exponent(other),
    }
}

/// The smallest step of an amount that Stripe takes, in its own units.
fn step_at_stripe(currency: &str) -> i64 {
    match currency {
        "ISK" | "UGX" => 100,
        other if currency::exponent(other) == Some(3) => 10,
        _ => 1,
    }
}

/// The amount in Stripe's units, exactly, or why there is none.
pub(super) fn to_units(amount: Money) -> Result<i64, Refusal> {
    check_amount(amount)?;
    let refuse = |what: String| {
        Err(Refusal::invalid(
            "amount_not_chargeable",
            format!("{} {}: {what}", amount.minor, amount.currency),
        ))
    };
    let code = amount.currency.as_str();
    let Some(exponent) = exponent_at_stripe(code) else {
        return refuse("the service does not know the currency".into());
    };
    let units = if exponent >= amount.exponent {
        10_i64
            .checked_pow(u32::from(exponent - amount.exponent))
            .and_then(|factor| amount.minor.checked_mul(factor))
    } else {
        let divisor = 10_i64.pow(u32::from(amount.exponent - exponent));
        (amount.minor % divisor == 0).then(|| amount.minor / divisor)
    };
    let step = step_at_stripe(code);
    match units {
        Some(units) if units % step == 0 => Ok(units),
        _ => refuse(format!(
            "the service cannot take this amount exactly: it counts in steps of {step} at \
             {exponent} decimals"
        )),
    }
}

/// An amount of Stripe's in the currency's own minor units. `None` for a currency that we do not
/// know, or a fraction that it does not have.
pub(super) fn from_units(units: i64, currency: &str) -> Option<Money> {
    let code = currency.to_ascii_uppercase();
    let own = currency::exponent(&code)?;
    let stripe = exponent_at_stripe(&code)?;
    let minor = if own >= stripe {
        units.checked_mul(10_i64.checked_pow(u32::from(own - stripe))?)?
    } else {
        let divisor = 10_i64.checked_pow(u32::from(stripe - own))?;
        (units % divisor == 0).then(|| units / divisor)?
    };
    Some(Money {
        minor,
        currency: code.parse().ok()?,
        exponent: own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(decimal: &str, code: &str) -> Money {
        let exponent = currency::exponent(code).unwrap();
        Money::from_decimal(decimal, code.parse().unwrap(), exponent).unwrap()
    }

    #[test]
    fn amounts_are_counted_as_stripe_does_and_back() {
        for (decimal, code, units) in [
            ("10.00", "USD", 1_000),
            ("500", "JPY", 500),
            ("5.120", "KWD", 5_120),
            ("5", "ISK", 500),
            ("5", "UGX", 500),
            ("300.00", "MGA", 300),
            ("80.45", "HUF", 8_045),
        ] {
            let amount = money(decimal, code);
            assert_eq!(to_units(amount), Ok(units), "{decimal} {code}");
            let back = from_units(units, &code.to_ascii_lowercase());
            assert_eq!(back, Some(amount), "{decimal} {code}");
        }
    }

    #[test]
    fn what_stripe_cannot_express_is_refused_and_never_rounded() {
        for (decimal, code) in [("5.124", "KWD"), ("300.40", "MGA")] {
            let refusal = to_units(money(decimal, code)).unwrap_err();
            assert_eq!(refusal.code, "amount_not_chargeable", "{decimal} {code}");
        }
        let huge = Money {
            minor: i64::MAX,
            ..money("1", "ISK")
        };
        assert!(to_units(huge).is_err());
        assert_eq!(from_units(550, "isk"), None);
        assert_eq!(from_units(1, "qqq"), None);
        assert_eq!(from_units(i64::MAX, "mga"), None);
    }
}
