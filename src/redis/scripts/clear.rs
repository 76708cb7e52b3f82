use crate::model::{SaleId, Seq};
use crate::redis::{Live, LiveError, keys, script, unknown};

/// Tickets removed in one call: a few milliseconds of Redis.
const CLEAR_PAGE: u64 = 5_000;

impl Live {
    /// Removes one page of the line up to `upto`; says how many, 0 when it is done. Safe to repeat.
    pub async fn clear(&self, sale: SaleId, epoch: i32, upto: Seq) -> Result<u64, LiveError> {
        let mut call = script!("clear").key(keys::ctl(sale));
        let call = call
            .key(keys::queue(sale))
            .key(keys::feed(sale))
            .arg(epoch)
            .arg(upto.0)
            .arg(CLEAR_PAGE);
        let (outcome, removed): (String, u64) = self.call(call).await?;
        match outcome.as_str() {
            "cleared" => Ok(removed),
            _ => unknown("clear", outcome),
        }
    }
}
