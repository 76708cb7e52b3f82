//! The operator's hand: creating, changing, seeding and steering a sale. Each change and its audit row
//! are one transaction; Redis is told afterwards, and the auditor tells it again should it not hear.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::engine::checkout::idempotency;
use crate::engine::checkout::idempotency::Kept;
use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::Line;
use crate::engine::line::loss::Loss;
use crate::engine::repair::{audit, rebuild};
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::faults::{Point, point};
use crate::ledger::{Key, LedgerError, SaleSnapshot, Tx};
use crate::model::{Fault, Sale, SaleId, SaleState, Seq, Settings, Status};
use crate::redis::{Known, PAGE, Survey};

/// Most units a sale may have; `sales_stock_range` keeps the same.
pub const MOST_UNITS: i32 = 10_000_000;
/// Most tokens that a seeding puts on the list before it answers; the rest follow behind it.
const TOKENS_AT_ONCE: usize = 100_000;

/// How long an operator waits for Redis to hear of a change that Postgres has; the auditor tells it the rest.
const TELL_WITHIN: Duration = Duration::from_secs(3);

/// How long a withdrawal waits for what Redis offers; without it the unit numbers are read from the top.
const OFFERED_WITHIN: Duration = Duration::from_secs(1);

/// How soon the end of a loading by another task is looked for.
const LOAD_RETRY: Duration = Duration::from_millis(20);
/// How often and how soon the auditor is asked to look when Redis did not hear of a change.
const TELL_ATTEMPTS: usize = 20;
const TELL_RETRY: Duration = Duration::from_millis(500);
/// From here on each purchase looks whether it was the last: more than are bought between two ticks.
const NEARLY_SOLD_OUT: i64 = 100;
/// How long a purchase waits for that look; the next tick does it otherwise.
const LOOK_WITHIN: Duration = Duration::from_millis(300);

/// One change to one sale.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A new sale, with its first units where some are named.
    Create {
        settings: Settings,
        units: Option<i32>,
    },
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
    /// For good, at once.
    Close,
    /// A close that can be taken back for so long: nobody in line is told meanwhile.
    CloseSoon {
        undo_seconds: i32,
    },
    /// Takes such a close back.
    Reopen,
    /// Puts a sale that is over, or was never opened, away; its slug is free then.
    Archive,
    Notice {
        text: Option<String>,
        /// The notice that it takes the place of, where the caller knows one.
        instead_of: Option<Option<String>>,
    },
}

impl Command {
    /// Its name in the audit.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Change { .. } => "change",
            Self::Seed { .. } => "seed",
            Self::Withdraw { .. } => "withdraw",
            Self::Open => "open",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Close | Self::CloseSoon { .. } => "close",
            Self::Reopen => "reopen",
            Self::Archive => "archive",
            Self::Notice { .. } => "notice",
        }
    }

    /// What it is about, for the audit.
    pub fn detail(&self) -> Value {
        match self {
            Self::Create { settings, .. } => {
                json!({ "slug": settings.slug, "name": settings.name })
            }
            Self::Change { said, .. } => said.clone(),
            Self::Seed { count } | Self::Withdraw { count } => json!({ "count": count }),
            Self::Notice { text, .. } => json!({ "text": text }),
            Self::CloseSoon { undo_seconds } => json!({ "undo_seconds": undo_seconds }),
            Self::Open
            | Self::Pause
            | Self::Resume
            | Self::Close
            | Self::Reopen
            | Self::Archive => json!({}),
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

/// What a command did, besides its answer.
struct Done {
    before: Option<Sale>,
    after: Sale,
    withdrawn: Vec<i32>,
    changed: bool,
}

async fn run(
    gate: &Arc<Gate>,
    actor: &str,
    id: SaleId,
    command: Command,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let is_withdrawal = matches!(command, Command::Withdraw { .. });
    let offered = if is_withdrawal { offered(gate, id).await } else { Vec::new() };
    let step = async |tx: &mut Tx| {
        let done = write(tx, actor, id, &command, &offered).await;
        done.map(|done| (render(&Ok(done.after.clone())), done))
    };
    let (tx, reply, done) = match idempotency::under_key(gate, key.as_ref(), step).await {
        Ok(Kept::Now(tx, reply, done)) => (tx, reply, done),
        Ok(Kept::Before(reply)) => return Ok(reply),
        Err(FlowError::Refused(refusal)) if is_answer(&refusal) => {
            // Nothing was written; the refusal is the answer, and stays the answer under its key.
            return idempotency::store_alone(gate, key.as_ref(), render(&Err(refusal))).await;
        }
        Err(error) => return Err(error),
    };
    // A commit without an answer may have been done: whoever repeats it wants the same key.
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    point(Point::OperateCommitted).await.map_err(|error| FlowError::Unknown(error.into()))?;
    if done.changed {
        tracing::info!(sale.id = %id, actor, action = command.action(), "sale changed");
        tell_redis(gate, done.before.as_ref(), &done.after, &done.withdrawn).await;
    }
    Ok(reply)
}

/// Units that Redis offers last, for a withdrawal to look at: asked before anyone is kept from the sale. None when
/// Redis does not answer.
async fn offered(gate: &Gate, id: SaleId) -> Vec<i32> {
    let Some(line) = gate.line_of(id) else { return Vec::new() };
    let epoch = line.view().snapshot.sale.epoch;
    match timeout(OFFERED_WITHIN, gate.live.last_tokens(id, epoch)).await {
        Ok(Ok(units)) => units,
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

/// Whether a refusal is the answer to the command, and not one to the key or to what was read before.
fn is_answer(refusal: &Refusal) -> bool {
    !matches!(refusal, Refusal::Stale | Refusal::KeyReused | Refusal::KeyInProgress)
}

/// The change with its rows in the audit.
async fn write(
    tx: &mut Tx,
    actor: &str,
    id: SaleId,
    command: &Command,
    offered: &[i32],
) -> Result<Done, FlowError> {
    tx.exclude(id).await?;
    let before = tx.sale(id).await?;
    let mut withdrawn = Vec::new();
    let changed = change(tx, id, before.as_ref(), command, offered, &mut withdrawn).await?;
    if changed {
        tx.audit(id, actor, command.action(), &command.detail()).await?;
    }
    if let Command::Create { units: Some(count), .. } = command {
        let seed = Command::Seed { count: *count };
        tx.audit(id, actor, seed.action(), &seed.detail()).await?;
    }
    let after = tx.sale(id).await?.ok_or(Refusal::NoSuchSale)?;
    point(Point::OperateInTx).await?;
    Ok(Done { before, after, withdrawn, changed })
}

/// Writes the change; says whether it changed anything, and which units it withdrew. The sale is excluded.
async fn change(
    tx: &mut Tx,
    id: SaleId,
    before: Option<&Sale>,
    command: &Command,
    offered: &[i32],
    withdrawn: &mut Vec<i32>,
) -> Result<bool, FlowError> {
    if let Command::Create { settings, units } = command {
        tx.create_sale(id, settings).await.map_err(slug_taken)?;
        if let Some(count) = units {
            tx.seed(id, *count).await?;
        }
        return Ok(true);
    }
    let sale = before.ok_or(Refusal::NoSuchSale)?;
    match command {
        Command::Create { .. } => Ok(false),
        // Somebody else changed them meanwhile: the caller reads them again.
        Command::Change { from, .. } if sale.settings != *from => Err(Refusal::Stale.into()),
        Command::Change { to, .. } => {
            tx.change_settings(id, to).await.map_err(slug_taken)?;
            Ok(sale.settings != *to)
        }
        Command::Seed { count } => {
            if sale.status() == Status::Closed {
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
            *withdrawn = tx.withdraw(id, *count, offered).await?;
            let taken = withdrawn.len();
            if taken < count.unsigned_abs() as usize {
                // The transaction is given up, which puts those back.
                let detail = format!("only {taken} units are available");
                return Err(Refusal::Invalid(vec![Fault::new("count", detail)]).into());
            }
            Ok(true)
        }
        Command::Notice { instead_of: Some(shown), .. } if sale.notice != *shown => {
            Err(Refusal::Stale.into())
        }
        Command::Notice { text, .. } => {
            tx.set_notice(id, text.as_deref()).await?;
            Ok(sale.notice != *text)
        }
        Command::Open | Command::Pause | Command::Resume | Command::Close => {
            if *command == Command::Pause && sale.status() == Status::SoldOut {
                return Err(Refusal::NotOpen.into());
            }
            if sale.closes_at.is_some() && *command != Command::Close {
                return Err(Refusal::SaleClosed.into()); // Only `Reopen` goes back.
            }
            let Some(to) = next_state(sale.state, command)? else { return Ok(false) };
            tx.set_state(id, to).await?;
            Ok(true)
        }
        Command::CloseSoon { undo_seconds } => {
            if sale.status() == Status::Closed {
                return Ok(false); // The first one counts.
            }
            tx.begin_close(id, *undo_seconds).await?;
            Ok(true)
        }
        Command::Reopen if sale.closes_at.is_none() && sale.state != SaleState::Closed => Ok(false),
        Command::Reopen if tx.take_close_back(id).await? => Ok(true),
        Command::Reopen => Err(Refusal::SaleClosed.into()),
        Command::Archive => archive(tx, sale).await,
    }
}

/// A sale that is archived is over for everyone: it is closed, nobody can still buy, and its slug is free.
async fn archive(tx: &mut Tx, sale: &Sale) -> Result<bool, FlowError> {
    if sale.archived_at.is_some() {
        return Ok(false);
    }
    match sale.state {
        SaleState::Closed => {}
        SaleState::Scheduled if sale.closes_at.is_none() => {
            tx.set_state(sale.id, SaleState::Closed).await?;
        }
        SaleState::Scheduled | SaleState::Open | SaleState::Paused => {
            let why =
                "this sale is not closed; close it, and archive it when it is closed for good";
            return Err(Refusal::NotArchivable(why).into());
        }
    }
    if tx.has_open_holds(sale.id).await? {
        let why =
            "somebody may still buy a unit of this sale; archive it when its open holds have ended";
        return Err(Refusal::NotArchivable(why).into());
    }
    tx.archive(sale.id).await?;
    Ok(true)
}

/// The state that follows, or none when the sale is there already.
fn next_state(now: SaleState, command: &Command) -> Result<Option<SaleState>, Refusal> {
    match (now, command) {
        (SaleState::Closed, Command::Close) => Ok(None),
        (SaleState::Closed, Command::Pause | Command::Resume) => Err(Refusal::NotOpen),
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
    if matches!(error.constraint(), Some("sales_slug_unique" | "sales_slug_not_former")) {
        Refusal::SlugTaken.into()
    } else {
        error.into()
    }
}

/// Loads a new sale. The watch of any gateway may have begun that already; then its end is waited for, so that the sale
/// takes joins when its operator is answered.
async fn load(gate: &Arc<Gate>, line: &Arc<Line>) -> Result<(), FlowError> {
    loop {
        match rebuild::recover(gate, line, 0, Loss::New).await {
            Err(FlowError::Busy(_)) => sleep(LOAD_RETRY).await,
            done => return done,
        }
    }
}

/// Brings this gateway and Redis up to date with what was just committed, as far as Redis answers.
async fn tell_redis(gate: &Arc<Gate>, before: Option<&Sale>, after: &Sale, withdrawn: &[i32]) {
    let told = async {
        let line = match gate.line_of(after.id) {
            Some(line) => {
                line_mirror::reread(gate, &line).await?;
                line
            }
            None => line_mirror::follow(gate, after.id, gate.snapshot(after.id).await?),
        };
        if after.epoch == 0 {
            load(gate, &line).await?;
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
        for page in withdrawn.chunks(PAGE) {
            gate.live.drop_tokens(after.id, epoch, page).await?;
        }
        if after.state == SaleState::Closed {
            gate.live.forget(after.id).await?;
        }
        line_mirror::survey(gate, &line).await.map(drop)
    };
    let not_told = match timeout(TELL_WITHIN, told).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(late) => Some(FlowError::Unavailable("redis", Some(late.into()))),
    };
    if let Some(error) = not_told {
        error.log(after.id, "redis was not told yet; the auditor will");
        tokio::spawn(tell_later(gate.clone(), after.id));
    }
    gate.nudge();
}

/// Has the auditor look at a sale soon, because Redis did not hear of a change: a new sale may be loaded by
/// somebody else just now, and its units must not wait for the next round.
async fn tell_later(gate: Arc<Gate>, id: SaleId) {
    for _ in 0..TELL_ATTEMPTS {
        sleep(TELL_RETRY).await;
        let Some(line) = gate.line_of(id) else { continue };
        if audit::repair(&gate, &line).await.is_ok() {
            return gate.nudge();
        }
    }
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

/// What is done to sales because of the time: one thing at a time for each sale, and bounded in all.
pub struct OnTime {
    under_way: Mutex<HashSet<SaleId>>,
    /// Changes that hold a connection for the line: fewer than there are, so that joins and admissions go on.
    changes: Semaphore,
    /// Sell-outs. They also wait for Redis while they hold a connection, and must not keep a schedule waiting.
    sell_outs: Semaphore,
}

/// Permits of each.
const CHANGES_AT_ONCE: usize = 2;
const SELL_OUTS_AT_ONCE: usize = 2;

impl Default for OnTime {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            changes: Semaphore::new(CHANGES_AT_ONCE),
            sell_outs: Semaphore::new(SELL_OUTS_AT_ONCE),
        }
    }
}

/// Marks a sale as taken care of until it is dropped.
struct UnderWay {
    gate: Arc<Gate>,
    sale: SaleId,
}

impl UnderWay {
    /// Nothing when another task is at this sale.
    fn begin(gate: &Arc<Gate>, sale: SaleId) -> Option<Self> {
        let mut all = gate.on_time.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(sale).then(|| Self { gate: gate.clone(), sale })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = self.gate.on_time.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.sale);
    }
}

/// What time does to a sale: it opens and closes as scheduled, and is sold out when its last unit is sold.
/// Every gateway calls this with each tick; the row, read again under its lock, makes it happen once. It is done in a
/// task of its own: a tick waits neither for Redis nor for other sales.
pub(crate) fn on_time(gate: &Arc<Gate>, seen: &SaleSnapshot) {
    let id = seen.id();
    let command = due(&seen.sale, seen.read_at);
    // Who was given a place by a gateway that had not heard of it yet is told, too.
    let is_sold_out = command.is_none()
        && seen.stock.is_sold_out()
        && seen.sale.state != SaleState::Closed
        && (seen.sale.sold_out_at.is_none()
            || gate.line_of(id).is_some_and(|line| line.view().waiting() > 0));
    if command.is_none() && !is_sold_out {
        return;
    }
    let Some(under_way) = UnderWay::begin(gate, id) else { return };
    let gate = gate.clone();
    tokio::spawn(async move {
        let done = match command {
            Some(command) => by_schedule(&gate, id, command).await,
            None => sell_out(&gate, id).await,
        };
        if let Err(error) = done {
            error.log(id, "not done on time");
        }
        drop(under_way);
    });
}

/// What a sale's schedule asks for at this time.
fn due(sale: &Sale, now: Timestamp) -> Option<Command> {
    let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    match sale.state {
        SaleState::Closed => None,
        _ if is_due(sale.settings.ends_at) || is_due(sale.closes_at) => Some(Command::Close),
        _ if sale.closes_at.is_some() => None,
        SaleState::Scheduled if is_due(sale.settings.starts_at) => Some(Command::Open),
        SaleState::Scheduled | SaleState::Open | SaleState::Paused => None,
    }
}

async fn by_schedule(gate: &Arc<Gate>, id: SaleId, command: Command) -> Result<(), FlowError> {
    let permit = gate.on_time.changes.acquire().await;
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(id).await?;
    let Some(before) = tx.sale(id).await? else { return Ok(()) };
    // Another gateway may have been faster, or an operator may have moved the time.
    if due(&before, gate.clock.now()) != Some(command.clone())
        || !change(&mut tx, id, Some(&before), &command, &[], &mut Vec::new()).await?
    {
        return Ok(());
    }
    let detail = match before.closes_at {
        Some(_) => json!({ "for_good": true }),
        None => json!({}),
    };
    tx.audit(id, "schedule", command.action(), &detail).await?;
    let after = tx.sale(id).await?.ok_or(Refusal::NoSuchSale)?;
    tx.commit().await?;
    drop(permit);
    tracing::info!(sale.id = %id, action = command.action(), "sale changed as scheduled");
    tell_redis(gate, Some(&before), &after, &[]).await;
    Ok(())
}

/// After a purchase that may have been the last: if it was, that is written down before it is answered.
pub(crate) async fn after_purchase(gate: &Arc<Gate>, line: &Line) {
    let unsold = {
        let stock = line.view().snapshot.stock;
        stock.held + stock.available()
    };
    if unsold > NEARLY_SOLD_OUT {
        return;
    }
    let look = async {
        line_mirror::reread(gate, line).await?;
        let view = line.view();
        if view.snapshot.stock.is_sold_out() && view.snapshot.sale.sold_out_at.is_none() {
            sell_out(gate, line.id).await?;
            line_mirror::reread(gate, line).await?;
        }
        Ok::<(), FlowError>(())
    };
    if !matches!(timeout(LOOK_WITHIN, look).await, Ok(Ok(()))) {
        tracing::debug!(sale.id = %line.id, "the next tick sees whether it is sold out");
    }
}

/// Marks a sale sold out for everyone who has a number by now, and empties its line.
async fn sell_out(gate: &Arc<Gate>, id: SaleId) -> Result<(), FlowError> {
    let _permit = gate.on_time.sell_outs.acquire().await;
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(id).await?;
    let Some(sale) = tx.sale(id).await? else { return Ok(()) };
    // Nobody can be journaled while the sale is excluded, so the counter covers everyone in line.
    let upto = match gate.live.survey(id, sale.epoch, Known::default()).await? {
        Survey::Seen { counter, .. } => Seq::new(sale.epoch, counter),
        Survey::OtherEpoch(_) | Survey::OtherLayout | Survey::Missing | Survey::Lost => {
            return Ok(());
        }
    };
    let is_first = sale.sold_out_at.is_none();
    if is_first || !sale.was_told_sold_out(upto) {
        // Units may have been added since it was seen: then nobody is told, and the line stays.
        if !tx.mark_sold_out(id, upto).await? {
            return Ok(());
        }
        if is_first {
            tx.audit(id, "ropeline", "sold_out", &json!({ "number": upto.0 })).await?;
        }
        point(Point::SellOutInTx).await?;
        tx.commit().await?;
        point(Point::SellOutMarked).await?;
    }
    if is_first {
        tracing::info!(sale.id = %id, "sold out");
        gate.nudge();
    }
    rebuild::empty_line(gate, id, sale.epoch, upto).await
}
