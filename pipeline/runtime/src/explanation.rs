//! An explanation as JSON, for the command line.

use flightline_api::backend::HistoryEntry;
use flightline_ledger::{Date, Outcome, Reason, Replay};
use serde_json::{Value, json};

use crate::refold::Explanation;

/// Unix time in milliseconds as `2027-01-05T08:00:00.123Z`.
pub(crate) fn instant(at_ms: i64) -> String {
    let days = at_ms.div_euclid(86_400_000);
    let Ok(days) = i32::try_from(days) else {
        return at_ms.to_string();
    };
    let ms = at_ms.rem_euclid(86_400_000);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{}T{h:02}:{m:02}:{s:02}.{:03}Z", Date(days), ms % 1000)
}

/// The explanation of one decision.
pub(crate) fn json(explanation: &Explanation) -> Value {
    let inventory: Vec<Value> = explanation
        .inventory_before
        .iter()
        .map(|line| {
            json!({
                "provider": line.provider.as_str(), "leg_no": line.leg + 1,
                "cabin": line.cabin.to_string(), "class": line.class.map(|c| c.to_string()),
                "authorised": line.authorised, "held": line.held, "sold": line.sold,
                "available": line.available, "oversold": line.oversold,
                "status": format!("{:?}", line.status).to_lowercase(),
            })
        })
        .collect();
    json!({
        "entry": entry(&explanation.entry),
        "inventory_before": inventory,
        "led_there": explanation.led_there.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn entry(entry: &HistoryEntry) -> Value {
    let decision = &entry.decision;
    let note = entry.record.note.as_deref();
    let name = note
        .and_then(|n| n.ref_text.as_deref())
        .map_or_else(|| decision.id.to_string(), str::to_owned);
    let (replay, first) = match decision.replay {
        Replay::First => ("first", None),
        Replay::Same { first_offset } => ("same", Some(first_offset)),
        Replay::Different { first_offset } => ("different", Some(first_offset)),
    };
    let available = match decision.outcome {
        Outcome::Refused(Reason::SoldOut { available }) => Some(available),
        _ => None,
    };
    let side_effects: Vec<Value> = entry
        .side_effects
        .iter()
        .map(|(hold, state)| json!({"hold": hold.to_string(), "state": state.name()}))
        .collect();
    json!({
        "offset": format!("{}:{}", entry.record.partition, decision.offset),
        "at": instant(decision.at_ms),
        "flight": decision.flight.to_string(),
        "kind": decision.kind.name(),
        "id": name,
        "actor": note.and_then(|n| n.actor.as_deref()),
        "outcome": decision.outcome.name(),
        "reason": decision.outcome.reason().map(|r| r.code()),
        "available": available,
        "replay": replay,
        "first_offset": first,
        "side_effects": side_effects,
    })
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn instants_are_utc() {
        assert_eq!(instant(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(instant(1_799_193_599_123), "2027-01-05T23:59:59.123Z");
        assert_eq!(instant(-1), "1969-12-31T23:59:59.999Z");
    }
}
