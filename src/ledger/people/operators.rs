//! People who may log in, and who changed which account or key.

use jiff::Timestamp;
use serde_json::Value;

use crate::ledger::{Cursor, Ledger, LedgerError, Tx};
use crate::model::{OperatorId, Role};

#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    pub id: OperatorId,
    pub name: String,
    pub role: Role,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

struct OperatorRow {
    id: uuid::Uuid,
    name: String,
    role: String,
    created_by: String,
    created_at: jiff_sqlx::Timestamp,
    last_login_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<OperatorRow> for Operator {
    type Error = LedgerError;
    fn try_from(row: OperatorRow) -> Result<Self, LedgerError> {
        Ok(Self {
            id: OperatorId(row.id),
            name: row.name,
            role: Role::parse(&row.role).ok_or(LedgerError::Impossible("an operator's role"))?,
            created_by: row.created_by,
            created_at: row.created_at.to_jiff(),
            last_login_at: row.last_login_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}

/// One change of an account or a key.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountChange {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    /// The name of the account or key.
    pub subject: String,
    pub detail: Value,
}

/// What became of a change that may leave no owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    Done,
    LastOwner,
}

impl Tx {
    /// Keeps every other change of accounts out until this transaction ends: whether a name is free, and
    /// whether an owner is left, must still be so when it commits.
    pub async fn exclude_accounts(&mut self) -> Result<(), LedgerError> {
        sqlx::query!("LOCK TABLE operators, api_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Whether an operator or a key in force has this name: the audit tells them apart by nothing else.
    pub async fn is_name_taken(&mut self, name: &str) -> Result<bool, LedgerError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM operators WHERE lower(name) = lower($1))
                   OR EXISTS (SELECT FROM api_keys
                              WHERE lower(name) = lower($1) AND revoked_at IS NULL) AS "taken!""#,
            name,
        )
        .fetch_one(&mut *self.0)
        .await?)
    }

    pub async fn add_operator(
        &mut self,
        name: &str,
        role: Role,
        password_hash: &str,
        created_by: &str,
    ) -> Result<Operator, LedgerError> {
        sqlx::query_as!(
            OperatorRow,
            "INSERT INTO operators (id, name, role, password_hash, created_by)
             VALUES ($1, $2, $3, $4, $5)
             RETURNING id, name, role, created_by, created_at, last_login_at",
            OperatorId::new().0,
            name,
            role.as_str(),
            password_hash,
            created_by,
        )
        .fetch_one(&mut *self.0)
        .await?
        .try_into()
    }

    pub async fn operator(&mut self, id: OperatorId) -> Result<Option<Operator>, LedgerError> {
        let row = sqlx::query_as!(
            OperatorRow,
            "SELECT id, name, role, created_by, created_at, last_login_at
             FROM operators WHERE id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.0)
        .await?;
        row.map(Operator::try_from).transpose()
    }

    pub async fn set_role(&mut self, id: OperatorId, role: Role) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE operators SET role = $2 WHERE id = $1", id.0, role.as_str())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    pub async fn set_password(&mut self, id: OperatorId, hash: &str) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE operators SET password_hash = $2 WHERE id = $1", id.0, hash)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Removes an operator with every session. Call [`Self::exclude_accounts`] first.
    pub async fn remove_operator(&mut self, id: OperatorId) -> Result<(), LedgerError> {
        sqlx::query!("DELETE FROM operators WHERE id = $1", id.0).execute(&mut *self.0).await?;
        Ok(())
    }

    /// Whether this transaction leaves no owner where there were operators. Call
    /// [`Self::exclude_accounts`] first.
    pub async fn owner_left(&mut self) -> Result<Removed, LedgerError> {
        let left = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM operators WHERE role = 'owner') AS "left!""#
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(if left { Removed::Done } else { Removed::LastOwner })
    }

    pub async fn audit_account(
        &mut self,
        actor: &str,
        action: &str,
        subject: &str,
        detail: &Value,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO account_audit (actor, action, subject, detail) VALUES ($1, $2, $3, $4)",
            actor,
            action,
            subject,
            detail,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Ledger {
    /// Everyone who may log in, by name. A team, not a crowd.
    pub async fn list_operators(&self) -> Result<Vec<Operator>, LedgerError> {
        let rows = sqlx::query_as!(
            OperatorRow,
            "SELECT id, name, role, created_by, created_at, last_login_at
             FROM operators ORDER BY lower(name) LIMIT 1000"
        )
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter().map(Operator::try_from).collect()
    }

    /// Who logs in under this name, and what the password must match.
    pub async fn operator_named(
        &self,
        name: &str,
    ) -> Result<Option<(OperatorId, String)>, LedgerError> {
        let row = sqlx::query!(
            "SELECT id, password_hash FROM operators WHERE lower(name) = lower($1)",
            name,
        )
        .fetch_optional(&self.reads)
        .await?;
        Ok(row.map(|row| (OperatorId(row.id), row.password_hash)))
    }

    /// What this operator's password must match.
    pub async fn password_of(&self, id: OperatorId) -> Result<Option<String>, LedgerError> {
        Ok(sqlx::query_scalar!("SELECT password_hash FROM operators WHERE id = $1", id.0)
            .fetch_optional(&self.reads)
            .await?)
    }

    /// Changes of accounts and keys, newest first. The cursor's number is the item's id.
    pub async fn list_account_audit(
        &self,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<AccountChange>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT id, at, actor, action, subject, detail FROM account_audit
             WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            after.map(|cursor| cursor.number),
            limit,
        )
        .fetch_all(&self.reads)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AccountChange {
                id: row.id,
                at: row.at.to_jiff(),
                actor: row.actor,
                action: row.action,
                subject: row.subject,
                detail: row.detail,
            })
            .collect())
    }
}
