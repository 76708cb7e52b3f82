//! The same WATCH for a cart: one to three units, all of them or none.
//!
//! The transaction keeps a cart whole. A cart of three is turned away when two are left, and a later cart of
//! one may still get one of those. Larger carts do not lose more often to others; they end sooner.
//!
//! Buyers want one, two and three units in turn.

use anyhow::Result;
use async_trait::async_trait;
use redis::AsyncCommands;

use super::Way;
use super::retry::Retry;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str = "As for one unit; and a cart that wants more than is left fails whole.";

pub struct WatchCart(pub Retry);

#[async_trait]
impl Way for WatchCart {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let wanted = 1 + buyer.number % 3;
        let mut tried = 0;
        loop {
            () = redis::cmd("WATCH").arg(STOCK).query_async(&mut redis).await?;
            let left: i64 = redis.get(STOCK).await?;
            if left < i64::from(wanted) {
                () = redis::cmd("UNWATCH").query_async(&mut redis).await?;
                return Ok(Bought::NoStock);
            }
            let mut take = redis::pipe();
            take.atomic().decr(STOCK, wanted).rpush(ORDERS, wanted);
            let done: Option<(i64, i64)> = take.query_async(&mut redis).await?;
            if done.is_some() {
                return Ok(Bought::Sold(wanted));
            }
            if !self.0.again(buyer, tried).await {
                return Ok(Bought::GaveUp);
            }
            tried += 1;
        }
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
