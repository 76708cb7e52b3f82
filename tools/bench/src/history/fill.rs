//! A gateway with stores of its own, and a past that is written into its schema, with every trigger on.

use anyhow::Context;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Duration, sleep};
use uuid::Uuid;

use super::Size;
use crate::rig::{Rig, Server, until};

/// Free units of the open sale: enough for all admissions of a run.
const FREE: i64 = 10_000;
/// Joins that are written in one statement.
const PAGE: i64 = 250_000;
/// Tickets of the past that were admitted in one batch.
const BATCH: i64 = 100;
/// After a start, until every loop has had its first turn.
const SETTLES: Duration = Duration::from_secs(3);

/// What became of some holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Returned,
    Bought,
    Open,
}

/// Stores, a gateway on them, and two sales: one that is open and one that closed an hour ago.
pub struct Side<'a> {
    pub rig: &'a Rig,
    gateway: Option<Server>,
    pub sql: PgPool,
    postgres: u32,
    /// The open sale's id, and the closed one's slug.
    pub open: Uuid,
    pub closed: &'static str,
    /// The sale of which units are withdrawn.
    pub wide: Option<Uuid>,
}

impl<'a> Side<'a> {
    pub async fn start(rig: &'a Rig) -> anyhow::Result<Self> {
        let gateway = rig.gateway().await?;
        let sale = async |slug: &str| -> anyhow::Result<Uuid> {
            let settings = json!({
                "slug": slug, "name": "History", "batch_size": 1, "admit_interval_ms": 10,
                "max_in_checkout": 10_000_000, "max_waiting": 10_000_000,
                "checkout_window_seconds": 86_400, "checkout": "builtin"
            });
            let id = rig.sale(&gateway, settings).await?;
            rig.operate(&gateway, Method::POST, &format!("/sales/{id}/open"), json!({})).await?;
            Ok(id.parse()?)
        };
        let (open, over) = (sale("open").await?, sale("closed").await?);
        let sql = PgPool::connect(&rig.stores.database_url()).await?;
        let pid: String =
            sqlx::query_scalar("SELECT pg_read_file('postmaster.pid')").fetch_one(&sql).await?;
        let postgres = pid.lines().next().context("no postmaster")?.trim().parse()?;
        gateway.kill().await?;
        close(&sql, over).await?;
        let (gateway, closed, wide) = (None, "closed", None);
        Ok(Self { rig, gateway, sql, postgres, open, closed, wide })
    }

    pub fn gateway(&self) -> anyhow::Result<&Server> {
        self.gateway.as_ref().context("no gateway runs")
    }

    /// The gateway, and Postgres with all that it started.
    pub fn processes(&self) -> [u32; 2] {
        [self.gateway.as_ref().map_or(0, Server::pid), self.postgres]
    }

    /// Ends the gateway, if one runs.
    pub async fn end_gateway(&mut self) -> anyhow::Result<()> {
        match self.gateway.take() {
            Some(gateway) => gateway.kill().await,
            None => Ok(()),
        }
    }

    /// A gateway that finds Redis empty, and loads it from Postgres.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.end_gateway().await?;
        let mut redis = redis::Client::open(self.rig.stores.redis_url())?
            .get_multiplexed_async_connection()
            .await?;
        redis::cmd("FLUSHALL").arg("ASYNC").exec_async(&mut redis).await?;
        for table in ["joins", "holds", "orders", "batches", "sales"] {
            let vacuum = sqlx::AssertSqlSafe(format!("VACUUM (ANALYZE) {table}"));
            sqlx::query(vacuum).execute(&self.sql).await?;
        }
        sqlx::query("CHECKPOINT").execute(&self.sql).await?;
        self.gateway = Some(self.rig.gateway().await?);
        for sale in [Some(self.open), self.wide].into_iter().flatten() {
            let ctl = format!("ropeline:{{{sale}}}:ctl");
            until("the sale is loaded", async || {
                let there = redis::cmd("EXISTS").arg(&ctl).query_async(&mut redis.clone()).await;
                there.ok().filter(|there: &i64| *there == 1)
            })
            .await?;
        }
        sleep(SETTLES).await;
        Ok(())
    }

    /// Writes a past into both sales; the open one has so many open holds.
    pub async fn fill(&mut self, size: &Size, open: i64) -> anyhow::Result<()> {
        self.end_gateway().await?;
        let over = sqlx::query_scalar("SELECT id FROM sales WHERE slug = $1")
            .bind(self.closed)
            .fetch_one(&self.sql)
            .await?;
        for (sale, last, fate) in [(over, size.open, Fate::Returned), (self.open, open, Fate::Open)]
        {
            let sold_from = 1 + size.returned.max(last);
            seed(&self.sql, sale, sold_from + size.orders + last + FREE).await?;
            let admitted = size.returned + size.orders + last;
            join(&self.sql, sale, 1, admitted, "admitted").await?;
            let left = (size.joins - admitted).max(0);
            join(&self.sql, sale, admitted + 1, left, "left").await?;
            // Units that came back are held again by others, as they are in a sale.
            hold(&self.sql, sale, Held { first: 1, count: size.returned, unit: 1 }, Fate::Returned)
                .await?;
            let bought = Held { first: 1 + size.returned, count: size.orders, unit: sold_from };
            hold(&self.sql, sale, bought, Fate::Bought).await?;
            let first = 1 + size.returned + size.orders;
            hold(&self.sql, sale, Held { first, count: last, unit: 1 }, fate).await?;
        }
        self.restart().await
    }

    /// As many free units as the filled sale has, and nothing else.
    pub async fn fill_nothing(&mut self) -> anyhow::Result<()> {
        seed(&self.sql, self.open, FREE).await?;
        self.restart().await
    }

    /// Adds open holds to the open sale.
    pub async fn hold(&mut self, count: i64) -> anyhow::Result<()> {
        self.end_gateway().await?;
        let (first, unit): (i64, i64) = sqlx::query_as(
            "SELECT 1 + coalesce((SELECT max(seq) FROM joins WHERE sale_id = s.id), 0),
                    1 + s.stock::bigint
             FROM sales s WHERE id = $1",
        )
        .bind(self.open)
        .fetch_one(&self.sql)
        .await?;
        seed(&self.sql, self.open, unit - 1 + count).await?;
        join(&self.sql, self.open, first, count, "admitted").await?;
        hold(&self.sql, self.open, Held { first, count, unit }, Fate::Open).await?;
        self.restart().await
    }

    pub async fn pause(&self) -> anyhow::Result<()> {
        let path = format!("/sales/{}/pause", self.open);
        self.rig.operate(self.gateway()?, Method::POST, &path, json!({})).await?;
        Ok(())
    }

    /// Adds a sale with so many units.
    pub async fn widen(&mut self, units: i64) -> anyhow::Result<()> {
        let settings = json!({ "slug": "wide", "name": "Wide" });
        let id: Uuid = self.rig.sale(self.gateway()?, settings).await?.parse()?;
        self.end_gateway().await?;
        seed(&self.sql, id, units).await?;
        self.wide = Some(id);
        self.restart().await
    }

    /// Ends that sale.
    pub async fn narrow(&mut self) -> anyhow::Result<()> {
        self.end_gateway().await?;
        if let Some(wide) = self.wide.take() {
            close(&self.sql, wide).await?;
        }
        self.restart().await
    }

    pub async fn start_gateway(&mut self) -> anyhow::Result<()> {
        self.gateway = Some(self.rig.gateway().await?);
        Ok(())
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.end_gateway().await?;
        self.sql.close().await;
        Ok(())
    }
}

/// Longer ago than a gateway still follows it.
async fn close(sql: &PgPool, sale: Uuid) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE sales SET state = 'closed', closed_at = clock_timestamp() - interval '1 hour'
         WHERE id = $1",
    )
    .bind(sale)
    .execute(sql)
    .await?;
    Ok(())
}

async fn seed(sql: &PgPool, sale: Uuid, units: i64) -> anyhow::Result<()> {
    sqlx::query("UPDATE sales SET stock = $2::bigint::int WHERE id = $1")
        .bind(sale)
        .bind(units)
        .execute(sql)
        .await?;
    Ok(())
}

/// Tickets with the numbers from `first` on. Their ids are random, as those of joins with a key are.
async fn join(sql: &PgPool, sale: Uuid, first: i64, count: i64, state: &str) -> anyhow::Result<()> {
    let end = first + count;
    for from in (first..end).step_by(usize::try_from(PAGE)?) {
        sqlx::query(
            "INSERT INTO joins (sale_id, ticket, seq, state, joined_at, ended_at)
             SELECT $1, gen_random_uuid(), n, $4, now() - interval '1 hour', now() - interval '50 minutes'
             FROM generate_series($2, $3) AS n",
        )
        .bind(sale)
        .bind(from)
        .bind((from + PAGE).min(end) - 1)
        .bind(state)
        .execute(sql)
        .await?;
    }
    Ok(())
}

/// Holds of the tickets from a number on, with the units from another one on.
struct Held {
    first: i64,
    count: i64,
    unit: i64,
}

async fn hold(sql: &PgPool, sale: Uuid, held: Held, fate: Fate) -> anyhow::Result<()> {
    let (first, end) = (held.first, held.first + held.count);
    sqlx::query(
        "INSERT INTO batches (sale_id, epoch, n)
         SELECT $1, 1, n FROM generate_series($2 / $4, ($3 - 1) / $4) AS n ON CONFLICT DO NOTHING",
    )
    .bind(sale)
    .bind(first)
    .bind(end)
    .bind(BATCH)
    .execute(sql)
    .await?;
    let window = if fate == Fate::Open { "1 day" } else { "-40 minutes" };
    sqlx::query(
        "INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         SELECT gen_random_uuid(), sale_id, seq - $2 + $4, ticket, seq, 1, seq / $5,
                now() - interval '50 minutes', now() + $6::text::interval
         FROM joins WHERE sale_id = $1 AND seq >= $2 AND seq < $3",
    )
    .bind(sale)
    .bind(first)
    .bind(end)
    .bind(held.unit)
    .bind(BATCH)
    .bind(window)
    .execute(sql)
    .await?;
    let ends = match fate {
        Fate::Open => return Ok(()),
        Fate::Returned => {
            "UPDATE holds SET state = CASE WHEN seq % 2 = 0 THEN 'expired' ELSE 'released' END,
                    ended_at = now() - interval '30 minutes'
             WHERE sale_id = $1 AND seq >= $2 AND seq < $3"
        }
        Fate::Bought => {
            "WITH sold AS (
                UPDATE holds SET state = 'confirmed', ended_at = now() - interval '45 minutes'
                WHERE sale_id = $1 AND seq >= $2 AND seq < $3
                RETURNING id, sale_id, unit_no, ticket, seq, ended_at)
             INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
             SELECT id, gen_random_uuid(), sale_id, unit_no, ticket, 'pi_' || seq, ended_at FROM sold"
        }
    };
    sqlx::query(ends).bind(sale).bind(first).bind(end).execute(sql).await?;
    Ok(())
}
