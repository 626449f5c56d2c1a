//! Changes of views in SQL whose files ask for it: told to followers ([`ViewFollowers`]), and written to files
//! ([`Changelogs`]).
//!
//! Both stand on the way of the epochs to the tables ([`Tee`]), and hold nobody up: a follower takes what he wants
//! when he wants it, and a file that cannot be written is given up with a message.

mod followers;
mod logs;

use std::sync::Arc;

use flightline_dataflows::changelog::{Epoch, EpochSink};

pub use followers::{Follower, ViewEvent, ViewFollowers};
pub use logs::Changelogs;

/// Shows every epoch to followers and files before it goes on.
pub struct Tee<S> {
    /// Who is told.
    pub followers: Arc<ViewFollowers>,
    /// Where it is written.
    pub logs: Changelogs,
    /// Where it goes on to.
    pub next: S,
}

impl<S: EpochSink> EpochSink for Tee<S> {
    fn epoch(&mut self, epoch: Arc<Epoch>) {
        self.followers.take(&epoch);
        self.logs.take(&epoch);
        self.next.epoch(epoch);
    }
}
