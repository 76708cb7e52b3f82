//! A gateway without its front door: the stores, the loops, and one sale that is open for the race.

use std::sync::Arc;
use std::time::Duration;

use ::ropeline::engine::checkout::settle::{By, Settle, settle};
use ::ropeline::engine::health::heartbeat::Heart;
use ::ropeline::engine::health::selfcheck;
use ::ropeline::engine::line::join;
use ::ropeline::engine::line::line_mirror::Line;
use ::ropeline::engine::loops;
use ::ropeline::engine::steering::operate::{Command, operate};
use ::ropeline::engine::{Gate, Refusal, Reply};
use ::ropeline::ledger::Ledger;
use ::ropeline::model::{Claim, SaleId, Settings, Signer, Ticket};
use ::ropeline::redis::Live;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::admitted;
use crate::ground::Ground;

const SECRET: &[u8] = b"a secret of more than thirty-two bytes, for the race";
/// A sale is open for a moment before its crowd comes: the loops, which look for new ones four times a second,
/// have taken it up by then.
const OPEN_BEFORE: Duration = Duration::from_millis(600);
/// Who goes through a sale of their own first. The other ways are warm from an earlier round; this gateway
/// was just started.
const WARMING_UP: u32 = 50;

pub struct Gateway {
    pub gate: Arc<Gate>,
    pub line: Arc<Line>,
}

impl Gateway {
    pub async fn with_sale(ground: &Ground, stock: u32) -> Result<Self> {
        let live = Live::new(&ground.redis_url)?;
        let gate = Gate::new(live, Ledger::new(&ground.database_url)?, Signer::new(SECRET));
        let gate = Arc::new(gate);
        ensure!(!selfcheck::start(&gate).await?.refuses(), "ropeline refuses these stores");
        let heart = Arc::new(Mutex::new(Heart::new("race".into())));
        loops::start(&gate, &heart, || 0, || {}, || {});
        let warming_up = open_sale(&gate, WARMING_UP).await?;
        let mut early = JoinSet::new();
        for _ in 0..WARMING_UP {
            let (gate, line) = (gate.clone(), warming_up.clone());
            early.spawn(async move { buy_early(&gate, &line).await });
        }
        while let Some(one) = early.join_next().await {
            one??;
        }
        tell(&gate, warming_up.id, Command::Close).await?;
        let line = open_sale(&gate, stock).await?;
        Ok(Self { gate, line })
    }

    /// Orders of the sale, as its table in Postgres has them.
    pub async fn ordered(&self, ground: &Ground) -> Result<u64> {
        let pool = PgPool::connect(&ground.database_url).await?;
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE sale_id = $1::uuid")
            .bind(self.line.id.to_string())
            .fetch_one(&pool)
            .await?;
        pool.close().await;
        Ok(count.unsigned_abs())
    }

    pub async fn close(self) -> Result<()> {
        tell(&self.gate, self.line.id, Command::Close).await?;
        self.gate.tasks.stop().await;
        self.gate.ledger.close().await;
        Ok(())
    }
}

/// What came of a command is all that is asked here.
pub fn status<T>(done: &Result<T, Refusal>) -> Reply {
    Reply { status: if done.is_ok() { 200 } else { 409 }, body: Value::Null }
}

async fn tell(gate: &Arc<Gate>, sale: SaleId, command: Command) -> Result<()> {
    let reply = operate(gate, "race", sale, command, None, status).await?;
    ensure!(reply.status == 200, "the sale refuses to be changed");
    Ok(())
}

async fn open_sale(gate: &Arc<Gate>, stock: u32) -> Result<Arc<Line>> {
    let sale = SaleId::new();
    let settings = Settings {
        slug: format!("race-{sale}"),
        name: "The race".into(),
        batch_size: 100,
        admit_interval_ms: 10,
        ..Settings::default()
    };
    tell(gate, sale, Command::Create { settings, units: None }).await?;
    tell(gate, sale, Command::Seed { count: i32::try_from(stock)? }).await?;
    tell(gate, sale, Command::Open).await?;
    sleep(OPEN_BEFORE).await;
    gate.line_of(sale).context("the gateway follows the sale")
}

/// All steps of a purchase, before the crowd comes.
async fn buy_early(gate: &Arc<Gate>, line: &Arc<Line>) -> Result<()> {
    let ticket = Ticket::new();
    let seq = join::join(gate, line, ticket).await?.seq;
    let hold = admitted(gate, line, Claim { sale: line.id, ticket, seq, generation: 0 }).await?;
    let hold = hold.context("there is a unit for each")?;
    let confirm = Settle::Confirm { payment_reference: None };
    settle(
        gate,
        By::Shop { scope: "race".into(), name: "race".into() },
        hold,
        confirm,
        None,
        status,
    )
    .await?;
    Ok(())
}
