//! The order interface of Duffel: search, order the offer of the very flight, cancel.
//!
//! An order there is made of an offer that is good once. Which offer was chosen for a placement is
//! written down before it is ordered, so that asking again orders the same offer under the same
//! `Idempotency-Key`, and an order whose answer was lost is found by its offer or its metadata.
//!
//! - `wire`: bodies, and what is read of answers. `journal`: what was chosen.

mod journal;
mod wire;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::config::{OutwardError, Secret};
use super::http::{self, Reply};
use super::port::{Answer, Asked, Kept, OutwardService, Placed, Placement, PlacementKey, Refusal};
use journal::{Chosen, Journal};

/// Pages of orders that are looked through for one whose offer is not known.
const PAGES_MAX: usize = 20;
/// How far the provider's clock may be from ours, in milliseconds, for that to be told right.
const SKEW_MAX_MS: i64 = 24 * 3600 * 1000;

/// A provider with Duffel's order interface.
#[derive(Debug)]
pub struct Duffel {
    client: reqwest::Client,
    base: Url,
    headers: HeaderMap,
    journal: Journal,
}

/// Why an ask ends early.
enum Stop {
    Refused(Refusal),
    Unknown(String),
}

impl<T> From<Stop> for Answer<T> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => Answer::Refused(refusal),
            Stop::Unknown(why) => Answer::Unknown(why),
        }
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Stop::Unknown(why)
    }
}

impl Duffel {
    /// One at this base, such as `https://api.duffel.com`.
    ///
    /// # Errors
    /// The address is none that passengers' data may go to, or the token cannot be sent.
    pub fn new(
        url: &str,
        token: &Secret,
        timeout: Duration,
        journal: PathBuf,
    ) -> Result<Self, OutwardError> {
        let mut base = http::address(url)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut headers = HeaderMap::new();
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| OutwardError::Token)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("duffel-version", HeaderValue::from_static("v2"));
        Ok(Self {
            client: http::client(timeout)?,
            base,
            headers,
            journal: Journal::new(journal),
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Reply, String> {
        let url = self.base.join(path).map_err(|error| error.to_string())?;
        let mut request = self
            .client
            .request(method, url)
            .headers(self.headers.clone());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        http::send(request).await
    }

    async fn try_place(&self, placement: &Placement) -> Result<Placed, Stop> {
        let chosen = match self.journal.read(placement.key)? {
            Some(chosen) => chosen,
            None if placement.travellers.is_empty() => return Err(erased()),
            None => {
                // Perhaps another replica chose, and its journal is elsewhere.
                if placement.asked_before > 0
                    && let Some(order) = self.search_orders(placement).await?
                {
                    return taken(&order, placement);
                }
                let chosen = self.choose(placement).await?;
                self.journal.write(placement.key, &chosen)?;
                chosen
            }
        };
        let order = self.order(placement, &chosen).await?;
        taken(&order, placement)
    }

    /// Looks for an offer of the flight.
    async fn choose(&self, placement: &Placement) -> Result<Chosen, Stop> {
        let search = wire::search(placement);
        let path = "air/offer_requests?return_offers=true";
        let reply = self.ask(Method::POST, path, Some(&search), None).await?;
        if !(200..300).contains(&reply.status) {
            return Err(wire::stopped(&reply, "the search"));
        }
        let offer = wire::choose(&reply.body, placement).map_err(Stop::Refused)?;
        wire::chosen(&reply.body, offer, placement)
            .ok_or_else(|| Stop::Unknown("an offer without id, price or passengers".to_owned()))
    }

    /// Orders what was chosen, or finds the order that was made of it.
    async fn order(&self, placement: &Placement, chosen: &Chosen) -> Result<Value, Stop> {
        if placement.travellers.is_empty() {
            // It cannot be asked for again; what was asked for before may be there.
            return self.order_of(&chosen.offer).await?.ok_or_else(erased);
        }
        let key = placement.key.to_string();
        let body = wire::order(chosen, placement);
        let reply = self
            .ask(Method::POST, "air/orders", Some(&body), Some(key.as_str()))
            .await?;
        if (200..300).contains(&reply.status) {
            return wire::data(reply.body)
                .ok_or_else(|| Stop::Unknown("an order that cannot be read".to_owned()));
        }
        if let Some(order) = self.order_of(&chosen.offer).await? {
            return Ok(order);
        }
        Err(wire::stopped(&reply, "the order"))
    }

    /// The order that was made of an offer.
    async fn order_of(&self, offer: &str) -> Result<Option<Value>, Stop> {
        let path = format!("air/orders?offer_id={offer}");
        let reply = self.ask(Method::GET, &path, None, None).await?;
        match reply.status {
            200 => Ok(wire::list(reply.body).into_iter().next()),
            // An offer that is not known any more has no order that could be.
            404 | 422 => Ok(None),
            _ => Err(wire::unknown(&reply, "looking for the order")),
        }
    }

    /// The order that names the placement in its metadata. As long as they come newest first, there is none
    /// behind one that is older than the order here.
    async fn search_orders(&self, placement: &Placement) -> Result<Option<Value>, Stop> {
        let since_ms = placement.since_ms.saturating_sub(SKEW_MAX_MS);
        let mut last_ms = Some(i64::MAX);
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let mut path = "air/orders?limit=200".to_owned();
            if let Some(after) = &after {
                path.push_str(&format!("&after={after}"));
            }
            let reply = self.ask(Method::GET, &path, None, None).await?;
            if reply.status != 200 {
                return Err(wire::unknown(&reply, "looking for the order"));
            }
            let next = reply.body["meta"]["after"].as_str().map(str::to_owned);
            let orders = wire::list(reply.body);
            let key = placement.key.to_string();
            let ours = |order: &Value| order["metadata"][wire::PLACEMENT] == key.as_str();
            for order in &orders {
                // Absent from the first on that has no time, or is newer than the one before it.
                let created_ms = wire::created_ms(order);
                last_ms = last_ms.and_then(|last| created_ms.filter(|at_ms| *at_ms <= last));
            }
            let is_behind = last_ms.is_some_and(|at_ms| at_ms < since_ms);
            if let Some(order) = orders.into_iter().find(ours) {
                return Ok(Some(order));
            }
            match next {
                Some(next) if !is_behind => after = Some(next),
                _ => return Ok(None),
            }
        }
        let what = format!("it is not among the last {} orders", PAGES_MAX * 200);
        Err(Stop::Unknown(what))
    }

    async fn try_withdraw(
        &self,
        placement: &Placement,
        reference: Option<&str>,
    ) -> Result<(), Stop> {
        let id = match reference {
            Some(id) => Some(id.to_owned()),
            None => self.find(placement).await?,
        };
        let Some(id) = id else {
            return Ok(());
        };
        let path = format!("air/orders/{id}");
        let reply = self.ask(Method::GET, &path, None, None).await?;
        if reply.status != 200 {
            return Err(wire::stopped(&reply, "the order to be cancelled"));
        }
        if !reply.body["data"]["cancelled_at"].is_null() {
            return Ok(());
        }
        let body = serde_json::json!({ "data": { "order_id": id } });
        let path = "air/order_cancellations";
        let quoted = self.ask(Method::POST, path, Some(&body), None).await?;
        let quote = quoted.body["data"]["id"].as_str().map(str::to_owned);
        let (200..300, Some(quote)) = (quoted.status, quote) else {
            return Err(wire::stopped(&quoted, "the cancellation"));
        };
        let path = format!("air/order_cancellations/{quote}/actions/confirm");
        let done = self.ask(Method::POST, &path, None, None).await?;
        match done.status {
            200..300 => Ok(()),
            // Confirmed by an ask before: the next one sees it.
            status => Err(Stop::Unknown(format!(
                "the cancellation: answered {status}"
            ))),
        }
    }

    /// The order of a placement whose answer never came.
    async fn find(&self, placement: &Placement) -> Result<Option<String>, Stop> {
        let id = |order: &Value| order["id"].as_str().map(str::to_owned);
        match self.journal.read(placement.key)? {
            // An ask may be on its way still. Asked for again, it comes to an end.
            Some(chosen) => match self.order(placement, &chosen).await {
                Ok(order) => Ok(id(&order)),
                Err(Stop::Refused(_)) => Ok(None),
                Err(unknown) => Err(unknown),
            },
            None => Ok(self.search_orders(placement).await?.as_ref().and_then(id)),
        }
    }
}

/// Nobody can be named any more.
fn erased() -> Stop {
    let what = "the passengers' data was erased before the order was placed";
    Stop::Refused(Refusal::new("passengers_erased", what))
}

/// What an order says of a placement.
fn taken(order: &Value, placement: &Placement) -> Result<Placed, Stop> {
    let Some(id) = order["id"].as_str() else {
        return Err(Stop::Unknown("an order without id".to_owned()));
    };
    if !order["cancelled_at"].is_null() {
        let what = format!("order {id} is cancelled there");
        return Err(Stop::Refused(Refusal::new("cancelled", what)));
    }
    if order["documents"].as_array().is_none_or(Vec::is_empty)
        && order["payment_status"]["paid_at"].is_null()
    {
        // Still in the making.
        return Err(Stop::Unknown(format!("order {id} is not paid yet")));
    }
    Ok(Placed::of(Some(id), placement.key))
}

impl OutwardService for Duffel {
    fn name(&self) -> &'static str {
        "duffel"
    }

    fn place<'a>(&'a self, placement: &'a Placement) -> Asked<'a, Placed> {
        Box::pin(async move {
            self.try_place(placement)
                .await
                .map_or_else(Answer::from, Answer::Done)
        })
    }

    fn withdraw<'a>(
        &'a self,
        placement: &'a Placement,
        reference: Option<&'a str>,
    ) -> Asked<'a, ()> {
        Box::pin(async move {
            let done = self.try_withdraw(placement, reference).await;
            done.map_or_else(Answer::from, Answer::Done)
        })
    }

    fn kept(&self) -> Result<Vec<Kept>, String> {
        self.journal.kept()
    }

    fn forget(&self, settled: &[PlacementKey], now: SystemTime) -> Result<usize, String> {
        self.journal.forget(settled, now)
    }
}
