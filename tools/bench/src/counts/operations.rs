//! One kind of operation, done so many times, one after the other, over the wire.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use stats_alloc::{Region, Stats};

use crate::ALLOCATOR;
use crate::caller::{Caller, Watcher, request};
use crate::compare::{ALLOCATIONS, BYTES, Counts};
use crate::house::{ADMIN_KEY, House};

/// Done before anything is counted: connections, prepared statements and buffers are there afterwards.
const WARM_UP: usize = 50;
/// Counted together.
const GROUP: usize = 20;
/// Prepared for every run, so that two runs differ by what is counted alone.
const MOST: usize = 400;
/// Units beyond those that are bought: among the last hundred, a confirm looks whether it was the last.
const SPARE_UNITS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A join
    Join,
    /// A place that moves: somebody leaves, and each socket is told
    Move,
    /// A confirm by the shop
    Confirm,
}

#[derive(clap::Args)]
pub struct Args {
    pub kind: Kind,
    /// How many are counted
    #[arg(long)]
    pub times: usize,
    /// Sockets that are told of a move
    #[arg(long, default_value_t = 0)]
    pub sockets: usize,
    #[arg(long, env = "REDIS_URL")]
    redis_url: String,
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
}

/// Does them, and prints what each of them allocated.
pub fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.times.is_multiple_of(GROUP), "--times: a multiple of {GROUP}");
    ensure!(WARM_UP + args.times <= MOST, "--times: {} at the most", MOST - WARM_UP);
    let house = House::open(&args.redis_url, &args.database_url)?;
    let mut caller = Caller::connect(house.address)?;
    let counted = match args.kind {
        Kind::Join => joins(&house, &mut caller, args.times)?,
        Kind::Move => moves(&house, &mut caller, args.times, args.sockets)?,
        Kind::Confirm => confirms(&house, &mut caller, args.times)?,
    };
    println!("{}", serde_json::to_string(&counted)?);
    Ok(())
}

/// Calls something again and again; what each call allocated after the warm-up.
///
/// The median of a few groups: now and then a pool opens one more connection, which is no part of a call.
fn count(
    house: &House,
    times: usize,
    mut once: impl FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Counts> {
    for n in 0..WARM_UP {
        once(n)?;
    }
    house.rest()?;
    let deferred = house.deferred();
    let region = Region::new(ALLOCATOR);
    house.rest()?;
    let rest = region.change();
    let mut groups = Vec::new();
    for group in 0..times / GROUP {
        let region = Region::new(ALLOCATOR);
        for n in 0..GROUP {
            once(WARM_UP + group * GROUP + n)?;
        }
        house.rest()?;
        groups.push(region.change() - rest);
    }
    // One that is answered before it is journaled is another operation.
    let is_calm = house.deferred() <= deferred;
    ensure!(is_calm, "Postgres was slow to journal a join; once more on a calmer machine");
    let each = |of: fn(&Stats) -> usize| {
        let mut all: Vec<usize> = groups.iter().map(of).collect();
        all.sort_unstable();
        let middle = all.get(all.len() / 2).copied().unwrap_or_default();
        middle as f64 / GROUP as f64
    };
    let allocations = each(|stats| stats.allocations + stats.reallocations);
    let bytes = each(|stats| stats.bytes_allocated);
    Ok([(ALLOCATIONS.to_owned(), allocations), (BYTES.to_owned(), bytes)].into())
}

/// An open sale with so many units.
fn sale(house: &House, caller: &mut Caller, units: usize) -> anyhow::Result<String> {
    let slug = format!("s-{:032x}", rand::random::<u128>());
    let settings = json!({ "slug": slug, "name": "Counts", "max_in_checkout": null,
                           "batch_size": 100, "admit_interval_ms": 10 });
    let made = house.operate(caller, "POST", "/sales", &settings, 201)?;
    let id = made["id"].as_str().context("a sale without an id")?.to_owned();
    if units > 0 {
        let seeded = json!({ "count": units });
        house.operate(caller, "POST", &format!("/sales/{id}/tokens"), &seeded, 201)?;
    }
    house.operate(caller, "POST", &format!("/sales/{id}/open"), &json!({}), 200)?;
    house.look()?;
    Ok(id)
}

/// A shopper in line.
struct Waiter {
    path: String,
    credential: String,
}

fn fill(caller: &mut Caller, sale: &str, waiters: usize) -> anyhow::Result<Vec<Waiter>> {
    let path = format!("/api/v1/sales/{sale}/tickets");
    let join = request("POST", &path, "", "");
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no ticket in the answer");
    let mut line = Vec::new();
    for _ in 0..waiters {
        let joined: Value = serde_json::from_str(caller.ask(&join, 201)?)?;
        line.push(Waiter {
            path: format!("{path}/{}", text(&joined["ticket"])?),
            credential: text(&joined["credential"])?,
        });
    }
    Ok(line)
}

fn joins(house: &House, caller: &mut Caller, times: usize) -> anyhow::Result<Counts> {
    let sale = sale(house, caller, 0)?;
    // Behind others: whoever joins an empty line asks for a look at it.
    fill(caller, &sale, 1)?;
    house.look()?;
    let join = request("POST", &format!("/api/v1/sales/{sale}/tickets"), "", "");
    count(house, times, |_| caller.ask(&join, 201).map(drop))
}

/// The front of the line leaves, and everyone behind is told.
fn moves(
    house: &House,
    caller: &mut Caller,
    times: usize,
    sockets: usize,
) -> anyhow::Result<Counts> {
    let sale = sale(house, caller, 0)?;
    let front = fill(caller, &sale, MOST)?;
    let behind = fill(caller, &sale, sockets)?;
    house.look()?;
    let mut watchers = open(house.address, &behind)?;
    let leave: Vec<_> =
        front.iter().map(|one| request("DELETE", &one.path, &one.credential, "")).collect();
    count(house, times, |n| {
        caller.ask(&leave[n], 204)?;
        for watcher in &mut watchers {
            let now = watcher.next()?;
            ensure!(now + 1 == watcher.position, "from place {} to {now}", watcher.position);
            watcher.position = now;
        }
        Ok(())
    })
}

fn open(target: SocketAddr, waiters: &[Waiter]) -> anyhow::Result<Vec<Watcher>> {
    waiters
        .iter()
        .map(|waiter| Watcher::open(target, &format!("{}/live", waiter.path), &waiter.credential))
        .collect()
}

fn confirms(house: &House, caller: &mut Caller, times: usize) -> anyhow::Result<Counts> {
    let sale = sale(house, caller, MOST + SPARE_UNITS)?;
    fill(caller, &sale, MOST)?;
    house.look()?;
    house.admit_all(&sale)?;
    let path = format!("/sales/{sale}/holds?limit=1000");
    let holds = house.operate(caller, "GET", &path, &Value::Null, 200)?;
    let holds = holds["items"].as_array().context("no holds")?;
    ensure!(holds.len() == MOST, "{} of {MOST} were admitted", holds.len());
    let confirm = |hold: &Value| {
        let id = hold["id"].as_str().context("a hold without an id")?;
        anyhow::Ok(request("POST", &format!("/api/v1/holds/{id}/confirm"), ADMIN_KEY, ""))
    };
    let confirms = holds.iter().map(confirm).collect::<anyhow::Result<Vec<_>>>()?;
    count(house, times, |n| caller.ask(&confirms[n], 200).map(drop))
}
