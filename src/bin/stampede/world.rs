//! What everybody in a run shares.

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::checks::Checks;
use super::lag::Lag;
use super::measure::Measures;
use super::net::Net;
use super::plan::Plan;

pub struct World {
    pub plan: Plan,
    pub net: Net,
    pub sale: Sale,
    pub measures: Measures,
    pub checks: Checks,
    pub lag: Lag,
    /// The sale has ended, or the run is to end.
    pub over: CancellationToken,
    began: (Timestamp, Instant),
}

/// The sale that is visited.
#[derive(Clone)]
pub struct Sale {
    /// Its slug or id.
    pub name: String,
    /// The key that confirms, where shoppers may not.
    pub shops_key: Option<String>,
    /// Whether it was made for this run.
    pub is_own: bool,
}

impl World {
    pub fn new(plan: Plan, net: Net, sale: Sale, over: CancellationToken) -> Self {
        // The machine's time once, to the millisecond, and a clock that never jumps from there.
        let began = (ropeline::clock::Clock::default().now(), Instant::now());
        let (measures, checks, lag) = (Measures::default(), Checks::default(), Lag::default());
        Self { plan, net, sale, measures, checks, lag, over, began }
    }

    /// The machine's time, in microseconds.
    pub fn micros(&self) -> i64 {
        let (then, start) = self.began;
        then.as_microsecond() + start.elapsed().as_micros() as i64
    }
}
