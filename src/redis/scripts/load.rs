//! Plain commands: filling the keys of a rebuild, which nobody reads yet, and deleting what is over.

use crate::model::SaleId;
use crate::redis::link::Lane;
use crate::redis::{Live, LiveError, Waiter, keys};

/// Seconds after which Redis forgets what a rebuild left whose gateway died. Each page renews it, and the
/// swap takes it away; nothing in use has one.
const ABANDONED_AFTER: u32 = 120;
/// Waiters or units that a rebuild writes in one call: about ten milliseconds of Redis.
pub const LOAD_PAGE: usize = 5_000;

impl Live {
    /// Adds up to [`LOAD_PAGE`] waiters to the line of a rebuild.
    pub async fn load_waiters(
        &self,
        sale: SaleId,
        attempt: u32,
        waiters: &[Waiter],
    ) -> Result<(), LiveError> {
        if waiters.is_empty() {
            return Ok(());
        }
        let queue = keys::next(&keys::queue(sale), attempt);
        let mut pipe = redis::pipe();
        let add = pipe.atomic().cmd("ZADD").arg(&queue);
        for waiter in waiters {
            add.arg(waiter.seq.0).arg(waiter.ticket.to_string());
        }
        pipe.ignore().cmd("EXPIRE").arg(&queue).arg(ABANDONED_AFTER).ignore();
        self.link.run(Lane::Others, async |mut redis| pipe.query_async(&mut redis).await).await
    }

    /// Adds up to [`LOAD_PAGE`] units to the token list of a rebuild.
    pub async fn load_tokens(
        &self,
        sale: SaleId,
        attempt: u32,
        units: &[i32],
    ) -> Result<(), LiveError> {
        if units.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        pipe.atomic();
        for (add, key) in [("RPUSH", keys::tokens(sale)), ("SADD", keys::guard(sale))] {
            let key = keys::next(&key, attempt);
            pipe.cmd(add).arg(&key).arg(units).ignore();
            pipe.cmd("EXPIRE").arg(&key).arg(ABANDONED_AFTER).ignore();
        }
        let queue = keys::next(&keys::queue(sale), attempt);
        pipe.cmd("EXPIRE").arg(queue).arg(ABANDONED_AFTER).ignore();
        self.link.run(Lane::Others, async |mut redis| pipe.query_async(&mut redis).await).await
    }

    /// Deletes what an attempt loaded that came to nothing.
    pub async fn load_drop(&self, sale: SaleId, attempt: u32) -> Result<(), LiveError> {
        let mut unlink = redis::cmd("UNLINK");
        for key in [keys::queue(sale), keys::tokens(sale), keys::guard(sale)] {
            unlink.arg(keys::next(&key, attempt));
        }
        self.link.run(Lane::Others, async |mut redis| unlink.query_async(&mut redis).await).await
    }

    /// Deletes what Redis keeps of a sale that is over. Postgres has it all.
    pub async fn forget(&self, sale: SaleId) -> Result<(), LiveError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(keys::ctl(sale)).arg(keys::queue(sale)).arg(keys::tokens(sale));
        unlink.arg(keys::guard(sale)).arg(keys::feed(sale));
        self.link.run(Lane::Others, async |mut redis| unlink.query_async(&mut redis).await).await
    }
}
