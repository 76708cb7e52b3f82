//! Which gateways live: each one's sign of life, in Postgres so that it outlives Redis.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError};

/// For how long a gateway that fell silent is still listed.
const LISTED_SECONDS: f64 = 86_400.0;
/// One that is silent for longer than this and is started again under its name is the same one.
const REPLACED_AFTER_SECONDS: f64 = 5.0;

/// What a gateway says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat {
    /// New with each start.
    pub id: Uuid,
    pub name: String,
    pub sockets: i64,
    pub admissions_per_second: f64,
    /// The stores that do not answer it.
    pub missing: Vec<String>,
}

/// A gateway as the others know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    pub id: Uuid,
    pub name: String,
    pub version: String,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
    /// How long ago that was when the list was read, by Postgres's clock.
    pub silent_seconds: f64,
    pub sockets: i64,
    pub admissions_per_second: f64,
    pub missing: Vec<String>,
}

impl Ledger {
    /// Writes one gateway's sign of life, and forgets its own earlier ones and those of long ago.
    pub async fn beat(&self, beat: &Beat, version: &str) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO gateways (id, name, version, sockets, admissions_per_second, missing)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp(), sockets = excluded.sockets,
                 admissions_per_second = excluded.admissions_per_second, missing = excluded.missing",
            beat.id,
            beat.name,
            version,
            beat.sockets,
            beat.admissions_per_second,
            &beat.missing,
        )
        .execute(&self.watch)
        .await?;
        sqlx::query!(
            "DELETE FROM gateways
             WHERE (name = $1 AND id <> $2 AND seen_at < clock_timestamp() - make_interval(secs => $3))
                OR seen_at < clock_timestamp() - make_interval(secs => $4)",
            beat.name,
            beat.id,
            REPLACED_AFTER_SECONDS,
            LISTED_SECONDS,
        )
        .execute(&self.watch)
        .await?;
        Ok(())
    }

    /// Every gateway that is known, the one that started first in front.
    pub async fn gateways(&self) -> Result<Vec<Gateway>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT id, name, version, started_at, seen_at, sockets, admissions_per_second, missing,
                      extract(epoch FROM clock_timestamp() - seen_at)::double precision AS "silent!"
               FROM gateways ORDER BY started_at, id"#,
        )
        .fetch_all(&self.watch)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Gateway {
                id: row.id,
                name: row.name,
                version: row.version,
                started_at: row.started_at.to_jiff(),
                seen_at: row.seen_at.to_jiff(),
                silent_seconds: row.silent,
                sockets: row.sockets,
                admissions_per_second: row.admissions_per_second,
                missing: row.missing,
            })
            .collect())
    }

    /// A gateway that stops by itself is no longer expected.
    pub async fn forget_gateway(&self, id: Uuid) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM gateways WHERE id = $1", id).execute(&self.watch).await?;
        Ok(())
    }
}
