//! The timers of a gateway. Each loop may run on every gateway at once; whatever it does is safe to do
//! twice. Dropping the handle does not stop them: `stop` does.

mod admit;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::faults;
use crate::flow::accounts::access;
use crate::flow::heartbeat::Heart;
use crate::flow::history::Recorder;
use crate::flow::{Gate, audit, expire, keyed, report, selfcheck, together, watch};

/// How often a gateway looks at every running sale; a nudge makes it look at once.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// The least time between two looks, however many nudges come: in a sale with units for everyone each group of
/// joins is the first in line, and each look asks Postgres for every running sale.
const WATCH_GAP: Duration = Duration::from_millis(20);
/// How often holds that are due are ended.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How often Redis is held against Postgres.
const AUDIT_EVERY: Duration = Duration::from_secs(15);
/// Less often where more wait: a million take three seconds of both stores, and that is one part in thirteen
/// of the time then.
const AUDITED_EACH_SECOND: u64 = 25_000;
/// How often what is old is forgotten.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// How often a gateway says that it is there, and writes down how the sales go.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// Longest time for that; the next one says the same.
const BEAT_WITHIN: Duration = Duration::from_secs(3);
/// Longest time for one step of admission or sweeping; one that is cut off is finished by the next.
const STEP_WITHIN: Duration = Duration::from_secs(8);
/// Longest time for one sale's audit.
const AUDIT_WITHIN: Duration = Duration::from_secs(120);
/// How long the loops have to finish a step when a gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The running loops of one gateway.
pub struct Loops {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Loops {
    /// Starts every loop; `housekeeping` is called once a minute, `sockets` says how many are open.
    pub fn start(
        gate: &Arc<Gate>,
        name: String,
        sockets: impl Fn() -> usize + Send + Sync + 'static,
        housekeeping: impl Fn() + Send + 'static,
    ) -> Self {
        let loops = Self { tasks: TaskTracker::new(), stop: CancellationToken::new() };
        loops.tasks.spawn(tell(gate.clone(), Heart::new(name), sockets, loops.stop.clone()));
        loops.spawn(watch_all(gate.clone()));
        loops.spawn(admit::admit_all(gate.clone()));
        loops.spawn(sweep(gate.clone()));
        loops.spawn(audit_all(gate.clone()));
        loops.spawn(clean_up(gate.clone(), housekeeping));
        let keeper = gate.clone();
        loops.spawn(async move { keyed::keep(&keeper).await });
        let confirmer = gate.clone();
        loops.spawn(async move { together::keep(&confirmer).await });
        let doorkeeper = gate.clone();
        loops.spawn(async move { access::keep_fresh(&doorkeeper).await });
        let writer = gate.clone();
        loops.spawn(async move { report::keep_notes(&writer).await });
        let looker = gate.clone();
        loops.spawn(async move { selfcheck::keep_looking(&looker).await });
        loops
    }

    fn spawn(&self, run: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        // A step that is cut off anywhere is finished by whoever comes next: that is the protocol.
        self.tasks.spawn(async move {
            tokio::select! {
                () = run => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Stops the loops and waits for them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("a loop did not stop in time");
        }
    }
}

async fn watch_all(gate: Arc<Gate>) {
    loop {
        watch::tick(&gate).await;
        tokio::select! {
            () = sleep(WATCH_EVERY) => {}
            () = async {
                sleep(WATCH_GAP).await;
                watch::nudged(&gate).await;
            } => {}
        }
    }
}

async fn sweep(gate: Arc<Gate>) {
    loop {
        match timeout(STEP_WITHIN, expire::sweep(&gate)).await {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "sweep did not finish"),
            Err(_) => tracing::warn!("postgres did not answer the sweeper in time"),
        }
        sleep(jittered(SWEEP_EVERY)).await;
    }
}

async fn audit_all(gate: Arc<Gate>) {
    loop {
        let waiting: u64 = gate.all_lines().iter().map(|line| line.view().waiting()).sum();
        let rest = Duration::from_secs(waiting / AUDITED_EACH_SECOND);
        sleep(jittered(faults::sooner(AUDIT_EVERY).max(rest))).await;
        for line in gate.all_lines() {
            match timeout(AUDIT_WITHIN, audit::repair(&gate, &line)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::warn!(sale.id = %line.id, error, "audit not finished");
                }
                Err(_) => tracing::warn!(sale.id = %line.id, "audit not finished in time"),
            }
        }
    }
}

async fn clean_up(gate: Arc<Gate>, housekeeping: impl Fn()) {
    loop {
        sleep(jittered(CLEAN_EVERY)).await;
        housekeeping();
        if let Err(error) = selfcheck::clean_up(&gate).await {
            tracing::warn!(error = format!("{error:#}"), "old idempotency keys not forgotten");
        }
    }
}

/// Says that this gateway is there, and how the sales go, until it stops; then that it has gone.
async fn tell(
    gate: Arc<Gate>,
    mut heart: Heart,
    sockets: impl Fn() -> usize,
    stop: CancellationToken,
) {
    let mut recorder = Recorder::default();
    let saying = async {
        loop {
            let views: Vec<_> = gate.all_lines().iter().map(|line| line.view()).collect();
            gate.purchases.note(views.iter().map(Arc::as_ref));
            let told = async {
                heart.beat(&gate, sockets()).await?;
                recorder.record(&gate).await
            };
            match timeout(BEAT_WITHIN, told).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "beat not written"),
                Err(_) => tracing::debug!("postgres did not take the beat in time"),
            }
            sleep(jittered(BEAT_EVERY)).await;
        }
    };
    tokio::select! {
        () = saying => {}
        () = stop.cancelled() => {}
    }
    if !matches!(timeout(BEAT_WITHIN, heart.stop(&gate)).await, Ok(Ok(()))) {
        tracing::debug!("the other gateways will miss this one for a while");
    }
}

/// A fifth more or less, so that gateways do not step together.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(0.8..1.2))
}
