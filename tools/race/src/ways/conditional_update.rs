//! One conditional statement in Postgres: `UPDATE … SET left = left - 1 WHERE left > 0`, and the order with it.
//!
//! The condition is checked again under the row's lock, so it never oversells, and there is one round trip and
//! one commit. Buyers still queue for the one row, as long as there is something to sell: this row is the
//! speed limit, whatever the crowd. When nothing is left nobody locks anything, and everybody is told at once.

use anyhow::Result;
use async_trait::async_trait;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;

pub const WHY: &str = "Look and taking are one statement; every sale still waits for the one row.";

pub struct ConditionalUpdate;

#[async_trait]
impl Way for ConditionalUpdate {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_postgres(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let written = sqlx::query(
            "WITH taken AS (
                 UPDATE stock SET units_left = units_left - 1 WHERE units_left > 0 RETURNING 1)
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
