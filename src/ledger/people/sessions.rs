//! Who a secret belongs to: sessions of browsers, and the one look-up that proves a key or a session.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::checkout::idempotency::CLEAN_PAGE;
use crate::ledger::{Ledger, LedgerError, Tx};
use crate::model::{ApiKeyId, OperatorId, Role};

/// Whose secret it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A program's key.
    Key(ApiKeyId),
    /// A browser in which this operator is logged in.
    Operator(OperatorId),
    /// A browser in which somebody logged in with `ROPELINE_ADMIN_KEY`; the mark of that key.
    AdminKey(String),
}

/// What a secret proves, just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub digest: [u8; 32],
    pub holder: Holder,
    pub role: Role,
    /// The name for the audit; empty for the admin key.
    pub name: String,
    pub expires_at: Option<Timestamp>,
}

/// Whom a new session is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOf {
    Operator(OperatorId),
    /// With the mark of the key.
    AdminKey(String),
}

/// A session that is to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub of: SessionOf,
    pub digest: [u8; 32],
    /// What the browser calls itself.
    pub agent: String,
    pub lasts: Duration,
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: Uuid,
    pub digest: [u8; 32],
    pub agent: String,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Tx {
    pub async fn add_session(&mut self, new: &NewSession) -> Result<(), LedgerError> {
        let (operator, mark) = match &new.of {
            SessionOf::Operator(id) => (Some(id.0), None),
            SessionOf::AdminKey(mark) => (None, Some(mark)),
        };
        sqlx::query!(
            "INSERT INTO sessions (digest, id, operator_id, admin_mark, agent, expires_at)
             VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))",
            new.digest.as_slice(),
            Uuid::now_v7(),
            operator,
            mark,
            new.agent,
            new.lasts.as_secs_f64(),
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Notes that this operator logged in; nothing when the account or its password is another by now.
    pub async fn note_login(&mut self, id: OperatorId, hash: &str) -> Result<bool, LedgerError> {
        let noted = sqlx::query!(
            "UPDATE operators SET last_login_at = clock_timestamp()
             WHERE id = $1 AND password_hash = $2",
            id.0,
            hash,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    /// Ends every session of this operator.
    pub async fn end_sessions(&mut self, of: &SessionOf) -> Result<(), LedgerError> {
        let (operator, mark) = match of {
            SessionOf::Operator(id) => (Some(id.0), None),
            SessionOf::AdminKey(mark) => (None, Some(mark)),
        };
        sqlx::query!(
            "DELETE FROM sessions WHERE operator_id = $1 OR admin_mark = $2",
            operator,
            mark,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Ledger {
    /// What these secrets prove; one that proves nothing any more is left out. `idle` ends a session that
    /// nobody used for so long.
    pub async fn prove(
        &self,
        digests: &[[u8; 32]],
        idle: Duration,
    ) -> Result<Vec<Proven>, LedgerError> {
        let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.to_vec()).collect();
        let rows = sqlx::query!(
            r#"SELECT k.digest AS "digest!", k.id AS "key_id?", NULL::uuid AS "operator_id?",
                      NULL::text AS "mark?", k.role AS "role!", k.name AS "name!",
                      k.expires_at AS "expires_at?"
               FROM api_keys k
               WHERE k.digest = ANY($1) AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
               UNION ALL
               SELECT s.digest, NULL, s.operator_id, s.admin_mark, coalesce(o.role, 'owner'),
                      coalesce(o.name, ''), s.expires_at
               FROM sessions s LEFT JOIN operators o ON o.id = s.operator_id
               WHERE s.digest = ANY($1) AND s.expires_at > clock_timestamp()
                 AND s.last_seen_at > clock_timestamp() - make_interval(secs => $2)"#,
            &digests,
            idle.as_secs_f64(),
        )
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter()
            .map(|row| {
                let holder = match (row.key_id, row.operator_id, row.mark) {
                    (Some(id), _, _) => Holder::Key(ApiKeyId(id)),
                    (None, Some(id), _) => Holder::Operator(OperatorId(id)),
                    (None, None, Some(mark)) => Holder::AdminKey(mark),
                    (None, None, None) => {
                        return Err(LedgerError::Impossible("a session of nobody"));
                    }
                };
                Ok(Proven {
                    digest: digest(&row.digest)?,
                    holder,
                    role: Role::parse(&row.role).ok_or(LedgerError::Impossible("a role"))?,
                    name: row.name,
                    expires_at: row.expires_at.map(jiff_sqlx::Timestamp::to_jiff),
                })
            })
            .collect()
    }

    /// Writes down that these were used just now.
    pub async fn note_used(&self, digests: &[[u8; 32]]) -> Result<(), LedgerError> {
        let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.to_vec()).collect();
        sqlx::query!(
            "WITH used AS (
                UPDATE api_keys SET last_used_at = clock_timestamp() WHERE digest = ANY($1)
             )
             UPDATE sessions SET last_seen_at = clock_timestamp() WHERE digest = ANY($1)",
            &digests,
        )
        .execute(&self.reads)
        .await?;
        Ok(())
    }

    /// The sessions of one operator, or of the admin key, the one used last first.
    pub async fn list_sessions(
        &self,
        of: &SessionOf,
        idle: Duration,
    ) -> Result<Vec<Session>, LedgerError> {
        let (operator, mark) = match of {
            SessionOf::Operator(id) => (Some(id.0), None),
            SessionOf::AdminKey(mark) => (None, Some(mark)),
        };
        let rows = sqlx::query!(
            "SELECT id, digest, agent, created_at, last_seen_at, expires_at FROM sessions
             WHERE (operator_id = $1 OR admin_mark = $2) AND expires_at > clock_timestamp()
               AND last_seen_at > clock_timestamp() - make_interval(secs => $3)
             ORDER BY last_seen_at DESC LIMIT 100",
            operator,
            mark,
            idle.as_secs_f64(),
        )
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Session {
                    id: row.id,
                    digest: digest(&row.digest)?,
                    agent: row.agent,
                    created_at: row.created_at.to_jiff(),
                    last_seen_at: row.last_seen_at.to_jiff(),
                    expires_at: row.expires_at.to_jiff(),
                })
            })
            .collect()
    }

    /// Ends one session, whoever's it is.
    pub async fn end_session(&self, digest: &[u8; 32]) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM sessions WHERE digest = $1", digest.as_slice())
            .execute(&self.reads)
            .await?;
        Ok(())
    }

    /// Forgets one page of sessions that are over; says how many.
    pub async fn clean_sessions(&self, idle: Duration) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "DELETE FROM sessions WHERE digest IN
                (SELECT digest FROM sessions
                 WHERE expires_at < statement_timestamp()
                    OR last_seen_at < statement_timestamp() - make_interval(secs => $1)
                 LIMIT $2)",
            idle.as_secs_f64(),
            CLEAN_PAGE,
        )
        .execute(&self.audits)
        .await?;
        Ok(done.rows_affected())
    }
}

fn digest(bytes: &[u8]) -> Result<[u8; 32], LedgerError> {
    bytes.try_into().map_err(|_| LedgerError::Impossible("a digest of another length"))
}
