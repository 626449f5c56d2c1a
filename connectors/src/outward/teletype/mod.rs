//! Teletype lines in the manner of AIRIMP, as files: a message for each segment into `out/`, answers out
//! of `in/`.
//!
//! - `message`: the lines, written and read. `folder`: files that are whole or not there.
//!
//! A message is written once. That it was, and what was answered, is kept in `journal/`; so a provider may
//! take a file away at once, and answer hours later.

mod folder;
mod message;

use std::path::Path;

use super::config::OutwardError;
use super::port::{Answer, Asked, OutwardService, Placed, Placement, PlacementKey, Refusal};
use folder::Folder;
use message::{Action, Status};

/// A provider that is reached by teletype lines.
#[derive(Debug)]
pub struct Teletype {
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
        Ok(Self {
            folder: Folder::open(folder)?,
            address: address.to_owned(),
            origin: origin.to_owned(),
        })
    }

    fn text(&self, placement: &Placement, action: Action) -> String {
        message::write(placement, action, &self.address, &self.origin)
    }

    fn try_place(&self, placement: &Placement) -> Result<Answer<Placed>, String> {
        self.folder.take_answers();
        if let Some(answer) = self.folder.answer(placement.key)? {
            return self.judge(placement, &answer);
        }
        if placement.travellers.is_empty() && !self.folder.is_sent(placement.key, "SS") {
            let what = "the passengers' data was erased before the order was placed";
            return Ok(Answer::Refused(Refusal::new("passengers_erased", what)));
        }
        let text = self.text(placement, Action::Sell);
        self.folder.send(placement.key, "SS", &text)?;
        if self.folder.is_gone(placement.key) {
            // It was withdrawn meanwhile, by an ask that found nothing to withdraw.
            self.try_withdraw(placement)?;
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
            self.folder.send(placement.key, "XX", &text)?;
        }
        let what = match answer.status {
            Status::Taken(_) => format!("it was taken for {} only", answer.seats),
            _ => format!("it was answered {code}"),
        };
        Ok(Answer::Refused(Refusal::new(code, what)))
    }

    fn try_withdraw(&self, placement: &Placement) -> Result<(), String> {
        // First, so that an ask that is on its way sees it.
        self.folder.mark_gone(placement.key)?;
        if self.folder.is_sent(placement.key, "SS") {
            let text = self.text(placement, Action::Cancel);
            self.folder.send(placement.key, "XX", &text)?;
        }
        Ok(())
    }
}

impl OutwardService for Teletype {
    fn name(&self) -> &'static str {
        "teletype"
    }

    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed> {
        let answer = self.try_place(placement);
        Box::pin(async move { answer.unwrap_or_else(Answer::Unknown) })
    }

    fn withdraw<'a>(
        &'a self,
        placement: &'a Placement,
        _reference: Option<&'a str>,
    ) -> Asked<'a, ()> {
        let done = self.try_withdraw(placement);
        Box::pin(async move { done.map_or_else(Answer::Unknown, Answer::Done) })
    }

    fn answered(&self) -> Vec<PlacementKey> {
        self.folder.take_answers()
    }

    fn answers_later(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flightline_ledger::{CommandId, Money};

    use super::*;
    use crate::outward::port::Traveller;

    pub(crate) fn placement(key: u128) -> Placement {
        Placement {
            key: PlacementKey(key),
            provider: "acme".parse().unwrap(),
            order: "ord_00000000000000000000000000000001".to_owned(),
            segment: 1,
            booking: "ABC234".to_owned(),
            flight: "UA1545.2027-01-05.EWR".parse().unwrap(),
            board: "EWR".parse().unwrap(),
            off: "IAH".parse().unwrap(),
            date: "2027-01-05".parse().unwrap(),
            departs_ms: 1_799_154_000_000,
            cabin: "Y".parse().unwrap(),
            class: Some("Q".parse().unwrap()),
            seats: 1,
            price: Money {
                minor: 12_000,
                currency: "USD".parse().unwrap(),
                exponent: 2,
            },
            hold: CommandId(7),
            asked_before: 0,
            travellers: vec![Traveller {
                title: "ms".to_owned(),
                gender: "f".to_owned(),
                given_name: "Amelia".to_owned(),
                family_name: "O'Earhart".to_owned(),
                born_on: "1987-07-24".to_owned(),
                email: "amelia@example.com".to_owned(),
                phone_number: "+442080160509".to_owned(),
                carries: None,
            }],
        }
    }
}
