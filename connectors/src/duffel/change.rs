//! An airline-initiated change: what was booked for somebody flies otherwise now.
//!
//! Such a change is about one order. Where the same flight stands on both sides, its new times are
//! told for all. A flight that only goes away may be cancelled, or this traveller was moved: it is
//! closed for sale, and nothing else is concluded from it.

use flightline_ledger::command::{
    Availability, Counts, LegTimes, Level, SaleStatus, SourceVersion,
};
use flightline_ledger::{FlightKey, ProviderBody};

use super::offer::{made_at, needed, shown};
use super::wire::{Record, Slice};
use crate::canonical::CanonicalEvent;
use crate::market::{Gather, Shown};
use crate::observed::Observed;
use crate::reject::{Code, Fault};

/// Takes a change.
pub(super) fn take(
    gather: &mut Gather,
    (line, raw): (u64, &[u8]),
    change: &Record<'_>,
) -> Result<(), Fault> {
    let id = needed("id", change.id.as_deref())?;
    let Some(own_ms) = made_at(change)? else {
        return Err(Fault::new(
            Code::MissingField,
            "missing field `created_at`: a change without its time could undo a newer one",
        ));
    };
    let removed = flights("removed", change.removed.as_deref().unwrap_or_default())?;
    let added = flights("added", change.added.as_deref().unwrap_or_default())?;
    if removed.is_empty() && added.is_empty() {
        return Err(Fault::new(
            Code::MissingField,
            "the change removes and adds nothing",
        ));
    }
    let version = SourceVersion {
        time_ms: own_ms,
        group: 0,
        sequence: 0,
    };
    let event = |flight: FlightKey, body: ProviderBody| CanonicalEvent {
        flight,
        version,
        message_id: Some(id.chars().take(64).collect()),
        quality: 0,
        body,
        observed: None,
    };
    let same = |one: &Shown, other: &Shown| one.key() == other.key() && one.off() == other.off();
    for old in &removed {
        if added.iter().any(|new| same(old, new)) {
            continue;
        }
        let key = old.key();
        let closed = Availability {
            level: Level::Segment(old.board(), old.off()),
            cabin: None,
            class: None,
            status: SaleStatus::NotOperating,
            seats: None,
            is_floor: false,
            counts: Counts::Total,
            expires_ms: None,
        };
        gather.event(line, event(key, ProviderBody::Availability(closed)));
        gather.warn(
            line,
            Some(key),
            format!(
                "{id} takes a traveller off {key}: closed for sale; whether it is cancelled is not told"
            ),
        );
    }
    let mut fresh = Vec::new();
    for new in added {
        let Some(old) = removed.iter().find(|old| same(old, &new)) else {
            fresh.push((new, Vec::new()));
            continue;
        };
        if old.legs == new.legs {
            continue;
        }
        let times = new
            .legs
            .iter()
            .map(|leg| LegTimes {
                board: leg.board,
                departs_s: leg.departs.instant_s,
                arrives_s: leg.arrives.instant_s,
                departs_offset_min: leg.departs.offset_min,
                arrives_offset_min: leg.arrives.offset_min,
            })
            .collect();
        gather.event(line, event(new.key(), ProviderBody::TimeChange(times)));
    }
    if !fresh.is_empty() {
        gather.journey((line, raw), Some(own_ms), &Observed::default(), fresh);
    }
    Ok(())
}

fn flights(field: &str, slices: &[Slice<'_>]) -> Result<Vec<Shown>, Fault> {
    let mut flights = Vec::new();
    for (n, slice) in slices.iter().enumerate() {
        for (m, segment) in slice.all().iter().enumerate() {
            flights.push(shown(&format!("{field}[{n}].segments[{m}]"), segment)?);
        }
    }
    Ok(flights)
}
