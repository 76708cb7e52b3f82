//! A mutex in the shop's own process around check-then-act.
//!
//! Right as long as there is one process: nobody looks while another takes. A second process has a mutex of
//! its own and knows nothing of the first. Two servers behind a load balancer, or one that is replaced by
//! its next release while it still serves, and it oversells like no mutex at all.
//!
//! Two processes are two mutexes here, with every other buyer at each; they share the store and nothing
//! else, as processes would.

use anyhow::Result;
use async_trait::async_trait;
use redis::AsyncCommands;
use tokio::sync::Mutex;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str = "Buyers pass one by one, each for as long as its round trips take; there may be \
                       one process only.";
pub const WHY_TWO: &str =
    "Each process has a mutex of its own, and none of them keeps the other out.";

pub struct Mutexes(Vec<Mutex<()>>);

impl Mutexes {
    pub fn of_processes(processes: usize) -> Self {
        Self((0..processes).map(|_| Mutex::new(())).collect())
    }
}

#[async_trait]
impl Way for Mutexes {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let process = buyer.number as usize % self.0.len();
        let _alone = self.0[process].lock().await;
        let left: i64 = redis.get(STOCK).await?;
        if left < 1 {
            return Ok(Bought::NoStock);
        }
        () = redis.decr(STOCK, 1).await?;
        () = redis.rpush(ORDERS, 1).await?;
        Ok(Bought::Sold(1))
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
