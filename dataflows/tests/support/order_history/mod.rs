//! Random histories of orders among those of flights.
//!
//! Records about orders are put between the records of [`history`](super::history): what clients ask,
//! results of effects that are right, wrong, late or doubled, claims, notices, settings. A fold runs
//! along, so that most of it is about something that is there.

mod said;

use flightline_dataflows::changelog::Record;
use flightline_dataflows::references;
use flightline_dataflows::rows::Note;
use flightline_ledger::order::{
    Effect, EffectResult, OfferRequestId, OrderAction, OrderCommand, OrderId, OrderObserver,
    OrderOutcome, Orders, Outstanding, QuoteId,
};
use flightline_ledger::{Command, CommandId, Decision, FlightKey, Input, Ledger, Silent};

use super::{Dice, history};

/// Above all ids of commands about flights.
const IDS_FROM: u128 = 1 << 64;

/// A history of flights and orders over `partitions`: so many records about flights, and up to four
/// about orders after each.
pub fn random(seed: u64, partitions: u32, flight_records: usize) -> Vec<Record> {
    let mut maker = Maker::new(seed, partitions);
    for record in history::random(seed, partitions, flight_records) {
        maker.now_ms = record.input.at_ms;
        if let Command::Flight(flight, _) = &record.input.command {
            maker.flights.push(*flight);
        }
        let (id, command) = (record.input.id, record.input.command);
        maker.push(record.partition, id, command, record.note);
        for _ in 0..maker.dice.below(5) {
            maker.now_ms += maker.dice.below(300) as i64;
            maker.about_orders();
        }
    }
    maker.records
}

struct Maker {
    dice: Dice,
    partitions: u32,
    orders: Vec<Orders>,
    ledgers: Vec<Ledger>,
    offsets: Vec<u64>,
    now_ms: i64,
    ids: u128,
    flights: Vec<FlightKey>,
    requests: u128,
    /// What clients asked last, to ask it again.
    asked: Vec<(CommandId, OrderId, OrderAction)>,
    /// Results, some of them again or not yet told.
    mail: Vec<(OrderId, OrderAction)>,
    quotes: Vec<(OrderId, QuoteId)>,
    records: Vec<Record>,
}

/// What the fold asked for in one record.
#[derive(Default)]
struct Due(Vec<Effect>);

impl OrderObserver for Due {
    fn effect_due(&mut self, effect: &Effect) {
        self.0.push(effect.clone());
    }
}

fn remember<T>(list: &mut Vec<T>, one: T) {
    list.push(one);
    if list.len() > 40 {
        list.remove(0);
    }
}

impl Maker {
    fn new(seed: u64, partitions: u32) -> Self {
        let orders = (0..partitions).map(|p| Orders::new(p, references(partitions)));
        Self {
            dice: Dice(!seed),
            partitions,
            orders: orders.collect(),
            ledgers: (0..partitions).map(|_| Ledger::new()).collect(),
            offsets: vec![0; partitions as usize],
            now_ms: 0,
            ids: IDS_FROM,
            flights: Vec::new(),
            requests: 0,
            asked: Vec::new(),
            mail: Vec::new(),
            quotes: Vec::new(),
            records: Vec::new(),
        }
    }

    fn push(
        &mut self,
        partition: u32,
        id: CommandId,
        command: Command,
        note: Option<Box<Note>>,
    ) -> Decision {
        let at = partition as usize;
        let input = Input {
            offset: self.offsets[at],
            at_ms: self.now_ms,
            id,
            command,
        };
        self.offsets[at] += 1;
        let about = OrderCommand::of(&input.command);
        let mut due = Due::default();
        let decided = self.orders[at].apply(input.offset, input.at_ms, id, &about, &mut due);
        if let (Some(order), OrderOutcome::Quoted { quote, .. }) = (decided.order, decided.outcome)
        {
            remember(&mut self.quotes, (order, quote));
        }
        let decision = self.ledgers[at].apply(&input, &mut Silent);
        self.records.push(Record {
            partition,
            input,
            note,
        });
        for effect in due.0 {
            self.run(&effect);
        }
        decision
    }

    /// Now and then an effect on a flight is run for real; the others are answered by chance.
    fn run(&mut self, effect: &Effect) {
        let Some((flight, command)) = effect.work.flight_command() else {
            return;
        };
        if !self.dice.one_in(6) {
            return;
        }
        let partition = history::partition_of(&flight, self.partitions);
        let command = Command::Flight(flight, command);
        let decision = self.push(partition, effect.id.into(), command, None);
        if let Some(result) = EffectResult::of_flight(&decision) {
            let effect_id = effect.id;
            let done = OrderAction::EffectDone {
                effect: effect_id,
                result,
            };
            remember(&mut self.mail, (effect.order, done));
        }
    }

    fn tell(&mut self, id: CommandId, order: OrderId, action: OrderAction) {
        // Once in a while to the wrong stream, where nobody knows it; made only where it belongs.
        let home = (order.0 % u128::from(self.partitions)) as u32;
        let is_create = matches!(action, OrderAction::Create(_));
        let partition = if !is_create && self.dice.one_in(200) {
            (home + 1) % self.partitions
        } else {
            home
        };
        let note = self.dice.one_in(3).then(|| {
            Box::new(Note {
                ref_text: None,
                actor: Some("shop".into()),
            })
        });
        let command = Command::Order(order, Box::new(action));
        self.push(partition, id, command, note);
    }

    fn say(&mut self, order: OrderId, action: OrderAction) {
        self.ids += 1;
        self.tell(CommandId(self.ids), order, action);
    }

    /// A client's command, which may come again.
    fn ask(&mut self, order: OrderId, action: OrderAction) {
        self.ids += 1;
        let id = CommandId(self.ids);
        remember(&mut self.asked, (id, order, action.clone()));
        self.tell(id, order, action);
    }

    /// An order that was asked for lately, as a rule.
    fn order(&mut self) -> OrderId {
        let back = self.dice.below(12).min(self.dice.below(12));
        let request = self.requests.saturating_sub(u128::from(back));
        OrderId::of(OfferRequestId(request))
    }

    /// Something that an order waits for.
    fn outstanding(&mut self) -> Option<Outstanding> {
        let partition = self.dice.below(u64::from(self.partitions)) as usize;
        let waiting: Vec<Outstanding> = self.orders[partition].outstanding().collect();
        (!waiting.is_empty()).then(|| self.dice.pick(&waiting))
    }

    fn about_orders(&mut self) {
        match self.dice.below(100) {
            0..=9 => {
                self.requests += 1;
                self.create(self.requests);
            }
            10..=11 => {
                let back = u128::from(self.dice.below(8));
                self.create(self.requests.saturating_sub(back));
            }
            12..=54 => self.answer(),
            55..=62 => self.mail(),
            63..=64 => self.nonsense(),
            65..=95 => self.client(),
            96 => self.settings(),
            97 => self.accept(),
            _ => self.notice(),
        }
    }
}
