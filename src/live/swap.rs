use super::{Live, LiveError, keys, script, unknown};
use crate::sale::SaleId;

impl Live {
    /// Puts what this attempt loaded in place under `epoch`: so many waiters and units. Says whether that was
    /// done, and neither overtaken by a higher epoch nor lost meanwhile. Safe to repeat.
    pub async fn swap(
        &self,
        sale: SaleId,
        epoch: i32,
        version: u64,
        attempt: u32,
        (waiters, units): (usize, usize),
    ) -> Result<bool, LiveError> {
        let (queue, tokens, guard) = (keys::queue(sale), keys::tokens(sale), keys::guard(sale));
        let mut call = script!("swap").key(keys::ctl(sale));
        let call = call
            .key(&queue)
            .key(&tokens)
            .key(&guard)
            .key(keys::feed(sale))
            .key(keys::next(&queue, attempt))
            .key(keys::next(&tokens, attempt))
            .key(keys::next(&guard, attempt))
            .arg(epoch)
            .arg(version)
            .arg(waiters)
            .arg(units);
        let (outcome, rules): (String, i32) = self.call(call).await?;
        match outcome.as_str() {
            "swapped" => Ok(true),
            "older" => Ok(rules == epoch),
            "torn" => Ok(false),
            _ => unknown("swap", outcome),
        }
    }
}
