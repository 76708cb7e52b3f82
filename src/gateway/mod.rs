//! One gateway, put together: stores, loops and the front door, started and drained in the right order.

pub mod config;
pub(crate) mod process;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::Gate;
use crate::engine::health::heartbeat::Heart;
use crate::engine::health::selfcheck;
use crate::engine::health::selfcheck::{Standing, Weight};
use crate::engine::loops;
use crate::gateway::config::Config;
use crate::ledger::Ledger;
use crate::model::Signer;
use crate::redis::Live;
use crate::tasks::Task;
use crate::telemetry;
use crate::telemetry::UPKEEP_EVERY;
use crate::web::App;
use crate::web::server::serve;

/// Between two looks at a store that is away at start.
const STORE_RETRY: Duration = Duration::from_millis(500);

/// Serves one gateway on `listener` until `stop`. Answers `/healthz` at once, and is ready when both stores are there.
///
/// # Errors
/// When the operations listener cannot be bound, or when a store is set up so that a promise would be broken.
pub async fn run(
    config: Config,
    listener: TcpListener,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let live = Live::new(&config.stores.redis_url)?;
    let ledger = Ledger::new(&config.stores.database_url)?;
    let gate = Arc::new(Gate::new(live, ledger.clone(), Signer::new(config.secret.as_bytes())));
    gate.selfcheck.set_process(process::findings(&config));
    let app = App::new(gate.clone(), config.http, metrics.clone());
    let address = listener.local_addr()?;
    tracing::info!(listen = %address, "listening");

    let ends = CancellationToken::new();
    if let Some(address) = config.ops_listen {
        let (operations, app) = (Arc::new(TcpListener::bind(address).await?), app.clone());
        gate.tasks.keep(Task::Operations, move || {
            serve::serve_operations(operations.clone(), app.clone())
        });
    }
    gate.tasks.keep(Task::Upkeep, move || upkeep(metrics.clone()));
    gate.tasks.keep(Task::Repeats, telemetry::tell_repeats);
    // What ends first ends all: the operator's word, or a start that failed.
    let either = stop.child_token();
    let working = tokio::spawn(work(
        gate.clone(),
        process::name(address),
        app.clone(),
        ends.clone(),
        either.clone().drop_guard(),
    ));
    serve::serve(listener, app, config.max_connections, either).await?;
    ends.cancel();
    let worked = working.await?;
    gate.tasks.stop().await;
    telemetry::tell_all_repeats();
    ledger.close().await;
    worked
}

/// Folds samples into the histograms.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        sleep(UPKEEP_EVERY).await;
        metrics.run_upkeep();
    }
}

/// Waits for the stores, then runs the loops until the end. However it ends, also by a panic, the gateway ends
/// with it: none serves without its loops.
async fn work(
    gate: Arc<Gate>,
    name: String,
    app: App,
    ends: CancellationToken,
    _ends_all: DropGuard,
) -> anyhow::Result<()> {
    tokio::select! {
        prepared = prepare(&gate) => prepared?,
        () = ends.cancelled() => return Ok(()),
    };
    let heart = Arc::new(Mutex::new(Heart::new(name)));
    let (counted, traffic) = (app.clone(), app.clone());
    loops::start(
        &gate,
        &heart,
        move || counted.sockets.len(),
        move || traffic.judge_traffic(),
        move || app.limits.forget_quiet(),
    );
    ends.cancelled().await;
    gate.tasks.stop().await;
    loops::say_goodbye(&gate, &heart).await;
    Ok(())
}

/// Waits until both stores are there, checks how they are set up and brings the schema up to date.
async fn prepare(gate: &Gate) -> anyhow::Result<()> {
    let mut told = false;
    loop {
        match selfcheck::start(gate).await {
            Ok(standing) => return judge(&standing),
            Err(error) if !told => {
                tracing::warn!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "waiting for the stores"
                );
                told = true;
            }
            Err(error) => tracing::debug!(error = %error, "still waiting for the stores"),
        }
        sleep(STORE_RETRY).await;
    }
}

fn judge(standing: &Standing) -> anyhow::Result<()> {
    let refused: Vec<&str> = standing
        .findings
        .iter()
        .filter(|finding| finding.weight == Weight::Refuse)
        .map(|finding| finding.text.as_str())
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    anyhow::bail!("this gateway refuses to serve:\n  - {}", refused.join("\n  - "))
}
