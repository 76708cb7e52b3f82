//! What a rebuild of Redis reads, and the epoch that fences what ran before it.

use std::collections::HashSet;

use crate::ledger::{Ledger, LedgerError, Tx};
use crate::model::{SaleId, Seq, Ticket};

impl Tx {
    /// Raises the epoch above every one that Redis may have served, and returns it. From the commit on,
    /// nothing of an older epoch is recorded. The caller has excluded everyone else.
    pub async fn raise_epoch(&mut self, sale: SaleId) -> Result<i32, LedgerError> {
        let epoch = sqlx::query_scalar!(
            "UPDATE sales SET epoch = served_epoch + 1 WHERE id = $1 RETURNING epoch",
            sale.0
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(epoch)
    }
}

impl Ledger {
    /// Says that Redis may serve this epoch from now on. True for the first who says so, while it rules.
    pub async fn will_serve(&self, sale: SaleId, epoch: i32) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sales SET served_epoch = epoch
             WHERE id = $1 AND epoch = $2 AND served_epoch < epoch AND state <> 'closed'",
            sale.0,
            epoch,
        )
        .execute(&self.line)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// One page of the line as the journal has it, after `after`.
    pub async fn waiting_page(
        &self,
        sale: SaleId,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<(Ticket, Seq)>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT ticket, seq FROM joins
             WHERE sale_id = $1 AND state = 'waiting' AND seq > $2
               AND seq > coalesce((SELECT sold_out_seq FROM sales WHERE id = $1), 0)
             ORDER BY seq LIMIT $3",
            sale.0,
            after.0,
            limit,
        )
        .fetch_all(&self.line)
        .await?;
        Ok(rows.into_iter().map(|row| (Ticket(row.ticket), Seq(row.seq))).collect())
    }

    /// The last number in the journal.
    pub async fn last_seq(&self, sale: SaleId) -> Result<Seq, LedgerError> {
        let last = sqlx::query_scalar!(
            r#"SELECT coalesce((SELECT seq FROM joins WHERE sale_id = $1 AND seq > 0
                                ORDER BY seq DESC LIMIT 1), 0) AS "last!""#,
            sale.0
        );
        Ok(Seq(last.fetch_one(&self.line).await?))
    }

    /// How many the journal has waiting in front of this number.
    pub async fn waiting_before(&self, sale: SaleId, seq: Seq) -> Result<u64, LedgerError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM joins
               WHERE sale_id = $1 AND state = 'waiting' AND seq < $2
                 AND seq > coalesce((SELECT sold_out_seq FROM sales WHERE id = $1), 0)"#,
            sale.0,
            seq.0,
        )
        .fetch_one(&self.reads)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// The units that nobody holds, owns or withdrew, among `limit` unit numbers after `after`; nothing when
    /// `after` is the last unit seeded.
    pub async fn free_page(
        &self,
        sale: SaleId,
        after: i32,
        limit: i32,
    ) -> Result<Option<Vec<i32>>, LedgerError> {
        let stock = sqlx::query_scalar!("SELECT stock FROM sales WHERE id = $1", sale.0)
            .fetch_one(&self.line)
            .await?;
        if after >= stock {
            return Ok(None);
        }
        let (low, high) = (after + 1, stock.min(after.saturating_add(limit)));
        // Only units that are not free are read: at the start of a sale there are none.
        let taken = sqlx::query_scalar!(
            r#"SELECT unit_no AS "unit!" FROM holds
               WHERE sale_id = $1 AND unit_no BETWEEN $2 AND $3 AND state IN ('active', 'confirmed')
               UNION ALL SELECT unit_no FROM withdrawn_units
               WHERE sale_id = $1 AND unit_no BETWEEN $2 AND $3"#,
            sale.0,
            low,
            high,
        )
        .fetch_all(&self.line)
        .await?;
        let taken: HashSet<i32> = taken.into_iter().collect();
        Ok(Some((low..=high).filter(|unit| !taken.contains(unit)).collect()))
    }

    /// All of them.
    pub async fn all_free(&self, sale: SaleId) -> Result<Vec<i32>, LedgerError> {
        /// Unit numbers looked at in one query.
        const PAGE: i32 = 50_000;
        let (mut all, mut after) = (Vec::new(), 0);
        while let Some(page) = self.free_page(sale, after, PAGE).await? {
            all.extend(page);
            after += PAGE;
        }
        Ok(all)
    }
}
