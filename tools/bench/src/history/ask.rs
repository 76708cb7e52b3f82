//! What is asked of the two gateways, and how long it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::fill::Side;
use crate::http::Connection;
use crate::rig::{ADMIN_KEY, until};
use crate::table::{Rounds, median};

const CALLERS: usize = 16;
const CONNECTIONS: usize = 64;
/// Between two confirms of one caller, so that a second has some hundred of them.
const PAUSE: Duration = Duration::from_millis(4);

/// Requests that belong together, asked one after the other.
pub struct Case {
    pub what: &'static str,
    bearer: &'static str,
    paths: fn(&Side<'_>) -> Vec<String>,
}

impl Case {
    pub fn new(
        what: &'static str,
        bearer: &'static str,
        paths: fn(&Side<'_>) -> Vec<String>,
    ) -> Self {
        Self { what, bearer, paths }
    }

    pub fn operator(what: &'static str, paths: fn(&Side<'_>) -> Vec<String>) -> Self {
        Self::new(what, ADMIN_KEY, paths)
    }

    /// The middle of some requests to each side, in each round. They take turns.
    pub async fn measure(
        &self,
        long: &Side<'_>,
        empty: &Side<'_>,
        requests: usize,
        rounds: u32,
    ) -> anyhow::Result<Rounds> {
        let mut measured = Rounds::default();
        let mut ours = Connection::open(long.gateway()?.address).await?;
        let mut base = Connection::open(empty.gateway()?.address).await?;
        for _ in 0..rounds {
            let (mut of_ours, mut of_base) = (Vec::new(), Vec::new());
            for _ in 0..requests {
                of_base.push(self.once(&mut base, empty).await?);
                of_ours.push(self.once(&mut ours, long).await?);
            }
            measured.add(median(of_ours), median(of_base));
        }
        Ok(measured)
    }

    async fn once(&self, connection: &mut Connection, side: &Side<'_>) -> anyhow::Result<f64> {
        let begun = Instant::now();
        for path in (self.paths)(side) {
            let (status, body) = connection.ask("GET", &path, self.bearer).await?;
            ensure!(status == 200, "{path}: {status}: {body}");
        }
        Ok(millis(begun))
    }
}

pub fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// Latencies of calls, in milliseconds, and how many were refused.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub millis: Vec<f64>,
    pub refused: usize,
}

impl Seen {
    pub fn p99(&self) -> f64 {
        let mut sorted = self.millis.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((sorted.len() * 99 / 100).min(last)).copied().unwrap_or(f64::NAN)
    }
}

/// So many open holds of the open sale, in no order of time.
pub async fn open_holds(side: &Side<'_>, count: usize) -> anyhow::Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM holds WHERE sale_id = $1 AND state = 'active'
         AND hold_end(state, admitted_at, expires_at, due_at) > now() + interval '1 hour'
         ORDER BY id LIMIT $2",
    )
    .bind(side.open)
    .bind(i64::try_from(count)?)
    .fetch_all(&side.sql)
    .await?;
    ensure!(ids.len() == count, "{} open holds are left, {count} are wanted", ids.len());
    Ok(ids)
}

/// Confirms one hold; whether it was done.
pub async fn confirm(connection: &mut Connection, id: Uuid) -> anyhow::Result<bool> {
    let path = format!("/api/v1/holds/{id}/confirm");
    let (status, body) = connection.ask("POST", &path, ADMIN_KEY).await?;
    ensure!(matches!(status, 200 | 503), "{status}: {body}");
    Ok(status == 200)
}

/// Confirms a second by callers that each wait for an answer before the next.
pub async fn confirms(side: &Side<'_>, count: usize) -> anyhow::Result<f64> {
    let ids = Arc::new(open_holds(side, count).await?);
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (next, ids, target) = (next.clone(), ids.clone(), side.gateway()?.address);
        callers.spawn(async move {
            let mut connection = Connection::open(target).await?;
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                // A shop asks again, and the time for it counts.
                while !confirm(&mut connection, *id).await? {}
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// One caller that confirms, while somebody else may ask for something of the sale again and again.
pub async fn steady_confirms(
    side: &Side<'_>,
    count: usize,
    meanwhile: Option<&'static str>,
) -> anyhow::Result<Seen> {
    let ids = open_holds(side, count).await?;
    let target = side.gateway()?.address;
    let done = Arc::new(AtomicBool::new(false));
    let other = meanwhile.map(|what| {
        let (path, done) = (format!("/api/v1/admin/sales/{}/{what}", side.open), done.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(target).await?;
            while !done.load(Ordering::Relaxed) {
                let (status, body) = connection.ask("GET", &path, ADMIN_KEY).await?;
                ensure!(matches!(status, 200 | 503), "{path}: {status}: {body}");
            }
            anyhow::Ok(())
        })
    });
    let mut connection = Connection::open(target).await?;
    let mut seen = Seen::default();
    for id in ids {
        let begun = Instant::now();
        seen.refused += usize::from(!confirm(&mut connection, id).await?);
        seen.millis.push(millis(begun));
        sleep(PAUSE).await;
    }
    done.store(true, Ordering::Relaxed);
    if let Some(other) = other {
        other.await??;
    }
    Ok(seen)
}

/// Joins a second; each connection sends its next one when the last one is answered.
pub async fn joins(side: &Side<'_>, length: Duration) -> anyhow::Result<f64> {
    let path = format!("/api/v1/sales/{}/tickets", side.open);
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (path, target) = (path.clone(), side.gateway()?.address);
        callers.spawn(async move {
            let (mut connection, mut count) = (Connection::open(target).await?, 0_u32);
            while begun.elapsed() < length {
                let (status, body) = connection.ask("POST", &path, "").await?;
                ensure!(status == 201, "{status}: {body}");
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(done) = callers.join_next().await {
        count += done??;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

/// Milliseconds of one step of the gateway's own admission, which pops and records one ticket, as it
/// measures them itself.
pub async fn admission_step(side: &Side<'_>, steps: usize) -> anyhow::Result<f64> {
    let path = format!("/api/v1/sales/{}/tickets", side.open);
    let mut connection = Connection::open(side.gateway()?.address).await?;
    let (seconds, count) = admitted(&mut connection).await?;
    for _ in 0..steps {
        let (status, body) = connection.ask("POST", &path, "").await?;
        ensure!(status == 201, "{status}: {body}");
    }
    let wanted = count + steps as f64;
    let target = side.gateway()?.address;
    let (later, counted) = until("everybody is admitted", async || {
        let mut connection = Connection::open(target).await.ok()?;
        admitted(&mut connection).await.ok().filter(|(_, count)| *count >= wanted)
    })
    .await?;
    Ok((later - seconds) * 1e3 / (counted - count))
}

/// Seconds of all steps so far, and how many there were.
async fn admitted(connection: &mut Connection) -> anyhow::Result<(f64, f64)> {
    let (_, text) = connection.ask("GET", "/metrics", "").await?;
    let figure = |name: &str| -> anyhow::Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(Ok(0.0), |figure| figure.trim().parse()).context("not a figure")
    };
    Ok((figure("ropeline_admit_seconds_sum ")?, figure("ropeline_admit_seconds_count ")?))
}

/// Milliseconds until ten units are withdrawn; for ever when it is refused.
pub async fn withdrawal(side: &Side<'_>) -> anyhow::Result<f64> {
    let wide = side.wide.context("no sale to withdraw from")?;
    let path = format!("/sales/{wide}/withdrawals");
    let body = json!({ "count": 10 });
    let begun = Instant::now();
    let done = side.rig.operate(side.gateway()?, reqwest::Method::POST, &path, body).await;
    match done {
        Ok(_) => Ok(millis(begun)),
        Err(error) => {
            eprintln!("bench: a withdrawal: {error:#}");
            Ok(f64::INFINITY)
        }
    }
}
