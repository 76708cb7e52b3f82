//! What may honestly be said about the wait and the chance of a waiting ticket. Pure arithmetic on
//! what was measured; silent while nothing was.

/// How long the wait is, in seconds: likely not less than `low`, likely not more than `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eta {
    pub low: u64,
    pub high: u64,
}

/// How far a measured pace is trusted either way. One part in five below, a third above: late returns
/// make waits longer more often than shorter.
const ETA_LOW: f64 = 0.8;
const ETA_HIGH: f64 = 1.33;

/// The wait at `position` when `per_second` shoppers were admitted lately; nothing while nobody was.
pub fn eta(position: u64, per_second: f64) -> Option<Eta> {
    if per_second <= 0.0 {
        return None;
    }
    let seconds = position as f64 / per_second;
    Some(Eta { low: (seconds * ETA_LOW).floor() as u64, high: (seconds * ETA_HIGH).ceil() as u64 })
}

/// Fewest ended holds from which a conversion is believed.
pub const LEAST_ENDED: u64 = 10;

/// The chance of being offered a unit: that fewer buyers than units are in front.
///
/// In front are `ahead` waiters and `held` open holds; each buys with the sale's own measured
/// conversion, `bought` of `ended` holds. `unsold` units are held or available. The number of buyers
/// is binomial; the tail is taken from the normal approximation with continuity correction, which is
/// within a hundredth once a handful of people are in front.
pub fn chance(ahead: u64, held: u64, unsold: u64, bought: u64, ended: u64) -> Option<f64> {
    let in_front = ahead + held;
    if in_front < unsold {
        return Some(1.0);
    }
    if unsold == 0 {
        return Some(0.0);
    }
    if ended < LEAST_ENDED {
        return None;
    }
    // Laplace's rule keeps a short run of luck from being called certain.
    let buys = (bought + 1) as f64 / (ended + 2) as f64;
    let mean = in_front as f64 * buys;
    let deviation = (mean * (1.0 - buys)).sqrt();
    let z = (unsold as f64 - 0.5 - mean) / deviation;
    Some((normal_below(z) * 1000.0).round() / 1000.0)
}

/// The standard normal distribution below `z` (Abramowitz and Stegun 26.2.17, error under 7.5e-8).
fn normal_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if z < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn the_wait_is_a_range_around_what_was_measured_and_unknown_before() {
        assert_eq!(eta(1000, 5.0), Some(Eta { low: 160, high: 266 }));
        assert_eq!(eta(1000, 0.0), None);
    }

    #[test]
    fn the_chance_is_that_fewer_buyers_than_units_are_in_front() {
        // 1,000 units, 70% conversion: the worked example for places 1,350, 1,429 and 1,500.
        let at = |place: u64| chance(place - 1, 0, 1000, 70_000, 100_000).unwrap();
        assert!(at(1350) > 0.99);
        assert!((at(1400) - 0.88).abs() < 0.02, "{}", at(1400));
        assert!((at(1429) - 0.50).abs() < 0.03, "{}", at(1429));
        assert!(at(1500) < 0.01);
    }

    #[test]
    fn it_is_certain_with_units_to_spare_nil_without_and_silent_without_a_measurement() {
        assert_eq!(chance(5, 4, 10, 0, 0), Some(1.0));
        assert_eq!(chance(5, 0, 0, 100, 100), Some(0.0));
        assert_eq!(chance(50, 10, 10, 3, 5), None);
    }

    /// Plays the line in front many times: everyone buys or does not, by the sale's own conversion.
    #[test]
    fn it_is_what_happens_when_the_line_is_played_many_times() {
        const PLAYED: u32 = 1_500;
        let mut dice = StdRng::seed_from_u64(1);
        let (mut worst, mut between) = (0.0_f64, 0);
        for _ in 0..12 {
            let buys = dice.random_range(0.2..0.95);
            let held = dice.random_range(0..60_u64);
            let ahead = dice.random_range(20..200_u64);
            let mean = (ahead + held) as f64 * buys;
            let unsold = (mean + dice.random_range(-12.0..12.0)).max(1.0) as u64;
            let told = chance(ahead, held, unsold, (buys * 1e6) as u64, 1_000_000).unwrap();
            let offered = (0..PLAYED)
                .filter(|_| {
                    (0..ahead + held).filter(|_| dice.random_bool(buys)).count() < unsold as usize
                })
                .count();
            let happened = offered as f64 / f64::from(PLAYED);
            between += u32::from((0.05..0.95).contains(&happened));
            worst = worst.max((told - happened).abs());
        }
        assert!(between > 5, "most of what was played was open: {between}");
        // The dice alone are good for 1.3% at one standard deviation.
        assert!(worst < 0.045, "{worst}");
    }

    #[test]
    fn it_never_rises_with_the_place() {
        let mut last = 1.0;
        for ahead in 0..500 {
            let now = chance(ahead, 20, 100, 60, 100).unwrap();
            assert!(now <= last, "at {ahead}");
            last = now;
        }
    }
}
