//! Faults of our own that can be turned on, one at a time, to show that tests find them.
//!
//! Only builds with the feature `testing` have them; in all others `is_on` is `false` at compile time.

/// A deliberate fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// An append that was not answered is taken for written, and nobody looks.
    SettleByGuess,
    /// Records of a writer's earlier terms count.
    TakeStale,
    /// Records that came twice count twice.
    TakeDoubles,
    /// Records that are missing are not missed.
    FoldHoles,
}

#[cfg(any(test, feature = "testing"))]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static ON: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Turns a fault on in what this thread does from now on.
    pub fn turn_on(mutant: Option<Mutant>) {
        ON.set(mutant);
    }

    #[inline]
    pub(crate) fn is_on(mutant: Mutant) -> bool {
        ON.get() == Some(mutant)
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) use switch::is_on;
#[cfg(any(test, feature = "testing"))]
pub use switch::turn_on;

#[cfg(not(any(test, feature = "testing")))]
#[inline(always)]
pub(crate) fn is_on(_: Mutant) -> bool {
    false
}
