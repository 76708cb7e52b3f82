//! Logging in and out of the console.

use std::time::Duration;

use serde_json::json;

use crate::engine::people::access;
use crate::engine::people::access::{IDLE, SecretDigest};
use crate::engine::people::{LONGEST_NAME, demand_none, password_faults, random_secret};
use crate::engine::{FlowError, Gate, Refusal};
use crate::ledger::{Holder, NewSession};
use crate::model::{Fault, OperatorId};

pub use crate::ledger::{Session, SessionOf};

/// How long a session lasts, however busy it is.
pub const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Characters of a browser's own name that are kept.
const LONGEST_AGENT: usize = 200;

/// The secret of a new session, for its cookie.
pub struct NewToken(pub String);

fn session(of: SessionOf, agent: &str) -> (NewToken, NewSession) {
    let token = random_secret();
    let agent = agent.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect();
    let new = NewSession { of, digest: access::digest(&token), agent, lasts: LASTS };
    (NewToken(token), new)
}

/// Logs an operator in; nobody when name or password is wrong, and never which.
pub async fn log_in(
    gate: &Gate,
    name: &str,
    password: &str,
    agent: &str,
) -> Result<Option<NewToken>, FlowError> {
    let could_be = name.chars().count() <= LONGEST_NAME && !name.contains('\0');
    let found = if could_be { gate.ledger.operator_named(name).await? } else { None };
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    let is_right = gate.hashing.verify(password.to_owned(), hash).await?;
    let Some((id, hash)) = found.filter(|_| is_right) else { return Ok(None) };
    let (token, new) = session(SessionOf::Operator(id), agent);
    let mut tx = gate.ledger.begin().await?;
    if !tx.note_login(id, &hash).await? {
        return Ok(None); // It was removed, or has another password, since it was looked up.
    }
    tx.add_session(&new).await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// Begins a session of whoever showed `ROPELINE_ADMIN_KEY`.
pub async fn log_in_by_key(gate: &Gate, mark: &str, agent: &str) -> Result<NewToken, FlowError> {
    let (token, new) = session(SessionOf::AdminKey(mark.to_owned()), agent);
    let mut tx = gate.ledger.begin().await?;
    tx.add_session(&new).await?;
    tx.commit().await?;
    Ok(token)
}

/// Ends one session.
pub async fn log_out(gate: &Gate, digest: SecretDigest) -> Result<(), FlowError> {
    gate.access.forget_secret(&digest);
    gate.ledger.end_session(&digest).await?;
    gate.access.forget_secret(&digest);
    Ok(())
}

/// Ends every session of this operator.
pub async fn log_out_everywhere(gate: &Gate, of: &SessionOf) -> Result<(), FlowError> {
    let mut tx = gate.ledger.begin().await?;
    tx.end_sessions(of).await?;
    tx.commit().await?;
    gate.access.forget(&holder(of));
    Ok(())
}

fn holder(of: &SessionOf) -> Holder {
    match of {
        SessionOf::Operator(id) => Holder::Operator(*id),
        SessionOf::AdminKey(mark) => Holder::AdminKey(mark.clone()),
    }
}

pub async fn sessions(gate: &Gate, of: &SessionOf) -> Result<Vec<Session>, FlowError> {
    Ok(gate.ledger.list_sessions(of, IDLE).await?)
}

/// Gives an operator another password who knows the old one. Every session ends, and a new one begins.
///
/// # Errors
/// Refused as invalid when the old password is wrong or the new one is not good enough.
pub async fn change_own_password(
    gate: &Gate,
    id: OperatorId,
    name: &str,
    (old, new): (&str, &str),
    agent: &str,
) -> Result<NewToken, FlowError> {
    demand_none(password_faults(name, new))?;
    let hash = gate.ledger.password_of(id).await?.ok_or(Refusal::NoSuchOperator)?;
    if !gate.hashing.verify(old.to_owned(), Some(hash.clone())).await? {
        let fault = Fault::new("old_password", "is not your password");
        return Err(Refusal::Invalid(vec![fault]).into());
    }
    let fresh = gate.hashing.hash(new.to_owned()).await?;
    let (token, session) = session(SessionOf::Operator(id), agent);
    let mut tx = gate.ledger.begin().await?;
    if !tx.note_login(id, &hash).await? {
        return Err(Refusal::Stale.into());
    }
    tx.set_password(id, &fresh).await?;
    tx.end_sessions(&session.of).await?;
    tx.add_session(&session).await?;
    tx.audit_account(name, "operator-password", name, &json!({})).await?;
    tx.commit().await?;
    gate.access.forget(&Holder::Operator(id));
    Ok(token)
}
