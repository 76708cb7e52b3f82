//! Carries a schedule of faults out on the world, and mends each when its time is over.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::process::Command;
use tokio::time::{Instant, sleep_until, timeout};

use super::clock::Clock;
use super::faults::{Fault, Kind, Way, copies};
use super::files;
use super::history::{Entry, Op};
use super::replica::Replica;
use super::street::Street;
use crate::gateway::Gateway;
use crate::proxy::{Flow, Proxy, Weather, Wire};
use crate::world::World;

/// From a replica's start until it is made to lag, and until it takes over.
const LAGS_AFTER_MS: u64 = 1_500;
const RULES_AFTER_MS: u64 = 3_500;
/// Longest wait for a store that is asked beside a fault.
const WITHIN: Duration = Duration::from_secs(3);

/// When a fault was there.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    pub name: &'static str,
    pub kind: Kind,
    /// Microseconds since the run began.
    pub from: u64,
    pub to: u64,
    /// Whether it could be done.
    pub done: bool,
}

/// One thing to do at one moment. At the same moment, what ends comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    End(usize),
    Copy,
    Lag,
    Promote,
    Begin(usize),
}

pub struct Striker<'a> {
    pub world: &'a mut World,
    pub street: Arc<Street>,
    pub clock: Option<&'a mut Clock>,
    /// Where copies are kept.
    pub dir: PathBuf,
    faults: Vec<Fault>,
    windows: Vec<Window>,
    replica: Option<Replica>,
    /// Redis runs where it always did.
    redis_at_home: bool,
    has_copy: bool,
}

impl<'a> Striker<'a> {
    pub fn new(
        world: &'a mut World,
        street: Arc<Street>,
        clock: Option<&'a mut Clock>,
        dir: PathBuf,
        faults: Vec<Fault>,
    ) -> Self {
        Self {
            world,
            street,
            clock,
            dir,
            faults,
            windows: Vec::new(),
            replica: None,
            redis_at_home: true,
            has_copy: false,
        }
    }

    /// Does everything in its time. In the end nothing is broken any more.
    ///
    /// # Errors
    /// When something that was broken cannot be mended.
    pub async fn strike(mut self, seconds: u64) -> Result<Vec<Window>> {
        let began = Instant::now();
        for (at_ms, step) in self.steps(seconds) {
            sleep_until(began + Duration::from_millis(at_ms)).await;
            match step {
                Step::Begin(index) => self.begin(index).await,
                Step::End(index) => self.end(index).await?,
                Step::Lag => self.lag().await,
                Step::Promote => self.promote().await?,
                Step::Copy => self.copy().await?,
            }
        }
        sleep_until(began + Duration::from_secs(seconds)).await;
        Ok(self.windows)
    }

    fn steps(&self, seconds: u64) -> Vec<(u64, Step)> {
        let mut steps: Vec<(u64, Step)> = copies(seconds).map(|at| (at, Step::Copy)).collect();
        for (index, fault) in self.faults.iter().enumerate() {
            steps.push((fault.at_ms, Step::Begin(index)));
            steps.push((fault.at_ms + fault.lasts_ms, Step::End(index)));
            if fault.kind == Kind::RedisFailover {
                steps.push((fault.at_ms + LAGS_AFTER_MS, Step::Lag));
                steps.push((fault.at_ms + RULES_AFTER_MS, Step::Promote));
            }
        }
        steps.sort_unstable();
        steps
    }

    async fn begin(&mut self, index: usize) {
        let kind = self.faults[index].kind;
        let from = self.street.history.now();
        let done = self.break_it(kind).await;
        self.say(kind, "begins", from, done.as_ref().err());
        let (done, name) = (done.is_ok(), kind.name());
        self.windows.push(Window { name, kind, from, to: u64::MAX, done });
    }

    async fn end(&mut self, index: usize) -> Result<()> {
        let kind = self.faults[index].kind;
        let asked = self.street.history.now();
        let mended = self.mend(kind).await.with_context(|| format!("after {}", kind.name()));
        self.say(kind, "ends", asked, mended.as_ref().err());
        let now = self.street.history.now();
        let open = self.windows.iter_mut().rev().find(|w| w.kind == kind && w.to == u64::MAX);
        if let Some(window) = open {
            window.to = now;
        }
        mended
    }

    fn say(&self, kind: Kind, phase: &str, asked: u64, error: Option<&anyhow::Error>) {
        let mut entry = Entry::plain("drill", Op::Fault, asked, self.street.history.now());
        entry.asks = json!({ "fault": kind, "phase": phase });
        entry.said = error.map_or(Value::Null, |error| json!(format!("{error:#}")));
        self.street.history.push(entry);
    }

    async fn break_it(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::GatewayKilled { gateway } => self.world.gateways[gateway].kill().await,
            Kind::GatewayFrozen { gateway } => self.world.gateways[gateway].freeze().await,
            Kind::RedisKilled | Kind::RedisOlder | Kind::RedisEmptied => {
                self.redis_at_home = false;
                self.world.stores.kill_redis().await
            }
            Kind::RedisFlushed => {
                let mut redis = timeout(WITHIN, self.world.redis()).await??;
                Ok(redis::cmd("FLUSHALL").exec_async(&mut redis).await?)
            }
            Kind::RedisFrozen => self.world.stores.freeze_redis().await,
            Kind::RedisFailover => {
                self.replica = Some(Replica::start(&self.dir, self.world).await?);
                Ok(())
            }
            Kind::PostgresKilled | Kind::PostgresCopied | Kind::PostgresRestored => {
                self.world.stores.kill_postgres().await
            }
            Kind::PostgresFrozen => self.world.stores.freeze_postgres().await,
            Kind::BackendTerminated => self.terminate_backend().await,
            Kind::BackendKilled => self.kill_backend().await,
            Kind::WireCut { gateway, wire } => {
                self.wire(gateway, wire).cut();
                Ok(())
            }
            Kind::WireRefused { gateway, wire } => {
                let proxy = self.wire(gateway, wire);
                proxy.set(Weather { refuses: true, ..Weather::default() });
                proxy.cut();
                Ok(())
            }
            Kind::WireHeld { gateway, wire, way } => {
                self.wire(gateway, wire).set(weather(way, Flow::Hold));
                Ok(())
            }
            Kind::WireDelayed { gateway, wire, way, by_ms } => {
                let flow = Flow::Delay(Duration::from_millis(by_ms));
                self.wire(gateway, wire).set(weather(way, flow));
                Ok(())
            }
            Kind::ReplySwallowed { gateway, wire, call } => {
                self.wire(gateway, wire).swallow(call);
                Ok(())
            }
            Kind::ClockJumped { by_seconds } => {
                self.clock.as_mut().context("no clock")?.jump(by_seconds)
            }
        }
    }

    async fn mend(&mut self, kind: Kind) -> Result<()> {
        match kind {
            Kind::GatewayKilled { gateway } => {
                self.world.gateways[gateway].start_again().await?;
                self.street.moved(gateway, &self.world.gateways[gateway].base);
                Ok(())
            }
            Kind::GatewayFrozen { gateway } => self.world.gateways[gateway].thaw().await,
            Kind::RedisKilled | Kind::RedisOlder | Kind::RedisEmptied => {
                if kind == Kind::RedisEmptied {
                    self.world.stores.wipe_redis_data().await?;
                } else if kind == Kind::RedisOlder && self.has_copy {
                    let (copy, home) = (self.copied("redis"), self.world.stores.redis_dir());
                    files::replace(&copy, &home).await?;
                }
                self.redis_at_home = true;
                self.world.stores.start_redis().await
            }
            Kind::RedisFrozen => self.world.stores.thaw_redis().await,
            Kind::RedisFailover => {
                let Some(replica) = self.replica.take() else { return Ok(()) };
                self.redis_at_home = true;
                replica.move_back(self.world).await
            }
            Kind::PostgresKilled => self.world.stores.start_postgres().await,
            Kind::PostgresCopied => {
                let home = self.world.stores.postgres_dir();
                files::replace(&home, &self.copied("postgres")).await?;
                self.world.stores.start_postgres().await
            }
            Kind::PostgresRestored => {
                let home = self.world.stores.postgres_dir();
                files::replace(&self.copied("postgres"), &home).await?;
                self.world.stores.start_postgres().await
            }
            Kind::PostgresFrozen => self.world.stores.thaw_postgres().await,
            Kind::WireCut { gateway, wire }
            | Kind::WireRefused { gateway, wire }
            | Kind::WireHeld { gateway, wire, .. }
            | Kind::WireDelayed { gateway, wire, .. } => {
                self.wire(gateway, wire).set(Weather::default());
                Ok(())
            }
            Kind::RedisFlushed
            | Kind::BackendTerminated
            | Kind::BackendKilled
            | Kind::ReplySwallowed { .. }
            | Kind::ClockJumped { .. } => Ok(()),
        }
    }

    /// A replica that cannot follow is given up: then this was no fault.
    async fn lag(&mut self) {
        let Some(replica) = &self.replica else { return };
        if replica.lag().await.is_err() {
            self.replica = None;
        }
    }

    async fn promote(&mut self) -> Result<()> {
        let Some(replica) = &self.replica else { return Ok(()) };
        self.redis_at_home = false;
        replica.promote(self.world).await
    }

    async fn copy(&mut self) -> Result<()> {
        if self.redis_at_home {
            files::replace(&self.world.stores.redis_dir(), &self.copied("redis")).await?;
            self.has_copy = true;
        }
        Ok(())
    }

    fn copied(&self, store: &str) -> PathBuf {
        self.dir.join(format!("copy-of-{store}"))
    }

    fn wire(&self, gateway: usize, wire: Wire) -> &Proxy {
        let Gateway { redis, postgres, .. } = &self.world.gateways[gateway];
        match wire {
            Wire::Redis => redis,
            Wire::Postgres => postgres,
        }
    }

    async fn terminate_backend(&self) -> Result<()> {
        let sql = timeout(WITHIN, self.world.sql()).await??;
        let ended = timeout(WITHIN, sqlx::query(VICTIM_TERMINATED).execute(&sql)).await?;
        close(sql).await;
        ended?;
        Ok(())
    }

    async fn kill_backend(&self) -> Result<()> {
        let sql = timeout(WITHIN, self.world.sql()).await??;
        let pid = timeout(WITHIN, sqlx::query_scalar::<_, i32>(VICTIM).fetch_one(&sql)).await??;
        let killed = Command::new("kill").args(["-KILL", &pid.to_string()]).status().await?;
        close(sql).await;
        ensure!(killed.success(), "kill -KILL {pid}");
        Ok(())
    }
}

const VICTIM: &str = "SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid() ORDER BY state = 'idle', pid LIMIT 1";
const VICTIM_TERMINATED: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
      AND pid <> pg_backend_pid() ORDER BY state = 'idle', pid LIMIT 1";

/// A pool of a Postgres that was just hit may take its time.
async fn close(sql: PgPool) {
    let _ = timeout(WITHIN, sql.close()).await;
}

fn weather(way: Way, flow: Flow) -> Weather {
    match way {
        Way::ToStore => Weather { to_store: flow, ..Weather::default() },
        Way::ToGateway => Weather { to_gateway: flow, ..Weather::default() },
        Way::Both => Weather { to_store: flow, to_gateway: flow, refuses: false },
    }
}
