//! One running sale on this gateway: what Postgres says of it, a mirror of its line, and one view of both
//! that pages and sockets are answered from.
//!
//! `loops::tick` makes two reads for each sale and tick, however many watch. A view is whole and never changes; a new one takes
//! its place.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout};

use crate::engine::line::arrivals::Arrivals;
use crate::engine::line::line_view;
use crate::engine::line::line_view::View;
use crate::engine::line::loss::Loss;
use crate::engine::line::returning::Returning;
use crate::engine::{FlowError, Gate};
use crate::ledger::SaleSnapshot;
use crate::model::line::pace::{Flowing, Pace, Reason};
use crate::model::{Claim, Places, SaleId, SaleState, Seq};
use crate::redis::{Change, FEED_PAGE, Known, LiveError, Survey};
use crate::telemetry;

/// Rounds in one survey before it gives up until the next tick: a fresh mirror takes two.
const MOST_ROUNDS: usize = 50;
/// More joins than this between two surveys are not added one by one: the line is read anew, which also
/// stands a counter that somebody set by hand.
const MOST_JOINS: u64 = 1 << 20;
/// What is missing where Redis has a sale in the layout of a later version: this gateway cannot serve it.
pub(crate) const OTHER_LAYOUT: &str = "the line in this version's layout";
/// Below every epoch: a sale that was never loaded has epoch 0.
const NO_EPOCH: i32 = -1;
/// How far back the rates look that an operator sees.
const RATES_OVER: Duration = Duration::from_secs(10);
/// One sample of the pace in so long.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What a gateway keeps of one line between surveys.
#[derive(Debug, Default)]
struct Mirror {
    places: Arc<Places>,
    epoch: i32,
    counter: u64,
    /// The newest feed entry that `places` has; empty when it must be read anew.
    since: String,
    /// The version of the last survey in this epoch.
    seen: u64,
    /// The most changes in Postgres that Redis was told of, and when this gateway heard so.
    told: Option<(Instant, u64)>,
    samples: VecDeque<Sample>,
    /// By which waits are told. It outlives the epoch: a rebuild is one of the reasons that it knows.
    pace: Pace,
    /// Since when nobody was admitted though somebody could be, and how many were by then.
    still: Option<(Instant, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    joined: u64,
    admitted: u64,
}

/// One running sale on this gateway.
pub struct Line {
    pub id: SaleId,
    view: watch::Sender<Arc<View>>,
    mirror: Mutex<Mirror>,
    pub(crate) arrivals: Arrivals,
    /// Tickets that Redis did not take back yet.
    pub(crate) returning: Returning,
    /// This gateway is rebuilding it, or rests after a rebuild that failed.
    pub(crate) rebuilding: AtomicBool,
    /// The highest number of all epochs that Redis was seen to have handed out.
    pub(crate) highest: AtomicI64,
    /// The epoch in which Redis was seen to hand out lower ones again. Until it is rebuilt its numbers may be
    /// somebody's already.
    pub(crate) went_back: AtomicI32,
    /// Taken by whoever reads the sale again for everyone who waits for it.
    looking: Mutex<()>,
    /// A survey of it is under way.
    pub(crate) surveying: AtomicBool,
    /// Whether Redis answered the last survey.
    pub(crate) answered: AtomicBool,
    /// Since when this gateway follows it.
    followed: Instant,
}

impl Line {
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Tells of each new view; a slow reader gets the newest only.
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }
}

/// Shows one sale's newest snapshot, and begins to follow the sale if it is new here.
pub(crate) fn follow(gate: &Arc<Gate>, id: SaleId, snapshot: SaleSnapshot) -> Arc<Line> {
    let ended = Arc::new(snapshot.ended.iter().copied().collect());
    let snapshot = Arc::new(snapshot);
    if let Some(line) = gate.line_of(id) {
        line.view.send_if_modified(|view| {
            // A slow tick must not undo what was read after a change.
            if snapshot.asked < view.snapshot.asked {
                return false;
            }
            // What is shown may change with it, and each change has a version of its own. The places did not
            // change, so it must not look newer than what another gateway saw of the line since.
            let version = if view.mirrored {
                view.next_version()
            } else {
                line_view::version_at(gate.clock.earlier(snapshot.read_at)).max(view.version + 1)
            };
            *view = Arc::new(View { snapshot, ended, version, ..View::clone(view) });
            true
        });
        return line;
    }
    let (view, _) = watch::channel(Arc::new(View::unmirrored(snapshot, ended, &gate.clock)));
    let line = Arc::new(Line {
        id,
        view,
        mirror: Mutex::default(),
        arrivals: Arrivals::default(),
        returning: Returning::default(),
        rebuilding: AtomicBool::new(false),
        highest: AtomicI64::new(0),
        went_back: AtomicI32::new(NO_EPOCH),
        looking: Mutex::default(),
        surveying: AtomicBool::new(false),
        answered: AtomicBool::new(gate.health.live.load(Ordering::Relaxed)),
        followed: Instant::now(),
    });
    let mut lines = gate.lines.write().unwrap_or_else(PoisonError::into_inner);
    // Somebody else may have begun to follow it just now; then theirs counts and this one is dropped.
    lines.entry(id).or_insert_with(|| line.clone()).clone()
}

/// What a survey found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The mirror is up to date, or there is nothing to see any more.
    Well,
    /// Redis lost the sale since this epoch; it wants to be rebuilt.
    Lost { epoch: i32, loss: Loss },
    /// Postgres has less than Redis was told of, and why that shows; the sale must stop.
    PostgresBehind(&'static str),
}

/// Brings one line's mirror up to date and shows it.
///
/// # Errors
/// Unavailable when a store did not answer, and busy when the line changed under the read.
pub async fn survey(gate: &Arc<Gate>, line: &Arc<Line>) -> Result<Seen, FlowError> {
    let mut mirror = line.mirror.lock().await;
    for _ in 0..MOST_ROUNDS {
        let snapshot = line.view().snapshot.clone();
        if snapshot.sale.state == SaleState::Closed {
            return Ok(Seen::Well); // Nobody waits any more, and Redis has forgotten it.
        }
        let epoch = snapshot.sale.epoch;
        if mirror.epoch != epoch {
            let pace = std::mem::take(&mut mirror.pace);
            *mirror = Mirror { epoch, pace, ..Mirror::default() };
        }
        if went_back(&mirror, &snapshot) {
            return Ok(Seen::PostgresBehind("redis was told of later changes"));
        }
        let ledger = snapshot.changes();
        let known = Known { since: &mirror.since, seen: mirror.seen, ledger };
        match gate.live.survey(line.id, epoch, known).await? {
            Survey::Missing => {
                return Ok(Seen::Lost { epoch, loss: Loss::Missing });
            }
            Survey::Lost => {
                // Until it is rebuilt, the numbers that it gives may be somebody's already.
                line.went_back.store(epoch, Ordering::Relaxed);
                return Ok(Seen::Lost { epoch, loss: Loss::WentBack });
            }
            Survey::OtherEpoch(rules) if rules > epoch => {
                // This gateway slept through a rebuild; or Postgres went back in time.
                if reread(gate, line).await? < rules {
                    return Ok(Seen::PostgresBehind("redis has a later epoch"));
                }
            }
            Survey::OtherEpoch(_) => {
                return Ok(Seen::Lost { epoch, loss: Loss::OlderEpoch });
            }
            // A later version serves this sale; the self-check tells.
            Survey::OtherLayout => return Err(FlowError::Unavailable(OTHER_LAYOUT, None)),
            Survey::Seen { version, last, counter, .. }
                if mirror.since.is_empty()
                    || counter.saturating_sub(mirror.counter) > MOST_JOINS =>
            {
                // Whoever joins while the pages are read is above this counter, and is added with the
                // next survey; whoever leaves meanwhile is in the feed after `last`.
                mirror.places = Arc::new(read_anew(gate, line.id, epoch).await?);
                mirror.counter = counter;
                mirror.since = last;
                mirror.seen = version;
            }
            Survey::Seen { version, counter, waiting, tokens, last, changes, ledger, .. } => {
                mirror.seen = version;
                line.highest.fetch_max(Seq::new(epoch, counter).0, Ordering::Relaxed);
                mirror.told = Some((Instant::now(), ledger));
                let behind = changes.len() == FEED_PAGE;
                apply(&mut mirror, counter, &changes);
                mirror.since = last;
                if behind {
                    continue;
                }
                if mirror.places.waiting() == waiting {
                    show(line, &mut mirror, version, tokens);
                    return Ok(Seen::Well);
                }
                counter!(telemetry::MIRROR_RESETS).increment(1);
                mirror.since.clear();
            }
        }
    }
    Err(FlowError::Busy("the line changed faster than it could be read"))
}

/// Whether Postgres has less than Redis was told of before it was asked: it was restored to an earlier
/// state. Once the sale is stopped for that, a person decides.
fn went_back(mirror: &Mirror, snapshot: &SaleSnapshot) -> bool {
    let has_less = |(heard, ledger)| snapshot.asked > heard && snapshot.changes() < ledger;
    snapshot.sale.fault.is_none() && mirror.told.is_some_and(has_less)
}

/// How old a snapshot may be before a refusal is based on it.
const REFUSE_BY: Duration = Duration::from_millis(50);

/// Reads one sale again, unless that was done just now; one reader at a time.
pub(crate) async fn look_again(gate: &Arc<Gate>, line: &Line) -> Result<(), FlowError> {
    let _turn = line.looking.lock().await;
    if line.view().snapshot.asked.elapsed() > REFUSE_BY {
        reread(gate, line).await?;
    }
    Ok(())
}

/// How long a look-up waits for the line to be read, before the journal tells the place.
const SEE_WITHIN: Duration = Duration::from_millis(300);

/// A view that can tell the place of this number, after the line was read for it; nothing while Redis is away or
/// is being rebuilt. One reader at a time, for everyone who asks.
pub(crate) async fn seen_by_now(gate: &Arc<Gate>, claim: Claim) -> Option<Arc<View>> {
    let line = gate.line_of(claim.sale)?;
    if !gate.health.live.load(Ordering::Relaxed) {
        return None;
    }
    let look = async {
        let _turn = line.looking.lock().await;
        if !line.view().knows(claim.seq) {
            survey(gate, &line).await?;
        }
        Ok::<(), FlowError>(())
    };
    let looked = timeout(SEE_WITHIN, look).await;
    matches!(looked, Ok(Ok(()))).then(|| line.view()).filter(|view| view.knows(claim.seq))
}

/// The line of a sale that runs, which this gateway may not have heard of yet; none of one that is closed.
pub async fn find(gate: &Arc<Gate>, reference: &str) -> Result<Option<Arc<Line>>, FlowError> {
    if let Some(line) = gate.line(reference) {
        return Ok(Some(line));
    }
    let known = gate.past(reference).await?;
    if known.sale.state == SaleState::Closed {
        return Ok(None);
    }
    let snapshot = gate.snapshot(known.id()).await?;
    if snapshot.sale.state == SaleState::Closed {
        return Ok(None);
    }
    let line = follow(gate, snapshot.id(), snapshot);
    survey(gate, &line).await?;
    Ok(Some(line))
}

/// The view of a sale that is over and that no gateway follows any more.
pub async fn past_view(gate: &Gate, sale: SaleId) -> Result<Arc<View>, FlowError> {
    let snapshot = gate.past(&sale.to_string()).await?;
    Ok(Arc::new(View::unmirrored(snapshot, Arc::default(), &gate.clock)))
}

/// Reads one sale from Postgres again and shows what it says; returns its epoch.
pub(crate) async fn reread(gate: &Arc<Gate>, line: &Line) -> Result<i32, FlowError> {
    let snapshot = gate.snapshot(line.id).await?;
    let epoch = snapshot.sale.epoch;
    follow(gate, line.id, snapshot);
    Ok(epoch)
}

async fn read_anew(gate: &Gate, sale: SaleId, epoch: i32) -> Result<Places, LiveError> {
    let mut places = Places::default();
    let mut after = Seq(0);
    loop {
        let (queued, in_flight) = gate.live.page(sale, epoch, after).await?;
        for waiter in queued.iter().chain(&in_flight) {
            places.add(waiter.seq);
        }
        let Some(last) = queued.last() else { return Ok(places) };
        after = last.seq;
    }
}

fn apply(mirror: &mut Mirror, counter: u64, changes: &[Change]) {
    if counter <= mirror.counter && changes.is_empty() {
        return;
    }
    let places = Arc::make_mut(&mut mirror.places);
    if counter > mirror.counter {
        places.add_range(mirror.epoch, mirror.counter, counter);
        mirror.counter = counter;
    }
    for change in changes {
        match change {
            Change::Gone(seqs) => seqs.iter().for_each(|seq| places.remove(*seq)),
            Change::Back(seqs) => seqs.iter().for_each(|seq| places.add(*seq)),
            Change::Cleared(upto) => places.remove_upto(*upto),
        }
    }
    places.trim();
}

/// What decides now how fast people are let in; nothing while there is nothing to let them in to.
fn flowing(snapshot: &SaleSnapshot) -> Option<Flowing> {
    let (sale, held) = (&snapshot.sale, snapshot.stock.held);
    let rules = &sale.settings;
    let stopped = match (sale.state, snapshot.stock.available() > 0) {
        (SaleState::Scheduled | SaleState::Closed, _) => return None,
        (SaleState::Paused, _) => Some(Reason::Paused),
        (SaleState::Open, true) => None,
        (SaleState::Open, false) if held > 0 => Some(Reason::AllHeld),
        (SaleState::Open, false) => return None, // Not seeded yet, or sold out.
    };
    Some(Flowing {
        admitted: snapshot.admitted().unsigned_abs(),
        stopped,
        is_full: rules.max_in_checkout.is_some_and(|most| held * 10 >= i64::from(most) * 9),
        rules: (rules.batch_size, rules.admit_interval_ms, rules.max_in_checkout),
        epoch: sale.epoch,
    })
}

fn show(line: &Line, mirror: &mut Mirror, version: u64, tokens: u64) {
    let now = Instant::now();
    let snapshot = line.view().snapshot.clone();
    let admitted = snapshot.admitted().unsigned_abs();
    if mirror.samples.back().is_none_or(|s| now - s.at >= SAMPLE_EVERY) {
        mirror.samples.push_back(Sample { at: now, joined: mirror.counter, admitted });
    }
    while mirror.samples.front().is_some_and(|s| now - s.at > RATES_OVER) {
        mirror.samples.pop_front();
    }
    let rate = |of: fn(&Sample) -> u64, is_now: u64| {
        mirror.samples.front().map_or(0.0, |first| {
            let seconds = (now - first.at).as_secs_f64().max(1.0);
            is_now.saturating_sub(of(first)) as f64 / seconds
        })
    };
    let joins_per_second = rate(|s| s.joined, mirror.counter);
    let admissions_per_second = rate(|s| s.admitted, admitted);
    let since = now - line.followed;
    if let Some(flowing) = flowing(&snapshot) {
        mirror.pace.see(since, flowing);
    }
    let (pace, wait_reason) = (mirror.pace.per_second(), mirror.pace.reason(since));
    mirror.still = could_admit(&snapshot, mirror.places.waiting())
        .then(|| mirror.still.filter(|(_, before)| *before == admitted).unwrap_or((now, admitted)));
    let still_since = mirror.still.map(|(since, _)| since);
    line.view.send_modify(|view| {
        let version = version.max(view.version + 1);
        *view = Arc::new(View {
            places: mirror.places.clone(),
            version,
            surveyed: version,
            epoch: mirror.epoch,
            counter: mirror.counter,
            tokens,
            mirrored: true,
            seen: now,
            joins_per_second,
            admissions_per_second,
            pace,
            wait_reason,
            still_since,
            ..View::clone(view)
        });
    });
}

/// Whether the next batch should let somebody in.
fn could_admit(snapshot: &SaleSnapshot, waiting: u64) -> bool {
    let (sale, stock) = (&snapshot.sale, snapshot.stock);
    let has_room = sale.settings.max_in_checkout.is_none_or(|most| stock.held < i64::from(most));
    sale.state == SaleState::Open && waiting > 0 && stock.available() > 0 && has_room
}
