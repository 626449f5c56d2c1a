//! What an order may be. The limits bound what an order takes in memory, for ever.

use super::command::OrderSettings;
use super::command::{CreateOrder, Metadata, RefundTerms, SegmentRequest, Terms};
use super::effect::EffectResult;
use super::ids::OrderId;
use super::outcome::Field;
use crate::codes::Money;
use crate::command::HoldRequest;

impl CreateOrder {
    /// The most segments of an order, over all slices.
    pub const SEGMENTS_MAX: usize = 16;
    /// The most passengers of an order.
    pub const PASSENGERS_MAX: u16 = 999;
    /// The largest total and the largest price, in minor units.
    pub const MINOR_MAX: i64 = 1_000_000_000_000_000;
    /// The longest [`CreateOrder::offer`], in bytes.
    pub const OFFER_MAX: usize = 1024;
    /// The longest [`CreateOrder::client`], in bytes.
    pub const CLIENT_MAX: usize = 128;
    /// The longest [`CreateOrder::sealed`], in bytes.
    pub const SEALED_MAX: usize = 32_768;
    /// The longest payment method, in bytes.
    pub const METHOD_MAX: usize = 256;
    /// The longest reference, code or number of a payment or ticketing service, in bytes.
    pub const RESULT_MAX: usize = 256;
    /// The most pairs of metadata.
    pub const METADATA_MAX: usize = 50;
    /// The longest key of metadata, in bytes.
    pub const METADATA_KEY_MAX: usize = 40;
    /// The longest value of metadata, in bytes: 500 characters.
    pub const METADATA_VALUE_MAX: usize = 2000;

    /// Can this order be made? Checked in the order of [`Field`]; says the first that is wrong.
    pub fn valid(&self, id: OrderId, settings: &OrderSettings) -> Result<(), Field> {
        let check = |ok: bool, field: Field| if ok { Ok(()) } else { Err(field) };
        check(id == OrderId::of(self.offer_request), Field::OrderId)?;
        check(self.offer.len() <= Self::OFFER_MAX, Field::Offer)?;
        check(is_text(&self.client, Self::CLIENT_MAX), Field::Client)?;
        let segments: usize = self.slices.iter().map(Vec::len).sum();
        let fits = (1..=Self::SEGMENTS_MAX).contains(&segments);
        let filled = self.slices.iter().all(|slice| !slice.is_empty());
        check(fits && filled, Field::Slices)?;
        let mut all = self.slices.iter().flatten();
        let seats = |s: &SegmentRequest| (1..=HoldRequest::SEATS_MAX).contains(&s.seats);
        check(all.all(seats), Field::Seats)?;
        let mut all = self.slices.iter().flatten();
        check(all.all(|s| self.prices(s.price)), Field::Price)?;
        let passengers = (1..=Self::PASSENGERS_MAX).contains(&self.passengers);
        check(passengers, Field::Passengers)?;
        check(is_text(&self.sealed, Self::SEALED_MAX), Field::Sealed)?;
        let total = (1..=Self::MINOR_MAX).contains(&self.total.minor);
        check(total && self.total.exponent <= 4, Field::Total)?;
        let refund = match self.refund {
            RefundTerms::Full | RefundTerms::Nothing => true,
            RefundTerms::Penalty(minor) => (0..=self.total.minor).contains(&minor),
        };
        check(refund, Field::Refund)?;
        match &self.terms {
            Terms::Instant { method } => check(is_method(method), Field::Method)?,
            Terms::Hold { pay_by_ms } => check(
                (1..=settings.pay_by_max_ms).contains(pay_by_ms),
                Field::PayBy,
            )?,
        }
        check(self.wait_ms != Some(0), Field::Wait)?;
        check(is_metadata(&self.metadata), Field::Metadata)
    }

    fn prices(&self, price: Money) -> bool {
        let currency = (price.currency, price.exponent);
        currency == (self.total.currency, self.total.exponent)
            && (0..=Self::MINOR_MAX).contains(&price.minor)
    }
}

fn is_text(text: &str, len_max: usize) -> bool {
    !text.is_empty() && text.len() <= len_max
}

pub(super) fn is_method(method: &str) -> bool {
    is_text(method, CreateOrder::METHOD_MAX)
}

pub(super) fn is_metadata(metadata: &Metadata) -> bool {
    let pair = |(key, value): &(Box<str>, Box<str>)| {
        is_text(key, CreateOrder::METADATA_KEY_MAX)
            && value.len() <= CreateOrder::METADATA_VALUE_MAX
    };
    let mut keys: Vec<&str> = metadata.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    let unique = keys.windows(2).all(|pair| pair[0] != pair[1]);
    metadata.len() <= CreateOrder::METADATA_MAX && metadata.iter().all(pair) && unique
}

/// Are the texts of a result what they may be?
pub(super) fn is_result(result: &EffectResult) -> bool {
    match result {
        EffectResult::Authorised { reference: text }
        | EffectResult::Ticketed { number: text }
        | EffectResult::Placed { reference: text }
        | EffectResult::Declined { code: text }
        | EffectResult::Failed { code: text } => is_text(text, CreateOrder::RESULT_MAX),
        _ => true,
    }
}
