//! What is measured: how long each call took, from when it was due and from when it was sent; and counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

/// Three digits, and no time is too long.
const DIGITS: u8 = 3;
/// Kinds of errors that are told apart; more of them are counted together.
const MOST_KINDS: usize = 200;

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    Join,
    /// From wanting a socket or a stream until it is open.
    Connect,
    /// From the same moment until the first state is there.
    FirstPlace,
    /// The same after a break.
    PlaceAgain,
    Poll,
    Confirm,
    Release,
    Leave,
    /// An open socket or stream. It has errors, and no time.
    Watch,
}

pub const DOINGS: [Doing; 9] = [
    Doing::Join,
    Doing::Connect,
    Doing::FirstPlace,
    Doing::PlaceAgain,
    Doing::Poll,
    Doing::Confirm,
    Doing::Release,
    Doing::Leave,
    Doing::Watch,
];

impl Doing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Connect => "connect",
            Self::FirstPlace => "first_place",
            Self::PlaceAgain => "place_again",
            Self::Poll => "poll",
            Self::Confirm => "confirm",
            Self::Release => "release",
            Self::Leave => "leave",
            Self::Watch => "watch",
        }
    }
}

/// Times, in microseconds.
pub struct Times(Mutex<Histogram<u64>>);

impl Default for Times {
    fn default() -> Self {
        // Its bounds grow with what is recorded; only more than five digits are refused.
        Self(Mutex::new(Histogram::new(DIGITS).expect("three digits are allowed")))
    }
}

impl Times {
    pub fn record(&self, time: Duration) {
        self.record_micros(time.as_micros() as u64);
    }

    pub fn record_micros(&self, micros: u64) {
        // Refused would be what is longer than half a million years.
        let _ = self.lock().record(micros);
    }

    pub fn lock(&self) -> MutexGuard<'_, Histogram<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing that is timed, both ways.
#[derive(Default)]
pub struct Pair {
    /// From when it was due.
    pub due: Times,
    /// From when it was sent.
    pub sent: Times,
}

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident),+ $(,)?) => {
        /// Counts since the beginning.
        #[derive(Default)]
        pub struct Counts { $($(#[$about])* pub $name: AtomicU64),+ }

        /// The same at one moment.
        #[derive(Clone, Copy, Debug, Default, Serialize)]
        pub struct Counted { $(pub $name: u64),+ }

        impl Counts {
            pub fn read(&self) -> Counted {
                Counted { $($name: self.$name.load(Relaxed)),+ }
            }
        }
    };
}

counts! {
    arrived,
    joined,
    /// Joins that were told that the sale takes no more.
    turned_away,
    admitted,
    bought,
    released,
    /// Admitted, and closed the page.
    unpaid,
    /// Held a unit, and were told that the time was up.
    too_late,
    left,
    /// Were told that the line has ended for them.
    ended,
    gave_up,
    /// States that arrived, over any way.
    states,
    /// Sockets and streams that are open now.
    open,
    /// That the run broke on purpose.
    breaks,
    /// That ended without being asked to.
    lost,
    errors,
    /// Of the standing crowd: have seen a state, or will not.
    stood,
}

#[derive(Default)]
pub struct Measures {
    opening: [Pair; DOINGS.len()],
    running: [Pair; DOINGS.len()],
    pub is_running: AtomicBool,
    pub counts: Counts,
    pub peak_open: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
    /// How old states were when they arrived, by their `server_time`.
    pub age: Times,
    /// From the admission, by the hold's `admitted_at`, until the shopper knew.
    pub told: Times,
    /// How late the schedule let shoppers go.
    pub late: Times,
    /// How much later than asked the generator itself woke up.
    pub own_lag: Times,
}

pub fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Measures {
    pub fn pairs(&self, running: bool) -> &[Pair; DOINGS.len()] {
        if running { &self.running } else { &self.opening }
    }

    /// Times one thing that is due at this moment.
    pub fn begin(&self, doing: Doing, due: Instant) -> Timing<'_> {
        let pair = &self.pairs(self.is_running.load(Relaxed))[doing as usize];
        Timing { measures: self, pair, doing, due, sent: None, is_over: false }
    }

    /// Nothing that goes wrong is dropped.
    pub fn error(&self, doing: Doing, what: &str) {
        self.error_of(doing.name(), what);
    }

    pub fn error_of(&self, whose: &str, what: &str) {
        count(&self.counts.errors);
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kind = format!("{whose}: {what}");
        if errors.len() >= MOST_KINDS && !errors.contains_key(&kind) {
            kind = "of other kinds".to_owned();
        }
        *errors.entry(kind).or_default() += 1;
    }

    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One more open socket or stream, for as long as this lives.
    pub fn open(&self) -> Open<'_> {
        let open = self.counts.open.fetch_add(1, Relaxed) + 1;
        self.peak_open.fetch_max(open, Relaxed);
        Open(&self.counts)
    }
}

pub struct Open<'a>(&'a Counts);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// One thing under way. It counts whatever becomes of it: what fails, or is cut off by the end of the run,
/// counts with the time until then. To leave those out would make a gateway that stands still look fast.
pub struct Timing<'a> {
    measures: &'a Measures,
    pair: &'a Pair,
    doing: Doing,
    due: Instant,
    sent: Option<Instant>,
    is_over: bool,
}

impl Timing<'_> {
    /// It goes out now; once more after a failed try.
    pub fn send(&mut self) {
        self.sent = Some(Instant::now());
    }

    /// It was answered, or given up.
    pub fn end(mut self) {
        self.record();
    }

    fn record(&mut self) {
        self.is_over = true;
        // One moment for both, so that the first is never the shorter one.
        let now = Instant::now();
        self.pair.due.record(now.saturating_duration_since(self.due));
        if let Some(sent) = self.sent {
            self.pair.sent.record(now.saturating_duration_since(sent));
        }
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        // What is not due yet was not under way.
        if !self.is_over && self.due <= Instant::now() {
            self.record();
            self.measures.error(self.doing, "cut off under way");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_AGO: Duration = Duration::from_secs(60);

    #[test]
    fn what_waits_for_its_turn_counts_from_when_it_was_due() {
        let measures = Measures::default();
        let mut timing = measures.begin(Doing::Join, Instant::now() - LONG_AGO);
        timing.send();
        timing.end();
        let pair = &measures.pairs(false)[Doing::Join as usize];
        let (due, sent) = (pair.due.lock().max(), pair.sent.lock().max());
        assert!(due >= LONG_AGO.as_micros() as u64, "{due}");
        assert!(sent < LONG_AGO.as_micros() as u64, "{sent}");
    }

    #[test]
    fn what_is_cut_off_counts_with_its_time_and_as_an_error() {
        let measures = Measures::default();
        measures.is_running.store(true, Relaxed);
        drop(measures.begin(Doing::Confirm, Instant::now() - LONG_AGO));
        // This one was not due yet.
        drop(measures.begin(Doing::Confirm, Instant::now() + LONG_AGO));
        let pair = &measures.pairs(true)[Doing::Confirm as usize];
        assert!(pair.due.lock().max() >= LONG_AGO.as_micros() as u64);
        assert_eq!((pair.due.lock().len(), pair.sent.lock().len()), (1, 0));
        assert_eq!(measures.errors()["confirm: cut off under way"], 1);
    }

    #[test]
    fn every_doing_has_the_place_of_its_own() {
        for (at, doing) in DOINGS.iter().enumerate() {
            assert_eq!(*doing as usize, at);
        }
    }
}
