//! Confirming, releasing and expiring holds.

pub mod batch;
pub mod expire;
pub mod idempotency;
pub mod payments;
pub mod purchases;
pub mod settle;
