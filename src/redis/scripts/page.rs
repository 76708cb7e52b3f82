use crate::model::{SaleId, Seq, Ticket};
use crate::redis::{Live, LiveError, Waiter, keys, script, unknown};

/// Places read in one call: about five milliseconds of Redis.
const LINE_PAGE: usize = 5_000;

type RawWaiters = Vec<(String, i64)>;

impl Live {
    /// The line in order after `after`, one page; and the waiters of the batch in flight. The last page is
    /// the first that is empty.
    pub async fn page(
        &self,
        sale: SaleId,
        epoch: i32,
        after: Seq,
    ) -> Result<(Vec<Waiter>, Vec<Waiter>), LiveError> {
        let mut call = script!("page").key(keys::ctl(sale));
        let call = call.key(keys::queue(sale)).arg(epoch).arg(after.0).arg(LINE_PAGE);
        let (outcome, queued, in_flight): (String, RawWaiters, RawWaiters) =
            self.call(call).await?;
        match outcome.as_str() {
            "read" => Ok((waiters(queued)?, waiters(in_flight)?)),
            _ => unknown("page", outcome),
        }
    }
}

fn waiters(raw: RawWaiters) -> Result<Vec<Waiter>, LiveError> {
    raw.into_iter()
        .map(|(ticket, seq)| match ticket.parse::<Ticket>() {
            Ok(ticket) => Ok(Waiter { ticket, seq: Seq(seq) }),
            Err(_) => Err(LiveError::Contract { script: "page", outcome: ticket }),
        })
        .collect()
}
