//! Lost stores, rebuilds, and what the schema refuses.

pub mod constraints;
pub mod failover;
pub mod ledger;
pub mod losses;
pub mod outage;
pub mod recovery;
pub mod tampering;
