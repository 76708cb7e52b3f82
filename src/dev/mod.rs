//! `ropeline dev`: a gateway with stores of its own and a demo sale, for trying things out and for tests.

pub mod demo;
pub mod stores;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::dev::stores::{Data, Stores};
use crate::gateway::config::{Config, Stores as StoreUrls};
use crate::ledger::Ledger;
use crate::telemetry;
use crate::telemetry::LogFormat;
use crate::web::Settings;
use crate::web::server::serve;
use crate::{gateway, signals};

/// How long the gateway has to become ready; Postgres makes its files first.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How long a command has to end after a signal before it is killed.
const COMMAND_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Args)]
pub struct DevArgs {
    /// Where to listen; another port is taken when this one is in use
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where the stores keep their data
    #[arg(long, value_name = "FOLDER", default_value = ".ropeline/dev")]
    dir: PathBuf,

    /// Keep the data of the last run
    #[arg(long)]
    keep: bool,

    /// No demo sale and no simulated shoppers
    #[arg(long)]
    quiet: bool,

    /// The operator's API key; a new one each time unless given
    #[arg(long, value_name = "TEXT")]
    admin_key: Option<String>,

    /// Start the stores alone, run a command with REDIS_URL and DATABASE_URL set, and end with it
    #[arg(long, requires = "command")]
    stores_only: bool,

    /// The command, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs until Ctrl-C, or until the command ends; then ends everything it started.
pub async fn run(args: DevArgs) -> anyhow::Result<ExitCode> {
    let data = if args.keep { Data::Keep } else { Data::Fresh };
    let stop = signals::stop()?;
    let stores = Stores::start(&args.dir, data).await?;
    let done = if args.stores_only {
        run_command(&args.command, &stores, stop).await
    } else {
        demonstrate(&args, &stores, stop).await
    };
    stores.stop().await?;
    done
}

async fn run_command(
    command: &[String],
    stores: &Stores,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let ledger = Ledger::new(&stores.database_url())?;
    ledger.migrate().await?;
    ledger.close().await;
    let Some((program, rest)) = command.split_first() else { return Ok(ExitCode::SUCCESS) };
    let mut child = tokio::process::Command::new(program)
        .args(rest)
        .env("REDIS_URL", stores.redis_url())
        .env("DATABASE_URL", stores.database_url())
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::select! {
        status = child.wait() => status?,
        () = stop.cancelled() => {
            // Ctrl-C reached the command as well; a SIGTERM to this process did not.
            if let Ok(status) = timeout(COMMAND_GRACE, child.wait()).await {
                status?
            } else {
                child.kill().await?;
                child.wait().await?
            }
        }
    };
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

async fn demonstrate(
    args: &DevArgs,
    stores: &Stores,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(LogFormat::Text);
    let listener = free_listener(args.listen)?;
    let listen = listener.local_addr()?;
    let base = format!("http://{listen}");
    let admin_key =
        args.admin_key.clone().unwrap_or_else(|| format!("dev-{}", crate::random_text()));
    let config = Config {
        stores: StoreUrls { redis_url: stores.redis_url(), database_url: stores.database_url() },
        listen,
        ops_listen: None,
        secret: stores.secret()?,
        max_connections: 10_000,
        log_format: LogFormat::Text,
        http: Settings {
            admin_key: admin_key.clone(),
            public_url: None,
            trusted_proxies: Vec::new(),
            // All simulated shoppers come from one address.
            rates: None,
            serves_metrics: true,
        },
    };
    let ends = stop.child_token();
    let gateway =
        tokio::spawn(gateway::run(config, listener, telemetry::install_metrics()?, ends.clone()));
    let shown = async {
        ready(&base).await?;
        if args.quiet {
            show(&base, None, &admin_key);
            return Ok(());
        }
        let slug = demo::create_sale(&base, &admin_key).await?;
        show(&base, Some(&slug), &admin_key);
        demo::crowd(&base, &slug, ends.clone()).await
    };
    let crowd = tokio::select! {
        shown = shown => shown,
        () = stop.cancelled() => Ok(()),
    };
    if crowd.is_err() {
        ends.cancel();
    } else {
        stop.cancelled().await;
    }
    gateway.await??;
    crowd?;
    Ok(ExitCode::SUCCESS)
}

/// Listens where asked, or on a free port when somebody listens there already.
fn free_listener(asked: SocketAddr) -> std::io::Result<TcpListener> {
    match serve::listen(asked) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            serve::listen(SocketAddr::new(asked.ip(), 0))
        }
        bound => bound,
    }
}

async fn ready(base: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::new();
    let asking = async {
        loop {
            let answer = client.get(format!("{base}/readyz")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(READY_WITHIN, asking).await.map_err(|_| anyhow::anyhow!("the gateway is not ready"))
}

fn show(base: &str, slug: Option<&str>, admin_key: &str) {
    println!();
    if let Some(slug) = slug {
        println!("  The waiting room   {base}/s/{slug}");
    }
    println!("  The console        {base}/admin");
    println!("  its API key        {admin_key}");
    println!("  The API            {base}/docs");
    println!();
    println!("  Ctrl-C ends all of it.");
    println!();
}
