//! What a replica is given by others: who may call, keys, the payment service, ways to providers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use flightline_api::backend::Authenticator;
use flightline_connectors::outward::OutwardConfig;
use flightline_connectors::payments::{PaymentService, PaymentsUrl};
use flightline_ledger::ProviderCode;
use flightline_ledger::order::OrderSettings;

use crate::backend::Inner;
use crate::booking::BookingData;
use crate::config::{AuthMode, ReplicaConfig};
use crate::orders::courier::Ways;
use crate::several::answers::Answers;
use crate::several::known::Common;
use crate::several::tokens::SharedAuthenticator;
use crate::tokens::{OpenAuthenticator, TokenAuthenticator};

/// What the replicas of a stream share, or what was known of it.
pub(super) async fn common(config: &ReplicaConfig) -> anyhow::Result<Common> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || Common::reach(&config))
        .await
        .context("reading what the replicas share was broken off")?
}

/// Who is let in. Tokens of several replicas are in the database that they share.
pub(super) async fn authenticator(
    config: &ReplicaConfig,
    common: Option<&Arc<Common>>,
    control_token: &str,
) -> anyhow::Result<Arc<dyn Authenticator>> {
    if config.auth == AuthMode::Open {
        return Ok(Arc::new(OpenAuthenticator::default()));
    }
    let Some(common) = common else {
        let tokens = TokenAuthenticator::new(&config.data_dir, control_token)?;
        return Ok(Arc::new(tokens));
    };
    let (common, data_dir) = (common.clone(), config.data_dir.clone());
    let control_token = control_token.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        SharedAuthenticator::start(&common, &data_dir, &control_token)
    });
    let tokens = reading
        .await
        .context("reading the tokens was broken off")??;
    Ok(Arc::new(tokens))
}

/// What the booking API is given; at several replicas with the key of offers that they share, and with the
/// memory of idempotency keys.
pub(super) fn booking_data(
    config: &ReplicaConfig,
    common: Option<&Common>,
    inner: &Arc<Inner>,
) -> anyhow::Result<BookingData> {
    let mut booking = BookingData::load(&config.data_dir)?;
    if let Some(common) = common {
        booking.key = common.key.clone();
        let answers = Answers::open(&common.connect).context("what the replicas share")?;
        let _ = inner.answers.set(answers);
    }
    Ok(booking)
}

/// Are the keys that the stream names in the database? Those of a file have the same numbers: to take the one
/// for the other would erase the wrong person.
pub(super) async fn check_keys(inner: &Inner) -> anyhow::Result<()> {
    let named = inner.desk.last_key().0;
    if named == 0 {
        return Ok(());
    }
    let database = inner.postgres.get().context("the database is not there")?;
    let client = database.client().await?;
    let there = "SELECT to_regclass('flightline_keys.key') IS NOT NULL";
    let mut last: i64 = 0;
    if client.query_one(there, &[]).await?.get(0) {
        let max = "SELECT coalesce(max(id), 0)::bigint FROM flightline_keys.key";
        last = client.query_one(max, &[]).await?.get(0);
    }
    anyhow::ensure!(
        named <= u64::try_from(last).unwrap_or(0),
        "the stream has orders whose passengers are sealed with keys up to number {named}, and the database has keys up \
         to {last}: they are in the file `keys` of the replica that was alone. Such a stream cannot be shared; run \
         one replica on it (stream.shared = false), or use the database that has its keys"
    );
    Ok(())
}

/// The payment service. The sandbox keeps its books in the data directory, as a real service would
/// keep them: what was taken before a restart can be given back after it.
pub(super) fn payments(config: &ReplicaConfig) -> anyhow::Result<Arc<dyn PaymentService>> {
    let url = match &config.payments {
        PaymentsUrl::Sandbox(None) => {
            PaymentsUrl::Sandbox(Some(config.data_dir.join("sandbox-payments")))
        }
        other => other.clone(),
    };
    let service = url
        .connect()
        .with_context(|| format!("the payment service of payments.url, {url}"))?;
    if service.is_test() {
        tracing::info!(service = service.name(), "payments move no real money");
    }
    Ok(service)
}

/// The ways to the providers that are told of what was sold from their seats.
pub(crate) fn ways(
    data_dir: &Path,
    configured: &[(ProviderCode, OutwardConfig)],
) -> anyhow::Result<Ways> {
    let journals = data_dir.join("outward");
    let connected = configured.iter().map(|(provider, way)| {
        let service = way.connect(journals.join(provider.as_str()));
        let service = service.with_context(|| format!("[providers.{provider}.outward]"))?;
        Ok((*provider, service))
    });
    connected.collect()
}

/// The settings of orders, with the providers that are told in them: what is decided by them has to be in
/// the stream.
pub(super) fn order_settings(config: &ReplicaConfig) -> OrderSettings {
    let mut outward: Vec<_> = config
        .outward
        .iter()
        .map(|(provider, _)| *provider)
        .collect();
    outward.sort_unstable();
    outward.dedup();
    OrderSettings {
        outward,
        ..config.orders.clone()
    }
}
