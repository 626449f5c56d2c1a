//! Sales that their provider does not take, and their seats elsewhere.

use flightline_ledger::command::{Reseat, Settings};
use flightline_ledger::{CommandId, HoldRequest, Outcome, ProviderCode, Reason};

use super::event::Aspects;
use super::flight::{Flight, Hold, HoldState, clamp};
use super::offer::Segment;
use super::usage::Bucket;

impl Flight {
    pub(crate) fn refuse(&mut self, code: ProviderCode, ids: &[CommandId]) -> Aspects {
        for id in ids {
            let Some(i) = self.holds.iter().position(|hold| hold.id == *id) else {
                continue;
            };
            let sale = self.holds[i].clone();
            if sale.state != HoldState::Confirmed || sale.provider != code {
                continue;
            }
            self.cancel(*id);
            self.met("sale refused by its provider");
            self.close_sold_from(&sale);
        }
        Aspects {
            applied: 1,
            ..Aspects::default()
        }
    }

    /// What a sale was sold from is not for sale before its provider reports anew.
    fn close_sold_from(&mut self, sale: &Hold) {
        let Some((from, to)) = sale.legs else {
            return;
        };
        let (code, cabin, (board, off)) = (sale.provider, sale.cabin, sale.stations);
        for class in [sale.class, None] {
            let exact = Bucket::Segment(code, board, off, cabin, class);
            if let Some(limit) = self.allotment(exact) {
                limit.until_ms = Some(i64::MIN);
                self.met("refused sale closed its exact segment");
                return;
            }
        }
        for leg in from..=to {
            let in_cabin = Bucket::Cabin(code, leg, cabin);
            let reports_cabin = self.allotment(in_cabin).and_then(|a| a.version).is_some();
            let in_class = sale.class.map(|c| Bucket::Class(code, leg, cabin, c));
            let class = in_class.and_then(|bucket| self.allotment(bucket));
            match class {
                Some(class) if class.version.is_some() || !reports_cabin => {
                    class.until_ms = Some(i64::MIN);
                    self.met("refused sale closed its class");
                }
                _ => {
                    if let Some(cabin) = self.allotment(in_cabin) {
                        cabin.until_ms = Some(i64::MIN);
                        self.met("refused sale closed its cabin");
                    }
                }
            }
        }
    }

    pub(crate) fn reseat(&mut self, settings: &Settings, id: CommandId, ask: &Reseat) -> Outcome {
        match self.try_reseat(settings, id, ask) {
            Ok(outcome) => outcome,
            Err(reason) => Outcome::Refused(reason),
        }
    }

    fn try_reseat(
        &mut self,
        settings: &Settings,
        id: CommandId,
        ask: &Reseat,
    ) -> Result<Outcome, Reason> {
        let lost = self.holds.iter().find(|hold| hold.id == ask.hold);
        let lost = lost.ok_or(Reason::UnknownHold)?.clone();
        match lost.state {
            HoldState::Cancelled => {}
            HoldState::Waiting => return Err(Reason::StillWaiting),
            HoldState::Held | HoldState::Confirmed => return Err(Reason::AlreadyConfirmed),
            HoldState::Released => return Err(Reason::AlreadyReleased),
            HoldState::Expired => return Err(Reason::Expired),
            HoldState::Displaced => return Err(Reason::Displaced),
        }
        if ask.ttl_ms == 0 || ask.ttl_ms > settings.hold_ttl_max_ms {
            return Err(Reason::InvalidTtl);
        }
        // As if its provider were not on the flight, and at any price: then the price is looked at.
        let request = HoldRequest {
            provider: None,
            cabin: lost.cabin,
            class: lost.class,
            board: Some(lost.stations.0),
            off: Some(lost.stations.1),
            seats: lost.seats,
            ttl_ms: Some(ask.ttl_ms),
            expected_price: None,
            wait_ms: None,
        };
        let mut others = self.clone();
        others.providers.remove(&lost.provider);
        let made = others.hold(settings, id, &request);
        let Outcome::Held {
            provider, price, ..
        } = made
        else {
            return match made {
                Outcome::Refused(reason) => Err(reason),
                other => Ok(other),
            };
        };
        let most = ask.price_max;
        let within = price.is_some_and(|price| {
            price.currency == most.currency
                && price.exponent == most.exponent
                && price.minor <= most.minor
        });
        if !within {
            self.met("refused sale too dear elsewhere");
            return Err(Reason::PriceChanged { now: price });
        }
        let legs = self.find_segment(request.board, request.off);
        let legs = legs.ok_or(Reason::UnknownSegment)?;
        let segment = Segment {
            legs,
            stations: lost.stations,
        };
        self.note_price_rule(provider, segment, lost.cabin, lost.class);
        self.met("refused sale seated elsewhere");
        let deadline_ms = clamp(i128::from(self.now.clock_ms) + i128::from(ask.ttl_ms));
        self.holds.push(Hold {
            id,
            provider,
            deadline_ms,
            price,
            state: HoldState::Held,
            wait: None,
            acknowledged_at: None,
            legs: Some(legs),
            made: self.now,
            changed: self.now,
            ..lost
        });
        Ok(Outcome::Held {
            provider,
            seats: request.seats,
            deadline_ms,
            price,
        })
    }
}
