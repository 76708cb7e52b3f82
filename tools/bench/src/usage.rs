//! Processor time of everything that a rig runs, by kind of process: what a request costs, whoever else is
//! busy on the machine.

use std::collections::{BTreeMap, HashMap};
use std::fs;

use crate::table::{Row, alone};

/// Ticks a second of the times in `/proc`, which Linux has fixed at 100 for programs.
const TICKS: f64 = 100.0;

/// Seconds of processor time so far, by the name of the program.
#[derive(Debug, Clone, Default)]
pub struct Usage(BTreeMap<String, f64>);

impl Usage {
    /// Of this process's descendants.
    pub fn now() -> Self {
        let all = processes();
        let mut used = BTreeMap::new();
        for process in all.values() {
            if descends(&all, process, std::process::id()) {
                *used.entry(process.name.clone()).or_default() += process.seconds;
            }
        }
        Self(used)
    }

    /// Microseconds for each of `count`, since `before`, by program.
    pub fn each_since(&self, before: &Self, count: f64) -> BTreeMap<String, f64> {
        let spent = |name: &str, now: f64| now - before.0.get(name).copied().unwrap_or_default();
        self.0.iter().map(|(name, now)| (name.clone(), spent(name, *now) * 1e6 / count)).collect()
    }
}

/// Seconds of processor time so far of one process and of all that it started and that still run.
pub fn seconds_of(pid: u32) -> f64 {
    let all = processes();
    let family = all.iter().filter(|(one, process)| **one == pid || descends(&all, process, pid));
    family.map(|(_, process)| process.seconds).sum()
}

/// What some deeds cost, by program, over several rounds.
#[derive(Debug, Default)]
pub struct Spent(Vec<(String, Vec<f64>)>);

impl Spent {
    /// One more round: so many deeds since `before`.
    pub fn add(&mut self, before: &Usage, deeds: f64) {
        for (name, micros) in Usage::now().each_since(before, deeds) {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, figures)) => figures.push(micros),
                None => self.0.push((name, vec![micros])),
            }
        }
    }

    /// A row for each program that is a part of the product or of the measurement named in `also`.
    pub fn rows(self, deed: &str, also: &[&str]) -> Vec<Row> {
        let counts = |name: &str| PARTS.contains(&name) || also.contains(&name);
        let told = self.0.into_iter().filter(|(name, _)| counts(name));
        told.map(|(name, figures)| {
            alone(&format!("processor time for {deed}: {name}"), "µs", figures)
        })
        .collect()
    }
}

/// The programs that a sale runs on.
const PARTS: [&str; 3] = ["ropeline", "postgres", "redis-server"];

struct Process {
    parent: u32,
    name: String,
    seconds: f64,
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold anything; the fields after it are numbers.
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        seconds: (ticks(11)? + ticks(12)?) / TICKS,
    })
}

fn descends(all: &HashMap<u32, Process>, process: &Process, from: u32) -> bool {
    let mut parent = process.parent;
    while parent != 0 {
        if parent == from {
            return true;
        }
        match all.get(&parent) {
            Some(next) => parent = next.parent,
            None => return false,
        }
    }
    false
}
