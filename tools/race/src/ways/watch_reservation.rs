//! The same WATCH for a reservation: take a unit off the counter and keep it for ten minutes under a key that
//! expires; whoever pays in time gets the order.
//!
//! A key that expires runs no code. The counter was lowered when the unit was reserved, and nothing raises it
//! again: each buyer who walks away takes a unit out of the sale for good. Redis's notice of an expired key
//! is sent once to whoever listens, and lost for whoever does not. So somebody has to count what was
//! reserved and not paid, exactly once, which is the work that this way was to save.
//!
//! Every tenth buyer (by arrival) who reserved walks away. The race is over long before ten minutes are; a test
//! has the reservations run out, and finds the counter as it was.

use anyhow::Result;
use async_trait::async_trait;
use redis::{AsyncCommands, SetExpiry, SetOptions};

use super::Way;
use super::retry::Retry;
use crate::buyer::{Bought, Buyer};
use crate::ground::{Ground, ORDERS, STOCK};

pub const WHY: &str = "As for one unit; and whoever reserves and walks away takes the unit along, for the \
                       key runs out and the counter stays.";

/// Ten minutes to pay.
const RESERVED_SECONDS: u64 = 600;
/// One in so many walks away.
const WALKS_AWAY: u32 = 10;

pub struct WatchReservation(pub Retry);

impl WatchReservation {
    /// The key that keeps a buyer's reservation.
    pub fn key(number: u32) -> String {
        format!("reservation:{number}")
    }

    async fn reserve(&self, buyer: &mut Buyer) -> Result<Result<(), Bought>> {
        let mut redis = buyer.redis()?;
        let expiry = SetOptions::default().with_expiration(SetExpiry::EX(RESERVED_SECONDS));
        let mut tried = 0;
        loop {
            () = redis::cmd("WATCH").arg(STOCK).query_async(&mut redis).await?;
            let left: i64 = redis.get(STOCK).await?;
            if left < 1 {
                () = redis::cmd("UNWATCH").query_async(&mut redis).await?;
                return Ok(Err(Bought::NoStock));
            }
            let mut take = redis::pipe();
            take.atomic().decr(STOCK, 1).set_options(Self::key(buyer.number), 1, expiry.clone());
            let done: Option<(i64, String)> = take.query_async(&mut redis).await?;
            if done.is_some() {
                return Ok(Ok(()));
            }
            if !self.0.again(buyer, tried).await {
                return Ok(Err(Bought::GaveUp));
            }
            tried += 1;
        }
    }
}

#[async_trait]
impl Way for WatchReservation {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        ground.stock_in_redis(stock).await
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        if let Err(turned_away) = self.reserve(buyer).await? {
            return Ok(turned_away);
        }
        if buyer.number.is_multiple_of(WALKS_AWAY) {
            return Ok(Bought::WalkedAway);
        }
        let mut redis = buyer.redis()?;
        let reserved: Option<u32> = redis.get_del(Self::key(buyer.number)).await?;
        if reserved.is_none() {
            return Ok(Bought::WalkedAway); // Paid too late: the reservation had run out.
        }
        () = redis.rpush(ORDERS, 1).await?;
        Ok(Bought::Sold(1))
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        ground.ordered_in_redis().await
    }
}
