//! How long shoppers take in the checkout and how many of them buy: what a forecast is made from.

use super::{Ledger, LedgerError};
use crate::sale::SaleId;

/// The holds of a sale that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Checkouts {
    pub bought: i64,
    pub returned: i64,
    /// Means; 0 while there was none.
    pub bought_after_seconds: f64,
    pub returned_after_seconds: f64,
}

impl Ledger {
    pub async fn checkouts(&self, sale: SaleId) -> Result<Checkouts, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE state = 'confirmed') AS "bought!",
                      count(*) FILTER (WHERE state <> 'confirmed') AS "returned!",
                      coalesce(avg(extract(epoch FROM ended_at - admitted_at)::double precision)
                          FILTER (WHERE state = 'confirmed'), 0) AS "bought_after!",
                      coalesce(avg(extract(epoch FROM ended_at - admitted_at)::double precision)
                          FILTER (WHERE state <> 'confirmed'), 0) AS "returned_after!"
               FROM holds WHERE sale_id = $1 AND state <> 'active'"#,
            sale.0
        )
        .fetch_one(&self.reads)
        .await?;
        Ok(Checkouts {
            bought: row.bought,
            returned: row.returned,
            bought_after_seconds: row.bought_after,
            returned_after_seconds: row.returned_after,
        })
    }
}
