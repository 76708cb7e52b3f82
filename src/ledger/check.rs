//! Counts for the operator and for reconciliation, and how Postgres is set up.

use super::{Ledger, LedgerError};
use crate::sale::SaleId;

/// Tickets of one sale since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub joined: i64,
    /// Left by themselves or removed.
    pub left: i64,
    pub admitted: i64,
    pub waiting: i64,
    pub orders: i64,
    /// Confirmed holds without an order, or orders whose hold is not confirmed or names another unit.
    pub mismatched: i64,
    /// Live-or-sold units beyond the stock.
    pub beyond_stock: i64,
    pub last_batch: i64,
}

/// How Postgres is set up, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub fsync: bool,
    pub full_page_writes: bool,
    pub synchronous_commit: String,
    pub in_recovery: bool,
}

impl Ledger {
    pub async fn counts(&self, sale: SaleId) -> Result<Counts, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT j.joined AS "joined!", j.gone AS "gone!", j.admitted AS "admitted!",
                      j.waiting AS "waiting!",
                      (SELECT count(*) FROM orders WHERE sale_id = $1) AS "orders!",
                      (SELECT count(*) FROM
                          (SELECT id, unit_no FROM holds WHERE sale_id = $1 AND state = 'confirmed') h
                          FULL JOIN (SELECT hold_id, unit_no FROM orders WHERE sale_id = $1) o
                          ON o.hold_id = h.id
                       WHERE h.unit_no IS DISTINCT FROM o.unit_no) AS "mismatched!",
                      (SELECT count(*) FROM holds WHERE sale_id = $1
                          AND state IN ('active', 'confirmed')
                          AND unit_no > (SELECT stock FROM sales WHERE id = $1)) AS "beyond_stock!",
                      coalesce((SELECT max(n) FROM batches b JOIN sales s
                                ON s.id = b.sale_id AND s.epoch = b.epoch WHERE s.id = $1), 0)
                          AS "last_batch!"
               FROM (SELECT count(*) AS joined,
                            count(*) FILTER (WHERE state IN ('left', 'removed')) AS gone,
                            count(*) FILTER (WHERE state = 'admitted') AS admitted,
                            count(*) FILTER (WHERE state = 'waiting' AND seq > coalesce(
                                (SELECT sold_out_seq FROM sales WHERE id = $1), 0)) AS waiting
                     FROM joins WHERE sale_id = $1) j"#,
            sale.0
        )
        .fetch_one(&self.reads)
        .await?;
        Ok(Counts {
            joined: row.joined,
            left: row.gone,
            admitted: row.admitted,
            waiting: row.waiting,
            orders: row.orders,
            mismatched: row.mismatched,
            beyond_stock: row.beyond_stock,
            last_batch: row.last_batch,
        })
    }

    /// Asks Postgres how it is set up.
    pub async fn check(&self) -> Result<Check, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT current_setting('fsync') = 'on' AS "fsync!",
                      current_setting('full_page_writes') = 'on' AS "full_page_writes!",
                      current_setting('synchronous_commit') AS "synchronous_commit!",
                      pg_is_in_recovery() AS "in_recovery!""#
        )
        .fetch_one(&self.watch)
        .await?;
        Ok(Check {
            fsync: row.fsync,
            full_page_writes: row.full_page_writes,
            synchronous_commit: row.synchronous_commit,
            in_recovery: row.in_recovery,
        })
    }
}
