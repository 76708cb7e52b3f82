//! The machine's processes, as far as the stores need them: who runs, who is whose child, signals.
//!
//! Owns the reading of `/proc` and `ps` and the short helper programs. Knows nothing of Redis or Postgres.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How often a process or a socket is looked at again.
pub(crate) const POLL: Duration = Duration::from_millis(10);
/// A killed process is gone at once; more means that the kernel is stuck.
pub(crate) const KILL_LIMIT: Duration = Duration::from_secs(10);
/// The longest helper is initdb, which takes seconds on a busy two-core machine.
const HELPER_LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    /// `T` is stopped, `Z` is dead and not yet reaped.
    state: char,
    pub(crate) command: String,
}

/// Every process of the machine, from /proc, or from `ps` where there is none.
pub(crate) async fn processes() -> Result<Vec<Process>> {
    let Ok(entries) = fs::read_dir("/proc") else {
        let mut ps = Command::new("ps");
        let text = output(ps.args(["-A", "-ww", "-o", "pid=,ppid=,stat=,args="])).await?;
        return Ok(text.lines().filter_map(parse_ps).collect());
    };
    let pids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(read_proc).collect())
}

fn parse_ps(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let state = words.next()?.chars().next()?;
    Some(Process { pid, parent, state, command: words.collect::<Vec<_>>().join(" ") })
}

fn read_proc(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, even a parenthesis.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, parent) = (words.next()?.chars().next()?, words.next()?.parse().ok()?);
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process { pid, parent, state, command })
}

/// A process and its children.
pub(crate) async fn family(parent: u32) -> Result<Vec<u32>> {
    Ok(family_among(parent, &processes().await?))
}

fn family_among(parent: u32, all: &[Process]) -> Vec<u32> {
    let children = all.iter().filter(|process| process.parent == parent).map(|child| child.pid);
    children.chain([parent]).collect()
}

/// A process, stopped so that it starts no more children, and its children.
pub(crate) async fn stopped_family(parent: u32) -> Result<Vec<u32>> {
    signal("STOP", &[parent]).await?;
    let start = Instant::now();
    loop {
        let all = processes().await?;
        let running = all.iter().any(|p| p.pid == parent && !"TZ".contains(p.state));
        if !running {
            return Ok(family_among(parent, &all));
        }
        ensure!(start.elapsed() < KILL_LIMIT, "process {parent} cannot be stopped");
        sleep(POLL).await;
    }
}

/// Ends a process and its children by SIGKILL, and waits until they are gone.
pub(crate) async fn kill_family(parent: u32) -> Result<()> {
    let family = stopped_family(parent).await?;
    signal("KILL", &family).await?;
    let start = Instant::now();
    loop {
        let all = processes().await?;
        let Some(left) = all.iter().find(|p| family.contains(&p.pid) && p.state != 'Z') else {
            return Ok(());
        };
        ensure!(start.elapsed() < KILL_LIMIT, "process {} does not end", left.pid);
        sleep(POLL).await;
    }
}

/// Sends a signal. Who is gone meanwhile is no error: the callers look at what came of it.
pub(crate) async fn signal(name: &str, pids: &[u32]) -> Result<()> {
    let mut kill = Command::new("sh");
    kill.args(["-c", r#"kill -s "$@" || true"#, "kill", name]);
    output(kill.args(pids.iter().map(u32::to_string))).await.map(drop)
}

/// What a short helper program prints; an error tells what it complained about.
pub(crate) async fn output(command: &mut Command) -> Result<String> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(HELPER_LIMIT, running).await.context("no end in sight")??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, complaint.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
