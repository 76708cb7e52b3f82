//! The operator: seeds, withdraws, pauses and tells, each under a key of its own that is sent again and
//! again: after a lost reply, after hanging up, and after the answer.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use uuid::Uuid;

use super::history::{Entry, Op, Outcome};
use super::plan::{Act, What};
use super::street::Street;
use crate::gateway::ADMIN_KEY;

/// How soon the operator hangs up, now and then.
const HANGS_UP: std::ops::Range<u64> = 3..60;
/// Between two tries.
const RETRY: std::ops::Range<u64> = 100..700;

/// Does one act after the other; says whether all were answered for good.
pub async fn operate(street: Arc<Street>, acts: Vec<Act>) {
    let began = Instant::now();
    for act in acts {
        sleep_until(began + Duration::from_millis(act.at_ms)).await;
        let mut random = StdRng::seed_from_u64(act.seed);
        match act.what {
            What::Seed { count } => {
                call(&street, Op::Seed, "tokens", json!({ "count": count }), &mut random).await;
            }
            What::Withdraw { count } => {
                let body = json!({ "count": count });
                call(&street, Op::Withdraw, "withdrawals", body, &mut random).await;
            }
            What::Pause { ms } => {
                call(&street, Op::Pause, "pause", json!({}), &mut random).await;
                sleep(Duration::from_millis(ms)).await;
                call(&street, Op::Resume, "resume", json!({}), &mut random).await;
            }
            What::Notice { text } => {
                call(&street, Op::Notice, "notices", json!({ "text": text }), &mut random).await;
            }
        }
    }
}

/// One change under one key, until it is answered for good, and once more after that.
async fn call(street: &Street, op: Op, verb: &str, body: Value, random: &mut StdRng) {
    let key = Uuid::from_u128(random.random()).simple().to_string();
    let path = format!("/api/v1/admin/sales/{}/{verb}", street.sale);
    street.hide(&key);
    let mut answers = 0;
    while answers < 2 && !street.over.is_cancelled() {
        let (shop, asked) = (street.any(random), street.history.now());
        let calling = shop.call(Method::POST, &path, ADMIN_KEY, Some(&key), Some(&body));
        let answer = if random.random_ratio(1, 4) {
            let patience = Duration::from_millis(random.random_range(HANGS_UP));
            timeout(patience, calling).await.unwrap_or_else(|late| Err(late.into()))
        } else {
            calling.await
        };
        let entry = Entry::plain("operator", op, asked, street.history.now());
        let mut entry = entry.answer(&answer).key(&key);
        entry.asks = body.clone();
        let outcome = entry.outcome;
        street.history.push(entry);
        if outcome == Outcome::Unknown {
            sleep(Duration::from_millis(random.random_range(RETRY))).await;
        } else {
            answers += 1;
        }
    }
}
