//! The history of a flight: its commands, and what was decided about each.

use flightline_ledger::command::{Availability, Counts, Level, ProviderBody, ProviderEvent};
use flightline_ledger::{Command, FlightCommand, Money, Outcome, Reason, Replay};
use serde::Serialize;
use utoipa::ToSchema;

use super::flight::{Quality, sale_status};
use super::hold::Price;
use super::text;
use crate::backend::{Caller, HistoryEntry, Role};

/// One page of a flight's history, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub(crate) struct HistoryAnswer<'a> {
    /// Commands and their outcomes.
    pub(crate) data: Vec<HistoryItem<'a>>,
    pub(crate) meta: PageMeta,
}

/// Where a page lies in its list.
#[derive(Serialize, ToSchema)]
pub(crate) struct PageMeta {
    /// The most items in a page.
    pub(crate) limit: u64,
    /// Cursor of the next page; null = this is the last.
    pub(crate) after: Option<String>,
    /// Cursor of the page before; null = this is the first.
    pub(crate) before: Option<String>,
}

/// One command and its outcome.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryItem<'a> {
    /// Offset in the flight's partition.
    offset: u64,
    /// The partition's clock when it was decided.
    #[schema(value_type = String, format = DateTime)]
    at: text::Text<27>,
    /// What was asked: `hold`, `confirm`, `schedule`, …
    kind: &'static str,
    /// The command's id.
    #[schema(value_type = String, pattern = "^[0-9a-f]{32}$")]
    command_id: text::Text<32>,
    /// The sender's own name for it; shown to the sender and to operators.
    #[serde(rename = "ref")]
    reference: Option<&'a str>,
    /// Who sent it; shown to the sender and to operators.
    actor: Option<&'a str>,
    /// The request, when it is for seats.
    hold: Option<HistoryHold<'a>>,
    /// The hold that is confirmed, released or cancelled.
    #[schema(value_type = Option<String>)]
    hold_id: Option<text::Text<32>>,
    /// The report, when a provider sent it.
    event: Option<HistoryEvent<'a>>,
    /// `held`, `confirmed`, `released`, `cancelled`, `accepted`, `stale`, `noted` or `refused`.
    outcome: &'static str,
    /// Why it was refused.
    reason: Option<&'static str>,
    /// Seats held, sold or given back.
    seats: Option<u16>,
    /// `sold_out`: seats there were.
    available: Option<u16>,
    /// Whose allotment a hold is from.
    provider: Option<String>,
    /// When a hold lapses.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<text::Text<27>>,
    /// Price of one seat.
    price: Option<Price>,
    /// Live holds that lost their seats to a provider's event.
    displaced: Option<u32>,
    /// The command's id was seen before: the offset of then.
    replay_of: Option<u64>,
    /// It was seen before with other details, and refused for that.
    differs: bool,
    /// Other holds that changed in the same step.
    side_effects: Vec<SideEffect>,
}

/// A request for seats, as it was asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryHold<'a> {
    provider: Option<&'a str>,
    cabin: String,
    class: Option<String>,
    board: Option<&'a str>,
    off: Option<&'a str>,
    seats: u16,
    ttl_ms: Option<u64>,
    expected_price: Option<Price>,
}

/// A provider's report.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryEvent<'a> {
    provider: &'a str,
    /// When the provider made it.
    #[schema(value_type = String, format = DateTime)]
    time: text::Text<27>,
    group: u32,
    sequence: u32,
    authority: u8,
    /// What the connector repaired or guessed.
    #[schema(value_type = Vec<String>)]
    quality: Quality,
    /// What it says, for people.
    summary: String,
}

/// A hold that changed without being named.
#[derive(Serialize, ToSchema)]
pub(crate) struct SideEffect {
    #[schema(value_type = String)]
    hold_id: text::Text<32>,
    /// Its new state.
    state: &'static str,
}

impl<'a> HistoryItem<'a> {
    pub(crate) fn of(entry: &'a HistoryEntry, reader: &Caller) -> Self {
        let decision = &entry.decision;
        let note = entry.record.note.as_deref().filter(|note| {
            reader.role == Role::Operator || note.actor.as_deref() == Some(&*reader.name)
        });
        let (hold, hold_id, event) = asked(&entry.record.input.command);
        let mut item = Self {
            offset: decision.offset,
            at: text::instant(decision.at_ms),
            kind: decision.kind.name(),
            command_id: text::command_id(decision.id),
            reference: note.and_then(|note| note.ref_text.as_deref()),
            actor: note.and_then(|note| note.actor.as_deref()),
            hold,
            hold_id,
            event,
            outcome: decision.outcome.name(),
            reason: decision.outcome.reason().map(|reason| reason.code()),
            seats: None,
            available: None,
            provider: None,
            expires_at: None,
            price: None,
            displaced: None,
            replay_of: None,
            differs: matches!(decision.replay, Replay::Different { .. }),
            side_effects: entry
                .side_effects
                .iter()
                .map(|(id, state)| SideEffect {
                    hold_id: text::command_id(*id),
                    state: state.name(),
                })
                .collect(),
        };
        if let Replay::Same { first_offset } | Replay::Different { first_offset } = decision.replay
        {
            item.replay_of = Some(first_offset);
        }
        item.decided(&decision.outcome);
        item
    }

    fn decided(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Held {
                provider,
                seats,
                deadline_ms,
                price,
            } => {
                self.provider = Some(provider.to_string());
                self.seats = Some(*seats);
                self.expires_at = Some(text::instant(*deadline_ms));
                self.price(price.as_ref());
            }
            Outcome::Waiting { deadline_ms, .. } => {
                self.expires_at = Some(text::instant(*deadline_ms));
            }
            Outcome::Confirmed { seats, .. }
            | Outcome::Released { seats, .. }
            | Outcome::Cancelled { seats, .. } => self.seats = Some(*seats),
            Outcome::Accepted { displaced, .. } => self.displaced = Some(*displaced),
            Outcome::Refused(Reason::SoldOut { available }) => self.available = Some(*available),
            Outcome::Refused(Reason::PriceChanged { now }) => self.price(now.as_ref()),
            Outcome::Stale | Outcome::Noted | Outcome::Refused(_) => {}
        }
    }

    fn price(&mut self, price: Option<&Money>) {
        self.price = price.map(Price::of);
    }
}

type Asked<'a> = (
    Option<HistoryHold<'a>>,
    Option<text::Text<32>>,
    Option<HistoryEvent<'a>>,
);

fn asked(command: &Command) -> Asked<'_> {
    let Command::Flight(_, command) = command else {
        return (None, None, None);
    };
    match command {
        FlightCommand::Hold(request) => {
            let hold = HistoryHold {
                provider: request.provider.as_ref().map(|code| code.as_str()),
                cabin: request.cabin.to_string(),
                class: request.class.map(|class| class.to_string()),
                board: request.board.as_ref().map(|station| station.as_str()),
                off: request.off.as_ref().map(|station| station.as_str()),
                seats: request.seats,
                ttl_ms: request.ttl_ms,
                expected_price: request.expected_price.as_ref().map(Price::of),
            };
            (Some(hold), None, None)
        }
        FlightCommand::Confirm { hold }
        | FlightCommand::Release { hold }
        | FlightCommand::Cancel { hold } => (None, Some(text::command_id(*hold)), None),
        FlightCommand::Reseat(ask) => (None, Some(text::command_id(ask.hold)), None),
        FlightCommand::Provider(event) => (None, None, Some(reported(event))),
    }
}

fn reported(event: &ProviderEvent) -> HistoryEvent<'_> {
    HistoryEvent {
        provider: event.provider.as_str(),
        time: text::instant(event.version.time_ms),
        group: event.version.group,
        sequence: event.version.sequence,
        authority: event.authority,
        quality: Quality(event.quality),
        summary: summary(&event.body),
    }
}

fn summary(body: &ProviderBody) -> String {
    match body {
        ProviderBody::Schedule(schedule) => {
            let stations: Vec<_> = schedule.legs.iter().map(|leg| leg.off.as_str()).collect();
            let first = schedule.legs.first().map_or("", |leg| leg.board.as_str());
            format!("schedule {first}-{}", stations.join("-"))
        }
        ProviderBody::TimeChange(legs) => format!("new times of {} legs", legs.len()),
        ProviderBody::Equipment(equipment) => match equipment.board {
            Some(board) => format!("equipment of the leg from {board}"),
            None => "equipment of all legs".to_owned(),
        },
        ProviderBody::Availability(availability) => available(availability),
        ProviderBody::Fares(fares) => format!("{} fares", fares.len()),
        ProviderBody::Terms(terms) => format!("overbooking allowance of {} cabins", terms.len()),
        ProviderBody::Cancel => "cancel".to_owned(),
        ProviderBody::Reinstate => "reinstate".to_owned(),
        ProviderBody::Withdraw => "withdraw".to_owned(),
        ProviderBody::Acknowledge(holds) => format!("acknowledges {} sales", holds.len()),
        ProviderBody::Refuse(holds) => format!("refuses {} sales", holds.len()),
    }
}

fn available(availability: &Availability) -> String {
    let place = match availability.level {
        Level::Flight => "flight".to_owned(),
        Level::Leg(board) => format!("leg from {board}"),
        Level::Segment(board, off) => format!("segment {board}-{off}"),
    };
    let letter = |letter: Option<String>| letter.unwrap_or_else(|| "-".to_owned());
    let count = match (availability.seats, availability.counts) {
        (None, _) => String::new(),
        (Some(seats), Counts::Total) => format!(", {seats} in all"),
        (Some(seats), Counts::Remaining) => format!(", {seats} left"),
    };
    format!(
        "{place}, cabin {}, class {}: {}{count}",
        letter(availability.cabin.map(|cabin| cabin.to_string())),
        letter(availability.class.map(|class| class.to_string())),
        sale_status(availability.status),
    )
}
