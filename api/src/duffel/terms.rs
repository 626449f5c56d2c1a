//! What an operator sets for the booking API.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use flightline_ledger::order::RefundTerms;
use flightline_sinks::serving::ConnectionRules;
use rand::RngExt as _;

/// Terms on which offers are made, and bounds of their search.
#[derive(Clone, Debug)]
pub struct BookingTerms {
    /// How long an offer is good for, in milliseconds from its search.
    pub offer_ttl_ms: u64,
    /// How long a client may take to pay an order of type hold, in milliseconds. Offers whose first
    /// departure is nearer must be paid at once. At most [`BookingTerms::PAY_BY_MAX_MS`].
    pub pay_by_ms: u64,
    /// The longest that an order may wait for seats of a sold-out flight, in milliseconds; 0 = none may.
    /// The ledger's longest time to hold must be as long.
    pub wait_max_ms: u64,
    /// What comes back when a client cancels before the first departure. A penalty is in minor
    /// units of the offer's currency.
    pub refund: RefundTerms,
    /// The most offers in answer to one search; the cheapest and the fastest are always there.
    pub offers_max: usize,
    /// Searches that run at once; others wait. Each takes one core.
    pub searches_max: usize,
    /// Offer requests of all clients together that this replica remembers for lists.
    pub requests_kept: usize,
    /// What pays for orders whose client pays with its balance: a method of the payment service.
    pub balance: String,
    /// The same for single clients, by name.
    pub balances: BTreeMap<String, String>,
    /// How long a client waits for its order or payment to be settled, in milliseconds. What takes
    /// longer goes on, and is found by asking for the order.
    pub settle_timeout_ms: u64,
    /// Whether money moves: `live_mode` of answers.
    pub is_live: bool,
    /// When flights connect. Its places are those of the reference data.
    pub connections: ConnectionRules,
}

impl BookingTerms {
    /// The longest time to pay: 3 days.
    pub const PAY_BY_MAX_MS: u64 = 3 * 24 * 3_600_000;

    /// The longest life of an offer: 1 day.
    pub const OFFER_TTL_MAX_MS: u64 = 24 * 3_600_000;

    /// Refuses terms that cannot be meant.
    ///
    /// # Errors
    /// Which field is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if !(1_000..=Self::OFFER_TTL_MAX_MS).contains(&self.offer_ttl_ms) {
            return Err(format!(
                "the life of an offer is {} ms: it must be 1 second to 1 day",
                self.offer_ttl_ms
            ));
        }
        if !(60_000..=Self::PAY_BY_MAX_MS).contains(&self.pay_by_ms) {
            return Err(format!(
                "the time to pay is {} ms: it must be 1 minute to 3 days",
                self.pay_by_ms
            ));
        }
        if let RefundTerms::Penalty(minor) = self.refund
            && minor < 0
        {
            return Err(format!("the penalty is {minor}: it must not be negative"));
        }
        Ok(())
    }
}

impl BookingTerms {
    /// The method that pays for a client's balance.
    pub(crate) fn balance_of(&self, client: &str) -> &str {
        self.balances.get(client).unwrap_or(&self.balance)
    }
}

impl Default for BookingTerms {
    /// Offers live 20 minutes, holds are paid within 24 hours, cancelling costs nothing; at most 200
    /// offers, and a search a core.
    fn default() -> Self {
        Self {
            offer_ttl_ms: 20 * 60_000,
            pay_by_ms: 24 * 3_600_000,
            wait_max_ms: 3 * 24 * 3_600_000,
            refund: RefundTerms::Full,
            offers_max: 200,
            searches_max: std::thread::available_parallelism().map_or(1, usize::from),
            requests_kept: 10_000,
            balance: "balance".to_owned(),
            balances: BTreeMap::new(),
            settle_timeout_ms: 25_000,
            is_live: false,
            connections: ConnectionRules::default(),
        }
    }
}

/// Tells the time, Unix time in milliseconds.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::new(|| {
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| {
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                })
        })
    }

    /// Another one, for tests.
    pub fn new(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Now.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The key that signs ids of offers: 32 random bytes, secret.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferKey([u8; 32]);

impl OfferKey {
    /// From bytes that were random once.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn random() -> Self {
        Self(rand::rng().random())
    }

    /// Its bytes, to be kept where nobody else reads them.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for OfferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfferKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_cannot_be_meant_are_refused() {
        BookingTerms::default().check().unwrap();
        let refused = |change: fn(&mut BookingTerms)| {
            let mut terms = BookingTerms::default();
            change(&mut terms);
            terms.check().unwrap_err()
        };
        assert!(refused(|t| t.offer_ttl_ms = 0).contains("life"));
        assert!(refused(|t| t.pay_by_ms = BookingTerms::PAY_BY_MAX_MS + 1).contains("3 days"));
        assert!(refused(|t| t.refund = RefundTerms::Penalty(-1)).contains("penalty"));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", OfferKey::new([7; 32])), "OfferKey(secret)");
    }
}
