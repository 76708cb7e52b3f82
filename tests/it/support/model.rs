//! What the scripts promise, without Redis: one sale's line, tokens and batch in flight, in plain Rust.

use std::collections::{BTreeSet, HashMap, HashSet};

use ropeline::model::{Seq, Ticket};
use ropeline::redis::{Ack, Admitted, Change, Slot, Waiter};

/// How the pace stands in a step: no pause at all, or one that no test outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    None,
    Hour,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    pub epoch: i32,
    pub counter: u64,
    pub n: i64,
    pub slot: Option<Slot>,
    pub queue: BTreeSet<(Seq, Ticket)>,
    pub tokens: Vec<i32>,
    pub feed: Vec<Change>,
    /// Whether a batch was popped in this epoch, so that the pace counts.
    pub popped: bool,
    /// The last number of each ticket, and units that are neither on the list nor in flight.
    pub numbers: HashMap<Ticket, Seq>,
    pub out: BTreeSet<i32>,
}

impl Model {
    pub fn number_in_line(&self, ticket: Ticket) -> Option<Seq> {
        self.queue.iter().find(|(_, who)| *who == ticket).map(|(seq, _)| *seq)
    }

    pub fn in_flight(&self) -> &[Waiter] {
        self.slot.as_ref().map_or(&[], |slot| &slot.waiters)
    }

    fn units_in_flight(&self) -> &[i32] {
        self.slot.as_ref().map_or(&[], |slot| &slot.units)
    }

    fn number_in_flight(&self, ticket: Ticket) -> Option<Seq> {
        self.in_flight().iter().find(|waiter| waiter.ticket == ticket).map(|waiter| waiter.seq)
    }

    pub fn join(&mut self, max_waiting: usize, tickets: &[Ticket]) -> (u64, Vec<Option<Seq>>) {
        let mut seqs = Vec::new();
        for ticket in tickets {
            let mut seq = self.number_in_line(*ticket).or(self.number_in_flight(*ticket));
            if seq.is_none() && self.queue.len() < max_waiting {
                self.counter += 1;
                seq = Some(Seq::new(self.epoch, self.counter));
                self.queue.insert((Seq::new(self.epoch, self.counter), *ticket));
                self.numbers.insert(*ticket, Seq::new(self.epoch, self.counter));
            }
            seqs.push(seq);
        }
        (self.queue.len() as u64, seqs)
    }

    pub fn leave(&mut self, ticket: Ticket) -> bool {
        let Some(seq) = self.number_in_line(ticket) else { return false };
        self.queue.remove(&(seq, ticket));
        self.feed.push(Change::Gone(vec![seq]));
        true
    }

    /// `tickets` go back at their last numbers.
    pub fn restore(&mut self, waiters: &[Waiter]) -> u64 {
        let missing: Vec<Waiter> = waiters
            .iter()
            .filter(|w| self.number_in_line(w.ticket).is_none())
            .filter(|w| self.number_in_flight(w.ticket).is_none())
            .copied()
            .collect();
        if !missing.is_empty() {
            self.feed.push(Change::Back(missing.iter().map(|w| w.seq).collect()));
        }
        self.queue.extend(missing.iter().map(|w| (w.seq, w.ticket)));
        missing.len() as u64
    }

    pub fn admit(
        &mut self,
        recorded_n: i64,
        max: usize,
        pace: Pace,
        ack: &Ack,
    ) -> Option<Admitted> {
        if self.n < recorded_n {
            return Some(Admitted::Lost);
        }
        if ack.n == self.n
            && let Some(slot) = self.slot.take()
        {
            self.acknowledge(slot, ack);
        }
        if let Some(slot) = &self.slot {
            return Some(Admitted::Batch { n: self.n, slot: slot.clone() });
        }
        if self.n > recorded_n {
            return Some(Admitted::Ahead { n: self.n });
        }
        if self.popped && pace == Pace::Hour {
            return None; // Paced; for how long depends on a clock.
        }
        let take = max.min(self.tokens.len()).min(self.queue.len());
        if take == 0 {
            return Some(Admitted::Empty);
        }
        let units: Vec<i32> = self.tokens.drain(..take).collect();
        let waiters = (0..take)
            .filter_map(|_| self.queue.pop_first())
            .map(|(seq, ticket)| Waiter { ticket, seq })
            .collect();
        self.slot = Some(Slot { waiters, units });
        (self.n, self.popped) = (self.n + 1, true);
        Some(Admitted::Batch { n: self.n, slot: self.slot.clone().unwrap() })
    }

    fn acknowledge(&mut self, slot: Slot, ack: &Ack) {
        let (back, gone): (Vec<Waiter>, Vec<Waiter>) =
            slot.waiters.iter().partition(|w| ack.requeue.contains(&w.ticket));
        self.queue.extend(back.iter().map(|w| (w.seq, w.ticket)));
        if !gone.is_empty() {
            self.feed.push(Change::Gone(gone.iter().map(|w| w.seq).collect()));
        }
        self.out.extend(&slot.units);
        self.put_back(&ack.spare);
    }

    fn put_back(&mut self, units: &[i32]) -> u64 {
        let before = self.tokens.len();
        for unit in units {
            if !self.tokens.contains(unit) && !self.units_in_flight().contains(unit) {
                self.tokens.push(*unit);
                self.out.remove(unit);
            }
        }
        (self.tokens.len() - before) as u64
    }

    pub fn free(&mut self, units: &[i32]) -> u64 {
        self.put_back(units)
    }

    pub fn drop_tokens(&mut self, units: &[i32]) -> u64 {
        let before = self.tokens.len();
        let dropped: Vec<i32> =
            self.tokens.iter().filter(|unit| units.contains(unit)).copied().collect();
        self.tokens.retain(|unit| !units.contains(unit));
        self.out.extend(dropped);
        (before - self.tokens.len()) as u64
    }

    pub fn clear(&mut self, upto: Seq) -> u64 {
        let cleared: Vec<(Seq, Ticket)> =
            self.queue.iter().take_while(|(seq, _)| *seq <= upto).copied().collect();
        if let Some((last, _)) = cleared.last() {
            self.feed.push(Change::Cleared(*last));
        }
        self.queue.retain(|(seq, _)| *seq > upto);
        cleared.len() as u64
    }

    /// Says whether this epoch rules afterwards.
    pub fn swap(&mut self, epoch: i32, waiters: &[Waiter], units: &[i32]) -> bool {
        if epoch <= self.epoch {
            return epoch == self.epoch;
        }
        let everything: HashSet<i32> =
            self.tokens.iter().chain(self.units_in_flight()).copied().collect();
        self.out.extend(everything);
        self.out.retain(|unit| !units.contains(unit));
        *self = Self {
            epoch,
            queue: waiters.iter().map(|w| (w.seq, w.ticket)).collect(),
            tokens: units.to_vec(),
            numbers: std::mem::take(&mut self.numbers),
            out: std::mem::take(&mut self.out),
            ..Self::default()
        };
        true
    }
}
