//! When shoppers are due. Nothing here waits for an answer: that is the open loop.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::plan::{Crowd, Spacing, waiting_time};

/// The times at which shoppers are due, from the beginning, in order.
pub struct Arrivals {
    burst: u64,
    rate: f64,
    length: Duration,
    spacing: Spacing,
    rng: SmallRng,
    /// Arrivals at the rate so far, and when the last was due.
    count: u64,
    at: Duration,
}

impl Arrivals {
    /// The crowd of the measured part.
    pub fn of(crowd: &Crowd) -> Self {
        Self::new(crowd.burst, crowd.rate, crowd.length, crowd.spacing, crowd.seed)
    }

    /// Those who are there before: as many as are to have sockets, evenly.
    pub fn standing(crowd: &Crowd) -> impl Iterator<Item = Duration> {
        (0..crowd.sockets).map(|n| Duration::from_secs_f64(n as f64 / crowd.open_rate))
    }

    fn new(burst: u64, rate: f64, length: Duration, spacing: Spacing, seed: u64) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        Self { burst, rate, length, spacing, rng, count: 0, at: Duration::ZERO }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.burst > 0 {
            self.burst -= 1;
            return Some(Duration::ZERO);
        }
        if self.rate <= 0.0 {
            return None;
        }
        self.at = match self.spacing {
            Spacing::Poisson => self.at + waiting_time(&mut self.rng, self.rate),
            Spacing::Even => Duration::from_secs_f64(self.count as f64 / self.rate),
        };
        self.count += 1;
        (self.at < self.length).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    fn due(burst: u64, rate: f64, spacing: Spacing, seed: u64) -> Vec<Duration> {
        Arrivals::new(burst, rate, TEN_SECONDS, spacing, seed).collect()
    }

    #[test]
    fn a_burst_is_one_instant_and_an_even_rate_is_a_beat() {
        assert_eq!(due(3, 0.0, Spacing::Poisson, 1), [Duration::ZERO; 3]);
        let even = due(0, 4.0, Spacing::Even, 1);
        assert_eq!(even.len(), 40);
        assert!(even.windows(2).all(|two| two[1] - two[0] == Duration::from_millis(250)));
    }

    #[test]
    fn poisson_arrivals_are_as_many_as_the_rate_says_and_as_uneven_as_people() {
        let due = due(0, 1_000.0, Spacing::Poisson, 7);
        // Five standard deviations of a Poisson variable of mean 10,000.
        assert!(due.len().abs_diff(10_000) < 500, "{}", due.len());
        assert!(due.is_sorted() && *due.last().unwrap() < TEN_SECONDS);
        // For exponential gaps the share above the mean gap is 1/e.
        let long = due.windows(2).filter(|two| two[1] - two[0] > Duration::from_millis(1)).count();
        let share = long as f64 / due.len() as f64;
        assert!((share - 0.368).abs() < 0.03, "{share}");
    }

    #[test]
    fn a_seed_decides_the_arrivals() {
        assert_eq!(due(1, 50.0, Spacing::Poisson, 3), due(1, 50.0, Spacing::Poisson, 3));
        assert_ne!(due(1, 50.0, Spacing::Poisson, 3), due(1, 50.0, Spacing::Poisson, 4));
    }
}
