//! Clients: they ask any machine, ask again when they hear nothing, and remember every answer.

use std::collections::BTreeMap;

use flightline_api::backend::{Answer, Backend, OrderAnswer, OrderSubmit, Submit};
use flightline_ledger::command::{
    CabinPlan, Fare, Leg, LegTimes, ProviderBody, ProviderEvent, Schedule, SourceVersion,
};
use flightline_ledger::order::{
    CreateOrder, OfferRequestId, OrderAction, OrderId, OrderOutcome, Payment, RefundTerms,
    SegmentRequest, Terms,
};
use flightline_ledger::{
    Cabin, Command, CommandId, FlightCommand, FlightKey, HoldRequest, Money, Outcome,
};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::world::World;
use crate::history::Rng;

/// The flights, and how many seats each has.
pub(super) const FLIGHTS: [(&str, u16); 4] = [
    ("UA1.2027-03-01.EWR", 3),
    ("UA2.2027-03-01.EWR", 6),
    ("UA3.2027-03-01.EWR", 9),
    ("UA4.2027-03-01.EWR", 5),
];

/// Price of every seat.
pub(super) const FARE_MINOR: i64 = 10_000;

/// 1 March 2027, 12:00 UTC; each flight leaves three hours after the one before.
const DEPARTS_S: i64 = 1_803_859_200 + 12 * 3600;

fn flight(at: usize) -> FlightKey {
    match FLIGHTS[at].0.parse() {
        Ok(key) => key,
        Err(e) => panic!("{}: {e}", FLIGHTS[at].0),
    }
}

fn cabin() -> Cabin {
    match "Y".parse() {
        Ok(cabin) => cabin,
        Err(e) => panic!("{e}"),
    }
}

fn usd(minor: i64) -> Money {
    match "USD".parse() {
        Ok(currency) => Money {
            minor,
            currency,
            exponent: 2,
        },
        Err(e) => panic!("{e}"),
    }
}

/// What a client wants.
#[derive(Clone)]
enum Wish {
    Flight(FlightKey, FlightCommand),
    Order(OrderId, OrderAction),
}

enum Line {
    Flight(oneshot::Receiver<Answer>),
    Order(oneshot::Receiver<OrderAnswer>),
}

/// One request, under one id for ever.
struct Request {
    id: CommandId,
    wish: Wish,
    /// Where it was sent, and who listens there.
    open: Vec<(usize, Line)>,
    is_answered: bool,
}

/// An answer that a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) id: CommandId,
    pub(super) partition: u32,
    pub(super) offset: u64,
    /// The outcome, as text.
    pub(super) outcome: String,
    pub(super) of_order: bool,
}

/// All of them.
pub(super) struct Clients {
    requests: Vec<Request>,
    /// Wishes that follow from answers.
    then: Vec<Wish>,
    pub(super) told: Vec<Told>,
    pub(super) outcomes: BTreeMap<u128, String>,
    next: u64,
    /// Flights that are known to be there: a hold on another is refused, and its id not remembered.
    known: Vec<usize>,
}

impl Clients {
    pub(super) fn new() -> Self {
        let mut clients = Self {
            requests: Vec::new(),
            then: Vec::new(),
            told: Vec::new(),
            outcomes: BTreeMap::new(),
            next: 0,
            known: Vec::new(),
        };
        for at in 0..FLIGHTS.len() {
            clients.want(Wish::Flight(flight(at), schedule(at)));
        }
        clients
    }

    fn want(&mut self, wish: Wish) {
        self.next += 1;
        self.requests.push(Request {
            id: CommandId(u128::from(self.next) << 64 | 0x51),
            wish,
            open: Vec::new(),
            is_answered: false,
        });
    }

    /// Somebody wants something.
    pub(super) fn come(&mut self, rng: &mut Rng) {
        if !self.then.is_empty() && rng.chance(600) {
            let at = rng.below(self.then.len());
            let wish = self.then.swap_remove(at);
            return self.want(wish);
        }
        let Some(at) = rng.pick_some(&self.known) else {
            return;
        };
        let seats = rng.between(1, 2) as u16;
        let wish = match rng.below(10) {
            0..5 => Wish::Flight(flight(at), hold(seats)),
            5..8 => {
                let method = "balance".into();
                self.order(rng, seats, Terms::Instant { method })
            }
            _ => self.order(
                rng,
                seats,
                Terms::Hold {
                    pay_by_ms: 3_600_000,
                },
            ),
        };
        self.want(wish);
    }

    fn order(&self, rng: &mut Rng, seats: u16, terms: Terms) -> Wish {
        let first = rng.pick(&self.known);
        let later = self.known.iter().copied().filter(|at| *at > first);
        let second = rng.pick_some(&later.collect::<Vec<_>>());
        let mut flights = vec![first];
        if rng.chance(500) {
            flights.extend(second);
        }
        let request = OfferRequestId(u128::from(self.next + 1) << 64 | 77);
        let segment = |at: &usize| {
            vec![SegmentRequest {
                flight: flight(*at),
                provider: None,
                cabin: cabin(),
                class: None,
                board: None,
                off: None,
                seats,
                price: usd(FARE_MINOR),
                departs_ms: departs_s(*at) * 1000,
            }]
        };
        let waits = rng.chance(250);
        let create = CreateOrder {
            offer_request: request,
            offer: format!("off_{}", self.next).into(),
            client: "shop".into(),
            terms,
            wait_ms: waits.then_some(20_000),
            slices: flights.iter().map(segment).collect(),
            passengers: seats,
            sealed: "sealed".into(),
            total: usd(FARE_MINOR * i64::from(seats) * flights.len() as i64),
            refund: RefundTerms::Full,
            metadata: Vec::new(),
        };
        Wish::Order(OrderId::of(request), OrderAction::Create(Box::new(create)))
    }

    /// Requests that nobody has been asked for, or of which nothing was heard.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.requests.iter().enumerate();
        all.filter(|(_, r)| !r.is_answered && r.open.is_empty())
            .map(|(at, _)| at)
    }

    /// Requests that were sent somewhere, to be sent once more elsewhere.
    pub(super) fn impatient(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.requests.iter().enumerate();
        all.filter(|(_, r)| r.open.len() == 1).map(|(at, _)| at)
    }

    /// Is there anything that was asked and not answered?
    pub(super) fn all_answered(&self) -> bool {
        self.requests.iter().all(|r| r.is_answered)
    }

    /// Sends a request to a machine.
    pub(super) fn send(&mut self, at: usize, machine: usize, to: &dyn Backend, world: &mut World) {
        let request = &mut self.requests[at];
        let line = match &request.wish {
            Wish::Flight(flight, command) => to
                .submit(Submit {
                    id: request.id,
                    command: Command::Flight(*flight, command.clone()),
                    ref_text: None,
                    actor: Some("shop".into()),
                })
                .map(Line::Flight),
            Wish::Order(order, action) => to
                .submit_order(OrderSubmit {
                    id: request.id,
                    order: *order,
                    action: action.clone(),
                    actor: Some("shop".into()),
                })
                .map(Line::Order),
        };
        let taken = line.is_ok();
        world.note(format_args!(
            "client asks m{machine} for {} (taken: {taken})",
            request.id.0 >> 64
        ));
        request.open.extend(line.ok().map(|line| (machine, line)));
    }

    /// Hears what the machines answer.
    pub(super) fn hear(&mut self, world: &mut World) {
        let mut heard = Vec::new();
        for (number, request) in self.requests.iter_mut().enumerate() {
            let mut still_open = Vec::new();
            for (machine, mut line) in std::mem::take(&mut request.open) {
                let told = match &mut line {
                    Line::Flight(line) => line.try_recv().map(|a| told_of_flight(&a)),
                    Line::Order(line) => line.try_recv().map(|a| told_of_order(&a)),
                };
                match told {
                    Ok((told, next)) => {
                        request.is_answered = true;
                        heard.push((number, machine, told, next));
                    }
                    Err(TryRecvError::Empty) => still_open.push((machine, line)),
                    // Nobody knows what became of it: it is asked again.
                    Err(TryRecvError::Closed) => {}
                }
            }
            request.open = still_open;
        }
        for (number, machine, told, next) in heard {
            world.note(format_args!(
                "m{machine} answers {}: {} at {}:{}",
                told.id.0 >> 64,
                told.outcome,
                told.partition,
                told.offset
            ));
            let before = self.outcomes.insert(told.id.0, told.outcome.clone());
            if let Some(before) = &before
                && *before != told.outcome
            {
                world.blame_unless_parted(format!(
                    "request {} was answered {before} and then {}",
                    told.id.0 >> 64,
                    told.outcome
                ));
            }
            self.told.push(told);
            if before.is_none() {
                self.follow_up(number, next, world);
            }
        }
    }

    fn follow_up(&mut self, number: usize, next: Next, world: &mut World) {
        let request = &self.requests[number];
        let (id, rng) = (request.id, &mut world.rng);
        let wish = match (&request.wish, next) {
            // What comes before its flight is not refused for ever, but sent again by the replica's
            // desk of reports, which is not here.
            (Wish::Flight(flight, FlightCommand::Provider(event)), Next::Accepted)
                if matches!(event.body, ProviderBody::Schedule(_)) =>
            {
                let at = FLIGHTS
                    .iter()
                    .position(|(key, _)| *key == flight.to_string());
                self.known.extend(at);
                Some(Wish::Flight(*flight, fares()))
            }
            (Wish::Flight(flight, FlightCommand::Hold(_)), Next::Held) => {
                let command = match rng.below(4) {
                    0 => FlightCommand::Release { hold: id },
                    _ => FlightCommand::Confirm { hold: id },
                };
                Some(Wish::Flight(*flight, command))
            }
            (Wish::Flight(flight, FlightCommand::Confirm { hold }), Next::Sold)
                if rng.chance(300) =>
            {
                Some(Wish::Flight(*flight, FlightCommand::Cancel { hold: *hold }))
            }
            (Wish::Order(order, OrderAction::Create(create)), Next::Created) => {
                let action = match (&create.terms, rng.below(3)) {
                    (Terms::Hold { .. }, 0 | 1) => Some(OrderAction::Pay(Payment {
                        amount: create.total,
                        method: "balance".into(),
                    })),
                    (_, 2) => Some(OrderAction::QuoteCancel),
                    _ => None,
                };
                action.map(|action| Wish::Order(*order, action))
            }
            (Wish::Order(order, OrderAction::QuoteCancel), Next::Quoted(quote)) => {
                Some(Wish::Order(*order, OrderAction::ConfirmCancel { quote }))
            }
            _ => None,
        };
        self.then.extend(wish);
    }
}

/// What may follow on an answer.
#[derive(Clone, Copy)]
enum Next {
    Accepted,
    Held,
    Sold,
    Created,
    Quoted(flightline_ledger::order::QuoteId),
    Nothing,
}

fn told_of_flight(answer: &Answer) -> (Told, Next) {
    let decision = &answer.decision;
    let next = match decision.outcome {
        Outcome::Accepted { .. } => Next::Accepted,
        Outcome::Held { .. } => Next::Held,
        Outcome::Confirmed { .. } => Next::Sold,
        _ => Next::Nothing,
    };
    let told = Told {
        id: decision.id,
        partition: answer.partition,
        offset: decision.offset,
        outcome: format!("{:?}", decision.outcome),
        of_order: false,
    };
    (told, next)
}

fn told_of_order(answer: &OrderAnswer) -> (Told, Next) {
    let decision = &answer.decision;
    let next = match decision.outcome {
        OrderOutcome::Created { .. } => Next::Created,
        OrderOutcome::Quoted { quote, .. } => Next::Quoted(quote),
        _ => Next::Nothing,
    };
    let told = Told {
        id: decision.id,
        partition: answer.partition,
        offset: decision.offset,
        outcome: format!("{:?}", decision.outcome),
        of_order: true,
    };
    (told, next)
}

fn departs_s(at: usize) -> i64 {
    DEPARTS_S + at as i64 * 3 * 3600
}

fn hold(seats: u16) -> FlightCommand {
    FlightCommand::Hold(HoldRequest {
        provider: None,
        cabin: cabin(),
        class: None,
        board: None,
        off: None,
        seats,
        ttl_ms: Some(30_000),
        expected_price: None,
        wait_ms: None,
    })
}

fn event(sequence: u32, body: ProviderBody) -> FlightCommand {
    let provider = match "acme".parse() {
        Ok(provider) => provider,
        Err(e) => panic!("{e}"),
    };
    FlightCommand::Provider(Box::new(ProviderEvent {
        provider,
        version: SourceVersion {
            time_ms: 1,
            group: 0,
            sequence,
        },
        authority: 1,
        quality: 0,
        body,
    }))
}

fn schedule(at: usize) -> FlightCommand {
    let off = match "IAH".parse() {
        Ok(off) => off,
        Err(e) => panic!("{e}"),
    };
    let leg = Leg {
        board: flight(at).board,
        off,
        times: LegTimes {
            board: flight(at).board,
            departs_s: departs_s(at),
            arrives_s: departs_s(at) + 7200,
            departs_offset_min: 0,
            arrives_offset_min: 0,
        },
        aircraft: *b"738",
        service: b'J',
        cabins: vec![CabinPlan {
            cabin: cabin(),
            seats: Some(FLIGHTS[at].1),
            authorised: None,
            classes: Vec::new(),
        }],
    };
    event(
        1,
        ProviderBody::Schedule(Schedule {
            legs: vec![leg],
            restricted: Vec::new(),
            operating: None,
        }),
    )
}

fn fares() -> FlightCommand {
    event(
        2,
        ProviderBody::Fares(vec![Fare {
            segment: None,
            cabin: cabin(),
            class: None,
            price: usd(FARE_MINOR),
        }]),
    )
}
