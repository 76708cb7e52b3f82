//! One crash case: a gateway is armed and reaches its point, something becomes of the stores, and another
//! gateway carries the sale to its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use ropeline::faults::{Mistake, Point};
use tokio::time::{Instant, sleep_until};

use super::aftermath::{self, Aftermath, Copy};
use super::doors::Doors;
use super::judge::{Redis, judge};
use super::scene::Scene;
use super::script::{Play, Size};
use crate::world::World;

/// How long a stalled step stalls: longer than most time-outs, and shorter than a step may take.
const STALL: Duration = Duration::from_secs(3);
/// From the end of a stall until the step has done what is left of it.
const DONE_AFTER: Duration = Duration::from_millis(300);
/// Every point is reached within a second or two; the rest is a busy machine.
const REACHED_WITHIN: Duration = Duration::from_secs(15);

/// What the armed gateway does at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Abort,
    /// Waits, and goes on as if nothing had happened.
    Stall,
    /// The step fails, as if a connection had broken.
    Error,
}

impl Action {
    pub const ALL: [Self; 3] = [Self::Abort, Self::Stall, Self::Error];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Stall => "stall",
            Self::Error => "error",
        }
    }

    fn order(self) -> String {
        match self {
            Self::Abort | Self::Error => self.as_str().to_owned(),
            Self::Stall => format!("stall {}", STALL.as_millis()),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Crash {
    pub point: Point,
    pub scene: Scene,
    pub action: Action,
    pub after: Aftermath,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (point, scene) = (self.point.as_str(), self.scene.as_str());
        let (action, after) = (self.action.as_str(), self.after.as_str());
        write!(f, "--point {point} --scene {scene} --action {action} --after {after}")
    }
}

impl Crash {
    /// Every case there is.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for point in Point::ALL.iter().copied() {
            for scene in Scene::to(point).iter().copied() {
                for action in Action::ALL {
                    for after in Aftermath::ALL {
                        all.push(Self { point, scene, action, after });
                    }
                }
            }
        }
        all
    }

    /// Plays it in an empty world.
    ///
    /// # Errors
    /// When the point is not reached, somebody is not served, or a promise does not hold.
    pub async fn run(&self, world: &mut World, mistake: Option<Mistake>) -> Result<()> {
        world.empty(mistake).await?;
        let first = world.add_gateway().await?;
        let doors = Arc::new(Doors::new(&world.gateways[first].base));
        if self.scene.is_asked_for() {
            world.add_gateway().await?;
            doors.lead_to(bases(world));
        }
        let mut play = Play::begin(world, doors.clone(), Size::Usual).await?;
        let copy = match self.after {
            Aftermath::Older => Some(Copy::take(world, &play.sale).await?),
            Aftermath::Nothing | Aftermath::Empty | Aftermath::Restarted => None,
        };
        play.prepare(self.scene).await?;
        world.gateways[first].arm(self.point, &self.action.order()).await?;
        play.drive(self.scene).await?;
        let reached = world.gateways[first].is_reached(REACHED_WITHIN).await;
        ensure!(reached, "the point was not reached");
        match self.action {
            Action::Abort => world.gateways[first].kill().await?,
            Action::Stall => play.awake_at = Some(Instant::now() + STALL + DONE_AFTER),
            Action::Error => {}
        }
        let epoch = play.epoch().await?;
        let must_rebuild = aftermath::apply(self.after, world, &play, copy.as_ref()).await?;
        if !self.scene.is_asked_for() {
            world.add_gateway().await?;
        }
        if self.action == Action::Abort {
            world.gateways[first].start_again().await?;
        }
        doors.lead_to(bases(world));
        play.go_on().await?;
        if let Some(awake_at) = play.awake_at {
            sleep_until(awake_at).await;
        }
        play.close().await?;
        let redis = match self.after {
            Aftermath::Older => Redis::WentBack,
            Aftermath::Nothing | Aftermath::Empty | Aftermath::Restarted => Redis::Kept,
        };
        let told = play.book.open().clone();
        let mut wrong = judge(play.sql(), &play.sale, &told, redis).await?;
        if must_rebuild && play.epoch().await? == epoch {
            wrong.push("S6: Redis lost data, and nobody noticed".into());
        }
        wrong.extend(panics(world));
        ensure!(wrong.is_empty(), "{}", wrong.join("; "));
        Ok(())
    }
}

/// Where the gateways listen now.
pub fn bases(world: &World) -> Vec<String> {
    world.gateways.iter().map(|gateway| gateway.base.clone()).collect()
}

/// What no gateway may ever say.
pub fn panics(world: &World) -> Vec<String> {
    let lines = world.gateways.iter().flat_map(crate::gateway::Gateway::log);
    lines.filter(|line| line.contains("panicked at")).collect()
}
