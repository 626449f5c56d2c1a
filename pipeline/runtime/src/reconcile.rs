//! A provider's whole word about its seats, beside what the ledger expects.
//!
//! Nothing is appended: the file is read as a push would read it, and each count is compared with the
//! bucket that it would set, in the terms of the provider. The rules are in `docs/reconciliation.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

use flightline_api::backend::{
    Cause, FeedError, FeedRejection, FeedReport, ReconcileRow, Reconciliation,
};
use flightline_connectors::{Parsed, Source};
use flightline_ledger::command::{Counts, Level, SourceVersion};
use flightline_ledger::{
    Cabin, Class, Date, FlightKey, Ledger, ProviderBody, ProviderCode, Station,
};

use crate::backend::Inner;
use crate::feed::ConfiguredFormat;

/// A bucket that a count is about: leg by its first station (absent = all), cabin, class.
type Bucket = (Option<Station>, Cabin, Option<Class>);

/// A count as the file has it.
#[derive(Clone, Copy, Debug)]
struct Count {
    seats: i64,
    is_floor: bool,
    counts: Counts,
    version: SourceVersion,
}

/// What the file says of one flight.
#[derive(Clone, Debug, Default)]
struct Told {
    counts: BTreeMap<Bucket, Count>,
}

/// What the file says.
#[derive(Default)]
struct File {
    flights: BTreeMap<FlightKey, Told>,
    scopes: Vec<flightline_connectors::Scope>,
    result: Reconciliation,
}

impl File {
    fn count(&mut self, flight: FlightKey, bucket: Bucket, count: Count) {
        let told = self.flights.entry(flight).or_default();
        let known = told.counts.entry(bucket).or_insert(count);
        if known.version <= count.version {
            *known = count;
        }
    }

    fn take(&mut self, item: Parsed) {
        match item {
            Parsed::Event { event, .. } => {
                self.result.read += 1;
                let flight = event.flight;
                self.flights.entry(flight).or_default();
                let version = event.version;
                match &event.body {
                    ProviderBody::Schedule(plan) => {
                        let legs = plan.legs.iter().map(|leg| (leg.board, &leg.cabins));
                        let plans = legs.flat_map(|(board, cabins)| {
                            cabins.iter().map(move |cabin| (board, cabin))
                        });
                        let mut found = Vec::new();
                        for (board, plan) in plans {
                            // Seats of the aircraft bound what is sold, as long as nothing else does.
                            let Some(seats) = plan.authorised.or(plan.seats) else {
                                continue;
                            };
                            found.push((board, plan.cabin, seats));
                        }
                        for (board, cabin, seats) in found {
                            let count = Count {
                                seats: i64::from(seats),
                                is_floor: false,
                                counts: Counts::Total,
                                version,
                            };
                            self.count(flight, (Some(board), cabin, None), count);
                        }
                    }
                    ProviderBody::Availability(report) => {
                        let place = match report.level {
                            Level::Flight => Some(None),
                            Level::Leg(board) => Some(Some(board)),
                            Level::Segment(..) => None,
                        };
                        match (place, report.cabin, report.seats) {
                            (Some(board), Some(cabin), Some(seats)) => {
                                let count = Count {
                                    seats: i64::from(seats),
                                    is_floor: report.is_floor,
                                    counts: report.counts,
                                    version,
                                };
                                self.count(flight, (board, cabin, report.class), count);
                            }
                            (_, _, None) => {}
                            _ => self.result.not_compared += 1,
                        }
                    }
                    _ => {}
                }
            }
            Parsed::ReplaceEnd { replacement, .. } => self.scopes.push(replacement.scope),
            Parsed::ReplaceBegin { .. } | Parsed::Numbered { .. } | Parsed::Warning(_) => {}
            Parsed::Unplaced { .. } => {
                self.result.read += 1;
                self.result.not_compared += 1;
            }
            Parsed::Reject(reject) => {
                self.result.read += 1;
                self.result.rejected += 1;
                if let Some(flight) = reject.flight {
                    self.flights.entry(flight).or_default();
                }
                if self.result.rejects.len() < FeedReport::REJECTS_MAX {
                    self.result.rejects.push(FeedRejection {
                        line: reject.line,
                        code: reject.code.name().to_owned(),
                        message: reject.reason,
                    });
                }
            }
        }
    }

    /// Which flights the file speaks for: what it says itself, else its airlines over its days.
    fn scopes(&self) -> Vec<flightline_connectors::Scope> {
        if !self.scopes.is_empty() {
            return self.scopes.clone();
        }
        let mut days: BTreeMap<_, (Date, Date)> = BTreeMap::new();
        for flight in self.flights.keys() {
            let day = flight.origin_date;
            let known = days.entry(flight.carrier).or_insert((day, day));
            *known = (known.0.min(day), known.1.max(day));
        }
        let scope = |(carrier, (from, to))| flightline_connectors::Scope {
            carrier: Some(carrier),
            from,
            to,
        };
        days.into_iter().map(scope).collect()
    }
}

/// Compares a file with the ledger. See [`flightline_api::backend::Backend::reconcile`].
pub(crate) fn reconcile(
    inner: &Inner,
    provider: ProviderCode,
    format: &str,
    options: &[(String, String)],
    message: &str,
    body: Box<dyn Read + Send>,
) -> Result<Reconciliation, FeedError> {
    use flightline_api::backend::Backend;
    let feed = inner.feeds.iter().find(|feed| feed.provider == provider);
    let format =
        ConfiguredFormat::agreed(feed, format, options).map_err(FeedError::UnknownFormat)?;
    let connector = format.connector().map_err(FeedError::UnknownFormat)?;
    inner.await_index();
    let source = Source::new(message, BufReader::with_capacity(64 << 10, body));
    let mut file = File::default();
    for item in connector.parse(source) {
        file.take(item);
    }
    let scopes = file.scopes();
    let File {
        flights: told,
        mut result,
        ..
    } = file;
    result.flights = told.len() as u64;
    let mut missing = BTreeSet::new();
    for scope in scopes {
        let existing = inner.flights_of(provider, scope).into_iter();
        missing.extend(existing.filter(|flight| !told.contains_key(flight)));
    }
    let mut by_partition: BTreeMap<u32, Vec<(FlightKey, Option<Told>)>> = BTreeMap::new();
    let asked = told.into_iter().map(|(flight, told)| (flight, Some(told)));
    for (flight, told) in asked.chain(missing.into_iter().map(|flight| (flight, None))) {
        let partition = inner.partition_of(&flight);
        by_partition
            .entry(partition)
            .or_default()
            .push((flight, told));
    }
    let Some(reader) = inner.dataflow.get() else {
        return Ok(result);
    };
    let now_ms = inner.sequencer.now_ms();
    let mut rows = Vec::new();
    for (partition, flights) in by_partition {
        let compared = reader.with_ledger(partition, move |ledger| {
            let mut found = Found::default();
            for (flight, told) in &flights {
                compare(ledger, provider, now_ms, flight, told.as_ref(), &mut found);
            }
            found
        });
        let found = compared.map_err(|failure| {
            FeedError::Submit(flightline_api::backend::SubmitError::Unavailable {
                why: failure.to_string().into(),
            })
        })?;
        result.compared += found.compared;
        rows.extend(found.rows);
    }
    rows.sort_by(|a, b| {
        let key = |row: &ReconcileRow| (row.flight, row.board, row.cabin, row.class);
        key(a).cmp(&key(b))
    });
    for row in &rows {
        match row.cause {
            Cause::Unexplained => result.unexplained += 1,
            _ => result.explained += 1,
        }
    }
    let omitted = rows.len().saturating_sub(Reconciliation::ROWS_MAX);
    result.omitted = omitted as u64;
    // What nobody can explain is never left out for what somebody can.
    rows.sort_by_key(|row| row.cause != Cause::Unexplained);
    rows.truncate(Reconciliation::ROWS_MAX);
    result.rows = rows;
    result.missing = inner.missing_of(provider);
    Ok(result)
}

#[derive(Default)]
struct Found {
    compared: u64,
    rows: Vec<ReconcileRow>,
}

fn compare(
    ledger: &Ledger,
    provider: ProviderCode,
    now_ms: i64,
    flight: &FlightKey,
    told: Option<&Told>,
    found: &mut Found,
) {
    let whole = |cause| ReconcileRow {
        flight: *flight,
        board: None,
        cabin: None,
        class: None,
        counts: None,
        reported: None,
        expected: None,
        cause,
    };
    let state = ledger.find(flight).map(|at| ledger.flight(at));
    let state = state.as_deref();
    let sells = state.is_some_and(|state| {
        let mut providers = state.providers();
        providers.any(|view| view.code == provider && view.sells)
    });
    let Some(told) = told else {
        let departs = state.and_then(|state| state.legs().first());
        let is_to_come = departs.is_some_and(|leg| leg.times.departs_s * 1000 > now_ms);
        // One that was cancelled or withdrawn, or has left, need not be named.
        if sells && is_to_come {
            found.rows.push(whole(Cause::UnknownToThem));
        }
        return;
    };
    let Some(state) = state.filter(|state| state.providers().any(|view| view.code == provider))
    else {
        if !ledger.is_retired(flight) {
            found.rows.push(whole(Cause::UnknownToUs));
        }
        return;
    };
    for ((board, cabin, class), count) in &told.counts {
        let legs = state.legs().iter().zip(0_u8..);
        for (leg, at) in legs.filter(|(leg, _)| board.is_none_or(|board| board == leg.board)) {
            // A schedule's seats stand for what may be sold only as long as no count was reported.
            let row = |reported, expected, cause| ReconcileRow {
                board: Some(leg.board),
                cabin: Some(*cabin),
                class: *class,
                counts: Some(count.counts),
                reported: Some(reported),
                expected,
                ..whole(cause)
            };
            found.compared += 1;
            let Some(bucket) = state.bucket(provider, at, *cabin, *class) else {
                found.rows.push(row(count.seats, None, Cause::UnknownToUs));
                continue;
            };
            let Some(bound) = bucket.bound else {
                found.rows.push(row(count.seats, None, Cause::NoCountYet));
                continue;
            };
            let unacknowledged = bucket.sold - bucket.acknowledged;
            let expected = match count.counts {
                Counts::Total => bound,
                Counts::Remaining => bound - bucket.acknowledged,
            };
            let difference = count.seats - expected;
            let is_remaining = count.counts == Counts::Remaining;
            let cause = if difference == 0 || count.is_floor && difference < 0 {
                continue;
            } else if bucket.version.is_some_and(|known| known > count.version) {
                Cause::StaleReport
            } else if is_remaining && (-unacknowledged..0).contains(&difference) {
                Cause::UnacknowledgedSales
            } else if bucket.oversold > 0 {
                Cause::Oversale
            } else {
                Cause::Unexplained
            };
            found.rows.push(row(count.seats, Some(expected), cause));
        }
    }
}
