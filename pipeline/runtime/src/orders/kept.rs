//! What the ways to providers keep in files: dropped when nobody asks about it any more, and without the
//! passengers when these are erased.
//!
//! A placement is settled when its order has ended, or is over and forgotten, or has its seats from somebody
//! else. What is kept of it stays [`KEPT`] longer, so that a late answer is known for what it is. A message that
//! its provider has not taken away stays, and what is kept of it too, as long as an answer that could not be read
//! speaks of it: by that it is known whose they are.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use flightline_connectors::outward::{Kept, OutwardService, PlacementKey};
use flightline_ledger::order::{EffectId, OrderId};

use super::courier::Ways;
use super::desk::partition_of_order;
use crate::backend::Inner;

/// How long what is kept of a placement stays after its last file was written.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// How an order names itself to providers.
pub(crate) fn name_of(order: OrderId) -> String {
    format!("ord_{order}")
}

fn order_of(name: &str) -> Option<OrderId> {
    name.strip_prefix("ord_")?.parse().ok()
}

/// What is to be told of a placement of which something is kept.
struct Standing {
    key: PlacementKey,
    order: OrderId,
    is_settled: bool,
    /// The order's passengers, as the stream has them; absent when it is not known any more.
    sealed: Option<Box<str>>,
}

/// Looks through what every way keeps. Blocking.
pub(crate) fn tidy(inner: &Inner, ways: &Ways, now: SystemTime) {
    for (provider, way) in ways {
        if let Err(why) = tidy_way(inner, &**way, now) {
            tracing::warn!(%provider, why, "what is kept of outward orders was not looked through; tried again in an hour");
        }
    }
}

fn tidy_way(inner: &Inner, way: &dyn OutwardService, now: SystemTime) -> Result<(), String> {
    let looked_at = way.kept()?.into_iter().filter(|kept| {
        let age = now.duration_since(kept.written);
        kept.names_people || age.is_ok_and(|age| age > KEPT)
    });
    let mut settled = Vec::new();
    for (standing, names_people) in standings(inner, looked_at)? {
        if !names_people {
            settled.extend(standing.is_settled.then_some(standing.key));
            continue;
        }
        // Erased when it was already here, but this file could not be reached, or came after.
        let Some(sealed) = standing.sealed else {
            continue;
        };
        if let Ok(None) = inner.people()?.unseal(standing.order, &sealed) {
            way.erase(&name_of(standing.order))?;
        }
    }
    let gone = way.forget(&settled, now)?;
    if gone > 0 {
        tracing::info!(
            way = way.name(),
            files = gone,
            "dropped what was kept of orders that are over"
        );
    }
    Ok(())
}

/// How placements stand, asked of each partition once. Those whose order has no name are not ours.
fn standings(
    inner: &Inner,
    kept: impl Iterator<Item = Kept>,
) -> Result<Vec<(Standing, bool)>, String> {
    let reader = inner.dataflow.get().ok_or("the dataflow is not there")?;
    let mut by_partition: BTreeMap<u32, Vec<(Kept, OrderId)>> = BTreeMap::new();
    for kept in kept {
        let Some(order) = order_of(&kept.order) else {
            continue;
        };
        let partition = partition_of_order(order, inner.partitions);
        by_partition
            .entry(partition)
            .or_default()
            .push((kept, order));
    }
    let mut all = Vec::new();
    for (partition, of_partition) in by_partition {
        let found = reader.with_orders(partition, move |orders| {
            let each = of_partition.into_iter().map(|(kept, order)| {
                let known = orders.find(order).and_then(|at| orders.get(at));
                let placement = EffectId(kept.key.0);
                let standing = Standing {
                    key: kept.key,
                    order,
                    is_settled: known.is_none_or(|order| !order.may_ask_about(placement)),
                    sealed: known.map(|order| order.details().sealed.clone()),
                };
                (standing, kept.names_people)
            });
            each.collect::<Vec<_>>()
        });
        all.extend(found.map_err(|failure| failure.to_string())?);
    }
    Ok(all)
}

/// Takes the passengers of an order out of what every way keeps. Blocking.
pub(crate) fn erase(ways: &Ways, order: OrderId) -> anyhow::Result<()> {
    for (provider, way) in ways {
        let erased = way.erase(&name_of(order));
        let files = erased.map_err(|why| {
            anyhow::anyhow!(
                "the key is destroyed, but messages for {provider} may name the passengers: {why}; mend that and erase the order again"
            )
        })?;
        if files > 0 {
            tracing::info!(%order, %provider, files, "took the passengers out of messages");
        }
    }
    Ok(())
}
