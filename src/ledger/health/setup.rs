//! How Postgres is set up as far as it matters, whether the schema is one that this program knows, and what
//! all gateways of one database must agree on.

use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor, Row};

use crate::ledger::{CONNECTIONS, Ledger, LedgerError, SESSION};

/// How Postgres is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub version: String,
    /// As 150004 for 15.4.
    pub version_num: i32,
    pub fsync: bool,
    pub full_page_writes: bool,
    pub durability: Durability,
    pub is_standby: bool,
    pub is_read_only: bool,
    /// Settings of this session that are not what was asked for: name, wanted, found. A pooler between
    /// may drop them.
    pub ignored: Vec<(String, String, String)>,
    pub room: Room,
    /// Postgres's clock.
    pub now: Timestamp,
    pub role: String,
}

/// What a commit waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Durability {
    pub synchronous_commit: String,
    pub synchronous_standby_names: String,
}

impl Durability {
    /// Whether a purchase that was told outlives the loss of Postgres's machine, as far as the settings go.
    pub fn survives_the_machine(&self) -> bool {
        let waits = ["on", "remote_apply"].contains(&self.synchronous_commit.as_str());
        waits && !self.synchronous_standby_names.trim().is_empty()
    }

    /// In words, for an operator.
    pub fn words(&self) -> &'static str {
        if self.synchronous_commit == "off" {
            "A confirmed purchase can be lost with a crash: synchronous_commit is off."
        } else if self.survives_the_machine() {
            "A confirmed purchase is on the disk of Postgres and of a standby before anyone is told."
        } else {
            "A confirmed purchase is on the disk of one machine before anyone is told. It survives a crash, \
             and not the loss of that disk; a synchronous standby would."
        }
    }
}

/// Connections, as Postgres has them for this role and database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Most at a time: `max_connections`, or a lower limit of the role or the database.
    pub most: i64,
    /// Kept for superusers and the like.
    pub reserved: i64,
    /// In use by everybody else.
    pub taken: i64,
    /// What this gateway's pools may grow to.
    pub wanted: i64,
}

/// The schema of the database, seen from this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// There is none yet, or one that this program can bring up to date.
    Behind,
    Current,
    /// A later version of ropeline made it.
    Newer(i64),
    /// This migration was done with other words than this program has for it.
    Other(i64),
}

impl Schema {
    /// What to do about a schema that this program must not touch.
    pub fn advice(self) -> Option<String> {
        match self {
            Self::Behind | Self::Current => None,
            Self::Newer(version) => Some(format!(
                "the database has migration {version} of a later version of ropeline, which this one does not \
                 know; run the later version, or restore the backup from before the upgrade into another \
                 database"
            )),
            Self::Other(version) => Some(format!(
                "migration {version} of the database is not the one that this version of ropeline has; run \
                 the version that made this database, or point DATABASE_URL at another one"
            )),
        }
    }
}

impl Ledger {
    /// Asks Postgres how it is set up.
    pub async fn setup(&self) -> Result<Setup, LedgerError> {
        // One connection, so that its own settings are the ones that are read.
        let mut connection = self.watch.acquire().await?;
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "version!",
                      current_setting('server_version_num')::int AS "version_num!",
                      current_setting('fsync') = 'on' AS "fsync!",
                      current_setting('full_page_writes') = 'on' AS "full_page_writes!",
                      current_setting('synchronous_commit') AS "synchronous_commit!",
                      current_setting('synchronous_standby_names') AS "standby_names!",
                      pg_is_in_recovery() AS "is_standby!",
                      current_setting('transaction_read_only') = 'on' AS "is_read_only!",
                      current_setting('max_connections')::bigint AS "max_connections!",
                      current_setting('superuser_reserved_connections')::bigint
                          + coalesce(current_setting('reserved_connections', true)::bigint, 0)
                          AS "reserved!",
                      (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS "of_role!",
                      (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
                          AS "of_database!",
                      -- A client has a database; only its owner sees more of it.
                      (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL) AS "clients!",
                      current_user::text AS "role!",
                      clock_timestamp() AS "now!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut ignored = Vec::new();
        for (name, wanted) in SESSION {
            let found = sqlx::query_scalar!(r#"SELECT current_setting($1) AS "found!""#, name)
                .fetch_one(&mut *connection)
                .await?;
            if found != wanted {
                ignored.push((name.to_owned(), wanted.to_owned(), found));
            }
        }
        let limits = [row.of_role, row.of_database].map(i64::from);
        let limits = limits.into_iter().filter(|limit| *limit >= 0);
        Ok(Setup {
            version: row.version,
            version_num: row.version_num,
            fsync: row.fsync,
            full_page_writes: row.full_page_writes,
            durability: Durability {
                synchronous_commit: row.synchronous_commit,
                synchronous_standby_names: row.standby_names,
            },
            is_standby: row.is_standby,
            is_read_only: row.is_read_only,
            ignored,
            room: Room {
                most: limits.chain([row.max_connections]).min().unwrap_or_default(),
                reserved: row.reserved,
                taken: (row.clients - i64::from(self.size())).max(0),
                wanted: i64::from(CONNECTIONS),
            },
            now: row.now.to_jiff(),
            role: row.role,
        })
    }

    /// Connections that are open now.
    fn size(&self) -> u32 {
        self.pools().iter().map(|pool| pool.size()).sum()
    }

    /// Looks at the schema and changes nothing.
    pub async fn schema(&self) -> Result<Schema, LedgerError> {
        let mut connection = self.watch.acquire().await?;
        let there = sqlx::query_scalar!(
            r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS "there!""#
        );
        if !there.fetch_one(&mut *connection).await? {
            return Ok(Schema::Behind);
        }
        // Not checked against the schema: the table is not ours.
        let done = connection
            .fetch_all("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .await?;
        let known = sqlx::migrate!();
        let known: Vec<_> = known.iter().collect();
        for row in &done {
            let version: i64 = row.try_get("version")?;
            match known.iter().find(|migration| migration.version == version) {
                None => return Ok(Schema::Newer(version)),
                Some(same) if *same.checksum == *row.try_get::<Vec<u8>, _>("checksum")? => {}
                Some(_) => return Ok(Schema::Other(version)),
            }
        }
        Ok(if done.len() == known.len() { Schema::Current } else { Schema::Behind })
    }

    /// Brings the schema up to date. Safe to run from many gateways at once: one waits for the other.
    ///
    /// # Errors
    /// Schema, with what to do, when it is not for this program to change; otherwise when Postgres did not answer.
    pub async fn migrate(&self) -> Result<(), LedgerError> {
        if let Some(advice) = self.schema().await?.advice() {
            return Err(LedgerError::Schema(advice));
        }
        // On a connection that ends with it: one that fails keeps the lock for which other gateways wait.
        let options = PgConnectOptions::clone(&self.watch.connect_options());
        let alone = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        let done = sqlx::migrate!().run(&alone).await;
        alone.close().await;
        match done {
            Err(
                MigrateError::Execute(sqlx::Error::Database(error))
                | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _),
            ) if error.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE) => {
                let words = error.message();
                Err(LedgerError::Schema(format!(
                    "the role may not change the schema ({words}); as the database's owner, run ropeline \
                     migrate, or GRANT CREATE ON SCHEMA public TO the role of DATABASE_URL"
                )))
            }
            done => Ok(done?),
        }
    }

    /// Writes down which Postgres this is, unless that is done; None where it does not tell. Not for a standby.
    pub async fn history(&self) -> Result<Option<History>, LedgerError> {
        let asked = sqlx::query_scalar!(
            r#"SELECT (SELECT system_identifier FROM pg_control_system())::text || '/'
                      || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS "is!""#
        );
        let is = match asked.fetch_one(&self.watch).await {
            // Something that only speaks like Postgres may have no such functions.
            Err(sqlx::Error::Database(_)) => return Ok(None),
            told => told?,
        };
        let known = sqlx::query_scalar!("SELECT history FROM deployment");
        let was = match known.fetch_one(&self.watch).await? {
            Some(was) => was,
            None => {
                sqlx::query!("UPDATE deployment SET history = $1 WHERE history IS NULL", is)
                    .execute(&self.watch)
                    .await?;
                is.clone()
            }
        };
        Ok(Some(History { was, is }))
    }

    /// Writes down the print of this gateway's secret, unless one is there; says whether they are the same.
    pub async fn agrees_on_secret(&self, print: &[u8]) -> Result<bool, LedgerError> {
        let same = sqlx::query_scalar!(
            r#"UPDATE deployment SET secret_print = coalesce(secret_print, $1)
               RETURNING secret_print = $1 AS "same!""#,
            print,
        )
        .fetch_one(&self.watch)
        .await?;
        Ok(same)
    }
}

/// Which Postgres this is, and which one it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub was: String,
    pub is: String,
}

/// Postgres's word for a right that is missing.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_standby_that_is_waited_for_survives_the_machine() {
        let level = |commit: &str, names: &str| Durability {
            synchronous_commit: commit.into(),
            synchronous_standby_names: names.into(),
        };
        for commit in ["on", "remote_apply"] {
            assert!(level(commit, "FIRST 1 (b)").survives_the_machine());
            assert!(!level(commit, " ").survives_the_machine());
        }
        for commit in ["off", "local", "remote_write"] {
            assert!(!level(commit, "*").survives_the_machine(), "{commit}");
        }
    }
}
