//! How long after an admission the places behind it fell.
//!
//! A shopper whose number is the r-th of all joins and whose place is p has seen r − p admissions. When
//! each admission was made is known from the holds of those who were admitted. So the lag of a fallen
//! place is the time from the (r − p)-th admission to the moment the place arrived, on one clock. It needs
//! every join and every admission of the sale, and that nobody left the line.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::measure::Times;

/// Fallen places that are kept; what comes later is left out, and the report counts what was used.
const MOST: usize = 1_000_000;

#[derive(Default)]
pub struct Lag(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    numbers: Vec<u64>,
    admitted_at: Vec<i64>,
    /// Number, place and when it arrived, in microseconds.
    fallen: Vec<(u64, u64, i64)>,
}

impl Lag {
    pub fn joined(&self, number: u64) {
        self.lock().numbers.push(number);
    }

    pub fn admitted(&self, at: i64) {
        self.lock().admitted_at.push(at);
    }

    /// A place fell.
    pub fn fell(&self, number: u64, position: u64, at: i64) {
        let mut seen = self.lock();
        if seen.fallen.len() < MOST {
            seen.fallen.push((number, position, at));
        }
    }

    /// The lag of each fallen place.
    pub fn times(&self) -> Times {
        let (mut seen, times) = (self.lock(), Times::default());
        seen.numbers.sort_unstable();
        seen.numbers.dedup();
        seen.admitted_at.sort_unstable();
        for (number, position, at) in &seen.fallen {
            let Ok(before) = seen.numbers.binary_search(number) else { continue };
            let admissions = (before as u64 + 1).checked_sub(*position);
            let nth = admissions.and_then(|n| n.checked_sub(1));
            if let Some(admitted) = nth.and_then(|n| seen.admitted_at.get(n as usize)) {
                times.record_micros(u64::try_from(at - admitted).unwrap_or(0));
            }
        }
        times
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lags_behind_the_admission_that_it_shows() {
        let lag = Lag::default();
        // Numbers have gaps, and are heard of in any order.
        for number in [40, 10, 30, 20, 50] {
            lag.joined(number);
        }
        for at in [2_000, 1_000, 3_000] {
            lag.admitted(at);
        }
        lag.fell(50, 4, 1_500); // One admission is shown: the first.
        lag.fell(50, 2, 3_700); // Three: the third.
        lag.fell(99, 1, 9_000); // Nobody heard of this number.
        let times = lag.times();
        let times = times.lock();
        assert_eq!((times.len(), times.min(), times.max()), (2, 500, 700));
    }
}
