use super::{Live, LiveError, keys, script, spaced, unknown, within};
use crate::sale::{SaleId, Seq, Ticket};

/// Most tickets in one call; the script's `ZADD` carries two arguments for each.
pub const MOST_TICKETS: usize = 1_000;

/// What `lua/join.lua` gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// How many wait now, these included.
    pub waiting: u64,
    /// Each ticket's number, in the order asked; none where the line was full.
    pub seqs: Vec<Option<Seq>>,
}

impl Live {
    /// Gives each ticket a place at the end of the line, in this order. Safe to repeat.
    pub async fn join(
        &self,
        sale: SaleId,
        epoch: i32,
        max_waiting: i32,
        tickets: &[Ticket],
    ) -> Result<Joined, LiveError> {
        let mut call = script!("join").key(keys::ctl(sale));
        let call = call.key(keys::queue(sale)).arg(epoch).arg(max_waiting).arg(spaced(tickets));
        let mut answer = within(call.invoke_async(&mut self.joins())).await;
        if matches!(&answer, Err(LiveError::Away(Some(error))) if error.is_io_error() && !error.is_timeout())
        {
            // Nobody else uses this connection: the first join after an outage finds it dead, and only
            // then a new one is made.
            answer = within(call.invoke_async(&mut self.joins())).await;
        }
        let (outcome, waiting, seqs): (String, u64, Vec<i64>) = self.heal(answer)?;
        match outcome.as_str() {
            "joined" => Ok(Joined {
                waiting,
                seqs: seqs.into_iter().map(|seq| (seq != 0).then_some(Seq(seq))).collect(),
            }),
            _ => unknown("join", outcome),
        }
    }
}
