//! The start-up self-check: a Redis that may forget a line or a Postgres that may lose a purchase is not
//! served from; other weaknesses are said aloud.

use std::sync::atomic::Ordering;

use super::{FlowError, Gate};

/// What is wrong with how the stores are set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Serving would break a promise. Says what to do.
    Refuse(String),
    /// Worth knowing.
    Warn(String),
}

/// Asks both stores how they are set up.
///
/// # Errors
/// Unavailable while one is away.
pub async fn inspect(gate: &Gate) -> Result<Vec<Finding>, FlowError> {
    let mut found = Vec::new();
    let redis = gate.live.check().await?;
    if redis.eviction != "noeviction" {
        found.push(Finding::Refuse(format!(
            "Redis may evict the line when memory runs out: maxmemory-policy is {}; set it to noeviction",
            redis.eviction
        )));
    }
    let major: u32 = redis.version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
    if major < 7 {
        found.push(Finding::Refuse(format!(
            "Redis {} is too old for the scripts; version 7.0 or later is needed",
            redis.version
        )));
    }
    if !redis.append_only {
        found.push(Finding::Warn(
            "Redis keeps no append-only file: after a restart the line is rebuilt from Postgres; \
             set appendonly yes to spare that"
                .into(),
        ));
    }
    let postgres = gate.ledger.check().await?;
    let refuse = |setting: &str| {
        Finding::Refuse(format!(
            "Postgres may lose confirmed purchases: {setting} is off; turn it on"
        ))
    };
    if !postgres.fsync {
        found.push(refuse("fsync"));
    }
    if !postgres.full_page_writes {
        found.push(refuse("full_page_writes"));
    }
    if postgres.synchronous_commit == "off" {
        found.push(refuse("synchronous_commit"));
    }
    if postgres.in_recovery {
        found.push(Finding::Refuse(
            "Postgres is a standby; point DATABASE_URL at the primary".into(),
        ));
    }
    Ok(found)
}

/// Brings the schema up to date.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn migrate(gate: &Gate) -> Result<(), FlowError> {
    gate.ledger.migrate().await?;
    gate.health.migrated.store(true, Ordering::Relaxed);
    Ok(())
}

/// Forgets idempotency keys that are older than a day.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn clean_up(gate: &Gate) -> Result<u64, FlowError> {
    let mut all = 0;
    loop {
        match gate.ledger.forget_old_keys().await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}
