//! WATCH, look, MULTI, take, EXEC: Redis runs the transaction only if nobody touched the counter since the
//! look. Redis documents it under "Transactions" as optimistic locking.
//!
//! It never oversells. But one sale undoes every other attempt under way: of five hundred who look at the
//! same time one wins, and the rest begin again with whoever came meanwhile. With few retries most are turned
//! away while the shelf is full; with backoff the shelf gets empty, after waiting.
//!
//! WATCH belongs to a connection, so each buyer who is served has one. A shared connection would mix up whose
//! look is whose, and never undo anything. A pool makes the crowd smaller: with ten connections at most ten
//! compete, which hides the trouble until there is a second server with a pool of its own. `watch-unit-pool-of-10`
//! shows what that does; so does `--in-flight 10`.

use anyhow::Result;
use async_trait::async_trait;
use redis::AsyncCommands;
use tokio::sync::Semaphore;

use super::Way;
use super::retry::Retry;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str = "Each sale undoes all other attempts under way; three retries later most are turned \
                       away, whatever is left on the shelf.";
pub const WHY_POOL: &str = "Ten at a time compete, so fewer attempts are undone; everybody else waits for \
                            a connection.";
pub const WHY_BACKOFF: &str = "Waiting at random thins out the attempts, at the price of the wait; \
                               whoever lost eleven times is turned away all the same.";

pub struct WatchUnit {
    retry: Retry,
    pool: Semaphore,
}

impl WatchUnit {
    pub fn new(retry: Retry) -> Self {
        Self::through_pool(retry, Semaphore::MAX_PERMITS)
    }

    pub fn through_pool(retry: Retry, connections: usize) -> Self {
        Self { retry, pool: Semaphore::new(connections) }
    }
}

#[async_trait]
impl Way for WatchUnit {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let _one_of_the_pool = self.pool.acquire().await?;
        let mut tried = 0;
        loop {
            () = redis::cmd("WATCH").arg(STOCK).query_async(&mut redis).await?;
            let left: i64 = redis.get(STOCK).await?;
            if left < 1 {
                () = redis::cmd("UNWATCH").query_async(&mut redis).await?;
                return Ok(Bought::NoStock);
            }
            let mut take = redis::pipe();
            take.atomic().decr(STOCK, 1).rpush(ORDERS, 1);
            let done: Option<(i64, i64)> = take.query_async(&mut redis).await?;
            if done.is_some() {
                return Ok(Bought::Sold(1));
            }
            if !self.retry.again(buyer, tried).await {
                return Ok(Bought::GaveUp);
            }
            tried += 1;
        }
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
