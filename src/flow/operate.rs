//! The operator's hand: creating, changing, seeding and steering a sale. Each change and its audit row
//! are one transaction; Redis is told afterwards, and the auditor tells it again should it not hear.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Begun, FlowError, Gate, Refusal, Reply, begin, recover, watch};
use crate::ledger::{Key, LedgerError, SaleSnapshot, Tx};
use crate::live::PAGE;
use crate::sale::{Fault, Sale, SaleId, SaleState, Seq, Settings};

/// Most units a sale may have; `sales_stock_range` keeps the same.
pub const MOST_UNITS: i32 = 10_000_000;
/// Most tokens that a seeding puts on the list before it answers; the rest follow behind it.
const TOKENS_AT_ONCE: usize = 100_000;

/// One change to one sale.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Create(Settings),
    /// The settings as they are to be, made from `from`; the audit keeps what was said.
    Change {
        from: Settings,
        to: Settings,
        said: Value,
    },
    Seed {
        count: i32,
    },
    /// Takes free units out of the sale again.
    Withdraw {
        count: i32,
    },
    Open,
    Pause,
    Resume,
    Close,
    Notice {
        text: Option<String>,
    },
}

impl Command {
    /// Its name in the audit.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Change { .. } => "change",
            Self::Seed { .. } => "seed",
            Self::Withdraw { .. } => "withdraw",
            Self::Open => "open",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Close => "close",
            Self::Notice { .. } => "notice",
        }
    }

    /// What it is about, for the audit.
    pub fn detail(&self) -> Value {
        match self {
            Self::Create(settings) => json!({ "slug": settings.slug, "name": settings.name }),
            Self::Change { said, .. } => said.clone(),
            Self::Seed { count } | Self::Withdraw { count } => json!({ "count": count }),
            Self::Notice { text } => json!({ "text": text }),
            Self::Open | Self::Pause | Self::Resume | Self::Close => json!({}),
        }
    }
}

/// Turns the sale as it stands afterwards, or the refusal, into the answer that goes out and is stored.
pub type Render = fn(&Result<Sale, Refusal>) -> Reply;

/// Applies one change to the sale with this id (a new one for `Create`).
///
/// # Errors
/// A [`Refusal`] that fits the command; it is rendered and stored under the key as well.
pub async fn operate(
    gate: &Arc<Gate>,
    actor: &str,
    id: SaleId,
    command: Command,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let (gate, actor) = (gate.clone(), actor.to_owned());
    // A task of its own, so that a client who hangs up cannot cancel it half way.
    let work = tokio::spawn(async move { run(&gate, &actor, id, command, key, render).await });
    work.await.map_err(|panic| FlowError::Internal(panic.into()))?
}

async fn run(
    gate: &Arc<Gate>,
    actor: &str,
    id: SaleId,
    command: Command,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let mut tx = match begin(gate, key.as_ref()).await? {
        Begun::Fresh(tx) => tx,
        Begun::Replay(reply) => return Ok(reply),
    };
    tx.exclude(id).await?;
    let before = tx.sale(id).await?;
    let changed = match change(&mut tx, id, before.as_ref(), &command).await {
        Ok(changed) => changed,
        Err(FlowError::Refused(refusal)) if refusal != Refusal::Stale => {
            // Nothing was written; the refusal is the answer, and stays the answer under its key.
            drop(tx);
            return store_refusal(gate, key.as_ref(), render(&Err(refusal))).await;
        }
        Err(error) => return Err(error),
    };
    if changed {
        tx.audit(id, actor, command.action(), &command.detail()).await?;
    }
    let after = tx.sale(id).await?.ok_or(Refusal::NoSuchSale)?;
    let reply = render(&Ok(after.clone()));
    if let Some(key) = &key {
        tx.store(key, reply.status, &reply.body).await?;
    }
    tx.commit().await?;
    if changed {
        tracing::info!(sale.id = %id, actor, action = command.action(), "sale changed");
        tell_redis(gate, before.as_ref(), &after).await;
    }
    Ok(reply)
}

async fn store_refusal(gate: &Gate, key: Option<&Key>, reply: Reply) -> Result<Reply, FlowError> {
    let Some(key) = key else { return Ok(reply) };
    match begin(gate, Some(key)).await? {
        Begun::Replay(reply) => Ok(reply),
        Begun::Fresh(mut tx) => {
            tx.store(key, reply.status, &reply.body).await?;
            tx.commit().await?;
            Ok(reply)
        }
    }
}

/// Writes the change; says whether it changed anything. The sale is excluded.
async fn change(
    tx: &mut Tx,
    id: SaleId,
    before: Option<&Sale>,
    command: &Command,
) -> Result<bool, FlowError> {
    if let Command::Create(settings) = command {
        tx.create_sale(id, settings).await.map_err(slug_taken)?;
        return Ok(true);
    }
    let sale = before.ok_or(Refusal::NoSuchSale)?;
    match command {
        Command::Create(_) => Ok(false),
        // Somebody else changed them meanwhile: the caller reads them again.
        Command::Change { from, .. } if sale.settings != *from => Err(Refusal::Stale.into()),
        Command::Change { to, .. } => {
            tx.change_settings(id, to).await.map_err(slug_taken)?;
            Ok(sale.settings != *to)
        }
        Command::Seed { count } => {
            if sale.state == SaleState::Closed {
                return Err(Refusal::SaleClosed.into());
            }
            if sale.stock > MOST_UNITS - count {
                let detail = format!("a sale has at most {MOST_UNITS} units in all");
                return Err(Refusal::Invalid(vec![Fault::new("count", detail)]).into());
            }
            tx.seed(id, *count).await?;
            Ok(true)
        }
        Command::Withdraw { count } => {
            let taken = tx.withdraw(id, *count).await?.len();
            if taken < count.unsigned_abs() as usize {
                // Dropping the transaction puts those back.
                let detail = format!("only {taken} units are available");
                return Err(Refusal::Invalid(vec![Fault::new("count", detail)]).into());
            }
            Ok(true)
        }
        Command::Notice { text } => {
            tx.set_notice(id, text.as_deref()).await?;
            Ok(sale.notice != *text)
        }
        Command::Open | Command::Pause | Command::Resume | Command::Close => {
            let Some(to) = next_state(sale.state, command)? else { return Ok(false) };
            tx.set_state(id, to).await?;
            Ok(true)
        }
    }
}

/// The state that follows, or none when the sale is there already.
fn next_state(now: SaleState, command: &Command) -> Result<Option<SaleState>, Refusal> {
    match (now, command) {
        (SaleState::Closed, Command::Close) => Ok(None),
        (SaleState::Closed, _) => Err(Refusal::SaleClosed),
        (_, Command::Close) => Ok(Some(SaleState::Closed)),
        (SaleState::Open, Command::Open | Command::Resume) => Ok(None),
        (SaleState::Paused, Command::Pause) => Ok(None),
        (SaleState::Scheduled | SaleState::Paused, Command::Open)
        | (SaleState::Paused, Command::Resume) => Ok(Some(SaleState::Open)),
        (SaleState::Open, Command::Pause) => Ok(Some(SaleState::Paused)),
        (SaleState::Scheduled, _) => Err(Refusal::NotOpen),
        (SaleState::Open | SaleState::Paused, _) => Ok(None),
    }
}

fn slug_taken(error: LedgerError) -> FlowError {
    if error.constraint() == Some("sales_slug_unique") {
        Refusal::SlugTaken.into()
    } else {
        error.into()
    }
}

/// Brings this gateway and Redis up to date with what was just committed, as far as Redis answers.
async fn tell_redis(gate: &Arc<Gate>, before: Option<&Sale>, after: &Sale) {
    let told = async {
        let line = match gate.line_of(after.id) {
            Some(line) => {
                watch::reread(gate, &line).await?;
                line
            }
            None => watch::follow(gate, after.id, gate.ledger.sale_snapshot(after.clone()).await?),
        };
        if after.epoch == 0 {
            recover::recover(gate, &line, 0, "the sale is new").await?;
        }
        let epoch = line.view().snapshot.sale.epoch;
        let first = before.map_or(0, |sale| sale.stock);
        let fresh: Vec<i32> = (first + 1..=after.stock).collect();
        let (now, later) = fresh.split_at(fresh.len().min(TOKENS_AT_ONCE));
        push_tokens(gate, after.id, epoch, now).await?;
        if !later.is_empty() {
            let (gate, id, later) = (gate.clone(), after.id, later.to_vec());
            tokio::spawn(async move { push_tokens(&gate, id, epoch, &later).await });
        }
        if after.state == SaleState::Closed {
            recover::empty_line(gate, after.id, epoch, Seq::new(epoch + 1, 0)).await?;
        }
        watch::survey(gate, &line).await
    };
    if let Err(error) = told.await {
        let error = format!("{error:#}");
        tracing::warn!(sale.id = %after.id, error, "redis was not told yet; the auditor will");
    }
    gate.nudge();
}

async fn push_tokens(
    gate: &Gate,
    sale: SaleId,
    epoch: i32,
    units: &[i32],
) -> Result<(), FlowError> {
    for page in units.chunks(PAGE) {
        gate.live.free(sale, epoch, page).await?;
    }
    Ok(())
}

/// What time does to a sale: it opens and closes as scheduled, and is sold out when its last unit is sold.
/// Every gateway calls this with each tick; the row's state makes it happen once.
pub(super) async fn on_time(gate: &Arc<Gate>, sale: &SaleSnapshot, now: Timestamp) {
    let done = async {
        let settings = &sale.sale.settings;
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        if sale.sale.state != SaleState::Closed && is_due(settings.ends_at) {
            by_schedule(gate, sale.id(), Command::Close).await?;
        } else if sale.sale.state == SaleState::Scheduled && is_due(settings.starts_at) {
            by_schedule(gate, sale.id(), Command::Open).await?;
        } else if sale.stock.is_sold_out()
            && sale.sale.sold_out_at.is_none()
            && sale.sale.state != SaleState::Closed
        {
            sell_out(gate, &sale.sale).await?;
        }
        Ok::<(), FlowError>(())
    };
    if let Err(error) = done.await {
        tracing::warn!(sale.id = %sale.id(), error = format!("{error:#}"), "not done on time");
    }
}

async fn by_schedule(gate: &Arc<Gate>, id: SaleId, command: Command) -> Result<(), FlowError> {
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(id).await?;
    let Some(before) = tx.sale(id).await? else { return Ok(()) };
    // Another gateway may have been faster: only a sale that still waits for it is moved.
    let is_late = command == Command::Open && before.state != SaleState::Scheduled;
    if is_late || !change(&mut tx, id, Some(&before), &command).await? {
        return Ok(());
    }
    tx.audit(id, "schedule", command.action(), &json!({})).await?;
    let after = tx.sale(id).await?.ok_or(Refusal::NoSuchSale)?;
    tx.commit().await?;
    tracing::info!(sale.id = %id, action = command.action(), "sale changed as scheduled");
    Box::pin(tell_redis(gate, Some(&before), &after)).await;
    Ok(())
}

/// Marks a sale sold out for everyone who has a number by now, and empties its line.
async fn sell_out(gate: &Arc<Gate>, sale: &Sale) -> Result<(), FlowError> {
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(sale.id).await?;
    // Nobody can be journaled while the sale is excluded, so the counter covers everyone in line.
    let upto = match gate.live.survey(sale.id, sale.epoch, "").await? {
        crate::live::Survey::Seen { counter, .. } => Seq::new(sale.epoch, counter),
        crate::live::Survey::OtherEpoch(_) | crate::live::Survey::Missing => return Ok(()),
    };
    if tx.mark_sold_out(sale.id, upto).await? {
        tx.audit(sale.id, "ropeline", "sold_out", &json!({ "number": upto.0 })).await?;
        tx.commit().await?;
        tracing::info!(sale.id = %sale.id, "sold out");
        gate.nudge();
    }
    recover::empty_line(gate, sale.id, sale.epoch, upto).await
}
