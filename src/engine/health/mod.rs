//! Whether everything is well: self-check, heartbeat and overview.

pub mod gauges;
pub mod heartbeat;
pub mod overview;
pub mod selfcheck;
