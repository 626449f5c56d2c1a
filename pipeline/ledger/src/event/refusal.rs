//! Sales that their provider does not take.

use super::{Aspects, Told};
use crate::book::{BookCabin, Report, SegmentKey};
use crate::codes::CommandId;
use crate::command::ProviderEvent;
use crate::flight::Flight;
use crate::record::Take;
use crate::view::HoldState;

impl Flight {
    /// The provider refuses these sales. What it says it has not is not sold again before it says
    /// anew what it has.
    pub(super) fn hear_refusal(
        &mut self,
        event: &ProviderEvent,
        ids: &[CommandId],
        step: &mut Told<'_>,
    ) -> Aspects {
        let provider = self.provider_or_new(event.provider) as u32;
        for id in ids {
            let Some(at) = self.hold_named(*id) else {
                continue;
            };
            let hold = &self.holds[at as usize];
            if hold.state != HoldState::Confirmed || hold.provider != provider {
                continue;
            }
            let take = hold.take();
            self.settle(at, HoldState::Cancelled, step);
            self.lapse_sold_from(&take);
        }
        Aspects {
            applied: 1,
            stale: 0,
        }
    }

    /// What a sale was sold from lapses: the narrowest that its provider reports on.
    fn lapse_sold_from(&mut self, take: &Take) {
        if !take.segment.is_flown() {
            return;
        }
        let provider = &mut self.book.providers[take.provider as usize];
        let keys = SegmentKey::both(&take.segment, take.cabin, take.class);
        let limit = keys
            .filter(|key| provider.segments.contains_key(key))
            .last();
        if let Some(limit) = limit.and_then(|key| provider.segments.get_mut(&key)) {
            limit.report.end();
            return;
        }
        for leg in take.segment.first..=take.segment.last {
            if let Ok(at) = provider.cabin_at(leg, take.cabin)
                && provider.cabins[at].known
            {
                reported_on(&mut provider.cabins[at], take).end();
            }
        }
    }
}

/// The class, unless the provider was only ever heard of the cabin.
fn reported_on<'a>(cabin: &'a mut BookCabin, take: &Take) -> &'a mut Report {
    let class = take.class.and_then(|class| cabin.class_at(class));
    match class {
        Some(at) if cabin.nest[at].report.version.is_some() || cabin.report.version.is_none() => {
            &mut cabin.nest[at].report
        }
        _ => &mut cabin.report,
    }
}
