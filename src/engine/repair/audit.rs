//! The audit: Redis is held against Postgres, which is right. Reconciliation reports; the auditor mends.
//!
//! Both stores move while they are read, so a difference counts only when it is there twice, a moment
//! apart.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::Line;
use crate::engine::line::loss::Loss;
use crate::engine::repair::rebuild;
use crate::engine::{FlowError, Gate};
use crate::faults::{Mistake, Point, made, point};
use crate::ledger::{Fate, Payment, SaleSnapshot, Writing};
use crate::model::{Sale, SaleId, SaleState, Seq, Ticket};
use crate::redis::{Known, LOAD_PAGE, PAGE, Survey, Waiter};
use crate::telemetry;

/// How long after the first look the second one is taken: longer than a batch or a join is under way.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Most tickets or units named in one difference; the rest are found next time.
const MOST_NAMED: usize = 10_000;
/// A line and a journal that differ in so many tickets are not compared to the end, so that the memory
/// for it stays bounded. Two pages that do not quite match differ in a few thousand.
const MOST_APART: usize = 50_000;

/// The check of money that fits no order.
const PAYMENTS: &str = "payments";
/// Most references of payments that a reconciliation names; the list of payments has them all.
const MOST_PAYMENTS: i64 = 100;

/// One line of a reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckLine {
    pub name: &'static str,
    pub expected: i64,
    pub actual: i64,
    /// With `payments`: what waits for a person.
    pub payments: Vec<Payment>,
}

impl CheckLine {
    pub fn ok(&self) -> bool {
        self.expected == self.actual
    }

    /// Whether a person decides what is right, and the stores do not differ.
    pub fn is_for_people(&self) -> bool {
        self.name == PAYMENTS
    }
}

/// What the auditor mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs {
    pub tokens_added: u64,
    pub tokens_dropped: u64,
    pub waiters_restored: u64,
    pub waiters_dropped: u64,
    /// In line, and not in the journal before.
    pub waiters_journaled: u64,
}

impl Repairs {
    /// Each kind by its name in metrics, in the audit and in a reconciliation.
    fn parts(self) -> [(&'static str, u64); 5] {
        [
            ("token_added", self.tokens_added),
            ("token_dropped", self.tokens_dropped),
            ("waiter_restored", self.waiters_restored),
            ("waiter_dropped", self.waiters_dropped),
            ("waiter_journaled", self.waiters_journaled),
        ]
    }
}

/// One kind of repair since a sale was made, whichever gateway did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairLine {
    pub name: &'static str,
    pub times: i64,
    pub last_at: Option<Timestamp>,
}

/// Where Redis differs from Postgres.
#[derive(Debug, Clone, Default)]
struct Difference {
    free_units: i64,
    /// Free units that are neither on the list nor in flight.
    missing_tokens: HashSet<i32>,
    /// Tokens on the list whose units are not free.
    stale_tokens: HashSet<i32>,
    waiting: i64,
    missing_waiters: HashMap<Ticket, Seq>,
    /// In line, though the journal does not have them waiting.
    stray_waiters: HashMap<Ticket, Seq>,
    /// The first that waits by the journal, or the last that it knows when nobody does.
    front: Seq,
    /// There is more than was looked at.
    cut: bool,
}

/// Unit numbers: a byte for each that was seeded, where a hash set takes tens.
struct UnitSet(Vec<bool>);

impl UnitSet {
    fn of(units: impl IntoIterator<Item = i32>) -> Self {
        let mut there = Vec::new();
        for at in units.into_iter().filter_map(|unit| usize::try_from(unit).ok()) {
            if at >= there.len() {
                there.resize(at + 1, false);
            }
            there[at] = true;
        }
        Self(there)
    }

    fn has(&self, unit: i32) -> bool {
        usize::try_from(unit).is_ok_and(|at| self.0.get(at).copied().unwrap_or(false))
    }
}

/// Longest wait for a reconciliation that is under way on this gateway, and longest time for one.
const RECONCILED_WITHIN: Duration = Duration::from_secs(9);

/// Compares everything there is to compare, now. It reads the sale's whole history, so that one at a time runs on a
/// gateway, on connections of its own.
///
/// # Errors
/// Unavailable when a store did not answer; busy when it took too long or another one did not leave enough time.
pub async fn reconcile(gate: &Arc<Gate>, sale: &Sale) -> Result<Vec<CheckLine>, FlowError> {
    let busy = || {
        FlowError::Busy("the reconciliation did not finish in time, or another one is under way")
    };
    let compared = async {
        let _turn = gate.reconciliations.acquire().await.map_err(|_| busy())?;
        compare(gate, sale).await
    };
    timeout(RECONCILED_WITHIN, compared).await.map_err(|_| busy())?
}

async fn compare(gate: &Arc<Gate>, sale: &Sale) -> Result<Vec<CheckLine>, FlowError> {
    let line = |name, expected, actual| CheckLine { name, expected, actual, payments: Vec::new() };
    let (open, payments) = gate.ledger.open_payments(sale.id, MOST_PAYMENTS).await?;
    // All of it at one moment, so that it must be equal.
    let found = gate.ledger.verify(sale.id).await?;
    let (rows, counters) = (found.rows, found.counters);
    let mut lines = vec![
        line("confirmed holds without their order", 0, found.mismatched),
        line("live or sold units beyond the stock", 0, found.beyond_stock),
        line("faults that stopped the sale", 0, i64::from(sale.fault.is_some())),
        line("orders", rows.sold, rows.orders),
        line("tickets admitted", rows.held + rows.sold + rows.returned, rows.admitted),
        CheckLine { payments, ..line(PAYMENTS, 0, open) },
    ];
    let counted = rows.named().into_iter().zip(counters.named());
    lines.extend(counted.map(|((name, rows), (_, counter))| line(name, rows, counter)));
    let snapshot = gate.snapshot(sale.id).await?;
    lines.push(line("units seeded", snapshot.stock.seeded, stock_by_unit(gate, sale).await?));
    if sale.state == SaleState::Closed {
        return Ok(lines); // Redis has forgotten it.
    }
    let before = gate.ledger.last_batch(sale.id).await?;
    let seen = gate.live.survey(sale.id, sale.epoch, Known::default()).await?;
    let after = gate.ledger.last_batch(sale.id).await?;
    match seen {
        Survey::Seen { n, .. } => {
            // A batch that is being recorded just now is one ahead, and that is well.
            lines.push(line("batches", n.clamp(before, (after + 1).max(before)), n));
        }
        Survey::OtherEpoch(rules) => {
            lines.push(line("epoch", sale.epoch.into(), rules.into()));
            return Ok(lines);
        }
        Survey::Missing | Survey::Lost | Survey::OtherLayout => {
            lines.push(line("epoch", sale.epoch.into(), 0));
            return Ok(lines);
        }
    }
    let found = twice(gate, sale, Scope::Everything).await?;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let offered = found.free_units - count(found.missing_tokens.len());
    lines.push(line("free units offered", found.free_units, offered));
    lines.push(line("tokens of units that are not free", 0, count(found.stale_tokens.len())));
    let in_line = found.waiting - count(found.missing_waiters.len());
    lines.push(line("waiting tickets in line", found.waiting, in_line));
    lines.push(line("tickets in line that do not wait", 0, count(found.stray_waiters.len())));
    Ok(lines)
}

/// Units counted one by one: free, held, sold and withdrawn.
async fn stock_by_unit(gate: &Gate, sale: &Sale) -> Result<i64, FlowError> {
    let before = gate.snapshot(sale.id).await?.stock;
    let free = gate.ledger.audits().all_free(sale.id).await?.len();
    let after = gate.snapshot(sale.id).await?.stock;
    let counted = before.held + before.sold + before.withdrawn + i64::try_from(free).unwrap_or(0);
    // A hold that was made or ended between the readings shows as a difference of a few units.
    let moved = (after.available() - before.available()).abs();
    let seeded = before.seeded;
    Ok(if (counted - seeded).abs() <= moved { seeded } else { counted })
}

/// A comparison of all units and of the whole journal rests a second for so many units and tickets, ...
const COMPARED_EACH_SECOND: i64 = 1_000;
/// ... and so long at the most.
const COMPARED_REST: Duration = Duration::from_hours(1);
/// So far before the front of the line an audit begins to read the journal: joins are journaled a little later than their
/// numbers were handed out, and not in their order.
const BEFORE_FRONT: i64 = 10_000;

/// When everything in each sale was last compared by this gateway, and where its line began in the last audit.
#[derive(Debug, Default)]
pub struct Compared(HashMap<SaleId, (Instant, Seq)>);

impl Compared {
    /// Forgets all sales but these.
    pub fn keep(&mut self, lines: &[Arc<Line>]) {
        let kept: HashSet<SaleId> = lines.iter().map(|line| line.id).collect();
        self.0.retain(|id, _| kept.contains(id));
    }

    /// Where the line began, unless everything is to be compared again.
    fn front(&self, snapshot: &SaleSnapshot) -> Option<Seq> {
        let many = i64::from(snapshot.sale.stock).saturating_add(snapshot.counts.joined);
        let seconds = (many / COMPARED_EACH_SECOND).unsigned_abs();
        let rest = Duration::from_secs(seconds).min(COMPARED_REST);
        let known = self.0.get(&snapshot.id());
        known.filter(|(at, _)| at.elapsed() < rest).map(|(_, front)| *front)
    }
}

/// The auditor's look at a sale, as often as it likes: as [`repair`], but everything is compared only now and then. In
/// between, the units are counted as long as the counts agree, and the journal is read from the front of the line on,
/// so that an audit does not read the sale's history.
///
/// # Errors
/// Unavailable when a store did not answer; the next audit tries again.
pub async fn look(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    compared: &mut Compared,
) -> Result<Repairs, FlowError> {
    let snapshot = line.view().snapshot.clone();
    let (id, begun) = (line.id, Instant::now());
    let scope = match compared.front(&snapshot) {
        Some(front) if are_counted(gate, &snapshot.sale).await? => Scope::Counted(front),
        Some(_) | None => Scope::Everything,
    };
    let (done, front) = mend(gate, line, scope).await?;
    let at =
        compared.0.get(&id).filter(|_| scope != Scope::Everything).map_or(begun, |(at, _)| *at);
    compared.0.insert(id, (at, front));
    Ok(done)
}

/// Whether Redis has as many tokens as units are free, in a sale that goes on meanwhile. It reads no unit.
async fn are_counted(gate: &Gate, sale: &Sale) -> Result<bool, FlowError> {
    let before = gate.snapshot(sale.id).await?.stock.available();
    let Survey::Seen { n, tokens, in_flight, .. } =
        gate.live.survey(sale.id, sale.epoch, Known::default()).await?
    else {
        return Ok(false);
    };
    let recorded = gate.ledger.last_batch(sale.id).await?;
    let after = gate.snapshot(sale.id).await?.stock.available();
    // A batch is off the list before it is recorded.
    let popped = if n > recorded { i64::try_from(in_flight).unwrap_or(i64::MAX) } else { 0 };
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    Ok((before.min(after) - popped..=before.max(after)).contains(&tokens))
}

/// What an audit compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The line from a little before this number on. The units were counted, and the counts agree.
    Counted(Seq),
    Everything,
}

impl Scope {
    /// The number after which the journal is read.
    fn after(self) -> Seq {
        match self {
            Self::Counted(front) => Seq(front.0.saturating_sub(BEFORE_FRONT).max(0)),
            Self::Everything => Seq(0),
        }
    }
}

/// Mends what differs: the tokens of free units are offered, other tokens are not; who waits by the journal
/// is in line, and nobody else.
///
/// # Errors
/// Unavailable when a store did not answer; the next audit tries again.
pub async fn repair(gate: &Arc<Gate>, line: &Arc<Line>) -> Result<Repairs, FlowError> {
    Ok(mend(gate, line, Scope::Everything).await?.0)
}

/// What was mended, and where the line began.
async fn mend(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    scope: Scope,
) -> Result<(Repairs, Seq), FlowError> {
    line_mirror::reread(gate, line).await?;
    let snapshot = line.view().snapshot.clone();
    let sale = &snapshot.sale;
    if sale.state == SaleState::Closed {
        gate.live.forget(sale.id).await?;
        return Ok((Repairs::default(), Seq::default()));
    }
    if let Some(upto) = sale.sold_out_seq {
        rebuild::empty_line(gate, sale.id, sale.epoch, upto).await?;
    }
    let found = twice(gate, sale, scope).await?;
    point(Point::AuditRead).await?;
    if found.cut && !found.missing_waiters.is_empty() {
        rebuild::soon(gate, line, sale.epoch, Loss::Hollow);
        return Ok((Repairs::default(), Seq::default()));
    }
    if made(Mistake::NoAudit) {
        return Ok((Repairs::default(), Seq::default()));
    }
    let mut done = Repairs::default();
    let missing: Vec<i32> = found.missing_tokens.into_iter().collect();
    for page in missing.chunks(PAGE) {
        done.tokens_added += gate.live.free(sale.id, sale.epoch, page).await?;
    }
    let stale: Vec<i32> = found.stale_tokens.into_iter().collect();
    for page in stale.chunks(PAGE) {
        done.tokens_dropped += gate.live.drop_tokens(sale.id, sale.epoch, page).await?;
    }
    let waiters: Vec<Waiter> =
        found.missing_waiters.into_iter().map(|(ticket, seq)| Waiter { ticket, seq }).collect();
    for page in waiters.chunks(PAGE) {
        done.waiters_restored += gate.live.restore(sale.id, sale.epoch, page).await?;
    }
    let strays: Vec<(Ticket, Seq)> = found.stray_waiters.into_iter().collect();
    done.waiters_journaled += journal_strays(gate, sale, &strays).await?;
    for (ticket, seq) in strays {
        done.waiters_dropped += u64::from(drop_stray(gate, sale, ticket, seq).await?);
    }
    tell(sale.id, done);
    record(gate, sale.id, done).await?;
    Ok((done, found.front))
}

/// Every kind of repair with how often it was done; the audit has each one.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn repairs(gate: &Gate, sale: SaleId) -> Result<Vec<RepairLine>, FlowError> {
    let repaired = gate.ledger.repaired(sale).await?;
    let kinds = Repairs::default().parts();
    let lines = kinds.map(|(name, _)| {
        let known = repaired.iter().find(|known| known.name == name);
        RepairLine {
            name,
            times: known.map_or(0, |known| known.times),
            last_at: known.map(|known| known.last_at),
        }
    });
    Ok(lines.into())
}

/// Writes down what was mended, so that it outlives this gateway and every other one can tell it.
async fn record(gate: &Gate, sale: SaleId, done: Repairs) -> Result<(), FlowError> {
    let parts = done.parts().into_iter().filter(|(_, times)| *times > 0);
    let detail: serde_json::Map<String, Value> =
        parts.map(|(name, times)| (name.to_owned(), json!(times))).collect();
    if detail.is_empty() {
        return Ok(());
    }
    let mut tx = gate.ledger.begin_line().await?;
    tx.audit(sale, "ropeline", "repair", &Value::Object(detail)).await?;
    Ok(tx.commit().await?)
}

/// Writes down who is in line and has no row: a join that its gateway has not journaled yet, because it was
/// answered on its credential, or because its gateway stands still or is gone. Taken out of the line, it would come
/// back with the row, and everyone behind it would see the place rise. A ticket with a row and a number that
/// Redis never handed out are left to `drop_stray`. Says how many were written.
async fn journal_strays(
    gate: &Gate,
    sale: &Sale,
    strays: &[(Ticket, Seq)],
) -> Result<u64, FlowError> {
    if strays.is_empty() || made(Mistake::DropUnjournaled) {
        return Ok(0);
    }
    let Survey::Seen { counter, .. } =
        gate.live.survey(sale.id, sale.epoch, Known::default()).await?
    else {
        return Ok(0);
    };
    let mut handed_out: Vec<(Ticket, Seq)> = strays
        .iter()
        .filter(|(_, seq)| seq.epoch() == sale.epoch && (1..=counter).contains(&seq.counter()))
        .copied()
        .collect();
    handed_out.sort_unstable_by_key(|(_, seq)| *seq);
    let mut written = 0;
    for page in handed_out.chunks(PAGE) {
        let mut tx = gate.ledger.share_line(sale.id).await?;
        // Nothing is written when the sale is over or the epoch rose: these joins are refused, or placed anew.
        written += tx.journal(page, Writing::Again).await?.written;
        tx.commit().await?;
    }
    Ok(written)
}

/// A ticket in line that the journal does not have waiting: it left, was admitted, has another number, or was
/// refused; or somebody wrote it into Redis by hand.
async fn drop_stray(gate: &Gate, sale: &Sale, ticket: Ticket, seq: Seq) -> Result<bool, FlowError> {
    match gate.ledger.ticket(sale.id, ticket).await? {
        Some(facts)
            if facts.fate == Fate::Waiting && facts.seq == seq && !sale.was_told_sold_out(seq) =>
        {
            Ok(false)
        }
        Some(_) | None => Ok(gate.live.leave(sale.id, sale.epoch, ticket).await?),
    }
}

fn tell(sale: SaleId, done: Repairs) {
    for (repair, times) in done.parts() {
        counter!(telemetry::REPAIRS, "repair" => repair).increment(times);
    }
    if done != Repairs::default() {
        tracing::warn!(sale.id = %sale, ?done, "the auditor mended what differed");
    }
}

/// What differs now and still differs a moment later.
async fn twice(gate: &Gate, sale: &Sale, scope: Scope) -> Result<Difference, FlowError> {
    let mut found = difference(gate, sale, scope).await?;
    if found.missing_tokens.is_empty()
        && found.stale_tokens.is_empty()
        && found.missing_waiters.is_empty()
        && found.stray_waiters.is_empty()
    {
        return Ok(found);
    }
    sleep(LOOK_AGAIN_AFTER).await;
    let again = difference(gate, sale, scope).await?;
    found.free_units = again.free_units;
    found.waiting = again.waiting;
    found.cut &= again.cut;
    found.missing_tokens.retain(|unit| again.missing_tokens.contains(unit));
    found.stale_tokens.retain(|unit| again.stale_tokens.contains(unit));
    found.missing_waiters.retain(|ticket, _| again.missing_waiters.contains_key(ticket));
    found.stray_waiters.retain(|ticket, _| again.stray_waiters.contains_key(ticket));
    Ok(found)
}

async fn difference(gate: &Gate, sale: &Sale, scope: Scope) -> Result<Difference, FlowError> {
    let mut found = Difference::default();
    if scope == Scope::Everything {
        compare_units(gate, sale, &mut found).await?;
    }
    compare_lines(gate, sale, scope, &mut found).await?;
    Ok(found)
}

/// Holds the tokens of Redis against the free units of Postgres.
async fn compare_units(gate: &Gate, sale: &Sale, found: &mut Difference) -> Result<(), FlowError> {
    let (listed, in_flight) = gate.live.all_tokens(sale.id, sale.epoch).await?;
    let free = gate.ledger.audits().all_free(sale.id).await?;
    found.free_units = i64::try_from(free.len()).unwrap_or(i64::MAX);
    let offered = UnitSet::of(listed.iter().chain(&in_flight).copied());
    found.missing_tokens =
        free.iter().copied().filter(|unit| !offered.has(*unit)).take(MOST_NAMED).collect();
    let free = UnitSet::of(free);
    found.stale_tokens =
        listed.into_iter().filter(|unit| !free.has(*unit)).take(MOST_NAMED).collect();
    Ok(())
}

/// Walks the line and the journal side by side, in order of number.
async fn compare_lines(
    gate: &Gate,
    sale: &Sale,
    scope: Scope,
    found: &mut Difference,
) -> Result<(), FlowError> {
    let ledger = gate.ledger.audits();
    found.front = ledger.last_seq(sale.id).await?;
    let (mut journal_after, mut line_after) = (scope.after(), Seq(0));
    let (mut journal_done, mut line_done) = (false, false);
    // What one side has and the other has not shown yet.
    let (mut only_journal, mut only_line) = (HashMap::new(), HashMap::new());
    while !(journal_done && line_done) {
        if only_journal.len() + only_line.len() > MOST_APART {
            found.cut = true;
            break;
        }
        // Both at once: each is ahead of the other by no more than they differ.
        let journal = async {
            if journal_done {
                return Ok(Vec::new());
            }
            ledger.waiting_page(sale.id, journal_after, LOAD_PAGE as i64).await
        };
        let line = async {
            if line_done {
                return Ok(Default::default());
            }
            gate.live.page(sale.id, sale.epoch, line_after).await
        };
        let (journal, line) = tokio::join!(journal, line);
        let (page, (queued, in_flight)) = (journal?, line?);
        journal_done = page.len() < LOAD_PAGE;
        found.front = page.first().map_or(found.front, |(_, seq)| found.front.min(*seq));
        journal_after = page.last().map_or(journal_after, |(_, seq)| *seq);
        found.waiting += i64::try_from(page.len()).unwrap_or(0);
        for (ticket, seq) in page {
            if only_line.remove(&ticket).is_none() {
                only_journal.insert(ticket, seq);
            }
        }
        line_done = queued.is_empty();
        line_after = queued.last().map_or(line_after, |waiter| waiter.seq);
        for waiter in queued {
            if only_journal.remove(&waiter.ticket).is_none() {
                only_line.insert(waiter.ticket, waiter.seq);
            }
        }
        for waiter in in_flight {
            only_journal.remove(&waiter.ticket);
            only_line.remove(&waiter.ticket);
        }
    }
    found.missing_waiters = only_journal.into_iter().take(MOST_NAMED).collect();
    found.stray_waiters = only_line.into_iter().take(MOST_NAMED).collect();
    Ok(())
}
