use crate::model::{SaleId, Ticket};
use crate::redis::{Live, LiveError, keys, script, unknown};

impl Live {
    /// Takes one ticket out of the line; says whether it was in it. Safe to repeat.
    pub async fn leave(&self, sale: SaleId, epoch: i32, ticket: Ticket) -> Result<bool, LiveError> {
        let mut call = script!("leave").key(keys::ctl(sale));
        let call =
            call.key(keys::queue(sale)).key(keys::feed(sale)).arg(epoch).arg(ticket.to_string());
        let (outcome,): (String,) = self.call(call).await?;
        match outcome.as_str() {
            "left" => Ok(true),
            "absent" => Ok(false),
            _ => unknown("leave", outcome),
        }
    }
}
