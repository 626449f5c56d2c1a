//! Events past their retention are removed.

use std::time::Duration;

use super::record::{DeliveryStatus, Stored};
use super::{WebhookStore, keys};
use crate::webhooks::error::WebhooksError;

impl WebhookStore {
    /// Removes events that were kept long enough. One with a delivery that is still to be made
    /// stays, whatever its age. Returns how many were removed.
    ///
    /// # Errors
    /// The disk.
    pub fn sweep(&self) -> Result<usize, WebhooksError> {
        let now_ms = self.clock.now_ms();
        // The last one stays: from it the next sequence is told.
        let Some(last) = self.next_event.lock().checked_sub(1) else {
            return Ok(0);
        };
        let mut removed = 0;
        for item in self.spaces.events.range(..last.to_be_bytes()) {
            let (key, value) = item.into_inner().map_err(self.failed("reading"))?;
            let sequence = self.number(keys::tail(&key))?;
            let event: Stored = self.decode(&value, "an event")?;
            let age_ms = now_ms.saturating_sub(event.appended_at_ms);
            if !is_over(age_ms, self.config.delivered_retention) {
                // Those behind it came later.
                break;
            }
            if self.remove_if_done(sequence, &event, age_ms)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn remove_if_done(
        &self,
        sequence: u64,
        event: &Stored,
        age_ms: i64,
    ) -> Result<bool, WebhooksError> {
        let endpoints = self.endpoints.read();
        // Nobody asks for it again meanwhile.
        let _log = self.log.lock();
        let states = self.states_of(sequence)?;
        let mut live = states
            .iter()
            .filter(|(number, _)| endpoints.by_number.contains_key(number));
        let must_stay = live.any(|(_, state)| match state.status {
            DeliveryStatus::Pending => true,
            DeliveryStatus::Failed => !is_over(age_ms, self.config.failed_retention),
            DeliveryStatus::Delivered => false,
        });
        if must_stay {
            return Ok(false);
        }
        let mut batch = self.buffered();
        let spaces = &self.spaces;
        for (number, _) in states {
            batch.remove(&spaces.states, keys::state(sequence, number));
        }
        let of_client = keys::client_event(&event.client, sequence);
        batch.remove(&spaces.client_events, of_client);
        batch.remove(&spaces.event_ids, event.id.as_bytes());
        batch.remove(&spaces.events, sequence.to_be_bytes());
        self.commit(batch)?;
        Ok(true)
    }
}

fn is_over(age_ms: i64, retention: Duration) -> bool {
    age_ms > i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)
}
