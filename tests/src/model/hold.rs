//! Hold, confirm, release, cancel.

use flightline_ledger::command::Settings;
use flightline_ledger::{CommandId, HoldRequest, Outcome, Reason};

use super::Fault;
use super::flight::{Flight, Hold, HoldState, clamp};
use super::offer::Segment;
use super::usage::Bucket;

impl Flight {
    pub(crate) fn hold(
        &mut self,
        settings: &Settings,
        id: CommandId,
        request: &HoldRequest,
    ) -> Outcome {
        match self.try_hold(settings, id, request) {
            Ok(outcome) => outcome,
            Err(reason) => Outcome::Refused(reason),
        }
    }

    fn try_hold(
        &mut self,
        settings: &Settings,
        id: CommandId,
        request: &HoldRequest,
    ) -> Result<Outcome, Reason> {
        if request.seats < 1 || request.seats > 999 {
            return Err(Reason::InvalidSeats);
        }
        let ttl_ms = request.ttl_ms.unwrap_or(settings.hold_ttl_default_ms);
        if ttl_ms == 0 || ttl_ms > settings.hold_ttl_max_ms {
            return Err(Reason::InvalidTtl);
        }
        if request
            .wait_ms
            .is_some_and(|ms| ms == 0 || ms > settings.hold_ttl_max_ms)
        {
            return Err(Reason::InvalidTtl);
        }
        if self.operating.is_some() {
            return Err(Reason::NotOperating);
        }
        if self.cancelled {
            return Err(Reason::FlightCancelled);
        }
        let legs = self
            .find_segment(request.board, request.off)
            .ok_or(Reason::UnknownSegment)?;
        let segment = Segment {
            legs,
            stations: (self.legs[legs.0].board, self.legs[legs.1].off),
        };
        if self.restricted.contains(&segment.stations) {
            return Err(Reason::SegmentRestricted);
        }
        let departs_ms = i128::from(self.legs[legs.0].times.departs_s) * 1000;
        let closes_ms = departs_ms - i128::from(settings.close_before_departure_ms);
        if i128::from(self.now.clock_ms) >= closes_ms {
            return Err(Reason::Departed);
        }
        let provider = match request.provider {
            Some(code) => {
                if !self.providers.contains_key(&code) {
                    return Err(Reason::UnknownProvider);
                }
                self.offer(code, segment, request).map(|()| code)
            }
            None => self.cheapest(segment, request),
        };
        let provider = match provider {
            Err(reason @ Reason::SoldOut { .. }) => {
                return self.wait(settings, id, segment, request).ok_or(reason);
            }
            other => other?,
        };
        if !self.counts_stay_finite(request.seats) {
            let reason = Reason::SoldOut { available: 0 };
            return self.wait(settings, id, segment, request).ok_or(reason);
        }
        let price = self.price(provider, segment, request.cabin, request.class);
        if request.expected_price.is_some() && request.expected_price != price {
            return Err(Reason::PriceChanged { now: price });
        }
        let deadline_ms = clamp(i128::from(self.now.clock_ms) + i128::from(ttl_ms));
        self.note_price_rule(provider, segment, request.cabin, request.class);
        self.holds.push(Hold {
            id,
            provider,
            cabin: request.cabin,
            class: request.class,
            stations: segment.stations,
            legs: Some(segment.legs),
            seats: request.seats,
            deadline_ms,
            price,
            state: HoldState::Held,
            wait: None,
            acknowledged_at: None,
            made: self.now,
            changed: self.now,
        });
        Ok(Outcome::Held {
            provider,
            seats: request.seats,
            deadline_ms,
            price,
        })
    }

    fn find_hold(&self, id: CommandId) -> Option<usize> {
        self.holds.iter().position(|hold| hold.id == id)
    }

    pub(crate) fn confirm(&mut self, id: CommandId) -> Outcome {
        let Some(i) = self.find_hold(id) else {
            return Outcome::Refused(Reason::UnknownHold);
        };
        let seats = self.holds[i].seats;
        let confirmed = |already| Outcome::Confirmed { seats, already };
        match self.holds[i].state {
            HoldState::Held => {
                self.set_state(i, HoldState::Confirmed);
                confirmed(false)
            }
            HoldState::Expired if self.fault == Fault::ConfirmsExpired => {
                self.set_state(i, HoldState::Confirmed);
                confirmed(false)
            }
            HoldState::Waiting => Outcome::Refused(Reason::StillWaiting),
            HoldState::Confirmed => confirmed(true),
            HoldState::Released => Outcome::Refused(Reason::AlreadyReleased),
            HoldState::Cancelled => Outcome::Refused(Reason::AlreadyCancelled),
            HoldState::Expired => Outcome::Refused(Reason::Expired),
            HoldState::Displaced => Outcome::Refused(Reason::Displaced),
        }
    }

    pub(crate) fn release(&mut self, id: CommandId) -> Outcome {
        let Some(i) = self.find_hold(id) else {
            return Outcome::Refused(Reason::UnknownHold);
        };
        let seats = self.holds[i].seats_had();
        let released = |already| Outcome::Released { seats, already };
        match self.holds[i].state {
            HoldState::Held | HoldState::Waiting => {
                self.set_state(i, HoldState::Released);
                released(false)
            }
            HoldState::Confirmed => Outcome::Refused(Reason::AlreadyConfirmed),
            HoldState::Released => released(true),
            HoldState::Cancelled => Outcome::Refused(Reason::AlreadyCancelled),
            HoldState::Expired => Outcome::Refused(Reason::Expired),
            HoldState::Displaced => Outcome::Refused(Reason::Displaced),
        }
    }

    pub(crate) fn cancel(&mut self, id: CommandId) -> Outcome {
        let Some(i) = self.find_hold(id) else {
            return Outcome::Refused(Reason::UnknownHold);
        };
        let seats = self.holds[i].seats_had();
        let cancelled = |already| Outcome::Cancelled { seats, already };
        match self.holds[i].state {
            HoldState::Held | HoldState::Waiting => {
                self.set_state(i, HoldState::Cancelled);
                cancelled(false)
            }
            HoldState::Confirmed => {
                self.set_state(i, HoldState::Cancelled);
                if self.fault != Fault::KeepsBoundOnCancel {
                    let sale = self.holds[i].clone();
                    self.take_back_count(&sale);
                }
                cancelled(false)
            }
            HoldState::Released => Outcome::Refused(Reason::AlreadyReleased),
            HoldState::Cancelled => cancelled(true),
            HoldState::Expired => Outcome::Refused(Reason::Expired),
            HoldState::Displaced => Outcome::Refused(Reason::Displaced),
        }
    }

    /// A sale was cancelled: every bucket whose last remaining count knew of it has a bound that
    /// contains its seats, which the provider has not yet said to have back.
    fn take_back_count(&mut self, sale: &Hold) {
        for bucket in self.buckets() {
            if !self.uses(sale, bucket) {
                continue;
            }
            let Some(allotment) = self.allotment(bucket) else {
                continue;
            };
            let Some(remaining_at) = allotment.remaining_at else {
                continue;
            };
            if sale.acknowledged_at.is_some_and(|at| at < remaining_at) {
                allotment.bound = allotment.bound.map(|b| b - i64::from(sale.seats));
                self.met("counted sale cancelled");
            } else {
                self.met("cancelled sale not counted by a bucket with a remaining count");
            }
        }
    }

    pub(crate) fn allotment(&mut self, bucket: Bucket) -> Option<&mut super::flight::Allotment> {
        match bucket {
            Bucket::Aircraft(..) => None,
            Bucket::Cabin(code, leg, cabin) => {
                let provider = self.providers.get_mut(&code)?;
                Some(&mut provider.cabins.get_mut(&(leg, cabin))?.own)
            }
            Bucket::Class(code, leg, cabin, class) => {
                let provider = self.providers.get_mut(&code)?;
                let line = provider.cabins.get_mut(&(leg, cabin))?;
                let (_, allotment) = line.classes.iter_mut().find(|(c, _)| *c == class)?;
                Some(allotment)
            }
            Bucket::Segment(code, board, off, cabin, class) => {
                let provider = self.providers.get_mut(&code)?;
                provider.segments.get_mut(&(board, off, cabin, class))
            }
        }
    }
}
