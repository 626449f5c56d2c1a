//! Prices as providers write them.

use std::fmt::Display;

use flightline_ledger::Currency;
use flightline_ledger::codes::Money;

use crate::currency;
use crate::reject::{Code, Fault, quoted};

/// Reads a decimal amount. Zeros behind the currency's decimals are dropped (`100.00` JPY), other
/// digits are a fault. A currency that is not known is taken to have two: see [`unknown_currency`].
pub(crate) fn read(field: impl Display, amount: &str, currency: &str) -> Result<Money, Fault> {
    let code: Currency = currency.parse().map_err(|e| {
        Fault::at(
            Code::BadCode,
            format_args!("currency of {field}"),
            format_args!("{}: {e}", quoted(currency)),
        )
    })?;
    let exponent = currency::exponent(currency).unwrap_or(2);
    let bad = |why: &dyn Display| {
        Fault::at(
            Code::BadAmount,
            &field,
            format_args!("{}: {why} ({code} has {exponent} decimals)", quoted(amount)),
        )
    };
    let money =
        Money::from_decimal(trimmed(amount, exponent), code, exponent).map_err(|e| bad(&e))?;
    if money.minor < 0 {
        return Err(bad(&"is below 0"));
    }
    Ok(money)
}

/// What to remark on the currency when it is not known.
pub(crate) fn unknown_currency(money: &Money) -> Option<String> {
    let code = money.currency;
    currency::exponent(code.as_str())
        .is_none()
        .then(|| format!("{code} is no currency that we know; two decimals were assumed"))
}

fn trimmed(amount: &str, exponent: u8) -> &str {
    let Some((whole, fraction)) = amount.split_once('.') else {
        return amount;
    };
    let keep = usize::from(exponent).min(fraction.len());
    let is_zero = fraction.bytes().skip(keep).all(|b| b == b'0');
    match (is_zero, keep) {
        (true, 0) if !fraction.is_empty() => whole,
        (true, _) => &amount[..whole.len() + 1 + keep],
        (false, _) => amount,
    }
}

/// An amount for one of several who pay the same; `None` when it does not divide.
pub(crate) fn share(total: Money, among: u16) -> Option<Money> {
    let among = i64::from(among);
    (among > 0 && total.minor % among == 0).then(|| Money {
        minor: total.minor / among,
        ..total
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (amount, currency, want) in [
            ("661.88", "GBP", Some("661.88")),
            ("661.8", "GBP", Some("661.80")),
            ("661.8800", "GBP", Some("661.88")),
            ("661.881", "GBP", None),
            ("100.00", "JPY", Some("100")),
            ("100", "JPY", Some("100")),
            ("100.5", "JPY", None),
            ("1.250", "KWD", Some("1.250")),
            ("1.25", "KWD", Some("1.250")),
            ("-1.00", "GBP", None),
            ("1e3", "GBP", None),
            ("", "GBP", None),
        ] {
            let read = read("total", amount, currency).ok();
            assert_eq!(
                read.map(|money| money.to_string()).as_deref(),
                want,
                "{amount} {currency}"
            );
        }
        let remark = |currency| unknown_currency(&read("total", "1.00", currency).unwrap());
        assert!(remark("ABC").unwrap().contains("ABC"));
        assert_eq!(remark("GBP"), None);
    }

    #[test]
    fn a_total_is_shared_where_it_divides() {
        let total = read("total", "90.00", "EUR").unwrap();
        assert_eq!(share(total, 2).unwrap().minor, 4500);
        assert_eq!(share(total, 7), None);
        assert_eq!(share(total, 0), None);
    }
}
