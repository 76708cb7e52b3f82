//! One shopper of a case. Whatever is killed, a shopper knows only what was answered, and repeats what
//! was not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::book::{Book, Joined, Told, Turn};
use super::doors::{Call, Doors};
use crate::shop::Ticket;

/// Between two polls.
const POLL: Duration = Duration::from_millis(100);

/// What a shopper wants of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Buy,
    /// Takes it and gives it back.
    Release,
    /// Leaves the line; gives the unit back should it be too late for that.
    Leave,
    /// Takes it and falls asleep.
    Sleep,
}

pub struct Shopper {
    pub name: &'static str,
    pub ticket: Option<Ticket>,
    /// The gateway that is asked first.
    pub door: usize,
    sale: String,
    doors: Arc<Doors>,
    book: Arc<Book>,
    key: String,
}

impl Shopper {
    pub fn new(
        name: &'static str,
        door: usize,
        sale: &str,
        doors: &Arc<Doors>,
        book: &Arc<Book>,
    ) -> Self {
        let key = format!("{name}-{}", Uuid::now_v7());
        let (doors, book) = (doors.clone(), book.clone());
        Self { name, ticket: None, door, sale: sale.to_owned(), doors, book, key }
    }

    fn ticket(&self) -> Result<&Ticket> {
        self.ticket.as_ref().with_context(|| format!("{} has no ticket", self.name))
    }

    /// Joins under the shopper's key; says whether there is a place.
    ///
    /// # Errors
    /// When there is no definite answer in time, or one that nobody expects.
    pub async fn join(&mut self) -> Result<bool> {
        let path = format!("/api/v1/sales/{}/tickets", self.sale);
        let key = Some(self.key.clone());
        let call = Call { method: Method::POST, path, bearer: String::new(), key, body: None };
        let asked = Instant::now();
        let answer = self
            .doors
            .ask(self.door, &call)
            .await
            .with_context(|| format!("{} joins", self.name))?;
        let mut book = self.book.open();
        match answer.status {
            200 | 201 => {
                let ticket = Ticket::of(&answer.body).context("a ticket in the answer")?;
                if let Some(before) = &self.ticket
                    && before.id != ticket.id
                {
                    let text = format!("S7: {} joined again and is another ticket", self.name);
                    book.wrong.push(text);
                }
                let number = answer.body["number"].as_i64();
                if let (None, Some(number)) = (&self.ticket, number) {
                    let (ticket, answered) = (ticket.id.clone(), Instant::now());
                    book.turns.push(Turn { ticket, number, asked, answered });
                }
                book.joined.push(Joined { ticket: ticket.id.clone(), number });
                book.state(&answer.body);
                self.ticket = Some(ticket);
                Ok(true)
            }
            409 if ["sold-out", "sale-closed"].contains(&code(&answer.body)) => Ok(false),
            status => bail!("{} joins: {status} {}", self.name, answer.body),
        }
    }

    fn of_ticket(&self, method: Method) -> Result<Call> {
        let ticket = self.ticket()?;
        let (path, bearer) = (ticket.path(), ticket.credential.clone());
        Ok(Call { method, path, bearer, key: None, body: None })
    }

    /// One look at the ticket.
    ///
    /// # Errors
    /// When there is no definite answer in time, or one that nobody expects.
    pub async fn look(&self) -> Result<Value> {
        let call = self.of_ticket(Method::GET)?;
        let answer = self
            .doors
            .ask(self.door, &call)
            .await
            .with_context(|| format!("{} looks", self.name))?;
        let body = answer.body;
        ensure!(answer.status == 200, "S6: {} looks: {} {body}", self.name, answer.status);
        self.book.open().state(&body);
        Ok(body)
    }

    /// Looks until the ticket is in one of these states.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn becomes(&self, states: &[&str]) -> Result<Value> {
        loop {
            let state = self.look().await?;
            if states.contains(&name(&state)) {
                return Ok(state);
            }
            ensure!(
                !self.doors.is_late(),
                "S5: {} is not {states:?} in time, but {state}",
                self.name
            );
            sleep(POLL).await;
        }
    }

    /// Leaves; says whether it was in time.
    ///
    /// # Errors
    /// When there is no definite answer in time, or one that nobody expects.
    pub async fn leave(&self) -> Result<bool> {
        let ticket = self.ticket()?;
        let call = self.of_ticket(Method::DELETE)?;
        let answer = self.doors.ask(self.door, &call).await?;
        match answer.status {
            204 => {
                self.book.open().left.push(ticket.id.clone());
                Ok(true)
            }
            409 if code(&answer.body) == "already-admitted" => Ok(false),
            status => bail!("{} leaves: {status} {}", self.name, answer.body),
        }
    }

    /// Buys or gives back the hold, and asks again at the next door, which must say the same. Says whether
    /// it was done and not refused.
    ///
    /// # Errors
    /// When there is no definite answer in time, or one that nobody expects.
    pub async fn settle(&self, hold: &str, buys: bool) -> Result<bool> {
        let key = format!("{}-{hold}", self.name);
        let body = json!({ "payment_reference": format!("pay-{key}") });
        let call = Call {
            method: Method::POST,
            path: format!("/api/v1/holds/{hold}/{}", if buys { "confirm" } else { "release" }),
            bearer: self.ticket()?.credential.clone(),
            key: Some(key),
            body: buys.then_some(body),
        };
        let what = || format!("{} settles {hold}", self.name);
        let answer = self.doors.ask(self.door, &call).await.with_context(what)?;
        let again = self.doors.ask(self.door + 1, &call).await.with_context(what)?;
        let mut book = self.book.open();
        if (answer.status, &answer.body) != (again.status, &again.body) {
            let text = format!("S7: {hold}: {} and then {}", answer.body, again.body);
            book.wrong.push(text);
        }
        match answer.status {
            200 if buys => book.bought.push(Told::of(&answer.body)),
            200 => book.released.push(hold.to_owned()),
            409 if code(&answer.body) == "hold-ended" => {
                let state = answer.body["state"].as_str().unwrap_or_default().to_owned();
                book.refused.push((hold.to_owned(), state));
                return Ok(false);
            }
            status => bail!("{} settles: {status} {}", self.name, answer.body),
        }
        Ok(true)
    }

    /// Goes on until there is nothing left to do: with a new ticket where a hold ended too early.
    ///
    /// # Errors
    /// When that is not in time, or an answer is one that nobody expects.
    pub async fn finish(mut self, wish: Wish) -> Result<()> {
        loop {
            if self.ticket.is_none() && !self.join().await? {
                return Ok(());
            }
            if wish == Wish::Leave && self.leave().await? {
                return Ok(());
            }
            let state = self
                .becomes(&[
                    "admitted",
                    "confirmed",
                    "expired",
                    "released",
                    "sold_out",
                    "closed",
                    "left",
                    "removed",
                ])
                .await?;
            match (name(&state), wish) {
                ("admitted", Wish::Sleep) => return Ok(()),
                ("admitted", _) => {
                    let hold = state["hold"]["id"].as_str().context("the hold's id")?;
                    if self.settle(hold, wish == Wish::Buy).await? || wish != Wish::Buy {
                        return Ok(());
                    }
                }
                ("expired", Wish::Buy) => {}
                _ => return Ok(()),
            }
            self.ticket = None;
            self.key = format!("{}-{}", self.name, Uuid::now_v7());
        }
    }
}

/// The word to match on in a refusal.
pub fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

fn name(state: &Value) -> &str {
    state["state"].as_str().unwrap_or_default()
}
