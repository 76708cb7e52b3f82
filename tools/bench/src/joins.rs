//! Joins through one gateway, each answered after its journal commit, beside a handler that does nothing;
//! and the same behind a long line.

use anyhow::{Context, ensure};
use reqwest::Method;
use ropeline::model::Places;
use serde_json::json;
use sqlx::PgPool;

use crate::open_loop;
use crate::rig::{Rig, Server, noop, resident_kib, until};
use crate::table::{Rounds, Row, alone};
use crate::usage::{Spent, Usage};
use crate::wrk;

/// A closed loop: each connection sends its next join when the last one is answered.
const CONNECTIONS: u32 = 256;
const SECONDS: u32 = 4;
/// Everybody who stands at the door when a sale opens.
const BURST: u32 = 10_000;
/// A long line.
const LONG: i64 = 1_000_000;

async fn sale(rig: &Rig, gateway: &Server, slug: &str) -> anyhow::Result<String> {
    let settings = json!({ "slug": slug, "name": "Joins", "max_waiting": 10_000_000 });
    rig.sale(gateway, settings).await
}

fn path(sale: &str) -> String {
    format!("/api/v1/sales/{sale}/tickets")
}

pub async fn run(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let (gateway, noop) = (rig.gateway().await?, noop().await?);
    let sale = sale(rig, &gateway, "joins").await?;
    let (mut measured, mut latency) = (Rounds::default(), Vec::new());
    let mut spent = Spent::default();
    for _ in 0..rounds {
        let base =
            wrk::post(&format!("{}{}", noop.base, path(&sale)), CONNECTIONS, SECONDS).await?;
        let before = Usage::now();
        let ours =
            wrk::post(&format!("{}{}", gateway.base, path(&sale)), CONNECTIONS, SECONDS).await?;
        spent.add(&before, ours.per_second * f64::from(SECONDS));
        measured.add(ours.per_second, base.per_second);
        latency.push(ours.p99_ms);
    }
    let half = measured.median() / 2.0;
    let mut rows = vec![
        measured.row("joins, 256 connections", "/s", "a handler that does nothing"),
        alone("joins, 256 connections in a closed loop: p99", "ms", latency),
    ];
    rows.extend(when_due([&gateway, &noop], &sale, half, rounds).await?);
    rows.extend(spent.rows("a join", &[]));
    Ok(rows)
}

/// Joins in an open loop: at half of what the closed loop reached, and everybody in one instant. Each is timed
/// from when it was due.
async fn when_due(
    [gateway, noop]: [&Server; 2],
    sale: &str,
    half: f64,
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let (mut steady, mut last) = (Rounds::default(), Rounds::default());
    for _ in 0..rounds {
        let base = open_loop::at_rate(&noop.base, sale, half, SECONDS).await?;
        let ours = open_loop::at_rate(&gateway.base, sale, half, SECONDS).await?;
        steady.add(ours.p99_ms, base.p99_ms);
        let base = open_loop::at_once(&noop.base, sale, BURST).await?;
        let ours = open_loop::at_once(&gateway.base, sale, BURST).await?;
        ensure!(ours.count == u64::from(BURST), "{} of {BURST} were answered", ours.count);
        last.add(ours.max_ms, base.max_ms);
    }
    let (rate, baseline) = (half / 1e3, "the same crowd, a handler that does nothing");
    Ok(vec![
        steady.row(
            &format!("joins at half of that, {rate:.1} k/s as people come: p99"),
            "ms",
            baseline,
        ),
        last.row("10,000 joins due in one instant: the last is answered after", "ms", baseline),
    ])
}

/// The same with a million waiting, beside an empty line of the same gateway; and what a waiter takes up.
pub async fn behind_a_long_line(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let maker = rig.gateway().await?;
    let (long, short) = (sale(rig, &maker, "long").await?, sale(rig, &maker, "short").await?);
    // Both are open: a sale that is not has no admission, which costs something too.
    for sale in [&long, &short] {
        rig.operate(&maker, Method::POST, &format!("/sales/{sale}/open"), json!({})).await?;
    }
    maker.kill().await?;
    let sql = PgPool::connect(&rig.stores.database_url()).await?;
    sqlx::query(
        "INSERT INTO joins (sale_id, ticket, seq)
         SELECT id, gen_random_uuid(), n FROM sales, generate_series(1, $1) AS n
         WHERE slug = 'long'",
    )
    .bind(LONG)
    .execute(&sql)
    .await?;
    sqlx::query("ANALYZE joins").execute(&sql).await?;
    sql.close().await;
    let mut redis =
        redis::Client::open(rig.stores.redis_url())?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("ropeline:{{{long}}}:*")).query_async(&mut redis).await?;
    redis::cmd("DEL").arg(keys).exec_async(&mut redis).await?;
    // It finds the sale gone, and rebuilds it from the journal.
    let before = memory(&mut redis).await?;
    let gateway = rig.gateway().await?;
    let empty = resident_kib(gateway.pid())?;
    let queue = format!("ropeline:{{{long}}}:queue");
    until("the line is rebuilt", async || {
        let waiting: redis::RedisResult<i64> =
            redis::cmd("ZCARD").arg(&queue).query_async(&mut redis.clone()).await;
        waiting.ok().filter(|waiting| *waiting >= LONG)
    })
    .await?;
    let client = reqwest::Client::new();
    until("the gateway knows the line", async || {
        let facts =
            client.get(format!("{}/api/v1/sales/{long}", gateway.base)).send().await.ok()?;
        let facts: serde_json::Value = serde_json::from_str(&facts.text().await.ok()?).ok()?;
        facts["waiting"].as_i64().filter(|waiting| *waiting >= LONG)
    })
    .await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let in_redis = (memory(&mut redis).await? - before) / LONG as f64;
    let grew = (resident_kib(gateway.pid())? - empty).max(0.0) * 1024.0 / LONG as f64;
    ensure!(in_redis > 0.0, "Redis took nothing");
    let mut mirror = Places::default();
    mirror.add_range(1, 0, LONG.unsigned_abs());
    let in_mirror = mirror.bytes() as f64 / LONG as f64;
    let mut rows = vec![
        alone("a waiter in Redis", "bytes", vec![in_redis]),
        alone("a waiter in the gateway's mirror", "bytes", vec![in_mirror]),
        alone("a waiter, by what the gateway grew while it read the line", "bytes", vec![grew]),
    ];
    rows.extend(both_lines(&gateway, [&short, &long], rounds).await?);
    Ok(rows)
}

/// Joins of both lines in turns, and the processor time of one in each.
async fn both_lines(
    gateway: &Server,
    [short, long]: [&str; 2],
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let mut measured = Rounds::default();
    let mut spent = [Spent::default(), Spent::default()];
    for _ in 0..rounds {
        let mut rates = Vec::new();
        for (sale, spent) in [short, long].into_iter().zip(&mut spent) {
            let before = Usage::now();
            let url = format!("{}{}", gateway.base, path(sale));
            let counted = wrk::post(&url, CONNECTIONS, SECONDS).await?;
            spent.add(&before, counted.per_second * f64::from(SECONDS));
            rates.push(counted.per_second);
        }
        measured.add(rates[1], rates[0]);
    }
    let [short, long] = spent;
    let mut rows = vec![measured.row("joins behind 1,000,000 waiting", "/s", "an empty line")];
    rows.extend(long.rows("a join behind 1,000,000", &[]));
    rows.extend(short.rows("a join in an empty line", &[]));
    Ok(rows)
}

async fn memory(redis: &mut redis::aio::MultiplexedConnection) -> anyhow::Result<f64> {
    let told: String = redis::cmd("INFO").arg("memory").query_async(redis).await?;
    let line = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
    Ok(line.context("Redis does not tell its memory")?.trim().parse()?)
}
