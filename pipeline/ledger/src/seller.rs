//! Whether a provider sells at all in a partition: told to stop, or silent for too long.
//! Rules: `docs/ledger.md`, "Providers that do not sell".

use std::collections::BTreeMap;

use crate::book::Report;
use crate::codes::ProviderCode;
use crate::command::{FeedCommand, ProviderEvent};
use crate::flight::Flight;
use crate::outcome::Reason;
use crate::view::FeedView;

/// Why nothing of a provider is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Somebody said so.
    Stopped,
    /// It has not been heard for longer than it may be silent.
    Silent,
}

impl Pause {
    /// What a request for its seats is told.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Pause::Stopped => Reason::ProviderStopped,
            Pause::Silent => Reason::ProviderSilent,
        }
    }
}

/// One provider, as far as it is not simply trusted to sell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seller {
    pub(crate) silence_max_ms: Option<u64>,
    pub(crate) heard_ms: i64,
    pub(crate) stopped: bool,
    /// As its flights know it.
    pub(crate) pause: Option<Pause>,
}

impl Seller {
    fn falls_silent_ms(&self) -> Option<i64> {
        let limit = self.silence_max_ms?;
        Some(self.heard_ms.saturating_add_unsigned(limit))
    }

    fn pause_at(&self, clock_ms: i64) -> Option<Pause> {
        let silent = || self.falls_silent_ms().is_some_and(|at| at <= clock_ms);
        if self.stopped {
            Some(Pause::Stopped)
        } else {
            silent().then_some(Pause::Silent)
        }
    }
}

/// The providers of a partition that have a limit to their silence, or were told to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sellers(pub(crate) BTreeMap<ProviderCode, Seller>);

impl Sellers {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An event of a provider came. Gives whether it may sell again by that.
    pub(crate) fn hear_event(&mut self, event: &ProviderEvent, clock_ms: i64) -> bool {
        // What it answers to an order says nothing of its feed, which may be silent all the same.
        !event.answers_order() && self.hear(event.provider, clock_ms)
    }

    /// Something of the provider's feed came. Gives whether it may sell again by that.
    fn hear(&mut self, provider: ProviderCode, clock_ms: i64) -> bool {
        let Some(seller) = self.0.get_mut(&provider) else {
            return false;
        };
        seller.heard_ms = clock_ms;
        seller.pause == Some(Pause::Silent)
    }

    /// A command about its feed.
    pub(crate) fn told(&mut self, provider: ProviderCode, command: &FeedCommand, clock_ms: i64) {
        let new = Seller {
            silence_max_ms: None,
            heard_ms: clock_ms,
            stopped: false,
            pause: None,
        };
        match command {
            FeedCommand::Configure { silence_max_ms } => {
                let seller = self.0.entry(provider).or_insert(new);
                seller.silence_max_ms = *silence_max_ms;
                seller.heard_ms = clock_ms;
            }
            FeedCommand::Stop => self.0.entry(provider).or_insert(new).stopped = true,
            FeedCommand::Resume => {
                if let Some(seller) = self.0.get_mut(&provider) {
                    seller.stopped = false;
                }
            }
            FeedCommand::Heard { at_ms } => {
                if let Some(seller) = self.0.get_mut(&provider) {
                    seller.heard_ms = seller.heard_ms.max(clock_ms.min(*at_ms));
                }
            }
            FeedCommand::Unplaced(_) | FeedCommand::Replaced(_) => {
                self.hear(provider, clock_ms);
            }
            // It came, and nothing of it may have been readable: what it says are other records.
            FeedCommand::Numbered(_) => {}
        }
    }

    /// Who sells by now, or does not, other than before.
    pub(crate) fn settle(&mut self, clock_ms: i64) -> Vec<ProviderCode> {
        let mut changed = Vec::new();
        for (provider, seller) in &mut self.0 {
            let pause = seller.pause_at(clock_ms);
            if pause != seller.pause {
                seller.pause = pause;
                changed.push(*provider);
            }
        }
        self.0
            .retain(|_, seller| seller.stopped || seller.silence_max_ms.is_some());
        changed
    }

    pub(crate) fn pause_of(&self, provider: ProviderCode) -> Option<Pause> {
        self.0.get(&provider)?.pause
    }

    /// When the next provider falls silent, if it is not heard before.
    pub(crate) fn due_ms(&self) -> Option<i64> {
        let talking = self.0.values().filter(|seller| seller.pause.is_none());
        talking.filter_map(Seller::falls_silent_ms).min()
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = (ProviderCode, FeedView)> + '_ {
        self.0
            .keys()
            .filter_map(|code| Some((*code, self.view(*code)?)))
    }

    pub(crate) fn view(&self, provider: ProviderCode) -> Option<FeedView> {
        let seller = self.0.get(&provider)?;
        Some(FeedView {
            silence_max_ms: seller.silence_max_ms,
            heard_ms: seller.heard_ms,
            stopped: seller.stopped,
            silent: seller.pause == Some(Pause::Silent),
        })
    }
}

impl Flight {
    /// Where a provider is, if it is on the flight and that it sells, or does not, is news here.
    pub(crate) fn paused_otherwise(
        &self,
        provider: ProviderCode,
        pause: Option<Pause>,
    ) -> Option<usize> {
        let at = self.provider_at(provider)?;
        (self.book.providers[at].pause != pause).then_some(at)
    }

    /// Notes whether a provider on the flight sells. Gives whether that is news here.
    pub(crate) fn pause(&mut self, provider: ProviderCode, pause: Option<Pause>) -> bool {
        let Some(at) = self.paused_otherwise(provider, pause) else {
            return false;
        };
        self.book.providers[at].pause = pause;
        self.stock();
        true
    }

    /// What lapses first of what providers said until a time.
    pub(crate) fn next_lapse_ms(&self) -> Option<i64> {
        let providers = self.book.providers.iter();
        let reports = providers.flat_map(|provider| {
            let cabins = provider.cabins.iter();
            let on_legs = cabins.flat_map(|cabin| {
                let classes = cabin.nest.iter().map(|class| &class.report);
                std::iter::once(&cabin.report).chain(classes)
            });
            on_legs.chain(provider.segments.values().map(|limit| &limit.report))
        });
        reports.filter_map(Report::lapses_at).min()
    }

    /// Is something off sale though its status is open: a provider that does not sell for now, or
    /// what lapsed?
    pub fn has_pause(&self) -> bool {
        self.book.providers.iter().any(|provider| {
            let cabins = provider.cabins.iter();
            let mut lapsed = cabins.flat_map(|cabin| {
                let classes = cabin.nest.iter().map(|class| &class.report);
                std::iter::once(&cabin.report).chain(classes)
            });
            provider.pause.is_some()
                || lapsed.any(Report::has_lapsed)
                || provider
                    .segments
                    .values()
                    .any(|limit| limit.report.has_lapsed())
        })
    }

    /// What was said until now does not hold any more. Gives whether there was any.
    pub(crate) fn lapse(&mut self, clock_ms: i64) -> bool {
        let mut has_lapsed = false;
        for provider in &mut self.book.providers {
            for cabin in &mut provider.cabins {
                has_lapsed |= cabin.report.lapse(clock_ms);
                for class in &mut cabin.nest {
                    has_lapsed |= class.report.lapse(clock_ms);
                }
            }
            for limit in provider.segments.values_mut() {
                has_lapsed |= limit.report.lapse(clock_ms);
            }
        }
        if has_lapsed {
            self.stock();
        }
        has_lapsed
    }
}
