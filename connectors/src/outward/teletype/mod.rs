//! Teletype lines in the manner of AIRIMP, as files: a message for each segment into `out/`, answers out
//! of `in/`.
//!
//! - `message`: the lines, written and read. `folder`: files that are whole or not there. `tidy`: what of them
//!   goes, and when.
//!
//! A message is written once. That it was, and what was answered, is kept in `journal/`; so a provider may
//! take a file away at once, and answer hours later.

mod folder;
mod message;
mod tidy;

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::config::OutwardError;
use super::port::{Answer, Asked, Kept, OutwardService, Placed, Placement, PlacementKey, Refusal};
use folder::Folder;
use message::{Action, Status};

/// A provider that is reached by teletype lines.
#[derive(Debug)]
pub struct Teletype {
    desk: Arc<Desk>,
}

/// What is done on threads that may wait for a disk.
#[derive(Debug)]
struct Desk {
    folder: Folder,
    address: String,
    origin: String,
}

impl Teletype {
    /// One that takes its messages from this folder.
    ///
    /// # Errors
    /// The folder cannot be made, or an address is none.
    pub fn open(folder: &Path, address: &str, origin: &str) -> Result<Self, OutwardError> {
        for (name, value) in [("address", address), ("origin", origin)] {
            let is_right = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
            if value.len() != 7 || !value.bytes().all(is_right) {
                return Err(OutwardError::Address(name, value.to_owned()));
            }
        }
        let desk = Desk {
            folder: Folder::open(folder)?,
            address: address.to_owned(),
            origin: origin.to_owned(),
        };
        Ok(Self {
            desk: Arc::new(desk),
        })
    }

    /// Asks the desk, off the threads that must not wait.
    fn ask<'a, T: Send + 'static>(
        &self,
        placement: &Placement,
        question: impl FnOnce(&Desk, &Placement) -> Result<Answer<T>, String> + Send + 'static,
    ) -> Asked<'a, T> {
        let (desk, placement) = (self.desk.clone(), placement.clone());
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || question(&desk, &placement));
            match asked.await {
                Ok(answer) => answer.unwrap_or_else(Answer::Unknown),
                Err(error) => Answer::Unknown(error.to_string()),
            }
        })
    }
}

impl Desk {
    fn text(&self, placement: &Placement, action: Action) -> String {
        message::write(placement, action, &self.address, &self.origin)
    }

    fn place(&self, placement: &Placement) -> Result<Answer<Placed>, String> {
        self.folder.take_answers();
        if let Some(answer) = self.folder.answer(placement.key)? {
            return self.judge(placement, &answer);
        }
        if placement.travellers.is_empty() && !self.folder.is_sold(placement.key) {
            let what = "the passengers' data was erased before the order was placed";
            return Ok(Answer::Refused(Refusal::new("passengers_erased", what)));
        }
        let text = self.text(placement, Action::Sell);
        self.folder.sell(placement, &text)?;
        if self.folder.is_gone(placement.key) {
            // It was withdrawn meanwhile, by an ask that found nothing to withdraw.
            self.withdraw(placement, false)?;
        }
        Ok(Answer::Unknown("it has not been answered yet".to_owned()))
    }

    /// What an answer means.
    fn judge(
        &self,
        placement: &Placement,
        answer: &message::Reply,
    ) -> Result<Answer<Placed>, String> {
        let code = answer.status.code();
        if answer.status.is_taken() && answer.seats == placement.seats {
            let placed = Placed::of(answer.locator.as_deref(), placement.key);
            return Ok(Answer::Done(placed));
        }
        // A part of the party, or a place on a waitlist, is nothing that was asked for: it is let go.
        if answer.status.is_taken() || answer.status.is_waitlisted() {
            let text = self.text(placement, Action::Cancel);
            self.folder.cancel(placement, &text)?;
        }
        let what = match answer.status {
            Status::Taken(_) => format!("it was taken for {} only", answer.seats),
            _ => format!("it was answered {code}"),
        };
        Ok(Answer::Refused(Refusal::new(code, what)))
    }

    /// `has_taken`: the provider has it, whatever is in the journal, which may be another replica's.
    fn withdraw(&self, placement: &Placement, has_taken: bool) -> Result<(), String> {
        // First, so that an ask that is on its way sees it.
        self.folder.mark_gone(placement)?;
        if has_taken || self.folder.is_sold(placement.key) {
            let text = self.text(placement, Action::Cancel);
            self.folder.cancel(placement, &text)?;
        }
        Ok(())
    }
}

impl OutwardService for Teletype {
    fn name(&self) -> &'static str {
        "teletype"
    }

    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed> {
        self.ask(placement, Desk::place)
    }

    fn withdraw<'a>(
        &'a self,
        placement: &'a Placement,
        reference: Option<&'a str>,
    ) -> Asked<'a, ()> {
        let has_taken = reference.is_some();
        self.ask(placement, move |desk, placement| {
            desk.withdraw(placement, has_taken).map(Answer::Done)
        })
    }

    fn answered(&self) -> Vec<PlacementKey> {
        self.desk.folder.take_answers()
    }

    fn answers_later(&self) -> bool {
        true
    }

    fn ask_again(&self, missing: &[String]) -> Result<Option<usize>, String> {
        let desk = &self.desk;
        let mut asked = 0;
        for name in missing {
            let text = message::repeat(name, &desk.address, &desk.origin);
            asked += usize::from(desk.folder.ask_again(name, &text)?);
        }
        Ok(Some(asked))
    }

    fn kept(&self) -> Result<Vec<Kept>, String> {
        self.desk.folder.kept()
    }

    fn forget(&self, settled: &[PlacementKey], now: SystemTime) -> Result<usize, String> {
        self.desk.folder.forget(settled, now)
    }

    fn erase(&self, order: &str) -> Result<usize, String> {
        self.desk.folder.erase(order)
    }
}
