//! Looks at the sale from beside it, a few times a second: how many wait, how many units are free, when
//! the last hold was made. From that follows for how long admission stood still although it could go on.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::history::{Entry, Op};
use super::street::Street;

/// Between two looks.
pub const EVERY: Duration = Duration::from_millis(250);
/// Longest wait for one look; a store that is frozen does not answer.
const WITHIN: Duration = Duration::from_millis(700);
/// Looks between two questions to a gateway.
const STATS_EVERY: u32 = 6;

/// How the sale stood at a moment, by Postgres.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Stand {
    pub waiting: i64,
    pub free: i64,
    pub active: i64,
    pub sold: i64,
    pub holds: i64,
    pub is_open: bool,
}

/// One look; nothing when Postgres did not answer.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Microseconds since the run began.
    pub at: u64,
    pub stand: Option<Stand>,
}

/// How the sale stands, by Postgres.
///
/// # Errors
/// When it does not answer in time.
pub async fn look(sql: &PgPool, sale: Uuid) -> anyhow::Result<Stand> {
    type Row = (i64, i64, i64, i64, i64, bool);
    let asking = sqlx::query_as(
        "SELECT (SELECT count(*) FROM joins j WHERE j.sale_id = s.id AND j.state = 'waiting'
                   AND j.seq > coalesce(s.sold_out_seq, 0)),
                s.stock - (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = s.id)
                        - count(h.*) FILTER (WHERE h.state IN ('active', 'confirmed')),
                count(h.*) FILTER (WHERE h.state = 'active'),
                count(h.*) FILTER (WHERE h.state = 'confirmed'),
                count(h.*), s.state = 'open'
         FROM sales s LEFT JOIN holds h ON h.sale_id = s.id
         WHERE s.id = $1 GROUP BY s.id",
    )
    .bind(sale)
    .fetch_one(sql);
    let (waiting, free, active, sold, holds, is_open): Row = timeout(WITHIN, asking).await??;
    Ok(Stand { waiting, free, active, sold, holds, is_open })
}

/// Samples until the run is over.
pub async fn sample(street: Arc<Street>, sql: PgPool, sale: Uuid, seed: u64) -> Vec<Sample> {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut samples, mut looks) = (Vec::new(), 0_u32);
    while !street.over.is_cancelled() {
        let stand = look(&sql, sale).await.ok();
        samples.push(Sample { at: street.history.now(), stand });
        looks += 1;
        if looks.is_multiple_of(STATS_EVERY) {
            let street = street.clone();
            let seed = random.random();
            tokio::spawn(async move { stats(&street, seed).await });
        }
        sleep(EVERY).await;
    }
    samples
}

/// Asks any gateway for its counts; they must add up at any time.
async fn stats(street: &Street, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let asked = street.history.now();
    let said = street.any(&mut random).read(&format!("/sales/{}/stats", street.sale)).await;
    if let Ok(said) = said {
        let mut entry = Entry::plain("sampler", Op::Stats, asked, street.history.now());
        (entry.status, entry.said) = (200, json!({ "tokens": said["tokens"] }));
        street.history.push(entry);
    }
}
