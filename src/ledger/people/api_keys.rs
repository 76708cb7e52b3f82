//! Programs' ways in. A key is known by its digest alone.

use jiff::Timestamp;

use crate::ledger::{Ledger, LedgerError, Tx};
use crate::model::{ApiKeyId, Role};

#[derive(Debug, Clone, PartialEq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    pub role: Role,
    /// Its first characters.
    pub hint: String,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To the minute.
    pub last_used_at: Option<Timestamp>,
}

struct ApiKeyRow {
    id: uuid::Uuid,
    name: String,
    role: String,
    hint: String,
    created_by: String,
    created_at: jiff_sqlx::Timestamp,
    expires_at: Option<jiff_sqlx::Timestamp>,
    revoked_at: Option<jiff_sqlx::Timestamp>,
    last_used_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = LedgerError;
    fn try_from(row: ApiKeyRow) -> Result<Self, LedgerError> {
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        Ok(Self {
            id: ApiKeyId(row.id),
            name: row.name,
            role: Role::parse(&row.role).ok_or(LedgerError::Impossible("a key's role"))?,
            hint: row.hint,
            created_by: row.created_by,
            created_at: row.created_at.to_jiff(),
            expires_at: time(row.expires_at),
            revoked_at: time(row.revoked_at),
            last_used_at: time(row.last_used_at),
        })
    }
}

/// A key that is to be.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    pub name: String,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

impl Tx {
    pub async fn add_api_key(
        &mut self,
        new: &NewApiKey,
        digest: &[u8; 32],
        hint: &str,
        created_by: &str,
    ) -> Result<ApiKey, LedgerError> {
        sqlx::query_as!(
            ApiKeyRow,
            "INSERT INTO api_keys (id, name, role, digest, hint, created_by, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             RETURNING id, name, role, hint, created_by, created_at, expires_at, revoked_at,
                       last_used_at",
            ApiKeyId::new().0,
            new.name,
            new.role.as_str(),
            digest.as_slice(),
            hint,
            created_by,
            new.expires_at.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
        )
        .fetch_one(&mut *self.0)
        .await?
        .try_into()
    }

    /// The key as it was before, if there is one with this id; it is revoked afterwards.
    pub async fn revoke_api_key(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, LedgerError> {
        let before = sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, name, role, hint, created_by, created_at, expires_at, revoked_at,
                    last_used_at
             FROM api_keys WHERE id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.0)
        .await?;
        sqlx::query!(
            "UPDATE api_keys SET revoked_at = clock_timestamp()
             WHERE id = $1 AND revoked_at IS NULL",
            id.0,
        )
        .execute(&mut *self.0)
        .await?;
        before.map(ApiKey::try_from).transpose()
    }
}

impl Ledger {
    /// All keys, those in force first, then the newest.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKey>, LedgerError> {
        let rows = sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, name, role, hint, created_by, created_at, expires_at, revoked_at,
                    last_used_at
             FROM api_keys ORDER BY revoked_at IS NOT NULL, created_at DESC, id DESC LIMIT 1000"
        )
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter().map(ApiKey::try_from).collect()
    }
}
