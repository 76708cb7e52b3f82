//! What this process may use of the machine, and what it used.

use std::fmt;
use std::fs;

use anyhow::{Result, bail};
use serde::Serialize;

use super::plan::{Plan, Watch};

/// Files besides connections: the runtime, the report, a demo's pipes.
const OTHER_FILES: u64 = 64;
/// The unit of times in `/proc/self/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel says this process used; zero where it does not say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Used {
    pub cpu_seconds: f64,
    pub peak_rss_kib: u64,
    pub open_files_allowed: u64,
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpu, mib) = (self.cpu_seconds, self.peak_rss_kib / 1024);
        write!(f, "it used {cpu:.1} s of processor time and at most {mib} MiB")
    }
}

/// Raises the limit of open files as far as it goes.
///
/// # Errors
/// When the standing crowd cannot fit: half of it would be measured as errors.
pub fn room_for(plan: &Plan) -> Result<u64> {
    // A system without such limits has room.
    let allowed = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let doors = plan.targets.len().max(1) as u64;
    let own = plan.bounds.connections as u64 * doors + OTHER_FILES;
    let crowd = &plan.crowd;
    if crowd.sockets + own > allowed {
        bail!(
            "--sockets: {} sockets and {own} other files do not fit into the {allowed} open files that this \
             process may have; {} sockets do. Raise the hard limit (as root: ulimit -Hn 200000; ulimit -Sn \
             200000), or run several of these at once",
            crowd.sockets,
            allowed.saturating_sub(own)
        );
    }
    let coming = crowd.burst + (crowd.rate * crowd.length.as_secs_f64()) as u64;
    let watch = &plan.shopper.watch;
    let keeps_open = watch.has(Watch::Websocket) || watch.has(Watch::Sse);
    if keeps_open && crowd.sockets + coming + own > allowed {
        eprintln!(
            "stampede: up to {} shoppers will watch, and this process may open {allowed} files; if they all \
             wait at once, the others will fail to connect (ulimit -Hn)",
            crowd.sockets + coming
        );
    }
    Ok(allowed)
}

/// What was used so far.
pub fn used(open_files_allowed: u64) -> Used {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| text.trim().split(' ').next()?.parse().ok());
    Used {
        cpu_seconds: cpu_seconds(&stat),
        peak_rss_kib: peak.unwrap_or_default(),
        open_files_allowed,
    }
}

/// User and system time of a line of `/proc/…/stat`. The name before them may hold spaces.
fn cpu_seconds(stat: &str) -> f64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::Parser;

    #[test]
    fn processor_time_is_read_past_any_name() {
        let line = "42 (a name) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(line), 2.0);
        assert_eq!(cpu_seconds(""), 0.0);
    }

    #[test]
    fn more_sockets_than_files_are_refused_by_the_number_that_fits() {
        let plan = |sockets: &str| {
            let cli = Cli::try_parse_from(["stampede", "--sockets", sockets]).unwrap();
            cli.check().unwrap().plan
        };
        let allowed = room_for(&plan("1")).unwrap();
        if allowed < 400_000 {
            let said = room_for(&plan("400000")).unwrap_err().to_string();
            assert!(said.contains("--sockets") && said.contains("ulimit -Hn"), "{said}");
        }
    }
}
