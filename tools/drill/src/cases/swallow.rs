//! One call fails: its reply is swallowed, or it never gets to the store. The same sale again and again,
//! with the first call, the second, and so on, until the sale is over before it comes to that call.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use ropeline::faults::Mistake;

use super::crash::{bases, panics};
use super::doors::Doors;
use super::judge::{Redis, judge};
use super::script::{Play, Size};
use crate::proxy::Proxy;
use crate::world::World;

/// Whose calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    Redis,
    Postgres,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// It is done, and its reply is swallowed.
    Swallow,
    /// It never gets to the store.
    Lose,
}

/// A sale through so many gateways, of which the first loses one call.
#[derive(Debug, Clone, Copy)]
pub struct Series {
    pub how: How,
    pub store: Store,
    pub gateways: usize,
}

/// What became of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Failed,
    /// The sale was over before.
    NotReached,
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Swallow => "swallow",
            How::Lose => "lose",
        };
        let store = match self.store {
            Store::Redis => "redis",
            Store::Postgres => "postgres",
        };
        write!(f, "--call {how} --store {store} --gateways {}", self.gateways)
    }
}

impl Series {
    /// Calls that were made so far, where they are counted.
    pub fn calls(self, world: &World) -> u64 {
        self.wire(world).calls()
    }

    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for how in [How::Swallow, How::Lose] {
            for store in [Store::Redis, Store::Postgres] {
                all.push(Self { how, store, gateways: 1 });
                if how == How::Swallow {
                    all.push(Self { how, store, gateways: 2 });
                }
            }
        }
        all
    }

    /// From one call that fails to the next, unless it is said: a gateway asks Postgres a thousand times in
    /// a small sale, most of them the same question again.
    pub fn stride(self) -> u64 {
        match (self.store, self.how, self.gateways) {
            (Store::Redis, How::Swallow, 1) => 1,
            (Store::Redis, ..) => 4,
            (Store::Postgres, ..) => 32,
        }
    }

    fn wire(self, world: &World) -> &Proxy {
        match self.store {
            Store::Redis => &world.gateways[0].redis,
            Store::Postgres => &world.gateways[0].postgres,
        }
    }

    fn failed(self, world: &World) -> bool {
        match self.how {
            How::Swallow => self.wire(world).swallowed() > 0,
            How::Lose => self.wire(world).lost() > 0,
        }
    }

    /// Plays it with the `k`-th call failing, counted from the start of the gateway.
    ///
    /// # Errors
    /// When somebody is not served, or a promise does not hold.
    pub async fn run(self, world: &mut World, k: u64, mistake: Option<Mistake>) -> Result<Outcome> {
        world.empty(mistake).await?;
        for _ in 0..self.gateways {
            world.wire_gateway().await?;
        }
        match self.how {
            How::Swallow => self.wire(world).swallow(k),
            How::Lose => self.wire(world).lose(k),
        }
        for index in 0..self.gateways {
            world.gateways[index].start_again().await?;
        }
        for index in 0..self.gateways {
            world.is_ready(index).await?;
        }
        let doors = Arc::new(Doors::new(&world.gateways[0].base));
        doors.lead_to(bases(world));
        let mut play = Play::begin(world, doors, Size::Small).await?;
        play.go_on().await?;
        play.close().await?;
        let outcome = if self.failed(world) { Outcome::Failed } else { Outcome::NotReached };
        let told = play.book.open().clone();
        let mut wrong = judge(play.sql(), &play.sale, &told, Redis::Kept).await?;
        wrong.extend(panics(world));
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(outcome)
    }
}
