use crate::model::SaleId;
use crate::redis::{Live, LiveError, keys, script, unknown};

/// How much a rebuild loaded. Redis may have lost some of it since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    pub waiters: usize,
    pub units: usize,
}

impl Live {
    /// Puts what this attempt loaded in place under `epoch`; says whether that was done. It is not when a
    /// higher epoch rules, or when Redis has less than was loaded. Safe to repeat.
    pub async fn swap(
        &self,
        sale: SaleId,
        epoch: i32,
        version: u64,
        attempt: u32,
        loaded: Loaded,
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
            .arg(loaded.waiters)
            .arg(loaded.units);
        let (outcome, rules): (String, i32) = self.call(call).await?;
        match outcome.as_str() {
            "swapped" => Ok(true),
            "older" => Ok(rules == epoch),
            "layout" => Ok(false),
            "short" => Ok(false),
            _ => unknown("swap", outcome),
        }
    }
}
