//! An outage with very many open holds: how long until they are credited and holds expire again, and how
//! long confirms take meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Size;
use super::ask::{Seen, confirm, millis, open_holds, steady_confirms};
use super::fill::Side;
use crate::http::Connection;
use crate::rig::ADMIN_KEY;
use crate::table::{Goal, Row, alone};

/// The least seconds that a hold must get for an outage of a minute: the last sweep may be some seconds older than the
/// end of the gateway.
const CREDIT: f64 = 50.0;
/// When an outage is to be over.
const OVER_WITHIN: f64 = 10.0;
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(4);
/// Open holds of which the credit is looked for, spread over all of them by id.
const WATCHED: i64 = 7;

/// An open hold, and when it was due before the outage, in Unix seconds.
struct Watched {
    id: Uuid,
    due: f64,
}

/// What one outage came to: seconds from the moment when the gateway is started.
struct Outage {
    open: i64,
    credited: f64,
    over: f64,
    calm: Seen,
    meanwhile: Seen,
}

pub async fn run(
    long: &mut Side<'_>,
    empty: &mut Side<'_>,
    size: &Size,
) -> anyhow::Result<Vec<Row>> {
    let base = one(empty, size).await?;
    let ours = one(long, size).await?;
    let seconds = |what: &str, ours_took: f64, base_took: f64| Row {
        what: format!("an outage with {} open holds: {what} after", ours.open),
        unit: "s",
        ours: ours_took,
        beside: Some(("few open holds", base_took, ours_took / base_took)),
        goal: Some(Goal::Figure(OVER_WITHIN)),
    };
    let (calm, busy) = (ours.calm.p99(), ours.meanwhile.p99());
    let refused = ours.meanwhile.refused as f64;
    Ok(vec![
        seconds("all are credited", ours.credited, base.credited),
        seconds("holds expire again", ours.over, base.over),
        Row {
            what: "confirms until then: p99".to_owned(),
            unit: "ms",
            ours: busy,
            beside: Some(("calm", calm, busy / calm)),
            goal: None,
        },
        alone("confirms until then: refused", "", vec![refused]).with_goal(Goal::Figure(0.0)),
    ])
}

/// Ends the gateway for what Postgres is made to believe was a minute, and starts another one. A hold that was
/// due before expires as soon as the outage is over.
async fn one(side: &mut Side<'_>, size: &Size) -> anyhow::Result<Outage> {
    let calm = steady_confirms(side, size.outage / 4, None).await?;
    let open: i64 = count_open(side).await?;
    let watched = watched(side).await?;
    let ids = open_holds(side, size.outage / 2).await?;
    let due = ids.first().copied().context("no hold is open")?;
    side.end_gateway().await?;
    for sql in [
        "UPDATE holds SET due_at = later(now() - interval '30 minutes', -outages_us()) WHERE id = $1",
        "UPDATE sweeper_heartbeat SET beat_at = clock_timestamp() - interval '1 minute'
         WHERE $1 IS NOT NULL",
    ] {
        sqlx::query(sql).bind(due).execute(&side.sql).await?;
    }
    let begun = Instant::now();
    side.start_gateway().await?;
    let target = side.gateway()?.address;
    let done = Arc::new(AtomicBool::new(false));
    let shopping = tokio::spawn(confirm_until(done.clone(), target, ids[1..].to_vec()));
    let (mut credited, mut over) = (f64::INFINITY, f64::INFINITY);
    let mut connection = Connection::open(target).await?;
    while begun.elapsed() < size.patience && (credited.is_infinite() || over.is_infinite()) {
        let seconds = millis(begun) / 1e3;
        if over.is_infinite() && hold(&mut connection, due).await?["state"] == "expired" {
            over = seconds;
        }
        if credited.is_infinite() && are_credited(&mut connection, &watched).await? {
            credited = seconds;
        }
        sleep(LOOK_EVERY).await;
    }
    done.store(true, Ordering::Relaxed);
    let meanwhile = shopping.await??;
    Ok(Outage { open, credited, over, calm, meanwhile })
}

/// One caller that confirms until it is told to stop, or nothing is left.
async fn confirm_until(
    done: Arc<AtomicBool>,
    target: std::net::SocketAddr,
    ids: Vec<Uuid>,
) -> anyhow::Result<Seen> {
    let mut connection = Connection::open(target).await?;
    let mut seen = Seen::default();
    for id in ids {
        if done.load(Ordering::Relaxed) && !seen.millis.is_empty() {
            break;
        }
        let begun = Instant::now();
        seen.refused += usize::from(!confirm(&mut connection, id).await?);
        seen.millis.push(millis(begun));
        sleep(PAUSE).await;
    }
    Ok(seen)
}

async fn count_open(side: &Side<'_>) -> anyhow::Result<i64> {
    let sql = "SELECT count(*) FROM holds WHERE sale_id = $1 AND state = 'active'";
    Ok(sqlx::query_scalar(sql).bind(side.open).fetch_one(&side.sql).await?)
}

/// Open holds that nobody confirms here: the last one by id, and some of those before it.
async fn watched(side: &Side<'_>) -> anyhow::Result<Vec<Watched>> {
    let rows: Vec<(Uuid, f64)> = sqlx::query_as(
        "SELECT id, extract(epoch FROM expires_at)::float8
         FROM (SELECT id, hold_end(state, admitted_at, expires_at, due_at) AS expires_at, row_number() OVER (ORDER BY id DESC) AS back, count(*) OVER () AS n
               FROM holds WHERE sale_id = $1 AND state = 'active') h
         WHERE back = 1 OR (back <= n / 4 AND back % greatest(n / 4 / $2, 1) = 0)",
    )
    .bind(side.open)
    .bind(WATCHED)
    .fetch_all(&side.sql)
    .await?;
    ensure!(!rows.is_empty(), "no hold is open");
    Ok(rows.into_iter().map(|(id, due)| Watched { id, due }).collect())
}

/// Whether each of them is due so much later than before.
async fn are_credited(connection: &mut Connection, watched: &[Watched]) -> anyhow::Result<bool> {
    for one in watched {
        let hold = hold(connection, one.id).await?;
        let Some(due) = hold["expires_at"].as_str() else { return Ok(false) };
        let due: Timestamp = due.parse()?;
        if due.as_millisecond() as f64 / 1e3 < one.due + CREDIT {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn hold(connection: &mut Connection, id: Uuid) -> anyhow::Result<Value> {
    let (status, body) = connection.ask("GET", &format!("/api/v1/holds/{id}"), ADMIN_KEY).await?;
    // While Postgres is busy the gateway may not know.
    if status == 503 {
        return Ok(Value::Null);
    }
    ensure!(status == 200, "{id}: {status}: {body}");
    Ok(serde_json::from_str(&body)?)
}
