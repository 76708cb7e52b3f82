//! How it goes, while it goes: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::world::World;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

pub struct Progress {
    bar: Option<ProgressBar>,
    task: JoinHandle<()>,
}

impl Progress {
    pub fn start(world: &Arc<World>) -> Self {
        let crowd = &world.plan.crowd;
        let coming = crowd.rate * crowd.length.as_secs_f64();
        let expected = crowd.sockets + crowd.burst + coming as u64;
        let bar = stderr().is_terminal().then(|| bar(expected));
        let (shown, world) = (bar.clone(), world.clone());
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let mut beat = interval(if shown.is_some() { BAR_EVERY } else { LINE_EVERY });
            beat.tick().await;
            loop {
                beat.tick().await;
                let (arrived, line) = line(&world);
                match &shown {
                    Some(bar) => {
                        bar.set_length(expected.max(arrived));
                        bar.set_position(arrived);
                        bar.set_message(line);
                    }
                    None => eprintln!(
                        "{:>4.0} s  {arrived} of {expected} arrived, {line}",
                        began.elapsed().as_secs_f64()
                    ),
                }
            }
        });
        Self { bar, task }
    }

    pub fn end(self) {
        self.task.abort();
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(expected: u64) -> ProgressBar {
    let look = "{elapsed:>4} [{bar:30}] {human_pos} of {human_len} arrived, {msg}";
    let style = ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(expected).with_style(style.progress_chars("=> "))
}

fn line(world: &World) -> (u64, String) {
    let now = world.measures.counts.read();
    let line = format!(
        "{} joined, {} sockets, {} bought, {} errors",
        now.joined, now.open, now.bought, now.errors
    );
    (now.arrived, line)
}
