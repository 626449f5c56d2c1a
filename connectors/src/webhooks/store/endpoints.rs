//! Endpoints: made, changed and removed by clients.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng;
use rand::rngs::SysRng;

use super::{WebhookStore, keys};
use crate::webhooks::address::check_url;
use crate::webhooks::endpoint::{
    CreatedEndpoint, Endpoint, EndpointPatch, NewEndpoint, Record, check_events,
};
use crate::webhooks::error::WebhooksError;
use crate::webhooks::event::check_client;
use crate::webhooks::page::{Page, PageOf, paged};

/// Keys removed by one batch.
const REMOVED_AT_ONCE: usize = 1_000;

impl WebhookStore {
    /// Makes an endpoint. Its secret is in the answer and never shown again.
    ///
    /// # Errors
    /// The url or the events are not allowed, or the client has too many endpoints.
    pub fn create_endpoint(
        &self,
        client: &str,
        new: &NewEndpoint,
    ) -> Result<CreatedEndpoint, WebhooksError> {
        check_client(client)?;
        check_events(&new.events)?;
        let url = check_url(&new.url, self.config.allow_private)?;
        let mut endpoints = self.endpoints.write();
        let max = self.config.endpoints_per_client_max;
        if endpoints.of(client).count() >= max {
            return Err(WebhooksError::TooManyEndpoints { max });
        }
        let number = endpoints.next_number;
        let now_ms = self.clock.now_ms();
        let record = Record {
            number,
            id: random_id("end_")?,
            client: client.to_owned(),
            url: url.into(),
            events: new.events.clone(),
            active: true,
            secret: random_id("whsec_")?,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
            deleted: false,
        };
        let mut batch = self.synced();
        let next = self.encode(&(number + 1))?;
        batch.insert(&self.spaces.meta, keys::NEXT_ENDPOINT, next);
        let bytes = self.encode(&record)?;
        batch.insert(&self.spaces.endpoints, number.to_be_bytes(), bytes);
        self.commit(batch)?;
        endpoints.next_number += 1;
        let created = CreatedEndpoint {
            endpoint: record.endpoint(self.config.live_mode),
            secret: record.secret.clone(),
        };
        endpoints.insert(Arc::new(record));
        Ok(created)
    }

    /// One endpoint.
    ///
    /// # Errors
    /// The client has none of this id.
    pub fn endpoint(&self, client: &str, id: &str) -> Result<Endpoint, WebhooksError> {
        let endpoints = self.endpoints.read();
        let record = endpoints.find(client, id)?;
        Ok(record.endpoint(self.config.live_mode))
    }

    /// The client's endpoints, newest first.
    ///
    /// # Errors
    /// The page.
    pub fn endpoints(&self, client: &str, page: &Page) -> Result<PageOf<Endpoint>, WebhooksError> {
        let endpoints = self.endpoints.read();
        paged(page, |wanted| {
            let mut found: Vec<(u64, Endpoint)> = endpoints
                .of(client)
                .map(|record| {
                    (
                        u64::from(record.number),
                        record.endpoint(self.config.live_mode),
                    )
                })
                .filter(|(place, _)| (wanted.from..=wanted.to).contains(place))
                .collect();
            if wanted.newest_first {
                found.reverse();
            }
            found.truncate(wanted.count);
            Ok(found)
        })
    }

    /// Which of these clients have an endpoint, active or not.
    pub fn with_endpoints(&self, clients: &BTreeSet<String>) -> BTreeSet<String> {
        let endpoints = self.endpoints.read();
        let has_one = |client: &&String| endpoints.of(client).next().is_some();
        clients.iter().filter(has_one).cloned().collect()
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// There is none, or the change is not allowed; nothing is changed then.
    pub fn patch_endpoint(
        &self,
        client: &str,
        id: &str,
        patch: &EndpointPatch,
    ) -> Result<Endpoint, WebhooksError> {
        let mut endpoints = self.endpoints.write();
        let mut record = Record::clone(endpoints.find(client, id)?);
        if let Some(url) = &patch.url {
            record.url = check_url(url, self.config.allow_private)?.into();
        }
        if let Some(events) = &patch.events {
            check_events(events)?;
            record.events.clone_from(events);
        }
        record.active = patch.active.unwrap_or(record.active);
        record.updated_at_ms = self.clock.now_ms();
        self.write_endpoint(&record)?;
        let endpoint = record.endpoint(self.config.live_mode);
        self.mark_changed([record.number]);
        endpoints.insert(Arc::new(record));
        Ok(endpoint)
    }

    /// Removes an endpoint with its log and everything that waits for it.
    ///
    /// # Errors
    /// There is none, or the disk.
    pub fn delete_endpoint(&self, client: &str, id: &str) -> Result<(), WebhooksError> {
        let number = {
            let mut endpoints = self.endpoints.write();
            let mut record = Record::clone(endpoints.find(client, id)?);
            record.deleted = true;
            self.write_endpoint(&record)?;
            endpoints.remove(&record);
            record.number
        };
        self.mark_changed([number]);
        // From here on nobody writes for it any more. What a crash leaves, the next start removes.
        self.log.lock().entries.remove(&number);
        self.remove_rest(number)
    }

    fn write_endpoint(&self, record: &Record) -> Result<(), WebhooksError> {
        let mut batch = self.synced();
        let bytes = self.encode(record)?;
        batch.insert(&self.spaces.endpoints, record.number.to_be_bytes(), bytes);
        self.commit(batch)
    }

    /// Removes what belongs to a deleted endpoint, itself last. The states of its deliveries go with
    /// their events.
    pub(super) fn remove_rest(&self, number: u32) -> Result<(), WebhooksError> {
        let prefix = number.to_be_bytes();
        for space in [&self.spaces.due, &self.spaces.log] {
            loop {
                let mut batch = self.buffered();
                for item in space.prefix(prefix).take(REMOVED_AT_ONCE) {
                    batch.remove(space, item.key().map_err(self.failed("reading"))?);
                }
                if batch.is_empty() {
                    break;
                }
                self.commit(batch)?;
            }
        }
        let mut batch = self.buffered();
        batch.remove(&self.spaces.endpoints, prefix);
        self.commit(batch)
    }
}

/// A prefix and 192 random bits. Used for secrets too.
pub(in crate::webhooks) fn random_id(prefix: &str) -> Result<String, WebhooksError> {
    let mut bytes = [0; 24];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|error| WebhooksError::Random(error.to_string()))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
