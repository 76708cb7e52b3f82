use crate::model::SaleId;
use crate::redis::{Live, LiveError, Waiter, keys, script, spaced, unknown};

impl Live {
    /// Puts up to [`crate::redis::PAGE`] waiting tickets back at their own numbers; says how many were missing.
    /// Safe to repeat.
    pub async fn restore(
        &self,
        sale: SaleId,
        epoch: i32,
        waiters: &[Waiter],
    ) -> Result<u64, LiveError> {
        let mut call = script!("restore").key(keys::ctl(sale));
        let call = call
            .key(keys::queue(sale))
            .key(keys::feed(sale))
            .arg(epoch)
            .arg(spaced(waiters.iter().map(|w| format!("{} {}", w.ticket, w.seq))));
        let (outcome, restored): (String, u64) = self.call(call).await?;
        match outcome.as_str() {
            "restored" => Ok(restored),
            _ => unknown("restore", outcome),
        }
    }
}
