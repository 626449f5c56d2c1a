//! Deliveries: what is due, who makes it, how it went, and what is asked for again.

use tokio_postgres::Transaction;

use super::{PostgresStore, millis, number_of, place_of, row_of};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::store::{Delivery, Due, Next, Outcome, Work, random_id};

const PENDING: i16 = 0;
const DELIVERED: i16 = 1;
const FAILED: i16 = 2;

const DUE: &str = "\
SELECT d.event, d.at_ms FROM flightline_webhooks.delivery AS d
JOIN flightline_webhooks.endpoint AS e ON e.number = d.endpoint AND e.active
WHERE d.endpoint = $1 AND d.status = 0 AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
ORDER BY d.at_ms, d.event LIMIT $2";

const CLAIM: &str = "\
WITH mine AS (
  UPDATE flightline_webhooks.delivery AS d
  SET claim = $4, claimed_until = clock_timestamp() + $5::bigint * interval '1 millisecond'
  FROM flightline_webhooks.endpoint AS e
  WHERE d.endpoint = $1 AND d.event = $2 AND e.number = d.endpoint AND e.active AND d.status = 0 AND d.at_ms <= $3
    AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
  RETURNING e.url, e.secret, e.id, d.attempts, d.first_due_ms, d.asked
)
SELECT mine.url, mine.secret, mine.id, mine.attempts, mine.first_due_ms, mine.asked, v.id, v.kind, v.body
FROM mine, flightline_webhooks.event AS v WHERE v.sequence = $2";

impl PostgresStore {
    pub(super) fn due_at(
        &self,
        endpoint: u32,
        now_ms: i64,
        count: usize,
    ) -> Result<Due, WebhooksError> {
        let grace_ms = self.grace_ms();
        let (number, limit) = (row_of(endpoint), place_of(count as u64 + 1));
        let rows = self.delivering("reading what is due", async |db| {
            db.query(DUE, &[&number, &limit]).await
        })?;
        let mut due = Due::default();
        for row in &rows {
            let at_ms = row.get::<_, i64>(1).saturating_add(grace_ms);
            if at_ms > now_ms || due.sequences.len() == count {
                due.next_ms = Some(at_ms);
                break;
            }
            due.sequences.push(row.get::<_, i64>(0).unsigned_abs());
        }
        Ok(due)
    }

    pub(super) fn claim(
        &self,
        endpoint: u32,
        sequence: u64,
    ) -> Result<Option<Work>, WebhooksError> {
        // Not 0, which stands for nobody.
        let claim = i64::from(rand::random::<u32>()) + 1;
        let (number, event) = (row_of(endpoint), place_of(sequence));
        let (now_ms, for_ms) = (self.clock.now_ms(), millis(self.config.claim));
        let row = self.delivering("taking a delivery", async |db| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&number, &event, &now_ms, &claim, &for_ms];
            db.query_opt(CLAIM, &values).await
        })?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(Work {
            url: row.get(0),
            secret: row.get(1),
            endpoint_id: row.get(2),
            attempts: number_of(row.get(3)),
            first_due_ms: row.get(4),
            asked: number_of(row.get(5)),
            event_id: row.get(6),
            kind: super::kind_of(row.get(7))?,
            body: row.get(8),
            claim,
        }))
    }

    pub(super) fn note(
        &self,
        endpoint: u32,
        sequence: u64,
        work: &Work,
        outcome: Outcome,
    ) -> Result<(), WebhooksError> {
        let attempts = work.attempts.saturating_add(1);
        let (status, next_at_ms) = match outcome.next {
            Next::Delivered => (DELIVERED, None),
            Next::Again { at_ms } => (PENDING, Some(at_ms)),
            Next::GiveUp => (FAILED, None),
        };
        let mut entry = Delivery {
            id: random_id("del_")?,
            endpoint_id: work.endpoint_id.clone(),
            event_id: work.event_id.clone(),
            kind: work.kind,
            url: work.url.clone(),
            attempt: attempts,
            at_ms: outcome.at_ms,
            response_code: outcome.response_code,
            error: outcome.error,
            next_at_ms,
        };
        let now_ms = self.clock.now_ms();
        let (number, event) = (row_of(endpoint), place_of(sequence));
        let keep = place_of(self.config.log_entries_max.max(1));
        self.delivering("writing down a delivery", async |db| {
            let tx = db.transaction().await?;
            let old = "SELECT status, at_ms, asked, claim FROM flightline_webhooks.delivery
                       WHERE event = $1 AND endpoint = $2 FOR UPDATE";
            let Some(old) = tx.query_opt(old, &[&event, &number]).await? else {
                // The endpoint was removed, and everything of it.
                return Ok(());
            };
            let (was, at_ms): (i16, i64) = (old.get(0), old.get(1));
            let is_mine = old.get::<_, i64>(3) == work.claim;
            let is_asked_again = number_of(old.get(2)) != work.asked;
            if was == PENDING && status != DELIVERED && is_asked_again {
                // Asked for again while this attempt was under way: that stands.
                entry.next_at_ms = Some(at_ms);
                release(&tx, event, number).await?;
            } else if is_mine || status == DELIVERED {
                // One whose claim had run out and who got through has delivered it all the same.
                let at_ms = next_at_ms.unwrap_or(now_ms);
                let (attempts, set) = (row_of(attempts), "\
                    UPDATE flightline_webhooks.delivery
                    SET status = $3, attempts = $4, at_ms = $5, claim = 0, claimed_until = NULL
                    WHERE event = $1 AND endpoint = $2");
                tx.execute(set, &[&event, &number, &status, &attempts, &at_ms])
                    .await?;
            }
            let said = serde_json::to_string(&entry).unwrap_or_default();
            let (kind, success) = (work.kind.as_str(), entry.is_success());
            let add = "INSERT INTO flightline_webhooks.attempt (endpoint, kind, success, said) VALUES ($1, $2, $3, $4)";
            tx.execute(add, &[&number, &kind, &success, &said]).await?;
            let surplus = "\
                DELETE FROM flightline_webhooks.attempt WHERE endpoint = $1 AND entry <= (
                  SELECT entry FROM flightline_webhooks.attempt WHERE endpoint = $1
                  ORDER BY entry DESC OFFSET $2 LIMIT 1)";
            tx.execute(surplus, &[&number, &keep]).await?;
            tx.commit().await
        })
    }

    pub(super) fn ask_again(
        &self,
        client: &str,
        event_id: &str,
        endpoint_id: Option<&str>,
    ) -> Result<usize, WebhooksError> {
        let (sequence, event) = self.find_event(client, event_id)?;
        let one = match endpoint_id {
            Some(id) => Some(row_of(self.find_endpoint(client, id)?.0)),
            None => None,
        };
        let now_ms = self.clock.now_ms();
        let kind = event.kind.as_str();
        // To those that it went to; to those that want it when it came when nobody wanted it.
        let sql = "\
            WITH went AS (SELECT endpoint FROM flightline_webhooks.delivery WHERE event = $1)
            INSERT INTO flightline_webhooks.delivery AS d
              (event, endpoint, status, attempts, first_due_ms, at_ms, asked)
            SELECT $1, e.number, 0, 0, $5, $5, 0 FROM flightline_webhooks.endpoint AS e
            WHERE e.client = $2 AND CASE
              WHEN $3::integer IS NOT NULL THEN e.number = $3
              WHEN EXISTS (SELECT FROM went) THEN e.number IN (SELECT endpoint FROM went)
              ELSE e.active AND $4 = ANY(e.events) END
            ON CONFLICT (event, endpoint) DO UPDATE SET
              status = 0, attempts = 0, first_due_ms = $5, at_ms = $5, asked = d.asked + 1
            RETURNING endpoint";
        let rows = self.call("asking for an event again", async |db| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&sequence, &client, &one, &kind, &now_ms];
            db.query(sql, &values).await
        })?;
        self.seen.mark(rows.iter().map(|row| number_of(row.get(0))));
        Ok(rows.len())
    }

    pub(super) fn remove_old(&self) -> Result<usize, WebhooksError> {
        let now_ms = self.clock.now_ms();
        let delivered_ms = now_ms.saturating_sub(millis(self.config.delivered_retention));
        let failed_ms = now_ms.saturating_sub(millis(self.config.failed_retention));
        let sql = "\
            DELETE FROM flightline_webhooks.event AS v
            WHERE v.appended_at_ms < $1
              AND v.sequence < (SELECT max(sequence) FROM flightline_webhooks.event)
              AND NOT EXISTS (
                SELECT FROM flightline_webhooks.delivery AS d WHERE d.event = v.sequence
                  AND (d.status = 0 OR d.status = 2 AND v.appended_at_ms >= $2))";
        let removed = self.call("removing old events", async |db| {
            db.execute(sql, &[&delivered_ms, &failed_ms]).await
        })?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

async fn release(
    tx: &Transaction<'_>,
    event: i64,
    endpoint: i32,
) -> Result<(), tokio_postgres::Error> {
    let sql = "UPDATE flightline_webhooks.delivery SET claim = 0, claimed_until = NULL
               WHERE event = $1 AND endpoint = $2";
    tx.execute(sql, &[&event, &endpoint]).await?;
    Ok(())
}
