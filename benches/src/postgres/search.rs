//! Offers in a table, found by an index on what is asked for, or by one that has all that a search
//! reads and only what is open.

use std::pin::pin;

use bytes::Bytes;
use futures_util::SinkExt;

use super::Rival;
use crate::offers::Market;

const SCHEMA: &str = r"
DROP TABLE IF EXISTS offer;
CREATE TABLE offer (
    board integer NOT NULL,
    off integer NOT NULL,
    day integer NOT NULL,
    cabin text NOT NULL,
    class text,
    price_minor bigint NOT NULL,
    seats integer NOT NULL,
    flight_key text NOT NULL,
    provider text NOT NULL,
    departs_at timestamptz NOT NULL,
    arrives_at timestamptz NOT NULL,
    currency text NOT NULL
)";

const INDEX: &str = r"
CREATE INDEX offer_open ON offer (board, off, day, cabin, price_minor)
    INCLUDE (class, seats, flight_key, provider, departs_at, arrives_at, currency)
    WHERE seats > 0";

/// The same offers in the order in which they came, as a table that bookings change has them.
const PLAIN: &str = r"
DROP TABLE IF EXISTS offer_plain;
CREATE TABLE offer_plain AS TABLE offer;
CREATE INDEX offer_route_day ON offer_plain (board, off, day, cabin, price_minor)";

/// Which table is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An index on route, day, cabin and price; rows are read from the table.
    Index,
    /// A partial index that has every column: nothing but the index is read.
    Covering,
}

/// Offers that each search asks for.
pub const LIMIT: usize = 20;

/// Fills the table and indexes it.
pub fn prepare(rival: &Rival, market: &Market) -> anyhow::Result<()> {
    rival.run(SCHEMA)?;
    rival.block_on(async |client| {
        let sink = client.copy_in("COPY offer FROM STDIN").await?;
        let mut sink = pin!(sink);
        let mut piece = String::new();
        for line in market.copy_lines() {
            piece.push_str(&line);
            if piece.len() > 1 << 20 {
                sink.send(Bytes::from(std::mem::take(&mut piece))).await?;
            }
        }
        sink.send(Bytes::from(piece)).await?;
        sink.finish().await?;
        Ok(())
    })?;
    rival.run(INDEX)?;
    // Visibility must be known for an index-only scan.
    rival.run("VACUUM (ANALYZE) offer")?;
    rival.run(PLAIN)?;
    rival.run("VACUUM (ANALYZE) offer_plain")?;
    rival.run("CHECKPOINT")
}

/// A search on any route and day.
pub fn script(market: &Market, by: By) -> String {
    let table = match by {
        By::Index => "offer_plain",
        By::Covering => "offer",
    };
    format!(
        "\\set r random(0, {})\n\\set d random(0, {})\n\
         SELECT class, price_minor, seats, flight_key, provider, departs_at, arrives_at, currency \
         FROM {table} WHERE board = :r % 20 AND off = 100 + :r / 20 AND day = :d AND cabin = 'Y' AND seats > 0 \
         ORDER BY price_minor LIMIT {LIMIT};\n",
        market.routes - 1,
        market.days - 1
    )
}
