//! What clients are told, and the body that is sent.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::WebhooksError;
use super::store::DeliveryState;

/// The longest body that is sent, in bytes.
pub(super) const BODY_BYTES_MAX: usize = 256 << 10;
const CLIENT_CHARS_MAX: usize = 128;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// Type of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As the interface writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// An order was made.
    OrderCreated = "order.created",
    /// An order that was accepted could not be made.
    OrderCreationFailed = "order.creation_failed",
    /// A payment was made.
    PaymentCreated = "payment.created",
    /// The airline changed or cancelled a flight of an order.
    AirlineInitiatedChange = "order.airline_initiated_change_detected",
    /// A cancellation was quoted.
    CancellationCreated = "order_cancellation.created",
    /// A cancellation was carried out.
    CancellationConfirmed = "order_cancellation.confirmed",
    /// The client asked for a test.
    Ping = "ping.triggered",
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = WebhooksError;

    fn from_str(text: &str) -> Result<Self, WebhooksError> {
        let found = Self::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            WebhooksError::UnknownKind {
                given: text.chars().take(100).collect(),
                known: known.join(", "),
            }
        })
    }
}

/// Where an event stands among those of its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlace {
    /// The order.
    pub order_id: String,
    /// Rises by one with each event of the order that the client is told, so that it can put events
    /// in order and see that one is still to come. Must follow from the stream alone: a replay has
    /// to count the same.
    pub sequence: u64,
}

/// An event as whoever derives it states it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// The client, as its token names it. Also what the body says as `identity_organisation_id`.
    pub client: String,
    /// Its type.
    pub kind: EventKind,
    /// Id of the order, payment or cancellation that it is about.
    pub object_id: String,
    /// Its place in its order.
    pub order: OrderPlace,
    /// When it happened, in Unix milliseconds, from the record that it follows from.
    pub created_at_ms: i64,
    /// What the body has as `data.object`. It is kept and sent as it is: leave personal data out,
    /// clients fetch it by id.
    pub object: Value,
}

impl NewEvent {
    /// The event's id. The same event has the same id for ever.
    pub fn id(&self) -> String {
        let mut hash = blake3::Hasher::new();
        let sequence = self.order.sequence.to_string();
        let parts: [&str; 4] = [&self.client, self.kind.as_str(), &self.object_id, &sequence];
        for part in parts {
            // With its length, so that no two lists of parts look alike.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let hex = hash.finalize().to_hex();
        format!("wev_{}", &hex[..32])
    }
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `wev_...`.
    pub id: String,
    /// The client.
    pub client: String,
    /// Its type.
    pub kind: EventKind,
    /// What it is about.
    pub object_id: String,
    /// When it happened, in Unix milliseconds.
    pub created_at_ms: i64,
    /// The JSON body, byte for byte as it is sent.
    pub body: String,
    /// How far each endpoint is that it goes to.
    pub deliveries: Vec<DeliveryState>,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    api_version: &'a str,
    r#type: EventKind,
    live_mode: bool,
    created_at: String,
    idempotency_key: &'a str,
    identity_organisation_id: &'a str,
    order_id: Option<&'a str>,
    order_sequence: Option<u64>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    object: &'a Value,
}

/// What there is to say about an event, for its body.
pub(super) struct Draft<'a> {
    pub(super) id: &'a str,
    pub(super) client: &'a str,
    pub(super) kind: EventKind,
    pub(super) object_id: &'a str,
    pub(super) order: Option<&'a OrderPlace>,
    pub(super) created_at_ms: i64,
    pub(super) object: &'a Value,
}

impl Draft<'_> {
    pub(super) fn body(&self, live_mode: bool) -> Result<String, WebhooksError> {
        let body = Body {
            id: self.id,
            api_version: "v2",
            r#type: self.kind,
            live_mode,
            created_at: instant(self.created_at_ms),
            idempotency_key: self.object_id,
            identity_organisation_id: self.client,
            order_id: self.order.map(|order| order.order_id.as_str()),
            order_sequence: self.order.map(|order| order.sequence),
            data: Data {
                object: self.object,
            },
        };
        // Text keys and plain values always become JSON.
        let text = serde_json::to_string(&body).unwrap_or_default();
        if text.is_empty() || text.len() > BODY_BYTES_MAX {
            return Err(WebhooksError::TooLarge {
                id: self.id.to_owned(),
                bytes: text.len(),
                max: BODY_BYTES_MAX,
            });
        }
        Ok(text)
    }
}

/// Refuses names that cannot be part of a key.
pub(super) fn check_client(client: &str) -> Result<(), WebhooksError> {
    let length = client.chars().count();
    if (1..=CLIENT_CHARS_MAX).contains(&length) && !client.chars().any(char::is_control) {
        return Ok(());
    }
    Err(WebhooksError::Client(client.chars().take(200).collect()))
}

/// `2026-01-02T03:04:05.123456Z`.
pub fn instant(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH);
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> NewEvent {
        NewEvent {
            client: "acme".into(),
            kind: EventKind::OrderCreated,
            object_id: "ord_1".into(),
            order: OrderPlace {
                order_id: "ord_1".into(),
                sequence: 1,
            },
            created_at_ms: 1_767_323_045_123,
            object: json!({"id": "ord_1"}),
        }
    }

    /// Ids and bodies that clients may have stored: they stay as they are.
    #[test]
    fn id_and_body_stay_as_they_are() {
        let event = sample();
        let id = event.id();
        assert_eq!(id, "wev_44140ab9f56c864eefead739dccf5352");
        let draft = Draft {
            id: &id,
            client: &event.client,
            kind: event.kind,
            object_id: &event.object_id,
            order: Some(&event.order),
            created_at_ms: event.created_at_ms,
            object: &event.object,
        };
        let want = format!(
            "{{\"id\":\"{id}\",\"api_version\":\"v2\",\"type\":\"order.created\",\"live_mode\":false,\
             \"created_at\":\"2026-01-02T03:04:05.123000Z\",\"idempotency_key\":\"ord_1\",\
             \"identity_organisation_id\":\"acme\",\"order_id\":\"ord_1\",\"order_sequence\":1,\
             \"data\":{{\"object\":{{\"id\":\"ord_1\"}}}}}}"
        );
        assert_eq!(draft.body(false).unwrap(), want);
    }

    #[test]
    fn ids_differ_where_events_do() {
        let mut ids = std::collections::HashSet::from([sample().id()]);
        let changes: [fn(&mut NewEvent); 5] = [
            |e| e.client = "acm".into(),
            |e| e.kind = EventKind::PaymentCreated,
            |e| e.object_id = "ord_2".into(),
            |e| e.order.sequence = 2,
            |e| (e.client, e.object_id) = ("acmeord".into(), "_1".into()),
        ];
        for change in changes {
            let mut event = sample();
            change(&mut event);
            assert!(ids.insert(event.id()), "{event:?}");
        }
        let mut later = sample();
        later.created_at_ms += 1;
        assert!(ids.contains(&later.id()));
    }

    #[test]
    fn kinds_have_one_spelling() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), *kind);
            assert_eq!(json!(kind), json!(kind.as_str()));
        }
        let error = "order.made".parse::<EventKind>().unwrap_err().to_string();
        assert!(error.contains("order.created"), "{error}");
    }
}
