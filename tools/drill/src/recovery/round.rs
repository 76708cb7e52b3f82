//! One round: Redis comes back empty under a gateway that serves a sale, and everybody is watched.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::Method;
use ropeline::dev::stores::Stores;
use ropeline::engine::Gate;
use ropeline::engine::loops::tick;
use ropeline::engine::repair::audit;
use ropeline::ledger::Ledger;
use ropeline::model::Signer;
use ropeline::random_text;
use ropeline::redis::Live;
use tokio::time::{Instant, sleep};

use super::baseline::{self, Baseline};
use super::venue::{LOOK_EVERY, Served, Venue, connect, line, lose_redis, until};

/// Seconds, from the moment at which Redis answered again unless it says otherwise.
pub struct Round {
    /// Redis was away for so long before.
    pub away: f64,
    /// The whole line is served again.
    pub served: f64,
    /// A join is taken again.
    pub joins: f64,
    /// Somebody is admitted again.
    pub admission: f64,
    /// The gateway shows places of the rebuilt line.
    pub mirrored: f64,
    /// What the shopper at the end of the line saw from the kill until then.
    pub polls: Polls,
    pub baseline: Baseline,
    /// What a fresh gateway takes to read the line, what an audit and a reconciliation of it take, and by how
    /// many megabytes the audit made the process grow.
    pub mirror: f64,
    pub audit: f64,
    pub audit_mb: Option<f64>,
    pub reconciliation: f64,
}

/// Polls of one shopper.
#[derive(Default, Clone, Copy)]
pub struct Polls {
    pub answered: u32,
    pub refused: u32,
    pub rose: u32,
    pub slowest: f64,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "served {:.2} s, joins {:.2} s, admission {:.2} s, places {:.2} s; polls {} answered, \
             {} refused, {} rose, slowest {:.2} s; scan {:.2} s, ZADDs {:.2} s; fresh mirror {:.2} s, \
             audit {:.2} s{}, reconciliation {:.2} s",
            self.served,
            self.joins,
            self.admission,
            self.mirrored,
            self.polls.answered,
            self.polls.refused,
            self.polls.rose,
            self.polls.slowest,
            self.baseline.scan,
            self.baseline.zadd,
            self.mirror,
            self.audit,
            self.audit_mb.map_or(String::new(), |mb| format!(" and {mb:.0} MB")),
            self.reconciliation,
        )
    }
}

pub async fn measure(
    stores: &mut Stores,
    metrics: &PrometheusHandle,
    venue: &Venue,
) -> anyhow::Result<Round> {
    let served = Arc::new(Served::start(&venue.urls, metrics).await?);
    let redis = connect(stores).await?;
    let before =
        until("the line is served", async || line(&mut redis.clone(), &venue.sale).await).await?;
    until("it is shown", async || served.mirror_age().await.filter(|age| *age < 1.0)).await?;
    drop(redis);
    let stop = Arc::new(AtomicBool::new(false));
    let polls = tokio::spawn(poll(served.clone(), venue_of(venue), stop.clone()));

    let away = lose_redis(stores).await?.as_secs_f64();
    let back = Instant::now();
    let since = || back.elapsed().as_secs_f64();
    let admitted = admissions(venue).await?;
    let redis = connect(stores).await?;
    let (line_at, joins_at, admission_at) = tokio::join!(
        async {
            until("the line is rebuilt", async || {
                line(&mut redis.clone(), &venue.sale).await.filter(|l| l.epoch > before.epoch)
            })
            .await?;
            anyhow::Ok(since())
        },
        async {
            let path = format!("/api/v1/sales/{}/tickets", venue.sale);
            until("joins are taken", async || {
                let join = served.request(Method::POST, &path);
                served.send(join.header("idempotency-key", random_text())).await.ok()
            })
            .await?;
            anyhow::Ok(since())
        },
        async {
            until("somebody is admitted", async || {
                admissions(venue).await.ok().filter(|now| *now > admitted)
            })
            .await?;
            anyhow::Ok(since())
        },
    );
    let line_at = line_at?;
    until("places are shown", async || {
        served.mirror_age().await.filter(|age| *age < since() - line_at)
    })
    .await?;
    let mirrored = since();
    stop.store(true, Ordering::Relaxed);
    let polls = polls.await?;
    let (mirror, audit, audit_mb) = audit(venue).await?;
    let begun = Instant::now();
    let said = served.reconciliation(&venue.sale).await?;
    let reconciliation = begun.elapsed().as_secs_f64();
    ensure!(said["consistent"] == true, "the books do not balance: {said}");
    Arc::into_inner(served).context("somebody still asks")?.stop().await?;
    let baseline = baseline::measure(stores, venue).await?;
    Ok(Round {
        away,
        served: line_at,
        joins: joins_at?,
        admission: admission_at?,
        mirrored,
        polls,
        baseline,
        mirror,
        audit,
        audit_mb,
        reconciliation,
    })
}

fn venue_of(venue: &Venue) -> (String, String) {
    (venue.ticket.clone(), venue.credential.clone())
}

async fn admissions(venue: &Venue) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM holds").fetch_one(&venue.sql).await?)
}

/// Asks for one place again and again.
async fn poll(
    served: Arc<Served>,
    (ticket, credential): (String, String),
    stop: Arc<AtomicBool>,
) -> Polls {
    let (mut polls, mut place) = (Polls::default(), u64::MAX);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match served.send(served.request(Method::GET, &ticket).bearer_auth(&credential)).await {
            Ok(state) => {
                polls.answered += 1;
                let now = state["position"].as_u64().unwrap_or(0);
                polls.rose += u32::from(now > place);
                place = now;
            }
            Err(_) => polls.refused += 1,
        }
        polls.slowest = polls.slowest.max(begun.elapsed().as_secs_f64());
        sleep(LOOK_EVERY).await;
    }
    polls
}

/// A fresh gateway's first look at the line, and one audit of it.
async fn audit(venue: &Venue) -> anyhow::Result<(f64, f64, Option<f64>)> {
    let live = Live::new(&venue.urls.redis_url)?;
    let ledger = Ledger::new(&venue.urls.database_url)?;
    let gate = Arc::new(Gate::new(live, ledger, Signer::new(b"nobody is let in with this one")));
    let begun = Instant::now();
    tick::tick(&gate).await;
    let mirror = begun.elapsed().as_secs_f64();
    let line = gate.line(&venue.sale).context("the sale is not followed")?;
    ensure!(line.view().waiting().cast_signed() >= venue.size / 2, "the line is not whole");
    let before = peak_anew();
    let begun = Instant::now();
    let done = audit::repair(&gate, &line).await?;
    let took = begun.elapsed().as_secs_f64();
    ensure!(done == audit::Repairs::default(), "the audit had to mend: {done:?}");
    let grown = before.zip(memory("VmHWM:")).map(|(before, peak)| (peak - before) / 1_024.0);
    gate.ledger.close().await;
    Ok((mirror, took, grown))
}

/// Has Linux measure the peak from now on; what the process has now, in kilobytes.
fn peak_anew() -> Option<f64> {
    fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS:")
}

fn memory(name: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
