//! `stampede`: sends a crowd to a flash sale from outside, and measures what the crowd lives through.
//!
//! It knows ropeline by its API alone. `args` and `plan` say what is to be done, `arrivals` when; `crowd`
//! lets everybody go, `shopper` and `watch` are one of them; `net`, `inbox`, `http` and `frames` are the
//! wire; `measure`, `lag` and `checks` keep what was seen, and `report` tells it.

mod args;
mod arrivals;
mod calibrate;
mod checks;
mod crowd;
mod demo;
mod frames;
mod http;
mod inbox;
mod lag;
mod machine;
mod measure;
mod net;
mod operator;
mod plan;
mod progress;
mod report;
mod shopper;
mod state;
mod watch;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use ropeline::signals;
use tokio::runtime::{Builder, Runtime};

use args::{Asked, Cli};
use demo::Demo;
use net::Net;
use operator::Operator;
use report::Report;
use world::World;

/// A promise was seen broken. An error of the run itself is 1.
const BROKEN: u8 = 3;

fn main() -> ExitCode {
    let done = Cli::parse().check().and_then(|asked| {
        let runtime = runtime(asked.plan.bounds.threads)?;
        match asked.calibrate {
            Some(seconds) => runtime.block_on(calibrate::run(seconds)).map(|()| ExitCode::SUCCESS),
            None => runtime.block_on(run(asked)),
        }
    });
    done.unwrap_or_else(|error| {
        eprintln!("stampede: {error:#}");
        ExitCode::FAILURE
    })
}

/// One thread has no locks to wait for and leaves the other processors to the gateway.
fn runtime(threads: usize) -> Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    Ok(builder.worker_threads(threads).enable_all().build()?)
}

async fn run(mut asked: Asked) -> Result<ExitCode> {
    let allowed = machine::room_for(&asked.plan)?;
    // Refused before anything is started.
    Net::of(&asked.plan).await?;
    let demo = match asked.plan.targets.is_empty() {
        true => Some(Demo::start(asked.gateway.clone(), asked.gateways, &asked.plan).await?),
        false => None,
    };
    if let Some(demo) = &demo {
        asked.plan.targets.clone_from(&demo.targets);
        asked.key = Some(demo.key.clone());
    }
    let measured = measure(&asked, allowed).await;
    if let Some(demo) = demo {
        demo.stop().await?;
    }
    let report = measured?;
    print!("{}", report::text(&report));
    report.write(asked.json.as_deref(), asked.html.as_deref())?;
    let is_kept = report.broken_promises == 0;
    Ok(if is_kept { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) })
}

async fn measure(asked: &Asked, allowed: u64) -> Result<Report> {
    let (plan, stop) = (asked.plan.clone(), signals::stop()?);
    let net = Net::of(&plan).await?;
    let operator = Operator { net: &net, key: asked.key.as_deref() };
    let sale = match &plan.sale {
        Some(name) => operator.find(name).await?,
        None => operator.make(&plan.own).await?,
    };
    if let Some(first) = plan.targets.first() {
        eprintln!("stampede: the waiting room is {}/s/{}", first.trim_end_matches('/'), sale.name);
    }
    let world = Arc::new(World::new(plan, net, sale, stop));
    let done = crowd::run(&world, asked.key.as_deref()).await?;
    Ok(Report::of(&world, done, machine::used(allowed)))
}
