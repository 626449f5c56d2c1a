//! Lists for clients, and the port.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_postgres::Row;

use super::{PostgresStore, number_of, place_of};
use crate::webhooks::clock::Clock;
use crate::webhooks::endpoint::{CreatedEndpoint, Endpoint, EndpointPatch, NewEndpoint};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::{Event, EventKind, NewEvent};
use crate::webhooks::page::{Page, PageOf, Wanted, paged};
use crate::webhooks::port::{Changed, Store};
use crate::webhooks::store::{
    Appended, Delivery, DeliveryFilter, DeliveryState, DeliveryStatus, Due, EventFilter, Outcome,
    Progress, Work,
};

const COLUMNS: &str = "v.sequence, v.id, v.client, v.kind, v.object_id, v.created_at_ms, v.body";

const STATES: &str = "\
SELECT d.event, e.id, d.status, d.attempts, d.at_ms
FROM flightline_webhooks.delivery AS d JOIN flightline_webhooks.endpoint AS e ON e.number = d.endpoint
WHERE d.event = ANY($1) ORDER BY d.event, e.number";

fn event_of(row: &Row) -> Result<(i64, Event), WebhooksError> {
    let event = Event {
        id: row.get(1),
        client: row.get(2),
        kind: super::kind_of(row.get(3))?,
        object_id: row.get(4),
        created_at_ms: row.get(5),
        body: row.get(6),
        deliveries: Vec::new(),
    };
    Ok((row.get(0), event))
}

fn status_of(status: i16) -> DeliveryStatus {
    match status {
        0 => DeliveryStatus::Pending,
        1 => DeliveryStatus::Delivered,
        _ => DeliveryStatus::Failed,
    }
}

/// Narrows a list to a direction.
fn direction(newest_first: bool) -> &'static str {
    match newest_first {
        true => "DESC",
        false => "ASC",
    }
}

/// Which rows of a list are wanted.
struct Which<'a> {
    client: &'a str,
    wanted: Wanted,
    kind: Option<EventKind>,
    endpoint_id: Option<&'a str>,
    success: Option<bool>,
}

impl PostgresStore {
    /// Runs the query of a list: `$1` is the client, `$2` and `$3` the first and last place, `$4` how many, `$5` to
    /// `$7` the filter (type, endpoint, success), null where it does not matter.
    fn rows_of(
        &self,
        doing: &'static str,
        sql: &str,
        which: &Which<'_>,
    ) -> Result<Vec<Row>, WebhooksError> {
        let wanted = &which.wanted;
        let (from, to) = (place_of(wanted.from), place_of(wanted.to));
        let count = place_of(wanted.count as u64);
        let kind = which.kind.map(EventKind::as_str);
        self.call(doing, async |db| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] = [
                &which.client,
                &from,
                &to,
                &count,
                &kind,
                &which.endpoint_id,
                &which.success,
            ];
            db.query(sql, &values).await
        })
    }

    /// An event without its deliveries, and its sequence.
    pub(super) fn find_event(&self, client: &str, id: &str) -> Result<(i64, Event), WebhooksError> {
        let not_found = || WebhooksError::NotFound {
            what: "event",
            id: id.chars().take(100).collect(),
        };
        if id.len() > 100 || id.contains('\0') || client.contains('\0') {
            return Err(not_found());
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM flightline_webhooks.event AS v WHERE v.id = $1 AND v.client = $2"
        );
        let row = self.call("reading an event", async |db| {
            db.query_opt(&sql, &[&id, &client]).await
        })?;
        event_of(&row.ok_or_else(not_found)?)
    }

    fn add_deliveries(&self, events: &mut [(i64, Event)]) -> Result<(), WebhooksError> {
        let sequences: Vec<i64> = events.iter().map(|(sequence, _)| *sequence).collect();
        let rows = self.call("reading deliveries", async |db| {
            db.query(STATES, &[&sequences]).await
        })?;
        let mut of: HashMap<i64, Vec<DeliveryState>> = HashMap::new();
        for row in &rows {
            of.entry(row.get(0)).or_default().push(DeliveryState {
                endpoint_id: row.get(1),
                status: status_of(row.get(2)),
                attempts: number_of(row.get(3)),
                at_ms: row.get(4),
            });
        }
        for (sequence, event) in events {
            event.deliveries = of.remove(sequence).unwrap_or_default();
        }
        Ok(())
    }
}

impl Store for PostgresStore {
    fn live_mode(&self) -> bool {
        self.config.live_mode
    }

    fn allow_private(&self) -> bool {
        self.config.allow_private
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn create_endpoint(
        &self,
        client: &str,
        new: &NewEndpoint,
    ) -> Result<CreatedEndpoint, WebhooksError> {
        self.make_endpoint(client, new)
    }

    fn endpoint(&self, client: &str, id: &str) -> Result<Endpoint, WebhooksError> {
        Ok(self.find_endpoint(client, id)?.1)
    }

    fn endpoints(&self, client: &str, page: &Page) -> Result<PageOf<Endpoint>, WebhooksError> {
        self.list_endpoints(client, page)
    }

    fn patch_endpoint(
        &self,
        client: &str,
        id: &str,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, WebhooksError> {
        self.change_endpoint(client, id, patch)
    }

    fn delete_endpoint(&self, client: &str, id: &str) -> Result<(), WebhooksError> {
        self.remove_endpoint(client, id)
    }

    fn ping(&self, client: &str, endpoint_id: &str) -> Result<String, WebhooksError> {
        self.test_event(client, endpoint_id)
    }

    fn event(&self, client: &str, id: &str) -> Result<Event, WebhooksError> {
        let mut found = [self.find_event(client, id)?];
        self.add_deliveries(&mut found)?;
        let [(_, event)] = found;
        Ok(event)
    }

    fn events(
        &self,
        client: &str,
        filter: &EventFilter,
        page: &Page,
    ) -> Result<PageOf<Event>, WebhooksError> {
        paged(page, |wanted| {
            let sql = format!(
                "SELECT {COLUMNS} FROM flightline_webhooks.event AS v
                 WHERE v.client = $1 AND v.sequence BETWEEN $2 AND $3 AND ($5::text IS NULL OR v.kind = $5)
                   AND ($6::text IS NULL OR EXISTS (
                     SELECT FROM flightline_webhooks.delivery AS d JOIN flightline_webhooks.endpoint AS e
                       ON e.number = d.endpoint WHERE d.event = v.sequence AND e.id = $6))
                   AND ($7::boolean IS NULL OR $7 = NOT EXISTS (
                     SELECT FROM flightline_webhooks.delivery AS d WHERE d.event = v.sequence AND d.status <> 1))
                 ORDER BY v.sequence {} LIMIT $4",
                direction(wanted.newest_first)
            );
            let which = Which {
                client,
                wanted,
                kind: filter.kind,
                endpoint_id: filter.endpoint_id.as_deref(),
                success: filter.delivery_success,
            };
            let rows = self.rows_of("reading events", &sql, &which)?;
            let found: Result<Vec<_>, _> = rows.iter().map(event_of).collect();
            let mut found = found?;
            self.add_deliveries(&mut found)?;
            let place = |(sequence, event): (i64, Event)| (sequence.unsigned_abs(), event);
            Ok(found.into_iter().map(place).collect())
        })
    }

    fn deliveries(
        &self,
        client: &str,
        filter: &DeliveryFilter,
        page: &Page,
    ) -> Result<PageOf<Delivery>, WebhooksError> {
        paged(page, |wanted| {
            let sql = format!(
                "SELECT a.entry, a.said FROM flightline_webhooks.attempt AS a
                 JOIN flightline_webhooks.endpoint AS e ON e.number = a.endpoint
                 WHERE e.client = $1 AND a.entry BETWEEN $2 AND $3 AND ($5::text IS NULL OR a.kind = $5)
                   AND ($6::text IS NULL OR e.id = $6) AND ($7::boolean IS NULL OR a.success = $7)
                 ORDER BY a.entry {} LIMIT $4",
                direction(wanted.newest_first)
            );
            let which = Which {
                client,
                wanted,
                kind: filter.kind,
                endpoint_id: filter.endpoint_id.as_deref(),
                success: filter.delivery_success,
            };
            let rows = self.rows_of("reading the log of deliveries", &sql, &which)?;
            rows.iter()
                .map(|row| {
                    let entry = serde_json::from_str(row.get(1))
                        .map_err(|e| WebhooksError::BadRow(format!("an entry of the log: {e}")))?;
                    Ok((row.get::<_, i64>(0).unsigned_abs(), entry))
                })
                .collect()
        })
    }

    fn redeliver(
        &self,
        client: &str,
        event_id: &str,
        endpoint_id: Option<&str>,
    ) -> Result<usize, WebhooksError> {
        self.ask_again(client, event_id, endpoint_id)
    }

    fn with_endpoints(
        &self,
        clients: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, WebhooksError> {
        self.who_has_endpoints(clients)
    }

    fn append(&self, events: &[NewEvent], progress: &Progress) -> Result<Appended, WebhooksError> {
        self.add(events, progress)
    }

    fn progress(&self) -> Result<Progress, WebhooksError> {
        self.how_far()
    }

    fn set_leading(&self, is_leading: bool) {
        self.seen.is_leading.store(is_leading, Ordering::Relaxed);
    }

    fn wait_changed(&self) -> Changed<'_> {
        Box::pin(self.seen.notify.notified())
    }

    fn take_changed(&self) -> BTreeSet<u32> {
        std::mem::take(&mut *self.seen.changed.lock())
    }

    /// What is due is looked for all the time.
    fn mark_all_changed(&self) {}

    fn due(&self, endpoint: u32, now_ms: i64, count: usize) -> Result<Due, WebhooksError> {
        self.due_at(endpoint, now_ms, count)
    }

    fn begin(&self, endpoint: u32, sequence: u64) -> Result<Option<Work>, WebhooksError> {
        self.claim(endpoint, sequence)
    }

    fn finish(
        &self,
        endpoint: u32,
        sequence: u64,
        work: &Work,
        outcome: Outcome,
    ) -> Result<(), WebhooksError> {
        self.note(endpoint, sequence, work, outcome)
    }

    fn sweep(&self) -> Result<usize, WebhooksError> {
        self.remove_old()
    }
}
