//! What an order asks the outside to do, and what it can hear back.

use core::fmt;

use super::command::SegmentRequest;
use super::ids::{EffectId, OrderId};
use super::reference::BookingReference;
use crate::codes::{CommandId, FlightKey, Money, ProviderCode};
use crate::command::{
    FlightCommand, HoldRequest, ProviderBody, ProviderEvent, Reseat, SourceVersion,
};
use crate::outcome::Reason;

/// Steps of an order, as they are named in answers and tables. The numbers are part of every effect
/// id and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// `hold` seats on a flight.
    Hold = 1,
    /// `confirm` them.
    Confirm = 2,
    /// `release` what is held.
    Release = 3,
    /// `cancel` what is confirmed.
    Cancel = 4,
    /// `authorise` the money.
    Authorise = 5,
    /// `capture` it.
    Capture = 6,
    /// `void` the authorisation.
    Void = 7,
    /// `refund` what was captured.
    Refund = 8,
    /// `ticket` the order.
    Ticket = 9,
    /// `place` what is sold at the provider whose seats they are.
    Place = 10,
    /// `acknowledge`: note in the flight's stream that the provider has it.
    Acknowledge = 11,
    /// `refuse`: note in the flight's stream that the provider does not take it.
    Refuse = 12,
    /// `withdraw` what is placed.
    Withdraw = 13,
}

impl Step {
    /// Every step, in the order of its number.
    pub const ALL: [Step; 13] = [
        Step::Hold,
        Step::Confirm,
        Step::Release,
        Step::Cancel,
        Step::Authorise,
        Step::Capture,
        Step::Void,
        Step::Refund,
        Step::Ticket,
        Step::Place,
        Step::Acknowledge,
        Step::Refuse,
        Step::Withdraw,
    ];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Step::Hold => "hold",
            Step::Confirm => "confirm",
            Step::Release => "release",
            Step::Cancel => "cancel",
            Step::Authorise => "authorise",
            Step::Capture => "capture",
            Step::Void => "void",
            Step::Refund => "refund",
            Step::Ticket => "ticket",
            Step::Place => "place",
            Step::Acknowledge => "acknowledge",
            Step::Refuse => "refuse",
            Step::Withdraw => "withdraw",
        }
    }

    /// Is it done in a flight's stream?
    pub const fn is_about_seats(self) -> bool {
        matches!(
            self,
            Step::Hold
                | Step::Confirm
                | Step::Release
                | Step::Cancel
                | Step::Acknowledge
                | Step::Refuse
        )
    }

    /// Is it done at a provider?
    pub const fn is_outward(self) -> bool {
        matches!(self, Step::Place | Step::Withdraw)
    }

    /// Is it done at the payment service?
    pub const fn is_about_money(self) -> bool {
        matches!(
            self,
            Step::Authorise | Step::Capture | Step::Void | Step::Refund
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something to do outside, with all that is needed to do it.
///
/// The id is [`EffectId::derive`] of the order, the step, the segment and the attempt, where the
/// attempt is, for seats and tickets, the number of the order's attempt (1, and one more each time
/// it is created again after a refusal), and in the upper 32 bits how often the segment was seated anew after
/// a provider's refusal; for money the number of the payment in the upper 32 bits and
/// in the lower how often the step was refused before (only voids and refunds are tried anew).
/// Asking again for an outcome that is unknown is not an attempt: the id stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Identity.
    pub id: EffectId,
    /// Whose.
    pub order: OrderId,
    /// When the order was created (this attempt), Unix time in milliseconds by the stream's clock: no
    /// effect of it was asked for earlier.
    pub since_ms: i64,
    /// How often it has been asked for so far, this time included.
    pub asks: u32,
    /// What to do.
    pub work: Work,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Something in a flight's stream.
    Seats {
        /// Which segment of the order, counted from 0 over all slices.
        segment: u8,
        /// The flight.
        flight: FlightKey,
        /// What to ask of it.
        ask: SeatsAsk,
    },
    /// Something at the payment service.
    Money(MoneyAsk),
    /// Issue the ticket.
    Ticket {
        /// Of this booking.
        booking: BookingReference,
    },
    /// Something at a provider.
    Outward(Box<OutwardWork>),
}

/// What to do at the provider that granted the seats of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutwardWork {
    /// Which segment of the order, counted from 0 over all slices.
    pub segment: u8,
    /// At whom.
    pub provider: ProviderCode,
    /// The name of the placement: the id of the effect that places it.
    pub placement: EffectId,
    /// The order's booking reference.
    pub booking: BookingReference,
    /// What was sold: as it was asked for, at the price that the client pays.
    pub request: SegmentRequest,
    /// The sale in the flight's stream.
    pub hold: CommandId,
    /// How many travellers, those without a seat included.
    pub passengers: u16,
    /// Their details, sealed.
    pub sealed: Box<str>,
    /// What to ask.
    pub ask: OutwardAsk,
}

/// What to ask of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutwardAsk {
    /// Take the sale.
    Place,
    /// Forget about it, whatever became of it.
    Withdraw {
        /// The provider's own name for it, if it gave one.
        reference: Option<Box<str>>,
    },
}

/// What to ask of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatsAsk {
    /// Hold seats. The hold is named by the effect's id.
    Hold(HoldRequest),
    /// Sell what is held.
    Confirm {
        /// The hold.
        hold: CommandId,
    },
    /// Give back what is held.
    Release {
        /// The hold.
        hold: CommandId,
    },
    /// Give back what is sold.
    Cancel {
        /// The hold.
        hold: CommandId,
    },
    /// Hold the seats of a sale that its provider refused, from another one.
    Reseat(Reseat),
    /// The provider has the sale.
    Acknowledge {
        /// The hold.
        hold: CommandId,
        /// Who.
        provider: ProviderCode,
    },
    /// The provider does not take the sale.
    Refuse {
        /// The hold.
        hold: CommandId,
        /// Who.
        provider: ProviderCode,
    },
}

/// What to ask of the payment service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoneyAsk {
    /// Reserve an amount.
    Authorise {
        /// How much.
        amount: Money,
        /// From what, as the client gave it.
        method: Box<str>,
    },
    /// Take what is reserved.
    Capture {
        /// How much.
        amount: Money,
        /// The service's name for the authorisation.
        reference: Box<str>,
    },
    /// Let go of what is reserved.
    Void {
        /// The service's name for the authorisation.
        reference: Box<str>,
    },
    /// Give back what was taken.
    Refund {
        /// How much: may be less than was taken.
        amount: Money,
        /// The service's name for the authorisation.
        reference: Box<str>,
    },
}

impl Work {
    /// Which step of an order it is.
    pub fn step(&self) -> Step {
        match self {
            Work::Seats { ask, .. } => match ask {
                SeatsAsk::Hold(_) | SeatsAsk::Reseat(_) => Step::Hold,
                SeatsAsk::Confirm { .. } => Step::Confirm,
                SeatsAsk::Release { .. } => Step::Release,
                SeatsAsk::Cancel { .. } => Step::Cancel,
                SeatsAsk::Acknowledge { .. } => Step::Acknowledge,
                SeatsAsk::Refuse { .. } => Step::Refuse,
            },
            Work::Money(ask) => match ask {
                MoneyAsk::Authorise { .. } => Step::Authorise,
                MoneyAsk::Capture { .. } => Step::Capture,
                MoneyAsk::Void { .. } => Step::Void,
                MoneyAsk::Refund { .. } => Step::Refund,
            },
            Work::Ticket { .. } => Step::Ticket,
            Work::Outward(work) => match work.ask {
                OutwardAsk::Place => Step::Place,
                OutwardAsk::Withdraw { .. } => Step::Withdraw,
            },
        }
    }

    /// The command for the flight's stream, if it is one. Its id is that of the effect.
    pub fn flight_command(&self) -> Option<(FlightKey, FlightCommand)> {
        let Work::Seats { flight, ask, .. } = self else {
            return None;
        };
        let command = match *ask {
            SeatsAsk::Hold(request) => FlightCommand::Hold(request),
            SeatsAsk::Confirm { hold } => FlightCommand::Confirm { hold },
            SeatsAsk::Release { hold } => FlightCommand::Release { hold },
            SeatsAsk::Cancel { hold } => FlightCommand::Cancel { hold },
            SeatsAsk::Reseat(ask) => FlightCommand::Reseat(ask),
            SeatsAsk::Acknowledge { hold, provider } => {
                said(provider, ProviderBody::Acknowledge(vec![hold]))
            }
            SeatsAsk::Refuse { hold, provider } => said(provider, ProviderBody::Refuse(vec![hold])),
        };
        Some((*flight, command))
    }
}

/// What a provider said of a sale. It has no version: nothing is older or newer.
fn said(provider: ProviderCode, body: ProviderBody) -> FlightCommand {
    FlightCommand::Provider(Box::new(ProviderEvent {
        provider,
        version: SourceVersion::default(),
        authority: 0,
        quality: 0,
        body,
    }))
}

/// What became of an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EffectResult {
    /// Hold: seats are held.
    Held {
        /// From whose allotment.
        provider: ProviderCode,
        /// When the hold lapses, Unix time in milliseconds, by the flight's clock.
        deadline_ms: i64,
        /// Offset of the hold in the flight's partition: tells which notices are older than it.
        offset: u64,
    },
    /// Hold: there are no seats, and the flight has put the hold on its waitlist. What becomes of it
    /// there is another result of the same effect.
    Waiting {
        /// Until when it waits, Unix time in milliseconds, by the flight's clock.
        deadline_ms: i64,
    },
    /// Confirm: they are sold.
    Confirmed,
    /// Release: they are given back.
    Released,
    /// Cancel (or release): they are given back.
    Cancelled,
    /// Any step about seats: the flight refused.
    Refused(Reason),
    /// Authorise: the amount is reserved.
    Authorised {
        /// The service's name for it: what capture, void and refund need.
        reference: Box<str>,
    },
    /// Authorise: refused for good. Nothing is reserved.
    Declined {
        /// The service's code.
        code: Box<str>,
    },
    /// Capture: the money is taken.
    Captured,
    /// Void: nothing is reserved any more.
    Voided,
    /// Refund: the money is given back.
    Refunded,
    /// Ticket: issued.
    Ticketed {
        /// Number of the document.
        number: Box<str>,
    },
    /// Place: the provider has taken it.
    Placed {
        /// Its own name for it.
        reference: Box<str>,
    },
    /// Acknowledge, refuse: the flight has taken note.
    Noted,
    /// Withdraw: the provider has nothing of it any more.
    Withdrawn,
    /// Capture, void, refund, ticket, place, withdraw: refused for good, and nothing was done.
    Failed {
        /// The service's, or the provider's, code.
        code: Box<str>,
    },
    /// Any step: nobody knows whether it was done. It is asked for again, by the same id.
    Unknown,
}

impl EffectResult {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            EffectResult::Held { .. } => "held",
            EffectResult::Waiting { .. } => "waiting",
            EffectResult::Confirmed => "confirmed",
            EffectResult::Released => "released",
            EffectResult::Cancelled => "cancelled",
            EffectResult::Refused(_) => "refused",
            EffectResult::Authorised { .. } => "authorised",
            EffectResult::Declined { .. } => "declined",
            EffectResult::Captured => "captured",
            EffectResult::Voided => "voided",
            EffectResult::Refunded => "refunded",
            EffectResult::Ticketed { .. } => "ticketed",
            EffectResult::Failed { .. } => "failed",
            EffectResult::Placed { .. } => "placed",
            EffectResult::Noted => "noted",
            EffectResult::Withdrawn => "withdrawn",
            EffectResult::Unknown => "unknown",
        }
    }

    /// What a flight's answer to [`Work::flight_command`] is as a result; absent = it cannot be the
    /// answer to one. A repeated [`EffectResult::Waiting`] is what was answered first: what became of
    /// the hold since, [`EffectResult::of_hold`] tells.
    pub const fn of_flight(decision: &crate::outcome::Decision) -> Option<Self> {
        use crate::outcome::{Outcome, Replay};
        let offset = match decision.replay {
            Replay::First => decision.offset,
            Replay::Same { first_offset } => first_offset,
            // An effect always asks the same of its flight: somebody else used its id.
            Replay::Different { .. } => return None,
        };
        match decision.outcome {
            Outcome::Held {
                provider,
                deadline_ms,
                ..
            } => Some(EffectResult::Held {
                provider,
                deadline_ms,
                offset,
            }),
            Outcome::Confirmed { .. } => Some(EffectResult::Confirmed),
            Outcome::Released { .. } => Some(EffectResult::Released),
            Outcome::Cancelled { .. } => Some(EffectResult::Cancelled),
            Outcome::Refused(reason) => Some(EffectResult::Refused(reason)),
            Outcome::Waiting { deadline_ms, .. } => Some(EffectResult::Waiting { deadline_ms }),
            Outcome::Accepted { .. } => Some(EffectResult::Noted),
            Outcome::Stale | Outcome::Noted => None,
        }
    }

    /// What has become by now of a hold that was answered with [`EffectResult::Waiting`].
    pub const fn of_hold(hold: &crate::view::HoldView) -> Self {
        use crate::view::HoldState;
        match hold.state {
            HoldState::Waiting => EffectResult::Waiting {
                deadline_ms: hold.deadline_ms,
            },
            // Only the order itself can have sold it, after it had heard of this.
            HoldState::Held | HoldState::Confirmed => EffectResult::Held {
                provider: hold.provider,
                deadline_ms: hold.deadline_ms,
                offset: hold.changed_offset,
            },
            HoldState::Released => EffectResult::Refused(Reason::AlreadyReleased),
            HoldState::Cancelled => EffectResult::Refused(Reason::AlreadyCancelled),
            HoldState::Expired => EffectResult::Refused(Reason::Expired),
            HoldState::Displaced => EffectResult::Refused(Reason::Displaced),
        }
    }

    /// Can it be the result of this step?
    pub(crate) const fn answers(&self, step: Step) -> bool {
        match self {
            EffectResult::Held { .. } | EffectResult::Waiting { .. } => matches!(step, Step::Hold),
            EffectResult::Confirmed => matches!(step, Step::Confirm),
            EffectResult::Released => matches!(step, Step::Release),
            EffectResult::Cancelled => matches!(step, Step::Release | Step::Cancel),
            EffectResult::Refused(_) => step.is_about_seats(),
            EffectResult::Authorised { .. } | EffectResult::Declined { .. } => {
                matches!(step, Step::Authorise)
            }
            EffectResult::Captured => matches!(step, Step::Capture),
            EffectResult::Voided => matches!(step, Step::Void),
            EffectResult::Refunded => matches!(step, Step::Refund),
            EffectResult::Ticketed { .. } => matches!(step, Step::Ticket),
            EffectResult::Failed { .. } => {
                matches!(
                    step,
                    Step::Capture
                        | Step::Void
                        | Step::Refund
                        | Step::Ticket
                        | Step::Place
                        | Step::Withdraw
                )
            }
            EffectResult::Placed { .. } => matches!(step, Step::Place),
            EffectResult::Noted => matches!(step, Step::Acknowledge | Step::Refuse),
            EffectResult::Withdrawn => matches!(step, Step::Withdraw),
            EffectResult::Unknown => true,
        }
    }
}
