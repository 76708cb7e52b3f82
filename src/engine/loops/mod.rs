//! The timers of a gateway. Each loop may run on every gateway at once; whatever it does is safe to do
//! twice. Each is a task of `tasks`, which restarts it and reports it.

pub(crate) mod admit;
pub mod tick;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rand::RngExt;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::engine::Gate;
use crate::engine::checkout::{batch, expire, idempotency};
use crate::engine::health::heartbeat::Heart;
use crate::engine::health::selfcheck;
use crate::engine::people::access;
use crate::engine::repair::audit;
use crate::engine::reports::history::Recorder;
use crate::engine::reports::report;
use crate::faults;
use crate::tasks::{Task, Work};

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
/// How often the headers of proxies are judged; the finding shows with the next self-check, a second later.
const TRAFFIC_EVERY: Duration = Duration::from_secs(5);
/// How often a gateway says that it is there, and writes down how the sales go.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// Longest time for that; the next one says the same.
const BEAT_WITHIN: Duration = Duration::from_secs(3);
/// Longest time for one step of admission or sweeping; one that is cut off is finished by the next.
const STEP_WITHIN: Duration = Duration::from_secs(8);
/// Longest time for one sale's audit.
const AUDIT_WITHIN: Duration = Duration::from_secs(120);

/// Starts every loop; `housekeeping` is called once a minute, `traffic` every few seconds, and `sockets` says how
/// many are open. They run until the gate's tasks are stopped.
pub fn start(
    gate: &Arc<Gate>,
    heart: &Arc<Mutex<Heart>>,
    sockets: impl Fn() -> usize + Send + Sync + 'static,
    traffic: impl Fn() + Send + Sync + 'static,
    housekeeping: impl Fn() + Send + Sync + 'static,
) {
    let keep = |task, work| gate.tasks.keep(task, Loop { gate: gate.clone(), work });
    keep(Task::Watch, |gate| watch_all(gate).boxed());
    keep(Task::Sweep, |gate| sweep(gate).boxed());
    keep(Task::Audit, |gate| audit_all(gate).boxed());
    keep(Task::Answers, |gate| async move { idempotency::keep(&gate).await }.boxed());
    keep(Task::Access, |gate| async move { access::keep_fresh(&gate).await }.boxed());
    keep(Task::Notes, |gate| async move { report::keep_notes(&gate).await }.boxed());
    keep(Task::Selfcheck, |gate| async move { selfcheck::keep_looking(&gate).await }.boxed());
    batch::start(gate);
    admit::start(gate);
    let (telling, told, sockets) = (gate.clone(), heart.clone(), Arc::new(sockets));
    gate.tasks.keep(Task::Heartbeat, move || tell(telling.clone(), told.clone(), sockets.clone()));
    let (cleaning, housekeeping) = (gate.clone(), Arc::new(housekeeping));
    gate.tasks.keep(Task::Housekeeping, move || clean_up(cleaning.clone(), housekeeping.clone()));
    let traffic = Arc::new(traffic);
    gate.tasks.keep(Task::Traffic, move || look_at_traffic(traffic.clone()));
}

/// A loop that needs the gate alone.
struct Loop {
    gate: Arc<Gate>,
    work: fn(Arc<Gate>) -> BoxFuture<'static, ()>,
}

impl Work for Loop {
    async fn run(&self) {
        (self.work)(self.gate.clone()).await;
    }
}

/// Says that this gateway stops by itself, so that no other one reports it as silent.
pub async fn say_goodbye(gate: &Gate, heart: &Mutex<Heart>) {
    let heart = heart.lock().await;
    if !matches!(timeout(BEAT_WITHIN, heart.stop(gate)).await, Ok(Ok(()))) {
        tracing::debug!("the other gateways will miss this one for a while");
    }
}

async fn watch_all(gate: Arc<Gate>) {
    loop {
        tick::tick(&gate).await;
        tokio::select! {
            () = sleep(WATCH_EVERY) => {}
            () = async {
                sleep(WATCH_GAP).await;
                tick::nudged(&gate).await;
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
    let mut compared = audit::Compared::default();
    loop {
        let waiting: u64 = gate.all_lines().iter().map(|line| line.view().waiting()).sum();
        let rest = Duration::from_secs(waiting / AUDITED_EACH_SECOND);
        sleep(jittered(faults::sooner(AUDIT_EVERY).max(rest))).await;
        let lines = gate.all_lines();
        compared.keep(&lines);
        for line in lines {
            match timeout(AUDIT_WITHIN, audit::look(&gate, &line, &mut compared)).await {
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

async fn clean_up(gate: Arc<Gate>, housekeeping: Arc<impl Fn()>) {
    loop {
        sleep(jittered(CLEAN_EVERY)).await;
        housekeeping();
        if let Err(error) = selfcheck::clean_up(&gate).await {
            tracing::warn!(error = format!("{error:#}"), "old idempotency keys not forgotten");
        }
    }
}

async fn look_at_traffic(look: Arc<impl Fn()>) {
    loop {
        sleep(TRAFFIC_EVERY).await;
        look();
    }
}

/// Says that this gateway is there, and writes down how the sales go.
async fn tell(gate: Arc<Gate>, heart: Arc<Mutex<Heart>>, sockets: Arc<impl Fn() -> usize>) {
    let mut recorder = Recorder::default();
    loop {
        let views: Vec<_> = gate.all_lines().iter().map(|line| line.view()).collect();
        gate.purchases.note(views.iter().map(Arc::as_ref));
        let told = async {
            heart.lock().await.beat(&gate, sockets()).await?;
            recorder.record(&gate).await
        };
        match timeout(BEAT_WITHIN, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "beat not written"),
            Err(_) => tracing::debug!("postgres did not take the beat in time"),
        }
        sleep(jittered(BEAT_EVERY)).await;
    }
}

/// A fifth more or less, so that gateways do not step together.
fn jittered(every: Duration) -> Duration {
    every.mul_f64(rand::rng().random_range(0.8..1.2))
}
