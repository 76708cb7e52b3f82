//! Live places: what a socket costs, how fast a move reaches everybody, and how old a shown place gets.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Instant, sleep};

use crate::rig::{Rig, Server, fanout, resident_kib};
use crate::table::{Rounds, Row, alone};
use crate::usage::{Spent, Usage};

/// Sockets that are told of one move.
const TOLD: usize = 10_000;
/// How many sockets Redis is watched with.
const SOCKETS: [usize; 3] = [1_000, 5_000, 15_000];
/// How long Redis's commands are counted.
const COUNTED: Duration = Duration::from_secs(5);
/// How long the long line moves, by 100 each 200 ms.
const MOVING: Duration = Duration::from_secs(15);

/// A crowd in a process of its own.
pub struct Crowd {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub opened: Value,
}

impl Crowd {
    /// Opens so many sockets; `sale` is none for the bare broadcast.
    pub async fn open(
        targets: &[&Server],
        sale: Option<&str>,
        sockets: usize,
        index: usize,
    ) -> anyhow::Result<Self> {
        let targets: Vec<String> =
            targets.iter().map(|server| server.address.to_string()).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["crowd", "--targets", &targets.join(",")]);
        command.args(["--sockets", &sockets.to_string(), "--index", &index.to_string()]);
        command.args(["--sale", sale.unwrap_or("none")]);
        if sale.is_none() {
            command.arg("--bare");
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let orders = child.stdin.take().context("no input")?;
        let mut answers = BufReader::new(child.stdout.take().context("no output")?).lines();
        let opened = answer(&mut answers).await?;
        Ok(Self { child, orders, answers, opened })
    }

    pub async fn ask(&mut self, order: &str) -> anyhow::Result<Value> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        answer(&mut self.answers).await
    }

    pub async fn close(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

async fn answer(answers: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Value> {
    let line = answers.next_line().await?.context("the crowd is gone; its words are above")?;
    Ok(serde_json::from_str(&line)?)
}

fn number(value: &Value, name: &str) -> anyhow::Result<f64> {
    value[name].as_f64().with_context(|| format!("{value} has no {name}"))
}

pub async fn run(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let mut rows = moves(rig, rounds).await?;
    for sockets in SOCKETS {
        rows.extend(idle(rig, sockets).await?);
    }
    rows.push(comes_back(rig).await?);
    Ok(rows)
}

/// An open sale of nothing, so that nobody is admitted before a unit is added.
async fn open_sale(
    rig: &Rig,
    gateway: &Server,
    batch: u32,
    interval: u32,
) -> anyhow::Result<String> {
    let settings = json!({ "slug": format!("places-{}", gateway.address.port()), "name": "Places",
                           "max_waiting": 1_000_000, "batch_size": batch,
                           "admit_interval_ms": interval });
    let sale = rig.sale(gateway, settings).await?;
    rig.operate(gateway, Method::POST, &format!("/sales/{sale}/open"), json!({})).await?;
    Ok(sale)
}

/// From the commit of an admission until the last socket has its new place, beside one frame for all.
async fn moves(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let (gateway, bare) = (rig.gateway().await?, fanout().await?);
    let sale = open_sale(rig, &gateway, 1, 10).await?;
    let mut ours = Crowd::open(&[&gateway], Some(&sale), TOLD + rounds as usize, 1).await?;
    let mut base = Crowd::open(&[&bare], None, TOLD, 2).await?;
    let sql = PgPool::connect(&rig.stores.database_url()).await?;
    let client = reqwest::Client::new();
    let (mut last, mut middle) = (Rounds::default(), Rounds::default());
    for round in 1..=u64::from(rounds) {
        sleep(Duration::from_secs(3)).await; // Everybody's last word is old enough.
        let seeded = json!({ "count": 1 });
        rig.operate(&gateway, Method::POST, &format!("/sales/{sale}/tokens"), seeded).await?;
        let told = ours.ask(&format!("moved {round}")).await?;
        let committed: i64 = sqlx::query_scalar(
            "SELECT (extract(epoch FROM max(admitted_at)) * 1e9)::bigint FROM holds",
        )
        .fetch_one(&sql)
        .await?;
        let ms = |value: &Value, name: &str, from: f64| {
            Ok::<_, anyhow::Error>((number(value, name)? - from) / 1e6)
        };
        let asked: f64 =
            client.post(format!("{}/tell", bare.base)).send().await?.text().await?.parse()?;
        let bare_told = base.ask(&format!("moved {round}")).await?;
        last.add(ms(&told, "last", committed as f64)?, ms(&bare_told, "last", asked)?);
        middle.add(ms(&told, "p50", committed as f64)?, ms(&bare_told, "p50", asked)?);
    }
    ours.close().await?;
    base.close().await?;
    sql.close().await;
    gateway.kill().await?; // It asks Redis, too.
    bare.kill().await?;
    Ok(vec![
        last.row("10,000 sockets: the last has its new place after", "ms", "bare broadcast"),
        middle.row("10,000 sockets: half have their new place after", "ms", "bare broadcast"),
    ])
}

/// What open sockets cost while nothing happens: memory, and questions to Redis.
async fn idle(rig: &Rig, sockets: usize) -> anyhow::Result<Vec<Row>> {
    let gateway = rig.gateway().await?;
    let sale = open_sale(rig, &gateway, 100, 200).await?;
    // What one crowd leaves behind is there before the next: buffers, pools, the allocator's pages.
    Crowd::open(&[&gateway], Some(&sale), 200, 3).await?.close().await?;
    sleep(Duration::from_secs(2)).await;
    let empty = resident_kib(gateway.pid())?;
    let crowd = Crowd::open(&[&gateway], Some(&sale), sockets, 4).await?;
    sleep(Duration::from_secs(3)).await;
    let full = resident_kib(gateway.pid())?;
    let before = commands(rig).await?;
    sleep(COUNTED).await;
    let asked = (commands(rig).await? - before) / COUNTED.as_secs_f64();
    crowd.close().await?;
    rig.operate(&gateway, Method::POST, &format!("/sales/{sale}/close"), json!({})).await?;
    gateway.kill().await?;
    Ok(vec![
        alone(&format!("{sockets} sockets: Redis commands"), "/s", vec![asked]),
        alone(
            &format!("{sockets} sockets: resident memory of the gateway for each"),
            "KiB",
            vec![(full - empty) / sockets as f64],
        ),
    ])
}

async fn commands(rig: &Rig) -> anyhow::Result<f64> {
    let client = redis::Client::open(rig.stores.redis_url())?;
    let mut redis = client.get_multiplexed_async_connection().await?;
    let told: String = redis::cmd("INFO").arg("stats").query_async(&mut redis).await?;
    let line = told.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    Ok(line.context("Redis does not count")?.trim().parse()?)
}

/// A gateway with sockets is killed; how long until 99 of 100 have their place again elsewhere.
async fn comes_back(rig: &Rig) -> anyhow::Result<Row> {
    let (first, second) = (rig.gateway().await?, rig.gateway().await?);
    let sale = open_sale(rig, &first, 100, 200).await?;
    let mut crowd = Crowd::open(&[&first, &second], Some(&sale), TOLD, 5).await?;
    first.kill().await?;
    let back = crowd.ask(&format!("back {}", TOLD / 2)).await?;
    ensure!(number(&back, "back")? >= (TOLD / 2) as f64, "some did not come back: {back}");
    crowd.close().await?;
    let what = "a gateway with 5,000 sockets is killed: 99% have their place again after";
    Ok(alone(what, "ms", vec![number(&back, "p99_ms")?]))
}

/// How old shown places get on so many sockets over several gateways, while the line moves.
pub async fn fresh(rig: &Rig, sockets: usize, gateways: usize) -> anyhow::Result<Vec<Row>> {
    let mut servers = Vec::new();
    for _ in 0..gateways {
        servers.push(rig.gateway().await?);
    }
    let sale = open_sale(rig, &servers[0], 100, 200).await?;
    let mut crowds = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let crowd = Crowd::open(&[server], Some(&sale), sockets / gateways, 10 + index).await?;
        eprintln!("{}: {}", server.address, crowd.opened);
        crowds.push(crowd);
    }
    let units = (MOVING.as_millis() / 200 * 100) as u64;
    rig.operate(
        &servers[0],
        Method::POST,
        &format!("/sales/{sale}/tokens"),
        json!({ "count": units }),
    )
    .await?;
    let (begun, used) = (Instant::now(), Usage::now());
    sleep(MOVING + Duration::from_secs(3)).await;
    let mut spent = Spent::default();
    let sql = PgPool::connect(&rig.stores.database_url()).await?;
    let commits: Vec<i64> = sqlx::query_scalar(
        "SELECT (extract(epoch FROM admitted_at) * 1e9)::bigint FROM holds h
         JOIN sales s ON s.id = h.sale_id WHERE s.id::text = $1 ORDER BY admitted_at",
    )
    .bind(&sale)
    .fetch_all(&sql)
    .await?;
    sql.close().await;
    let file = "target/bench/commits.json";
    std::fs::write(file, serde_json::to_string(&commits)?)?;
    let (mut rows, mut frames) = (Vec::new(), 0.0);
    let mut worst = (0.0_f64, 0.0_f64);
    for crowd in &mut crowds {
        let ages = crowd.ask(&format!("ages {file}")).await?;
        frames += number(&ages, "shown")?;
        worst = (worst.0.max(number(&ages, "p50_ms")?), worst.1.max(number(&ages, "p99_ms")?));
    }
    let took = begun.elapsed().as_secs_f64();
    let name = format!("{sockets} sockets, {gateways} gateways, 500 admitted a second");
    rows.push(alone(&format!("{name}: a place was at most so old, median"), "ms", vec![worst.0]));
    rows.push(alone(&format!("{name}: a place was at most so old, p99"), "ms", vec![worst.1]));
    rows.push(alone(&format!("{name}: places shown"), "/s", vec![frames / took]));
    spent.add(&used, frames);
    // The crowd is a part of what such a place costs on one machine.
    rows.extend(spent.rows("a place shown", &["bench"]));
    for crowd in crowds {
        crowd.close().await?;
    }
    for server in servers {
        server.kill().await?;
    }
    Ok(rows)
}
