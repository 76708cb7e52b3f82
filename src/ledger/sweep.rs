//! The sweeper: the only thing that ends a hold because its time is up.

use std::time::Duration;

use super::{Ledger, LedgerError, Tx};
use crate::faults::{Mistake, made};
use crate::sale::SaleId;

/// Holds ended in one transaction.
const SWEEP_PAGE: i64 = 500;
/// A longer silence than this between two sweeps was an outage, and is credited to every open hold: who
/// could not confirm does not lose a cart to our fault.
const CREDIT_AFTER: Duration = Duration::from_secs(5);
/// How far Postgres's clock may have gone back before it counts as a jump.
const BACK_MOST: Duration = Duration::from_secs(2);

/// What one sweep did.
#[derive(Debug, Clone, PartialEq)]
pub enum Swept {
    /// Another gateway is sweeping.
    Elsewhere,
    /// The gap since the last sweep was added to this many open holds; nothing was ended.
    Credited { holds: u64, gap: Duration },
    /// Postgres's clock went back; nothing was ended.
    ClockWentBack { by: Duration },
    /// These units came back, at most a page of them.
    Ended { units: Vec<(SaleId, i32)>, more: bool },
}

impl Ledger {
    /// Ends a page of holds whose window and grace are over. Any number of gateways may call it at a time.
    pub async fn sweep(&self) -> Result<Swept, LedgerError> {
        let mut tx = self.begin_line().await?;
        let swept = tx.sweep().await?;
        tx.commit().await?;
        Ok(swept)
    }
}

impl Tx {
    async fn sweep(&mut self) -> Result<Swept, LedgerError> {
        let beat = sqlx::query!(
            r#"SELECT beat_at, clock_timestamp() AS "now!" FROM sweeper_heartbeat
               FOR UPDATE SKIP LOCKED"#
        )
        .fetch_optional(&mut *self.0)
        .await?;
        let Some(beat) = beat else { return Ok(Swept::Elsewhere) };
        let (beat_at, now) = (beat.beat_at.to_jiff(), beat.now.to_jiff());
        sqlx::query!("UPDATE sweeper_heartbeat SET beat_at = $1", beat.now as jiff_sqlx::Timestamp)
            .execute(&mut *self.0)
            .await?;
        let gap = now.duration_since(beat_at);
        if gap.is_negative() && gap.unsigned_abs() > BACK_MOST {
            return Ok(Swept::ClockWentBack { by: gap.unsigned_abs() });
        }
        if !gap.is_negative() && gap.unsigned_abs() > CREDIT_AFTER && !made(Mistake::NoCredit) {
            // In the order in which confirms of a group lock them, so that neither waits for the other in a circle.
            let holds = sqlx::query!(
                "WITH open AS MATERIALIZED (
                    SELECT id FROM holds WHERE state = 'active' AND admitted_at < $2
                    ORDER BY id FOR UPDATE)
                 UPDATE holds SET expires_at = expires_at + ($2 - greatest($1, admitted_at))
                 FROM open WHERE holds.id = open.id AND holds.state = 'active'",
                beat.beat_at as jiff_sqlx::Timestamp,
                beat.now as jiff_sqlx::Timestamp,
            )
            .execute(&mut *self.0)
            .await?
            .rows_affected();
            return Ok(Swept::Credited { holds, gap: gap.unsigned_abs() });
        }
        let ended = sqlx::query!(
            "UPDATE holds SET state = 'expired', ended_at = clock_timestamp()
             WHERE state = 'active' AND id IN (
                SELECT h.id FROM holds h JOIN sales s ON s.id = h.sale_id
                WHERE h.state = 'active' AND h.expires_at <= clock_timestamp()
                  AND h.expires_at <= clock_timestamp() - make_interval(secs => s.expiry_grace_seconds)
                ORDER BY h.expires_at LIMIT $1
                FOR UPDATE OF h SKIP LOCKED)
             RETURNING sale_id, unit_no",
            SWEEP_PAGE,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let more = ended.len() as i64 == SWEEP_PAGE;
        let units = ended.into_iter().map(|row| (SaleId(row.sale_id), row.unit_no)).collect();
        Ok(Swept::Ended { units, more })
    }
}
