//! The payment service: real books, and answers that come when it is let, or never.

use std::sync::Arc;

use flightline_connectors::payments::{
    Answer, Asked, AuthoriseRequest, Authorised, Cause, EffectId, Payment, PaymentService,
    Refunded, Sandbox, Unknown,
};
use flightline_ledger::Money;
use tokio::sync::oneshot;

use super::world::Shared;

/// Asks that have not been let through.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) waiting: Vec<Waiting>,
    asked: u64,
}

/// One of them.
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) machine: usize,
    go: oneshot::Sender<Fate>,
    /// What the service does when the ask arrives after whoever asked has gone.
    late: Box<dyn FnOnce() + Send>,
}

/// What becomes of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives, and so does its answer.
    Good,
    /// It never arrives.
    LoseRequest,
    /// It arrives, and its answer does not.
    LoseAnswer,
}

impl Waiting {
    /// Lets it through. Whoever asked may have gone: then it arrives, or not, all the same.
    pub(super) fn let_through(self, fate: Fate) {
        if self.go.send(fate).is_err() && fate != Fate::LoseRequest {
            (self.late)();
        }
    }
}

/// The service as one machine sees it.
pub(super) struct Service {
    pub(super) world: Shared,
    pub(super) machine: usize,
    pub(super) books: Arc<Sandbox>,
    /// On purpose: every ask has an id of its own, so that the service cannot know a repeated one.
    pub(super) forgets_ids: bool,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

fn unknown<T>(cause: Cause, detail: &str) -> Answer<T> {
    Answer::Unknown(Unknown {
        cause,
        detail: detail.to_owned(),
        pause_ms: None,
    })
}

/// The sandbox answers at once.
fn at_once<T>(asked: Asked<'_, T>) -> Answer<T> {
    use std::task::{Context, Poll, Waker};
    let mut asked = asked;
    let mut context = Context::from_waker(Waker::noop());
    match asked.as_mut().poll(&mut context) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unknown(Cause::TimedOut, "the sandbox waits"),
    }
}

impl Service {
    fn ask<T: Send + 'static>(
        &self,
        what: String,
        effect: EffectId,
        ask: impl Fn(&Sandbox, EffectId) -> Answer<T> + Send + Sync + 'static,
    ) -> Asked<'_, T> {
        let (go, fate) = oneshot::channel();
        let ask = Arc::new(ask);
        let world = &mut *self.world.lock();
        world.payments.asked += 1;
        let number = world.payments.asked;
        let effect = match self.forgets_ids {
            true => EffectId(effect.0 ^ u128::from(number)),
            false => effect,
        };
        let (books, later) = (self.books.clone(), ask.clone());
        world.payments.waiting.push(Waiting {
            number,
            machine: self.machine,
            go,
            late: Box::new(move || drop(later(&books, effect))),
        });
        world.note(format_args!("m{} asks {number}: {what}", self.machine));
        let books = self.books.clone();
        Box::pin(async move {
            match fate.await {
                Ok(Fate::Good) => ask(&books, effect),
                Ok(Fate::LoseAnswer) => {
                    let _ = ask(&books, effect);
                    unknown(Cause::TimedOut, "simulated: the answer was lost")
                }
                Ok(Fate::LoseRequest) | Err(_) => {
                    unknown(Cause::NotReached, "simulated: the service was not reached")
                }
            }
        })
    }
}

impl PaymentService for Service {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn is_test(&self) -> bool {
        true
    }

    fn authorise<'a>(&'a self, request: &'a AuthoriseRequest) -> Asked<'a, Authorised> {
        let what = format!("authorise {} for {}", request.amount.minor, request.order);
        let request = request.clone();
        self.ask(what, request.effect, move |books, effect| {
            let request = AuthoriseRequest {
                effect,
                ..request.clone()
            };
            at_once(books.authorise(&request))
        })
    }

    fn capture<'a>(&'a self, effect: EffectId, reference: &'a str, amount: Money) -> Asked<'a, ()> {
        let reference = reference.to_owned();
        self.ask(format!("capture {reference}"), effect, move |books, id| {
            at_once(books.capture(id, &reference, amount))
        })
    }

    fn void<'a>(&'a self, effect: EffectId, reference: &'a str) -> Asked<'a, ()> {
        let reference = reference.to_owned();
        self.ask(format!("void {reference}"), effect, move |books, id| {
            at_once(books.void(id, &reference))
        })
    }

    fn refund<'a>(
        &'a self,
        effect: EffectId,
        reference: &'a str,
        amount: Money,
    ) -> Asked<'a, Refunded> {
        let reference = reference.to_owned();
        self.ask(format!("refund {reference}"), effect, move |books, id| {
            at_once(books.refund(id, &reference, amount))
        })
    }

    fn find(&self, authorise: EffectId) -> Asked<'_, Option<Payment>> {
        self.books.find(authorise)
    }

    fn payment<'a>(&'a self, reference: &'a str) -> Asked<'a, Payment> {
        self.books.payment(reference)
    }
}
