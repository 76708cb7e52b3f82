//! Plain commands: filling the keys of the next epoch, which nobody reads yet, and asking Redis how it
//! is set up.

use redis::InfoDict;

use super::{Live, LiveError, Waiter, keys, within};
use crate::sale::SaleId;

/// How Redis is set up, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub version: String,
    /// `noeviction` is the only policy under which a line cannot vanish.
    pub eviction: String,
    pub append_only: bool,
    pub memory_used_bytes: u64,
}

impl Live {
    /// Throws away what an earlier rebuild for this epoch left behind.
    pub async fn load_begin(&self, sale: SaleId, epoch: i32) -> Result<(), LiveError> {
        let mut unlink = redis::cmd("UNLINK");
        for key in [keys::queue(sale), keys::tokens(sale), keys::guard(sale)] {
            unlink.arg(keys::next(&key, epoch));
        }
        within(unlink.query_async(&mut self.others.clone())).await
    }

    /// Adds up to [`super::PAGE`] waiters to the next line.
    pub async fn load_waiters(
        &self,
        sale: SaleId,
        epoch: i32,
        waiters: &[Waiter],
    ) -> Result<(), LiveError> {
        if waiters.is_empty() {
            return Ok(());
        }
        let mut add = redis::cmd("ZADD");
        add.arg(keys::next(&keys::queue(sale), epoch));
        for waiter in waiters {
            add.arg(waiter.seq.0).arg(waiter.ticket.to_string());
        }
        within(add.query_async(&mut self.others.clone())).await
    }

    /// Adds up to [`super::PAGE`] units to the next token list.
    pub async fn load_tokens(
        &self,
        sale: SaleId,
        epoch: i32,
        units: &[i32],
    ) -> Result<(), LiveError> {
        if units.is_empty() {
            return Ok(());
        }
        let (tokens, guard) = (keys::tokens(sale), keys::guard(sale));
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("RPUSH").arg(keys::next(&tokens, epoch)).arg(units).ignore();
        pipe.cmd("SADD").arg(keys::next(&guard, epoch)).arg(units).ignore();
        within(pipe.query_async(&mut self.others.clone())).await
    }

    /// Deletes what Redis keeps of a sale that is over. Postgres has it all.
    pub async fn forget(&self, sale: SaleId) -> Result<(), LiveError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(keys::ctl(sale)).arg(keys::queue(sale)).arg(keys::tokens(sale));
        unlink.arg(keys::guard(sale)).arg(keys::feed(sale));
        within(unlink.query_async(&mut self.others.clone())).await
    }

    /// Whether Redis answers at all.
    pub async fn ping(&self) -> Result<(), LiveError> {
        let _: String = within(redis::cmd("PING").query_async(&mut self.others.clone())).await?;
        Ok(())
    }

    /// Asks Redis how it is set up.
    pub async fn check(&self) -> Result<Check, LiveError> {
        let info: InfoDict =
            within(redis::cmd("INFO").query_async(&mut self.others.clone())).await?;
        let text = |name: &str| info.get::<String>(name).unwrap_or_default();
        Ok(Check {
            version: text("redis_version"),
            eviction: text("maxmemory_policy"),
            append_only: text("aof_enabled") == "1",
            memory_used_bytes: text("used_memory").parse().unwrap_or(0),
        })
    }
}
