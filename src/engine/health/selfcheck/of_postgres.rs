//! What is wrong with a Postgres, and what to do about it.

use crate::engine::health::selfcheck::Finding;
use crate::ledger::{History, Room, Setup};

/// The first version that ropeline is tested with.
const OLDEST: i32 = 150_000;

pub(crate) fn judge(setup: &Setup) -> Vec<Finding> {
    let mut found = Vec::new();
    if setup.version_num < OLDEST {
        found.push(Finding::refuse(
            "postgres-version",
            format!(
                "Postgres {} is older than what ropeline is tested with; upgrade to 15 or later",
                setup.version
            ),
        ));
    }
    for (name, setting, is_on) in [
        ("postgres-fsync", "fsync", setup.fsync),
        ("postgres-full-page-writes", "full_page_writes", setup.full_page_writes),
        (
            "postgres-synchronous-commit",
            "synchronous_commit",
            setup.durability.synchronous_commit != "off",
        ),
    ] {
        if !is_on {
            found.push(Finding::refuse(
                name,
                format!(
                    "Postgres may lose confirmed purchases in a crash: {setting} is off. ALTER SYSTEM SET \
                     {setting} = on; SELECT pg_reload_conf(); and look for the same with ALTER ROLE and ALTER DATABASE"
                ),
            ));
        }
    }
    if setup.is_standby {
        found.push(Finding::refuse(
            "postgres-standby",
            "Postgres is a standby and takes no writes; point DATABASE_URL at the primary, or promote this one: \
             SELECT pg_promote()",
        ));
    } else if setup.is_read_only {
        found.push(Finding::refuse(
            "postgres-read-only",
            "this role or database is read-only, so that nothing can be sold: ALTER SYSTEM, ROLE or DATABASE … \
             SET default_transaction_read_only = off",
        ));
    }
    found.extend(session(setup));
    found.extend(room(&setup.room, &setup.role));
    found
}

/// Whether none of these says that it takes no writes.
pub(crate) fn takes_writes(findings: &[Finding]) -> bool {
    !findings.iter().any(|found| ["postgres-standby", "postgres-read-only"].contains(&found.name))
}

/// A failover leads to another timeline, and so does a backup. Which one it was, a person knows.
pub(crate) fn judge_history(history: &History) -> Option<Finding> {
    (history.was != history.is).then(|| {
        Finding::warn(
            "postgres-history",
            format!(
                "this is not the Postgres of before (system/timeline {} then, {} now): it was failed over, or \
                 restored from a backup. A standby that was not waited for and a backup lack the newest purchases, \
                 also where no sale was stopped for it: compare the orders with the shop's payments, see \
                 \"Postgres went back in time\" in docs/operations.md, and then run: UPDATE deployment SET \
                 history = NULL",
                history.was, history.is
            ),
        )
    })
}

/// Settings of each connection that did not arrive.
fn session(setup: &Setup) -> Vec<Finding> {
    const DO: &str = "something between drops the settings of a connection: connect to Postgres itself, or let the \
                      pooler keep sessions (pool_mode = session) and pass options on";
    let is_isolation = |name: &str| name == "default_transaction_isolation";
    let (isolation, timeouts): (Vec<_>, Vec<_>) =
        setup.ignored.iter().partition(|(name, _, _)| is_isolation(name));
    let mut found = Vec::new();
    for (name, wanted, is) in isolation {
        found.push(Finding::refuse(
            "postgres-isolation",
            format!(
                "{name} is {is} and must be {wanted}, or confirms fail when they meet; {DO}, or ALTER ROLE {} \
                 SET {name} = '{wanted}'",
                setup.role
            ),
        ));
    }
    if !timeouts.is_empty() {
        let each: Vec<String> = timeouts
            .iter()
            .map(|(name, wanted, is)| format!("{name} is {is} and should be {wanted}"))
            .collect();
        found.push(Finding::warn(
            "postgres-timeouts",
            format!(
                "one stuck statement or lock may hold up every purchase: {}; {DO}, or set them with ALTER ROLE \
                 {} SET …",
                each.join(", "),
                setup.role
            ),
        ));
    }
    found
}

fn room(room: &Room, role: &str) -> Option<Finding> {
    let free = room.most - room.reserved - room.taken;
    (free < room.wanted).then(|| {
        let Room { most, reserved, taken, wanted } = room;
        let needed = taken + wanted + reserved;
        Finding::warn(
            "postgres-connections",
            format!(
                "this gateway may need {wanted} connections to Postgres and {} are free ({most} in all, {reserved} \
                 reserved, {taken} taken by others), so that purchases would wait or fail at the busiest moment. \
                 ALTER SYSTEM SET max_connections = {needed} or more and restart Postgres; look also at the \
                 CONNECTION LIMIT of the role {role} and of the database",
                free.max(0)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;
    use crate::ledger::Durability;

    fn good() -> Setup {
        Setup {
            version: "15.4".into(),
            version_num: 150_004,
            fsync: true,
            full_page_writes: true,
            durability: Durability {
                synchronous_commit: "on".into(),
                synchronous_standby_names: String::new(),
            },
            is_standby: false,
            is_read_only: false,
            ignored: Vec::new(),
            room: Room { most: 100, reserved: 3, taken: 0, wanted: 28 },
            now: jiff::Timestamp::UNIX_EPOCH,
            role: "ropeline".into(),
        }
    }

    fn names(setup: &Setup) -> Vec<(&'static str, Weight)> {
        judge(setup).into_iter().map(|found| (found.name, found.weight)).collect()
    }

    #[test]
    fn an_old_postgres_is_refused() {
        assert_eq!(names(&good()), []);
        let old = Setup { version: "14.9".into(), version_num: 140_009, ..good() };
        assert_eq!(names(&old), [("postgres-version", Weight::Refuse)]);
    }

    #[test]
    fn a_crash_that_may_lose_a_purchase_is_refused() {
        let lazy = Durability { synchronous_commit: "off".into(), ..good().durability };
        for (setup, name) in [
            (Setup { fsync: false, ..good() }, "postgres-fsync"),
            (Setup { full_page_writes: false, ..good() }, "postgres-full-page-writes"),
            (Setup { durability: lazy, ..good() }, "postgres-synchronous-commit"),
        ] {
            assert_eq!(names(&setup), [(name, Weight::Refuse)]);
        }
    }

    #[test]
    fn the_last_connection_that_fits_is_enough() {
        let with = |taken| names(&Setup { room: Room { taken, ..good().room }, ..good() });
        assert_eq!(with(69), []);
        assert_eq!(with(70), [("postgres-connections", Weight::Warn)]);
    }

    #[test]
    fn a_dropped_setting_is_refused_only_when_it_is_the_isolation() {
        let dropped = |name: &str| {
            let ignored = vec![(name.to_owned(), "wanted".to_owned(), "found".to_owned())];
            names(&Setup { ignored, ..good() })
        };
        let isolation = dropped("default_transaction_isolation");
        assert_eq!(isolation, [("postgres-isolation", Weight::Refuse)]);
        assert_eq!(dropped("lock_timeout"), [("postgres-timeouts", Weight::Warn)]);
    }
}
