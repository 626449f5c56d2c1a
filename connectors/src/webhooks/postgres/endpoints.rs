//! Endpoints: made, changed and removed by clients.

use std::collections::BTreeSet;

use tokio_postgres::Row;

use super::{PostgresStore, number_of, place_of};
use crate::webhooks::address::check_url;
use crate::webhooks::endpoint::{
    CreatedEndpoint, Endpoint, EndpointPatch, NewEndpoint, check_events,
};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::{EventKind, check_client};
use crate::webhooks::page::{Page, PageOf, paged};
use crate::webhooks::store::random_id;

const COLUMNS: &str = "number, id, client, url, events, active, created_at_ms, updated_at_ms";

fn not_found(id: &str) -> WebhooksError {
    WebhooksError::NotFound {
        what: "webhook",
        id: id.chars().take(100).collect(),
    }
}

fn names(events: &[EventKind]) -> Vec<&'static str> {
    events.iter().map(|kind| kind.as_str()).collect()
}

impl PostgresStore {
    fn endpoint_of(&self, row: &Row) -> Result<(u32, Endpoint), WebhooksError> {
        let events: Vec<&str> = row.get(4);
        let events: Result<_, _> = events.into_iter().map(super::kind_of).collect();
        let endpoint = Endpoint {
            id: row.get(1),
            client: row.get(2),
            url: row.get(3),
            events: events?,
            active: row.get(5),
            live_mode: self.config.live_mode,
            created_at_ms: row.get(6),
            updated_at_ms: row.get(7),
        };
        Ok((number_of(row.get(0)), endpoint))
    }

    pub(super) fn make_endpoint(
        &self,
        client: &str,
        new: &NewEndpoint,
    ) -> Result<CreatedEndpoint, WebhooksError> {
        check_client(client)?;
        check_events(&new.events)?;
        let url = String::from(check_url(&new.url, self.config.allow_private)?);
        let max = self.config.endpoints_per_client_max;
        let (id, secret) = (random_id("end_")?, random_id("whsec_")?);
        let now_ms = self.clock.now_ms();
        let (events, most) = (names(&new.events), place_of(max as u64));
        let made = self.call("making a webhook", async |db| {
            let tx = db.transaction().await?;
            // Two that are made at the same time are counted one after the other.
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended('flightline webhooks of ' || $1, 0))";
            tx.execute(lock, &[&client]).await?;
            let insert = format!(
                "INSERT INTO flightline_webhooks.endpoint
                   (id, client, url, events, active, secret, created_at_ms, updated_at_ms)
                 SELECT $1, $2, $3, $4, true, $5, $6, $6
                 WHERE (SELECT count(*) FROM flightline_webhooks.endpoint WHERE client = $2) < $7
                 RETURNING {COLUMNS}"
            );
            let row = tx
                .query_opt(&insert, &[&id, &client, &url, &events, &secret, &now_ms, &most])
                .await?;
            tx.commit().await?;
            Ok(row)
        })?;
        let made = made.ok_or(WebhooksError::TooManyEndpoints { max })?;
        Ok(CreatedEndpoint {
            endpoint: self.endpoint_of(&made)?.1,
            secret,
        })
    }

    /// An endpoint and its number.
    pub(super) fn find_endpoint(
        &self,
        client: &str,
        id: &str,
    ) -> Result<(u32, Endpoint), WebhooksError> {
        // The server takes no zero bytes in a text; no id has one.
        if id.contains('\0') || client.contains('\0') {
            return Err(not_found(id));
        }
        let sql = format!(
            "SELECT {COLUMNS} FROM flightline_webhooks.endpoint WHERE client = $1 AND id = $2"
        );
        let row = self.call("reading a webhook", async |db| {
            db.query_opt(&sql, &[&client, &id]).await
        })?;
        self.endpoint_of(&row.ok_or_else(|| not_found(id))?)
    }

    pub(super) fn list_endpoints(
        &self,
        client: &str,
        page: &Page,
    ) -> Result<PageOf<Endpoint>, WebhooksError> {
        paged(page, |wanted| {
            let direction = match wanted.newest_first {
                true => "DESC",
                false => "ASC",
            };
            let sql = format!(
                "SELECT {COLUMNS} FROM flightline_webhooks.endpoint
                 WHERE client = $1 AND number::bigint BETWEEN $2 AND $3 ORDER BY number {direction} LIMIT $4"
            );
            let (from, to) = (place_of(wanted.from), place_of(wanted.to));
            let count = place_of(wanted.count as u64);
            let rows = self.call("reading webhooks", async |db| {
                db.query(&sql, &[&client, &from, &to, &count]).await
            })?;
            rows.iter()
                .map(|row| {
                    let (number, endpoint) = self.endpoint_of(row)?;
                    Ok((u64::from(number), endpoint))
                })
                .collect()
        })
    }

    pub(super) fn change_endpoint(
        &self,
        client: &str,
        id: &str,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, WebhooksError> {
        // One that is another's is not found, whatever is wrong with the change.
        let (number, _) = self.find_endpoint(client, id)?;
        let url = match &patch.url {
            Some(url) => Some(String::from(check_url(url, self.config.allow_private)?)),
            None => None,
        };
        if let Some(events) = &patch.events {
            check_events(events)?;
        }
        let events = patch.events.as_deref().map(names);
        let now_ms = self.clock.now_ms();
        let sql = format!(
            "UPDATE flightline_webhooks.endpoint SET
               url = coalesce($3, url), events = coalesce($4, events), active = coalesce($5, active),
               updated_at_ms = $6
             WHERE client = $1 AND id = $2 RETURNING {COLUMNS}"
        );
        let row = self.call("changing a webhook", async |db| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&client, &id, &url, &events, &patch.active, &now_ms];
            db.query_opt(&sql, &values).await
        })?;
        let (_, endpoint) = self.endpoint_of(&row.ok_or_else(|| not_found(id))?)?;
        self.seen.mark([number]);
        Ok(endpoint)
    }

    pub(super) fn remove_endpoint(&self, client: &str, id: &str) -> Result<(), WebhooksError> {
        let (number, _) = self.find_endpoint(client, id)?;
        let sql = "DELETE FROM flightline_webhooks.endpoint WHERE client = $1 AND id = $2";
        self.call("removing a webhook", async |db| {
            db.execute(sql, &[&client, &id]).await
        })?;
        self.seen.mark([number]);
        Ok(())
    }

    pub(super) fn who_has_endpoints(
        &self,
        clients: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, WebhooksError> {
        if clients.is_empty() {
            return Ok(BTreeSet::new());
        }
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        let sql = "SELECT DISTINCT client FROM flightline_webhooks.endpoint WHERE client = ANY($1)";
        let rows = self.call("reading who has webhooks", async |db| {
            db.query(sql, &[&clients]).await
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
