//! The facts at the end: every row of the sale in Postgres, what Redis offers, what each gateway says, and
//! what stands in the logs. Read behind the gateways' backs.

use std::collections::HashMap;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

/// What the drill adds to the database: a trail of every change.
pub const TRAIL: &str = include_str!("trail.sql");

#[derive(Debug, Clone, Default, Serialize)]
pub struct Sale {
    pub id: Uuid,
    pub state: String,
    pub stock: i32,
    pub epoch: i32,
    pub window_seconds: i32,
    pub grace_seconds: i32,
    pub sold_out_seq: i64,
    pub fault: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Join {
    pub ticket: Uuid,
    pub seq: i64,
    pub state: String,
}

impl Join {
    /// The epoch in which its number was handed out.
    pub fn epoch(&self) -> i32 {
        i32::try_from(self.seq >> 40).unwrap_or(i32::MAX).saturating_add(1)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Hold {
    pub id: Uuid,
    pub unit: i32,
    pub ticket: Uuid,
    pub seq: i64,
    pub epoch: i32,
    pub batch: i64,
    pub state: String,
    /// Seconds, by Postgres's own clock, which may have jumped.
    pub admitted_at: f64,
    pub expires_at: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Order {
    pub id: Uuid,
    pub hold: Uuid,
    pub unit: i32,
    pub ticket: Uuid,
    pub payment_reference: Option<String>,
}

/// What a step of the trail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    Hold,
    /// An outage was credited to this hold, by a change of the heartbeat alone.
    Credit,
    Join,
    /// A rebuild of Redis begins; the state is the new epoch.
    Epoch,
    /// The sale is sold out, finally for everyone up to the number that is the state; more units may come.
    SoldOut,
}

/// One change of a hold, a ticket or the epoch, in the order in which Postgres let it happen.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub id: i64,
    /// Seconds, by a clock that never jumps.
    pub up: f64,
    /// Seconds, by Postgres's own clock.
    pub at: f64,
    pub of: Of,
    pub row: Uuid,
    pub unit: i32,
    pub ticket: Uuid,
    pub state: String,
    pub expires_at: f64,
}

/// What Redis has of the sale.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Offered {
    pub epoch: i32,
    pub tokens: Vec<i32>,
    pub in_flight: Vec<i32>,
    pub line: HashMap<Uuid, i64>,
}

/// What one gateway says when all is over.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Desk {
    pub stats: Value,
    pub reconciliation: Value,
    pub metrics: String,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub sale: Sale,
    pub joins: Vec<Join>,
    pub holds: Vec<Hold>,
    pub orders: Vec<Order>,
    pub withdrawn: Vec<i32>,
    pub trail: Vec<Step>,
    pub offered: Offered,
    pub desks: Vec<Desk>,
    /// The lines of each log by its name.
    pub logs: Vec<(String, Vec<String>)>,
}

impl Facts {
    /// Units that nobody holds or owns and that were not withdrawn.
    pub fn free(&self) -> Vec<i32> {
        let live = |hold: &&Hold| matches!(&*hold.state, "active" | "confirmed");
        let mut taken: Vec<i32> = self.holds.iter().filter(live).map(|hold| hold.unit).collect();
        taken.extend(&self.withdrawn);
        taken.sort_unstable();
        (1..=self.sale.stock).filter(|unit| taken.binary_search(unit).is_err()).collect()
    }

    /// Tickets that wait and were not told that the sale is sold out.
    pub fn waiting(&self) -> impl Iterator<Item = &Join> {
        let upto = self.sale.sold_out_seq;
        self.joins.iter().filter(move |join| join.state == "waiting" && join.seq > upto)
    }

    /// Reads what Postgres has.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read(sql: &PgPool, sale: Uuid) -> Result<Self> {
        Ok(Self {
            sale: read_sale(sql, sale).await?,
            joins: read_joins(sql, sale).await?,
            holds: read_holds(sql, sale).await?,
            orders: read_orders(sql, sale).await?,
            withdrawn: sqlx::query_scalar(
                "SELECT unit_no FROM withdrawn_units WHERE sale_id = $1 ORDER BY unit_no",
            )
            .bind(sale)
            .fetch_all(sql)
            .await?,
            trail: read_trail(sql).await?,
            ..Self::default()
        })
    }
}

async fn read_sale(sql: &PgPool, id: Uuid) -> Result<Sale> {
    type Row = (String, i32, i32, i32, i32, i64, Option<String>);
    let (state, stock, epoch, window_seconds, grace_seconds, sold_out_seq, fault): Row =
        sqlx::query_as(
            "SELECT state, stock, epoch, checkout_window_seconds, expiry_grace_seconds,
                    coalesce(sold_out_seq, 0), fault
             FROM sales WHERE id = $1",
        )
        .bind(id)
        .fetch_one(sql)
        .await?;
    Ok(Sale { id, state, stock, epoch, window_seconds, grace_seconds, sold_out_seq, fault })
}

async fn read_joins(sql: &PgPool, sale: Uuid) -> Result<Vec<Join>> {
    let rows: Vec<(Uuid, i64, String)> =
        sqlx::query_as("SELECT ticket, seq, state FROM joins WHERE sale_id = $1 ORDER BY seq")
            .bind(sale)
            .fetch_all(sql)
            .await?;
    Ok(rows.into_iter().map(|(ticket, seq, state)| Join { ticket, seq, state }).collect())
}

async fn read_holds(sql: &PgPool, sale: Uuid) -> Result<Vec<Hold>> {
    type Row = (Uuid, i32, Uuid, i64, i32, i64, String, f64, f64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, unit_no, ticket, seq, epoch, batch_n, state,
                extract(epoch FROM admitted_at)::float8, extract(epoch FROM expires_at)::float8
         FROM holds WHERE sale_id = $1 ORDER BY epoch, batch_n, seq",
    )
    .bind(sale)
    .fetch_all(sql)
    .await?;
    let hold = |(id, unit, ticket, seq, epoch, batch, state, admitted_at, expires_at): Row| Hold {
        id,
        unit,
        ticket,
        seq,
        epoch,
        batch,
        state,
        admitted_at,
        expires_at,
    };
    Ok(rows.into_iter().map(hold).collect())
}

async fn read_orders(sql: &PgPool, sale: Uuid) -> Result<Vec<Order>> {
    type Row = (Uuid, Uuid, i32, Uuid, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, hold_id, unit_no, ticket, payment_reference FROM orders WHERE sale_id = $1",
    )
    .bind(sale)
    .fetch_all(sql)
    .await?;
    let order = |(id, hold, unit, ticket, payment_reference): Row| Order {
        id,
        hold,
        unit,
        ticket,
        payment_reference,
    };
    Ok(rows.into_iter().map(order).collect())
}

async fn read_trail(sql: &PgPool) -> Result<Vec<Step>> {
    type Row = (i64, f64, f64, String, Uuid, i32, Uuid, String, f64);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, up, at, kind, row_id, coalesce(unit_no, 0), coalesce(ticket, row_id), state,
                coalesce(expires_at, 0)
         FROM drill.trail ORDER BY id",
    )
    .fetch_all(sql)
    .await?;
    let step = |(id, up, at, kind, row, unit, ticket, state, expires_at): Row| Step {
        id,
        up,
        at,
        of: match &*kind {
            "hold" => Of::Hold,
            "credit" => Of::Credit,
            "epoch" => Of::Epoch,
            "sold-out" => Of::SoldOut,
            _ => Of::Join,
        },
        row,
        unit,
        ticket,
        state,
        expires_at,
    };
    Ok(rows.into_iter().map(step).collect())
}

/// Reads what Redis has of the sale.
///
/// # Errors
/// When it does not answer, or has something odd.
pub async fn offered(redis: &mut redis::aio::MultiplexedConnection, sale: Uuid) -> Result<Offered> {
    let key = |name: &str| format!("ropeline:{{{sale}}}:{name}");
    let (epoch, slot): (Option<i32>, Option<String>) =
        redis::cmd("HMGET").arg(key("ctl")).arg(&["epoch", "slot"]).query_async(redis).await?;
    let tokens = redis::cmd("LRANGE").arg(key("tokens")).arg(0).arg(-1).query_async(redis).await?;
    let line: Vec<(String, i64)> = redis::cmd("ZRANGE")
        .arg(key("queue"))
        .arg(0)
        .arg(-1)
        .arg("WITHSCORES")
        .query_async(redis)
        .await?;
    let mut offered = Offered { epoch: epoch.unwrap_or(0), tokens, ..Offered::default() };
    for (ticket, seq) in line {
        offered.line.insert(ticket.parse().context("a ticket in line")?, seq);
    }
    if let Some(slot) = slot {
        let slot: Value = serde_json::from_str(&slot)?;
        let units = slot["units"].as_array().into_iter().flatten();
        offered.in_flight = units.filter_map(|unit| unit.as_str()?.parse().ok()).collect();
        for waiter in slot["waiters"].as_array().into_iter().flatten() {
            let (ticket, seq) = (waiter[0].as_str().context("a ticket")?, &waiter[1]);
            let seq = seq.as_str().and_then(|seq| seq.parse().ok()).unwrap_or(0);
            offered.line.insert(ticket.parse()?, seq);
        }
    }
    Ok(offered)
}
