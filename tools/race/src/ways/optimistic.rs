//! An optimistic version in Postgres: read stock and version, and write only if the version is still the same.
//! ORMs do it with a version column.
//!
//! It never oversells. As with WATCH one winner makes everybody else's read stale, and each loser has paid two
//! statements for nothing. Here a loser tries again until there is nothing left, which ends: each loss is
//! another buyer's unit.

use anyhow::Result;
use async_trait::async_trait;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;

pub const WHY: &str = "Each sale makes every other read stale; losers try until nothing is left.";

pub struct Optimistic;

#[async_trait]
impl Way for Optimistic {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_postgres(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut postgres = buyer.postgres().acquire().await?;
        loop {
            let (left, version): (i32, i32) =
                sqlx::query_as("SELECT units_left, version FROM stock")
                    .fetch_one(&mut *postgres)
                    .await?;
            if left < 1 {
                return Ok(Bought::NoStock);
            }
            let written = sqlx::query(
                "WITH taken AS (
                     UPDATE stock SET units_left = $1 - 1, version = version + 1
                     WHERE version = $2 RETURNING 1)
                 INSERT INTO orders (buyer) SELECT $3 FROM taken",
            )
            .bind(left)
            .bind(version)
            .bind(i32::try_from(buyer.number)?)
            .execute(&mut *postgres)
            .await?;
            if written.rows_affected() == 1 {
                return Ok(Bought::Sold(1));
            }
            buyer.retries += 1;
        }
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_postgres().await
    }
}
