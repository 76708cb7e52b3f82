//! What time it is, as Postgres sees it: the one place that reads a clock.
//!
//! Postgres decides when a hold ends. A gateway only shows times, so it keeps the last reading of
//! Postgres's clock and lets a monotonic one run on from there.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::time::Instant;

#[derive(Debug, Clone, Default)]
pub struct Clock {
    last: Arc<Mutex<Option<(Timestamp, Instant)>>>,
}

impl Clock {
    /// Postgres said it is `now`, in answer to a question asked at `asked`.
    pub fn set(&self, now: Timestamp, asked: Instant) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, asked));
    }

    /// Postgres's time to the millisecond, or this machine's while Postgres was never heard.
    pub fn now(&self) -> Timestamp {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match last {
            Some((then, asked)) => then + asked.elapsed(),
            None => self.machine_now(),
        };
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// The earlier of what Postgres said and of what this machine says: a clock that jumped ahead is not
    /// followed.
    pub fn earlier(&self, told: Timestamp) -> Timestamp {
        told.min(self.machine_now())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn machine_now(&self) -> Timestamp {
        Timestamp::now()
    }
}
