//! How many of the holds that ended lately were bought: few may mean that units are hoarded, or that the checkout
//! does not work.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::engine::line::line_view::View;
use crate::model::SaleId;

/// Fewer holds than this that ended may be chance: of 20 shoppers who each buy with a chance of one in three, 2 or
/// fewer buy about once in 60 times.
const ENOUGH_ENDED: i64 = 20;
/// One purchase in so many ended holds is few. Shops see a third and more of those buy who got a unit after waiting.
const FEW: i64 = 10;
/// How many checkout windows are looked back at: in one, each hold that was made has ended.
const WINDOWS: u32 = 2;
/// The shortest time that is looked back at: a window may be a few seconds.
const LEAST: Duration = Duration::from_secs(60);
/// Samples of one sale that are kept for that time.
const SAMPLES: u32 = 30;

/// What this gateway saw of the purchases of each sale.
#[derive(Default)]
pub struct Purchases(Mutex<HashMap<SaleId, VecDeque<Sample>>>);

/// Holds that had ended by a time, since the sale was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    at: Instant,
    bought: i64,
    not_bought: i64,
}

/// Few of the holds that ended were bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FewBought {
    pub bought: i64,
    /// Holds that ran out or were given back.
    pub not_bought: i64,
    /// How long ago the first of them ended; none when that was before this gateway looked.
    pub within: Option<Duration>,
}

impl Purchases {
    /// Notes where the sales stand now, and forgets sales that are not among them.
    pub fn note<'a>(&self, views: impl Iterator<Item = &'a View>) {
        let now = Instant::now();
        let mut all = self.lock();
        let mut before = std::mem::take(&mut *all);
        for view in views {
            let id = view.snapshot.id();
            let mut samples = before.remove(&id).unwrap_or_default();
            add(&mut samples, sample(view, now), look_back(view));
            all.insert(id, samples);
        }
    }

    /// Whether few of the holds that ended lately were bought. Holds that are open do not count, so a sale whose
    /// first shoppers are still checking out is well.
    pub fn are_few(&self, view: &View) -> Option<FewBought> {
        let now = sample(view, Instant::now());
        let samples = self.lock().get(&view.snapshot.id()).cloned().unwrap_or_default();
        judge(&samples, now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SaleId, VecDeque<Sample>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sample(view: &View, at: Instant) -> Sample {
    let snapshot = &view.snapshot;
    Sample { at, bought: snapshot.stock.sold, not_bought: snapshot.returned }
}

fn look_back(view: &View) -> Duration {
    let window = view.snapshot.sale.settings.checkout_window_seconds.unsigned_abs();
    (Duration::from_secs(window.into()) * WINDOWS).max(LEAST)
}

/// Keeps one sample from before the time that is looked back at, and some of that time.
fn add(samples: &mut VecDeque<Sample>, now: Sample, look_back: Duration) {
    if samples.back().is_none_or(|last| now.at - last.at >= look_back / SAMPLES) {
        samples.push_back(now);
    }
    while samples.get(1).is_some_and(|second| now.at - second.at >= look_back) {
        samples.pop_front();
    }
}

fn judge(samples: &VecDeque<Sample>, now: Sample) -> Option<FewBought> {
    let few = |first: Option<&Sample>| {
        let (bought_before, before) = first.map_or((0, 0), |s| (s.bought, s.not_bought));
        let (bought, not_bought) = (now.bought - bought_before, now.not_bought - before);
        let is_enough = bought + not_bought >= ENOUGH_ENDED;
        let within = first.map(|first| now.at - first.at);
        is_enough.then_some((
            bought * FEW < bought + not_bought,
            FewBought { bought, not_bought, within },
        ))
    };
    // What happened lately counts. Where that is too little to tell, all counts that ever happened.
    let (is_few, found) = few(samples.front()).or_else(|| few(None))?;
    is_few.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples with so many bought and not bought, a minute apart, of a sale whose window is ten minutes.
    fn after(minutes: &[(i64, i64)]) -> Option<(i64, i64)> {
        let (begun, mut samples) = (Instant::now(), VecDeque::new());
        let mut last = None;
        for (minute, (bought, not_bought)) in (0..).zip(minutes) {
            let at = begun + Duration::from_secs(60 * minute);
            let now = Sample { at, bought: *bought, not_bought: *not_bought };
            add(&mut samples, now, Duration::from_secs(20 * 60));
            assert!(samples.len() <= SAMPLES as usize + 2);
            last = Some(now);
        }
        judge(&samples, last.unwrap()).map(|few| (few.bought, few.not_bought))
    }

    #[test]
    fn a_sale_whose_first_shoppers_are_checking_out_is_well() {
        assert_eq!(after(&[(0, 0); 9]), None);
        assert_eq!(after(&[(0, 0), (2, 0), (9, 3)]), None);
        assert_eq!(after(&[(0, 0), (0, 19)]), None, "so few may be chance");
    }

    #[test]
    fn many_that_ended_and_few_that_were_bought_are_told() {
        assert_eq!(after(&[(0, 0), (0, 44)]), Some((0, 44)));
        assert_eq!(after(&[(0, 0), (4, 40)]), Some((4, 40)));
        assert_eq!(after(&[(0, 0), (5, 45)]), None, "one in ten");
    }

    #[test]
    fn what_happened_lately_counts_more_than_what_was() {
        let good_then_bad: Vec<_> =
            (0..60).map(|m| (m.min(20) * 100, (m - 20).max(0) * 5)).collect();
        assert_eq!(after(&good_then_bad), Some((0, 100)), "of the last twenty minutes");
        let bad_then_good: Vec<_> =
            (0..60).map(|m| ((m - 20).max(0) * 5, m.min(20) * 100)).collect();
        assert_eq!(after(&bad_then_good), None);
        let bad_and_over: Vec<_> = (0..60).map(|m| (1, m.min(20) * 5)).collect();
        assert_eq!(after(&bad_and_over), Some((1, 100)), "nothing ended since");
    }

    #[test]
    fn a_gateway_that_was_just_started_judges_by_all_that_happened() {
        assert_eq!(after(&[(0, 44)]), Some((0, 44)));
        assert_eq!(after(&[(400, 44)]), None);
    }
}
