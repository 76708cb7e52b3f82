//! Joining: a place at the end of the line, answered once the journal has it.
//!
//! Joins are gathered naturally: what arrived while the last group was under way goes as the next one,
//! with one script call and one journal commit for all. When Postgres is slow the signed credential is
//! the receipt, and the journal is written as soon as it can be.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::engine::line::arrivals::{Arrival, Place, Refused};
use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::{Line, Seen};
use crate::engine::line::loss::Loss;
use crate::engine::line::returning;
use crate::engine::repair::rebuild;
use crate::engine::{FlowError, Gate, Refusal};
use crate::faults::{Point, point};
use crate::ledger::{Fate, Journaled, LedgerError, Writing};
use crate::model::{SaleId, SaleState, Seq, Status, Ticket};
use crate::redis::{LiveError, MOST_TICKETS, Waiter};
use crate::tasks::{Task, Work};
use crate::telemetry;

/// Groups of one sale under way at a time: while one is journaled the next is numbered, so that neither store
/// waits for the other.
const GROUPS_AT_ONCE: usize = 2;
/// Postgres has this long to journal a group before its joins are answered on their credential alone.
const JOURNAL_WITHIN: Duration = Duration::from_millis(250);
/// Between two attempts of that, when a connection breaks.
const JOURNAL_RETRY: Duration = Duration::from_millis(20);
/// How long a join waits for its answer in all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Joins answered but not yet journaled, over all sales of this gateway; beyond, joins are refused.
const MOST_DEFERRED: usize = 200_000;
/// Between two attempts to write a deferred group.
const DEFERRED_RETRY: Duration = Duration::from_millis(500);
/// Attempts to place a group while Redis is being loaded or rebuilt, and the pause before the second one; each
/// further pause is longer by as much. A new sale is loaded in a fraction of it.
const PLACE_ATTEMPTS: u32 = 5;
const PLACE_PAUSE: Duration = Duration::from_millis(50);

/// Why a group is not placed while its line is rebuilt; Redis answers.
const REBUILT: &str = "the line is being rebuilt";

/// Gives `ticket` a place at the end of the line, or finds the one it has.
///
/// # Errors
/// Refused with `SaleClosed`, `SoldOut` or `LineFull`; unavailable when Redis does not answer or too many
/// joins wait.
pub async fn join(gate: &Arc<Gate>, line: &Arc<Line>, ticket: Ticket) -> Result<Place, FlowError> {
    let started = Instant::now();
    if takes_joins(line).is_err() {
        // Units may have been added elsewhere a moment ago.
        line_mirror::look_again(gate, line).await?;
        takes_joins(line)?;
    }
    if gate.draining.is_cancelled() {
        return Err(FlowError::Unavailable("gateway", None));
    }
    if gate.deferred.load(Ordering::Relaxed) > MOST_DEFERRED {
        return Err(FlowError::Unavailable("postgres", None));
    }
    let (answer, place) = oneshot::channel();
    if let Some(arrivals) = line.arrivals.begin() {
        keep_gathering(gate, line, arrivals);
    }
    let queued = line.arrivals.push(Arrival { ticket, answer });
    queued.map_err(|_| FlowError::Unavailable("gateway", None))?;
    let place = match timeout(ANSWER_WITHIN, place).await {
        Ok(Ok(Ok(place))) => Ok(place),
        Ok(Ok(Err(Refused::No(refusal)))) => Err(FlowError::Refused(refusal)),
        Ok(Ok(Err(Refused::Away(what)))) => Err(FlowError::Unavailable(what, None)),
        Ok(Ok(Err(Refused::Busy(why)))) => Err(FlowError::Busy(why)),
        Ok(Err(_)) | Err(_) => Err(FlowError::Unavailable("gateway", None)),
    };
    // Each with its label as a constant: a key is then made once and not for each join.
    match &place {
        Ok(Place { known: true, .. }) => counter!(telemetry::JOINS, "outcome" => "repeated"),
        Ok(Place { known: false, .. }) => counter!(telemetry::JOINS, "outcome" => "joined"),
        Err(_) => counter!(telemetry::JOINS, "outcome" => "refused"),
    }
    .increment(1);
    histogram!(telemetry::JOIN_SECONDS).record(started.elapsed());
    place
}

/// Whether the sale takes joins, as far as this gateway knows; the journal asks Postgres again.
pub fn takes_joins(line: &Line) -> Result<(), Refusal> {
    match line.view().snapshot.sale.status() {
        Status::Closed => Err(Refusal::SaleClosed),
        Status::SoldOut => Err(Refusal::SoldOut),
        Status::Scheduled | Status::Open | Status::Paused => Ok(()),
    }
}

/// Starts the task that takes one sale's arrivals.
fn keep_gathering(gate: &Arc<Gate>, line: &Arc<Line>, arrivals: mpsc::Receiver<Arrival>) {
    let (arrivals, line) = (Mutex::new(arrivals), Arc::downgrade(line));
    gate.tasks.keep(Task::Joins, Gathering { gate: gate.clone(), line, arrivals });
}

/// One sale's arrivals. The task must not keep its own sender alive: it ends when the sale is let go.
struct Gathering {
    gate: Arc<Gate>,
    line: Weak<Line>,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
}

impl Work for Gathering {
    async fn run(&self) {
        gather(&self.gate, &self.line, &mut *self.arrivals.lock().await).await;
    }

    /// Refuses at once. A retry with the same key finds the place if there is one.
    async fn stand_in(&self) {
        let mut arrivals = self.arrivals.lock().await;
        while let Some(arrival) = arrivals.recv().await {
            refuse(vec![arrival], &Refused::Away("gateway"));
        }
    }

    fn is_over(&self) -> bool {
        self.line.strong_count() == 0
    }
}

/// Takes one sale's arrivals in groups, for as long as anyone may send one.
async fn gather(gate: &Arc<Gate>, line: &Weak<Line>, arrivals: &mut mpsc::Receiver<Arrival>) {
    let turns = Arc::new(Semaphore::new(GROUPS_AT_ONCE));
    let mut group = Vec::new();
    while let Ok(turn) = turns.clone().acquire_owned().await {
        if arrivals.recv_many(&mut group, MOST_TICKETS).await == 0 {
            return;
        }
        let Some(line) = line.upgrade() else { return };
        histogram!(telemetry::JOIN_GROUP).record(group.len() as f64);
        let (gate, group) = (gate.clone(), std::mem::take(&mut group));
        let (numbered, is_numbered) = oneshot::channel();
        tokio::spawn(async move {
            place(&gate, &line, group, numbered).await;
            drop(turn);
        });
        // In the order of arrival: whoever came later has the higher number.
        let _ = is_numbered.await;
    }
}

/// Gives a group its numbers and tells that it has them, journals them and answers each.
async fn place(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    group: Vec<Arrival>,
    is_numbered: oneshot::Sender<()>,
) {
    let mut is_numbered = Some(is_numbered);
    let tickets: Vec<Ticket> = group.iter().map(|arrival| arrival.ticket).collect();
    for attempt in 1..=PLACE_ATTEMPTS {
        sleep(PLACE_PAUSE * (attempt - 1)).await;
        let got = match numbers(gate, line, &tickets).await {
            Ok(Some(got)) => got,
            Ok(None) => {
                rebuild(gate, line, Loss::OlderCounter).await;
                continue;
            }
            Err(LiveError::Fenced) if attempt < PLACE_ATTEMPTS => {
                // Redis may have forgotten the sale because it was closed.
                if let Err(refusal) = takes_joins(line) {
                    return refuse(group, &Refused::No(refusal));
                }
                continue;
            }
            Err(LiveError::Fenced) => break,
            Err(error) => {
                tracing::warn!(sale.id = %line.id, error = format!("{error:#}"), "joins not placed");
                // Redis may have placed them all the same. A retry with its key finds the place, and the
                // auditor takes out whoever is not in the journal.
                return refuse(group, &Refused::Away("redis"));
            }
        };
        drop(is_numbered.take());
        let Numbered { seqs, are_new } = got;
        let placed: Vec<(Ticket, Seq)> =
            tickets.iter().zip(&seqs).filter_map(|(t, seq)| seq.map(|seq| (*t, seq))).collect();
        let writing = if are_new && attempt == 1 { Writing::New } else { Writing::Again };
        match journal_in_time(gate, line, placed, writing).await {
            Ok(Some(journaled)) => {
                log_refused(line, &journaled);
                answer(gate, line, group, &seqs, journaled).await;
                return first_in_line(gate, line);
            }
            Ok(None) => {
                return tell(group, &seqs, |_, seq| Ok(Place { seq, known: false }));
            }
            Err(Anew::Doubled) => rebuild(gate, line, Loss::DoubledNumber).await,
            Err(Anew::Crossed) => {
                if let Err(error) = line_mirror::reread(gate, line).await {
                    tracing::warn!(sale.id = %line.id, error = format!("{error:#}"), "epoch not read");
                }
            }
        }
    }
    refuse(group, &Refused::Busy(REBUILT));
}

/// Whoever joins an empty line is admitted as soon as it is known, and not with the next look by time.
fn first_in_line(gate: &Gate, line: &Line) {
    let view = line.view();
    if view.waiting() == 0 && view.snapshot.sale.state == SaleState::Open {
        gate.nudge();
    }
}

async fn rebuild(gate: &Arc<Gate>, line: &Arc<Line>, loss: Loss) {
    let epoch = line.view().snapshot.sale.epoch;
    if let Err(error) = rebuild::recover(gate, line, epoch, loss).await {
        error.log(line.id, "no rebuild");
    }
}

/// The numbers of a group, none where the line was full.
struct Numbered {
    seqs: Vec<Option<Seq>>,
    /// Each was handed out with this call: Redis did not have their tickets in line.
    are_new: bool,
}

/// The numbers of a group; nothing when Redis went back in time: what it gives may be somebody's already,
/// and with a slow Postgres nobody would notice before it is answered.
async fn numbers(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    tickets: &[Ticket],
) -> Result<Option<Numbered>, LiveError> {
    let view = line.view();
    let sale = &view.snapshot.sale;
    if line.went_back.load(Ordering::Relaxed) == sale.epoch {
        return Ok(None);
    }
    let known = line.highest.load(Ordering::Relaxed);
    let joined = gate.live.join(line.id, sale.epoch, sale.settings.max_waiting, tickets).await;
    if matches!(joined, Err(LiveError::Fenced))
        && let Err(error) = refresh_epoch(gate, line).await
    {
        error.log(line.id, "epoch not read");
    }
    let joined = joined?;
    point(Point::JoinNumbered).await?;
    let before = Seq::new(sale.epoch, joined.counter);
    if Seq(known).epoch() == sale.epoch && before.0 < known {
        line.went_back.store(sale.epoch, Ordering::Relaxed);
        return Ok(None);
    }
    let highest = joined.seqs.iter().flatten().map(|seq| seq.0).max().unwrap_or(0);
    line.highest.fetch_max(highest, Ordering::Relaxed);
    let are_new = joined.seqs.iter().flatten().all(|seq| *seq > before);
    Ok(Some(Numbered { seqs: joined.seqs, are_new }))
}

/// Another epoch rules than this gateway thought: look again, and rebuild if Redis lost the sale.
async fn refresh_epoch(gate: &Arc<Gate>, line: &Arc<Line>) -> Result<(), FlowError> {
    line_mirror::reread(gate, line).await?;
    match line_mirror::survey(gate, line).await? {
        Seen::Well => Ok(()),
        Seen::Lost { epoch, loss } => rebuild::recover(gate, line, epoch, loss).await,
        Seen::PostgresBehind(why) => rebuild::postgres_is_behind(gate, line.id, why).await,
    }
}

/// Why a group is not journaled with the numbers it got; nobody was answered, and all are placed anew.
enum Anew {
    /// Redis handed out a number twice: it went back in time.
    Doubled,
    /// A rebuild began between the numbers and the journal, and may not have read them: whoever stands behind
    /// would be let in first.
    Crossed,
}

/// Journals a group; nothing when Postgres took too long, and then it is written behind the scenes.
async fn journal_in_time(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    placed: Vec<(Ticket, Seq)>,
    writing: Writing,
) -> Result<Option<Journaled>, Anew> {
    let (id, shared) = (line.id, Arc::new(placed));
    let mut at_work = tokio::spawn(journal_again(gate.clone(), id, shared.clone(), writing));
    match timeout(JOURNAL_WITHIN, &mut at_work).await {
        Ok(Ok(Ok(journaled))) if !journaled.doubled.is_empty() => return Err(Anew::Doubled),
        Ok(Ok(Ok(journaled))) if journaled.crossed => return Err(Anew::Crossed),
        Ok(Ok(Ok(journaled))) => return Ok(Some(journaled)),
        Ok(Ok(Err(error))) => {
            tracing::warn!(sale.id = %id, error = format!("{error:#}"), "joins not journaled yet");
        }
        Ok(Err(_)) | Err(_) => tracing::warn!(sale.id = %id, "postgres is slow to journal joins"),
    }
    at_work.abort(); // It is written behind from here on.
    gate.deferred.fetch_add(shared.len(), Ordering::Relaxed);
    counter!(telemetry::JOINS_DEFERRED).increment(shared.len() as u64);
    let (gate, line) = (gate.clone(), line.clone());
    tokio::spawn(async move {
        write_behind(&gate, &line, &shared).await;
        gate.deferred.fetch_sub(shared.len(), Ordering::Relaxed);
    });
    Ok(None)
}

/// Journals a group, again and again while a connection breaks: the next one may hold, and the last one may
/// have written it. A group that was not new after all is looked through row by row.
async fn journal_again(
    gate: Arc<Gate>,
    sale: SaleId,
    joins: Arc<Vec<(Ticket, Seq)>>,
    mut writing: Writing,
) -> Result<Journaled, LedgerError> {
    loop {
        match journal(gate.clone(), sale, joins.clone(), writing).await {
            Err(error) if error.constraint().is_none() => sleep(JOURNAL_RETRY).await,
            Err(_) if writing == Writing::New => {}
            done => return done,
        }
        writing = Writing::Again;
    }
}

async fn journal(
    gate: Arc<Gate>,
    sale: SaleId,
    joins: Arc<Vec<(Ticket, Seq)>>,
    writing: Writing,
) -> Result<Journaled, LedgerError> {
    let mut tx = gate.ledger.share_line(sale).await?;
    let journaled = tx.journal(&joins, writing).await?;
    point(Point::JoinInTx).await?;
    let is_answered = writing == Writing::Answered;
    if is_answered || (journaled.doubled.is_empty() && !journaled.crossed) {
        tx.commit().await?;
    } else {
        tx.rollback().await?; // They are placed anew, all of them.
    }
    point(Point::JoinCommitted).await?;
    Ok(journaled)
}

/// Writes joins that were answered already, however long it takes. The credential is the receipt: should
/// this gateway end first, the ticket is journaled when its shopper comes back.
async fn write_behind(gate: &Arc<Gate>, line: &Arc<Line>, joins: &Arc<Vec<(Ticket, Seq)>>) {
    loop {
        match journal(gate.clone(), line.id, joins.clone(), Writing::Answered).await {
            Ok(journaled) => {
                settle_strays(gate, line, joins, &journaled).await;
                log_refused(line, &journaled);
                if !journaled.doubled.is_empty() {
                    let tickets = journaled.doubled.len();
                    tracing::error!(sale.id = %line.id, tickets, "places were lost with redis");
                    // Numbers of an older epoch were lost with it, and it was rebuilt since.
                    let epoch = joins.first().map_or(0, |(_, seq)| seq.epoch());
                    rebuild::soon(gate, line, epoch, Loss::DoubledNumber);
                    place_anew(gate, line, &journaled.doubled).await;
                }
                return;
            }
            Err(error) if error.constraint().is_some() => {
                tracing::error!(sale.id = %line.id, error = format!("{error:#}"), "joins refused");
                return;
            }
            Err(_) => sleep(DEFERRED_RETRY).await,
        }
    }
}

fn log_refused(line: &Line, journaled: &Journaled) {
    let tickets = journaled.refused.len();
    if tickets > 0 {
        tracing::error!(sale.id = %line.id, tickets, "a constraint refused tickets of the journal");
    }
}

/// Gives tickets that were answered with somebody else's numbers each one of its own, at the end of the line,
/// for as long as the sale takes joins. Should this gateway end first, their shoppers' next look does it.
async fn place_anew(gate: &Arc<Gate>, line: &Arc<Line>, tickets: &[Ticket]) {
    let anew = tickets.iter().map(|ticket| async move {
        while let Err(FlowError::Unavailable(..) | FlowError::Busy(_)) =
            join(gate, line, *ticket).await
            && !gate.draining.is_cancelled()
        {
            sleep(DEFERRED_RETRY).await;
        }
    });
    futures_util::future::join_all(anew).await;
}

/// Answers a journaled group, after Redis was told of whoever may not stand where it put them.
async fn answer(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    group: Vec<Arrival>,
    seqs: &[Option<Seq>],
    journaled: Journaled,
) {
    let over = match journaled.state {
        SaleState::Closed => Some(Refusal::SaleClosed),
        SaleState::Scheduled | SaleState::Open | SaleState::Paused if journaled.sold_out => {
            Some(Refusal::SoldOut)
        }
        SaleState::Scheduled | SaleState::Open | SaleState::Paused => None,
    };
    if let Some(refusal) = over {
        let tickets: Vec<Ticket> = group.iter().map(|arrival| arrival.ticket).collect();
        refuse(group, &Refused::No(refusal));
        return drop_from_line(gate, line, journaled.epoch, &tickets).await;
    }
    let placed: Vec<(Ticket, Seq)> = group
        .iter()
        .zip(seqs)
        .filter_map(|(arrival, seq)| seq.map(|seq| (arrival.ticket, seq)))
        .collect();
    settle_strays(gate, line, &placed, &journaled).await;
    tell(group, seqs, |ticket, seq| {
        if journaled.refused.contains(&ticket) {
            return Err(Refused::No(Refusal::TicketRefused));
        }
        match journaled.known.iter().find(|(known, _, _)| *known == ticket) {
            None => Ok(Place { seq, known: false }),
            // Its row tells what became of it, whatever its number.
            Some((_, row, _)) if !row.is_in_line() => Ok(Place { seq, known: true }),
            Some((_, row, _)) => Ok(Place { seq: *row, known: true }),
        }
    });
}

/// Corrects Redis where the journal knows better: tickets that are over leave the line, tickets with an
/// older number get it back, and a group that crossed a rebuild is put into the rebuilt line.
async fn settle_strays(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    placed: &[(Ticket, Seq)],
    journaled: &Journaled,
) {
    let epoch = journaled.epoch;
    let mut back: Vec<Waiter> = Vec::new();
    let known = journaled.known.iter().map(|(ticket, _, _)| *ticket);
    let strays: Vec<Ticket> = known.chain(journaled.refused.iter().copied()).collect();
    drop_from_line(gate, line, epoch, &strays).await;
    for (ticket, seq, fate) in &journaled.known {
        // One that was told that the sale is sold out has no number to go back to.
        if *fate == Fate::Waiting && seq.is_in_line() {
            back.push(Waiter { ticket: *ticket, seq: *seq });
        }
    }
    if placed.iter().any(|(_, seq)| seq.epoch() != epoch) {
        let unknown = |ticket: &Ticket| !strays.contains(ticket);
        back.extend(
            placed
                .iter()
                .filter(|(ticket, _)| unknown(ticket))
                .map(|(ticket, seq)| Waiter { ticket: *ticket, seq: *seq }),
        );
    }
    if returning::restore(gate, line, epoch, &back).await.is_err() {
        returning::restore_soon(gate, line, back);
    }
}

/// Takes tickets out of line, until Redis does not answer; the auditor finds the rest.
async fn drop_from_line(gate: &Gate, line: &Line, epoch: i32, tickets: &[Ticket]) {
    for ticket in tickets {
        if let Err(error) = gate.live.leave(line.id, epoch, *ticket).await {
            let error = format!("{error:#}");
            return tracing::warn!(sale.id = %line.id, error, "tickets left in line");
        }
    }
}

fn tell(
    group: Vec<Arrival>,
    seqs: &[Option<Seq>],
    place: impl Fn(Ticket, Seq) -> Result<Place, Refused>,
) {
    for (arrival, seq) in group.into_iter().zip(seqs) {
        let told = match seq {
            Some(seq) => place(arrival.ticket, *seq),
            None => Err(Refused::No(Refusal::LineFull)),
        };
        // Whoever hung up keeps the place; a retry with the same key finds it.
        let _ = arrival.answer.send(told);
    }
}

fn refuse(group: Vec<Arrival>, why: &Refused) {
    for arrival in group {
        let _ = arrival.answer.send(Err(why.clone()));
    }
}
