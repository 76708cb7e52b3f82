//! A lock in Redis that expires: `SET lock <mine> NX PX <expiry>`, check, act, and release what is still ours.
//! Redis documents it under "Distributed Locks with Redis".
//!
//! The expiry is there because a holder may die. A holder who is merely late does not know that the lock is
//! over: it was paused by its garbage collector, its host, or the network, between its check and its act, and
//! then takes a unit that the next holder has sold. A longer expiry makes it rarer and never impossible, and
//! makes everybody wait longer for a holder who died.
//!
//! Once with a lock of ten seconds and nobody who stalls; once with a lock of 100 ms and holders who stall for
//! 400 ms with the unit before their eyes: the first of them, and every fiftieth after it. That is a hundredth
//! of the time that it would take with the lock of ten seconds, and otherwise the same.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use rand::RngExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, ExistenceCheck, Script, SetExpiry, SetOptions};
use tokio::time::sleep;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str = "One holder at a time as long as none is late; the others ask again and again, \
                       and who is next is luck.";
pub const WHY_STALLS: &str = "The lock ran out while its holder stalled, and both the holder and the next \
                              one sold what they had seen.";

/// One in so many holders who see a unit stalls, in the way where some do.
const STALLS: u32 = 50;
const LOCK: &str = "lock";
/// Between two attempts, in milliseconds, at random. Sooner, and five hundred who ask leave Redis no time.
const ASK_AGAIN: std::ops::Range<u64> = 10..50;
/// Frees the lock only if it is still ours.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

pub struct RedisLock {
    expiry: Duration,
    stall: Option<Duration>,
    sellers: AtomicU32,
}

impl RedisLock {
    pub fn steady() -> Self {
        Self { expiry: Duration::from_secs(10), stall: None, sellers: AtomicU32::new(0) }
    }

    pub fn stalling() -> Self {
        let stall = Some(Duration::from_millis(400));
        Self { expiry: Duration::from_millis(100), stall, sellers: AtomicU32::new(0) }
    }

    async fn check_and_act(&self, redis: &mut MultiplexedConnection) -> Result<Bought> {
        let left: i64 = redis.get(STOCK).await?;
        if left < 1 {
            return Ok(Bought::NoStock);
        }
        if let Some(stall) = self.stall
            && self.sellers.fetch_add(1, Ordering::Relaxed).is_multiple_of(STALLS)
        {
            sleep(stall).await;
        }
        () = redis.decr(STOCK, 1).await?;
        () = redis.rpush(ORDERS, 1).await?;
        Ok(Bought::Sold(1))
    }
}

#[async_trait]
impl Way for RedisLock {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let mut redis = buyer.redis()?;
        let expiry = SetExpiry::PX(u64::try_from(self.expiry.as_millis())?);
        let if_free =
            SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(expiry);
        while !redis.set_options::<_, _, bool>(LOCK, buyer.number, if_free.clone()).await? {
            buyer.retries += 1;
            let wait = rand::rng().random_range(ASK_AGAIN);
            sleep(Duration::from_millis(wait)).await;
        }
        let bought = self.check_and_act(&mut redis).await?;
        () = Script::new(RELEASE).key(LOCK).arg(buyer.number).invoke_async(&mut redis).await?;
        Ok(bought)
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
