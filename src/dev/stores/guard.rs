//! One store as our child, under a small shell guard that ends it with us, even when we are killed.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep, timeout};

use crate::dev::stores::process::{KILL_LIMIT, POLL, kill_family};

/// A cold start on a busy two-core machine takes seconds; crash recovery may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// One answer of a store that is starting; a frozen one would never come.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Longer than the guard's own steps (3 s politely, 8 s firmly, then SIGKILL).
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs one store: `sh -c GUARD guard <signal> <log> <socket> <command…>`. The first line it writes
/// is the store's process id. It reads a pipe that we hold: a closed pipe is its word to end the store.
/// A frozen store is continued, or it would never see the signal; and the kernel hangs up on the group
/// of a frozen process when we die, which must not end the guard.
const GUARD: &str = r#"
signal=$1 log=$2 socket=$3; shift 3
trap '' HUP
exec 3<&0 2>/dev/null
"$@" </dev/null >>"$log" 2>&1 3<&- &
store=$!
echo "$store"
exec >/dev/null
end() {
    kill -s "$1" "$store"; kill -s CONT "$store"
    tenths=$2
    while [ "$tenths" -gt 0 ]; do
        kill -0 "$store" || exit 0
        sleep 0.1 3<&-
        tenths=$((tenths - 1))
    done
}
( read -r _ <&3; end "$signal" 30; end QUIT 80; end KILL 1 ) &
watcher=$!
exec 3<&-
wait "$store"
code=$?
kill "$watcher"
rm -f "$socket" "$socket.lock"
rmdir "${socket%/*}"
exit "$code"
"#;

/// How one store is run.
pub(crate) struct Plan<'a> {
    pub(crate) name: &'static str,
    /// The signal that ends it in an orderly way.
    pub(crate) end: &'static str,
    pub(crate) log: &'a Path,
    /// The only file in its directory, which goes with it.
    pub(crate) socket: &'a Path,
    pub(crate) command: Vec<OsString>,
}

/// One store and the shell that guards it.
pub(crate) struct Guarded {
    name: &'static str,
    shell: Child,
    pub(crate) pid: u32,
}

impl Guarded {
    /// Starts a store and waits until it answers; gives up when it ends or time is over.
    pub(crate) async fn start(
        plan: Plan<'_>,
        answers: impl AsyncFn() -> Result<()>,
    ) -> Result<Guarded> {
        let log = plan.log;
        let mut store = Guarded::spawn(plan)?;
        let start = Instant::now();
        loop {
            let refused = match timeout(ANSWER_LIMIT, answers()).await {
                Ok(Ok(())) => return Ok(store),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if let Some(status) = store.shell.try_wait()? {
                bail!("{} ended while starting ({status}): {}", store.name, last_lines(log));
            }
            if start.elapsed() > START_LIMIT {
                bail!("{} does not become ready ({refused}): {}", store.name, last_lines(log));
            }
            sleep(POLL).await;
        }
    }

    fn spawn(plan: Plan<'_>) -> Result<Guarded> {
        let Plan { name, end, log, socket, command } = plan;
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "guard", end]).args([log, socket]).args(command).current_dir("/");
        // In a process group of its own: Ctrl-C in the terminal reaches us, not the stores.
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut shell = shell.spawn().context("`sh` does not start")?;
        let stdout = shell.stdout.take().context("the guard has no output")?;
        let mut line = String::new();
        // The guard writes its line before anything that could wait.
        BufReader::new(stdout).read_line(&mut line)?;
        let pid = line.trim().parse().with_context(|| format!("{name}'s guard does not start"))?;
        Ok(Guarded { name, shell, pid })
    }

    /// Ends the store by SIGKILL, all its processes, and waits until they are gone.
    pub(crate) async fn kill(mut self) -> Result<()> {
        kill_family(self.pid).await?;
        self.ended(KILL_LIMIT).await
    }

    /// Has the guard end the store in an orderly way; it begins at once.
    pub(crate) fn tell_to_end(&mut self) {
        drop(self.shell.stdin.take());
    }

    /// Waits until the guard has seen the store end.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while self.shell.try_wait()?.is_none() {
            ensure!(start.elapsed() < limit, "{} (process {}) does not end", self.name, self.pid);
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
