//! Operators, API keys and their changes as they go out. None of them has a secret in it, but for a key in
//! the answer that makes it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::people::{AccountChange, ApiKey, Operator};

#[derive(Serialize, ToSchema)]
#[schema(as = Operator)]
pub struct OperatorShape {
    pub id: String,
    pub name: String,
    #[schema(pattern = "^(viewer|operator|owner)$")]
    pub role: &'static str,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

impl From<&Operator> for OperatorShape {
    fn from(operator: &Operator) -> Self {
        Self {
            id: operator.id.to_string(),
            name: operator.name.clone(),
            role: operator.role.as_str(),
            created_by: operator.created_by.clone(),
            created_at: operator.created_at,
            last_login_at: operator.last_login_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub struct ApiKeyShape {
    pub id: String,
    pub name: String,
    #[schema(pattern = "^(checkout|viewer|operator|owner)$")]
    pub role: &'static str,
    /// How the key begins
    pub hint: String,
    pub created_by: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// To the minute
    pub last_used_at: Option<Timestamp>,
    /// The key itself: in the answer that makes it, and null ever after
    pub key: Option<String>,
}

impl ApiKeyShape {
    pub fn new(key: &ApiKey, secret: Option<&str>) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            role: key.role.as_str(),
            hint: key.hint.clone(),
            created_by: key.created_by.clone(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
            key: secret.map(str::to_owned),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountChange)]
pub struct AccountChangeShape {
    pub id: String,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    /// The name of the operator or key
    pub subject: String,
    #[schema(value_type = Object)]
    pub detail: Value,
}

impl From<&AccountChange> for AccountChangeShape {
    fn from(change: &AccountChange) -> Self {
        Self {
            id: change.id.to_string(),
            at: change.at,
            actor: change.actor.clone(),
            action: change.action.clone(),
            subject: change.subject.clone(),
            detail: change.detail.clone(),
        }
    }
}
