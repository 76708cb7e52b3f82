//! Log format and metric names: what is seen of a gateway from outside.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Tickets given a place. Label `outcome`: joined, repeated, refused.
pub const JOINS: &str = "ropeline_joins_total";
/// Seconds from a join's arrival to its answer.
pub const JOIN_SECONDS: &str = "ropeline_join_seconds";
/// Joins that shared one script call and one journal commit.
pub const JOIN_GROUP: &str = "ropeline_join_group_size";
/// Joins that were answered before the journal had them, because Postgres was slow or away.
pub const JOINS_DEFERRED: &str = "ropeline_joins_deferred_total";
/// Holds made.
pub const ADMITTED: &str = "ropeline_admitted_total";
/// Seconds to pop and record one batch.
pub const ADMIT_SECONDS: &str = "ropeline_admit_seconds";
/// Holds that ended. Label `state`: confirmed, released, expired.
pub const HOLDS_ENDED: &str = "ropeline_holds_ended_total";
/// Seconds from a confirm's arrival to its answer. Label `outcome`: confirmed, refused, unknown.
pub const CONFIRM_SECONDS: &str = "ropeline_confirm_seconds";
/// Seconds of outage credited to open holds.
pub const CREDITED_SECONDS: &str = "ropeline_outage_credited_seconds_total";
/// Rebuilds of Redis from Postgres. Label `outcome`: done, failed.
pub const RECOVERIES: &str = "ropeline_recoveries_total";
/// What the auditor mended. Label `repair`: token_added, token_dropped, waiter_restored, waiter_dropped.
pub const REPAIRS: &str = "ropeline_audit_repairs_total";
/// Sales stopped because Postgres is behind Redis.
pub const STOPPED: &str = "ropeline_sales_stopped_total";
/// Mirrors of a line that were read anew because their count was off.
pub const MIRROR_RESETS: &str = "ropeline_mirror_resets_total";
/// Age in seconds of what this gateway knows of a sale's line. Label `sale`.
pub const MIRROR_AGE: &str = "ropeline_mirror_age_seconds";
/// Shoppers in line. Label `sale`.
pub const WAITING: &str = "ropeline_waiting";
/// Units by where they are. Labels `sale`, `state`: available, held, sold, withdrawn.
pub const UNITS: &str = "ropeline_units";
/// Open sockets and event streams. Label `kind`: websocket, sse.
pub const SOCKETS: &str = "ropeline_sockets";
/// States sent to shoppers. Label `kind`: websocket, sse, poll.
pub const STATES_SENT: &str = "ropeline_states_sent_total";
/// Answers by route and status.
pub const HTTP_SECONDS: &str = "ropeline_http_seconds";
/// Calls turned away for coming too fast. Label `limit`: joins, calls, all, logins.
pub const LIMITED: &str = "ropeline_limited_total";
/// Connections open now.
pub const CONNECTIONS: &str = "ropeline_connections";

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
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(JOIN_GROUP.into()), GROUP_SIZES)?
        .install_recorder()?)
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Starts logging to standard error; `RUST_LOG` chooses what.
pub fn start_logging(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process keeps the first one's format; tests do that.
    let started = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
}
