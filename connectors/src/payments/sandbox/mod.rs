//! A payment service in this process that moves no money and says so: its references start with
//! `sandbox_`, and [`is_test`](PaymentService::is_test) is true.
//!
//! It behaves as a service does where orders can tell the difference: it keeps books, refuses what
//! cannot follow (a capture after a void, more back than was taken), answers a repeated effect as
//! the first time, and can be made to decline, to fall silent, and to act and lose the answer. The
//! amount or the method of a payment chooses that, see [`MAGIC`]. It reads no clock and draws no
//! random number: the same asks in the same order have the same answers.
//!
//! - `books`: the rules, pure.
//! - `magic`: the table of misbehaviour.
//! - `file`: books that outlive the process.

mod books;
mod file;
mod magic;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flightline_ledger::Money;

pub use self::file::BooksError;
pub use self::magic::{Act, MAGIC, Magic, Step};

use self::books::{Books, Verdict};
use self::file::BooksFile;
use super::port::{
    Answer, Asked, AuthoriseRequest, Authorised, Cause, EffectId, Payment, PaymentService,
    Refunded, Refusal, Unknown, check_amount,
};

const DETAILS: &str = "flightline sandbox details of an authorisation, version 1";

/// The sandbox. Shared by reference; every ask is one step under one lock.
#[derive(Debug)]
pub struct Sandbox {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    books: Books,
    file: Option<BooksFile>,
    /// Effects whose first ask has timed out. Forgotten with the process: they time out once more.
    timed_out: HashSet<(Step, EffectId)>,
    is_down: bool,
}

/// Sums over the books, in minor units of whatever currency: for comparison with orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Payments that hold a reservation now.
    pub authorised: u64,
    /// Payments that were captured.
    pub captured: u64,
    /// Payments that were voided.
    pub voided: u64,
    /// Payments that were declined.
    pub declined: u64,
    /// Reserved and neither captured nor voided.
    pub authorised_minor: i64,
    /// Captured.
    pub captured_minor: i64,
    /// Given back.
    pub refunded_minor: i64,
}

impl Sandbox {
    /// A sandbox whose books end with it.
    pub fn in_memory() -> Self {
        Self {
            inner: Mutex::new(Inner::default()),
        }
    }

    /// A sandbox whose books are in a file, which is created when it is not there. They outlive a
    /// process that is killed. Several processes of one machine can have them open: they are one
    /// service then, as replicas need it.
    pub fn open(path: &Path) -> Result<Self, BooksError> {
        let (file, books) = BooksFile::open(path)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                books,
                file: Some(file),
                ..Inner::default()
            }),
        })
    }

    /// Cuts the service off, or back on: while it is off no ask reaches it.
    pub fn set_down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// Every payment in the books, by authorise effect. Declined ones too.
    pub fn payments(&self) -> Vec<Payment> {
        self.read().books.payments().collect()
    }

    /// Sums over the books.
    pub fn totals(&self) -> Totals {
        use super::port::PaymentState::*;
        let mut totals = Totals::default();
        for payment in self.read().books.payments() {
            match payment.state {
                Open => {}
                Declined => totals.declined += 1,
                Authorised => {
                    totals.authorised += 1;
                    totals.authorised_minor += payment.amount.minor;
                }
                Captured => totals.captured += 1,
                Voided => totals.voided += 1,
            }
            totals.captured_minor += payment.captured_minor;
            totals.refunded_minor += payment.refunded_minor;
        }
        totals
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in here is a broken rule of the books; they are still the best there is to see.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books, with what other processes added. When that cannot be read, as they were.
    fn read(&self) -> MutexGuard<'_, Inner> {
        let mut guard = self.lock();
        let inner = &mut *guard;
        if let Some(file) = &mut inner.file
            && let Err(error) = file.hold(&mut inner.books)
        {
            tracing::error!(%error, "the sandbox's books are shown as they were");
        }
        guard
    }

    /// One ask: the misbehaviour that is due, then the books.
    fn ask<T>(
        &self,
        step: Step,
        effect: EffectId,
        act: impl FnOnce(&Books) -> Option<Act>,
        judge: impl FnOnce(&Books) -> Verdict,
        done: impl FnOnce(&Books) -> Answer<T>,
    ) -> Answer<T> {
        let inner = &mut *self.lock();
        if inner.is_down {
            return Answer::Unknown(Unknown::new(Cause::NotReached, "the sandbox is cut off"));
        }
        let mut held = match &mut inner.file {
            None => None,
            Some(file) => match file.hold(&mut inner.books) {
                Ok(held) => Some(held),
                Err(error) => {
                    return Answer::Unknown(Unknown::new(Cause::ServiceFault, error.to_string()));
                }
            },
        };
        let verdict = judge(&inner.books);
        let act = act(&inner.books);
        // An ask that changes nothing is answered at once: only what would act misbehaves.
        let entry = match verdict {
            Verdict::Refuse(refusal) => return Answer::Refused(refusal),
            Verdict::Already => return done(&inner.books),
            Verdict::Enter(entry) => entry,
        };
        let timed_out = || {
            Answer::Unknown(Unknown::new(
                Cause::TimedOut,
                format!("the sandbox did not answer {} {effect}", step.name()),
            ))
        };
        match act {
            Some(Act::NeverAnswer) => return timed_out(),
            Some(Act::TimeOutFirst) if inner.timed_out.insert((step, effect)) => {
                return timed_out();
            }
            _ => {}
        }
        if let Some(held) = &mut held
            && let Err(error) = held.add(&entry)
        {
            return Answer::Unknown(Unknown::new(
                Cause::ServiceFault,
                format!("the sandbox cannot write its books: {error}"),
            ));
        }
        let entered = inner.books.enter(&entry);
        assert!(entered.is_ok(), "the books allowed {entry:?}: {entered:?}");
        if act == Some(Act::LoseFirstAnswer) {
            return Answer::Unknown(Unknown::new(
                Cause::Dropped,
                format!("the sandbox's answer to {} {effect} was lost", step.name()),
            ));
        }
        done(&inner.books)
    }

    fn authorise_now(&self, request: &AuthoriseRequest) -> Answer<Authorised> {
        if let Err(refusal) = request.check() {
            return Answer::Refused(refusal);
        }
        if !magic::is_known_method(&request.method) {
            return Answer::Refused(Refusal::invalid(
                "invalid_method",
                format!(
                    "the sandbox has no method {:?}: any text that does not start with sandbox_ \
                     pays, and docs/payments.md lists those that misbehave",
                    request.method
                ),
            ));
        }
        let effect = request.effect;
        let details = details_of(request);
        self.ask(
            Step::Authorise,
            effect,
            |_| {
                magic::magic_of(request.amount.minor, &request.method)
                    .filter(|m| m.step == Step::Authorise)
                    .map(|m| m.act)
            },
            |books| books.authorise(effect, details, request.amount, &request.method),
            |books| match books.refusal_of(effect) {
                Some(refusal) => Answer::Refused(refusal),
                None => Answer::Done(Authorised {
                    reference: books::reference_of(effect),
                }),
            },
        )
    }

    fn capture_now(&self, effect: EffectId, reference: &str, amount: Money) -> Answer<()> {
        if let Err(refusal) = check_amount(amount) {
            return Answer::Refused(refusal);
        }
        self.ask(
            Step::Capture,
            effect,
            |books| books.act(reference, Step::Capture),
            |books| books.capture(reference, amount),
            |_| Answer::Done(()),
        )
    }

    fn void_now(&self, effect: EffectId, reference: &str) -> Answer<()> {
        self.ask(
            Step::Void,
            effect,
            |books| books.act(reference, Step::Void),
            |books| books.void(reference),
            |_| Answer::Done(()),
        )
    }

    fn refund_now(&self, effect: EffectId, reference: &str, amount: Money) -> Answer<Refunded> {
        if let Err(refusal) = check_amount(amount) {
            return Answer::Refused(refusal);
        }
        self.ask(
            Step::Refund,
            effect,
            |books| books.act(reference, Step::Refund),
            |books| books.refund(effect, reference, amount),
            |_| {
                Answer::Done(Refunded {
                    refund: books::refund_name(effect),
                    is_pending: false,
                })
            },
        )
    }

    /// A question that changes nothing.
    fn look<T>(&self, look: impl FnOnce(&Books) -> Result<T, Refusal>) -> Answer<T> {
        let inner = &mut *self.lock();
        if inner.is_down {
            return Answer::Unknown(Unknown::new(Cause::NotReached, "the sandbox is cut off"));
        }
        if let Some(file) = &mut inner.file
            && let Err(error) = file.hold(&mut inner.books)
        {
            return Answer::Unknown(Unknown::new(Cause::ServiceFault, error.to_string()));
        }
        match look(&inner.books) {
            Ok(found) => Answer::Done(found),
            Err(refusal) => Answer::Refused(refusal),
        }
    }
}

/// Hash of everything that must be equal in a repeated ask.
fn details_of(request: &AuthoriseRequest) -> u128 {
    let mut bytes = Vec::with_capacity(256);
    let mut text = |text: &str| {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    };
    text(&request.order);
    text(&request.method);
    text(request.amount.currency.as_str());
    for (key, value) in &request.metadata {
        text(key);
        text(value);
    }
    bytes.extend_from_slice(&request.amount.minor.to_be_bytes());
    let hash = blake3::derive_key(DETAILS, &bytes);
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(first)
}

impl PaymentService for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        Box::pin(async move { self.authorise_now(request) })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        Box::pin(async move { self.capture_now(effect, reference, amount) })
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        Box::pin(async move { self.void_now(effect, reference) })
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        Box::pin(async move { self.refund_now(effect, reference, amount) })
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        Box::pin(async move { self.look(|books| Ok(books.payment(authorise))) })
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        Box::pin(async move { self.look(|books| books.payment_of(reference)) })
    }
}
