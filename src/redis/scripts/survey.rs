use crate::model::{SaleId, Seq};
use crate::redis::{Live, LiveError, keys, script, unknown};

/// Most feed entries in one answer; a gateway that is further behind asks again at once.
pub const FEED_PAGE: usize = 1_000;

/// One change in the line, from the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These were admitted or left.
    Gone(Vec<Seq>),
    /// These are in line again, at their own numbers.
    Back(Vec<Seq>),
    /// Everyone up to this number is gone.
    Cleared(Seq),
}

/// What a gateway knows when it looks at the line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The newest feed entry it has seen; empty asks only where the feed ends now, and writes nothing.
    pub since: &'a str,
    /// The version of its last survey in this epoch.
    pub seen: u64,
    /// How many changes it has seen in Postgres.
    pub ledger: u64,
}

/// What `lua/survey.lua` saw, all at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Survey {
    Seen {
        /// Above that of every survey before it, whichever gateway made it.
        version: u64,
        /// The last number handed out in this epoch.
        counter: u64,
        /// The last batch popped in this epoch.
        n: i64,
        /// The line and the batch in flight together.
        waiting: u64,
        /// The batch in flight alone, recorded or not.
        in_flight: u64,
        tokens: u64,
        /// The newest feed entry in `changes`.
        last: String,
        changes: Vec<Change>,
        /// The most changes that any gateway has seen in Postgres.
        ledger: u64,
    },
    /// Redis does not know of the caller's last survey: it lost what was written since.
    Lost,
    /// Another epoch rules in Redis.
    OtherEpoch(i32),
    /// Redis has the sale as a later version of ropeline keeps it.
    OtherLayout,
    /// Redis does not know the sale.
    Missing,
}

impl Live {
    /// Looks at the line, with what changed since the feed entry that is known.
    pub async fn survey(
        &self,
        sale: SaleId,
        epoch: i32,
        known: Known<'_>,
    ) -> Result<Survey, LiveError> {
        let mut call = script!("survey").key(keys::ctl(sale));
        let call = call
            .key(keys::queue(sale))
            .key(keys::tokens(sale))
            .key(keys::feed(sale))
            .arg(epoch)
            .arg(known.since)
            .arg(FEED_PAGE)
            .arg(known.seen)
            .arg(known.ledger);
        type Raw = (String, i32, u64, u64, i64, u64, u64, u64, String, Vec<(String, String)>, u64);
        let (
            outcome,
            rules,
            version,
            counter,
            n,
            waiting,
            in_flight,
            tokens,
            last,
            entries,
            ledger,
        ): Raw = self.call(call).await?;
        match outcome.as_str() {
            "seen" => Ok(Survey::Seen {
                version,
                counter,
                n,
                waiting: waiting + in_flight,
                in_flight,
                tokens,
                last,
                changes: entries.into_iter().map(change).collect::<Result<_, _>>()?,
                ledger,
            }),
            "lost" => Ok(Survey::Lost),
            "epoch" => Ok(Survey::OtherEpoch(rules)),
            "layout" => Ok(Survey::OtherLayout),
            "missing" => Ok(Survey::Missing),
            _ => unknown("survey", outcome),
        }
    }
}

fn change((kind, value): (String, String)) -> Result<Change, LiveError> {
    let broken = || LiveError::Contract { script: "survey", outcome: format!("{kind} {value}") };
    let seqs: Result<Vec<Seq>, _> = value.split(' ').map(|seq| seq.parse().map(Seq)).collect();
    let seqs = seqs.map_err(|_| broken())?;
    match kind.as_str() {
        "gone" => Ok(Change::Gone(seqs)),
        "back" => Ok(Change::Back(seqs)),
        "clear" => seqs.first().map(|upto| Change::Cleared(*upto)).ok_or_else(broken),
        _ => Err(broken()),
    }
}
