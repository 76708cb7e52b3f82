//! What is wrong with a Redis, and what to do about it.

use crate::engine::health::selfcheck::Finding;
use crate::redis::{Check, GRANT, Probed};

/// The first version whose scripts can say that they need no memory.
const OLDEST_MAJOR: u32 = 7;
/// Above this share of its memory limit, in hundredths, a Redis is nearly full.
const FULL_ABOVE: u64 = 80;

/// What the settings tell; none are known to a user who may not ask.
pub(crate) fn judge(check: Option<&Check>) -> Vec<Finding> {
    let Some(check) = check else { return Vec::new() }; // The missing right is told with the others.
    let mut found = Vec::new();
    if is_old(check) {
        found.push(Finding::refuse(
            "redis-version",
            format!(
                "Redis {} cannot run the scripts that move the line; install Redis 7.0 or later, or Valkey",
                check.version
            ),
        ));
    }
    if check.is_cluster {
        found.push(Finding::refuse(
            "redis-cluster",
            "Redis runs in cluster mode, and a gateway speaks to one node and follows no redirections, so that \
             most sales could not be reached; point REDIS_URL at a Redis with cluster-enabled no. One node is \
             enough: a replica with failover behind one address keeps it available",
        ));
    }
    if check.is_replica {
        found.push(Finding::refuse(
            "redis-replica",
            "Redis is a replica and takes no writes; point REDIS_URL at its primary, or make it one: \
             REPLICAOF NO ONE",
        ));
    }
    found.extend(eviction(check));
    found.extend(durability(check));
    found.extend(memory(check));
    found
}

fn is_old(check: &Check) -> bool {
    let major = check.version.split('.').next().and_then(|major| major.parse().ok());
    major.unwrap_or(0) < OLDEST_MAJOR
}

/// A Redis that cannot run the scripts anyway is not asked to.
pub(crate) fn may_be_probed(check: Option<&Check>) -> bool {
    check.is_none_or(|check| !is_old(check) && !check.is_cluster && !check.is_replica)
}

fn eviction(check: &Check) -> Option<Finding> {
    const DO: &str = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
    match check.eviction.as_deref() {
        Some("noeviction") => None,
        Some(policy) => Some(Finding::refuse(
            "redis-eviction",
            format!(
                "Redis may throw away the line when its memory runs out: maxmemory-policy is {policy}. {DO}"
            ),
        )),
        None => Some(Finding::warn(
            "redis-eviction",
            format!(
                "Redis does not tell its maxmemory-policy. With any but noeviction it may throw away the line \
                 when its memory runs out; make sure of it where it is managed, or: {DO}"
            ),
        )),
    }
}

fn durability(check: &Check) -> Vec<Finding> {
    let mut found = Vec::new();
    if check.append_only == Some(false) {
        found.push(Finding::warn(
            "redis-persistence",
            "Redis keeps no append-only file: after a restart nobody is admitted until the line is rebuilt from \
             Postgres. CONFIG SET appendonly yes, and the same in redis.conf, spares that",
        ));
    }
    if !check.not_on_disk.is_empty() {
        found.push(Finding::warn(
            "redis-disk",
            format!(
                "Redis could not write its {} the last time, and may stop taking writes; look at its disk and \
                 its log",
                check.not_on_disk.join(" and its ")
            ),
        ));
    }
    if check.replicas > 0 && !check.needs_replicas {
        found.push(Finding::warn(
            "redis-replicas",
            format!(
                "Redis has {} attached and takes writes without any: a primary that is cut off serves on while \
                 another one is made, and its line is thrown away and rebuilt. CONFIG SET min-replicas-to-write 1, \
                 with min-replicas-max-lag 10, and the same in redis.conf",
                plural(check.replicas.into(), "replica")
            ),
        ));
    }
    found
}

fn memory(check: &Check) -> Option<Finding> {
    let is_full = check.max_memory > 0 && check.used_memory * 100 > check.max_memory * FULL_ABOVE;
    is_full.then(|| {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        Finding::warn(
            "redis-memory",
            format!(
                "Redis uses {} of the {} MiB that it may; when they are full it takes no more joins. CONFIG SET \
                 maxmemory to more, and the same in redis.conf: a million in line take about 300 MiB",
                mib(check.used_memory),
                mib(check.max_memory)
            ),
        )
    })
}

/// What the user may not do.
pub(crate) fn judge_rights(probed: &Probed, user: &str) -> Option<Finding> {
    let (first, words) = probed.denied.first()?;
    let mut names: Vec<&str> = probed.denied.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    Some(Finding::refuse(
        "redis-rights",
        format!(
            "the Redis user {user} may not run {}, without which the line stands still (of {first} Redis says: \
             {words}). ACL SETUSER {user} {GRANT}",
            names.join(", "),
        ),
    ))
}

/// Sales that a later version has in Redis.
pub(crate) fn judge_layout(slugs: &[String]) -> Option<Finding> {
    (!slugs.is_empty()).then(|| {
        Finding::refuse(
            "redis-layout",
            format!(
                "a later version of ropeline keeps {} in Redis, in a layout that this one does not know: run the \
                 later version. To go back to this one, stop all gateways and delete the keys \
                 ropeline:{{<sale id>}}:*; the line is rebuilt from Postgres",
                slugs.join(", ")
            ),
        )
    })
}

fn plural(n: u64, word: &str) -> String {
    if n == 1 { format!("{n} {word}") } else { format!("{n} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;

    fn good() -> Check {
        Check {
            version: "7.0.15".into(),
            eviction: Some("noeviction".into()),
            append_only: Some(true),
            ..Check::default()
        }
    }

    fn names(check: &Check) -> Vec<(&'static str, Weight)> {
        judge(Some(check)).into_iter().map(|found| (found.name, found.weight)).collect()
    }

    #[test]
    fn an_old_redis_is_refused_and_asked_nothing_more() {
        assert_eq!(names(&good()), []);
        for version in ["6.2.14", "5.0.7", "", "x"] {
            let old = Check { version: version.into(), ..good() };
            assert_eq!(names(&old), [("redis-version", Weight::Refuse)], "{version}");
            assert!(!may_be_probed(Some(&old)), "{version}");
        }
        for version in ["7.0.0", "7.4.1", "8.2.0", "10.0.0"] {
            let new = Check { version: version.into(), ..good() };
            assert_eq!(names(&new), [], "{version}");
            assert!(may_be_probed(Some(&new)), "{version}");
        }
    }

    #[test]
    fn a_managed_redis_that_tells_little_is_served_from_with_a_warning() {
        let managed = Check { version: "7.2.4".into(), ..Check::default() };
        assert_eq!(names(&managed), [("redis-eviction", Weight::Warn)]);
        assert!(may_be_probed(Some(&managed)) && may_be_probed(None));
    }

    #[test]
    fn memory_is_nearly_full_above_four_fifths_of_a_limit() {
        let uses = |used_memory, max_memory| names(&Check { used_memory, max_memory, ..good() });
        assert_eq!(uses(900, 0), []);
        assert_eq!(uses(800, 1000), []);
        assert_eq!(uses(801, 1000), [("redis-memory", Weight::Warn)]);
    }
}
