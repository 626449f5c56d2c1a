//! New events.

use std::collections::BTreeMap;

use serde_json::json;

use super::{PostgresStore, number_of};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::{Draft, EventKind, NewEvent, check_client};
use crate::webhooks::store::{Appended, Progress, random_id};

/// Appenders go one after the other, so that progress and events keep together.
const LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('flightline webhooks append', 0))";

const INSERT: &str = "\
WITH new AS (
  INSERT INTO flightline_webhooks.event (id, client, kind, object_id, created_at_ms, appended_at_ms, body)
  SELECT e.id, e.client, e.kind, e.object_id, e.created_at_ms, $6, e.body
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $7::text[])
    WITH ORDINALITY AS e (id, client, kind, object_id, created_at_ms, body, place)
  ORDER BY e.place
  ON CONFLICT (id) DO NOTHING
  RETURNING sequence, client, kind
), due AS (
  INSERT INTO flightline_webhooks.delivery (event, endpoint, status, attempts, first_due_ms, at_ms, asked)
  SELECT new.sequence, e.number, 0, 0, $6, $6, 0
  FROM new JOIN flightline_webhooks.endpoint AS e
    ON e.client = new.client AND e.active AND new.kind = ANY(e.events)
  RETURNING endpoint
)
SELECT (SELECT count(*) FROM new), array(SELECT DISTINCT endpoint FROM due)";

const PROGRESS: &str = "\
INSERT INTO flightline_webhooks.progress AS p (partition, next_offset)
SELECT * FROM unnest($1::integer[], $2::bigint[])
ON CONFLICT (partition) DO UPDATE SET next_offset = greatest(p.next_offset, excluded.next_offset)
WHERE p.next_offset < excluded.next_offset";

impl PostgresStore {
    pub(super) fn add(
        &self,
        events: &[NewEvent],
        progress: &Progress,
    ) -> Result<Appended, WebhooksError> {
        let mut ids = Vec::with_capacity(events.len());
        let mut bodies = Vec::with_capacity(events.len());
        for event in events {
            check_client(&event.client)?;
            let id = event.id();
            let draft = Draft {
                id: &id,
                client: &event.client,
                kind: event.kind,
                object_id: &event.object_id,
                order: Some(&event.order),
                created_at_ms: event.created_at_ms,
                object: &event.object,
            };
            bodies.push(draft.body(self.config.live_mode)?);
            ids.push(id);
        }
        let clients: Vec<&str> = events.iter().map(|e| e.client.as_str()).collect();
        let kinds: Vec<&str> = events.iter().map(|e| e.kind.as_str()).collect();
        let objects: Vec<&str> = events.iter().map(|e| e.object_id.as_str()).collect();
        let created: Vec<i64> = events.iter().map(|e| e.created_at_ms).collect();
        let now_ms = self.clock.now_ms();
        let signed = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
        let partitions: Vec<i32> = progress.0.keys().map(|p| super::row_of(*p)).collect();
        let offsets: Vec<i64> = progress.0.values().map(|o| signed(*o)).collect();
        let (new, touched) = self.call("keeping events", async |db| {
            let tx = db.transaction().await?;
            tx.execute(LOCK, &[]).await?;
            let mut done = (0_i64, Vec::<i32>::new());
            if !ids.is_empty() {
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                    [&ids, &clients, &kinds, &objects, &created, &now_ms, &bodies];
                let row = tx.query_one(INSERT, &values).await?;
                done = (row.get(0), row.get(1));
            }
            if !partitions.is_empty() {
                tx.execute(PROGRESS, &[&partitions, &offsets]).await?;
            }
            tx.commit().await?;
            Ok(done)
        })?;
        self.seen.mark(touched.into_iter().map(number_of));
        let new = usize::try_from(new).unwrap_or(0);
        Ok(Appended {
            new,
            repeated: events.len().saturating_sub(new),
        })
    }

    pub(super) fn how_far(&self) -> Result<Progress, WebhooksError> {
        let sql = "SELECT partition, next_offset FROM flightline_webhooks.progress";
        let rows = self.call("reading how far events are", async |db| {
            db.query(sql, &[]).await
        })?;
        let entry = |row: &tokio_postgres::Row| {
            let offset = u64::try_from(row.get::<_, i64>(1)).unwrap_or(0);
            (number_of(row.get(0)), offset)
        };
        Ok(Progress(rows.iter().map(entry).collect::<BTreeMap<_, _>>()))
    }

    pub(super) fn test_event(
        &self,
        client: &str,
        endpoint_id: &str,
    ) -> Result<String, WebhooksError> {
        let (number, endpoint) = self.find_endpoint(client, endpoint_id)?;
        let inactive = || WebhooksError::Inactive {
            id: endpoint_id.to_owned(),
        };
        if !endpoint.active {
            return Err(inactive());
        }
        let id = random_id("wev_")?;
        let now_ms = self.clock.now_ms();
        let draft = Draft {
            id: &id,
            client,
            kind: EventKind::Ping,
            object_id: &id,
            order: None,
            created_at_ms: now_ms,
            object: &json!({}),
        };
        let body = draft.body(self.config.live_mode)?;
        let (kind, row) = (EventKind::Ping.as_str(), super::row_of(number));
        let sql = "\
            WITH new AS (
              INSERT INTO flightline_webhooks.event
                (id, client, kind, object_id, created_at_ms, appended_at_ms, body)
              SELECT $1, $2, $3, $1, $4, $4, $5 FROM flightline_webhooks.endpoint WHERE number = $6 AND active
              RETURNING sequence
            )
            INSERT INTO flightline_webhooks.delivery
              (event, endpoint, status, attempts, first_due_ms, at_ms, asked)
            SELECT sequence, $6, 0, 0, $4, $4, 0 FROM new";
        let made = self.call("making a test event", async |db| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&id, &client, &kind, &now_ms, &body, &row];
            db.execute(sql, &values).await
        })?;
        if made == 0 {
            return Err(inactive());
        }
        self.seen.mark([number]);
        Ok(id)
    }
}
