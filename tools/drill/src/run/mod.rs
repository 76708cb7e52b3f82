//! `drill run`: breaks things by a schedule that a seed draws, while simulated shoppers join, wait, buy and
//! walk away; then checks the history and the rows, and prints what was found.

mod checks;
mod clock;
mod facts;
mod faults;
mod files;
mod history;
mod hostile;
mod operator;
mod plan;
mod replica;
mod report;
mod sampler;
mod settle;
mod shopper;
mod street;
mod strike;
mod tabs;
mod variant;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use reqwest::Method;
use ropeline::faults::Mistake;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::gateway::{ADMIN_KEY, SECRET, this_program};
use crate::world::World;
use checks::{ALL, Case, RESTORED};
use clock::Clock;
use faults::{Fault, GATEWAYS, Menu};
use history::History;
use report::Report;
use shopper::Shopper;
use street::Street;
use strike::Striker;
use variant::{Rules, Variant};

/// How long gateways may take to serve again after everything was broken.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long the operator may take for what is left to do when nothing is broken any more.
const OPERATED_WITHIN: Duration = Duration::from_secs(120);
/// How long shoppers may take to go home.
const HOME_WITHIN: Duration = Duration::from_secs(30);

/// What to run.
#[derive(Debug, Args)]
pub struct Options {
    /// A run with this seed; may be given several times
    #[arg(long, value_name = "N")]
    seed: Vec<u64>,
    /// So many more runs with seeds that are drawn and printed; without any seed, one for each variant
    #[arg(long, value_name = "RUNS", default_value_t = 0)]
    random: u32,
    /// How long faults go on
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What is for sale and who comes; by default the seed decides
    #[arg(long, value_enum)]
    variant: Option<Variant>,
    /// So many shoppers instead of the variant's
    #[arg(long)]
    shoppers: Option<u32>,
    /// So many units instead of the variant's
    #[arg(long)]
    units: Option<u32>,
    /// Break nothing
    #[arg(long)]
    calm: bool,
    /// Keep histories and logs, whatever was found
    #[arg(long)]
    keep: bool,
    /// Where histories and logs are kept
    #[arg(long, default_value = "target/drill")]
    dir: PathBuf,
    /// Gateways make this mistake, which the drill should see
    #[arg(long, value_parser = mistake)]
    mistake: Option<Mistake>,
    /// The database lets two holds have one unit, which the drill should see
    #[arg(long)]
    without_unit_index: bool,
}

fn mistake(name: &str) -> Result<Mistake, String> {
    let all = || Mistake::ALL.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", ");
    Mistake::parse(name).ok_or_else(|| format!("no such mistake; there are {}", all()))
}

/// Runs every seed; says whether all was well.
///
/// # Errors
/// When the drill itself cannot go on.
pub async fn run(options: Options) -> Result<bool> {
    let seeds = seeds(&options);
    let dir = options.dir.join(format!("run-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let mut clock = Clock::find()?;
    if clock.is_none() {
        println!("libfaketime is not installed: Postgres's clock does not jump");
    }
    let false_clock = clock.as_ref().map(|clock| clock.file.clone());
    let mut world = World::start_with(&dir, this_program()?, false_clock).await?;
    let mut bad = Vec::new();
    for seed in &seeds {
        let report = run_one(&mut world, clock.as_mut(), *seed, &options, &dir)
            .await
            .with_context(|| format!("seed {seed}; see {}", dir.display()))?;
        println!("{report}");
        std::fs::write(dir.join(format!("{seed}.report.json")), serde_json::to_vec(&report)?)?;
        if report.violations() > 0 {
            bad.push((*seed, report.worst()));
        }
    }
    world.gateways.clear();
    world.stores.stop().await?;
    if bad.is_empty() && !options.keep {
        files::remove(&dir).await?;
    } else {
        println!("histories, reports and logs are in {}", dir.display());
    }
    // Once more at the end: of a long log that is what is left to see.
    for (seed, worst) in &bad {
        println!(
            "seed {seed} found violations; again: drill run --seed {seed} --seconds {}\n{worst}",
            options.seconds
        );
    }
    Ok(bad.is_empty())
}

/// The seeds that were asked for. Drawn ones follow one another, so that their variants do.
fn seeds(options: &Options) -> Vec<u64> {
    let mut seeds = options.seed.clone();
    let drawn = match options.random {
        0 if seeds.is_empty() => Variant::MIXED.len() as u32,
        drawn => drawn,
    };
    // Short enough to be typed again.
    let first: u64 = u64::from(rand::random::<u32>());
    seeds.extend((0..u64::from(drawn)).map(|n| first + n));
    seeds
}

fn rules(seed: u64, options: &Options) -> Rules {
    let mut rules = options.variant.unwrap_or_else(|| Variant::of(seed)).rules();
    // Fewer people in less time: the sale is as crowded as it is in a minute.
    if options.seconds < 60 {
        let part = |n: u32| (u64::from(n) * options.seconds).div_ceil(60) as u32;
        (rules.shoppers, rules.units) = (part(rules.shoppers), part(rules.units));
    }
    rules.shoppers = options.shoppers.unwrap_or(rules.shoppers);
    rules.units = options.units.unwrap_or(rules.units);
    rules
}

fn schedule(seed: u64, rules: &Rules, options: &Options, menu: Menu) -> Vec<Fault> {
    if options.calm {
        Vec::new()
    } else if rules.variant == Variant::Restored {
        faults::restoring(options.seconds)
    } else {
        faults::schedule(seed, options.seconds, menu)
    }
}

async fn run_one(
    world: &mut World,
    clock: Option<&mut Clock>,
    seed: u64,
    options: &Options,
    dir: &Path,
) -> Result<Report> {
    let rules = rules(seed, options);
    println!(
        "seed {seed}: {:?}, {} shoppers, {} units",
        rules.variant, rules.shoppers, rules.units
    );
    let ground =
        Ground::lay(world, &rules, options, &dir.join(format!("{seed}.history.jsonl"))).await?;
    let Ground { street, sql, sale, up_at_start, batch_101 } = ground;
    let schedule = schedule(seed, &rules, options, Menu { clock: clock.is_some() });
    let acts = plan::operator(seed, &rules, options.seconds);
    let operator = tokio::spawn(operator::operate(street.clone(), acts));
    let crowd = crowd(&street, seed, &rules, options.seconds);
    let sampling = tokio::spawn(sampler::sample(street.clone(), sql.clone(), sale, seed));

    let striker =
        Striker::new(&mut *world, street.clone(), clock, dir.to_owned(), schedule.clone());
    let windows = striker.strike(options.seconds).await?;
    all_ready(world).await?;
    // Who was kept waiting by the faults is behind the plan, and changes the stock until the plan is done. What is
    // read from one place after another must not move meanwhile.
    timeout(OPERATED_WITHIN, operator).await.context("the operator does not finish")??;
    street.closing.cancel();
    let is_restored = rules.variant == Variant::Restored && !options.calm;
    let settled = if is_restored {
        settle::stop(&sql, sale).await?
    } else {
        settle::rest(&sql, sale, &street).await?
    };
    let facts = settle::facts(world, &sql, sale, &logs(world, dir)).await?;
    street.over.cancel();
    home(crowd).await?;
    let samples = sampling.await?;
    sql.close().await;

    let history = street.history.end()?;
    let most = rules.max_in_checkout.map_or(i64::MAX, i64::from);
    let (faults, operations) =
        (report::faults(&windows, &samples, most), report::operations(&history));
    let mut secrets = street.secrets();
    secrets.extend([ADMIN_KEY.to_owned(), SECRET.to_owned()]);
    let calm = options.calm;
    let case =
        Case { rules, facts, history, windows, up_at_start, calm, settled, batch_101, secrets };
    let checks = if is_restored { RESTORED } else { ALL };
    Ok(Report {
        seed,
        seconds: options.seconds,
        checks: checks.iter().map(|check| check(&case)).collect(),
        rules: case.rules,
        mistake: options.mistake.map(|mistake| mistake.as_str().to_owned()),
        schedule,
        faults,
        operations,
        settled: case.settled,
    })
}

/// Nothing is broken any more, so every gateway serves soon: what piled up meanwhile takes its time.
async fn all_ready(world: &World) -> Result<()> {
    let began = Instant::now();
    for index in 0..world.gateways.len() {
        while let Err(late) = world.is_ready(index).await {
            ensure!(began.elapsed() < READY_WITHIN, "nothing is broken any more, and {late}");
        }
    }
    Ok(())
}

/// A fresh world with a sale in it.
struct Ground {
    street: Arc<Street>,
    sql: PgPool,
    sale: Uuid,
    up_at_start: f64,
    batch_101: Value,
}

impl Ground {
    async fn lay(
        world: &mut World,
        rules: &Rules,
        options: &Options,
        history: &Path,
    ) -> Result<Self> {
        world.renew(options.mistake).await?;
        let sql = world.sql().await?;
        sqlx::raw_sql(facts::TRAIL).execute(&sql).await?;
        if options.without_unit_index {
            sqlx::raw_sql("DROP INDEX holds_unit_owned_once").execute(&sql).await?;
        }
        for _ in 0..GATEWAYS {
            world.add_gateway().await?;
        }
        let shop = world.shop(0);
        let body = json!({ "slug": "too-many", "name": "A batch of 101", "batch_size": 101 });
        let refused = shop.call(Method::POST, "/api/v1/admin/sales", ADMIN_KEY, None, Some(&body));
        let batch_101 = refused.await?.body;
        let sale = shop.open_sale(rules.first_units(), &rules.settings()).await?;
        let history = History::begin(history)?;
        let up_at_start = sqlx::query_scalar("SELECT drill.uptime()").fetch_one(&sql).await?;
        let doors = world.gateways.iter().map(|gateway| gateway.base.clone()).collect();
        let street = Arc::new(Street::new(sale.clone(), rules.variant, history, doors));
        use_a_key(world, &street).await?;
        Ok(Self { street, sql, sale: sale.parse()?, up_at_start, batch_101 })
    }
}

/// Makes an API key and shows it to every gateway: one more secret that no log may have.
async fn use_a_key(world: &World, street: &Street) -> Result<()> {
    let body = json!({ "name": "till", "role": "viewer" });
    let (shop, path) = (world.shop(0), "/api/v1/admin/keys");
    let made = shop.call(Method::POST, path, ADMIN_KEY, None, Some(&body)).await?.body;
    let key = made["key"].as_str().context("a key was made")?;
    street.hide(key);
    for index in 0..GATEWAYS {
        world.shop(index).call(Method::GET, "/api/v1/admin/health", key, None, None).await?;
    }
    Ok(())
}

/// All shoppers.
fn crowd(street: &Arc<Street>, seed: u64, rules: &Rules, seconds: u64) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    for plan in plan::shoppers(seed, rules, seconds) {
        crowd.spawn(Shopper::new(street.clone(), plan).live());
    }
    crowd
}

async fn home(mut crowd: JoinSet<()>) -> Result<()> {
    let leaving = async {
        while let Some(ended) = crowd.join_next().await {
            ended?;
        }
        anyhow::Ok(())
    };
    timeout(HOME_WITHIN, leaving).await.context("shoppers do not go home")?
}

fn logs(world: &World, dir: &Path) -> Vec<String> {
    let log = |name: &str| dir.join(format!("{name}.log")).display().to_string();
    world.gateways.iter().map(|gateway| log(&gateway.plan.name)).collect()
}
