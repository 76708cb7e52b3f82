//! ropeline: a fair line in front of a flash sale, and never a unit sold twice.
//!
//! The modules in reading order; `docs/architecture.md` says which may name which, and a test keeps it.

pub mod model;

pub mod clock;
pub mod faults;
pub mod tasks;
pub mod telemetry;

pub mod ledger;
pub mod redis;

pub mod engine;

pub mod web;

pub mod dev;
pub mod gateway;
pub mod signals;

/// 128 random bits as text, for keys and nonces.
pub fn random_text() -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}
