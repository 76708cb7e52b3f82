use super::{Live, LiveError, keys, script, unknown};
use crate::sale::SaleId;

impl Live {
    /// Puts what this attempt loaded in place under `epoch`; says whether that was done, and not overtaken by a higher
    /// epoch. Safe to repeat.
    pub async fn swap(
        &self,
        sale: SaleId,
        epoch: i32,
        version: u64,
        attempt: u32,
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
            .arg(version);
        let (outcome, rules): (String, i32) = self.call(call).await?;
        match outcome.as_str() {
            "swapped" => Ok(true),
            "older" => Ok(rules == epoch),
            "layout" => Ok(false),
            _ => unknown("swap", outcome),
        }
    }
}
