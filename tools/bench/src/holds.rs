//! Admissions, confirms and expiries a second, each beside Postgres with the same statements and nothing
//! around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use reqwest::Method;
use ropeline::engine::Gate;
use ropeline::engine::admission::admit::{Next, admit};
use ropeline::engine::loops::tick;
use ropeline::ledger::{Ledger, Swept};
use ropeline::model::{SaleId, Seq, Signer, Ticket};
use ropeline::redis::{Ack, Live, Waiter};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::http::Connection;
use crate::pgbench;
use crate::rig::{ADMIN_KEY, Rig, Server};
use crate::table::{Rounds, Row, alone};
use crate::usage::{Spent, Usage};

/// Holds recorded in one measurement, by batches of 100 and by ones.
const BY_HUNDREDS: i32 = 10_000;
const BY_ONES: i32 = 1_000;
/// Confirms in one measurement.
const CONFIRMS: i32 = 3_000;
const PAGE: usize = 1_000;

/// A sale with so many units and as many who wait, and nobody to admit them.
struct Hall {
    sql: PgPool,
    gate: Arc<Gate>,
    sale: SaleId,
}

impl Hall {
    async fn fill(rig: &Rig, gateway: &Server, units: i32, batch: i32) -> anyhow::Result<Self> {
        let slug = format!("s-{}", Uuid::now_v7().simple());
        let settings = json!({ "slug": slug, "name": "Holds", "batch_size": batch });
        let id = rig.sale(gateway, settings).await?;
        rig.operate(
            gateway,
            Method::POST,
            &format!("/sales/{id}/tokens"),
            json!({ "count": units }),
        )
        .await?;
        let sql = PgPool::connect(&rig.stores.database_url()).await?;
        let live = Live::new(&rig.stores.redis_url())?;
        let ledger = Ledger::new(&rig.stores.database_url())?;
        let gate =
            Arc::new(Gate::new(live, ledger, Signer::new(b"nobody is let in with this one")));
        let sale: SaleId = id.parse()?;
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "INSERT INTO joins (sale_id, ticket, seq)
             SELECT $1, gen_random_uuid(), n FROM generate_series(1, $2) AS n RETURNING ticket, seq",
        )
        .bind(sale.0)
        .bind(units)
        .fetch_all(&sql)
        .await?;
        let waiters: Vec<Waiter> = rows
            .into_iter()
            .map(|(ticket, seq)| Waiter { ticket: Ticket(ticket), seq: Seq(seq) })
            .collect();
        for page in waiters.chunks(PAGE) {
            gate.live.restore(sale, 1, page).await?;
        }
        // As fast as it goes: no pace between two batches.
        sqlx::query("ALTER TABLE sales DROP CONSTRAINT IF EXISTS sales_interval_range")
            .execute(&sql)
            .await?;
        sqlx::query("UPDATE sales SET admit_interval_ms = 0 WHERE id = $1")
            .bind(sale.0)
            .execute(&sql)
            .await?;
        Ok(Self { sql, gate, sale })
    }

    /// Admits everybody; holds a second.
    async fn admit_all(&self, units: i32) -> anyhow::Result<f64> {
        sqlx::query("UPDATE sales SET state = 'open' WHERE id = $1")
            .bind(self.sale.0)
            .execute(&self.sql)
            .await?;
        tick::tick(&self.gate).await;
        let line = self.gate.line_of(self.sale).context("the sale is not followed")?;
        let (begun, mut ack) = (Instant::now(), Ack::default());
        loop {
            match admit(&self.gate, &line, &mut ack).await? {
                Next::Now => {}
                Next::After(wait) if wait.is_zero() && ack.n > 0 => {}
                Next::After(_) => break,
            }
        }
        let took = begun.elapsed().as_secs_f64();
        let made = self.count("SELECT count(*) FROM holds WHERE sale_id = $1").await?;
        ensure!(made == i64::from(units), "{made} of {units} holds were made");
        Ok(f64::from(units) / took)
    }

    async fn count(&self, sql: &'static str) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(sql).bind(self.sale.0).fetch_one(&self.sql).await?)
    }

    async fn close(self) -> anyhow::Result<()> {
        sqlx::query(
            "UPDATE sales SET state = 'closed', closed_at = clock_timestamp() WHERE id = $1",
        )
        .bind(self.sale.0)
        .execute(&self.sql)
        .await?;
        self.gate.ledger.close().await;
        self.sql.close().await;
        Ok(())
    }
}

pub async fn run(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let gateway = rig.gateway().await?;
    let mut rows = Vec::new();
    for (units, batch, what) in [
        (BY_HUNDREDS, 100, "holds recorded, batches of 100"),
        (BY_ONES, 1, "holds recorded, batches of 1"),
    ] {
        let mut measured = Rounds::default();
        for _ in 0..rounds {
            let hall = Hall::fill(rig, &gateway, units, batch).await?;
            let ours = hall.admit_all(units).await?;
            hall.close().await?;
            let hall = Hall::fill(rig, &gateway, units, batch).await?;
            let base = record_alone(rig, &hall, units, batch).await?;
            hall.close().await?;
            measured.add(ours, base);
        }
        rows.push(measured.row(what, "/s", "pgbench, the same statements"));
    }
    for callers in [1, 16, 64] {
        rows.extend(confirms(rig, &gateway, callers, rounds).await?);
    }
    rows.push(expiries(rig, &gateway, rounds).await?);
    Ok(rows)
}

/// Holds a second when Postgres alone is given one batch after the other.
async fn record_alone(rig: &Rig, hall: &Hall, units: i32, batch: i32) -> anyhow::Result<f64> {
    sqlx::query("CREATE SEQUENCE IF NOT EXISTS bench_batch").execute(&hall.sql).await?;
    sqlx::query("ALTER SEQUENCE bench_batch RESTART").execute(&hall.sql).await?;
    let sale = format!("'{}'::uuid", hall.sale);
    let next = format!(
        "SELECT n, array_agg(ticket) AS tickets, array_agg(seq::int) AS units
         FROM joins, (SELECT nextval('bench_batch') AS n) AS b
         WHERE sale_id = {sale} AND seq > (n - 1) * {batch} AND seq <= n * {batch} GROUP BY n \\gset\n"
    );
    let pair = ["WITH this AS MATERIALIZED", "INSERT INTO batches"];
    let values = [sale.as_str(), "1", ":n", "':tickets'::uuid[]", "':units'::int[]"];
    let script = next.replace('\n', " ").replace("\\gset ", "\\gset\n")
        + "BEGIN;\n"
        + &pgbench::statement(pair[1], &values)?
        + &pgbench::statement(pair[0], &values)?
        + "COMMIT;\n";
    let batches = u32::try_from(units / batch)?;
    let tps = pgbench::run(&rig.stores, &script, 1, batches).await?;
    let made = hall.count("SELECT count(*) FROM holds WHERE sale_id = $1").await?;
    ensure!(made == i64::from(units), "pgbench made {made} of {units} holds");
    Ok(tps * f64::from(batch))
}

/// Confirms a second by so many callers at once, each waiting for its answer before the next.
async fn confirms(
    rig: &Rig,
    gateway: &Server,
    callers: u32,
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let (mut measured, mut syncs, mut spent) = (Rounds::default(), Vec::new(), Spent::default());
    for _ in 0..rounds {
        let hall = Hall::fill(rig, gateway, CONFIRMS, 100).await?;
        hall.admit_all(CONFIRMS).await?;
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM holds WHERE sale_id = $1")
            .bind(hall.sale.0)
            .fetch_all(&hall.sql)
            .await?;
        let before = wal_syncs(&hall.sql).await?;
        let used = Usage::now();
        let ours = confirm_all(gateway, ids, callers).await?;
        spent.add(&used, f64::from(CONFIRMS));
        let synced = wal_syncs(&hall.sql).await? - before;
        let sold = hall.count("SELECT count(*) FROM orders WHERE sale_id = $1").await?;
        ensure!(sold == i64::from(CONFIRMS), "{sold} of {CONFIRMS} were confirmed");
        hall.close().await?;
        let base = confirm_alone(rig, gateway, callers).await?;
        measured.add(ours, base);
        syncs.push(f64::from(CONFIRMS) / synced.max(1.0));
    }
    let what = format!("confirms, {callers} callers");
    let shared = format!("confirms that shared one flush, {callers} callers");
    let mut rows =
        vec![measured.row(&what, "/s", "pgbench, the same statement"), alone(&shared, "", syncs)];
    rows.extend(spent.rows(&format!("a confirm, {callers} callers"), &[]));
    Ok(rows)
}

/// How often Postgres had its log on disk so far. It counts a moment late.
async fn wal_syncs(sql: &PgPool) -> anyhow::Result<f64> {
    sleep(std::time::Duration::from_millis(1_200)).await;
    let count: i64 = sqlx::query_scalar("SELECT wal_sync FROM pg_stat_wal").fetch_one(sql).await?;
    Ok(count as f64)
}

async fn confirm_all(gateway: &Server, ids: Vec<Uuid>, callers: u32) -> anyhow::Result<f64> {
    let (next, ids, count) = (Arc::new(AtomicUsize::new(0)), Arc::new(ids), f64::from(CONFIRMS));
    let begun = Instant::now();
    let mut working = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (next, ids, target) = (next.clone(), ids.clone(), gateway.address);
        working.spawn(async move {
            let mut connection = Connection::open(target).await?;
            while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                let path = format!("/api/v1/holds/{id}/confirm");
                let (status, body) = connection.ask("POST", &path, ADMIN_KEY).await?;
                ensure!(status == 200, "{status}: {body}");
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = working.join_next().await {
        done??;
    }
    Ok(count / begun.elapsed().as_secs_f64())
}

async fn confirm_alone(rig: &Rig, gateway: &Server, callers: u32) -> anyhow::Result<f64> {
    let hall = Hall::fill(rig, gateway, CONFIRMS, 100).await?;
    hall.admit_all(CONFIRMS).await?;
    for sql in [
        "CREATE TABLE IF NOT EXISTS bench_holds (n serial PRIMARY KEY, id uuid NOT NULL)",
        "TRUNCATE bench_holds RESTART IDENTITY",
        "CREATE SEQUENCE IF NOT EXISTS bench_hold",
        "ALTER SEQUENCE bench_hold RESTART",
    ] {
        sqlx::query(sql).execute(&hall.sql).await?;
    }
    sqlx::query("INSERT INTO bench_holds (id) SELECT id FROM holds WHERE sale_id = $1")
        .bind(hall.sale.0)
        .execute(&hall.sql)
        .await?;
    let next =
        "SELECT id FROM bench_holds, (SELECT nextval('bench_hold') AS at) s WHERE n = at \\gset\n";
    let values = ["':id'::uuid", "gen_random_uuid()", "NULL"];
    let script = next.to_owned() + &pgbench::statement("WITH flipped AS", &values)?;
    let each = CONFIRMS.unsigned_abs() / callers * callers;
    let tps = pgbench::run(&rig.stores, &script, callers, each).await?;
    let sold = hall.count("SELECT count(*) FROM orders WHERE sale_id = $1").await?;
    ensure!(sold == i64::from(each), "pgbench confirmed {sold} of {each}");
    hall.close().await?;
    Ok(tps)
}

/// Holds ended and their units put back, a second; beside ending them in Postgres alone.
async fn expiries(rig: &Rig, gateway: &Server, rounds: u32) -> anyhow::Result<Row> {
    let mut measured = Rounds::default();
    for _ in 0..rounds {
        let mut halves = Vec::new();
        for puts_back in [true, false] {
            let hall = Hall::fill(rig, gateway, BY_HUNDREDS, 100).await?;
            hall.admit_all(BY_HUNDREDS).await?;
            sqlx::query(
                "UPDATE holds SET expires_at = admitted_at + interval '1 microsecond' WHERE sale_id = $1 AND state = 'active'",
            )
            .bind(hall.sale.0)
            .execute(&hall.sql)
            .await?;
            sqlx::query("UPDATE sales SET expiry_grace_seconds = 0 WHERE id = $1")
                .bind(hall.sale.0)
                .execute(&hall.sql)
                .await?;
            halves.push(sweep_all(&hall, puts_back).await?);
            hall.close().await?;
        }
        measured.add(halves[0], halves[1]);
    }
    Ok(measured.row("holds expired and returned", "/s", "the same without Redis"))
}

async fn sweep_all(hall: &Hall, puts_back: bool) -> anyhow::Result<f64> {
    let (mut ended, begun) = (0, Instant::now());
    while ended < BY_HUNDREDS as usize {
        match hall.gate.ledger.sweep().await? {
            Swept::Ended { units, .. } => {
                let units: Vec<i32> = units.into_iter().map(|(_, unit)| unit).collect();
                ended += units.len();
                if puts_back {
                    hall.gate.live.free(hall.sale, 1, &units).await?;
                }
            }
            Swept::Elsewhere | Swept::Credited { .. } | Swept::ClockWentBack { .. } => {}
        }
    }
    Ok(f64::from(BY_HUNDREDS) / begun.elapsed().as_secs_f64())
}
