//! One row for each unit in Postgres, taken with `FOR UPDATE SKIP LOCKED`: whoever comes passes by the rows that
//! others are just taking. Shopify's inventory reservations went there from counters in Redis, in one
//! transaction with the ledger.
//!
//! No row is hot, so buyers do not wait for each other. "No row for me" means that every row is sold or just
//! being taken: if one of those takers gives up, its unit is free again and nobody is told.

use anyhow::Result;
use async_trait::async_trait;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;

pub const WHY: &str =
    "Each buyer takes a row that nobody else is taking, so none waits for another.";

pub struct SkipLocked;

#[async_trait]
impl Way for SkipLocked {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_postgres(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let written = sqlx::query(
            "WITH free AS (
                 SELECT number FROM units WHERE buyer IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED),
             taken AS (
                 UPDATE units SET buyer = $1 FROM free WHERE units.number = free.number RETURNING 1)
             INSERT INTO orders (buyer) SELECT $1 FROM taken",
        )
        .bind(i32::try_from(buyer.number)?)
        .execute(buyer.postgres())
        .await?;
        Ok(if written.rows_affected() == 1 { Bought::Sold(1) } else { Bought::NoStock })
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_postgres().await
    }
}
