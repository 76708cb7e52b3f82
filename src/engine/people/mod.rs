//! Accounts and keys: who may do what is changed here, and here alone, each change with its line in the
//! audit in one transaction.

pub mod access;
pub mod login;
pub mod password;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::checkout::idempotency;
use crate::engine::checkout::idempotency::Kept;
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::ledger::{Holder, Ledger, Removed, SessionOf, Tx};
use crate::model::{ApiKeyId, Fault, OperatorId, Role};

pub use crate::ledger::{AccountChange, ApiKey, Cursor, Key, NewApiKey, Operator};

/// Fewest characters of a password: long enough that a slow hash holds off who stole it.
pub const SHORTEST_PASSWORD: usize = 12;
/// Most characters of one; more would only cost time.
pub const LONGEST_PASSWORD: usize = 200;
/// Most characters of an operator's or a key's name, as the schema has it.
pub const LONGEST_NAME: usize = 64;
/// Names of the audit that are nobody's.
const RESERVED: [&str; 5] = ["ropeline", "schedule", "admin-key", "api-key", "console"];
/// What every API key begins with, so that tools which look for leaked secrets know one.
pub const KEY_PREFIX: &str = "rl_";
/// Characters of a key that are kept in clear.
const HINT: usize = 9;

/// A person who is to have an account.
pub struct NewOperator {
    pub name: String,
    pub role: Role,
    pub password: String,
}

/// What is to be another of an account; what is not named stays.
#[derive(Default)]
pub struct Change {
    pub role: Option<Role>,
    pub password: Option<String>,
}

/// 256 random bits as text.
pub fn random_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is wrong with a name.
pub fn name_faults(name: &str) -> Vec<Fault> {
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count());
    let is_plain = name.trim() == name && !name.chars().any(char::is_control);
    if !fits || !is_plain {
        let rule = "must have 1 to 64 characters, no control characters and no space at its ends";
        return vec![Fault::new("name", rule)];
    }
    if RESERVED.contains(&name.to_lowercase().as_str()) {
        return vec![Fault::new("name", "is what ropeline calls itself; choose another one")];
    }
    Vec::new()
}

/// What is wrong with a new password of this name.
pub fn password_faults(name: &str, password: &str) -> Vec<Fault> {
    let long = password.chars().count();
    let rule = if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&long) {
        "must have 12 to 200 characters"
    } else if password.to_lowercase() == name.to_lowercase() {
        "must not be the name"
    } else {
        return Vec::new();
    };
    vec![Fault::new("password", rule)]
}

fn demand_none(faults: Vec<Fault>) -> Result<(), FlowError> {
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Invalid(faults).into()) }
}

/// Adds an operator whose password is hashed already.
async fn write_operator(
    tx: &mut Tx,
    actor: &str,
    name: &str,
    role: Role,
    hash: &str,
) -> Result<Operator, FlowError> {
    tx.exclude_accounts().await?;
    if tx.is_name_taken(name).await? {
        return Err(Refusal::NameTaken.into());
    }
    let made = tx.add_operator(name, role, hash, actor).await?;
    let detail = json!({ "role": role.as_str() });
    tx.audit_account(actor, "operator-add", name, &detail).await?;
    Ok(made)
}

/// Adds an operator, under the request's idempotency key if it has one.
pub async fn add(
    gate: &Gate,
    actor: &str,
    new: NewOperator,
    key: Option<Key>,
    render: impl Fn(&Operator) -> Reply,
) -> Result<Reply, FlowError> {
    let mut faults = name_faults(&new.name);
    faults.extend(password_faults(&new.name, &new.password));
    demand_none(faults)?;
    let hash = gate.hashing.hash(new.password).await?;
    let step = async |tx: &mut Tx| {
        let made = write_operator(tx, actor, &new.name, new.role, &hash).await?;
        Ok((render(&made), made))
    };
    let (tx, reply, made) = match idempotency::under_key(gate, key.as_ref(), step).await? {
        Kept::Now(tx, reply, made) => (tx, reply, made),
        Kept::Before(reply) => return Ok(reply),
    };
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    tracing::info!(actor, operator = made.name, role = made.role.as_str(), "operator added");
    Ok(reply)
}

/// Adds an operator from the command line of a machine that has the database.
pub async fn add_by_hand(ledger: &Ledger, new: &NewOperator) -> Result<Operator, FlowError> {
    let mut faults = name_faults(&new.name);
    faults.extend(password_faults(&new.name, &new.password));
    demand_none(faults)?;
    let hash = password::hash(&new.password).map_err(FlowError::Internal)?;
    let mut tx = ledger.begin().await?;
    let made = write_operator(&mut tx, "command line", &new.name, new.role, &hash).await?;
    tx.commit().await?;
    Ok(made)
}

/// Gives an operator another password from the command line, and ends every session. False when there is
/// no operator of that name.
pub async fn reset_by_hand(ledger: &Ledger, name: &str, new: &str) -> Result<bool, FlowError> {
    demand_none(password_faults(name, new))?;
    let Some((id, _)) = ledger.operator_named(name).await? else { return Ok(false) };
    let hash = password::hash(new).map_err(FlowError::Internal)?;
    let mut tx = ledger.begin().await?;
    tx.set_password(id, &hash).await?;
    tx.end_sessions(&SessionOf::Operator(id)).await?;
    tx.audit_account("command line", "operator-password", name, &json!({})).await?;
    tx.commit().await?;
    Ok(true)
}

/// Changes an account, and ends its sessions: what they may do was decided before.
pub async fn change(
    gate: &Gate,
    actor: &str,
    id: OperatorId,
    change: Change,
) -> Result<Operator, FlowError> {
    let before = found(gate, id).await?;
    let hash = match change.password {
        Some(password) => {
            demand_none(password_faults(&before.name, &password))?;
            Some(gate.hashing.hash(password).await?)
        }
        None => None,
    };
    let mut tx = gate.ledger.begin().await?;
    tx.exclude_accounts().await?;
    let before = tx.operator(id).await?.ok_or(Refusal::NoSuchOperator)?;
    let role = change.role.filter(|role| *role != before.role);
    if let Some(role) = role {
        tx.set_role(id, role).await?;
        keep_an_owner(&mut tx, before.role).await?;
        let detail = json!({ "from": before.role.as_str(), "to": role.as_str() });
        tx.audit_account(actor, "operator-role", &before.name, &detail).await?;
    }
    if let Some(hash) = &hash {
        tx.set_password(id, hash).await?;
        tx.audit_account(actor, "operator-password", &before.name, &json!({})).await?;
    }
    if role.is_some() || hash.is_some() {
        tx.end_sessions(&SessionOf::Operator(id)).await?;
    }
    let after = tx.operator(id).await?.ok_or(Refusal::NoSuchOperator)?;
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    gate.access.forget(&Holder::Operator(id));
    Ok(after)
}

async fn found(gate: &Gate, id: OperatorId) -> Result<Operator, FlowError> {
    let mut tx = gate.ledger.begin().await?;
    let found = tx.operator(id).await?;
    tx.rollback().await?;
    Ok(found.ok_or(Refusal::NoSuchOperator)?)
}

/// Removes an account with its sessions. Its name stays in the audit.
pub async fn remove(gate: &Gate, actor: &str, id: OperatorId) -> Result<(), FlowError> {
    let mut tx = gate.ledger.begin().await?;
    tx.exclude_accounts().await?;
    let before = tx.operator(id).await?.ok_or(Refusal::NoSuchOperator)?;
    tx.remove_operator(id).await?;
    keep_an_owner(&mut tx, before.role).await?;
    let detail = json!({ "role": before.role.as_str() });
    tx.audit_account(actor, "operator-remove", &before.name, &detail).await?;
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    gate.access.forget(&Holder::Operator(id));
    Ok(())
}

async fn keep_an_owner(tx: &mut Tx, was: Role) -> Result<(), FlowError> {
    if was == Role::Owner && tx.owner_left().await? == Removed::LastOwner {
        return Err(Refusal::LastOwner.into());
    }
    Ok(())
}

/// Makes a key. `render` is given the key itself once, for the answer, and without it for what is stored:
/// a secret is not kept, so a repeat shows none.
pub async fn make_key(
    gate: &Gate,
    actor: &str,
    new: NewApiKey,
    key: Option<Key>,
    render: impl Fn(&ApiKey, Option<&str>) -> Reply,
) -> Result<Reply, FlowError> {
    let mut faults = name_faults(&new.name);
    if new.expires_at.is_some_and(|at: Timestamp| at <= gate.clock.now()) {
        faults.push(Fault::new("expires_at", "must be later than now"));
    }
    demand_none(faults)?;
    let secret = format!("{KEY_PREFIX}{}", random_secret());
    let step = async |tx: &mut Tx| {
        let made = write_key(tx, actor, &new, &secret).await?;
        Ok((render(&made, None), made))
    };
    let (tx, made) = match idempotency::under_key(gate, key.as_ref(), step).await? {
        Kept::Now(tx, _, made) => (tx, made),
        Kept::Before(reply) => return Ok(reply),
    };
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    Ok(render(&made, Some(&secret)))
}

async fn write_key(
    tx: &mut Tx,
    actor: &str,
    new: &NewApiKey,
    secret: &str,
) -> Result<ApiKey, FlowError> {
    tx.exclude_accounts().await?;
    if tx.is_name_taken(&new.name).await? {
        return Err(Refusal::NameTaken.into());
    }
    let made = tx.add_api_key(new, &access::digest(secret), &secret[..HINT], actor).await?;
    let detail: Value = json!({ "role": new.role.as_str(), "expires_at": new.expires_at });
    tx.audit_account(actor, "key-add", &new.name, &detail).await?;
    Ok(made)
}

/// Revokes a key. Repeated, the same.
pub async fn revoke_key(gate: &Gate, actor: &str, id: ApiKeyId) -> Result<(), FlowError> {
    let mut tx = gate.ledger.begin().await?;
    tx.exclude_accounts().await?;
    let before = tx.revoke_api_key(id).await?.ok_or(Refusal::NoSuchKey)?;
    if before.revoked_at.is_none() {
        let detail = json!({ "role": before.role.as_str() });
        tx.audit_account(actor, "key-revoke", &before.name, &detail).await?;
    }
    tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
    gate.access.forget(&Holder::Key(id));
    Ok(())
}

pub async fn operators(gate: &Gate) -> Result<Vec<Operator>, FlowError> {
    Ok(gate.ledger.list_operators().await?)
}

pub async fn keys(gate: &Gate) -> Result<Vec<ApiKey>, FlowError> {
    Ok(gate.ledger.list_api_keys().await?)
}

pub async fn changes(
    gate: &Gate,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<AccountChange>, FlowError> {
    Ok(gate.ledger.list_account_audit(after, limit).await?)
}
