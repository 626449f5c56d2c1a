//! Ways in: real files in a real folder, real HTTP; only the clock is moved by hand.

mod folder;
mod pull;

use std::io::Read;
use std::sync::Arc;

use flightline_connectors::intake::{Door, FeedKind, NotTaken, Receipt};
use flightline_connectors::{Options, Push, PushConfig, Source, Tally, format};
use parking_lot::Mutex;

/// Takes feeds as a replica does, but for the ledger behind it: every event counts as accepted, and
/// as duplicate when it comes again.
#[derive(Default)]
pub(crate) struct Desk {
    /// Ids that were taken.
    ids: Mutex<std::collections::HashSet<flightline_ledger::CommandId>>,
    /// Names of what was handed in, and its bytes.
    pub(crate) handed: Mutex<Vec<(String, Vec<u8>)>>,
    /// How often it still says "later".
    pub(crate) later: Mutex<u32>,
    /// What happens outside while something is read.
    pub(crate) meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Door for Desk {
    fn take(
        &self,
        kind: &FeedKind,
        message: &str,
        mut body: Box<dyn Read + Send>,
    ) -> Result<Receipt, NotTaken> {
        {
            let mut later = self.later.lock();
            if *later > 0 {
                *later -= 1;
                return Err(NotTaken::Later("the queue is full".into()));
            }
        }
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        if let Some(happens) = self.meanwhile.lock().take() {
            happens();
        }
        self.handed.lock().push((message.to_owned(), bytes.clone()));
        let connector = format(&kind.format)
            .unwrap()
            .connector(&Options::new())
            .unwrap();
        let source = Source::new(message, &*bytes);
        let mut receipt = Receipt::default();
        let mut tally = Tally::default();
        for batch in Push::new(&*connector, source, PushConfig::new(kind.provider)) {
            receipt.read += batch.records;
            for reject in &batch.rejects {
                receipt.rejected += 1;
                tally.reject(reject);
            }
            for command in batch.commands {
                match self.ids.lock().insert(command.id) {
                    true => receipt.accepted += 1,
                    false => receipt.duplicate += 1,
                }
            }
            if let Some(why) = batch.broke_off {
                return Err(NotTaken::Refused {
                    why,
                    receipt: Some(Box::new(receipt)),
                });
            }
        }
        Ok(receipt)
    }
}

impl Desk {
    pub(crate) fn names(&self) -> Vec<String> {
        self.handed
            .lock()
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }
}

pub(crate) fn desk() -> Arc<Desk> {
    Arc::default()
}

pub(crate) fn kind() -> FeedKind {
    FeedKind {
        provider: "acme".parse().unwrap(),
        format: "canonical".into(),
        options: Vec::new(),
    }
}

/// A line that cancels a flight.
pub(crate) fn line(number: u32) -> String {
    format!(
        "{{\"type\":\"cancel\",\"flight_key\":\"UA{number}.2027-01-05.EWR\",\"source_version\":{{\"time\":\"2026-11-25T06:00:00Z\"}}}}\n"
    )
}
