//! Every way to sell the last units, each in a file of its own. [`all`] is the list; a way that is added there
//! takes part.

pub mod conditional_update;
pub mod lpop;
pub mod lua;
pub mod mutex;
pub mod optimistic;
pub mod pessimistic;
pub mod redis_lock;
pub mod retry;
pub mod ropeline;
pub mod skip_locked;
pub mod unprotected;
pub mod watch_cart;
pub mod watch_reservation;
pub mod watch_unit;

use anyhow::Result;
use async_trait::async_trait;

use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;
use redis_lock::RedisLock;
use retry::{BACKOFF, THREE};

/// One way to sell units to buyers who all come at once.
#[async_trait]
pub trait Way: Send + Sync {
    /// Puts `stock` units up for sale; nothing is left of an earlier sale.
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()>;

    /// Serves one buyer. Called for many at a time.
    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought>;

    /// Units in the orders that were written.
    async fn ordered(&self, ground: &Ground) -> Result<u64>;

    /// Lets go of what was begun in `prepare`.
    async fn end(&self) -> Result<()> {
        Ok(())
    }
}

/// Where an order is when its buyer is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// In Redis alone. With an append-only file that is synced every second, as here, a crash of the machine
    /// costs the last second; without one it costs all.
    Redis,
    /// Committed in Postgres: no order is lost with Redis.
    Postgres,
}

impl Written {
    pub fn word(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Postgres => "Postgres",
        }
    }
}

/// A way as the table names it.
pub struct Entry {
    pub name: &'static str,
    pub written: Written,
    /// One sentence: why it does what the figures show.
    pub why: &'static str,
    pub make: fn() -> Box<dyn Way>,
}

/// Every way, from the careless to ropeline's own.
pub fn all() -> Vec<Entry> {
    let entry = |name, written, why, make| Entry { name, written, why, make };
    let (in_redis, in_postgres) = (Written::Redis, Written::Postgres);
    vec![
        entry("unprotected", in_redis, unprotected::WHY, || Box::new(unprotected::Unprotected)),
        entry("mutex", in_redis, mutex::WHY, || Box::new(mutex::Mutexes::of_processes(1))),
        entry("mutex-two-processes", in_redis, mutex::WHY_TWO, || {
            Box::new(mutex::Mutexes::of_processes(2))
        }),
        entry("redis-lock", in_redis, redis_lock::WHY, || Box::new(RedisLock::steady())),
        entry("redis-lock-stalls", in_redis, redis_lock::WHY_STALLS, || {
            Box::new(RedisLock::stalling())
        }),
        entry("watch-unit-3-retries", in_redis, watch_unit::WHY, || {
            Box::new(watch_unit::WatchUnit::new(THREE))
        }),
        entry("watch-unit-pool-of-10", in_redis, watch_unit::WHY_POOL, || {
            Box::new(watch_unit::WatchUnit::through_pool(THREE, 10))
        }),
        entry("watch-unit-backoff", in_redis, watch_unit::WHY_BACKOFF, || {
            Box::new(watch_unit::WatchUnit::new(BACKOFF))
        }),
        entry("watch-cart-3-retries", in_redis, watch_cart::WHY, || {
            Box::new(watch_cart::WatchCart(THREE))
        }),
        entry("watch-cart-backoff", in_redis, watch_cart::WHY, || {
            Box::new(watch_cart::WatchCart(BACKOFF))
        }),
        entry("watch-reservation-3-retries", in_redis, watch_reservation::WHY, || {
            Box::new(watch_reservation::WatchReservation(THREE))
        }),
        entry("watch-reservation-backoff", in_redis, watch_reservation::WHY, || {
            Box::new(watch_reservation::WatchReservation(BACKOFF))
        }),
        entry("lua", in_redis, lua::WHY, || Box::new(lua::Lua)),
        entry("lpop", in_redis, lpop::WHY, || Box::new(lpop::Lpop)),
        entry("optimistic", in_postgres, optimistic::WHY, || Box::new(optimistic::Optimistic)),
        entry("pessimistic", in_postgres, pessimistic::WHY, || Box::new(pessimistic::Pessimistic)),
        entry("conditional-update", in_postgres, conditional_update::WHY, || {
            Box::new(conditional_update::ConditionalUpdate)
        }),
        entry("skip-locked", in_postgres, skip_locked::WHY, || Box::new(skip_locked::SkipLocked)),
        entry("ropeline", in_postgres, ropeline::WHY, || Box::<ropeline::Ropeline>::default()),
    ]
}
