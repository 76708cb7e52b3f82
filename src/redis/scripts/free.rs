use crate::model::SaleId;
use crate::redis::{Live, LiveError, keys, script, spaced, unknown};

impl Live {
    /// Puts tokens of up to [`crate::redis::PAGE`] free units on the list; says how many were missing. Safe to
    /// repeat.
    pub async fn free(&self, sale: SaleId, epoch: i32, units: &[i32]) -> Result<u64, LiveError> {
        let mut call = script!("free").key(keys::ctl(sale));
        let call =
            call.key(keys::tokens(sale)).key(keys::guard(sale)).arg(epoch).arg(spaced(units));
        let (outcome, pushed): (String, u64) = self.call(call).await?;
        match outcome.as_str() {
            "freed" => Ok(pushed),
            _ => unknown("free", outcome),
        }
    }
}
