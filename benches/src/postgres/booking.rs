//! Seats in a table, booked by functions in the database: one round trip, one guarded update, one
//! insert. Ids are unique, so a retry books nothing twice, as with the subject.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

use super::Rival;
use crate::random::Dice;

/// Tables and functions, all flights with `$seats` seats.
const SCHEMA: &str = r"
DROP TABLE IF EXISTS hold, inventory;
CREATE TABLE inventory (
    flight integer PRIMARY KEY,
    authorised integer NOT NULL,
    held integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE hold (
    id uuid PRIMARY KEY,
    flight integer NOT NULL,
    seats integer NOT NULL,
    state smallint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION book(p_id uuid, p_flight integer, p_seats integer) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hold VALUES (p_id, p_flight, p_seats, 0, now() + interval '15 minutes')
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'replayed';
    END IF;
    -- Last, so that a hot row is locked for as little as can be.
    UPDATE inventory SET held = held + p_seats
        WHERE flight = p_flight AND held + p_seats <= authorised;
    IF NOT FOUND THEN
        DELETE FROM hold WHERE id = p_id;
        RETURN 'sold_out';
    END IF;
    RETURN 'held';
END $$;

-- A transaction of many bookings, one after the other. Sorted, so that two never wait for each other.
CREATE OR REPLACE FUNCTION book_each(p_ids uuid[], p_flights integer[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    asked record;
    granted integer := 0;
BEGIN
    FOR asked IN SELECT id, flight FROM unnest(p_ids, p_flights) AS t (id, flight) ORDER BY flight LOOP
        UPDATE inventory SET held = held + 1 WHERE flight = asked.flight AND held < authorised;
        IF FOUND THEN
            INSERT INTO hold VALUES (asked.id, asked.flight, 1, 0, now() + interval '15 minutes');
            granted := granted + 1;
        END IF;
    END LOOP;
    RETURN granted;
END $$;

-- The same with one update for each flight and one insert for all.
-- The planner takes its rows for a few and joins them one by one: forbidden, so that it hashes them.
CREATE OR REPLACE FUNCTION book_grouped(p_ids uuid[], p_flights integer[]) RETURNS integer
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    granted integer;
BEGIN
    -- Joined, not `= ANY (p_flights)`: a row that another changed meanwhile is looked at again, and that
    -- would go through the whole array for each.
    PERFORM 1 FROM inventory i JOIN (SELECT DISTINCT flight FROM unnest(p_flights) AS t (flight)) a USING (flight)
        ORDER BY i.flight FOR UPDATE OF i;
    WITH asked AS (
        SELECT id, flight, row_number() OVER (PARTITION BY flight) AS place
        FROM unnest(p_ids, p_flights) AS t (id, flight)
    ), fits AS (
        SELECT a.id, a.flight FROM asked a JOIN inventory i USING (flight)
        WHERE a.place <= i.authorised - i.held
    ), taken AS (
        UPDATE inventory i SET held = i.held + f.n
        FROM (SELECT flight, count(*)::integer AS n FROM fits GROUP BY flight) f
        WHERE i.flight = f.flight
    )
    INSERT INTO hold SELECT id, flight, 1, 0, now() + interval '15 minutes' FROM fits;
    GET DIAGNOSTICS granted = ROW_COUNT;
    RETURN granted;
END $$;
";

/// Client counts that are tried for the best.
pub const CLIENTS: [usize; 4] = [8, 16, 32, 64];

/// Makes the tables anew, with so many flights of so many seats.
pub fn prepare(rival: &Rival, flights: usize, seats: u64) -> anyhow::Result<()> {
    rival.run(SCHEMA)?;
    rival.run(&format!(
        "INSERT INTO inventory SELECT n, {seats}, 0 FROM generate_series(1, {flights}) n; \
         ANALYZE inventory; CHECKPOINT"
    ))
}

/// Books one seat on one of the first `flights` flights, at random.
pub fn script(flights: usize) -> String {
    format!("\\set f random(1, {flights})\nSELECT book(gen_random_uuid(), :f, 1);\n")
}

/// Nothing oversold, every booking there. Returns how many there are.
pub fn check(rival: &Rival) -> anyhow::Result<i64> {
    let wrong = rival.number(
        "SELECT count(*) FROM inventory \
         FULL JOIN (SELECT flight, sum(seats) AS sold FROM hold GROUP BY flight) h USING (flight) \
         WHERE held > authorised OR held <> coalesce(sold, 0)",
    )?;
    ensure!(
        wrong == 0,
        "PostgreSQL has {wrong} flights with a wrong count"
    );
    rival.number("SELECT count(*) FROM hold")
}

/// How a batch is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// An update and an insert for each booking.
    Each,
    /// One update for each flight, one insert for all.
    Grouped,
}

/// Books `total` seats over so many connections, `size` in a transaction. All ids are made before
/// the clock starts. Returns bookings granted and seconds.
pub fn batches(
    rival: &Rival,
    style: Style,
    flights: usize,
    total: usize,
    size: usize,
    connections: usize,
) -> anyhow::Result<(i64, f64)> {
    let function = match style {
        Style::Each => "book_each",
        Style::Grouped => "book_grouped",
    };
    let mut dice = Dice::new(total as u64 ^ 0x5eed);
    let mut work: Vec<Vec<(Vec<String>, Vec<i32>)>> = vec![Vec::new(); connections];
    for (n, first) in (0..total).step_by(size).enumerate() {
        let count = size.min(total - first);
        let ids = (0..count).map(|_| uuid(dice.wide())).collect();
        let on = (0..count)
            .map(|_| 1 + dice.below(flights as u64) as i32)
            .collect();
        work[n % connections].push((ids, on));
    }
    let config = rival.config();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..connections {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            let sql = format!("SELECT {function}($1::text[]::uuid[], $2)");
            let statement = client.prepare(&sql).await.context(sql)?;
            clients.push((client, statement));
        }
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for ((client, statement), work) in clients.into_iter().zip(work) {
            tasks.spawn(async move {
                let mut granted = 0_i64;
                for (ids, on) in &work {
                    let arguments: [&(dyn ToSql + Sync); 2] = [ids, on];
                    let row = client.query_one(&statement, &arguments).await?;
                    granted += i64::from(row.get::<_, i32>(0));
                }
                Ok::<_, tokio_postgres::Error>(granted)
            });
        }
        let mut granted = 0;
        while let Some(done) = tasks.join_next().await {
            granted += done??;
        }
        Ok((granted, start.elapsed().as_secs_f64()))
    })
}

fn uuid(value: u128) -> String {
    format!("{value:032x}")
}

/// How long each try for the best client count takes.
pub const TRY: Duration = Duration::from_secs(2);
