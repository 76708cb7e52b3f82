//! The command line: read the settings, start, and stop when told to.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use ropeline::dev;
use ropeline::dev::DevArgs;
use ropeline::engine::people;
use ropeline::engine::people::NewOperator;
use ropeline::engine::{FlowError, Refusal};
use ropeline::gateway::config::{ServeArgs, StoreArgs};
use ropeline::ledger::Ledger;
use ropeline::model::Role;
use ropeline::telemetry;
use ropeline::telemetry::LogFormat;
use ropeline::web::server::serve;
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
    /// Add an operator of the console, or set a password that was lost
    ///
    /// Needs DATABASE_URL alone. The password is asked for, or read from standard input: never an argument,
    /// which every user of the machine could see.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Print the OpenAPI document, as `/openapi.json` serves it
    Openapi,
    /// Try it out: a gateway with stores of its own and a demo sale with simulated shoppers
    Dev(DevArgs),
}

#[derive(Subcommand)]
enum OperatorCommand {
    /// Add an operator; the first one should be an owner
    Add {
        #[command(flatten)]
        stores: StoreArgs,
        /// Used to log in, and shown in the audit
        #[arg(long)]
        name: String,
        /// viewer (looks only), operator (steers sales) or owner (also accounts and API keys)
        #[arg(long)]
        role: String,
    },
    /// Give an operator another password, and log them out everywhere
    Password {
        #[command(flatten)]
        stores: StoreArgs,
        #[arg(long)]
        name: String,
    },
}

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args).await,
        Command::Migrate(args) => migrate(&args).await,
        Command::Operator(command) => operator(command).await,
        Command::Openapi => openapi(),
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
    ledger(args)?.migrate().await?;
    println!("The schema is up to date.");
    Ok(ExitCode::SUCCESS)
}

fn openapi() -> anyhow::Result<ExitCode> {
    println!("{:#}", ropeline::web::openapi());
    Ok(ExitCode::SUCCESS)
}

/// Postgres alone: these commands need no Redis.
fn ledger(args: &StoreArgs) -> anyhow::Result<Ledger> {
    let reading = StoreArgs {
        redis_url: Some("redis://unused".into()),
        redis_url_file: None,
        ..args.clone()
    };
    Ok(Ledger::new(&reading.check()?.database_url)?)
}

async fn operator(command: OperatorCommand) -> anyhow::Result<ExitCode> {
    let said = match command {
        OperatorCommand::Add { stores, name, role } => {
            let ledger = ledger(&stores)?;
            let role = Role::parse(&role).filter(|role| role.is_for_people());
            let role = role.context("--role must be viewer, operator or owner")?;
            let new = NewOperator { name, role, password: password()? };
            ledger.migrate().await?;
            let made = people::add_by_hand(&ledger, &new).await.map_err(told)?;
            format!("{} may log in as {}.", made.name, made.role.as_str())
        }
        OperatorCommand::Password { stores, name } => {
            let ledger = ledger(&stores)?;
            let known = people::reset_by_hand(&ledger, &name, &password()?).await.map_err(told)?;
            anyhow::ensure!(known, "there is no operator {name:?}");
            format!("{name} has another password, and is logged out everywhere.")
        }
    };
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}

/// A password from whoever types it, twice, or from a pipe, once.
fn password() -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    let first = rpassword::prompt_password("Password (at least 12 characters): ")?;
    let again = rpassword::prompt_password("The same again: ")?;
    anyhow::ensure!(first == again, "the two are not the same");
    Ok(first)
}

/// A refusal with its fields, as one line.
fn told(error: FlowError) -> anyhow::Error {
    if let FlowError::Refused(Refusal::Invalid(faults)) = &error {
        let faults = faults.iter().map(|fault| format!("{} {}", fault.field, fault.detail));
        return anyhow::anyhow!("{}", faults.collect::<Vec<_>>().join("; "));
    }
    error.into()
}
