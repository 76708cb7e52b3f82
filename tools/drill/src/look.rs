//! Looking behind the gateways' backs: what Redis offers, what Postgres has, and whether they agree.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::types::Uuid;
use tokio::time::{Instant, sleep};

use crate::world::World;

/// Between two looks whether something is so.
const LOOK: Duration = Duration::from_millis(20);

/// Both stores of one sale, directly.
pub struct Look {
    pub redis: MultiplexedConnection,
    pub sql: PgPool,
    sale: Uuid,
}

impl Look {
    /// # Errors
    /// When a store does not answer.
    pub async fn at(world: &World, sale: &str) -> Result<Self> {
        Ok(Self { redis: world.redis().await?, sql: world.sql().await?, sale: sale.parse()? })
    }

    /// The name of one of the sale's keys in Redis.
    pub fn key(&self, part: &str) -> String {
        format!("ropeline:{{{}}}:{part}", self.sale)
    }

    /// The batch that Redis gave out last, in its epoch; 0 for none.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn batch(&mut self) -> Result<i64> {
        let key = self.key("ctl");
        Ok(self.redis.hget::<_, _, Option<i64>>(key, "n").await?.unwrap_or(0))
    }

    /// Whether no batch is in flight.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn is_acknowledged(&mut self) -> Result<bool> {
        let key = self.key("ctl");
        Ok(!self.redis.hexists::<_, _, bool>(key, "slot").await?)
    }

    /// Units whose tokens are on the list.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn offered(&mut self) -> Result<HashSet<i32>> {
        let key = self.key("tokens");
        Ok(self.redis.lrange(key, 0, -1).await?)
    }

    /// Puts a token on the list by hand, in front or behind, as a Redis that went back in time has it.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn offer(&mut self, unit: i32, in_front: bool) -> Result<()> {
        let (list, guard) = (self.key("tokens"), self.key("guard"));
        let push = if in_front { "LPUSH" } else { "RPUSH" };
        redis::pipe()
            .atomic()
            .cmd(push)
            .arg(list)
            .arg(unit)
            .ignore()
            .cmd("SADD")
            .arg(guard)
            .arg(unit)
            .ignore()
            .exec_async(&mut self.redis)
            .await?;
        Ok(())
    }

    /// Units that somebody holds or owns.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn owned(&self) -> Result<HashSet<i32>> {
        let units: Vec<i32> = sqlx::query_scalar(
            "SELECT unit_no FROM holds WHERE sale_id = $1 AND state IN ('active', 'confirmed')",
        )
        .bind(self.sale)
        .fetch_all(&self.sql)
        .await?;
        Ok(units.into_iter().collect())
    }

    /// Fails when a unit is held or owned twice, or a ticket was admitted twice.
    ///
    /// # Errors
    /// Then, with the evidence.
    pub async fn nothing_is_doubled(&self) -> Result<()> {
        for (what, by) in [
            ("unit", "unit_no::text, count(*) FILTER (WHERE state IN ('active', 'confirmed'))"),
            ("ticket", "ticket::text, count(*)"),
        ] {
            let rows: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "SELECT {by} FROM holds WHERE sale_id = $1 GROUP BY 1"
            )))
            .bind(self.sale)
            .fetch_all(&self.sql)
            .await?;
            for (name, count) in rows {
                ensure!(count <= 1, "{what} {name} has {count} holds");
            }
        }
        Ok(())
    }

    /// Fails when somebody was admitted before somebody who stood in front.
    ///
    /// # Errors
    /// Then, with the evidence.
    pub async fn nobody_was_overtaken(&self) -> Result<()> {
        let numbers: Vec<i64> = sqlx::query_scalar(
            "SELECT seq FROM holds WHERE sale_id = $1 ORDER BY epoch, batch_n, seq",
        )
        .bind(self.sale)
        .fetch_all(&self.sql)
        .await?;
        ensure!(numbers.is_sorted(), "admitted in the order {numbers:?}");
        Ok(())
    }

    /// Fails when Redis offers a unit that somebody holds or owns.
    ///
    /// # Errors
    /// Then, with the evidence.
    pub async fn only_free_units_are_offered(&mut self) -> Result<()> {
        // In this order: a unit that is sold between the two looks was on no list in the first.
        let offered = self.offered().await?;
        let owned = self.owned().await?;
        let both: Vec<_> = offered.intersection(&owned).collect();
        ensure!(both.is_empty(), "units {both:?} are offered and not free");
        Ok(())
    }

    /// The epoch that Postgres has.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn epoch(&self) -> Result<i32> {
        let asked = sqlx::query_scalar("SELECT epoch FROM sales WHERE id = $1").bind(self.sale);
        Ok(asked.fetch_one(&self.sql).await?)
    }
}

/// Waits until something is so.
///
/// # Errors
/// When it is not within `patience`.
pub async fn until(
    what: &str,
    patience: Duration,
    mut is_so: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !is_so().await.unwrap_or(false) {
        ensure!(Instant::now() < deadline, "never: {what}");
        sleep(LOOK).await;
    }
    Ok(())
}

/// A text in an answer.
pub fn text<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path).and_then(Value::as_str).unwrap_or_default()
}
