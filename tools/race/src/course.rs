//! One crowd at one way, counted from outside: by what the buyers were told, and by the orders written.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;
use crate::ways::Way;

/// The longest that one crowd at one way may take: many times what the slowest does.
const RUN_WITHIN: Duration = Duration::from_secs(120);
/// Latencies are kept from a microsecond up to that, to three digits.
const LONGEST_MICROS: u64 = 120_000_000;
const DIGITS: u8 = 3;

/// How many units, for how many buyers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    pub stock: u32,
    pub crowd: u32,
}

/// Latencies in milliseconds, from the moment when the crowd arrived.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// What came of one crowd.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Units that buyers were told are theirs.
    pub told: u64,
    /// Units in the orders that were written.
    pub written: u64,
    /// Orders; a cart is one.
    pub orders: u64,
    pub no_stock: u64,
    pub gave_up: u64,
    pub walked_away: u64,
    pub retries: u64,
    pub first_answer: Spread,
    /// Of those who bought; zero when nobody did.
    pub order: Spread,
    pub last_word: Spread,
    /// From the arrival to the last order.
    pub selling_seconds: f64,
    /// From the arrival to the last word.
    pub whole_seconds: f64,
}

impl Outcome {
    pub fn oversold(&self, stock: u32) -> u64 {
        self.told.saturating_sub(stock.into())
    }

    pub fn oversold_by_orders(&self, stock: u32) -> u64 {
        self.written.saturating_sub(stock.into())
    }

    /// By whichever count is worse.
    pub fn worst(&self, stock: u32) -> u64 {
        self.oversold(stock).max(self.oversold_by_orders(stock))
    }

    /// Units that nobody has, with everybody gone.
    pub fn unsold(&self, stock: u32) -> u64 {
        u64::from(stock).saturating_sub(self.told)
    }

    /// Zero when there was no order.
    pub fn orders_per_second(&self) -> f64 {
        let rate = self.orders as f64 / self.selling_seconds;
        if rate.is_finite() { rate } else { 0.0 }
    }
}

/// How it went for one buyer.
struct Served {
    bought: Bought,
    retries: u64,
    first_answer: Duration,
    last_word: Duration,
}

/// Lets a crowd loose on `way`, all in one instant, and counts when the last one has gone.
///
/// # Errors
/// When a store fails, or the crowd is not served in time.
pub async fn run(ground: &Arc<Ground>, way: Box<dyn Way>, size: Size) -> Result<Outcome> {
    way.prepare(ground, size.stock).await?;
    let way: Arc<dyn Way> = way.into();
    let mut crowd = JoinSet::new();
    // The loop is open: each latency counts from here, also for those who wait to be served.
    let arrived = Instant::now();
    for number in 0..size.crowd {
        let (ground, way) = (ground.clone(), way.clone());
        crowd.spawn(async move { serve(ground, &*way, number, arrived).await });
    }
    let mut count = Count::new()?;
    let served = timeout(RUN_WITHIN, async {
        while let Some(one) = crowd.join_next().await {
            count.add(&one??)?;
        }
        anyhow::Ok(())
    });
    served.await.context("the crowd is not served in time")??;
    let outcome = count.outcome(way.ordered(ground).await?);
    way.end().await?;
    Ok(outcome)
}

async fn serve(
    ground: Arc<Ground>,
    way: &dyn Way,
    number: u32,
    arrived: Instant,
) -> Result<Served> {
    let mut buyer = Buyer::served(ground, number, arrived).await?;
    let bought = way.buy(&mut buyer).await?;
    let (first_answer, last_word) = buyer.answers();
    Ok(Served { bought, retries: buyer.retries, first_answer, last_word })
}

/// Adds up what the buyers say.
struct Count {
    sums: Outcome,
    first_answers: Histogram<u64>,
    orders: Histogram<u64>,
    last_words: Histogram<u64>,
    last_order: Duration,
    last_of_all: Duration,
}

impl Count {
    fn new() -> Result<Self> {
        let empty = || Histogram::new_with_bounds(1, LONGEST_MICROS, DIGITS);
        Ok(Self {
            sums: Outcome::default(),
            first_answers: empty()?,
            orders: empty()?,
            last_words: empty()?,
            last_order: Duration::ZERO,
            last_of_all: Duration::ZERO,
        })
    }

    fn add(&mut self, served: &Served) -> Result<()> {
        match served.bought {
            Bought::Sold(units) => {
                self.sums.told += u64::from(units);
                self.sums.orders += 1;
                record(&mut self.orders, served.last_word)?;
                self.last_order = self.last_order.max(served.last_word);
            }
            Bought::NoStock => self.sums.no_stock += 1,
            Bought::GaveUp => self.sums.gave_up += 1,
            Bought::WalkedAway => self.sums.walked_away += 1,
        }
        self.sums.retries += served.retries;
        record(&mut self.first_answers, served.first_answer)?;
        record(&mut self.last_words, served.last_word)?;
        self.last_of_all = self.last_of_all.max(served.last_word);
        Ok(())
    }

    fn outcome(self, written: u64) -> Outcome {
        Outcome {
            written,
            first_answer: spread(&self.first_answers),
            order: spread(&self.orders),
            last_word: spread(&self.last_words),
            selling_seconds: self.last_order.as_secs_f64(),
            whole_seconds: self.last_of_all.as_secs_f64(),
            ..self.sums
        }
    }
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) -> Result<()> {
    Ok(histogram.record(u64::try_from(latency.as_micros())?.clamp(1, LONGEST_MICROS))?)
}

fn spread(histogram: &Histogram<u64>) -> Spread {
    let at = |part| histogram.value_at_quantile(part) as f64 / 1_000.0;
    Spread { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}
