//! Providers that do not sell for now.

use std::collections::BTreeMap;

use flightline_ledger::command::{FeedCommand, ProviderBody, SourceVersion};
use flightline_ledger::{Command, FlightCommand, ProviderCode, Reason};

use super::{Fault, Model};

/// What is known of a provider's feed.
#[derive(Clone, Debug)]
pub(crate) struct Seller {
    pub(crate) silence_max_ms: Option<u64>,
    pub(crate) heard_ms: i64,
    stopped: bool,
}

impl Model {
    /// What a record says of a provider's feed, or shows of it by being there.
    pub(super) fn listen(&mut self, command: &Command) {
        let clock_ms = self.clock_ms;
        let was_silent = self.silent();
        let heard = match command {
            // Answers to orders have no version, and are no word of the feed.
            Command::Flight(_, FlightCommand::Provider(event))
                if event.version == SourceVersion::default()
                    && matches!(
                        event.body,
                        ProviderBody::Acknowledge(_) | ProviderBody::Refuse(_)
                    ) =>
            {
                if was_silent.contains(&event.provider) {
                    self.met("silent provider answers an order");
                }
                None
            }
            Command::Flight(_, FlightCommand::Provider(event)) => Some((event.provider, clock_ms)),
            Command::Feed(provider, command) => match **command {
                FeedCommand::Configure { silence_max_ms } => {
                    self.seller(*provider).silence_max_ms = silence_max_ms;
                    Some((*provider, clock_ms))
                }
                FeedCommand::Heard { at_ms } => Some((*provider, at_ms.min(clock_ms))),
                FeedCommand::Stop => {
                    self.seller(*provider).stopped = true;
                    None
                }
                FeedCommand::Resume => {
                    if std::mem::take(&mut self.seller(*provider).stopped) {
                        self.met("stopped provider resumed");
                    }
                    None
                }
                FeedCommand::Unplaced(_) | FeedCommand::Replaced(_) => Some((*provider, clock_ms)),
                FeedCommand::Numbered(_) => None,
            },
            _ => None,
        };
        let Some((provider, at_ms)) = heard else {
            return;
        };
        let seller = self.seller(provider);
        seller.heard_ms = seller.heard_ms.max(at_ms);
        if was_silent.contains(&provider) && !self.silent().contains(&provider) {
            self.met("silent provider heard again");
        }
    }

    /// One that is not known yet has no limit, hence it does not matter when it was heard.
    fn seller(&mut self, provider: ProviderCode) -> &mut Seller {
        self.sellers.entry(provider).or_insert(Seller {
            silence_max_ms: None,
            heard_ms: i64::MIN,
            stopped: false,
        })
    }

    fn silent(&self) -> Vec<ProviderCode> {
        let silent = self.sellers.iter().filter(|(_, seller)| {
            seller.silence_max_ms.is_some_and(|limit| {
                let until = i128::from(seller.heard_ms) + i128::from(limit);
                until.min(i128::from(i64::MAX)) <= i128::from(self.clock_ms)
            })
        });
        silent.map(|(provider, _)| *provider).collect()
    }

    /// Who does not sell now, and why.
    pub(super) fn paused(&self) -> BTreeMap<ProviderCode, Reason> {
        let mut paused = BTreeMap::new();
        if self.fault != Fault::NobodyFallsSilent {
            paused.extend(
                self.silent()
                    .into_iter()
                    .map(|p| (p, Reason::ProviderSilent)),
            );
        }
        let stopped = self.sellers.iter().filter(|(_, seller)| seller.stopped);
        paused.extend(stopped.map(|(p, _)| (*p, Reason::ProviderStopped)));
        paused
    }
}
