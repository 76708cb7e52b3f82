//! Who changed what, in the transaction of the change.

use jiff::Timestamp;
use serde_json::Value;

use crate::ledger::{Cursor, Ledger, LedgerError, Tx};
use crate::model::SaleId;

#[derive(Debug, Clone, PartialEq)]
pub struct AuditItem {
    pub id: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub detail: Value,
}

/// How often the auditor mended one kind of difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The key in the detail of the audit's items.
    pub name: String,
    pub times: i64,
    pub last_at: Timestamp,
}

impl Tx {
    pub async fn audit(
        &mut self,
        sale: SaleId,
        actor: &str,
        action: &str,
        detail: &Value,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO audit (sale_id, actor, action, detail) VALUES ($1, $2, $3, $4)",
            sale.0,
            actor,
            action,
            detail,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}

impl Ledger {
    /// What was mended of one sale since it was made, as the audit has it. What never was is not named.
    pub async fn repaired(&self, sale: SaleId) -> Result<Vec<Repaired>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT part.key AS "name!", sum(part.value::bigint)::bigint AS "times!",
                      max(audit.at) AS "last_at!"
               FROM audit, jsonb_each_text(detail) AS part
               WHERE sale_id = $1 AND actor = 'ropeline' AND action = 'repair'
               GROUP BY part.key"#,
            sale.0,
        )
        .fetch_all(&self.reads)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Repaired {
                name: row.name,
                times: row.times,
                last_at: row.last_at.to_jiff(),
            })
            .collect())
    }

    /// A page of one sale's audit, newest first. The cursor's number is the item's id.
    pub async fn list_audit(
        &self,
        sale: SaleId,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<AuditItem>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT id, at, actor, action, detail FROM audit
             WHERE sale_id = $1 AND ($2::bigint IS NULL OR id < $2)
             ORDER BY id DESC LIMIT $3",
            sale.0,
            after.map(|c| c.number),
            limit,
        )
        .fetch_all(&self.reads)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| AuditItem {
                id: row.id,
                at: row.at.to_jiff(),
                actor: row.actor,
                action: row.action,
                detail: row.detail,
            })
            .collect())
    }
}
