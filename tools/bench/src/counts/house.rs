//! One gateway in a thread of its own, without the loops: they work by the clock, and would be counted more
//! often the slower the machine is. Their steps are called by hand where an operation needs them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use ropeline::engine::Gate;
use ropeline::engine::admission::admit::{Next, admit};
use ropeline::engine::checkout::batch;
use ropeline::engine::health::selfcheck;
use ropeline::engine::loops::tick;
use ropeline::ledger::Ledger;
use ropeline::model::{SaleId, Signer};
use ropeline::redis::{Ack, Live};
use ropeline::telemetry;
use ropeline::web::server::serve;
use ropeline::web::{App, Settings};
use serde_json::Value;
use tokio::runtime::{Builder, Handle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, request};

pub const ADMIN_KEY: &str = "the operator of the counts";
const SECRET: &[u8] = b"a secret of more than thirty-two bytes, for the counts";
const MOST_CONNECTIONS: usize = 1_000;
/// After its answer an operation has a little left to do: to put a connection back, for one.
const REST: Duration = Duration::from_millis(50);
/// After so many pauses in a row nobody is left to admit; one is between any two batches.
const QUIET: u32 = 5;

pub struct House {
    pub address: SocketAddr,
    handle: Handle,
    gate: Arc<Gate>,
    metrics: PrometheusHandle,
}

impl House {
    pub fn open(redis_url: &str, database_url: &str) -> anyhow::Result<Self> {
        // One thread: what is done does not depend on which one is free.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let metrics = telemetry::install_metrics()?;
        let inside = runtime.enter();
        let live = Live::new(redis_url)?;
        let ledger = Ledger::new(database_url)?;
        let gate = Arc::new(Gate::new(live, ledger, Signer::new(SECRET)));
        let settings = Settings {
            admin_key: ADMIN_KEY.to_owned(),
            public_url: None,
            trusted_proxies: Vec::new(),
            rates: None, // All calls come from one address.
            serves_metrics: true,
        };
        let app = App::new(gate.clone(), settings, metrics.clone());
        let listener = serve::listen(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        drop(inside);
        runtime.block_on(async {
            selfcheck::start(&gate).await?;
            tick::tick(&gate).await;
            anyhow::Ok(())
        })?;
        ensure!(gate.missing().is_empty(), "not ready: {:?}", gate.missing());
        let handle = runtime.handle().clone();
        // Not by the clock: it waits for confirms.
        handle.block_on(async { batch::start(&gate) });
        // Until the process ends.
        let serving = serve::serve(listener, app, MOST_CONNECTIONS, CancellationToken::new());
        thread::spawn(move || runtime.block_on(serving));
        Ok(Self { address, handle, gate, metrics })
    }

    /// Does something in the gateway's thread.
    fn inside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (tell, told) = sync_channel(1);
        self.handle.spawn(async move { drop(tell.send(work.await)) });
        told.recv().context("the gateway is gone")
    }

    /// Lets the gateway finish what it has left to do.
    pub fn rest(&self) -> anyhow::Result<()> {
        self.inside(async { sleep(REST).await })
    }

    /// Looks at every sale, as the watch does by time.
    pub fn look(&self) -> anyhow::Result<()> {
        let gate = self.gate.clone();
        self.inside(async move { tick::tick(&gate).await })
    }

    /// Admits whoever can be admitted, as the loop does by time.
    pub fn admit_all(&self, sale: &str) -> anyhow::Result<()> {
        let sale: SaleId = sale.parse()?;
        let gate = self.gate.clone();
        self.inside(async move {
            let line = gate.line_of(sale).context("the sale is not followed")?;
            let (mut ack, mut pauses) = (Ack::default(), 0);
            while pauses < QUIET {
                match admit(&gate, &line, &mut ack).await? {
                    Next::Now => pauses = 0,
                    Next::After(pause) => {
                        pauses += 1;
                        sleep(pause).await;
                    }
                }
            }
            Ok(())
        })?
    }

    /// One of the operator's calls.
    pub fn operate(
        &self,
        caller: &mut Caller,
        method: &str,
        path: &str,
        body: &Value,
        expected: u16,
    ) -> anyhow::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("/api/v1/admin{path}");
        let answer = caller.ask(&request(method, &path, ADMIN_KEY, &body), expected)?;
        Ok(serde_json::from_str(answer)?)
    }

    /// Joins so far that were answered before they were journaled.
    pub fn deferred(&self) -> f64 {
        let text = self.metrics.render();
        let joins = text.lines().find_map(|line| {
            line.strip_prefix(telemetry::JOINS_DEFERRED)?.strip_prefix(' ')?.parse().ok()
        });
        joins.unwrap_or_default()
    }
}
