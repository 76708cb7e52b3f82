//! Background tasks: each has a name, runs until its gateway stops, starts again after a pause when it panics
//! or ends, and is reported while it does not run.
//!
//! A task that takes work from a channel has a stand-in for the pause, so that no caller waits for a task that
//! is down.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use metrics::{counter, gauge};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::telemetry;

/// The pause before the first restart. A load balancer that asks once a second hardly notices it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause doubles with each restart up to this. It bounds the log and the load of a task that fails at once,
/// and it bounds how long a gateway is without the task after the cause is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A task that ran for so long begins with the first pause again.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// Restarts are reported for this long, so that a person sees them who looks after the pause.
pub const RESTARTS_SHOWN_FOR: Duration = Duration::from_secs(10 * 60);
/// Most restarts that are kept for that, for each task.
const MOST_RESTARTS: usize = 1_000;
/// How long the tasks have to finish a step when a gateway stops.
const STOP_WITHIN: Duration = Duration::from_secs(10);

macro_rules! tasks {
    ($($name:ident = $text:literal, $lost:literal;)*) => {
        /// Every background task of a gateway.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Task { $(#[doc = $lost] $name),* }

        impl Task {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in the log and in metrics.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// Its name in `/readyz` and among the gateways.
            pub fn missing(self) -> &'static str {
                match self { $(Self::$name => concat!("task-", $text)),* }
            }

            /// What does not work on this gateway while the task is down.
            pub fn lost(self) -> &'static str {
                match self { $(Self::$name => $lost),* }
            }
        }
    };
}

tasks! {
    Watch = "watch", "places and stock stand still";
    Joins = "joins", "joins to a sale are refused with 503";
    Admissions = "admissions", "new sales are not admitted from";
    Admission = "admission", "nobody is admitted to a sale";
    Sweep = "sweep", "holds that are over are not ended";
    Audit = "audit", "differences between Redis and Postgres are not repaired";
    Confirms = "confirms", "each confirm has a transaction of its own, which is slower";
    Answers = "answers", "answers of joins are not stored under their idempotency keys";
    Access = "access", "a revoked API key or session is good for up to a minute";
    Notes = "notes", "the report lacks what shoppers were shown";
    Selfcheck = "selfcheck", "the set-up is not checked again";
    Heartbeat = "heartbeat", "other gateways report this one as silent, and charts have a gap";
    Housekeeping = "housekeeping", "old idempotency keys and sessions are kept";
    Traffic = "traffic", "headers of proxies are not checked";
    Operations = "operations", "the operations listener does not answer";
    Upkeep = "upkeep", "metrics take more and more memory";
    Repeats = "repeats", "the log does not tell how often a line was repeated";
}

/// What a task does.
pub trait Work: Send + Sync + 'static {
    /// Runs until something ends it; it is called again after each end.
    fn run(&self) -> impl Future<Output = ()> + Send;

    /// What is done between an end and the next start.
    fn stand_in(&self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// The work is done and the task need not start again.
    fn is_over(&self) -> bool {
        false
    }
}

impl<F, R> Work for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    fn run(&self) -> impl Future<Output = ()> + Send {
        self()
    }
}

/// The background tasks of one gateway.
#[derive(Default)]
pub struct Tasks {
    running: TaskTracker,
    stop: CancellationToken,
    states: Arc<Mutex<BTreeMap<Task, State>>>,
}

/// All tasks of one name: a sale's tasks share theirs.
#[derive(Debug, Default)]
struct State {
    down: usize,
    restarts: VecDeque<Instant>,
}

/// A task that ended lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    pub task: Task,
    /// How many of this name do not run now.
    pub down: usize,
    /// How often it was started again in the time of `RESTARTS_SHOWN_FOR`.
    pub restarts: usize,
}

impl Tasks {
    /// Runs a task until the gateway stops or its work is over.
    pub fn keep(&self, task: Task, work: impl Work) {
        let kept = Kept { task, work, stop: self.stop.clone(), states: self.states.clone() };
        mark(task, 0);
        self.running.spawn(kept.keep());
    }

    /// The tasks that do not run now.
    pub fn down(&self) -> Vec<Task> {
        let states = lock(&self.states);
        states.iter().filter(|(_, state)| state.down > 0).map(|(task, _)| *task).collect()
    }

    /// The tasks that do not run now or were started again lately.
    pub fn troubles(&self) -> Vec<Trouble> {
        let now = Instant::now();
        let trouble = |(task, state): (&Task, &State)| {
            let is_shown = |at: &&Instant| now - **at < RESTARTS_SHOWN_FOR;
            let restarts = state.restarts.iter().filter(is_shown).count();
            let (task, down) = (*task, state.down);
            (down > 0 || restarts > 0).then_some(Trouble { task, down, restarts })
        };
        lock(&self.states).iter().filter_map(trouble).collect()
    }

    /// Stops all tasks and waits for them. A step that is cut off is finished by the gateway that comes next.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.running.close();
        if timeout(STOP_WITHIN, self.running.wait()).await.is_err() {
            tracing::warn!("a background task did not stop in time");
        }
    }
}

fn lock(states: &Mutex<BTreeMap<Task, State>>) -> MutexGuard<'_, BTreeMap<Task, State>> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}

fn mark(task: Task, down: usize) {
    let runs = if down == 0 { 1.0 } else { 0.0 };
    gauge!(telemetry::TASK_RUNNING, "task" => task.name()).set(runs);
}

struct Kept<W> {
    task: Task,
    work: W,
    stop: CancellationToken,
    states: Arc<Mutex<BTreeMap<Task, State>>>,
}

impl<W: Work> Kept<W> {
    async fn keep(self) {
        let stop = self.stop.clone();
        tokio::select! {
            () = self.again_and_again() => {}
            () = stop.cancelled() => {}
        }
    }

    async fn again_and_again(&self) {
        let name = self.task.name();
        let mut pause = Duration::ZERO;
        loop {
            let started = Instant::now();
            let run = async { self.work.run().await };
            let run = run.instrument(tracing::info_span!("task", name));
            let ended = AssertUnwindSafe(run).catch_unwind().await;
            if self.work.is_over() {
                return;
            }
            pause = next_pause(pause, started.elapsed());
            let cause = match &ended {
                Ok(()) => "it returned",
                Err(panic) => text(&**panic),
            };
            let again_in_ms = pause.as_millis() as u64;
            tracing::error!(name, cause, again_in_ms, "a background task ended; it starts again");
            let down = Down::new(self);
            let stand_in = AssertUnwindSafe(async { self.work.stand_in().await }).catch_unwind();
            tokio::select! {
                () = sleep(pause) => {}
                () = async {
                    drop(stand_in.await);
                    pending::<()>().await;
                } => {}
            }
            drop(down);
            counter!(telemetry::TASK_RESTARTS, "task" => name).increment(1);
        }
    }

    fn count(&self, change: impl FnOnce(&mut State)) {
        let mut states = lock(&self.states);
        let state = states.entry(self.task).or_default();
        change(state);
        mark(self.task, state.down);
    }
}

/// The pause after a run of this length that followed a pause.
fn next_pause(before: Duration, ran_for: Duration) -> Duration {
    if before.is_zero() || ran_for >= HEALTHY_AFTER {
        FIRST_PAUSE
    } else {
        (before * 2).min(LONGEST_PAUSE)
    }
}

/// For as long as this lives the task is reported as down.
struct Down<'a, W: Work>(&'a Kept<W>);

impl<'a, W: Work> Down<'a, W> {
    fn new(kept: &'a Kept<W>) -> Self {
        kept.count(|state| state.down += 1);
        Self(kept)
    }
}

impl<W: Work> Drop for Down<'_, W> {
    fn drop(&mut self) {
        self.0.count(|state| {
            state.down -= 1;
            if state.restarts.len() == MOST_RESTARTS {
                state.restarts.pop_front();
            }
            state.restarts.push_back(Instant::now());
        });
    }
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_begin_again_after_a_long_run() {
        let mut pauses = vec![next_pause(Duration::ZERO, Duration::ZERO)];
        for _ in 0..9 {
            pauses.push(next_pause(*pauses.last().unwrap(), Duration::ZERO));
        }
        let seconds: Vec<f64> = pauses.iter().map(Duration::as_secs_f64).collect();
        assert_eq!(seconds, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]);
        assert_eq!(next_pause(LONGEST_PAUSE, HEALTHY_AFTER), FIRST_PAUSE);
    }

    #[tokio::test]
    async fn a_task_that_panics_or_ends_starts_again() {
        let (tasks, starts) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        let seen = starts.clone();
        tasks.keep(Task::Watch, move || {
            let is_first = seen.fetch_add(1, Ordering::Relaxed) == 0;
            async move { assert!(!is_first, "the first run panics, the others return") }
        });
        while starts.load(Ordering::Relaxed) < 3 {
            sleep(Duration::from_millis(5)).await;
        }
        tasks.stop().await;
    }

    #[tokio::test]
    async fn a_task_is_named_while_it_is_down_and_its_restarts_for_a_while_after() {
        let (tasks, runs) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        tasks.keep(Task::Sweep, move || {
            let is_first = runs.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                assert!(!is_first, "the first run fails");
                pending::<()>().await;
            }
        });
        tasks.keep(Task::Audit, pending::<()>);
        while tasks.down() != [Task::Sweep] {
            tokio::task::yield_now().await;
        }
        while !tasks.down().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(tasks.troubles(), [Trouble { task: Task::Sweep, down: 0, restarts: 1 }]);
        tasks.stop().await;
    }

    /// Answers with its input; panics at 0.
    struct Echo {
        asked: tokio::sync::Mutex<mpsc::Receiver<(u32, oneshot::Sender<u32>)>>,
    }

    impl Work for Echo {
        async fn run(&self) {
            while let Some((n, answer)) = self.asked.lock().await.recv().await {
                assert_ne!(n, 0, "nobody asks for nothing");
                let _ = answer.send(n);
            }
        }

        async fn stand_in(&self) {
            while let Some((_, answer)) = self.asked.lock().await.recv().await {
                drop(answer);
            }
        }
    }

    #[tokio::test]
    async fn callers_of_a_task_that_is_down_are_answered_at_once_and_the_next_run_takes_new_ones() {
        let (tasks, (ask, asked)) = (Tasks::default(), mpsc::channel(10));
        tasks.keep(Task::Confirms, Echo { asked: asked.into() });
        let begun = Instant::now();
        let call = async |n| {
            let (answer, answered) = oneshot::channel();
            ask.send((n, answer)).await.unwrap();
            answered.await.ok()
        };
        assert_eq!(call(7).await, Some(7));
        // One whose turn it was, and two who wait behind it.
        let all = tokio::join!(call(0), call(1), call(2));
        assert_eq!(all, (None, None, None));
        assert!(begun.elapsed() < FIRST_PAUSE * 10, "{:?}", begun.elapsed());
        while tasks.troubles().iter().any(|trouble| trouble.down > 0) {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(call(8).await, Some(8));
        tasks.stop().await;
    }

    #[tokio::test]
    async fn work_that_is_over_does_not_start_again() {
        struct Once(Arc<AtomicUsize>);
        impl Work for Once {
            async fn run(&self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            fn is_over(&self) -> bool {
                true
            }
        }
        let (tasks, runs) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
        tasks.keep(Task::Joins, Once(runs.clone()));
        sleep(FIRST_PAUSE * 3).await;
        assert_eq!((runs.load(Ordering::Relaxed), tasks.troubles()), (1, Vec::new()));
        tasks.stop().await;
    }
}
