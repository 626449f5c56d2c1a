//! One request on its way through a handler.

use std::sync::Arc;
use std::time::Duration;

use flightline_ledger::{FlightKey, ProviderCode};
use warp::http::{HeaderMap, Uri};

use super::access::{Need, authorize};
use super::error::ApiError;
use super::faults;
use super::ids::RequestId;
use super::reply::{AT_LEAST, IDEMPOTENCY_KEY};
use crate::app::App;
use crate::backend::Caller;
use crate::server::conn::{Busy, Conn};
use crate::wire::codes::{ID_RULE, is_id};

/// What a handler knows of its request, the body aside.
pub(crate) struct Request {
    pub(crate) app: Arc<App>,
    pub(crate) id: RequestId,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) conn: Arc<Conn>,
    /// Held until the answer is out; handlers that stream take it along.
    pub(crate) busy: Option<Busy>,
}

impl Request {
    /// The caller, if he may do this.
    pub(crate) fn caller(&self, need: Need) -> Result<Caller, ApiError> {
        authorize(&*self.app.auth, &self.headers, need)
    }

    /// The idempotency key, if one was sent.
    pub(crate) fn key(&self) -> Result<Option<&str>, ApiError> {
        let Some(value) = self.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        match value.to_str() {
            Ok(text) if is_id(text.as_bytes()) => Ok(Some(text)),
            _ => Err(ApiError::new(
                &faults::INVALID_IDEMPOTENCY_KEY,
                format!("the header Idempotency-Key must be {ID_RULE}"),
            )),
        }
    }

    /// Waits until reads reflect what the caller asks for with `flightline-at-least`.
    pub(crate) async fn wait_at_least(&self) -> Result<(), ApiError> {
        let Some(value) = self.headers.get(AT_LEAST) else {
            return Ok(());
        };
        let backend = &self.app.backend;
        let timeout = Duration::from_millis(self.app.config.at_least_timeout_ms);
        let wait = async {
            for position in value.to_str().unwrap_or_default().split(',') {
                let (partition, offset) = parse_position(position.trim())?;
                let serving = backend.serving();
                serving
                    .wait_for(partition, offset, timeout)
                    .await
                    .map_err(not_yet)?;
            }
            Ok(())
        };
        // Each wait is bounded; together they are too.
        tokio::time::timeout(timeout, wait)
            .await
            .unwrap_or_else(|_| {
                Err(ApiError::new(
                    &faults::NOT_YET,
                    "what was asked for is not reflected yet; ask again",
                ))
            })
    }

    /// Waits until reads of the flight reflect everything any client of this replica was told.
    pub(crate) async fn wait_answered(&self, flight: &FlightKey) -> Result<(), ApiError> {
        let backend = &self.app.backend;
        let partition = backend.partition_of(flight);
        let Some(last) = backend.answered(partition).checked_sub(1) else {
            return Ok(());
        };
        let timeout = Duration::from_millis(self.app.config.at_least_timeout_ms);
        backend
            .serving()
            .wait_for(partition, last, timeout)
            .await
            .map_err(not_yet)
    }
}

pub(crate) fn not_yet(error: flightline_sinks::serving::NotYet) -> ApiError {
    ApiError::new(&faults::NOT_YET, format!("{error}; ask again"))
}

fn parse_position(text: &str) -> Result<(u32, u64), ApiError> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let position = text.split_once(':').and_then(|(partition, offset)| {
        let partition = u32::try_from(number(partition)?).ok()?;
        Some((partition, number(offset)?))
    });
    position.ok_or_else(|| {
        ApiError::new(
            &faults::BAD_REQUEST,
            "the header flightline-at-least must be PARTITION:OFFSET as it came in flightline-offset",
        )
    })
}

/// The flight that an address names.
pub(crate) fn flight_in_path(text: &str) -> Result<FlightKey, ApiError> {
    text.parse()
        .map_err(|why: flightline_ledger::codes::BadCode| {
            ApiError::new(
                &faults::UNKNOWN_FLIGHT,
                format!("the address names no flight: {why}"),
            )
        })
}

/// The provider that an address names.
pub(crate) fn provider_in_path(text: &str) -> Result<ProviderCode, ApiError> {
    text.parse()
        .map_err(|why: flightline_ledger::codes::BadCode| {
            ApiError::new(
                &faults::NOT_FOUND,
                format!("the address names no provider: {why}"),
            )
        })
}
