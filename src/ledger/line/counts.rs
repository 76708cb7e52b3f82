//! Counters of a sale, and the rows that they count.

use std::collections::HashMap;

use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError};
use crate::model::{SaleId, Stock};

/// Counts of one sale since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tickets in the journal.
    pub joined: i64,
    /// In line; tickets that were told that all is sold are not.
    pub waiting: i64,
    pub admitted: i64,
    /// Left by themselves or removed.
    pub left: i64,
    /// Active, confirmed, and released or expired holds.
    pub held: i64,
    pub sold: i64,
    pub returned: i64,
    /// How long the ended holds lasted in all, in milliseconds.
    pub sold_ms: i64,
    pub returned_ms: i64,
    pub orders: i64,
    pub withdrawn: i64,
}

impl Counts {
    /// From the columns of `sale_totals` and `counted_rows`, in their order.
    pub(crate) fn from_columns(columns: &[i64]) -> Result<Self, LedgerError> {
        let columns = <[i64; 11]>::try_from(columns);
        let [
            joined,
            waiting,
            admitted,
            left,
            held,
            sold,
            returned,
            sold_ms,
            returned_ms,
            orders,
            withdrawn,
        ] = columns.map_err(|_| LedgerError::Impossible("the columns of a sale's counts"))?;
        Ok(Self {
            joined,
            waiting,
            admitted,
            left,
            held,
            sold,
            returned,
            sold_ms,
            returned_ms,
            orders,
            withdrawn,
        })
    }

    /// Each count by the name of its check.
    pub fn named(&self) -> [(&'static str, i64); 11] {
        [
            ("counter: tickets joined", self.joined),
            ("counter: tickets waiting", self.waiting),
            ("counter: tickets admitted", self.admitted),
            ("counter: tickets left", self.left),
            ("counter: holds open", self.held),
            ("counter: holds confirmed", self.sold),
            ("counter: holds returned", self.returned),
            ("counter: milliseconds until confirmed", self.sold_ms),
            ("counter: milliseconds until returned", self.returned_ms),
            ("counter: orders", self.orders),
            ("counter: units withdrawn", self.withdrawn),
        ]
    }
}

/// What a sale's rows say and what its counters say, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub rows: Counts,
    pub counters: Counts,
    pub stock: i64,
    /// Confirmed holds without an order, or orders with a hold that is not confirmed or has another unit.
    pub mismatched: i64,
    /// Open or sold units beyond the stock.
    pub beyond_stock: i64,
}

impl Ledger {
    /// Counts every row of a sale. Reads the sale's whole history, on connections of its own.
    pub async fn verify(&self, sale: SaleId) -> Result<Verified, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT s.stock,
                      ARRAY[r.joined, r.waiting, r.admitted, r.gone, r.held, r.sold, r.returned, r.sold_ms,
                            r.returned_ms, r.orders, r.withdrawn] AS "rows!",
                      ARRAY[t.joined, t.waiting, t.admitted, t.gone, t.held, t.sold, t.returned, t.sold_ms,
                            t.returned_ms, t.orders, t.withdrawn] AS "counters!",
                      (SELECT count(*) FROM
                          (SELECT id, unit_no FROM holds WHERE sale_id = $1 AND state = 'confirmed') h
                          FULL JOIN (SELECT hold_id, unit_no FROM orders WHERE sale_id = $1) o
                          ON o.hold_id = h.id
                       WHERE h.unit_no IS DISTINCT FROM o.unit_no) AS "mismatched!",
                      (SELECT count(*) FROM holds WHERE sale_id = $1
                          AND state IN ('active', 'confirmed')
                          AND unit_no > s.stock) AS "beyond_stock!"
               FROM sales s, LATERAL counted_rows(s.id) r, LATERAL sale_totals(s.id) t
               WHERE s.id = $1"#,
            sale.0
        )
        .fetch_one(&self.audits)
        .await?;
        Ok(Verified {
            rows: Counts::from_columns(&row.rows)?,
            counters: Counts::from_columns(&row.counters)?,
            stock: row.stock.into(),
            mismatched: row.mismatched,
            beyond_stock: row.beyond_stock,
        })
    }

    /// Where the units of these sales are.
    pub async fn stocks(&self, sales: &[SaleId]) -> Result<HashMap<SaleId, Stock>, LedgerError> {
        let ids: Vec<Uuid> = sales.iter().map(|sale| sale.0).collect();
        let rows = sqlx::query!(
            r#"SELECT s.id, s.stock, t.held AS "held!", t.sold AS "sold!", t.withdrawn AS "withdrawn!"
               FROM UNNEST($1::uuid[]) AS asked (id) JOIN sales s ON s.id = asked.id,
                    LATERAL sale_totals(s.id) t"#,
            &ids,
        )
        .fetch_all(&self.reads)
        .await?;
        let stock = |seeded: i32, held, sold, withdrawn| Stock {
            seeded: seeded.into(),
            held,
            sold,
            withdrawn,
        };
        Ok(rows
            .into_iter()
            .map(|row| (SaleId(row.id), stock(row.stock, row.held, row.sold, row.withdrawn)))
            .collect())
    }

    /// The last batch recorded in the sale's epoch.
    pub async fn last_batch(&self, sale: SaleId) -> Result<i64, LedgerError> {
        let last = sqlx::query_scalar!(
            r#"SELECT coalesce((SELECT max(n) FROM batches b
                                WHERE b.sale_id = s.id AND b.epoch = s.epoch), 0) AS "last!"
               FROM sales s WHERE s.id = $1"#,
            sale.0
        );
        Ok(last.fetch_one(&self.audits).await?)
    }
}
