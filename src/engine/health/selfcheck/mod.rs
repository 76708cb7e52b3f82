//! The self-check: whether this process and both stores are set up so that what is promised can be kept. At
//! the start a gateway refuses to serve from what would break a promise, and tells every fault at once.
//!
//! Stores change under a running gateway: somebody sets a policy, a failover leads to another machine. So it
//! looks again each minute and after each reconnect. What it finds then is told once and shown, and the
//! gateway serves on: to end would be worse for everyone in line, and would take all gateways at once.

pub(crate) mod of_postgres;
pub(crate) mod of_redis;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use metrics::gauge;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::engine::people::access::IDLE;
use crate::engine::{FlowError, Gate};
use crate::ledger::{LedgerError, Schema};
use crate::model::SaleState;
use crate::redis::{Known, Survey};
use crate::telemetry;

pub use crate::ledger::Durability;

/// How often a running gateway looks again: an operator who mended something sees it within this.
const AGAIN_EVERY: Duration = Duration::from_secs(60);
/// Two looks are at least so far apart, however often a store comes and goes.
const AGAIN_LEAST: Duration = Duration::from_secs(1);
/// The clocks of both stores may differ by this. They decide nothing together; what is shown looks odd.
const CLOCKS_APART_MOST: Duration = Duration::from_secs(1);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Serving would break a promise: a gateway does not start with it.
    Refuse,
    /// Worth knowing.
    Warn,
}

impl Weight {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
        }
    }
}

/// Something about the set-up that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The word for it in metrics and in `docs/operations.md`.
    pub name: &'static str,
    pub weight: Weight,
    /// What it is, what it endangers and what to do.
    pub text: String,
}

impl Finding {
    pub fn refuse(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, weight: Weight::Refuse, text: text.into() }
    }

    pub fn warn(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, weight: Weight::Warn, text: text.into() }
    }
}

/// What the last look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub findings: Vec<Finding>,
    /// None until Postgres was asked.
    pub durability: Option<Durability>,
    pub looked_at: Option<Timestamp>,
}

impl Standing {
    pub fn refuses(&self) -> bool {
        self.findings.iter().any(|finding| finding.weight == Weight::Refuse)
    }
}

/// What a gateway knows of its own set-up.
#[derive(Debug, Default)]
pub struct SelfCheck {
    /// Of the process itself; it does not change.
    of_process: RwLock<Vec<Finding>>,
    /// Of the calls that come in.
    of_traffic: RwLock<Vec<Finding>>,
    standing: RwLock<Arc<Standing>>,
    /// What requests showed, each until a moment at which it is over unless it was met again.
    met: Mutex<Vec<Met>>,
    /// A store is back.
    again: Notify,
}

/// A finding that requests showed.
#[derive(Debug)]
struct Met {
    finding: Finding,
    until: Instant,
    logged: Instant,
    /// How often since it was logged.
    times: u64,
}

impl SelfCheck {
    /// Notes what a request showed of the set-up, for so long. It is logged when it is new, and then counted and
    /// logged once a minute.
    pub fn met(&self, finding: Finding, shown_for: Duration) {
        let now = Instant::now();
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.retain(|one| one.until > now);
        let Some(known) = met.iter_mut().find(|one| one.finding.name == finding.name) else {
            met.push(Met { finding, until: now + shown_for, logged: now, times: 0 });
            return self.look_soon();
        };
        known.until = now + shown_for;
        known.times += 1;
        if now - known.logged > AGAIN_EVERY {
            tracing::warn!(finding = finding.name, times = known.times, "again: {}", finding.text);
            (known.finding, known.logged, known.times) = (finding, now, 0);
        }
    }

    fn of_requests(&self) -> Vec<Finding> {
        let now = Instant::now();
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().filter(|one| one.until > now).map(|one| one.finding.clone()).collect()
    }

    /// Says what was found of the process, before the stores are asked.
    pub fn set_process(&self, findings: Vec<Finding>) {
        *self.of_process.write().unwrap_or_else(PoisonError::into_inner) = findings;
    }

    /// Says what was found of the calls that come in; it shows with the next look, which is soon if it changed.
    pub fn set_traffic(&self, findings: Vec<Finding>) {
        let names = |of: &[Finding]| of.iter().map(|finding| finding.name).collect::<Vec<_>>();
        let mut known = self.of_traffic.write().unwrap_or_else(PoisonError::into_inner);
        if names(&known) != names(&findings) {
            self.look_soon();
        }
        *known = findings;
    }

    /// What is known without the stores.
    fn of_this_gateway(&self) -> Vec<Finding> {
        let mut all = self.of_process.read().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.of_traffic.read().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        all
    }

    pub fn standing(&self) -> Arc<Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A store is back, and may be another one.
    pub(crate) fn look_soon(&self) {
        self.again.notify_one();
    }

    /// Shows what a look found, and tells what is new and what is over.
    fn show(&self, standing: Standing) -> Arc<Standing> {
        let standing = Arc::new(standing);
        let before = {
            let mut shown = self.standing.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *shown, standing.clone())
        };
        let had = |at: &Standing, one: &Finding| {
            at.findings.iter().any(|other| (other.name, other.weight) == (one.name, one.weight))
        };
        for over in before.findings.iter().filter(|finding| !had(&standing, finding)) {
            mark(over, 0.0);
            tracing::info!(finding = over.name, "no longer so: {}", over.text);
        }
        for found in &standing.findings {
            mark(found, 1.0);
            if !had(&before, found) {
                tell(found);
            }
        }
        if let Some(durability) = &standing.durability
            && before.durability.as_ref() != Some(durability)
        {
            tracing::info!(
                synchronous_commit = durability.synchronous_commit,
                synchronous_standby_names = durability.synchronous_standby_names,
                "{}",
                durability.words()
            );
        }
        standing
    }
}

fn tell(finding: &Finding) {
    match finding.weight {
        Weight::Refuse => tracing::error!(finding = finding.name, "{}", finding.text),
        Weight::Warn => tracing::warn!(finding = finding.name, "{}", finding.text),
    }
}

fn mark(finding: &Finding, is_so: f64) {
    gauge!(telemetry::FINDING, "finding" => finding.name, "weight" => finding.weight.as_str())
        .set(is_so);
}

/// The look before a gateway serves: brings the schema up to date, unless something must be mended first.
///
/// # Errors
/// Unavailable while a store is away.
pub async fn start(gate: &Gate) -> Result<Arc<Standing>, FlowError> {
    let mut standing = stores(gate).await?;
    let mut schema = gate.ledger.schema().await?;
    if let Some(advice) = schema.advice() {
        standing.findings.push(Finding::refuse("postgres-schema", advice));
    }
    if schema == Schema::Behind && !standing.refuses() {
        match gate.ledger.migrate().await {
            Ok(()) => schema = Schema::Current,
            Err(LedgerError::Schema(advice)) => {
                standing.findings.push(Finding::refuse("postgres-schema", advice));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if schema == Schema::Current {
        standing.findings.extend(data(gate).await?);
        standing.findings.extend(history(gate, &standing).await?);
        if !gate.ledger.agrees_on_secret(&gate.signer.print()).await? {
            standing.findings.push(Finding::refuse(
                "secret",
                "ROPELINE_SECRET is not the one that the gateways of this database were started with, so that \
                 one would refuse the tickets of the other; give all of them the same. To replace it for good, \
                 which ends every ticket, stop all gateways and run: UPDATE deployment SET secret_print = NULL",
            ));
        }
    }
    if standing.refuses() {
        let warnings = standing.findings.iter().filter(|found| found.weight == Weight::Warn);
        warnings.for_each(tell);
        return Ok(Arc::new(standing)); // The caller ends with the rest.
    }
    gate.health.migrated.store(true, Ordering::Relaxed);
    Ok(gate.selfcheck.show(standing))
}

/// One look while the gateway serves.
///
/// # Errors
/// Unavailable while a store is away; what was found before stays shown.
pub async fn look(gate: &Gate) -> Result<Arc<Standing>, FlowError> {
    let mut standing = stores(gate).await?;
    standing.findings.extend(data(gate).await?);
    standing.findings.extend(history(gate, &standing).await?);
    Ok(gate.selfcheck.show(standing))
}

/// Looks each minute, and soon after a store came back.
pub async fn keep_looking(gate: &Gate) {
    loop {
        sleep(AGAIN_LEAST).await;
        tokio::select! {
            () = sleep(AGAIN_EVERY) => {}
            () = gate.selfcheck.again.notified() => {}
        }
        if let Err(error) = look(gate).await {
            // What is away is told elsewhere, and this is looked at when it is back.
            tracing::debug!(error = format!("{error:#}"), "no self-check now");
        }
    }
}

/// How the process and both stores are set up.
async fn stores(gate: &Gate) -> Result<Standing, FlowError> {
    let mut findings = gate.selfcheck.of_this_gateway();
    findings.extend(gate.selfcheck.of_requests());
    let check = gate.live.check().await?;
    findings.extend(of_redis::judge(check.as_ref()));
    let asked = Instant::now();
    let redis_now = if of_redis::may_be_probed(check.as_ref()) {
        let probed = gate.live.probe().await?;
        findings.extend(of_redis::judge_rights(&probed, gate.live.user()));
        probed.now_ms
    } else {
        None
    };
    let probed = Instant::now();
    let setup = gate.ledger.setup().await?;
    findings.extend(of_postgres::judge(&setup));
    if let Some(redis_ms) = redis_now {
        // Each clock was read somewhere in its half of the time that this took.
        let doubt = asked.elapsed();
        let between =
            (probed - asked).as_millis() as i64 / 2 + probed.elapsed().as_millis() as i64 / 2;
        let apart = setup.now.as_millisecond() - redis_ms - between;
        findings.extend(clocks(apart, doubt));
    }
    let looked_at = Some(setup.now);
    Ok(Standing { findings, durability: Some(setup.durability), looked_at })
}

/// Postgres's clock is so many milliseconds ahead of Redis's, give or take `doubt`.
fn clocks(apart: i64, doubt: Duration) -> Option<Finding> {
    let apart = Duration::from_millis(apart.unsigned_abs());
    (apart > CLOCKS_APART_MOST + doubt).then(|| {
        Finding::warn(
            "clocks",
            format!(
                "the clocks of Redis and Postgres are {} s apart; nothing is decided by comparing them, but \
                 logs and times of the two do not match: let both machines keep time, with chrony or \
                 systemd-timesyncd",
                apart.as_secs()
            ),
        )
    })
}

/// Whether this program knows the layout in which Redis has the running sales.
async fn data(gate: &Gate) -> Result<Vec<Finding>, FlowError> {
    let mut unknown = Vec::new();
    for running in gate.ledger.snapshot().await?.sales {
        let sale = &running.sale;
        if sale.state == SaleState::Closed {
            continue;
        }
        if gate.live.survey(sale.id, sale.epoch, Known::default()).await? == Survey::OtherLayout {
            unknown.push(sale.settings.slug.clone());
        }
    }
    Ok(of_redis::judge_layout(&unknown).into_iter().collect())
}

/// Whether this Postgres has the past that the gateways know.
async fn history(gate: &Gate, standing: &Standing) -> Result<Option<Finding>, FlowError> {
    if !of_postgres::takes_writes(&standing.findings) {
        return Ok(None);
    }
    Ok(gate.ledger.history().await?.as_ref().and_then(of_postgres::judge_history))
}

/// Forgets idempotency keys and outbox rows that are older than a day, and sessions that are over. In pages, so that no
/// statement holds its locks for long.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn clean_up(gate: &Gate) -> Result<u64, FlowError> {
    let mut all = 0;
    loop {
        let page = gate.ledger.clean_sessions(IDLE).await?
            + gate.ledger.forget_old_keys().await?
            + gate.ledger.forget_outbox().await?;
        if page == 0 {
            return Ok(all);
        }
        all += page;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_told_apart_only_beyond_doubt() {
        let doubt = Duration::from_millis(200);
        assert_eq!(clocks(900, doubt), None);
        assert_eq!(clocks(-1_150, doubt), None);
        for apart in [1_250, -3_000] {
            assert_eq!(clocks(apart, doubt).unwrap().weight, Weight::Warn, "{apart}");
        }
    }
}
