//! What all ways stand on: one Redis and one Postgres, connections to both, and a stock to sell.
//!
//! The bound on how many buyers are served at a time is here, and it is the same for every way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use ropeline::dev::stores::Stores;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Units that are left, in Redis.
pub const STOCK: &str = "stock";
/// What was sold, in Redis: one entry for each order, how many units it has.
pub const ORDERS: &str = "orders";

/// Connections to Postgres that a way has: a shop's pool, well below the 200 that this Postgres takes.
const POSTGRES_CONNECTIONS: u32 = 50;
/// How long a buyer waits for one of them: as long as a run may take.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(60);
/// ropeline has the first database of Redis, the other ways the second.
const REDIS_DATABASE: u8 = 1;
/// The same in Postgres.
const POSTGRES_DATABASE: &str = "race";

/// One row is the stock; `version` is for the optimistic way. A row of `units` is one unit, for the way
/// that has those.
const SCHEMA: &str = "
    CREATE TABLE stock (units_left integer NOT NULL, version integer NOT NULL);
    CREATE TABLE units (number integer PRIMARY KEY, buyer integer);
    CREATE TABLE orders (buyer integer NOT NULL, ordered_at timestamptz NOT NULL DEFAULT now());
";

pub struct Ground {
    pub postgres: PgPool,
    /// Where ropeline finds its own databases on the same stores.
    pub redis_url: String,
    pub database_url: String,
    /// Connections to Redis that nobody uses now; there are as many as there are turns.
    idle: Mutex<Vec<MultiplexedConnection>>,
    turns: Arc<Semaphore>,
    /// For setting up and counting, outside of the race.
    redis: MultiplexedConnection,
}

impl Ground {
    /// Connects to running stores, with `in_flight` connections to Redis.
    ///
    /// # Errors
    /// When a store does not take the connections.
    pub async fn open(stores: &Stores, in_flight: usize) -> Result<Arc<Self>> {
        let redis_url = stores.redis_url();
        let client = redis::Client::open(format!("{redis_url}?db={REDIS_DATABASE}"))?;
        // Under a crowd an answer may take long; that is what is measured.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let redis = client.get_multiplexed_async_connection_with_config(&patient).await?;
        let mut idle = Vec::with_capacity(in_flight);
        for _ in 0..in_flight {
            idle.push(client.get_multiplexed_async_connection_with_config(&patient).await?);
        }
        let database_url = stores.database_url();
        make_database(&database_url).await?;
        let postgres = PgPoolOptions::new()
            .min_connections(POSTGRES_CONNECTIONS) // They are open before the crowd comes.
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_WITHIN)
            .connect(&database_url.replace("/ropeline?", &format!("/{POSTGRES_DATABASE}?")))
            .await?;
        Ok(Arc::new(Self {
            postgres,
            redis_url,
            database_url,
            idle: Mutex::new(idle),
            turns: Arc::new(Semaphore::new(in_flight)),
            redis,
        }))
    }

    /// For setting up and counting. Buyers use their own.
    pub fn redis(&self) -> MultiplexedConnection {
        self.redis.clone()
    }

    /// Waits, in the order of asking, until there is a connection to Redis for one more buyer.
    pub(crate) async fn turn(self: &Arc<Self>) -> Result<Turn> {
        let permit = self.turns.clone().acquire_owned().await?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let redis = idle.context("a turn has a connection")?;
        Ok(Turn { redis, ground: self.clone(), _permit: permit })
    }

    /// An empty Redis with so many units on the counter.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn stock_in_redis(&self, units: u32) -> Result<()> {
        let mut redis = self.redis();
        () = redis::cmd("FLUSHDB").query_async(&mut redis).await?;
        Ok(redis.set(STOCK, units).await?)
    }

    /// Units in all orders that were written to Redis.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn ordered_in_redis(&self) -> Result<u64> {
        let orders: Vec<u64> = self.redis().lrange(ORDERS, 0, -1).await?;
        Ok(orders.iter().sum())
    }

    /// Empty tables with so many units, both as one counter and as a row for each.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn stock_in_postgres(&self, units: u32) -> Result<()> {
        let units = i32::try_from(units)?;
        sqlx::raw_sql("TRUNCATE stock, units, orders").execute(&self.postgres).await?;
        let counter = "INSERT INTO stock (units_left, version) VALUES ($1, 1)";
        sqlx::query(counter).bind(units).execute(&self.postgres).await?;
        let rows = "INSERT INTO units (number) SELECT generate_series(1, $1)";
        sqlx::query(rows).bind(units).execute(&self.postgres).await?;
        // What a running shop's Postgres has done long ago.
        sqlx::raw_sql("ANALYZE stock, units, orders").execute(&self.postgres).await?;
        Ok(())
    }

    /// Orders that were written to Postgres; each has one unit.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn ordered_in_postgres(&self) -> Result<u64> {
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.postgres).await?;
        Ok(count.unsigned_abs())
    }
}

/// The leave to be served, with a connection to Redis that is nobody else's meanwhile: what WATCH watches is
/// kept by connection.
pub(crate) struct Turn {
    pub(crate) redis: MultiplexedConnection,
    ground: Arc<Ground>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let redis = self.redis.clone();
        self.ground.idle.lock().unwrap_or_else(PoisonError::into_inner).push(redis);
    }
}

async fn make_database(url: &str) -> Result<()> {
    let pool = PgPool::connect(url).await?;
    // An earlier race may not have hung up yet.
    let drop = format!("DROP DATABASE IF EXISTS {POSTGRES_DATABASE} WITH (FORCE)");
    for command in [drop, format!("CREATE DATABASE {POSTGRES_DATABASE}")] {
        sqlx::query(sqlx::AssertSqlSafe(command)).execute(&pool).await?;
    }
    pool.close().await;
    let url = url.replace("/ropeline?", &format!("/{POSTGRES_DATABASE}?"));
    let pool = PgPool::connect(&url).await?;
    sqlx::raw_sql(SCHEMA).execute(&pool).await?;
    pool.close().await;
    Ok(())
}
