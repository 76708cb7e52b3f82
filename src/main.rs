//! The command line: read the settings, start, and stop when told to.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use ropeline::config::{ServeArgs, StoreArgs};
use ropeline::dev::{self, DevArgs};
use ropeline::http::serve;
use ropeline::ledger::Ledger;
use ropeline::telemetry::{self, LogFormat};
use ropeline::{gateway, signals};

/// A fair line in front of a flash sale, and never a unit sold twice.
///
/// `ropeline serve` is one gateway. Start as many as you like against the same Redis and Postgres, all with
/// the same secret, behind any load balancer. `ropeline dev` needs nothing but redis-server and Postgres
/// installed: it starts its own, with a demo sale.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one gateway
    ///
    /// Needs REDIS_URL, DATABASE_URL, ROPELINE_SECRET and ROPELINE_ADMIN_KEY; each may also be given as
    /// <NAME>_FILE. Brings the schema up to date when it starts. SIGTERM drains: no new joins, sockets are
    /// closed over three seconds, requests under way finish.
    Serve(Box<ServeArgs>),
    /// Bring the schema of the database up to date, and end
    Migrate(StoreArgs),
    /// Try it out: a gateway with stores of its own and a demo sale with simulated shoppers
    Dev(DevArgs),
}

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args).await,
        Command::Migrate(args) => migrate(&args).await,
        Command::Dev(args) => dev::run(args).await,
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ropeline: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let config = args.check()?;
    telemetry::start_logging(config.log_format);
    let metrics = telemetry::install_metrics()?;
    let listen = config.listen;
    let listener = serve::listen(listen)
        .map_err(|error| anyhow::anyhow!("ROPELINE_LISTEN: {listen}: {error}"))?;
    gateway::run(config, listener, metrics, signals::stop()?).await?;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(args: &StoreArgs) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(LogFormat::Text);
    // Only Postgres is needed here.
    let reading = StoreArgs {
        redis_url: Some("redis://unused".into()),
        redis_url_file: None,
        ..args.clone()
    };
    let ledger = Ledger::new(&reading.check()?.database_url)?;
    ledger.migrate().await?;
    println!("The schema is up to date.");
    Ok(ExitCode::SUCCESS)
}
