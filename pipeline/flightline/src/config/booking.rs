//! `[booking]`, `[orders]`, `[payments]`, `[webhooks]`: the terms that clients book on.

use std::collections::BTreeMap;

use anyhow::bail;
use flightline_api::BookingTerms;
use flightline_ledger::order::{OrderSettings, RefundTerms};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Orders {
    /// How much longer seats are held than a client may take to pay (`booking.pay_by_s`), in seconds.
    pub pay_grace_s: u64,
    /// How long the seats of an instant order are held while it is paid, in seconds.
    pub instant_hold_s: u64,
    /// How long a cancellation quote is good, in seconds.
    pub quote_s: u64,
    /// How long after its last departure an order is kept, in seconds.
    pub retire_after_s: u64,
    /// How long providers may take to say that they take what was sold from their seats, in seconds.
    pub place_within_s: u64,
}

impl Default for Orders {
    fn default() -> Self {
        let settings = OrderSettings::default();
        Self {
            pay_grace_s: settings.pay_grace_ms / 1000,
            instant_hold_s: settings.instant_hold_ms / 1000,
            quote_s: settings.quote_ms / 1000,
            retire_after_s: settings.retire_after_ms / 1000,
            place_within_s: settings.place_within_ms / 1000,
        }
    }
}

impl Orders {
    /// The settings that go into the stream.
    pub(crate) fn settings(&self, pay_by_s: u64) -> OrderSettings {
        OrderSettings {
            instant_hold_ms: self.instant_hold_s.saturating_mul(1000),
            pay_by_max_ms: pay_by_s.saturating_mul(1000),
            pay_grace_ms: self.pay_grace_s.saturating_mul(1000),
            quote_ms: self.quote_s.saturating_mul(1000),
            retire_after_ms: self.retire_after_s.saturating_mul(1000),
            place_within_ms: self.place_within_s.saturating_mul(1000),
            ..OrderSettings::default()
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Payments {
    /// `sandbox:` (moves no money), `sandbox:PATH`, or the base of Stripe's interface; its key comes
    /// from the environment variable STRIPE_SECRET_KEY.
    pub url: String,
    /// What pays for orders whose client pays with its `balance`: a method of the payment service.
    pub balance: String,
    /// The same for single clients, by the name of their token.
    pub balances: BTreeMap<String, String>,
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            url: "sandbox:".to_owned(),
            balance: "balance".to_owned(),
            balances: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Webhooks {
    /// Take webhooks on this machine and in private networks, and without encryption. Always so with
    /// `auth.mode = "open"`.
    pub allow_private: bool,
    /// Events that wait in memory while they cannot be kept; beyond that they are derived from the stream again.
    pub held_max: usize,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            allow_private: false,
            held_max: 10_000,
        }
    }
}

/// Terms of the booking API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Booking {
    /// How long an offer is good for, in seconds.
    pub offer_ttl_s: u64,
    /// How long an order of type hold may stay unpaid, in seconds: at most 3 days.
    pub pay_by_s: u64,
    /// The longest that an order may wait for a sold-out flight, in seconds; 0 = none may.
    pub wait_max_s: u64,
    /// What comes back when a client cancels before departure: `full`, `penalty` or `nothing`.
    pub refund: Refund,
    /// With `refund = "penalty"`: what is kept, in minor units of the order's currency.
    pub refund_penalty_minor: i64,
    /// The most offers in answer to one search.
    pub offers_max: usize,
}

impl Default for Booking {
    fn default() -> Self {
        let terms = BookingTerms::default();
        Self {
            offer_ttl_s: terms.offer_ttl_ms / 1000,
            pay_by_s: terms.pay_by_ms / 1000,
            wait_max_s: terms.wait_max_ms / 1000,
            refund: Refund::Full,
            refund_penalty_minor: 0,
            offers_max: terms.offers_max,
        }
    }
}

impl Booking {
    /// The terms that the API is given.
    pub(crate) fn terms(&self) -> anyhow::Result<BookingTerms> {
        let terms = BookingTerms {
            offer_ttl_ms: self.offer_ttl_s.saturating_mul(1000),
            pay_by_ms: self.pay_by_s.saturating_mul(1000),
            wait_max_ms: self.wait_max_s.saturating_mul(1000),
            refund: match self.refund {
                Refund::Full => RefundTerms::Full,
                Refund::Penalty => RefundTerms::Penalty(self.refund_penalty_minor),
                Refund::Nothing => RefundTerms::Nothing,
            },
            offers_max: self.offers_max,
            ..BookingTerms::default()
        };
        if self.refund != Refund::Penalty && self.refund_penalty_minor != 0 {
            bail!("booking.refund_penalty_minor is set, but booking.refund is not 'penalty'");
        }
        if !(1..=1000).contains(&self.offers_max) {
            bail!(
                "booking.offers_max is {}: it must be 1 to 1000",
                self.offers_max
            );
        }
        terms
            .check()
            .map_err(|why| anyhow::anyhow!("[booking]: {why}"))?;
        Ok(terms)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Refund {
    Full,
    Penalty,
    Nothing,
}
