//! The sweeper: the only thing that ends a hold because its time is up.

use std::time::Duration;

use crate::faults::{Mistake, made};
use crate::ledger::{Ledger, LedgerError, Shared, Tx};
use crate::model::SaleId;

/// Holds ended in one transaction.
const SWEEP_PAGE: i64 = 500;
/// Holds made during an outage that are set right with its credit: some two seconds of work.
const MOST_LATE: i64 = 50_000;
/// A longer silence than this between two sweeps was an outage, and is credited to every open hold: who
/// could not confirm does not lose a cart to our fault. `hold_end` in the schema has the same number.
const CREDIT_AFTER: Duration = Duration::from_secs(5);
/// How far Postgres's clock may have gone back before it counts as a jump.
const BACK_MOST: Duration = Duration::from_secs(2);
/// The name of the advisory lock where batches and the credit of an outage meet.
const CREDIT: i64 = 0x6372_6564_6974;

/// What one sweep did.
#[derive(Debug, Clone, PartialEq)]
pub enum Swept {
    /// Another gateway is sweeping.
    Elsewhere,
    /// The gap since the last sweep was credited to this many open holds; nothing was ended.
    Credited { holds: i64, gap: Duration },
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

impl Shared {
    /// No outage is credited before this transaction ends: a hold that is made in it, and that the credit does not see
    /// yet, would be given an outage which was over when it was made.
    pub(in crate::ledger) async fn before_any_credit(&mut self) -> Result<(), LedgerError> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", CREDIT)
            .execute(&mut *self.0)
            .await?;
        Ok(())
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
            let holds = self.credit(beat.beat_at, gap.unsigned_abs()).await?;
            return Ok(Swept::Credited { holds, gap: gap.unsigned_abs() });
        }
        // Each sale has an equal part of the page, so that one with many due holds does not keep the others waiting.
        // The index is entered at the sale and left at the first hold that is not due.
        let ended = sqlx::query!(
            r#"WITH open AS MATERIALIZED (SELECT sale_id FROM sales_with_holds() AS open (sale_id)),
             due AS MATERIALIZED (
                SELECT d.id
                FROM open JOIN sales s ON s.id = open.sale_id, sweeper_heartbeat beat, LATERAL (
                    SELECT h.id FROM holds h
                    WHERE h.sale_id = s.id AND h.state = 'active'
                      AND coalesce(h.due_at, h.expires_at)
                          <= later($1, -beat.outages_us - s.expiry_grace_seconds * 1000000::bigint)
                    ORDER BY coalesce(h.due_at, h.expires_at)
                    LIMIT (SELECT $2 / greatest(count(*), 1) + 1 FROM open)
                    FOR UPDATE SKIP LOCKED) d
                LIMIT $2)
             UPDATE holds SET state = 'expired', ended_at = clock_timestamp()
             FROM due WHERE holds.id = due.id AND holds.state = 'active'
             RETURNING sale_id, unit_no, (SELECT count(*) FROM open) AS "sales!""#,
            beat.now as jiff_sqlx::Timestamp,
            SWEEP_PAGE,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let sales = ended.first().map_or(1, |row| row.sales.max(1));
        // A sale may have filled its part.
        let more = ended.len() as i64 >= SWEEP_PAGE / sales;
        let units = ended.into_iter().map(|row| (SaleId(row.sale_id), row.unit_no)).collect();
        Ok(Swept::Ended { units, more })
    }

    /// Credits an outage that began with the last beat to every open hold, by stopping the clock by which they run
    /// out. One row changes, however many holds are open. A hold that was made during the outage gets its part of it:
    /// such holds are set right here, at most [`MOST_LATE`] of them. While Postgres is away there are none; the bound
    /// is for the case that gateways admit and none of them sweeps, and a hold beyond it gets the whole outage.
    async fn credit(
        &mut self,
        beat_at: jiff_sqlx::Timestamp,
        gap: Duration,
    ) -> Result<i64, LedgerError> {
        let gap = i64::try_from(gap.as_micros()).unwrap_or(i64::MAX);
        // Batches that are under way are waited for, and their holds are seen by what follows.
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", CREDIT).execute(&mut *self.0).await?;
        sqlx::query!("UPDATE sweeper_heartbeat SET outages_us = outages_us + $1", gap)
            .execute(&mut *self.0)
            .await?;
        // A hold that is being confirmed just now needs no credit and is not waited for.
        sqlx::query!(
            "WITH late AS MATERIALIZED (
                SELECT h.id, later(h.expires_at, -(beat.outages_us - $2
                           + (extract(epoch FROM h.admitted_at - $1::timestamptz) * 1000000)::bigint)) AS due_at
                FROM sweeper_heartbeat beat, sales_with_holds() AS open (sale_id),
                     LATERAL (SELECT id, expires_at, due_at, admitted_at FROM holds
                              WHERE sale_id = open.sale_id AND admitted_at > $1 AND state = 'active'
                              ORDER BY id FOR UPDATE SKIP LOCKED) h
                WHERE h.due_at > later(h.expires_at, -(beat.outages_us - $2
                           + (extract(epoch FROM h.admitted_at - $1::timestamptz) * 1000000)::bigint) + 1000)
                LIMIT $3)
             UPDATE holds SET due_at = late.due_at FROM late WHERE holds.id = late.id",
            beat_at as jiff_sqlx::Timestamp,
            gap,
            MOST_LATE,
        )
        .execute(&mut *self.0)
        .await?;
        let held = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(t.held), 0)::bigint AS "held!"
               FROM sales_with_holds() AS open (sale_id), LATERAL sale_totals(open.sale_id) t"#
        );
        Ok(held.fetch_one(&mut *self.0).await?)
    }
}
