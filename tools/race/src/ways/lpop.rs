//! A list with one token for each unit, filled before the sale: LPOP hands each token to one buyer.
//!
//! One command, and no unit can be handed out twice. The order is a second command: who breaks down between
//! the two has taken a token out of the world, and nobody knows whose it was. Whoever keeps tokens in Redis
//! needs to know elsewhere which of them are sold, and to count them again from there.

use anyhow::Result;
use async_trait::async_trait;
use redis::AsyncCommands;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS};

pub const WHY: &str =
    "A token leaves the list once; between that and the order a crash would lose it.";

const TOKENS: &str = "tokens";

pub struct Lpop;

#[async_trait]
impl Way for Lpop {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(0).await?;
        let units: Vec<u32> = (1..=stock).collect();
        Ok(ground.redis().rpush(TOKENS, units).await?)
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let unit: Option<u32> = redis.lpop(TOKENS, None).await?;
        if unit.is_none() {
            return Ok(Bought::NoStock);
        }
        // Who breaks down here has lost a unit for everybody.
        () = redis.rpush(ORDERS, 1).await?;
        Ok(Bought::Sold(1))
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
