//! A payment service that says how long another one took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use flightline_connectors::payments::{
    Answer, Asked, AuthoriseRequest, Authorised, EffectId, Payment, PaymentService, Refunded,
    Sandbox,
};
use flightline_ledger::Money;

/// The sandbox, with a clock on every ask.
#[derive(Debug)]
pub struct Till {
    sandbox: Sandbox,
    asks: AtomicU64,
    spent_ns: AtomicU64,
}

impl Till {
    /// Over books in memory.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            sandbox: Sandbox::in_memory(),
            asks: AtomicU64::new(0),
            spent_ns: AtomicU64::new(0),
        })
    }

    /// What is in the books: money taken and not given back, in minor units.
    pub fn kept_minor(&self) -> i64 {
        let payments = self.sandbox.payments();
        let kept = payments.iter().map(|p| p.captured_minor - p.refunded_minor);
        kept.sum()
    }

    /// How often it was asked, and seconds from ask to answer in all.
    pub fn spent(&self) -> (u64, f64) {
        let ns = self.spent_ns.load(Ordering::Relaxed);
        (self.asks.load(Ordering::Relaxed), ns as f64 / 1e9)
    }

    async fn timed<T>(&self, asked: impl Future<Output = Answer<T>>) -> Answer<T> {
        let begun = Instant::now();
        let answer = asked.await;
        let ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.spent_ns.fetch_add(ns, Ordering::Relaxed);
        self.asks.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

impl PaymentService for Till {
    fn name(&self) -> &'static str {
        self.sandbox.name()
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(self.timed(self.sandbox.authorise(request)))
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        Box::pin(self.timed(self.sandbox.capture(effect, reference, amount)))
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        Box::pin(self.timed(self.sandbox.void(effect, reference)))
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        Box::pin(self.timed(self.sandbox.refund(effect, reference, amount)))
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        Box::pin(self.timed(self.sandbox.find(authorise)))
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        Box::pin(self.timed(self.sandbox.payment(reference)))
    }
}
