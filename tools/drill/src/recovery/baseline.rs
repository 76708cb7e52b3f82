//! The least that a rebuild can take: its rows read by one scan, and its commands sent without a pause.

use anyhow::Context;
use futures_util::TryStreamExt;
use ropeline::dev::stores::Stores;
use ropeline::redis::LOAD_PAGE;
use sqlx::Row;
use tokio::time::Instant;
use uuid::Uuid;

use super::venue::{Venue, connect};

/// Commands that are under way at once.
const IN_FLIGHT: usize = 10;

/// Seconds of each, and how many rows there were.
pub struct Baseline {
    pub rows: usize,
    pub scan: f64,
    pub zadd: f64,
}

pub async fn measure(stores: &Stores, venue: &Venue) -> anyhow::Result<Baseline> {
    let begun = Instant::now();
    let mut rows = Vec::new();
    {
        let ask = "SELECT ticket, seq FROM joins JOIN sales ON sales.id = sale_id
                   WHERE joins.state = 'waiting' ORDER BY seq";
        let mut all = sqlx::query(ask).fetch(&venue.sql);
        while let Some(row) = all.try_next().await? {
            rows.push((row.try_get::<Uuid, _>(0)?, row.try_get::<i64, _>(1)?));
        }
    }
    let scan = begun.elapsed().as_secs_f64();
    let mut redis = connect(stores).await?;
    let key = "drill:baseline";
    let begun = Instant::now();
    for group in rows.chunks(LOAD_PAGE * IN_FLIGHT) {
        let mut pipe = redis::pipe();
        for page in group.chunks(LOAD_PAGE) {
            let add = pipe.cmd("ZADD").arg(key);
            for (ticket, seq) in page {
                add.arg(*seq).arg(ticket.to_string());
            }
            pipe.ignore();
        }
        pipe.exec_async(&mut redis).await?;
    }
    let zadd = begun.elapsed().as_secs_f64();
    redis::cmd("UNLINK").arg(key).exec_async(&mut redis).await.context("not removed")?;
    Ok(Baseline { rows: rows.len(), scan, zadd })
}
