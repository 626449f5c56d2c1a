//! Holds that wait for seats on a flight that is sold out. Rules: `docs/ledger.md`, "Waiting".
//!
//! What is particular to them stands beside the holds, in a box that a flight without any has not.

use std::collections::BTreeMap;

use crate::codes::{CommandId, ProviderCode};
use crate::command::{HoldRequest, Settings};
use crate::expiry::Due;
use crate::flight::{Flight, Step};
use crate::observer::{HoldIx, Observer};
use crate::outcome::Outcome;
use crate::record::{Hold, NO_MEMO, Origin, PackedMoney, Seated};
use crate::view::HoldState;

/// The holds of a flight that wait or once did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waitlist {
    /// Those that wait now, in the order in which they came.
    pub(crate) queue: Vec<HoldIx>,
    /// Every hold that ever waited: its first answer is repeated as long as the flight is kept.
    pub(crate) asks: BTreeMap<HoldIx, Ask>,
}

/// What a hold waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) request: HoldRequest,
    /// How long it will be held, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// Until when it waits, Unix time in milliseconds.
    pub(crate) deadline_ms: i64,
    /// How many waited before it when it came.
    pub(crate) ahead: u32,
}

impl Ask {
    /// The answer to the request.
    pub(crate) const fn outcome(&self) -> Outcome {
        Outcome::Waiting {
            deadline_ms: self.deadline_ms,
            ahead: self.ahead,
        }
    }

    /// Can it come to fit when others take seats? Then another provider is the cheapest, and its
    /// price may be the expected one.
    const fn depends_on_others(&self) -> bool {
        self.request.provider.is_none() && self.request.expected_price.is_some()
    }
}

impl Flight {
    /// What a hold that waits or once did has asked for.
    pub(crate) fn ask_of(&self, at: HoldIx) -> &Ask {
        let list = self.book.waitlist.as_deref();
        match list.and_then(|list| list.asks.get(&at)) {
            Some(ask) => ask,
            None => unreachable!("hold {at} waited for nothing"),
        }
    }

    /// Does the hold wait for seats of this provider and no other?
    pub(crate) fn waits_for(&self, at: HoldIx, provider: ProviderCode) -> bool {
        self.ask_of(at).request.provider == Some(provider)
    }

    /// Puts a request that was refused for want of seats on the waitlist, if it can ever fit.
    #[cold]
    #[inline(never)]
    pub(crate) fn start_waiting(
        &mut self,
        id: CommandId,
        hash: u32,
        details: u64,
        request: &HoldRequest,
        settings: &Settings,
        step: &mut Step<'_, dyn Observer + '_>,
    ) -> Option<(Outcome, Due)> {
        let wait_ms = request.wait_ms?;
        let segment = self.segment(request.board, request.off)?;
        if !self.has_room(request, &segment) {
            return None;
        }
        let named = request.provider.and_then(|code| self.provider_at(code));
        let ask = Ask {
            request: *request,
            ttl_ms: request.ttl_ms.unwrap_or(settings.hold_ttl_default_ms),
            deadline_ms: step.clock_ms.saturating_add_unsigned(wait_ms),
            ahead: self.waiting,
        };
        let none = PackedMoney::new(None);
        let at = self.push_hold(
            hash,
            Hold {
                id,
                deadline_ms: ask.deadline_ms,
                changed_offset: step.offset,
                changed_at_ms: step.clock_ms,
                provider: named.unwrap_or(0) as u32,
                acknowledged: NO_MEMO,
                seats: request.seats,
                state: HoldState::Waiting,
                seated: Seated::NotYet,
                cabin: request.cabin,
                class: request.class,
                segment,
            },
            Origin::new(details, step.offset, step.clock_ms, none),
        );
        self.waiting += 1;
        let list = self.book.waitlist.get_or_insert_default();
        list.queue.push(at);
        list.asks.insert(at, ask);
        step.observer.hold_changed(step.flight, at, None);
        step.observer.flight_changed(step.flight);
        let due = Due {
            deadline_ms: ask.deadline_ms,
            offset: step.offset,
            flight: step.flight,
            hold: at,
        };
        Some((ask.outcome(), due))
    }

    /// Holds seats for the waiting holds that fit, the oldest of them first, until none does. Gives
    /// their deadlines.
    #[cold]
    #[inline(never)]
    pub(crate) fn seat_waiting(
        &mut self,
        settings: &Settings,
        step: &mut Step<'_, dyn Observer + '_>,
    ) -> Vec<Due> {
        let mut seated = Vec::new();
        let Some(mut list) = self.book.waitlist.take() else {
            return seated;
        };
        let Waitlist { queue, asks } = &mut *list;
        let mut place = 0;
        while let Some(at) = queue.get(place).copied() {
            let Some(ask) = asks.get(&at) else {
                unreachable!("hold {at} waits for nothing");
            };
            let segment = self.holds[at as usize].segment;
            let offer = self.offer(&ask.request, &segment, settings, step.clock_ms);
            let Ok((provider, price)) = offer else {
                place += 1;
                continue;
            };
            queue.remove(place);
            seated.push(self.seat(at, ask.ttl_ms, provider, price, step));
            // There are fewer seats now, so those passed over still do not fit, but for these.
            let mut passed_over = queue[..place].iter();
            let again = passed_over.position(|at| asks[at].depends_on_others());
            place = again.unwrap_or(place);
        }
        self.book.waitlist = Some(list);
        seated
    }

    /// A waiting hold gets its seats.
    fn seat(
        &mut self,
        at: HoldIx,
        ttl_ms: u64,
        provider: u32,
        price: PackedMoney,
        step: &mut Step<'_, dyn Observer + '_>,
    ) -> Due {
        let origin = &mut self.origins[at as usize];
        origin.price = price;
        let offset = origin.offset;
        let deadline_ms = step.clock_ms.saturating_add_unsigned(ttl_ms);
        let hold = &mut self.holds[at as usize];
        hold.deadline_ms = deadline_ms;
        hold.changed_offset = step.offset;
        hold.changed_at_ms = step.clock_ms;
        hold.provider = provider;
        hold.state = HoldState::Held;
        hold.seated = Seated::AfterWaiting;
        let take = hold.take();
        self.waiting -= 1;
        self.live += 1;
        self.seats += take.seats as u32;
        self.count(&take, take.seats, 0);
        let before = Some(HoldState::Waiting);
        step.observer.hold_changed(step.flight, at, before);
        Due {
            deadline_ms,
            offset,
            flight: step.flight,
            hold: at,
        }
    }

    /// A waiting hold ended without seats.
    #[cold]
    #[inline(never)]
    pub(crate) fn stop_waiting(&mut self, at: HoldIx) {
        let queue = self.book.waitlist.as_mut().map(|list| &mut list.queue);
        let place = queue.map(|queue| (queue.binary_search(&at), queue));
        let Some((Ok(place), queue)) = place else {
            unreachable!("hold {at} waits in no queue");
        };
        queue.remove(place);
        self.waiting -= 1;
    }

    /// Panics unless the waitlist is what the holds say, and nobody waits for seats that there are.
    pub(crate) fn check_waiting(&self, settings: &Settings, clock_ms: i64) {
        let key = self.key;
        let all = self.holds.iter().zip(0..);
        let waiting: Vec<HoldIx> = all
            .filter(|(hold, _)| hold.state == HoldState::Waiting)
            .map(|(_, at)| at)
            .collect();
        assert_eq!(waiting.len(), self.waiting as usize, "{key}: waiting holds");
        let queue = self.book.waitlist.as_ref().map(|list| &list.queue[..]);
        assert_eq!(queue.unwrap_or_default(), waiting, "{key}: waitlist");
        for (hold, at) in self.holds.iter().zip(0..) {
            let list = self.book.waitlist.as_ref();
            let is_listed = list.is_some_and(|list| list.asks.contains_key(&at));
            let waited = hold.seated != Seated::AtOnce;
            assert_eq!(waited, is_listed, "{key}: hold {} on the waitlist", hold.id);
            if hold.seated == Seated::NotYet {
                assert!(
                    !hold.state.takes_seats(),
                    "{key}: {} took seats unseated",
                    hold.id
                );
            }
        }
        for at in waiting {
            let hold = &self.holds[at as usize];
            let id = hold.id;
            assert!(hold.segment.is_flown(), "{key}: {id} waits without legs");
            let offer = self.offer(&self.ask_of(at).request, &hold.segment, settings, clock_ms);
            assert!(offer.is_err(), "{key}: {id} waits for seats that there are");
        }
    }
}

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    /// Flights on which nobody waits are as large, and lie as they did, before anybody could.
    #[test]
    fn a_flight_pays_for_nobody_who_waits() {
        assert_eq!(
            offset_of!(Flight, waiting),
            offset_of!(Flight, providers) + 4
        );
        assert_eq!(offset_of!(Flight, memos), offset_of!(Flight, waiting) + 4);
        assert_eq!(size_of::<Option<Box<Waitlist>>>(), size_of::<usize>());
    }
}
