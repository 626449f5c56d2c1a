//! One number for the whole state, to compare folds with each other.

use super::command::{FlightChange, FlightNotice};
use super::details;
use super::log::{LogEntry, LogEvent};
use super::memo::Memo;
use super::orders::Orders;
use super::outcome::{OrderOutcome, OrderReason};
use super::print::Print;
use super::state::{CancelQuote, Cause, Charge, Ending, Order, Pending, Segment, Wait};
use crate::outcome::Reason;

const KEY: [u64; 2] = [
    u64::from_le_bytes(*b"flightli"),
    u64::from_le_bytes(*b"ne-state"),
];

impl Orders {
    /// Digest of everything that later decisions can depend on, and of everything that can be read.
    /// Equal histories give equal digests, on any machine.
    pub fn hash_state(&self) -> u128 {
        let mut print = Print::new(KEY);
        print.add_signed(self.clock_ms);
        let settings = &self.settings;
        for duration_ms in [
            settings.instant_hold_ms,
            settings.pay_by_max_ms,
            settings.pay_grace_ms,
            settings.quote_ms,
            settings.ask_again_first_ms,
            settings.ask_again_max_ms,
            settings.claim_max_ms,
            settings.retire_after_ms,
        ] {
            print.add(duration_ms);
        }
        for (id, state) in self.ids.iter().zip(&self.orders) {
            print.add_wide(id.0);
            match state.as_deref().filter(|order| !order.retired) {
                None => print.add(0),
                Some(state) => {
                    print.add(1);
                    order(&mut print, state);
                }
            }
        }
        print.get()
    }
}

fn time(print: &mut Print, at_ms: Option<i64>) {
    print.add_optional(at_ms.map(|at_ms| at_ms as u64));
}

fn text(print: &mut Print, text: Option<&str>) {
    print.add(u64::from(text.is_some()));
    print.add_bytes(text.unwrap_or("").as_bytes());
}

fn order(print: &mut Print, order: &Order) {
    // Taken apart, so that nothing added later is forgotten here.
    let Order {
        id: _,
        at,
        booking,
        attempt,
        created_offset,
        created_ms,
        seated_ms,
        waited,
        hold_ttl_ms,
        details,
        segments,
        stage,
        charge: paid,
        ticket,
        ticketed_ms,
        ending: end,
        ended_ms,
        changes_pending,
        quote: newest,
        quotes,
        pending: waits,
        revision,
        // Derived from what is here and what was.
        milestones,
        retimed,
        told: _,
        memos,
        log,
        retired: _,
        queued: _,
    } = order;
    print.add(u64::from(*at));
    print.add(u64::from_le_bytes(booking.bytes()));
    print.add(u64::from(*attempt));
    print.add(*created_offset);
    print.add_signed(*created_ms);
    // Orders that never waited have the digest that they had before any could.
    if *waited {
        print.add_signed(*seated_ms);
    }
    print.add(*hold_ttl_ms);
    details::create(print, details);
    print.add(segments.len() as u64);
    segments.iter().for_each(|one| segment(print, one));
    print.add(*stage as u64);
    charge(print, paid);
    text(print, ticket.as_deref());
    time(print, *ticketed_ms);
    print.add(u64::from(end.is_some()));
    if let Some(end) = end {
        ending(print, end);
    }
    time(print, *ended_ms);
    print.add(u64::from(*changes_pending));
    print.add(u64::from(newest.is_some()));
    if let Some(newest) = newest {
        quote(print, newest);
    }
    print.add(u64::from(*quotes));
    print.add(waits.len() as u64);
    waits.iter().for_each(|one| pending(print, one));
    print.add(*revision);
    print.add(milestones.len() as u64);
    print.add(u64::from(*retimed));
    print.add(memos.as_slice().len() as u64);
    memos.as_slice().iter().for_each(|one| memo(print, one));
    print.add(log.dropped());
    print.add(log.iter().count() as u64);
    log.iter().for_each(|one| entry(print, one));
}

fn segment(print: &mut Print, segment: &Segment) {
    let Segment {
        slice,
        request,
        seat,
        hold,
        provider,
        deadline_ms,
        held_offset,
        gone_offset,
        departs_ms,
        times_offset,
    } = segment;
    print.add(u64::from(*slice) << 8 | *seat as u64);
    details::segment(print, request);
    print.add_wide(hold.0);
    print.add_bytes(&provider.map_or([0; 16], |code| code.bytes()));
    time(print, *deadline_ms);
    print.add_optional(*held_offset);
    print.add_optional(*gone_offset);
    print.add_signed(*departs_ms);
    print.add_optional(*times_offset);
}

fn charge(print: &mut Print, charge: &Charge) {
    let Charge {
        number,
        money,
        method,
        reference,
        code,
        failures,
        captured_ms,
    } = charge;
    print.add(u64::from(*number) << 32 | u64::from(*failures));
    print.add(*money as u64);
    print.add_bytes(method.as_bytes());
    text(print, reference.as_deref());
    text(print, code.as_deref());
    time(print, *captured_ms);
}

fn ending(print: &mut Print, ending: &Ending) {
    let Ending {
        cause: why,
        state,
        refund_minor,
        offset,
        at_ms,
    } = ending;
    print.add_bytes(why.name().as_bytes());
    match why {
        Cause::SeatsRefused {
            segment,
            step,
            reason: why,
        } => {
            print.add(u64::from(*segment) << 8 | *step as u64);
            reason(print, why);
        }
        Cause::Declined { code } | Cause::CaptureFailed { code } | Cause::TicketFailed { code } => {
            print.add_bytes(code.as_bytes());
        }
        Cause::ByClient { quote } => print.add_wide(quote.0),
        Cause::FlightCancelled { segment } | Cause::Displaced { segment } => {
            print.add(u64::from(*segment));
        }
        Cause::HoldsTimedOut | Cause::TimesChanged | Cause::PaymentTimedOut | Cause::NotPaid => {}
    }
    print.add(*state as u64);
    print.add_signed(*refund_minor);
    print.add(*offset);
    print.add_signed(*at_ms);
}

fn reason(print: &mut Print, reason: &Reason) {
    print.add_bytes(reason.code().as_bytes());
    match reason {
        Reason::SoldOut { available } => print.add(u64::from(*available)),
        Reason::PriceChanged { now: Some(now) } => details::money(print, *now),
        _ => {}
    }
}

fn quote(print: &mut Print, quote: &CancelQuote) {
    let CancelQuote {
        id,
        made_ms,
        expires_ms,
        refund_minor,
        unpaid,
        stale,
        confirmed_ms,
    } = quote;
    print.add_wide(id.0);
    print.add_signed(*made_ms);
    print.add_signed(*expires_ms);
    print.add_signed(*refund_minor);
    print.add(u64::from(*unpaid) << 1 | u64::from(*stale));
    time(print, *confirmed_ms);
}

fn pending(print: &mut Print, pending: &Pending) {
    let Pending {
        id,
        step,
        segment,
        asks,
        wait,
    } = pending;
    print.add_wide(id.0);
    print.add(u64::from(*asks) << 16 | (*step as u64) << 8 | u64::from(*segment));
    let (kind, replica) = match wait {
        Wait::Ready { .. } => (1, 0),
        Wait::Later { .. } => (2, 0),
        Wait::Claimed { replica, .. } => (3, *replica),
    };
    print.add(kind);
    print.add(replica);
    print.add_signed(wait.until_ms());
}

fn memo(print: &mut Print, memo: &Memo) {
    let Memo {
        id,
        details,
        offset,
        outcome: answer,
    } = memo;
    print.add_wide(id.0);
    print.add_wide(*details);
    print.add(*offset);
    outcome(print, answer);
}

fn outcome(print: &mut Print, outcome: &OrderOutcome) {
    print.add_bytes(outcome.name().as_bytes());
    match outcome {
        OrderOutcome::Created { booking } => print.add(u64::from_le_bytes(booking.bytes())),
        OrderOutcome::PaymentStarted { payment } => print.add(u64::from(*payment)),
        OrderOutcome::Quoted {
            quote,
            refund,
            unpaid,
            expires_at_ms,
        } => {
            print.add_wide(quote.0);
            details::money(print, *refund);
            print.add(u64::from(*unpaid));
            print.add_signed(*expires_at_ms);
        }
        OrderOutcome::CancelStarted { refund } => details::money(print, *refund),
        OrderOutcome::AskedAgain { at_ms } => print.add_signed(*at_ms),
        OrderOutcome::Claimed { until_ms } => print.add_signed(*until_ms),
        OrderOutcome::Refused(reason) => refusal(print, reason),
        OrderOutcome::MetadataSet
        | OrderOutcome::ChangesAccepted
        | OrderOutcome::Heard
        | OrderOutcome::Stale
        | OrderOutcome::Noted => {}
    }
}

fn refusal(print: &mut Print, reason: &OrderReason) {
    print.add_bytes(reason.code().as_bytes());
    match reason {
        OrderReason::Invalid(field) => print.add_bytes(field.name().as_bytes()),
        OrderReason::ClaimedByAnother { until_ms } => print.add_signed(*until_ms),
        OrderReason::NotDue { at_ms } => print.add_signed(*at_ms),
        _ => {}
    }
}

fn entry(print: &mut Print, entry: &LogEntry) {
    let LogEntry {
        offset,
        at_ms,
        event,
        state,
    } = entry;
    print.add(*offset);
    print.add_signed(*at_ms);
    print.add(*state as u64);
    match event {
        LogEvent::Command {
            kind,
            id,
            outcome: answer,
        } => {
            print.add(1 << 8 | *kind as u64);
            print.add_wide(id.0);
            outcome(print, answer);
        }
        LogEvent::Result {
            effect,
            step,
            segment,
            result,
            reason: why,
        } => {
            print.add(2 << 16 | (*step as u64) << 8 | u64::from(*segment));
            print.add_wide(effect.0);
            print.add_bytes(result.as_bytes());
            if let Some(why) = why {
                reason(print, why);
            }
        }
        LogEvent::Notice(FlightNotice {
            flight,
            offset,
            change,
        }) => {
            print.add(3);
            print.add_bytes(&flight.to_bytes());
            print.add(*offset);
            match change {
                FlightChange::Cancelled => print.add(1),
                FlightChange::Displaced { hold } => {
                    print.add(2);
                    print.add_wide(hold.0);
                }
                FlightChange::Times { board, departs_ms } => {
                    print.add(3);
                    print.add(details::station(Some(*board)));
                    print.add_signed(*departs_ms);
                }
            }
        }
        LogEvent::Deadline => print.add(4),
    }
}
