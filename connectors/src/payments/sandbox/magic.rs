//! Amounts and methods at which the sandbox misbehaves, as real services do.

/// What can be asked of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `authorise`
    Authorise,
    /// `capture`
    Capture,
    /// `void`
    Void,
    /// `refund`
    Refund,
}

impl Step {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Authorise => "authorise",
            Step::Capture => "capture",
            Step::Void => "void",
            Step::Refund => "refund",
        }
    }
}

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It is refused, with this code.
    Refuse(&'static str),
    /// The first ask of an effect times out without having done anything; the second one works.
    TimeOutFirst,
    /// The first ask of an effect does it, and its answer is lost; the second one tells.
    LoseFirstAnswer,
    /// No ask is ever answered, and none does anything.
    NeverAnswer,
}

/// One way to misbehave, chosen by the amount or by the method when the payment is authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Magic {
    /// The last four digits of the amount in minor units that choose it: 9901 is chosen by 99.01
    /// USD and by 2,499.01 USD.
    pub digits: u16,
    /// The payment method that chooses it, whatever the amount.
    pub method: &'static str,
    /// Where.
    pub step: Step,
    /// What.
    pub act: Act,
}

const fn magic(digits: u16, method: &'static str, step: Step, act: Act) -> Magic {
    Magic {
        digits,
        method,
        step,
        act,
    }
}

/// Every way, as `docs/payments.md` lists them.
pub const MAGIC: [Magic; 17] = [
    magic(
        9901,
        "sandbox_declined",
        Step::Authorise,
        Act::Refuse("card_declined"),
    ),
    magic(
        9902,
        "sandbox_no_funds",
        Step::Authorise,
        Act::Refuse("insufficient_funds"),
    ),
    magic(
        9903,
        "sandbox_expired",
        Step::Authorise,
        Act::Refuse("expired_card"),
    ),
    magic(
        9904,
        "sandbox_authentication",
        Step::Authorise,
        Act::Refuse("authentication_required"),
    ),
    magic(9905, "sandbox_slow", Step::Authorise, Act::TimeOutFirst),
    magic(9906, "sandbox_lost", Step::Authorise, Act::LoseFirstAnswer),
    magic(9907, "sandbox_silent", Step::Authorise, Act::NeverAnswer),
    magic(
        9911,
        "sandbox_capture_refused",
        Step::Capture,
        Act::Refuse("authorisation_expired"),
    ),
    magic(
        9912,
        "sandbox_capture_slow",
        Step::Capture,
        Act::TimeOutFirst,
    ),
    magic(
        9913,
        "sandbox_capture_lost",
        Step::Capture,
        Act::LoseFirstAnswer,
    ),
    magic(
        9914,
        "sandbox_capture_silent",
        Step::Capture,
        Act::NeverAnswer,
    ),
    magic(
        9921,
        "sandbox_refund_refused",
        Step::Refund,
        Act::Refuse("refund_failed"),
    ),
    magic(9922, "sandbox_refund_slow", Step::Refund, Act::TimeOutFirst),
    magic(
        9923,
        "sandbox_refund_lost",
        Step::Refund,
        Act::LoseFirstAnswer,
    ),
    magic(
        9924,
        "sandbox_refund_silent",
        Step::Refund,
        Act::NeverAnswer,
    ),
    magic(9932, "sandbox_void_slow", Step::Void, Act::TimeOutFirst),
    magic(9933, "sandbox_void_lost", Step::Void, Act::LoseFirstAnswer),
];

/// The way to misbehave that a payment has, if any. The method goes before the amount.
pub(super) fn magic_of(minor: i64, method: &str) -> Option<&'static Magic> {
    let by_method = MAGIC.iter().find(|m| m.method == method);
    by_method.or_else(|| MAGIC.iter().find(|m| i64::from(m.digits) == minor % 10_000))
}

/// Whether a method is one of the table or an ordinary one: a misspelt misbehaviour should not pay.
pub(super) fn is_known_method(method: &str) -> bool {
    !method.starts_with("sandbox_") || MAGIC.iter().any(|m| m.method == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_chosen_by_its_digits_and_its_method() {
        for m in &MAGIC {
            assert_eq!(magic_of(i64::from(m.digits), "card"), Some(m));
            assert_eq!(magic_of(1_230_000 + i64::from(m.digits), "card"), Some(m));
            assert_eq!(magic_of(100, m.method), Some(m));
        }
        assert_eq!(magic_of(12_000, "card"), None);
        assert!(is_known_method("card") && is_known_method("sandbox_lost"));
        assert!(!is_known_method("sandbox_lots"));
        // The method goes first.
        let both = magic_of(9901, "sandbox_lost").unwrap();
        assert_eq!(both.act, Act::LoseFirstAnswer);
    }
}
