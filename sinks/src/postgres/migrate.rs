//! The schema's versions: forward only, each in one transaction, under a lock.

use tokio_postgres::Client;

use super::PostgresError;

/// A step from one version to the next.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

/// In order; the version is the place, from 1. Steps that were released are never changed.
const MIGRATIONS: [Migration; 7] = [
    Migration {
        name: "tables",
        sql: include_str!("migrations/0001_tables.sql"),
    },
    Migration {
        name: "views",
        sql: include_str!("migrations/0002_views.sql"),
    },
    Migration {
        name: "orders",
        sql: include_str!("migrations/0003_orders.sql"),
    },
    Migration {
        name: "waiting",
        sql: include_str!("migrations/0004_waiting.sql"),
    },
    Migration {
        name: "waiting_orders",
        sql: include_str!("migrations/0005_waiting_orders.sql"),
    },
    Migration {
        name: "views in files",
        sql: include_str!("migrations/0006_view_state.sql"),
    },
    Migration {
        name: "orders at providers",
        sql: include_str!("migrations/0007_outward.sql"),
    },
];

/// The version that this release writes.
pub const SCHEMA_VERSION: i32 = MIGRATIONS.len() as i32;

/// Any number that nobody else is likely to lock.
const LOCK: i64 = 0x666c_6967_6874;

const PREPARE: &str = "\
CREATE SCHEMA IF NOT EXISTS flightline;
CREATE SCHEMA IF NOT EXISTS views;
COMMENT ON SCHEMA flightline IS 'Tables written by flightline, equal to the fold of its stream up to sink_progress. Read only for everybody else.';
COMMENT ON SCHEMA views IS 'Views of flightline''s dataflow, maintained as tables. Read only for everybody else.';
CREATE TABLE IF NOT EXISTS flightline.schema_version (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flightline.schema_version IS 'Versions of these tables, in the order in which they were applied.';
COMMENT ON COLUMN flightline.schema_version.version IS 'The version.';
COMMENT ON COLUMN flightline.schema_version.name IS 'What it brought.';
COMMENT ON COLUMN flightline.schema_version.applied_at IS 'When.';
";

/// Brings the schema to this release's version.
pub(super) async fn run(client: &mut Client) -> Result<(), PostgresError> {
    let failed = |what: &str| PostgresError::database(format!("preparing the tables: {what}"));
    loop {
        let tx = client.transaction().await.map_err(failed("begin"))?;
        tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await
            .map_err(failed("waiting for other replicas"))?;
        let there = "SELECT to_regclass('flightline.schema_version') IS NOT NULL";
        let there = tx.query_one(there, &[]).await.map_err(failed("looking"))?;
        if !there.get::<_, bool>(0) {
            // Only then: it takes a right that the daily work does not.
            tx.batch_execute(PREPARE).await.map_err(failed("schemas"))?;
        }
        let version = "SELECT coalesce(max(version), 0) FROM flightline.schema_version";
        let row = tx.query_one(version, &[]).await;
        let found: i32 = row.map_err(failed("reading schema_version"))?.get(0);
        if found > SCHEMA_VERSION {
            return Err(PostgresError::NewerSchema {
                found,
                known: SCHEMA_VERSION,
            });
        }
        let Some(next) = MIGRATIONS.get(found as usize) else {
            return Ok(());
        };
        tx.batch_execute(next.sql)
            .await
            .map_err(failed(next.name))?;
        let insert = "INSERT INTO flightline.schema_version (version, name) VALUES ($1, $2)";
        tx.execute(insert, &[&(found + 1), &next.name])
            .await
            .map_err(failed("writing schema_version"))?;
        tx.commit().await.map_err(failed("commit"))?;
        tracing::info!(version = found + 1, name = next.name, "database schema");
    }
}
