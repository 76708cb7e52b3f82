//! What Redis has of one sale, read by plain commands, and what must hold of it in any state.

use std::collections::{BTreeSet, HashMap, HashSet};

use redis::aio::MultiplexedConnection;
use ropeline::model::{SaleId, Seq, Ticket};
use ropeline::redis::{Change, Slot, Waiter};
use serde_json::Value;

pub fn key(sale: SaleId, name: &str) -> String {
    format!("ropeline:{{{sale}}}:{name}")
}

/// What Redis has of one sale, by plain commands.
pub struct Raw {
    pub ctl: HashMap<String, String>,
    pub queue: Vec<(Seq, Ticket)>,
    pub tokens: Vec<i32>,
    pub guard: HashSet<i32>,
    pub feed: Vec<Change>,
    /// Keys that end by themselves. A rebuild's do, should it never be swapped in; those in use never.
    mortal: usize,
}

impl Raw {
    /// Also says how many keys of a rebuild are there.
    pub async fn read(redis: &mut MultiplexedConnection, sale: SaleId) -> (Self, usize) {
        type Stream = Vec<(String, Vec<(String, String)>)>;
        type Line = (HashMap<String, String>, Vec<(String, f64)>, Vec<i32>, HashSet<i32>, Stream);
        let mut reading = redis::pipe();
        reading.cmd("HGETALL").arg(key(sale, "ctl"));
        reading.cmd("ZRANGE").arg(key(sale, "queue")).arg(&["0", "-1", "WITHSCORES"]);
        reading.cmd("LRANGE").arg(key(sale, "tokens")).arg(&["0", "-1"]);
        reading.cmd("SMEMBERS").arg(key(sale, "guard"));
        reading.cmd("XRANGE").arg(key(sale, "feed")).arg(&["-", "+"]);
        let (ctl, queue, tokens, guard, feed): Line = reading.query_async(redis).await.unwrap();
        let mut rest = redis::pipe();
        rest.cmd("KEYS").arg(format!("ropeline:{{{sale}}}:*:next*"));
        for name in ["ctl", "queue", "tokens", "guard", "feed"] {
            rest.cmd("TTL").arg(key(sale, name));
        }
        type Rest = (Vec<String>, i64, i64, i64, i64, i64);
        let (next, a, b, c, d, e): Rest = rest.query_async(redis).await.unwrap();
        let mortal = [a, b, c, d, e].into_iter().filter(|seconds| *seconds >= 0).count();
        let queue = queue
            .into_iter()
            .map(|(ticket, seq)| (Seq(seq as i64), ticket.parse().unwrap()))
            .collect();
        let feed = feed.into_iter().map(|(_, entry)| change(&entry[0])).collect();
        (Self { ctl, queue, tokens, guard, feed, mortal }, next.len())
    }

    pub fn slot(&self) -> Option<Slot> {
        let slot: Value = serde_json::from_str(self.ctl.get("slot")?).unwrap();
        let waiters = slot["waiters"].as_array().unwrap().iter().map(|waiter| Waiter {
            ticket: waiter[0].as_str().unwrap().parse().unwrap(),
            seq: Seq(waiter[1].as_str().unwrap().parse().unwrap()),
        });
        let units = slot["units"].as_array().unwrap().iter();
        Some(Slot {
            waiters: waiters.collect(),
            units: units.map(|unit| unit.as_str().unwrap().parse().unwrap()).collect(),
        })
    }

    /// What must hold whatever was asked: nothing twice, nothing in two places, nothing lost.
    pub fn holds_together(&self, out: &BTreeSet<i32>) -> Result<(), String> {
        let slot = self.slot().unwrap_or(Slot { waiters: vec![], units: vec![] });
        let list: HashSet<i32> = self.tokens.iter().copied().collect();
        let flying: HashSet<i32> = slot.units.iter().copied().collect();
        let seqs: HashSet<Seq> = self
            .queue
            .iter()
            .map(|(seq, _)| *seq)
            .chain(slot.waiters.iter().map(|w| w.seq))
            .collect();
        let so = [
            ("the list has a unit twice", list.len() == self.tokens.len()),
            ("list and guard set differ", list == self.guard),
            ("a unit is on the list and in flight", list.is_disjoint(&flying)),
            (
                "a unit is offered and out",
                out.iter().all(|u| !list.contains(u) && !flying.contains(u)),
            ),
            (
                "a ticket is in line and in flight",
                slot.waiters.iter().all(|w| self.queue.iter().all(|(_, t)| *t != w.ticket)),
            ),
            ("a number is there twice", seqs.len() == self.queue.len() + slot.waiters.len()),
            ("a key in use ends by itself", self.mortal == 0),
            ("waiters and units in flight differ", slot.waiters.len() == slot.units.len()),
        ];
        match so.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err((*what).to_owned()),
            None => Ok(()),
        }
    }
}

fn change((kind, value): &(String, String)) -> Change {
    let seqs: Vec<Seq> = value.split(' ').map(|seq| Seq(seq.parse().unwrap())).collect();
    match kind.as_str() {
        "gone" => Change::Gone(seqs),
        "back" => Change::Back(seqs),
        "clear" => Change::Cleared(seqs[0]),
        other => panic!("the feed has a {other}"),
    }
}
