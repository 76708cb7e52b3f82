//! Answers given under an idempotency key. The answer is written in the transaction of what it answers,
//! so there is no moment in which one exists without the other.

use serde_json::Value;
use sqlx::{Executor, Postgres};

use crate::ledger::{Ledger, LedgerError, Tx};

/// A key, scoped to its caller and route, with a digest of the body it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub caller: String,
    pub route: String,
    pub key: String,
    pub fingerprint: Vec<u8>,
}

impl Key {
    /// Caller, route and key in one.
    pub fn name(&self) -> String {
        format!("{}\n{}\n{}", self.caller, self.route, self.key)
    }
}

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Nothing yet; the key is this transaction's.
    Nothing,
    /// The answer it had.
    Answer { status: u16, body: Value },
    /// It came with another body.
    Reused,
    /// The first request with it is still running.
    InProgress,
}

/// Names the lock space of idempotency keys, apart from the sales' locks.
const LOCK_SEED: i64 = 0x1d3;

impl Tx {
    /// Takes the key for this transaction, or says what is stored under it.
    pub async fn claim(&mut self, key: &Key) -> Result<Stored, LedgerError> {
        let taken = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, $2)) AS "taken!""#,
            key.name(),
            LOCK_SEED,
        )
        .fetch_one(&mut *self.0)
        .await?;
        if !taken {
            return Ok(Stored::InProgress);
        }
        stored(&mut *self.0, key).await
    }

    /// Takes several keys, each of them named once, or says what is stored under each, in their order.
    pub async fn claim_all(&mut self, keys: &[&Key]) -> Result<Vec<Stored>, LedgerError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = keys.iter().map(|key| key.name()).collect();
        let taken = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock(hashtextextended(name, $2)) AS "taken!"
               FROM UNNEST($1::text[]) WITH ORDINALITY AS asked (name, place) ORDER BY place"#,
            &names,
            LOCK_SEED,
        )
        .fetch_all(&mut *self.0)
        .await?;
        // After the locks, and by a statement of its own: what others stored until then is seen.
        let text = |of: fn(&Key) -> &String| -> Vec<String> {
            keys.iter().map(|key| of(key).clone()).collect()
        };
        let rows = sqlx::query!(
            r#"SELECT place AS "place!", k.fingerprint, k.status, k.body
               FROM UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
                        AS asked (caller, route, key, place),
                    LATERAL (SELECT fingerprint, status, body FROM idempotency_keys
                             WHERE caller = asked.caller AND route = asked.route
                               AND key = asked.key OFFSET 0) k"#,
            &text(|key| &key.caller),
            &text(|key| &key.route),
            &text(|key| &key.key),
        )
        .fetch_all(&mut *self.0)
        .await?;
        let mut stored: Vec<Stored> = taken
            .into_iter()
            .map(|taken| if taken { Stored::Nothing } else { Stored::InProgress })
            .collect();
        for row in rows {
            let place = usize::try_from(row.place - 1).unwrap_or(usize::MAX);
            let (Some(slot), Some(key)) = (stored.get_mut(place), keys.get(place)) else {
                continue;
            };
            if *slot != Stored::InProgress {
                *slot = if row.fingerprint == key.fingerprint {
                    Stored::Answer { status: row.status.cast_unsigned(), body: row.body }
                } else {
                    Stored::Reused
                };
            }
        }
        Ok(stored)
    }

    /// Stores the answers of keys that this transaction claimed.
    pub async fn store_all(&mut self, answers: &[(&Key, u16, &Value)]) -> Result<(), LedgerError> {
        if !answers.is_empty() {
            store_unless_there(&mut *self.0, answers).await?;
        }
        Ok(())
    }

    /// Stores the answer of a key that this transaction claimed.
    pub async fn store(&mut self, key: &Key, status: u16, body: &Value) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO idempotency_keys (caller, route, key, fingerprint, status, body)
             VALUES ($1, $2, $3, $4, $5, $6)",
            key.caller,
            key.route,
            key.key,
            key.fingerprint,
            status.cast_signed(),
            body,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

async fn stored<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    key: &Key,
) -> Result<Stored, LedgerError> {
    let row = sqlx::query!(
        "SELECT fingerprint, status, body FROM idempotency_keys
         WHERE caller = $1 AND route = $2 AND key = $3",
        key.caller,
        key.route,
        key.key,
    )
    .fetch_optional(executor)
    .await?;
    Ok(match row {
        None => Stored::Nothing,
        Some(row) if row.fingerprint != key.fingerprint => Stored::Reused,
        Some(row) => Stored::Answer { status: row.status.cast_unsigned(), body: row.body },
    })
}

/// Rows deleted in one go, so that a clean-up never blocks for long.
pub(crate) const CLEAN_PAGE: i64 = 2_000;

impl Ledger {
    /// What is stored under a join's key now.
    pub async fn stored(&self, key: &Key) -> Result<Stored, LedgerError> {
        stored(&self.reads, key).await
    }

    /// Stores answers of joins, each unless one is there; returns the names of those that were the first.
    pub async fn store_all(
        &self,
        answers: &[(&Key, u16, &Value)],
    ) -> Result<Vec<String>, LedgerError> {
        store_unless_there(&self.keys, answers).await
    }

    /// Forgets one page of keys older than a day; says how many.
    pub async fn forget_old_keys(&self) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "DELETE FROM idempotency_keys WHERE (caller, route, key) IN
                (SELECT caller, route, key FROM idempotency_keys
                 WHERE created_at < statement_timestamp() - interval '24 hours'
                 ORDER BY created_at LIMIT $1)",
            CLEAN_PAGE,
        )
        .execute(&self.audits)
        .await?;
        Ok(done.rows_affected())
    }

    /// Forgets one page of the outbox that is older than a day; says how many. Nothing reads it, and only the version
    /// before still writes it.
    pub async fn forget_outbox(&self) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "DELETE FROM outbox WHERE id IN
                (SELECT id FROM outbox WHERE created_at < statement_timestamp() - interval '24 hours'
                 ORDER BY id LIMIT $1)",
            CLEAN_PAGE,
        )
        .execute(&self.audits)
        .await?;
        Ok(done.rows_affected())
    }
}

/// Stores answers, each unless one is there; returns the names of those that were the first.
async fn store_unless_there<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    answers: &[(&Key, u16, &Value)],
) -> Result<Vec<String>, LedgerError> {
    let text = |of: fn(&Key) -> &String| -> Vec<String> {
        answers.iter().map(|(key, _, _)| of(key).clone()).collect()
    };
    let prints: Vec<Vec<u8>> = answers.iter().map(|(key, _, _)| key.fingerprint.clone()).collect();
    let statuses: Vec<i16> = answers.iter().map(|(_, status, _)| status.cast_signed()).collect();
    let bodies: Vec<Value> = answers.iter().map(|(_, _, body)| Value::clone(body)).collect();
    let rows = sqlx::query!(
        "INSERT INTO idempotency_keys (caller, route, key, fingerprint, status, body)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[], $5::smallint[],
                              $6::jsonb[])
         ON CONFLICT DO NOTHING RETURNING caller, route, key",
        &text(|key| &key.caller),
        &text(|key| &key.route),
        &text(|key| &key.key),
        &prints,
        &statuses,
        &bodies,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| format!("{}\n{}\n{}", row.caller, row.route, row.key)).collect())
}
