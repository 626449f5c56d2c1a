//! Overbooking allowances of the configuration, as events of the provider behind what it reports.
//!
//! They are its [`ProviderBody::Terms`] with the lowest of versions: whatever the provider states itself
//! goes before them, and a later one of the configuration replaces an earlier one. They are written where
//! the ledger does not have them yet, and only there: behind the first report on a flight, and at a start
//! on every flight that has other ones, so that a changed configuration holds for flights of which nothing
//! is reported any more.

use std::collections::{BTreeMap, BTreeSet};

use flightline_api::backend::Backend;
use flightline_connectors::{PushCommand, ids};
use flightline_dataflows::{Failure, Reader};
use flightline_ledger::codes::Cabin;
use flightline_ledger::command::SourceVersion;
use flightline_ledger::{
    Flight, FlightCommand, FlightKey, Ledger, ProviderBody, ProviderCode, ProviderEvent,
};

use crate::backend::Inner;

/// Below every version that a provider gives.
const CONFIGURED: SourceVersion = SourceVersion {
    time_ms: 0,
    group: 0,
    sequence: 0,
};

/// The allowances that the configuration gives a provider.
#[derive(Clone, Debug)]
pub(crate) struct Configured {
    pub(crate) provider: ProviderCode,
    pub(crate) authority: u8,
    /// By cabin, in its order.
    pub(crate) allowances: Vec<(Cabin, u16)>,
}

impl Configured {
    /// What the configuration says of a provider; nothing, when it does not name it.
    pub(crate) fn of(inner: &Inner, provider: ProviderCode) -> Self {
        let feed = inner.feeds.iter().find(|feed| feed.provider == provider);
        let mut allowances = feed.map_or_else(Vec::new, |feed| feed.overbooking.clone());
        allowances.retain(|(_, seats)| *seats > 0);
        allowances.sort_unstable();
        Self {
            provider,
            authority: inner.authority_of(provider),
            allowances,
        }
    }

    /// Does the flight have other ones, and may it get these?
    fn is_missing(&self, flight: &Flight) -> bool {
        flight
            .terms(self.provider)
            .is_some_and(|terms| match terms.version {
                None => !self.allowances.is_empty(),
                Some(CONFIGURED) => terms.allowances != self.allowances,
                // Its own word.
                Some(_) => false,
            })
    }

    fn command(&self, flight: FlightKey, now_ms: i64) -> PushCommand {
        let event = ProviderEvent {
            provider: self.provider,
            version: CONFIGURED,
            authority: self.authority,
            quality: 0,
            body: ProviderBody::Terms(self.allowances.clone()),
        };
        PushCommand {
            line: 0,
            id: ids::configured_terms_id(&flight, &event, now_ms),
            flight,
            command: FlightCommand::Provider(Box::new(event)),
            observed: None,
        }
    }

    /// What has to be written, of these flights.
    pub(crate) fn missing(
        &self,
        inner: &Inner,
        flights: BTreeSet<FlightKey>,
        now_ms: i64,
    ) -> Result<Vec<PushCommand>, Failure> {
        let Some(reader) = inner.dataflow.get() else {
            return Ok(Vec::new());
        };
        let mut by_partition: BTreeMap<u32, Vec<FlightKey>> = BTreeMap::new();
        for flight in flights {
            let partition = inner.partition_of(&flight);
            by_partition.entry(partition).or_default().push(flight);
        }
        let mut commands = Vec::new();
        for (partition, mut flights) in by_partition {
            let mine = self.clone();
            let missing = reader.with_ledger(partition, move |ledger| {
                flights.retain(|key| {
                    let at = ledger.find(key);
                    at.is_some_and(|at| mine.is_missing(&ledger.flight(at)))
                });
                flights
            })?;
            commands.extend(missing.into_iter().map(|key| self.command(key, now_ms)));
        }
        Ok(commands)
    }
}

/// What has to be written at a start: the terms of every flight that has other ones than the
/// configuration gives, or has some though the configuration gives none any more.
pub(crate) fn at_start(
    inner: &Inner,
    reader: &Reader,
    now_ms: i64,
) -> Result<Vec<PushCommand>, Failure> {
    let named = inner.feeds.iter().map(|feed| feed.provider);
    let named: BTreeMap<_, _> = named
        .map(|provider| (provider, Configured::of(inner, provider)))
        .collect();
    let mut commands = Vec::new();
    for partition in 0..inner.partitions {
        let mine = named.clone();
        let missing = reader.with_ledger(partition, move |ledger| differing(ledger, &mine))?;
        for (flight, provider) in missing {
            let configured = Configured::of(inner, provider);
            commands.push(configured.command(flight, now_ms));
        }
    }
    Ok(commands)
}

fn differing(
    ledger: &Ledger,
    named: &BTreeMap<ProviderCode, Configured>,
) -> Vec<(FlightKey, ProviderCode)> {
    let mut found = Vec::new();
    for (_, flight) in ledger.flights() {
        for provider in flight.providers() {
            let unnamed = Configured {
                provider: provider.code,
                authority: 0,
                allowances: Vec::new(),
            };
            if named
                .get(&provider.code)
                .unwrap_or(&unnamed)
                .is_missing(&flight)
            {
                found.push((flight.key(), provider.code));
            }
        }
    }
    found
}
