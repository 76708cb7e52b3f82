//! Comparing Redis with Postgres, and rebuilding Redis.

pub mod audit;
pub mod rebuild;
