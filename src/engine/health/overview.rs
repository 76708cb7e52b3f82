//! Whether all is well, in one word and in sentences: what is wrong with the stores, the gateways and the
//! running sales, and what to do. From memory alone, so that it is told while a store is away.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::engine::Gate;
use crate::engine::checkout::purchases::FewBought;
use crate::engine::health::heartbeat::Heard;
use crate::engine::health::selfcheck::Weight;
use crate::engine::line::line_view::View;
use crate::engine::reports::listings::UNREAD_AFTER;
use crate::engine::steering::readiness;
use crate::ledger::Gateway;
use crate::model::settings::readiness::Item;
use crate::model::{SaleId, SaleState, Status};
use crate::tasks;
use crate::tasks::RESTARTS_SHOWN_FOR;

/// A gateway that was not heard of for so long is missed: four beats.
const SILENT_AFTER: Duration = Duration::from_secs(8);
/// Whoever runs the gateways knows by then; it stays in the list.
const MISSED_FOR: Duration = Duration::from_secs(15 * 60);
/// So long nobody is let in although somebody could be, besides two intervals between batches.
const STILL_AFTER: Duration = Duration::from_secs(10);
/// From this part of `max_waiting` on the line is nearly full.
const NEARLY_FULL: f64 = 0.9;
/// A sale that starts within this time should be ready to open.
const SOON_SECONDS: i64 = 60 * 60;

/// How bad it is; the worst of all is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Well,
    /// Somebody should look; shoppers are served.
    Watch,
    /// Shoppers are not served as promised.
    Bad,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Watch => "watch",
            Self::Bad => "bad",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub level: Level,
    /// The slug of the sale that it is about.
    pub sale: Option<String>,
    pub text: String,
    /// What to do.
    pub advice: String,
}

/// One gateway in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayLine {
    pub gateway: Gateway,
    pub silent_for: Duration,
}

impl GatewayLine {
    pub fn is_silent(&self) -> bool {
        self.silent_for > SILENT_AFTER
    }
}

/// One look.
pub struct Overview {
    pub verdict: Level,
    pub troubles: Vec<Trouble>,
    /// What this gateway misses.
    pub missing: Vec<&'static str>,
    pub gateways: Vec<GatewayLine>,
    /// The running sales, as this gateway sees them.
    pub sales: Vec<Arc<View>>,
}

/// Looks at everything, or at one sale and what all sales stand on.
pub fn overview(gate: &Gate, public_url: Option<&str>, only: Option<SaleId>) -> Overview {
    let missing = gate.missing();
    let gateways = gateways(gate);
    let mut sales: Vec<_> = gate.all_lines().iter().map(|line| line.view()).collect();
    sales.retain(|view| only.is_none_or(|sale| view.snapshot.id() == sale));
    sales.sort_by_key(|view| std::cmp::Reverse(view.snapshot.sale.created_at));
    let mut troubles = of_stores(&missing);
    // While Postgres is away nobody can say that it is there.
    if !missing.contains(&"postgres") {
        troubles.extend(gateways.iter().filter_map(of_gateway));
    }
    troubles.extend(gate.tasks.troubles().into_iter().map(of_task));
    for finding in &gate.selfcheck.standing().findings {
        if finding.weight == Weight::Refuse {
            let advice = "No gateway starts with this. See the set-up below the list of sales.";
            troubles.push(trouble(Level::Bad, None, finding.text.clone(), advice));
        }
    }
    let redis_answers = !missing.contains(&"redis");
    for view in &sales {
        troubles.extend(of_sale(view, redis_answers, gate.clock.now()));
        troubles.extend(of_set_up(view, public_url, gate.clock.now()));
        troubles.extend(gate.purchases.are_few(view).and_then(|few| of_purchases(view, few)));
    }
    troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.level));
    let verdict = troubles.first().map_or(Level::Well, |worst| worst.level);
    Overview { verdict, troubles, missing, gateways, sales }
}

fn trouble(level: Level, sale: Option<&View>, text: impl Into<String>, advice: &str) -> Trouble {
    let sale = sale.map(|view| view.slug().to_owned());
    Trouble { level, sale, text: text.into(), advice: advice.to_owned() }
}

fn gateways(gate: &Gate) -> Vec<GatewayLine> {
    let heard = gate.heard.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(Heard { at, gateways }) = &*heard else { return Vec::new() };
    let line = |gateway: &Gateway| GatewayLine {
        silent_for: Duration::try_from_secs_f64(gateway.silent_seconds).unwrap_or_default()
            + at.elapsed(),
        gateway: gateway.clone(),
    };
    gateways.iter().map(line).collect()
}

fn of_stores(missing: &[&str]) -> Vec<Trouble> {
    let known = [
        (
            "postgres",
            "Postgres does not answer: nobody can buy, and nobody is let in.",
            "Bring Postgres back. Holds are kept, and the outage is added to their time.",
        ),
        (
            "redis",
            "Redis does not answer: nobody is let in, and nobody can join. Places are kept, and who holds a unit can buy it.",
            "Bring Redis back, with or without its data: the line is loaded into it by itself.",
        ),
        (
            "migrations",
            "The schema is not up to date yet.",
            "Wait a moment; the gateway's log says more.",
        ),
    ];
    let found = known.into_iter().filter(|(store, _, _)| missing.contains(store));
    found.map(|(_, text, advice)| trouble(Level::Bad, None, text, advice)).collect()
}

/// A background task of this gateway that does not run, or was started again lately.
fn of_task(of: tasks::Trouble) -> Trouble {
    let (name, lost, times) = (of.task.name(), of.task.lost(), of.restarts);
    let advice = "The log says why, under \"a background task ended\". If it goes on, restart this gateway and report \
                  the line of the log.";
    if of.down > 0 {
        let text = format!("The background task {name} of this gateway does not run: {lost}.");
        return trouble(Level::Bad, None, text, advice);
    }
    let minutes = RESTARTS_SHOWN_FOR.as_secs() / 60;
    let text = format!(
        "The background task {name} of this gateway was started again {times} times in the last {minutes} minutes. \
         While it is down, {lost}."
    );
    trouble(Level::Watch, None, text, advice)
}

/// Few of the holds that ended were bought.
fn of_purchases(view: &View, few: FewBought) -> Option<Trouble> {
    let sale = &view.snapshot.sale;
    if !matches!(sale.state, SaleState::Open | SaleState::Paused) {
        return None;
    }
    let (name, all) = (&sale.settings.name, few.bought + few.not_bought);
    let (bought, not_bought) = (few.bought, few.not_bought);
    let lately = few.within.map_or(String::new(), |within| {
        format!(" in the last {} minutes", within.as_secs().div_ceil(60))
    });
    let text = format!(
        "Of {all} holds of {name} that ended{lately}, {bought} were bought; {not_bought} ran out or were given back."
    );
    let advice = "Buy one yourself: does the checkout open, and does its confirm arrive (409 or 401 in the shop's log)? \
                  If it works, units are held by shoppers or programs that do not buy: look at the tickets, shorten \
                  \"Checkout window\", and put a challenge in front of the room.";
    Some(trouble(Level::Watch, Some(view), text, advice))
}

fn of_gateway(line: &GatewayLine) -> Option<Trouble> {
    let name = &line.gateway.name;
    if line.silent_for > MISSED_FOR {
        return None;
    }
    if line.is_silent() {
        let seconds = line.silent_for.as_secs();
        let text = format!("The gateway {name} has been silent for {seconds} s.");
        let advice = "Its shoppers come to the other gateways by themselves. Start it again.";
        return Some(trouble(Level::Watch, None, text, advice));
    }
    let missing = |is: fn(&str) -> bool| -> Vec<String> {
        line.gateway.missing.iter().filter(|name| is(name)).cloned().collect()
    };
    let tasks = missing(|name| name.starts_with("task-"));
    if !tasks.is_empty() {
        let text = format!("The gateway {name} runs without {}.", tasks.join(" and "));
        let advice =
            "Its log says why, under \"a background task ended\". Restart it if it goes on.";
        return Some(trouble(Level::Watch, None, text, advice));
    }
    let missing = missing(|name| matches!(name, "redis" | "postgres"));
    if missing.is_empty() {
        return None;
    }
    let text = format!("The gateway {name} does not reach {}.", missing.join(" and "));
    let advice = "If it is the only one, look at its network; the others serve on.";
    Some(trouble(Level::Watch, None, text, advice))
}

fn of_sale(view: &View, redis_answers: bool, now: Timestamp) -> Vec<Trouble> {
    let (sale, stock) = (&view.snapshot.sale, view.snapshot.stock);
    let mut found = Vec::new();
    let mut say = |level, text: String, advice: &str| {
        found.push(trouble(level, Some(view), text, advice));
    };
    let name = &sale.settings.name;
    if let Some(fault) = &sale.fault {
        let advice = "Keep it paused and see \"Postgres went back in time\" in docs/operations.md.";
        say(Level::Bad, format!("ropeline stopped {name}: {fault}."), advice);
    }
    if stock.available() < 0 {
        let text = format!("The counts of {name} do not balance.");
        say(Level::Bad, text, "Pause it and look at its reconciliation.");
    }
    if sale.state == SaleState::Closed {
        return found;
    }
    if let Some(at) = sale.closes_at {
        let seconds = at.duration_since(now).as_secs().max(0);
        let text = format!("{name} closes for good in {seconds} s.");
        say(
            Level::Watch,
            text,
            "If that is a mistake, take the close back on the page of the sale.",
        );
    }
    let unread = view.seen.elapsed();
    if redis_answers && unread > UNREAD_AFTER {
        let text = format!("The line of {name} has not been read for {} s.", unread.as_secs());
        say(Level::Bad, text, "Redis or Postgres is slow: look at both, and at the log.");
    }
    if let Some(still) = stands_still(view)
        && redis_answers
    {
        let text = format!("Nobody is let into {name} though units are free, for {still} s.");
        say(Level::Bad, text, "Look at the log for \"nobody admitted\"; restart one gateway.");
    }
    let waiting = view.waiting() as f64;
    if waiting >= f64::from(sale.settings.max_waiting) * NEARLY_FULL {
        let text = format!("The line of {name} is nearly as long as it may get.");
        say(Level::Watch, text, "Raise \"Most in line\", or further joins are refused.");
    }
    if sale.state == SaleState::Paused && sale.fault.is_none() && sale.status() == Status::Paused {
        let text = format!("{name} is paused: nobody is let in.");
        say(Level::Watch, text, "Resume it when you are ready.");
    }
    let is_running = matches!(sale.state, SaleState::Open | SaleState::Paused);
    if is_running && stock.seeded == stock.withdrawn {
        let text = format!("{name} has no units.");
        say(Level::Watch, text, "Add them: nobody can be let in before.");
    }
    found
}

/// A sale that starts soon and is not ready to open.
fn of_set_up(view: &View, public_url: Option<&str>, now: Timestamp) -> Option<Trouble> {
    let sale = &view.snapshot.sale;
    let starts = sale.settings.starts_at?;
    let seconds = starts.duration_since(now).as_secs().max(0);
    if sale.state != SaleState::Scheduled || seconds > SOON_SECONDS {
        return None;
    }
    let mut missing = readiness::of(&view.snapshot, public_url, now);
    missing.retain(|item| !item.ok);
    if missing.is_empty() {
        return None;
    }
    let names: Vec<_> = missing.iter().map(Item::label).collect();
    let details: Vec<_> = missing.iter().map(|item| item.detail.as_str()).collect();
    let text = format!(
        "{} starts in {} min and is not ready: {}.",
        sale.settings.name,
        seconds.unsigned_abs().div_ceil(60),
        names.join(", ")
    );
    Some(trouble(Level::Watch, Some(view), text, &details.join(" ")))
}

/// For how many seconds nobody was let in though somebody could be, once that is longer than the pace
/// explains.
fn stands_still(view: &View) -> Option<u64> {
    let interval = view.snapshot.sale.settings.admit_interval_ms.unsigned_abs();
    let patience = STILL_AFTER + 2 * Duration::from_millis(interval.into());
    let still = view.still_since.map(|since: Instant| since.elapsed())?;
    (still > patience).then_some(still.as_secs())
}
