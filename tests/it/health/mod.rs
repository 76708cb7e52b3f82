//! Self-check, tasks, logs, metrics and the overview.

pub mod alarms;
pub mod logs;
pub mod metrics;
pub mod selfcheck;
pub mod setup_status;
pub mod tasks;
