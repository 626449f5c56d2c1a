//! What is printed in the end.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::faults::Strike;
use super::judge::Verdict;
use super::plan::{Fault, Plan};
use super::watch::COUNTED;
use crate::latency::Latencies;

/// Everything that a run found.
pub struct Outcome {
    /// What was planned.
    pub plan: Plan,
    /// How long there was load.
    pub elapsed: Duration,
    /// Definite answers to anything.
    pub answers: u64,
    /// Requests that were made again because their outcome was unknown.
    pub unknown: u64,
    /// Of those that had been decided the first time.
    pub found_again: u64,
    /// Seat requests.
    pub requests: u64,
    /// Of seat requests.
    pub seat_latencies: Latencies,
    /// Orders that clients were told of, and refusals.
    pub orders: (u64, u64),
    /// Booked in the end.
    pub booked: u64,
    /// Of orders.
    pub order_latencies: Latencies,
    /// Faults that struck.
    pub strikes: Vec<Strike>,
    /// What was found.
    pub verdict: Verdict,
    /// What `flightline verify` said of the first replica.
    pub verified: Value,
    /// Of several replicas, what they counted over all their lives.
    pub counted: Vec<(&'static str, u64)>,
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Median and longest.
fn spread(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    match all.as_slice() {
        [] => (0.0, 0.0),
        all => (all[all.len() / 2], all[all.len() - 1]),
    }
}

impl Outcome {
    fn of(&self, fault: Fault) -> impl Iterator<Item = &Strike> {
        self.strikes
            .iter()
            .filter(move |strike| strike.fault == fault)
    }

    /// The table.
    pub fn text(&self) -> String {
        let mut t = String::new();
        let seconds = self.elapsed.as_secs_f64();
        let seats = self.seat_latencies.percentiles();
        let orders = self.order_latencies.percentiles();
        // Writing to a string does not fail.
        let _ = writeln!(
            t,
            "load       {:.0} s, {} definite answers, {:.0}/s\n\
             seats      {} requests, {:.0}/s of {} wanted; p50 {:.1} ms, p99 {:.0} ms, longest {:.0} ms\n\
             orders     {} made, {} refused, {} booked in the end; p50 {:.1} ms, longest {:.0} ms\n\
             asked again {} times because the outcome was unknown; {} had been decided the first time",
            seconds,
            self.answers,
            self.answers as f64 / seconds,
            self.requests,
            self.requests as f64 / seconds,
            self.plan.rate,
            seats.p50_ms,
            seats.p99_ms,
            seats.max_ms,
            self.orders.0,
            self.orders.1,
            self.booked,
            orders.p50_ms,
            orders.max_ms,
            self.unknown,
            self.found_again,
        );
        let _ = writeln!(
            t,
            "\n{:<16}{:>7}{:>22}{:>12}{:>22}{:>12}",
            "fault", "times", "nobody answered, ms", "longest", "start to ready, ms", "longest"
        );
        for fault in &self.plan.faults {
            let silent = spread(self.of(*fault).map(|s| ms(s.silent)).collect());
            let start = spread(self.of(*fault).filter_map(|s| s.start).map(ms).collect());
            let _ = write!(
                t,
                "{:<16}{:>7}{:>22.0}{:>12.0}",
                fault.name(),
                self.of(*fault).count(),
                silent.0,
                silent.1
            );
            let _ = match start {
                (0.0, 0.0) => writeln!(t),
                (median, longest) => writeln!(t, "{median:>22.0}{longest:>12.0}"),
            };
        }
        for caught_up in self.strikes.iter().filter_map(|strike| strike.caught_up) {
            let _ = writeln!(
                t,
                "\nPostgreSQL stood still for {:.0} s: {} records, {:.0}/s, came meanwhile; the tables had them, and {} that \
                 came by then, {:.1} s afterwards, {:.0}/s, {:.1} times as fast as they came",
                caught_up.lasted.as_secs_f64(),
                caught_up.behind,
                caught_up.arrived(),
                caught_up.more,
                caught_up.after.as_secs_f64(),
                caught_up.taken(),
                caught_up.taken() / caught_up.arrived().max(1.0),
            );
        }
        let verdict = &self.verdict;
        let _ = writeln!(t, "\n{:<44}{:>8}", "after it all", "found");
        for (what, lines) in self.findings() {
            let _ = writeln!(t, "{what:<44}{:>8}", lines.len());
        }
        let _ = writeln!(
            t,
            "{:<44}{:>8}",
            "answers asked for once more", verdict.asked_again
        );
        if !self.counted.is_empty() {
            let _ = writeln!(t, "\n{:<60}{:>8}", "counted by the replicas", "times");
            let said = COUNTED.iter().map(|(_, said)| said);
            for ((_, times), said) in self.counted.iter().zip(said) {
                let _ = writeln!(t, "{said:<60}{times:>8}");
            }
        }
        for (what, lines) in self.findings() {
            for line in lines.iter().take(5) {
                let _ = writeln!(t, "\n{what}: {line}");
            }
        }
        let _ = writeln!(
            t,
            "\n{}",
            match verdict.is_clean() {
                true => "everything that anybody was told is there, once",
                false => "SOMETHING IS WRONG, see above",
            }
        );
        t
    }

    fn findings(&self) -> [(&'static str, &Vec<String>); 6] {
        let verdict = &self.verdict;
        [
            ("seats lost", &verdict.lost),
            ("seats counted twice", &verdict.doubled),
            ("flights oversold", &verdict.oversold),
            ("money mismatches", &verdict.money),
            ("answers contradicted", &verdict.contradicted),
            ("differences found by flightline verify", &verdict.verify),
        ]
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let faults: Vec<Value> = self
            .strikes
            .iter()
            .map(|strike| {
                json!({
                    "fault": strike.fault.name(),
                    "silent_ms": ms(strike.silent),
                    "start_ms": strike.start.map(ms),
                    "caught_up": strike.caught_up.map(|c| json!({
                        "stood_still_s": c.lasted.as_secs_f64(),
                        "records": c.behind,
                        "after_s": c.after.as_secs_f64(),
                        "more_records": c.more,
                    })),
                })
            })
            .collect();
        let findings: serde_json::Map<String, Value> = self
            .findings()
            .into_iter()
            .map(|(what, lines)| (what.replace(' ', "_"), json!(lines)))
            .collect();
        json!({
            "clean": self.verdict.is_clean(),
            "seed": self.plan.seed,
            "seconds": self.elapsed.as_secs_f64(),
            "answers": self.answers,
            "unknown": self.unknown,
            "found_again": self.found_again,
            "requests": self.requests,
            "seats": self.seat_latencies.percentiles(),
            "orders": self.orders.0,
            "orders_refused": self.orders.1,
            "orders_booked": self.booked,
            "order_latencies": self.order_latencies.percentiles(),
            "faults": faults,
            "findings": findings,
            "asked_again": self.verdict.asked_again,
            "verify": self.verified,
            "replicas": self.plan.fluvio.as_ref().map_or(1, |_| self.plan.replicas),
            "counted": self.counted.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        })
    }
}
