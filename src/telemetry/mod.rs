//! Log format and metric names: what is seen of a gateway from outside.

pub(crate) mod repeats;

use std::io::IsTerminal;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt};

use crate::telemetry::repeats::HoldBack;
pub use crate::telemetry::repeats::{tell_all_repeats, tell_repeats};

macro_rules! metrics {
    ($($name:ident = $kind:ident $text:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $name: &str = $text;)*

        /// Gives each metric its words in `/metrics`.
        fn describe() {
            $(metrics!(@$kind $name, $help);)*
        }

        /// What a metric means, by its name.
        pub fn help(name: &str) -> &'static str {
            match name {
                $($name => $help,)*
                _ => "",
            }
        }
    };
    (@counter $name:ident, $help:literal) => { describe_counter!($name, $help) };
    (@gauge $name:ident, $help:literal) => { describe_gauge!($name, $help) };
    (@histogram $name:ident, $help:literal) => { describe_histogram!($name, $help) };
}

metrics! {
    JOINS = counter "ropeline_joins_total",
        "Joins answered. Label outcome: joined, repeated, refused";
    JOIN_SECONDS = histogram "ropeline_join_seconds", "From a join's arrival to its answer";
    JOIN_GROUP = histogram "ropeline_join_group_size",
        "Joins that shared one script call and one journal commit";
    JOINS_DEFERRED = counter "ropeline_joins_deferred_total",
        "Joins answered before the journal had them, because Postgres was slow or away";
    ADMITTED = counter "ropeline_admitted_total", "Holds made";
    ADMIT_SECONDS = histogram "ropeline_admit_seconds", "To pop and record one batch";
    HOLDS_ENDED = counter "ropeline_holds_ended_total",
        "Holds that ended. Label state: confirmed, released, expired";
    CONFIRM_SECONDS = histogram "ropeline_confirm_seconds",
        "From a confirm's arrival to its answer. Label outcome: confirmed, refused, unknown";
    CONFIRM_GROUP = histogram "ropeline_confirm_group_size",
        "Confirms that shared one transaction, where more than one came together";
    RELEASE_SECONDS = histogram "ropeline_release_seconds",
        "From a release's arrival to its answer. Label outcome: released, refused, unknown";
    SWEEP_SECONDS = histogram "ropeline_sweep_seconds", "One look for holds that are due";
    CREDITED_SECONDS = counter "ropeline_outage_credited_seconds_total",
        "Outage that was added to open holds";
    RECOVERIES = counter "ropeline_recoveries_total",
        "Rebuilds of a sale in Redis from Postgres. Label outcome: done, failed";
    REPAIRS = counter "ropeline_audit_repairs_total",
        "What the auditor mended. Label repair: token_added, token_dropped, waiter_restored, waiter_dropped, \
         waiter_journaled";
    FINDING = gauge "ropeline_finding",
        "1 while the self-check finds this, 0 when it is mended. Labels finding, weight: refuse, warn";
    STOPPED = counter "ropeline_sales_stopped_total",
        "Sales stopped because Postgres is behind Redis";
    MIRROR_RESETS = counter "ropeline_mirror_resets_total",
        "Mirrors of a line that were read anew because their count was off";
    MIRROR_AGE = gauge "ropeline_mirror_age_seconds",
        "Age of what this gateway knows of a sale's line. Label sale";
    WAITING = gauge "ropeline_waiting", "Shoppers in line. Label sale";
    UNITS = gauge "ropeline_units",
        "Units by where they are. Labels sale, state: available, held, sold, withdrawn";
    SOCKETS = gauge "ropeline_sockets", "Open sockets and streams. Label kind: websocket, sse";
    STATES_SENT = counter "ropeline_states_sent_total",
        "States sent to shoppers. Label kind: websocket, sse, poll";
    HTTP_SECONDS = histogram "ropeline_http_seconds",
        "From a request to the beginning of its answer. Labels method, route, status";
    LIMITED = counter "ropeline_limited_total",
        "Calls turned away for coming too fast. Label limit: joins, calls, failures, connections, slots";
    ORIGIN_REFUSED = counter "ropeline_origin_refused_total",
        "Changes refused because the page that sent them is at another address than ROPELINE_PUBLIC_URL";
    CONNECTIONS = gauge "ropeline_connections", "Connections open now";
    TASK_RUNNING = gauge "ropeline_task_running",
        "1 while a background task runs, 0 while it is down. Label task";
    TASK_RESTARTS = counter "ropeline_task_restarts_total",
        "Restarts of a background task that panicked or ended. Label task";
    LINES_HELD_BACK = counter "ropeline_log_lines_held_back_total",
        "Warnings and errors that were counted and not written, because they were like one before";
}

/// Upper edges, in seconds: from a call in memory to the longest that a caller waits.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const GROUP_SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// How often samples are folded into the histograms; without it they pile up in memory.
pub const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Makes this process's metrics recorder. Only the first call in a process installs one.
///
/// # Errors
/// When a recorder is installed already.
pub fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_group_size".into()), GROUP_SIZES)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging to standard error; `RUST_LOG` chooses what.
pub fn start_logging(format: LogFormat) {
    let chosen =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let filter = chosen.and(HoldBack);
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let log = tracing_subscriber::registry();
    // A second call in one process keeps the first one's format; tests do that.
    let started = match format {
        LogFormat::Text => log.with(lines.with_target(false).with_filter(filter)).try_init(),
        LogFormat::Json => {
            log.with(lines.json().flatten_event(true).with_filter(filter)).try_init()
        }
    };
    drop(started);
}
