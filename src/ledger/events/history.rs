//! How each sale went, slot by slot: written by whichever gateway is first, read for the console's charts.

use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError};
use crate::model::SaleId;

/// Where a sale stood in one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Unix time in slots; how long one is, `flow::history` says.
    pub slot: i64,
    pub waiting: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    pub joined: i64,
    pub admitted: i64,
}

impl Ledger {
    /// Writes down moments of any number of sales; what another gateway wrote of the same slot stays.
    pub async fn write_history(&self, moments: &[(SaleId, Moment)]) -> Result<(), LedgerError> {
        let of = |part: fn(&Moment) -> i64| -> Vec<i64> {
            moments.iter().map(|(_, moment)| part(moment)).collect()
        };
        let sales: Vec<Uuid> = moments.iter().map(|(sale, _)| sale.0).collect();
        sqlx::query!(
            "INSERT INTO sale_history (sale_id, slot, waiting, available, held, sold, joined, admitted)
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                                  $6::bigint[], $7::bigint[], $8::bigint[])
             ON CONFLICT DO NOTHING",
            &sales,
            &of(|m| m.slot),
            &of(|m| m.waiting),
            &of(|m| m.available),
            &of(|m| m.held),
            &of(|m| m.sold),
            &of(|m| m.joined),
            &of(|m| m.admitted),
        )
        .execute(&self.watch)
        .await?;
        Ok(())
    }

    /// A sale's moments from `since` on, oldest first and at most about `most`: of each group of
    /// neighbouring slots the last one.
    pub async fn sale_history(
        &self,
        sale: SaleId,
        since: i64,
        most: i64,
    ) -> Result<Vec<Moment>, LedgerError> {
        let rows = sqlx::query!(
            r#"WITH span AS (
                   SELECT greatest((max(slot) - min(slot)) / $3 + 1, 1) AS width
                   FROM sale_history WHERE sale_id = $1 AND slot >= $2)
               SELECT DISTINCT ON (slot / width) slot, waiting, available, held, sold, joined, admitted
               FROM sale_history, span WHERE sale_id = $1 AND slot >= $2
               ORDER BY slot / width, slot DESC"#,
            sale.0,
            since,
            most,
        )
        .fetch_all(&self.reads)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Moment {
                slot: row.slot,
                waiting: row.waiting,
                available: row.available,
                held: row.held,
                sold: row.sold,
                joined: row.joined,
                admitted: row.admitted,
            })
            .collect())
    }
}
