//! What the shoppers and the operator of a case were told, for the judge; and what was wrong with it at
//! first sight.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::time::Instant;

/// A join that was acknowledged, with each number that it was shown to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub ticket: String,
    /// None is shown before the start.
    pub number: Option<i64>,
}

/// When a ticket was asked for first, and when it was first answered with its number.
#[derive(Debug, Clone)]
pub struct Turn {
    pub ticket: String,
    pub number: i64,
    pub asked: Instant,
    pub answered: Instant,
}

/// A hold or an order that somebody was told of.
#[derive(Debug, Clone)]
pub struct Told {
    pub hold: String,
    pub ticket: String,
    pub unit: i64,
    /// Empty while it is no order.
    pub order: String,
}

/// The newest place of a ticket that was shown.
#[derive(Debug, Clone, Copy)]
struct Shown {
    version: u64,
    position: u64,
}

/// Everything that was said.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    pub joined: Vec<Joined>,
    pub turns: Vec<Turn>,
    pub admitted: Vec<Told>,
    pub bought: Vec<Told>,
    /// Holds whose confirm or release was refused for good, and the state that was named.
    pub refused: Vec<(String, String)>,
    pub released: Vec<String>,
    pub left: Vec<String>,
    /// Tickets that were told a final state.
    pub ended: Vec<(String, String)>,
    /// Units seeded and withdrawn by answers.
    pub seeded: i64,
    pub withdrawn: i64,
    /// Actions of the operator that were answered, in order.
    pub operated: Vec<&'static str>,
    /// What needs no database to be wrong.
    pub wrong: Vec<String>,
    shown: HashMap<String, Shown>,
    /// The places at the moment of the fault.
    kept: HashMap<String, u64>,
}

/// The same, written by many at once.
#[derive(Debug, Default)]
pub struct Book(Mutex<Pages>);

impl Book {
    pub fn open(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Told {
    /// The hold in a body, with its order where it has one.
    pub fn of(hold: &Value) -> Self {
        Self {
            hold: text(&hold["id"]),
            ticket: text(&hold["ticket"]),
            unit: hold["unit"].as_i64().unwrap_or_default(),
            order: text(&hold["order"]["id"]),
        }
    }
}

impl Pages {
    /// A ticket state as a shopper got it.
    pub fn state(&mut self, state: &Value) {
        let ticket = text(&state["ticket"]);
        let version = state["version"].as_u64().unwrap_or_default();
        if let Some(number) = state["number"].as_i64() {
            let join = Joined { ticket: ticket.clone(), number: Some(number) };
            if !self.joined.contains(&join) {
                self.joined.push(join);
            }
        }
        let name = text(&state["state"]);
        match name.as_str() {
            "admitted" => self.admitted.push(Told::of(&state["hold"])),
            "confirmed" => self.bought.push(Told::of(&state["hold"])),
            "scheduled" | "waiting" => {}
            _ => self.ended.push((ticket.clone(), name)),
        }
        let Some(position) = state["position"].as_u64() else { return };
        // Whoever shows states drops one that is older than what is shown.
        if self.shown.get(&ticket).is_some_and(|shown| version < shown.version) {
            return;
        }
        if let Some(kept) = self.kept.get(&ticket)
            && position > *kept
        {
            self.wrong.push(format!("S11: {ticket} had place {kept} and has {position}"));
        }
        self.shown.insert(ticket, Shown { version, position });
    }

    /// The fault comes now: no place may come back worse than it was.
    pub fn keep_places(&mut self) {
        let places = self.shown.iter().map(|(ticket, shown)| (ticket.clone(), shown.position));
        self.kept = places.collect();
    }
}
