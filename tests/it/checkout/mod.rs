//! Holds: confirming, releasing, expiring, and the money.

pub mod batch;
pub mod credit;
pub mod endings;
pub mod holds;
pub mod idempotency;
pub mod payments;
pub mod sweeper;
