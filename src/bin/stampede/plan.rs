//! What a run is to do, as it stands in its report.

use std::str::FromStr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use serde::{Serialize, Serializer};

/// Everything that decides what is sent. The operator's key is not part of it: reports are passed around.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub targets: Vec<String>,
    pub owned: Vec<String>,
    pub sale: Option<String>,
    pub crowd: Crowd,
    pub shopper: Behaviour,
    pub own: Own,
    pub bounds: Bounds,
}

/// Who comes, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Crowd {
    /// In a second.
    pub rate: f64,
    pub burst: u64,
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub length: Duration,
    pub spacing: Spacing,
    pub sockets: u64,
    pub open_rate: f64,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spacing {
    Poisson,
    Even,
}

/// What shoppers do.
#[derive(Clone, Debug, Serialize)]
pub struct Behaviour {
    pub watch: Mix,
    pub buy: f64,
    pub release: f64,
    #[serde(rename = "think_seconds", serialize_with = "seconds")]
    pub think: Duration,
    pub walk_away: f64,
    #[serde(rename = "bored_after_seconds", serialize_with = "seconds")]
    pub bored_after: Duration,
    pub reconnect: f64,
    #[serde(rename = "poll_every_seconds", serialize_with = "seconds_or_null")]
    pub poll_every: Option<Duration>,
    pub keyed_joins: bool,
}

/// The sale that is made for a run.
#[derive(Clone, Debug, Serialize)]
pub struct Own {
    pub units: u32,
    pub batch_size: u32,
    pub admit_interval_ms: u32,
    pub checkout_window_seconds: u32,
    pub max_in_checkout: Option<u32>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Bounds {
    pub connections: usize,
    pub addresses: u8,
    pub threads: usize,
    #[serde(rename = "patience_seconds", serialize_with = "seconds")]
    pub patience: Duration,
    #[serde(rename = "linger_seconds", serialize_with = "seconds")]
    pub linger: Duration,
}

/// How one shopper watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    Websocket,
    Sse,
    Poll,
    /// Joins, and looks no further.
    None,
}

/// Ways to watch, each with its weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mix(Vec<(Watch, f64)>);

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ways = Vec::new();
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let way = match name {
                "websocket" => Watch::Websocket,
                "sse" => Watch::Sse,
                "poll" => Watch::Poll,
                "none" => Watch::None,
                other => return Err(format!("{other} is none of websocket, sse, poll, none")),
            };
            let weight: f64 = weight.parse().map_err(|_| format!("{weight} is no weight"))?;
            if !(weight > 0.0 && weight <= 1e6) {
                return Err(format!("the weight of {name} must be above 0 and at most a million"));
            }
            ways.push((way, weight));
        }
        Ok(Self(ways))
    }
}

impl Mix {
    /// The way at this share of all weights, from 0 to 1.
    fn at(&self, share: f64) -> Watch {
        let mut left = share * self.0.iter().map(|(_, weight)| weight).sum::<f64>();
        for (way, weight) in &self.0 {
            left -= weight;
            if left < 0.0 {
                return *way;
            }
        }
        self.0.last().map_or(Watch::None, |(way, _)| *way)
    }

    pub fn has(&self, way: Watch) -> bool {
        self.0.iter().any(|(mine, _)| *mine == way)
    }
}

/// What one shopper will do, decided before it comes, so that a seed decides it whatever happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mind {
    pub watch: Watch,
    pub checkout: Checkout,
    pub think: Duration,
    /// Leaves the line after so long.
    pub bored_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkout {
    Buy,
    Release,
    /// Closes the page; the unit goes back when its time is up.
    Nothing,
}

impl Mind {
    pub fn of(plan: &Plan, index: u64) -> Self {
        // The multiplier spreads neighbouring shoppers over all seeds (the golden ratio in 64 bits).
        let seed = plan.crowd.seed ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (mut rng, will) = (SmallRng::seed_from_u64(seed), &plan.shopper);
        let at = rng.random::<f64>();
        let checkout = match at {
            at if at < will.buy => Checkout::Buy,
            at if at < will.buy + will.release => Checkout::Release,
            _ => Checkout::Nothing,
        };
        let leaves = rng.random::<f64>() < will.walk_away;
        let bored_after = will.bored_after.mul_f64(rng.random());
        Self {
            watch: will.watch.at(rng.random()),
            checkout,
            think: will.think.mul_f64(rng.random_range(0.0..2.0)),
            bored_after: leaves.then_some(bored_after),
        }
    }
}

/// A time after which something happens that happens at this rate in a second.
pub fn waiting_time(rng: &mut impl Rng, rate: f64) -> Duration {
    // 1 - x is never 0, whose logarithm is infinite.
    Duration::from_secs_f64(-(1.0 - rng.random::<f64>()).ln() / rate)
}

fn seconds<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(time.as_secs_f64())
}

fn seconds_or_null<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_drawn_by_its_weights() {
        let mix: Mix = "websocket=8,sse=1,poll=1".parse().unwrap();
        assert_eq!(mix.at(0.0), Watch::Websocket);
        assert_eq!(mix.at(0.79), Watch::Websocket);
        assert_eq!(mix.at(0.81), Watch::Sse);
        assert_eq!(mix.at(0.91), Watch::Poll);
        assert_eq!(mix.at(1.0), Watch::Poll);
    }
}
