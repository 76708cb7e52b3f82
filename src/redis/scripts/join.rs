use crate::model::{SaleId, Seq, Ticket};
use crate::redis::link::{Lane, serves_not};
use crate::redis::{Live, LiveError, keys, script, spaced, unknown};

/// Most tickets in one call; the script's `ZADD` carries two arguments for each.
pub const MOST_TICKETS: usize = 1_000;

/// What `lua/join.lua` gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// How many wait now, these included.
    pub waiting: u64,
    /// Each ticket's number, in the order asked; none where the line was full.
    pub seqs: Vec<Option<Seq>>,
    /// The counter before: it never falls, unless Redis went back in time.
    pub counter: u64,
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
        let ask =
            || self.link.run(Lane::Joins, async |mut redis| call.invoke_async(&mut redis).await);
        let mut answer = ask().await;
        if matches!(&answer, Err(LiveError::Away(Some(error))) if is_over(error)) {
            // Nobody else uses this connection: the first join after an outage or a failover finds it
            // dead or leading elsewhere, and only then a new one is made.
            answer = ask().await;
        }
        let (outcome, waiting, seqs, counter): (String, u64, Vec<i64>, u64) = answer?;
        match outcome.as_str() {
            "joined" => Ok(Joined {
                waiting,
                seqs: seqs.into_iter().map(|seq| (seq != 0).then_some(Seq(seq))).collect(),
                counter,
            }),
            _ => unknown("join", outcome),
        }
    }
}

/// Whether the connection is of no use any more. A silent one may yet have done what was asked, and the
/// caller has waited for it long enough.
fn is_over(error: &redis::RedisError) -> bool {
    (error.is_io_error() && !error.is_timeout()) || serves_not(error)
}
