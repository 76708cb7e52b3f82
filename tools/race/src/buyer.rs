//! One buyer of a crowd: what a way is given to serve one, and what it tells of the serving.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;
use tokio::time::Instant;

use crate::ground::{Ground, Turn};

/// The last word to a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bought {
    /// So many units, and the order is written.
    Sold(u32),
    /// There were not enough units left.
    NoStock,
    /// Turned away though there may have been stock: too many others were quicker.
    GaveUp,
    /// Reserved a unit and never paid.
    WalkedAway,
}

pub struct Buyer {
    /// Counts from 0, in the order of arrival.
    pub number: u32,
    /// How often this buyer began again.
    pub retries: u64,
    ground: Arc<Ground>,
    arrived: Instant,
    first_answer: Option<Duration>,
    turn: Option<Turn>,
}

impl Buyer {
    /// A buyer who arrived at this moment and waits to be served.
    pub(crate) async fn served(ground: Arc<Ground>, number: u32, arrived: Instant) -> Result<Self> {
        let turn = Some(ground.turn().await?);
        Ok(Self { number, retries: 0, ground, arrived, first_answer: None, turn })
    }

    /// A connection of this buyer's own.
    ///
    /// # Errors
    /// For a buyer who stepped aside.
    pub fn redis(&self) -> Result<MultiplexedConnection> {
        Ok(self.turn.as_ref().context("a buyer who stepped aside is not served")?.redis.clone())
    }

    /// The pool that all buyers share.
    pub fn postgres(&self) -> &PgPool {
        &self.ground.postgres
    }

    /// The buyer hears something for the first time: where a way answers early, this is not the last word.
    pub fn hears(&mut self) {
        self.first_answer.get_or_insert_with(|| self.arrived.elapsed());
    }

    /// Waits without being served, so that others are.
    pub fn steps_aside(&mut self) {
        self.turn = None;
    }

    /// Is served again.
    ///
    /// # Errors
    /// When the ground is gone.
    pub async fn comes_back(&mut self) -> Result<()> {
        self.turn = Some(self.ground.turn().await?);
        Ok(())
    }

    /// From the arrival to the first answer, and to the last word, which is now.
    pub(crate) fn answers(&mut self) -> (Duration, Duration) {
        let last = self.arrived.elapsed();
        (*self.first_answer.get_or_insert(last), last)
    }
}
