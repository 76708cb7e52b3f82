//! Hostile clients: a steady load of honest shoppers is measured alone and next to one kind of attack, in
//! turn, so that both see the same machine. Each kind has a gateway of its own, so that memory counts from
//! a fresh start.

mod attacks;
mod gateway;
mod honest;
mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use ropeline::dev::stores::{Data, Stores};
use serde_json::{Value, json};
use tokio::time::{interval, sleep};

use attacks::{Attack, Kind, RAMP, Target};
use gateway::{ADMIN_KEY, Gateway, Reading};
use honest::{Crowd, Phase, Waiter};
use report::{Outcome, Round};

/// Before the first phase, so that caches and pools are filled.
const WARM_UP: Duration = Duration::from_secs(2);
/// From the end of an attack until what it leaves behind is looked at.
const SETTLE: Duration = Duration::from_secs(2);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);
/// Tickets for hostile sockets, from so many addresses at so many joins at a time.
const JOINS_AT_ONCE: usize = 32;
/// More than all phases together buy.
const UNITS: u32 = 100_000;
/// Admits one shopper each second for the length of an attack: everybody behind is told.
const MOVING_UNITS: u32 = 1_000;

#[derive(clap::Args)]
pub struct Args {
    /// The gateway's program, built without faults
    #[arg(long, default_value = "target/release/ropeline")]
    gateway: PathBuf,

    /// Rounds of each attack; each is one phase alone and one under attack
    #[arg(long, default_value_t = 3)]
    rounds: usize,

    /// Length of a phase
    #[arg(long, default_value_t = 6)]
    seconds: u64,

    /// These attacks and no others
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,

    /// Where the figures go
    #[arg(long, default_value = "target/hostile.json")]
    json: PathBuf,
}

/// # Errors
/// When something does not start, or when an honest call failed under attack.
pub async fn run(args: Args) -> Result<()> {
    let kinds = if args.only.is_empty() { Kind::value_variants() } else { &args.only };
    let place = Path::new("target/tmp/hostile");
    let stores = Stores::start(place, Data::Fresh).await?;
    let mut outcomes = Vec::new();
    println!("{}", report::HEADER);
    for kind in kinds {
        let outcome = under_attack(&args, &stores, *kind)
            .await
            .with_context(|| format!("{kind:?} could not be tried"))?;
        println!("{}", outcome.line());
        outcomes.push(outcome);
    }
    stores.stop().await?;
    report::write(&args.json, &outcomes)?;
    println!("\n{}", report::endings(&outcomes));
    println!("every figure: {}", args.json.display());
    let harmed: u64 = outcomes.iter().map(Outcome::harm).sum();
    ensure!(harmed == 0, "{harmed} honest calls failed or sockets ended under attack");
    Ok(())
}

/// All rounds of one attack, against a gateway of its own.
async fn under_attack(args: &Args, stores: &Stores, kind: Kind) -> Result<Outcome> {
    let length = Duration::from_secs(args.seconds);
    let spec = kind.spec();
    let gateway = Gateway::start(&args.gateway, stores, spec.slots).await?;
    let name = kind.to_possible_value().context("every kind has a name")?.get_name().to_owned();
    let operator = Operator { client: Client::new(), base: gateway.base() };
    let quick =
        operator.sale(&json!({ "batch_size": 100, "admit_interval_ms": 1000 }), UNITS).await?;
    let slow = operator.sale(&json!({}), 0).await?;
    let crowd = Arc::new(Crowd::gather(gateway.address, &quick, &slow).await?);
    let moving = json!({ "batch_size": 1, "admit_interval_ms": 1000 });
    let sale = operator.sale(&moving, MOVING_UNITS).await?;
    let tickets = match spec.has_ticket {
        true => tickets(&gateway, &sale, spec.lanes).await?,
        false => Vec::new(),
    };
    let target = Arc::new(Target { address: gateway.address, sale, tickets });
    Phase::run(&crowd, WARM_UP).await?;
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let alone = Phase::run(&crowd, length).await?;
        let before = gateway.read()?;
        let attack = Attack::begin(kind, &target)?;
        sleep(RAMP).await;
        let began = gateway.read()?;
        let (attacked, peak) = tokio::join!(Phase::run(&crowd, length), peak(&gateway, length));
        let ended = gateway.read()?;
        let sum = attack.end().await?;
        sleep(SETTLE).await;
        let after = gateway.read()?;
        let cpu = (ended.cpu_seconds - began.cpu_seconds) / length.as_secs_f64();
        rounds.push(Round { alone, attacked: attacked?, before, peak: peak?, after, cpu, sum });
    }
    let lost = crowd.lost.load(Ordering::Relaxed);
    gateway.end().await?;
    Ok(Outcome::new(name, spec.lanes, lost, rounds))
}

/// The most that a gateway used while this lasted.
async fn peak(gateway: &Gateway, length: Duration) -> Result<Reading> {
    let (mut most, mut ticks) = (Reading::default(), interval(SAMPLE_EVERY));
    for _ in 0..length.as_millis() / SAMPLE_EVERY.as_millis() {
        ticks.tick().await;
        let now = gateway.read()?;
        most.rss_kib = most.rss_kib.max(now.rss_kib);
        most.open_files = most.open_files.max(now.open_files);
    }
    Ok(most)
}

/// Tickets of a sale, joined from as many addresses as the attack will come from.
async fn tickets(gateway: &Gateway, sale: &str, count: usize) -> Result<Vec<Waiter>> {
    let url = format!("{}/api/v1/sales/{sale}/tickets", gateway.base());
    let clients: Vec<_> = (0..8)
        .map(|at| Client::builder().local_address(Some([127, 0, 8, 1 + at].into())).build())
        .collect::<Result<_, _>>()?;
    stream::iter(0..count)
        .map(|index| {
            let request = clients[index % clients.len()].post(&url);
            async move { Waiter::new(&request.send().await?.error_for_status()?.json().await?) }
        })
        .buffered(JOINS_AT_ONCE)
        .try_collect()
        .await
}

/// Makes sales.
struct Operator {
    client: Client,
    base: String,
}

impl Operator {
    async fn tell(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/api/v1/admin/sales{path}", self.base);
        let answer = self.client.post(url).bearer_auth(ADMIN_KEY).json(body).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "{path}: {status} {body}");
        Ok(body)
    }

    /// An open sale with these settings: its id.
    async fn sale(&self, more: &Value, units: u32) -> Result<String> {
        let mut body = json!({ "name": "A sale", "checkout": "builtin",
                               "slug": format!("sale-{:08x}", rand::random::<u32>()) });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let made = self.tell("", &body).await?;
        let id = made["id"].as_str().context("no id")?.to_owned();
        if units > 0 {
            self.tell(&format!("/{id}/tokens"), &json!({ "count": units })).await?;
        }
        self.tell(&format!("/{id}/open"), &json!({})).await?;
        Ok(id)
    }
}
