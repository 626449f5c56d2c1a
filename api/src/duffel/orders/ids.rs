//! Ids of orders and of what belongs to them. They are opaque to clients; each names its order, so
//! that nothing has to be looked up.

use flightline_ledger::order::{OrderId, QuoteId};

/// `ord_…`
pub(crate) fn order(id: OrderId) -> String {
    format!("ord_{id}")
}

/// The order that an id names.
pub(crate) fn parse_order(text: &str) -> Option<OrderId> {
    text.strip_prefix("ord_")?.parse().ok()
}

/// `pay_…`: order and number of the payment.
pub(crate) fn payment(order: OrderId, number: u32) -> String {
    format!("pay_{order}{number:08x}")
}

/// The payment that an id names.
pub(crate) fn parse_payment(text: &str) -> Option<(OrderId, u32)> {
    let (order, number) = text.strip_prefix("pay_")?.split_at_checked(32)?;
    let canonical = number.len() == 8 && number.bytes().all(|b| b.is_ascii_hexdigit());
    let number = canonical.then(|| u32::from_str_radix(number, 16).ok())??;
    Some((order.parse().ok()?, number))
}

/// `ore_…`: order and quote.
pub(crate) fn cancellation(order: OrderId, quote: QuoteId) -> String {
    format!("ore_{order}{quote}")
}

/// The cancellation that an id names.
pub(crate) fn parse_cancellation(text: &str) -> Option<(OrderId, QuoteId)> {
    let (order, quote) = text.strip_prefix("ore_")?.split_at_checked(32)?;
    Some((order.parse().ok()?, quote.parse().ok()?))
}

/// `aic_…`: changes of times that the airline made to an order.
pub(crate) fn change(order: OrderId) -> String {
    format!("aic_{order}")
}

/// The order of an airline's changes.
pub(crate) fn parse_change(text: &str) -> Option<OrderId> {
    text.strip_prefix("aic_")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back() {
        let (id, quote) = (OrderId(7 << 100), QuoteId(9));
        assert_eq!(parse_order(&order(id)), Some(id));
        assert_eq!(parse_payment(&payment(id, 3)), Some((id, 3)));
        assert_eq!(
            parse_cancellation(&cancellation(id, quote)),
            Some((id, quote))
        );
        assert_eq!(parse_change(&change(id)), Some(id));
        for none in ["", "ord_", "ord_none", "pay_1", "ore_none", "pay_é", "aic_"] {
            assert_eq!(parse_order(none), None);
            assert_eq!(parse_payment(none), None);
            assert_eq!(parse_cancellation(none), None);
            assert_eq!(parse_change(none), None);
        }
    }
}
