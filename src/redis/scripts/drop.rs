use crate::model::SaleId;
use crate::redis::{Live, LiveError, keys, script, spaced, unknown};

impl Live {
    /// Takes tokens of up to [`crate::redis::PAGE`] units off the list; says how many were on it. Safe to repeat.
    pub async fn drop_tokens(
        &self,
        sale: SaleId,
        epoch: i32,
        units: &[i32],
    ) -> Result<u64, LiveError> {
        let mut call = script!("drop").key(keys::ctl(sale));
        let call =
            call.key(keys::tokens(sale)).key(keys::guard(sale)).arg(epoch).arg(spaced(units));
        let (outcome, dropped): (String, u64) = self.call(call).await?;
        match outcome.as_str() {
            "dropped" => Ok(dropped),
            _ => unknown("drop", outcome),
        }
    }
}
