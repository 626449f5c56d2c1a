//! An explanation as JSON, for the command line.

use flightline_api::explanation::{entry, line};
use serde_json::{Value, json};

use crate::refold::Explanation;

/// The explanation of one decision.
pub(crate) fn json(explanation: &Explanation) -> Value {
    json!({
        "entry": entry(&explanation.entry),
        "inventory_before": explanation.inventory_before.iter().map(line).collect::<Vec<_>>(),
        "led_there": explanation.led_there.iter().map(entry).collect::<Vec<_>>(),
    })
}
