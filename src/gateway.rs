//! One gateway, put together: stores, loops and the front door, started and drained in the right order.

mod process;

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::flow::Gate;
use crate::flow::selfcheck::{self, Standing, Weight};
use crate::http::{App, serve};
use crate::ledger::Ledger;
use crate::live::Live;
use crate::loops::Loops;
use crate::sale::Signer;
use crate::telemetry::UPKEEP_EVERY;

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

    let failed = CancellationToken::new();
    let ends = CancellationToken::new();
    if let Some(address) = config.ops_listen {
        let operations = TcpListener::bind(address).await?;
        tokio::spawn(serve::serve_operations(operations, app.clone(), ends.clone()));
    }
    let upkeep = tokio::spawn(async move {
        loop {
            sleep(UPKEEP_EVERY).await;
            metrics.run_upkeep();
        }
    });
    let working =
        tokio::spawn(work(gate, process::name(address), app.clone(), ends.clone(), failed.clone()));
    // Whatever ends first ends all: the operator's word, or a store that must not be served from.
    let either = CancellationToken::new();
    let ending = {
        let (stop, failed, either) = (stop.clone(), failed.clone(), either.clone());
        tokio::spawn(async move {
            tokio::select! { () = stop.cancelled() => {}, () = failed.cancelled() => {} }
            either.cancel();
        })
    };
    serve::serve(listener, app, config.max_connections, either).await?;
    ends.cancel();
    upkeep.abort();
    ending.abort();
    let worked = working.await?;
    ledger.close().await;
    worked
}

/// Waits for the stores, then runs the loops until the end.
async fn work(
    gate: Arc<Gate>,
    name: String,
    app: App,
    ends: CancellationToken,
    failed: CancellationToken,
) -> anyhow::Result<()> {
    let prepared = tokio::select! {
        prepared = prepare(&gate) => prepared,
        () = ends.cancelled() => return Ok(()),
    };
    if let Err(refused) = prepared {
        failed.cancel();
        return Err(refused);
    }
    let counted = app.clone();
    let loops = Loops::start(
        &gate,
        name,
        move || counted.sockets.len(),
        move || {
            app.limits.forget_quiet();
            app.judge_traffic();
        },
    );
    ends.cancelled().await;
    loops.stop().await;
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
