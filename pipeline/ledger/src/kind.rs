//! Which kind a command is of, as decisions name it.

use crate::command::{FeedCommand, FlightCommand, ProviderBody, ProviderEvent};
use crate::outcome::Kind;

/// What kind of command it is.
#[inline(always)]
pub(crate) fn kind_of(command: &FlightCommand) -> Kind {
    match command {
        FlightCommand::Hold(_) => Kind::Hold,
        FlightCommand::Confirm { .. } => Kind::Confirm,
        FlightCommand::Release { .. } => Kind::Release,
        FlightCommand::Cancel { .. } => Kind::Cancel,
        FlightCommand::Reseat(_) => Kind::Reseat,
        FlightCommand::Provider(event) => kind_of_event(event),
    }
}

pub(crate) fn kind_of_feed(command: &FeedCommand) -> Kind {
    match command {
        FeedCommand::Configure { .. } => Kind::FeedConfigure,
        FeedCommand::Heard { .. } => Kind::FeedHeard,
        FeedCommand::Stop => Kind::FeedStop,
        FeedCommand::Resume => Kind::FeedResume,
        FeedCommand::Unplaced(_) => Kind::FeedUnplaced,
        FeedCommand::Replaced(_) => Kind::FeedReplaced,
        FeedCommand::Numbered(_) => Kind::FeedNumbered,
    }
}

fn kind_of_event(event: &ProviderEvent) -> Kind {
    match event.body {
        ProviderBody::Schedule(_) => Kind::Schedule,
        ProviderBody::TimeChange(_) => Kind::TimeChange,
        ProviderBody::Equipment(_) => Kind::Equipment,
        ProviderBody::Availability(_) => Kind::Availability,
        ProviderBody::Fares(_) => Kind::Fares,
        ProviderBody::Terms(_) => Kind::Terms,
        ProviderBody::Cancel => Kind::FlightCancel,
        ProviderBody::Reinstate => Kind::FlightReinstate,
        ProviderBody::Withdraw => Kind::FlightWithdraw,
        ProviderBody::Acknowledge(_) => Kind::Acknowledge,
        ProviderBody::Refuse(_) => Kind::Refuse,
    }
}
