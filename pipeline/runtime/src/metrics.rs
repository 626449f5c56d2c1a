//! The replica's own metrics, read at the moment they are asked for.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use flightline_api::backend::{ViewFolder, ViewLine};

use crate::backend::Inner;
use crate::checkpoint::Stats;

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: i64) {
    registry.register(name, help, ConstGauge::new(value));
}

/// The labels of a watched folder or a pull.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabels {
    provider: String,
    source: String,
    outcome: &'static str,
}

/// What became of what watched folders and pulls read.
fn sources(registry: &mut Registry, inner: &Inner) {
    let Some(all) = inner.sources.get().filter(|all| !all.is_empty()) else {
        return;
    };
    let counts = Family::<SourceLabels, Counter>::default();
    for (provider, source) in all {
        let state = source.state();
        for (outcome, count) in [
            ("taken", state.taken),
            ("refused", state.refused),
            ("unchanged", state.unchanged),
            ("failed", state.failed),
        ] {
            let labels = SourceLabels {
                provider: provider.to_string(),
                source: source.name().to_owned(),
                outcome,
            };
            counts.get_or_create(&labels).inc_by(count);
        }
    }
    registry.register(
        "feed_source",
        "Files and answers of watched folders and pulls, by what became of them",
        counts,
    );
}

/// The label of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

/// Messages of feeds that are missing between others.
fn missing(registry: &mut Registry, inner: &Inner) {
    let gaps = Family::<ProviderLabels, Gauge>::default();
    let configured = inner.feeds.iter().map(|feed| feed.provider);
    for provider in configured.chain(inner.stats.numbered()) {
        let labels = ProviderLabels {
            provider: provider.to_string(),
        };
        gaps.get_or_create(&labels)
            .set(inner.gaps_of(provider).len() as i64);
    }
    registry.register(
        "feed_gaps",
        "Gaps in the numbered messages of a provider: see its status",
        gaps,
    );
}

/// The label of a view in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ViewLabels {
    view: String,
}

/// Each view once: one that is being replaced as it stands for others, without the one that comes.
fn seen(mut lines: Vec<ViewLine>) -> Vec<ViewLine> {
    let is_there = |line: &ViewLine| line.state != "backfilling";
    let there: BTreeSet<String> = lines
        .iter()
        .filter(|line| is_there(line))
        .map(|line| line.name.clone())
        .collect();
    lines.retain(|line| is_there(line) || !there.contains(&line.name));
    lines
}

/// Views in SQL.
fn views(registry: &mut Registry, inner: &Inner) {
    let Some(views) = inner.views.get() else {
        return;
    };
    let updates = Family::<ViewLabels, Counter>::default();
    let rows = Family::<ViewLabels, Gauge>::default();
    let behind = Family::<ViewLabels, Gauge>::default();
    let live = Family::<ViewLabels, Gauge>::default();
    let (records, bytes) = (
        Family::<ViewLabels, Gauge>::default(),
        Family::<ViewLabels, Gauge>::default(),
    );
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for line in seen(views.list()) {
        let labels = ViewLabels { view: line.name };
        updates.get_or_create(&labels).inc_by(line.updates);
        rows.get_or_create(&labels).set(number(line.rows));
        behind
            .get_or_create(&labels)
            .set(number(line.epochs_behind));
        records
            .get_or_create(&labels)
            .set(number(line.kept.records));
        bytes.get_or_create(&labels).set(number(line.kept.bytes));
        let is_live = i64::from(line.state == "live");
        live.get_or_create(&labels).set(is_live);
    }
    registry.register(
        "view_arranged_records",
        "Updates that a view in SQL keeps in arrangements that no other view has",
        records,
    );
    registry.register(
        "view_arranged_bytes",
        "About how many bytes they take",
        bytes,
    );
    let shared = views.shared();
    gauge(
        registry,
        "views_shared_arranged_records",
        "Updates that views in SQL keep together: rows of sources, indexes, views that others read",
        number(shared.records),
    );
    gauge(
        registry,
        "views_shared_arranged_bytes",
        "About how many bytes they take",
        number(shared.bytes),
    );
    view_files(registry, &views.folder());
    registry.register("view_rows", "Rows of a view in SQL", rows);
    registry.register(
        "view_updates",
        "Rows that came to a view in SQL and went, since it is there",
        updates,
    );
    registry.register(
        "view_epochs_behind",
        "Epochs that a view in SQL has not been through yet",
        behind,
    );
    registry.register(
        "view_live",
        "1 when a view in SQL is live; 0 = it is backfilling, or has stopped",
        live,
    );
}

/// Files of views, which the views follow.
fn view_files(registry: &mut Registry, folder: &ViewFolder) {
    counter(
        registry,
        "view_files_taken",
        "Files of views that came or changed, and were taken",
        folder.taken,
    );
    counter(
        registry,
        "view_files_refused",
        "Files of views that came, changed or went, and were refused; each reason once",
        folder.refused,
    );
    counter(
        registry,
        "view_files_removed",
        "Views that were removed with their files",
        folder.removed,
    );
    let refused = folder.files.iter().filter(|line| line.reason.is_some());
    gauge(
        registry,
        "view_files_wrong",
        "Files of views that are refused now: GET /dataflows says why",
        i64::try_from(refused.count()).unwrap_or(i64::MAX),
    );
    gauge(
        registry,
        "view_folder_readable",
        "1 when the files of views can be looked through",
        i64::from(folder.problem.is_none()),
    );
}

/// Checkpoints.
fn checkpoint(r: &mut Registry, stats: &Stats, decided: u64) {
    let load = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    counter(
        r,
        "checkpoints_made",
        "Checkpoints made since the start",
        load(&stats.taken),
    );
    counter(
        r,
        "checkpoints_failed",
        "Checkpoints that could not be made since the start",
        load(&stats.failed),
    );
    gauge(
        r,
        "checkpoint_bytes",
        "Size of the newest checkpoint",
        number(load(&stats.bytes)),
    );
    gauge(
        r,
        "checkpoint_duration_milliseconds",
        "How long the newest checkpoint took, beside everything else",
        number(load(&stats.took_ms)),
    );
    gauge(
        r,
        "checkpoint_timestamp_seconds",
        "When the newest checkpoint was made, Unix time; 0 = there is none",
        stats.taken_at_ms.load(Ordering::Relaxed) / 1000,
    );
    gauge(
        r,
        "checkpoint_tail_records",
        "Records decided that the newest checkpoint does not cover: what a start folds",
        number(decided.saturating_sub(load(&stats.records))),
    );
    counter(
        r,
        "stream_trimmed_records",
        "Records trimmed away behind checkpoints since the start",
        load(&stats.trimmed),
    );
}

/// What tells one of several replicas from the others; one that is alone writes its tables.
fn several(r: &mut Registry, inner: &Inner) {
    let counts = inner.turn.counts();
    let writes = inner.postgres.get().is_some_and(|d| d.sink().is_some());
    gauge(
        r,
        "tables_writer",
        "1 when this replica writes the tables",
        i64::from(writes),
    );
    counter(
        r,
        "tables_taken_over",
        "Times that this replica took the tables over",
        counts.taken,
    );
    counter(
        r,
        "tables_lost",
        "Times that another replica took the tables from this one",
        counts.lost,
    );
    counter(
        r,
        "tables_writers_unseated",
        "Sessions of silent writers that this replica ended",
        counts.unseated,
    );
    gauge(
        r,
        "clock_correction_milliseconds",
        "What stamps are put right by, where this machine's clock is far from the database's",
        inner.sequencer.correction_ms(),
    );
    if let Some(telemetry) = &inner.telemetry {
        let (failed, dropped) = telemetry.counts();
        counter(
            r,
            "traces_failed_posts",
            "Requests to the collector of traces that failed: what was in them is lost",
            failed,
        );
        counter(
            r,
            "traces_dropped_steps",
            "Commands that were not followed to their commit, since too many waited for it",
            dropped,
        );
    }
    let (digests, load) = (&inner.digests, |value: &std::sync::atomic::AtomicU64| {
        value.load(Ordering::Relaxed)
    });
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    gauge(
        r,
        "replicas_seen",
        "Other replicas of the stream that said lately what they have folded",
        number(load(&digests.seen)),
    );
    gauge(
        r,
        "replicas_differing",
        "Of those, the ones that have folded other records than this one",
        number(load(&digests.differing)),
    );
    counter(
        r,
        "stream_hashes_compared",
        "Running hashes of partitions compared with the topic and with other replicas",
        load(&digests.compared),
    );
}

/// Everything in the Prometheus text format, without the end mark.
pub(crate) fn text(inner: &Inner) -> String {
    let mut registry = Registry::with_prefix("flightline");
    let r = &mut registry;
    let sequencer = inner.sequencer.stats();
    let load = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
    counter(
        r,
        "stream_groups",
        "Groups made durable, one sync each",
        load(&sequencer.groups),
    );
    counter(
        r,
        "stream_records",
        "Records made durable",
        load(&sequencer.records),
    );
    counter(
        r,
        "stream_append_microseconds",
        "Time spent in appends",
        load(&sequencer.append_us),
    );
    gauge(
        r,
        "stream_append_microseconds_max",
        "The longest append since the start",
        i64::try_from(load(&sequencer.append_us_max)).unwrap_or(i64::MAX),
    );
    counter(
        r,
        "commands_turned_away",
        "Commands refused because the queue was full",
        load(&sequencer.overloaded),
    );
    several(r, inner);
    for (name, help, value) in inner.log.counters() {
        counter(r, name, help, value);
    }
    gauge(
        r,
        "commands_waiting",
        "Commands that wait for the stream",
        inner.sequencer.waiting() as i64,
    );
    counter(
        r,
        "decisions",
        "Records decided since the start, history included",
        inner.waiters.decided_count(),
    );
    gauge(
        r,
        "hold_ids",
        "Ids in the index of holds",
        inner.holds.len() as i64,
    );
    sources(r, inner);
    missing(r, inner);
    gauge(
        r,
        "orders",
        "Orders that are known",
        inner.serving.order_count() as i64,
    );
    let orders = inner.desk.stats();
    counter(
        r,
        "order_effects_seats",
        "What orders asked of flights",
        load(&orders.seats),
    );
    counter(
        r,
        "order_effects_money",
        "What orders asked of the payment service",
        load(&orders.money),
    );
    counter(
        r,
        "order_effects_outward",
        "What orders asked of the providers that granted their seats",
        load(&orders.outward),
    );
    counter(
        r,
        "order_outward_refused",
        "Of these, what a provider refused for good",
        load(&orders.outward_refused),
    );
    gauge(
        r,
        "order_outward_waiting",
        "Of these, what waits for a provider's certain answer",
        load(&orders.outward_open) as i64,
    );
    counter(
        r,
        "order_effects_unknown",
        "Effects with an unknown outcome, which are asked for again",
        load(&orders.unknown),
    );
    counter(
        r,
        "order_tickets",
        "Tickets issued since the start",
        load(&orders.tickets),
    );
    gauge(
        r,
        "order_holds_waiting",
        "Holds of orders that wait for seats",
        inner.desk.waiting() as i64,
    );
    if let Some(webhooks) = &*inner.webhooks.read() {
        let (held, let_go) = webhooks.held();
        gauge(
            r,
            "webhook_events_held",
            "Events for webhooks that wait in memory to be kept",
            held as i64,
        );
        counter(
            r,
            "webhook_events_let_go",
            "Times that they found no room and are derived from the stream again",
            let_go,
        );
    }
    if let Some(hints) = inner.hints.get() {
        let hints = hints.stats();
        counter(
            r,
            "payment_notices",
            "Genuine notices of the payment service",
            load(&hints.taken),
        );
        counter(
            r,
            "payment_notices_repeated",
            "Notices that told what had been told before",
            load(&hints.repeated),
        );
        counter(
            r,
            "payment_notices_refused",
            "Notices that were forged, too old or not readable",
            load(&hints.refused),
        );
        counter(
            r,
            "payment_notices_asked",
            "Asks made at once because of a notice",
            load(&hints.asked),
        );
        counter(
            r,
            "payment_trouble",
            "Refunds that failed later and disputes: somebody has to look",
            load(&hints.trouble),
        );
    }
    if let Some(reader) = inner.dataflow.get() {
        let backlog = reader.backlog();
        gauge(
            r,
            "dataflow_backlog_records",
            "Records sent into the dataflow whose epoch is not complete",
            backlog.records as i64,
        );
        gauge(
            r,
            "dataflow_backlog_epochs",
            "Epochs closed but not complete",
            backlog.epochs as i64,
        );
    }
    views(r, inner);
    let counts = inner.serving.counts();
    gauge(
        r,
        "serving_flights",
        "Flights in the index",
        counts.flights as i64,
    );
    gauge(
        r,
        "serving_offers",
        "Offers in the index",
        counts.offers as i64,
    );
    for (status, count) in counts.holds {
        gauge(
            r,
            &format!("holds_{}", status.name()),
            "Holds in this state",
            count as i64,
        );
    }
    if let Some(checkpoints) = inner.checkpoints.get() {
        checkpoint(r, checkpoints.stats(), inner.waiters.decided_count());
    }
    if let Some(database) = inner.postgres.get() {
        for (name, help, value) in database.metrics() {
            gauge(r, name, help, value);
        }
    }
    gauge(
        r,
        "ready",
        "1 when history is folded and commands are taken",
        i64::from(inner.ready.load(Ordering::Acquire)),
    );
    let mut out = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode_registry(&mut out, &registry) {
        tracing::error!(%error, "metrics cannot be encoded");
    }
    out
}

#[cfg(test)]
mod tests {
    use flightline_api::backend::ViewSize;

    use super::*;

    #[test]
    fn a_view_that_is_being_replaced_counts_as_it_stands_for_others() {
        let line = |name: &str, state, rows| ViewLine {
            name: name.to_owned(),
            description: String::new(),
            file: String::new(),
            table: String::new(),
            state,
            reason: None,
            backfill: None,
            rows,
            updates: 0,
            epochs_behind: 0,
            kept: ViewSize::default(),
        };
        let lines = vec![
            line("sales", "live", 7),
            line("stopped", "failed", 1),
            line("sales", "backfilling", 0),
            line("new", "backfilling", 0),
        ];
        let seen: Vec<_> = seen(lines).into_iter().map(|l| (l.name, l.rows)).collect();
        let expected = [("sales", 7), ("stopped", 1), ("new", 0)];
        assert_eq!(seen, expected.map(|(name, rows)| (name.to_owned(), rows)));
    }
}
