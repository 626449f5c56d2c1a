//! Payment methods as Stripe names them.

use crate::payments::port::Refusal;

/// How a payment is paid: `pm_…`, or `cus_…/pm_…` for a method that a customer of the account has
/// saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PayWith<'a> {
    /// The customer whose saved method it is. He is not there: his bank is asked without him.
    pub(super) customer: Option<&'a str>,
    pub(super) method: &'a str,
}

pub(super) fn pay_with(text: &str) -> Result<PayWith<'_>, Refusal> {
    let (customer, method) = match text.split_once('/') {
        Some((customer, method)) => (Some(customer), method),
        None => (None, text),
    };
    let is_id = |id: &str, prefix: &str| {
        id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
    };
    if !is_id(method, "pm_") || customer.is_some_and(|c| !is_id(c, "cus_")) {
        return Err(Refusal::invalid(
            "invalid_method",
            "name a Stripe payment method (pm_...), or a customer and his saved method \
             (cus_.../pm_...)",
        ));
    }
    Ok(PayWith { customer, method })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_and_anything_else_refused() {
        assert_eq!(
            pay_with("pm_1"),
            Ok(PayWith {
                customer: None,
                method: "pm_1"
            })
        );
        assert_eq!(
            pay_with("cus_1/pm_2"),
            Ok(PayWith {
                customer: Some("cus_1"),
                method: "pm_2"
            })
        );
        for bad in [
            "",
            "card",
            "pm_",
            "cus_1",
            "pm_1/cus_1",
            "cus_1/",
            "cus_/pm_1",
            "pm_a-b",
        ] {
            assert_eq!(pay_with(bad).unwrap_err().code, "invalid_method", "{bad}");
        }
    }
}
