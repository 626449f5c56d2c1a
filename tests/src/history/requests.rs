//! Commands about a flight, aimed at what it has, and commands sent before.

use flightline_ledger::command::Reseat;
use flightline_ledger::{
    Command, CommandId, FlightCommand, FlightKey, HoldRequest, Money, Outcome, Reason,
};

use super::aim;
use super::events;
use super::generate::{Generator, HOUR_MS, MINUTE_MS, What};
use crate::model::{Flight, HoldState, Model};

impl Generator {
    pub(super) fn flight_command(
        &mut self,
        model: &Model,
        what: What,
        key: FlightKey,
        flight: Option<&Flight>,
    ) -> FlightCommand {
        match what {
            What::Confirm => FlightCommand::Confirm {
                hold: self.hold_id(model, flight, HoldState::Held),
            },
            What::Release => FlightCommand::Release {
                hold: self.hold_id(model, flight, HoldState::Held),
            },
            What::Cancel => FlightCommand::Cancel {
                hold: self.hold_id(model, flight, HoldState::Confirmed),
            },
            What::Reseat => {
                let hold = self.hold_id(model, flight, HoldState::Cancelled);
                let asked = self.hold_request(flight);
                let price = asked.expected_price.filter(|_| self.rng.chance(200));
                let cheap = self.rng.chance(150);
                let dear = Money {
                    minor: if cheap { 1 } else { 1_000_000_000 },
                    currency: "USD".parse().unwrap_or_default(),
                    exponent: 2,
                };
                let lost = flight.and_then(|f| f.holds.iter().find(|h| h.id == hold));
                let paid = lost
                    .and_then(|hold| hold.price)
                    .filter(|_| self.rng.chance(300));
                FlightCommand::Reseat(Reseat {
                    hold,
                    ttl_ms: asked.ttl_ms.unwrap_or(60_000),
                    price_max: price.or(paid).unwrap_or(dear),
                })
            }
            What::Event => FlightCommand::Provider(Box::new(events::event(
                &mut self.rng,
                &self.flavour,
                &mut self.versions,
                key,
                flight,
                self.now_ms,
            ))),
            _ => FlightCommand::Hold(self.hold_request(flight)),
        }
    }

    /// A command sent before: to the letter, or its id with other details, or on another flight.
    pub(super) fn again(&mut self, model: &Model, what: What) -> (CommandId, Command) {
        if matches!(what, What::Same)
            && self.rng.chance(250)
            && let Some(rare) = self.set_aside(model)
        {
            return rare;
        }
        let mut at = self.rng.below(self.sent.len());
        if self.rng.chance(500) {
            // Events are fewer than holds, and have as many answers to repeat.
            let is_event = |i: &usize| matches!(self.sent[*i].2, FlightCommand::Provider(_));
            at = (at..self.sent.len()).find(is_event).unwrap_or(at);
        }
        let (key, id, command) = self.sent[at].clone();
        match what {
            What::Same => (id, Command::Flight(key, command)),
            What::Elsewhere => {
                let key = self.flight_key(model);
                (id, Command::Flight(key, command))
            }
            _ => {
                let other = match command {
                    FlightCommand::Hold(request) if self.rng.chance(400) => {
                        FlightCommand::Hold(HoldRequest {
                            seats: request.seats.wrapping_add(1),
                            ..request
                        })
                    }
                    FlightCommand::Provider(mut event) if self.rng.chance(400) => {
                        event.version.sequence = event.version.sequence.wrapping_add(1);
                        FlightCommand::Provider(event)
                    }
                    _ => {
                        let what = self.rng.pick(&[
                            What::Hold,
                            What::Confirm,
                            What::Release,
                            What::Cancel,
                            What::Reseat,
                            What::Event,
                            What::Event,
                            What::Event,
                        ]);
                        self.flight_command(model, what, key, model.flights.get(&key))
                    }
                };
                (id, Command::Flight(key, other))
            }
        }
    }

    /// An event that was set aside, from the whole life of a flight, since these are few.
    fn set_aside(&mut self, model: &Model) -> Option<(CommandId, Command)> {
        let key = self.rng.pick(&self.keys);
        let memory = &model.flights.get(&key)?.memory;
        let is_rare = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::Stale | Outcome::Refused(Reason::InvalidEvent)
            )
        };
        let rare: Vec<CommandId> = memory
            .iter()
            .filter(|(_, first)| is_rare(&first.outcome))
            .map(|(id, _)| *id)
            .collect();
        let id = self.rng.pick_some(&rare)?;
        Some((id, Command::Flight(key, memory[&id].command.clone())))
    }

    fn hold_id(&mut self, model: &Model, flight: Option<&Flight>, wanted: HoldState) -> CommandId {
        let rng = &mut self.rng;
        let holds = flight.map_or(&[][..], |flight| &flight.holds);
        let wanted = if rng.chance(80) {
            HoldState::Waiting
        } else {
            wanted
        };
        let in_state: Vec<CommandId> = holds
            .iter()
            .filter(|hold| hold.state == wanted)
            .map(|hold| hold.id)
            .collect();
        let recent = &in_state[in_state.len().saturating_sub(8)..];
        let found = match rng.weighted(&[(700, 0), (230, 1), (40, 2), (10, 3), (20, 4)]) {
            0 => rng.pick_some(recent),
            1 => rng.pick_some(holds).map(|hold| hold.id),
            2 => {
                // Any command's id: refused holds, events, confirmations, other flights' holds.
                let sent: Vec<CommandId> = self.sent.iter().map(|(_, id, _)| *id).collect();
                rng.pick_some(&sent)
            }
            3 => {
                let all: Vec<CommandId> = model
                    .flights
                    .values()
                    .flat_map(|flight| flight.holds.iter().map(|hold| hold.id))
                    .collect();
                rng.pick_some(&all)
            }
            _ => Some(aim::unknown_id(rng)),
        };
        found
            .or_else(|| rng.pick_some(holds).map(|hold| hold.id))
            .unwrap_or_else(|| aim::unknown_id(rng))
    }

    fn hold_request(&mut self, flight: Option<&Flight>) -> HoldRequest {
        let rng = &mut self.rng;
        let provider = match rng.below(40) {
            0 => Some(aim::any_provider(rng, self.flavour.crowd)),
            1..=22 => Some(aim::provider_on(rng, flight, self.flavour.crowd)),
            _ => None,
        };
        let (board, off) = match rng.below(10) {
            0..=3 => (None, None),
            4..=8 => {
                let (board, off) = aim::segment(rng, flight);
                (Some(board), Some(off))
            }
            _ => {
                let (board, off) = aim::segment(rng, flight);
                (
                    rng.chance(500).then_some(board),
                    rng.chance(500).then_some(off),
                )
            }
        };
        let legs = flight.and_then(|flight| flight.find_segment(board, off));
        let cabin = aim::cabin_of(rng, flight, provider, legs);
        let class = rng
            .chance(500)
            .then(|| aim::class_of(rng, flight, provider, cabin, legs));
        let seats = match rng.weighted(&[(700, 0), (250, 1), (40, 2), (10, 3)]) {
            0 => rng.between(1, 2),
            1 if self.flavour.seats > 2000 => rng.between(500, 999),
            1 => rng.between(1, 5),
            2 => rng.between(1, self.flavour.seats.min(1000)),
            _ => rng.pick(&[0, 999, 1000, i64::from(u16::MAX)]),
        };
        let ttl_ms = match rng.weighted(&[(600, 0), (380, 1), (20, 2)]) {
            0 => None,
            1 => Some(rng.between(1, 20 * MINUTE_MS) as u64),
            _ => Some(rng.pick(&[0, 1, 48 * HOUR_MS as u64, u64::MAX, i64::MAX as u64])),
        };
        let longest_ms = rng.pick(&[40 * MINUTE_MS, 6 * HOUR_MS]);
        let wait_ms = match rng.weighted(&[(600, 0), (380, 1), (20, 2)]) {
            0 => None,
            1 => Some(rng.between(1, longest_ms) as u64),
            _ => Some(rng.pick(&[0, 1, 48 * HOUR_MS as u64, u64::MAX, i64::MAX as u64])),
        };
        // Whoever waits for a price of whichever provider depends on what others take.
        let depends = wait_ms.is_some() && provider.is_none();
        let expected_price = rng.chance(if depends { 400 } else { 120 }).then(|| {
            let known: Vec<_> = flight
                .into_iter()
                .flat_map(|flight| flight.providers.values())
                .flat_map(|p| p.fares.values().map(|(price, _)| *price))
                .collect();
            match rng.pick_some(&known) {
                Some(price) => price,
                None => aim::price(rng),
            }
        });
        HoldRequest {
            provider,
            cabin,
            class,
            board,
            off,
            seats: seats as u16,
            ttl_ms,
            expected_price,
            wait_ms,
        }
    }
}
