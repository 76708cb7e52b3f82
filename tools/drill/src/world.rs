//! The ground that everything stands on: a private Redis and a private Postgres, gateways before them, and
//! the ways in which the stores lose what they had.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ropeline::dev::stores::{Data, FalseClock, Stores};
use ropeline::faults::Mistake;
use ropeline::ledger::Ledger;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::{Instant, sleep};

use crate::gateway::{Gateway, Plan};
use crate::shop::Shop;

/// How long a gateway may take to be ready on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether something is so.
const LOOK: Duration = Duration::from_millis(20);
/// Attempts to copy the empty database while something still looks at it.
const COPY_ATTEMPTS: u32 = 200;

/// Stores and gateways. A database of its own for each [`World::renew`].
pub struct World {
    pub stores: Stores,
    pub gateways: Vec<Gateway>,
    /// How often the auditors of gateways look, when not as usual.
    pub audit_every: Option<Duration>,
    dir: PathBuf,
    program: PathBuf,
    database: String,
    made: AtomicU32,
    mistake: Option<Mistake>,
}

impl World {
    /// Starts the stores below `dir`; `program` is run as each gateway.
    ///
    /// # Errors
    /// When a store does not start.
    pub async fn start(dir: &Path, program: PathBuf) -> Result<Self> {
        Self::start_with(dir, program, None).await
    }

    /// The same, with a clock of Postgres that can be made to jump.
    ///
    /// # Errors
    /// When a store does not start.
    pub async fn start_with(
        dir: &Path,
        program: PathBuf,
        clock: Option<FalseClock>,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let stores = Stores::start_with(&dir.join("stores"), Data::Fresh, clock).await?;
        let ledger = Ledger::new(&stores.database_url())?;
        ledger.migrate().await?;
        ledger.close().await;
        let mut world = Self {
            stores,
            gateways: Vec::new(),
            audit_every: None,
            dir: dir.to_owned(),
            program,
            database: String::new(),
            made: AtomicU32::new(0),
            mistake: None,
        };
        world.renew(None).await?;
        Ok(world)
    }

    /// An empty world on the same stores: no gateway, an empty Redis, a fresh database. Gateways that are
    /// started in it make this mistake.
    ///
    /// # Errors
    /// When a store does not answer.
    pub async fn renew(&mut self, mistake: Option<Mistake>) -> Result<()> {
        self.empty(mistake).await?;
        let fresh = format!("drill_{}", self.number());
        let before = std::mem::replace(&mut self.database, fresh);
        let admin = self.pool_of("postgres").await?;
        let make = format!("CREATE DATABASE {} TEMPLATE ropeline", self.database);
        for attempt in 0.. {
            match sqlx::query(sqlx::AssertSqlSafe(make.as_str())).execute(&admin).await {
                Ok(_) => break,
                Err(error) if attempt == COPY_ATTEMPTS => return Err(error.into()),
                Err(_) => sleep(LOOK).await,
            }
        }
        if !before.is_empty() {
            let drop = format!("DROP DATABASE IF EXISTS {before} WITH (FORCE)");
            sqlx::query(sqlx::AssertSqlSafe(drop)).execute(&admin).await?;
        }
        admin.close().await;
        Ok(())
    }

    /// An empty Redis and no gateway, on the database that there is. Its sales are over: a copy of the
    /// template costs more than a small sale does.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn empty(&mut self, mistake: Option<Mistake>) -> Result<()> {
        self.gateways.clear();
        self.mistake = mistake;
        self.made.fetch_add(1, Ordering::Relaxed);
        redis::cmd("FLUSHALL").exec_async(&mut self.redis().await?).await?;
        Ok(())
    }

    /// Starts one more gateway, and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn add_gateway(&mut self) -> Result<usize> {
        let index = self.wire_gateway().await?;
        self.gateways[index].start_again().await?;
        self.is_ready(index).await?;
        Ok(index)
    }

    /// Lays the wires of one more gateway, which is not started yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn wire_gateway(&mut self) -> Result<usize> {
        let plan = Plan {
            program: self.program.clone(),
            dir: self.dir.clone(),
            name: format!("gateway-{}-{}", self.number(), self.gateways.len() + 1),
            redis_socket: self.redis_socket()?,
            postgres_socket: self.postgres_socket()?,
            database: self.database.clone(),
            mistake: self.mistake,
            audit_every: self.audit_every,
        };
        self.gateways.push(Gateway::wire(plan).await?);
        Ok(self.gateways.len() - 1)
    }

    /// Waits until a gateway is ready.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn is_ready(&self, index: usize) -> Result<()> {
        let shop = self.shop(index);
        let deadline = Instant::now() + READY_WITHIN;
        while !shop.is_ready().await {
            ensure!(Instant::now() < deadline, "gateway {index} is not ready");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// How often it was emptied; logs of gateways are named by it.
    pub fn number(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// Where logs and the stores' data are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends everything and removes the stores' data; logs stay.
    ///
    /// # Errors
    /// When a store does not end.
    pub async fn stop(mut self) -> Result<()> {
        self.gateways.clear();
        self.stores.stop().await
    }

    /// The outside of one gateway.
    pub fn shop(&self, index: usize) -> Shop {
        Shop::new(&self.gateways[index].base)
    }

    /// Redis, behind the gateways' backs.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn redis(&self) -> Result<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.stores.redis_url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Postgres, behind the gateways' backs.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn sql(&self) -> Result<PgPool> {
        self.pool_of(&self.database).await
    }

    async fn pool_of(&self, database: &str) -> Result<PgPool> {
        let url = self.stores.database_url().replace("/ropeline?", &format!("/{database}?"));
        Ok(PgPoolOptions::new().max_connections(4).connect(&url).await?)
    }

    /// Where Redis listens.
    ///
    /// # Errors
    /// When it does not listen on a socket.
    pub fn redis_socket(&self) -> Result<PathBuf> {
        let url = self.stores.redis_url();
        Ok(url.strip_prefix("unix://").context("Redis is on a socket")?.into())
    }

    fn postgres_socket(&self) -> Result<PathBuf> {
        let url = self.stores.database_url();
        let host = url.split("host=").nth(1).and_then(|rest| rest.split('&').next());
        Ok(PathBuf::from(host.context("Postgres is on a socket")?).join(".s.PGSQL.5432"))
    }
}
