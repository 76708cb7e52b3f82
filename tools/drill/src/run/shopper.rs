//! One simulated shopper, from the join to the end: retries through any gateway, watches with one or more
//! tabs, and does what the plan says with the unit.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::history::{Entry, Op, Outcome, outcome};
use super::hostile;
use super::plan::{Deed, Plan};
use super::street::Street;
use super::tabs::Tab;
use super::variant::Variant;
use crate::shop::{Answer, Ticket};

/// How long one that walks away while waiting waits before.
const STROLL: Duration = Duration::from_secs(2);
/// Between two tries of one call.
const RETRY: std::ops::Range<u64> = 100..1_200;

pub struct Shopper {
    street: Arc<Street>,
    plan: Plan,
    random: StdRng,
    name: String,
}

impl Shopper {
    pub fn new(street: Arc<Street>, plan: Plan) -> Self {
        let (random, name) = (StdRng::seed_from_u64(plan.seed), format!("shopper-{}", plan.number));
        Self { street, plan, random, name }
    }

    /// From coming to going.
    pub async fn live(mut self) {
        sleep(Duration::from_millis(self.plan.arrives_ms)).await;
        if self.plan.deed == Deed::Misbehave {
            return hostile::misbehave(&self.street, &self.name, &mut self.random).await;
        }
        let over = self.street.over.clone();
        let returns = matches!(self.plan.deed, Deed::ReleaseAndReturn | Deed::LeaveAndReturn);
        tokio::select! {
            () = self.visit() => {}
            () = over.cancelled() => return,
        }
        if returns && !self.street.closing.is_cancelled() {
            self.plan.deed = match self.street.variant {
                Variant::Abandon | Variant::Single => Deed::Release,
                Variant::Demand | Variant::Plenty | Variant::OneByOne | Variant::Restored => {
                    Deed::Buy
                }
            };
            tokio::select! {
                () = self.visit() => {}
                () = over.cancelled() => {}
            }
        }
    }

    /// One ticket's life.
    async fn visit(&mut self) {
        let Some(ticket) = self.join().await else { return };
        let (told, mut states) = mpsc::unbounded_channel();
        for (index, channel) in self.plan.tabs.iter().enumerate() {
            let tab = Tab {
                street: self.street.clone(),
                process: format!("{}/tab-{}", self.name, index + 1),
                ticket: ticket.clone(),
                channel: *channel,
                told: told.clone(),
                seed: self.random.random(),
            };
            tokio::spawn(tab.watch());
        }
        drop(told);
        let thinks = Duration::from_millis(self.plan.thinks_ms);
        match self.plan.deed {
            Deed::WalkAwayWaiting => {
                // Whoever is admitted in this time walks away from the unit.
                let _ = timeout(STROLL, self.admitted(&mut states)).await;
                return;
            }
            Deed::Leave | Deed::LeaveAndReturn => {
                let unit = timeout(thinks, self.admitted(&mut states)).await;
                match unit {
                    Ok(Some(hold)) => self.release(&ticket, &hold).await,
                    Ok(None) => {}
                    Err(_) => self.leave(&ticket).await,
                }
                return;
            }
            Deed::Buy
            | Deed::BuyTwice
            | Deed::BuyAtBoth
            | Deed::BuyWithOtherKey
            | Deed::BuyLate
            | Deed::Release
            | Deed::ReleaseAndReturn
            | Deed::WalkAwayHolding
            | Deed::StealAndBuy
            | Deed::Misbehave => {}
        }
        let street = self.street.clone();
        let hold = tokio::select! {
            hold = self.admitted(&mut states) => hold,
            () = street.gives_up() => {
                return self.leave(&ticket).await;
            }
        };
        let Some(hold) = hold else { return };
        self.street.remember(&hold);
        if street.closing.is_cancelled() {
            self.bring_to_an_end();
        } else {
            sleep(thinks).await;
        }
        self.act(&ticket, &hold).await;
        self.last_word(&mut states).await;
    }

    /// The faults are over: whoever is admitted now buys at once, where anybody buys.
    fn bring_to_an_end(&mut self) {
        match self.street.variant {
            Variant::Abandon | Variant::Single => {}
            Variant::Demand | Variant::Plenty | Variant::OneByOne | Variant::Restored => {
                self.plan.deed = Deed::Buy;
            }
        }
    }

    /// Waits for the hold; none when the ticket ended without one.
    async fn admitted(&self, states: &mut mpsc::UnboundedReceiver<Value>) -> Option<String> {
        while let Some(state) = states.recv().await {
            match state["state"].as_str() {
                Some("scheduled" | "waiting") => {}
                Some("admitted") => return Some(state["hold"]["id"].as_str()?.to_owned()),
                _ => return None,
            }
        }
        None
    }

    /// Keeps the tabs open until they were told the end, for a while.
    async fn last_word(&self, states: &mut mpsc::UnboundedReceiver<Value>) {
        let ended = async { while states.recv().await.is_some() {} };
        let _ = timeout(2 * STROLL, ended).await;
    }

    async fn join(&mut self) -> Option<Ticket> {
        let street = self.street.clone();
        let _joining = street.joins();
        let key = self.key();
        let (mut tries, mut joined) = (self.plan.tries, None);
        // One that joins twice does not take the first answer for an answer.
        let mut answers = if self.plan.joins_twice { 2 } else { 1 };
        while answers > 0 && tries > 0 {
            tries -= 1;
            let asked = self.street.history.now();
            let answer = self.street.any(&mut self.random).join(&self.street.sale, &key).await;
            let entry = Entry::plain(&self.name, Op::Join, asked, self.street.history.now());
            let ticket = answer.as_ref().ok().and_then(|answer| Ticket::of(&answer.body));
            let mut entry = entry.answer(&answer).key(&key);
            if let Some(ticket) = &ticket {
                self.street.hide(&ticket.credential);
                entry = entry.ticket(&ticket.id);
                entry.said = super::tabs::essence(&entry.said);
                entry.said["credential"] = json!(ticket.credential);
            }
            let outcome = entry.outcome;
            self.street.history.push(entry);
            match outcome {
                Outcome::Ok => {
                    answers -= 1;
                    joined = ticket;
                }
                Outcome::Refused => return joined,
                Outcome::Unknown => self.pause().await,
            }
        }
        joined
    }

    async fn act(&mut self, ticket: &Ticket, hold: &str) {
        let key = self.key();
        match self.plan.deed {
            Deed::Buy => self.confirm(ticket, hold, &key).await,
            Deed::BuyTwice => {
                self.confirm(ticket, hold, &key).await;
                self.confirm(ticket, hold, &key).await;
            }
            Deed::BuyAtBoth => self.confirm_at_both(ticket, hold, &key).await,
            Deed::BuyWithOtherKey => {
                self.confirm(ticket, hold, &key).await;
                let other = self.key();
                self.confirm(ticket, hold, &other).await;
            }
            Deed::BuyLate => {
                let window = u64::from(self.street.variant.rules().window_seconds) * 1_000;
                let left = window.saturating_sub(self.plan.thinks_ms);
                sleep(Duration::from_millis(left + self.random.random_range(0..1_500))).await;
                self.confirm(ticket, hold, &key).await;
            }
            Deed::StealAndBuy => {
                self.steal(ticket, hold).await;
                self.confirm(ticket, hold, &key).await;
            }
            Deed::Release | Deed::ReleaseAndReturn => self.release(ticket, hold).await,
            Deed::WalkAwayHolding
            | Deed::WalkAwayWaiting
            | Deed::Leave
            | Deed::LeaveAndReturn
            | Deed::Misbehave => {}
        }
    }

    async fn confirm(&mut self, ticket: &Ticket, hold: &str, key: &str) {
        self.street.hide(&format!("pay-{key}"));
        for _ in 0..self.plan.tries {
            let asked = self.street.history.now();
            let shop = self.street.any(&mut self.random);
            let answer = shop.confirm(ticket, hold, key).await;
            if self.settled(Op::Confirm, ticket, hold, key, asked, &answer) {
                return;
            }
            self.pause().await;
        }
    }

    async fn confirm_at_both(&mut self, ticket: &Ticket, hold: &str, key: &str) {
        self.street.hide(&format!("pay-{key}"));
        let (one, other) = (self.street.any(&mut self.random), self.street.any(&mut self.random));
        let asked = self.street.history.now();
        let (first, second) =
            tokio::join!(one.confirm(ticket, hold, key), other.confirm(ticket, hold, key));
        let done = self.settled(Op::Confirm, ticket, hold, key, asked, &first);
        let done = self.settled(Op::Confirm, ticket, hold, key, asked, &second) && done;
        if !done {
            self.confirm(ticket, hold, key).await;
        }
    }

    async fn release(&mut self, ticket: &Ticket, hold: &str) {
        let key = self.key();
        for _ in 0..self.plan.tries {
            let asked = self.street.history.now();
            let shop = self.street.any(&mut self.random);
            let answer = shop.release(ticket, hold, &key).await;
            if self.settled(Op::Release, ticket, hold, &key, asked, &answer) {
                return;
            }
            self.pause().await;
        }
    }

    /// Asks for a hold that belongs to somebody else.
    async fn steal(&mut self, ticket: &Ticket, own: &str) {
        let Some(hold) = self.street.another_hold(own, &mut self.random) else { return };
        let (key, asked) = (self.key(), self.street.history.now());
        self.street.hide(&format!("pay-{key}"));
        let shop = self.street.any(&mut self.random);
        let answer = if self.random.random_bool(0.5) {
            shop.confirm(ticket, &hold, &key).await
        } else {
            shop.release(ticket, &hold, &key).await
        };
        self.settled(Op::Steal, ticket, &hold, &key, asked, &answer);
    }

    async fn leave(&mut self, ticket: &Ticket) {
        for _ in 0..self.plan.tries {
            let asked = self.street.history.now();
            let answer = self.street.any(&mut self.random).leave(ticket).await;
            let entry = Entry::plain(&self.name, Op::Leave, asked, self.street.history.now());
            self.street.history.push(entry.answer(&answer).ticket(&ticket.id));
            if outcome(&answer) != Outcome::Unknown {
                return;
            }
            self.pause().await;
        }
    }

    /// Writes an answer down; says whether it was one for good.
    fn settled(
        &self,
        op: Op,
        ticket: &Ticket,
        hold: &str,
        key: &str,
        asked: u64,
        answer: &anyhow::Result<Answer>,
    ) -> bool {
        let entry = Entry::plain(&self.name, op, asked, self.street.history.now());
        let mut entry = entry.answer(answer).ticket(&ticket.id).hold(hold).key(key);
        if op == Op::Confirm {
            entry.asks = json!({ "payment_reference": format!("pay-{key}") });
        }
        let done = entry.outcome != Outcome::Unknown;
        self.street.history.push(entry);
        done
    }

    /// A key of its own, which depends on the seed alone.
    fn key(&mut self) -> String {
        let key = Uuid::from_u128(self.random.random()).simple().to_string();
        self.street.hide(&key);
        key
    }

    async fn pause(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(RETRY))).await;
    }
}
