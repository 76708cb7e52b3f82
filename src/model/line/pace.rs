//! The pace that waits are told by: measured admissions, held steady so that a promise stands, and never
//! lowered without a reason that can be told. Pure: it is given the time.
//!
//! A wait is told as up to a third more than the place divided by the pace. While people are let
//! in at three quarters of the pace or more, the end of that range does not move back. So the pace rises with
//! what is measured, and is lowered only when less than that is measured; then it is told why.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back admissions are counted. A promise can be late by as much before the pace is lowered.
const WINDOW: Duration = Duration::from_secs(60);
/// The least that a pace is measured by, in time and in admissions; fewer only once that time is long over.
const LEAST_TIME: Duration = Duration::from_secs(5);
const LEAST_ADMITTED: u64 = 3;
const LONG_OVER: Duration = Duration::from_secs(20);
/// One sample in so long.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// A pace stands until less than this part of it is measured: the inverse of how far up a wait's range goes.
const STANDS: f64 = 0.75;
/// How long a reason is told.
const TOLD_FOR: Duration = Duration::from_secs(300);
/// The checkout counts as full so long after it was: it empties and fills with each who buys.
const FULL_FOR: Duration = Duration::from_secs(10);

/// Why a wait may be longer than one that was told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nobody was let in while the sale was paused.
    Paused,
    /// Nobody was let in while every unit was being checked out.
    AllHeld,
    /// As many as may are in the checkout; the next come in as others finish.
    CheckoutFull,
    /// The operator changed how fast people are let in.
    PaceChanged,
    /// The line was read back after an outage.
    Outage,
    /// Fewer were let in than before, and nothing above says why: people in front take longer.
    Slower,
}

impl Reason {
    pub const ALL: [Self; 6] = [
        Self::Paused,
        Self::AllHeld,
        Self::CheckoutFull,
        Self::PaceChanged,
        Self::Outage,
        Self::Slower,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::AllHeld => "all_held",
            Self::CheckoutFull => "checkout_full",
            Self::PaceChanged => "pace_changed",
            Self::Outage => "outage",
            Self::Slower => "slower",
        }
    }
}

/// What decides how fast people are let in, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flowing {
    /// Tickets admitted since the sale was made.
    pub admitted: u64,
    /// Why nobody can be let in, if so.
    pub stopped: Option<Reason>,
    /// As many are in the checkout as may be, or nearly.
    pub is_full: bool,
    /// Batch, interval and cap, as the operator set them.
    pub rules: (i32, i32, Option<i32>),
    pub epoch: i32,
}

/// The pace of one sale as one gateway measures it.
#[derive(Debug, Default)]
pub struct Pace {
    /// Since people are let in under the same conditions: when, and how many had been admitted.
    samples: VecDeque<(Duration, u64)>,
    told: Option<f64>,
    /// The last pace that was told, should it be unknown now.
    before: Option<f64>,
    reason: Option<(Reason, Duration)>,
    last: Option<Flowing>,
    full_at: Option<Duration>,
}

impl Pace {
    /// People per second, by which a wait may be told; none while nobody can be let in, or nothing was measured.
    pub fn per_second(&self) -> Option<f64> {
        self.told.filter(|_| self.last.is_some_and(|last| last.stopped.is_none()))
    }

    /// Why a wait that is told now may be longer than one that was told before.
    pub fn reason(&self, now: Duration) -> Option<Reason> {
        let (reason, at) = self.reason?;
        (now.saturating_sub(at) < TOLD_FOR).then_some(reason)
    }

    /// Takes in how things stand. Time only goes forward.
    pub fn see(&mut self, now: Duration, flowing: Flowing) {
        let was_full = self.is_full(now);
        if flowing.is_full {
            self.full_at = Some(now);
        }
        let is_full = self.is_full(now);
        if let Some(last) = self.last.replace(flowing) {
            self.notice(now, last, flowing, was_full, is_full);
        }
        if flowing.stopped.is_some() {
            self.samples.clear();
            return;
        }
        if self.samples.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= SAMPLE_EVERY) {
            self.samples.push_back((now, flowing.admitted));
        }
        while self.samples.front().is_some_and(|(at, _)| now.saturating_sub(*at) > WINDOW) {
            self.samples.pop_front();
        }
        if let Some(measured) = self.measured(now, flowing.admitted) {
            self.follow(now, measured);
        }
    }

    fn is_full(&self, now: Duration) -> bool {
        self.full_at.is_some_and(|at| now.saturating_sub(at) < FULL_FOR)
    }

    /// What changed since the last look, if it says why waits get longer.
    fn notice(&mut self, now: Duration, last: Flowing, is: Flowing, was_full: bool, is_full: bool) {
        let mut because = |reason| self.reason = Some((reason, now));
        if last.rules != is.rules {
            because(Reason::PaceChanged);
            self.samples.clear();
        }
        if last.epoch != is.epoch && last.epoch > 0 {
            because(Reason::Outage);
            self.samples.clear();
        }
        if let (Some(why), None) = (last.stopped, is.stopped) {
            // The pace of before is the best guess; what is late is late by the stop.
            because(why);
        }
        if is_full && !was_full {
            // How fast the checkout filled says nothing of how fast it empties.
            because(Reason::CheckoutFull);
            self.samples.clear();
            self.before = self.told.take().or(self.before);
        }
    }

    fn measured(&self, now: Duration, admitted: u64) -> Option<f64> {
        let (since, before) = self.samples.front()?;
        let (time, people) = (now.saturating_sub(*since), admitted.saturating_sub(*before));
        let is_enough = time >= LEAST_TIME && (people >= LEAST_ADMITTED || time >= LONG_OVER);
        is_enough.then(|| people as f64 / time.as_secs_f64())
    }

    fn follow(&mut self, now: Duration, measured: f64) {
        let stands = self.told.or(self.before);
        if self.told.is_some_and(|told| (told * STANDS..=told).contains(&measured)) {
            return;
        }
        self.before = stands;
        self.told = (measured > 0.0).then_some(measured);
        if stands.is_some_and(|stood| measured < stood * STANDS) && self.reason(now).is_none() {
            self.reason = Some((Reason::Slower, now));
        } else if stands.is_some_and(|stood| measured < stood * STANDS)
            && let Some((_, at)) = &mut self.reason
        {
            *at = now; // What made it slower still does.
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::line::outlook::eta;

    fn open(admitted: u64) -> Flowing {
        Flowing { admitted, stopped: None, is_full: false, rules: (100, 1000, None), epoch: 1 }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A minute in which so many are admitted each second.
    fn run(pace: &mut Pace, from: u64, until: u64, mut admitted: u64, each: u64) -> u64 {
        for second in from..until {
            admitted += each;
            pace.see(at(second), open(admitted));
        }
        admitted
    }

    #[test]
    fn a_pace_is_measured_before_it_is_told_and_stands_while_it_is_nearly_kept() {
        let mut pace = Pace::default();
        let admitted = run(&mut pace, 0, 4, 0, 8);
        assert_eq!(pace.per_second(), None);
        let admitted = run(&mut pace, 4, 80, admitted, 8);
        assert_eq!(pace.per_second(), Some(8.0));
        run(&mut pace, 80, 300, admitted, 7);
        assert_eq!(pace.per_second(), Some(8.0), "a promise of a third more stands");
        assert_eq!(pace.reason(at(300)), None);
    }

    #[test]
    fn a_pace_that_is_not_kept_is_lowered_with_a_reason_that_is_told_for_a_while() {
        let mut pace = Pace::default();
        let admitted = run(&mut pace, 0, 100, 0, 8);
        run(&mut pace, 100, 200, admitted, 3);
        assert!((3.0..4.0).contains(&pace.per_second().unwrap()), "{pace:?}");
        assert_eq!(pace.reason(at(200)), Some(Reason::Slower));
        assert_eq!(pace.reason(at(600)), None);
    }

    #[test]
    fn each_thing_that_makes_people_wait_is_told_as_itself() {
        for (reason, stopped) in [
            (Reason::Paused, Some(Reason::Paused)),
            (Reason::AllHeld, Some(Reason::AllHeld)),
            (Reason::CheckoutFull, None),
            (Reason::PaceChanged, None),
            (Reason::Outage, None),
        ] {
            let mut pace = Pace::default();
            let admitted = run(&mut pace, 0, 100, 0, 8);
            let is = Flowing {
                stopped,
                is_full: reason == Reason::CheckoutFull,
                rules: (if reason == Reason::PaceChanged { 5 } else { 100 }, 1000, None),
                epoch: if reason == Reason::Outage { 2 } else { 1 },
                ..open(admitted)
            };
            pace.see(at(100), is);
            if stopped.is_some() {
                assert_eq!(pace.per_second(), None, "nobody can be let in");
                pace.see(at(130), open(admitted));
                assert_eq!(pace.per_second(), Some(8.0), "what was measured before");
            }
            assert_eq!(pace.reason(at(130)), Some(reason));
        }
    }

    #[test]
    fn how_fast_the_checkout_filled_is_no_pace() {
        let mut pace = Pace::default();
        let mut admitted = run(&mut pace, 0, 10, 0, 50);
        assert_eq!(pace.per_second(), Some(50.0));
        for second in 10..100 {
            admitted += u64::from(second % 2 == 0);
            pace.see(at(second), Flowing { is_full: true, ..open(admitted) });
            if second < 15 {
                assert_eq!(pace.per_second(), None);
            }
        }
        assert!((pace.per_second().unwrap() - 0.5).abs() < 0.2, "{pace:?}");
        assert_eq!(pace.reason(at(100)), Some(Reason::CheckoutFull));
    }

    proptest! {
        /// Whatever happens, a shopper who is told a later end than before is told a reason with it. Only what
        /// the measuring itself lags behind is late without one.
        #[test]
        fn no_end_is_put_off_without_a_reason(
            stretches in prop::collection::vec((1..120u64, 0..12u64, 0..8u8), 1..12),
        ) {
            let (mut pace, mut now, mut admitted) = (Pace::default(), 0, 0);
            let place = 5_000;
            let mut promised: Option<f64> = None;
            for (length, each, kind) in stretches {
                for _ in 0..length {
                    now += 1;
                    let stopped = match kind {
                        0 => Some(Reason::Paused),
                        1 => Some(Reason::AllHeld),
                        _ => None,
                    };
                    admitted += if stopped.is_none() { each } else { 0 };
                    pace.see(at(now), Flowing { stopped, is_full: kind == 2, ..open(admitted) });
                    let Some(told) = pace.per_second() else { continue };
                    prop_assume!(admitted < place);
                    let end = now as f64 + eta(place - admitted, told).unwrap().high as f64;
                    let lag = WINDOW.as_secs_f64() + 2.0;
                    let is_put_off = promised.is_some_and(|promised| end > promised + lag);
                    prop_assert!(
                        !is_put_off || pace.reason(at(now)).is_some(),
                        "at {now}: {end} after {promised:?}, {pace:?}"
                    );
                    promised = Some(match promised {
                        Some(promised) if !is_put_off => promised.min(end),
                        Some(_) | None => end,
                    });
                }
            }
        }
    }
}
