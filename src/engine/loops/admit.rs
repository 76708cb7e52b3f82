//! Admission: one task for each running sale, on every gateway. The pace is kept by Redis, so it does not
//! depend on how many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::engine::Gate;
use crate::engine::admission::admit::{Next, admit};
use crate::engine::line::line_mirror::Line;
use crate::engine::loops::STEP_WITHIN;
use crate::model::{SaleId, SaleState};
use crate::redis::Ack;
use crate::tasks::{Task, Work};

/// How often new sales are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a step that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// The longest and shortest pause between two steps: a sale that was paused or opened shows within this,
/// and no interval may make a busy loop.
const LONGEST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(2);

/// The sale that each task admits from, as this gateway followed it when the task began.
type Admitting = Arc<Mutex<HashMap<SaleId, Weak<Line>>>>;

/// Runs a task for each sale that this gateway follows, until it is over.
pub fn start(gate: &Arc<Gate>) {
    let (gate, admitting) = (gate.clone(), Admitting::default());
    let tasks = gate.clone();
    tasks.tasks.keep(Task::Admissions, move || admit_all(gate.clone(), admitting.clone()));
}

async fn admit_all(gate: Arc<Gate>, admitting: Admitting) {
    loop {
        let lines = gate.all_lines();
        {
            let mut admitting = admitting.lock().unwrap_or_else(PoisonError::into_inner);
            admitting.retain(|_, line| line.strong_count() > 0);
            for line in lines {
                let weak = Arc::downgrade(&line);
                let known = admitting.insert(line.id, weak.clone());
                if !known.is_some_and(|known| known.ptr_eq(&weak)) {
                    gate.tasks.keep(Task::Admission, Admission { gate: gate.clone(), line: weak });
                }
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The admission of one sale.
struct Admission {
    gate: Arc<Gate>,
    line: Weak<Line>,
}

impl Admission {
    /// The line, while this gateway follows it. A sale may be let go and followed again; then another task has
    /// it, with the line that is shown.
    fn followed(&self) -> Option<Arc<Line>> {
        let line = self.line.upgrade()?;
        self.gate.line_of(line.id).filter(|now| Arc::ptr_eq(now, &line))
    }
}

impl Work for Admission {
    async fn run(&self) {
        let mut ack = Ack::default();
        while let Some(line) = self.followed() {
            step(&self.gate, &line, &mut ack).await;
        }
    }

    fn is_over(&self) -> bool {
        self.followed().is_none()
    }
}

/// One step of admission with the pause after it.
async fn step(gate: &Arc<Gate>, line: &Arc<Line>, ack: &mut Ack) {
    let mut views = line.subscribe();
    let view = line.view();
    let is_idle = match view.snapshot.sale.state {
        SaleState::Open | SaleState::Paused => view.waiting() == 0 && ack.n == 0,
        SaleState::Scheduled => ack.n == 0,
        SaleState::Closed => true, // Redis has forgotten it.
    };
    let pause = if is_idle {
        // Whoever joins an empty line shows in the next view.
        if timeout(LOOK_EVERY, views.changed()).await.is_err() {
            return;
        }
        SHORTEST
    } else {
        match timeout(STEP_WITHIN, admit(gate, line, ack)).await {
            Ok(Ok(Next::Now)) => return,
            Ok(Ok(Next::After(wait))) => wait.clamp(SHORTEST, LONGEST),
            Ok(Err(error)) => {
                let error = format!("{error:#}");
                tracing::warn!(sale.id = %line.id, error, "nobody admitted");
                AFTER_FAILURE
            }
            Err(_) => {
                tracing::warn!(sale.id = %line.id, "nobody admitted: a store did not answer");
                AFTER_FAILURE
            }
        }
    };
    sleep(pause).await;
}
