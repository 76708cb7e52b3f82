//! ropeline: a fair line in front of a flash sale, and never a unit sold twice.
//!
//! The modules in reading order; `docs/architecture.md` says which may name which, and a test keeps it.

pub mod sale;

pub mod clock;
pub mod telemetry;

pub mod ledger;
pub mod live;

pub mod flow;
