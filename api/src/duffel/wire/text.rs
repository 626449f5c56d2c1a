//! Texts of answers: money and durations. Instants and local times are those of `crate::wire::text`.

use std::fmt::Write as _;

use flightline_ledger::Money;

/// An amount with the currency's decimals, at least two: `120.00`, also of a currency without.
pub(crate) fn amount(money: Money) -> String {
    let mut out = crate::wire::text::amount(&money).as_str().to_owned();
    match money.exponent {
        0 => out.push_str(".00"),
        1 => out.push('0'),
        _ => {}
    }
    out
}

/// A duration as ISO 8601 writes it, in days, hours and minutes: `P1DT2H5M`.
pub(crate) fn duration(seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let mut out = String::from("P");
    // Writing to a string cannot fail.
    if days > 0 {
        let _ = write!(out, "{days}D");
    }
    if hours > 0 || minutes > 0 {
        out.push('T');
    }
    if hours > 0 {
        let _ = write!(out, "{hours}H");
    }
    if minutes > 0 {
        let _ = write!(out, "{minutes}M");
    }
    if out.len() == 1 {
        out.push_str("T0M");
    }
    out
}

/// An instant in microseconds, UTC.
pub(crate) fn instant(at_ms: i64) -> String {
    crate::wire::text::instant(at_ms).as_str().to_owned()
}

/// A time of an airport's clocks, without a zone.
pub(crate) fn local_time(at_s: i64, offset_min: i16) -> String {
    crate::wire::text::local_time(at_s, offset_min)
        .as_str()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        for (seconds, text) in [
            (0, "PT0M"),
            (59, "PT0M"),
            (60, "PT1M"),
            (7 * 3600 + 1800, "PT7H30M"),
            (24 * 3600, "P1D"),
            (26 * 3600 + 300, "P1DT2H5M"),
            (-5, "PT0M"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn amounts_have_two_decimals_at_least() {
        let money = |minor, currency: &str, exponent| Money {
            minor,
            currency: currency.parse().unwrap(),
            exponent,
        };
        assert_eq!(amount(money(12_000, "USD", 2)), "120.00");
        assert_eq!(amount(money(12_000, "JPY", 0)), "12000.00");
        assert_eq!(amount(money(12_345, "KWD", 3)), "12.345");
    }
}
