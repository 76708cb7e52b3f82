//! Check, then act: read how many are left, and if there are any, take one.
//!
//! This is what everybody writes first, and it works for one buyer at a time. Between the look and the
//! taking lies a round trip to the store. Everybody who looks within it sees the same last unit, and
//! everybody takes it. The counter ends below zero.

use anyhow::Result;
use async_trait::async_trait;
use redis::AsyncCommands;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str =
    "Everybody who looks between another's look and its taking sees the same unit.";

pub struct Unprotected;

#[async_trait]
impl Way for Unprotected {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let left: i64 = redis.get(STOCK).await?;
        if left < 1 {
            return Ok(Bought::NoStock);
        }
        // Here others look, too.
        () = redis.decr(STOCK, 1).await?;
        () = redis.rpush(ORDERS, 1).await?;
        Ok(Bought::Sold(1))
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
