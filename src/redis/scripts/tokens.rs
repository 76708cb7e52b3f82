use crate::model::SaleId;
use crate::redis::{Live, LiveError, keys, script, unknown};

/// Tokens read in one call.
pub const TOKEN_PAGE: usize = 10_000;

impl Live {
    /// One page of the token list from place `from`, and the units of the batch in flight. The last page
    /// is the first that is shorter than `TOKEN_PAGE`.
    pub async fn tokens(
        &self,
        sale: SaleId,
        epoch: i32,
        from: usize,
    ) -> Result<(Vec<i32>, Vec<i32>), LiveError> {
        self.tokens_from(sale, epoch, i64::try_from(from).unwrap_or(i64::MAX)).await
    }

    /// The last `TOKEN_PAGE` units of the token list: those that are admitted last.
    pub async fn last_tokens(&self, sale: SaleId, epoch: i32) -> Result<Vec<i32>, LiveError> {
        Ok(self.tokens_from(sale, epoch, -(TOKEN_PAGE as i64)).await?.0)
    }

    async fn tokens_from(
        &self,
        sale: SaleId,
        epoch: i32,
        from: i64,
    ) -> Result<(Vec<i32>, Vec<i32>), LiveError> {
        let mut call = script!("tokens").key(keys::ctl(sale));
        let call = call.key(keys::tokens(sale)).arg(epoch).arg(from).arg(TOKEN_PAGE);
        let (outcome, units, in_flight): (String, Vec<i32>, Vec<i32>) = self.call(call).await?;
        match outcome.as_str() {
            "read" => Ok((units, in_flight)),
            _ => unknown("tokens", outcome),
        }
    }

    /// The whole token list, and the units of the batch in flight, at about one moment.
    pub async fn all_tokens(
        &self,
        sale: SaleId,
        epoch: i32,
    ) -> Result<(Vec<i32>, Vec<i32>), LiveError> {
        let mut all = Vec::new();
        loop {
            let (units, in_flight) = self.tokens(sale, epoch, all.len()).await?;
            let last = units.len() < TOKEN_PAGE;
            all.extend(units);
            if last {
                return Ok((all, in_flight));
            }
        }
    }
}
