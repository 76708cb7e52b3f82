//! What each shopper and the operator are going to do: drawn before the run, from the seed alone.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::variant::{Rules, Variant};

/// How a tab watches its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    Socket,
    Events,
    Poll,
}

/// What a shopper does in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    Buy,
    /// Buys, and sends the same confirm again with the same key through another gateway.
    BuyTwice,
    /// Two confirms with one key at the same moment, through two gateways.
    BuyAtBoth,
    /// Buys, and again with another key.
    BuyWithOtherKey,
    /// Buys when the window is about to end.
    BuyLate,
    Release,
    /// Gives the unit back, and joins again as somebody new.
    ReleaseAndReturn,
    /// Holds a unit and does nothing.
    WalkAwayHolding,
    /// Closes the page while waiting, without a word.
    WalkAwayWaiting,
    Leave,
    /// Leaves the line, and joins again as somebody new.
    LeaveAndReturn,
    /// Asks for somebody else's hold, then buys.
    StealAndBuy,
    /// Sends rubbish and forged credentials, and never buys.
    Misbehave,
}

/// One shopper.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub number: u32,
    pub arrives_ms: u64,
    pub tabs: Vec<Channel>,
    pub deed: Deed,
    /// From the unit to the deed, or from the place in line to leaving it.
    pub thinks_ms: u64,
    /// Sends the join again with its key, after it was answered.
    pub joins_twice: bool,
    /// Tries after which an unanswered call is given up.
    pub tries: u32,
    /// Of the choices that depend on what happens.
    pub seed: u64,
}

/// One act of the operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Act {
    pub at_ms: u64,
    pub what: What,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Seed {
        count: u32,
    },
    Withdraw {
        count: u32,
    },
    /// Pauses, and resumes after so long.
    Pause {
        ms: u64,
    },
    Notice {
        text: String,
    },
}

/// A stream of random numbers of its own for each purpose, so that one more draw here changes nothing there.
pub fn random(seed: u64, purpose: &str) -> StdRng {
    // FNV-1a: the same on every machine and in every version.
    let mixed =
        purpose.bytes().chain(seed.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    StdRng::seed_from_u64(mixed)
}

/// All shoppers of a run. A third comes at once, the rest until shortly before the end.
pub fn shoppers(seed: u64, rules: &Rules, seconds: u64) -> Vec<Plan> {
    let mut random = random(seed, "shoppers");
    let (first, last) = (1_500, (seconds * 800).max(2_000));
    (1..=rules.shoppers)
        .map(|number| {
            let most = if random.random_ratio(1, 3) { first } else { last };
            Plan {
                number,
                arrives_ms: random.random_range(0..most),
                tabs: tabs(&mut random),
                deed: deed(&mut random, rules.variant),
                thinks_ms: random.random_range(0..u64::from(rules.window_seconds) * 500),
                joins_twice: random.random_ratio(1, 8),
                tries: if random.random_ratio(1, 12) { 1 } else { 60 },
                seed: random.random(),
            }
        })
        .collect()
}

fn tabs(random: &mut StdRng) -> Vec<Channel> {
    let tabs = *[1, 1, 1, 1, 1, 2, 3].choose(random).unwrap_or(&1);
    (0..tabs)
        .map(|_| match random.random_range(0..10) {
            0..4 => Channel::Socket,
            4..6 => Channel::Events,
            _ => Channel::Poll,
        })
        .collect()
}

fn deed(random: &mut StdRng, variant: Variant) -> Deed {
    use Deed::*;
    let weights: &[(Deed, u32)] = match variant {
        Variant::Demand | Variant::Plenty | Variant::OneByOne | Variant::Restored => &[
            (Buy, 26),
            (BuyTwice, 8),
            (BuyAtBoth, 6),
            (BuyWithOtherKey, 5),
            (BuyLate, 6),
            (Release, 9),
            (ReleaseAndReturn, 5),
            (WalkAwayHolding, 14),
            (WalkAwayWaiting, 4),
            (Leave, 6),
            (LeaveAndReturn, 4),
            (StealAndBuy, 4),
            (Misbehave, 3),
        ],
        Variant::Abandon => &[
            (Release, 25),
            (ReleaseAndReturn, 8),
            (WalkAwayHolding, 45),
            (WalkAwayWaiting, 4),
            (Leave, 12),
            (LeaveAndReturn, 4),
            (Misbehave, 2),
        ],
        Variant::Single => &[
            (Buy, 1),
            (BuyAtBoth, 1),
            (BuyLate, 1),
            (Release, 55),
            (ReleaseAndReturn, 4),
            (WalkAwayHolding, 7),
            (Leave, 20),
            (LeaveAndReturn, 5),
            (StealAndBuy, 1),
            (Misbehave, 5),
        ],
    };
    let all = weights.iter().map(|(_, weight)| weight).sum();
    let mut left = random.random_range(0..all);
    for (deed, weight) in weights {
        if left < *weight {
            return *deed;
        }
        left -= weight;
    }
    Buy
}

/// The operator's acts: what is not seeded yet, in pieces, and something now and then.
pub fn operator(seed: u64, rules: &Rules, seconds: u64) -> Vec<Act> {
    const PIECES: u32 = 8;
    let mut random = random(seed, "operator");
    let end = seconds * 900;
    let mut acts = Vec::new();
    let mut left = rules.units - rules.first_units();
    for piece in 0..PIECES {
        let count = if piece == PIECES - 1 { left } else { (left / 4).min(left) };
        left -= count;
        if count > 0 {
            let at_ms = random.random_range(500..end.max(501));
            acts.push(Act { at_ms, what: What::Seed { count }, seed: random.random() });
        }
    }
    for number in 0..(seconds / 12).max(1) {
        let whats = [
            What::Pause { ms: random.random_range(200..2_000) },
            What::Notice { text: format!("Notice {number}: thank you for waiting") },
            What::Withdraw { count: random.random_range(1..4) },
        ];
        for what in whats {
            // The only unit must stay.
            let leaves_none = rules.units == 1 && matches!(what, What::Withdraw { .. });
            if !leaves_none {
                let at_ms = random.random_range(500..end.max(501));
                acts.push(Act { at_ms, what, seed: random.random() });
            }
        }
    }
    acts.sort_by_key(|act| act.at_ms);
    acts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_people_and_another_seed_others() {
        let rules = Variant::Demand.rules();
        assert_eq!(shoppers(7, &rules, 60), shoppers(7, &rules, 60));
        assert_eq!(operator(7, &rules, 60), operator(7, &rules, 60));
        assert_ne!(shoppers(7, &rules, 60), shoppers(8, &rules, 60));
    }

    #[test]
    fn the_operator_seeds_every_unit_that_is_left() {
        for variant in Variant::MIXED {
            let rules = variant.rules();
            let seeded: u32 = operator(3, &rules, 60)
                .iter()
                .map(|act| if let What::Seed { count } = act.what { count } else { 0 })
                .sum();
            assert_eq!(seeded + rules.first_units(), rules.units, "{variant:?}");
        }
    }

    #[test]
    fn nobody_buys_where_everyone_walks_away() {
        let buys = |deed| {
            matches!(
                deed,
                Deed::Buy
                    | Deed::BuyTwice
                    | Deed::BuyAtBoth
                    | Deed::BuyWithOtherKey
                    | Deed::BuyLate
                    | Deed::StealAndBuy
            )
        };
        assert!(!shoppers(5, &Variant::Abandon.rules(), 60).iter().any(|plan| buys(plan.deed)));
    }
}
