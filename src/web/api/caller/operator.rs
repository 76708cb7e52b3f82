//! Who operates: by API key, by session, or with `ROPELINE_ADMIN_KEY`; and which right a handler asks for.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::engine::people::KEY_PREFIX;
use crate::engine::people::access;
use crate::engine::people::access::{Holder, Proven, SecretDigest};
use crate::engine::people::login::{LASTS, NewToken};
use crate::model::{ApiKeyId, OperatorId, Right, Role};
use crate::web::App;
use crate::web::api::caller::{bearer, cookie, cookie_name};
use crate::web::api::problem::{Code, Problem};

const SESSION: &str = "ropeline-console";

/// The digest of `ROPELINE_ADMIN_KEY`; compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    pub fn new(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }
    pub fn matches(&self, key: &str) -> bool {
        self.0.ct_eq(&Self::new(key).0).into()
    }
    /// A few bytes that change with the key, so that a session ends when the key is changed.
    pub fn mark(&self) -> String {
        self.0[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Who steers, looks, or settles holds for the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    pub role: Role,
    /// Who it was, for the audit.
    pub actor: String,
    /// The session, where it came by one.
    pub session: Option<SecretDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// `ROPELINE_ADMIN_KEY`, as a key or in a session.
    AdminKey,
    Key(ApiKeyId),
    Operator(OperatorId),
}

/// The name of `ROPELINE_ADMIN_KEY` in the audit; no account may have it.
const ADMIN: &str = "admin-key";
/// Characters of a secret: 256 bits as base64.
const SECRET_LENGTH: usize = 43;

impl Caller {
    /// Whoever this request proves, by API key or else by session.
    ///
    /// # Errors
    /// `unavailable` when the secret must be looked up and Postgres is away.
    pub async fn of(app: &App, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        match bearer(headers) {
            Some(key) => Self::of_key(app, key).await,
            None => Self::of_session(app, headers).await,
        }
    }

    /// Whoever has this API key.
    ///
    /// # Errors
    /// `unavailable` when it must be looked up and Postgres is away.
    pub async fn of_key(app: &App, key: &str) -> Result<Option<Self>, Problem> {
        if app.admin_key.matches(key) {
            return Ok(Some(Self::admin(None)));
        }
        if !is_key(key) {
            return Ok(None);
        }
        let proven = access::prove(&app.gate, access::digest(key)).await?;
        Ok(proven.and_then(|proven| Self::with_key(&proven)))
    }

    /// The same, as far as this gateway knows it without a look-up.
    pub fn known(app: &App, key: &str) -> Option<Self> {
        if is_key(key) {
            return Self::with_key(&*access::known(&app.gate, &access::digest(key))?);
        }
        app.admin_key.matches(key).then(|| Self::admin(None))
    }

    fn with_key(proven: &Proven) -> Option<Self> {
        match proven.holder {
            Holder::Key(id) => Some(Self {
                who: Who::Key(id),
                role: proven.role,
                actor: proven.name.clone(),
                session: None,
            }),
            Holder::Operator(_) | Holder::AdminKey(_) => None,
        }
    }

    /// Whose console session this is.
    ///
    /// # Errors
    /// `unavailable` when it must be looked up and Postgres is away.
    pub async fn of_session(app: &App, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(digest) = session_digest(app, headers) else { return Ok(None) };
        let proven = access::prove(&app.gate, digest).await?;
        Ok(proven.and_then(|proven| match &proven.holder {
            Holder::Operator(id) => Some(Self {
                who: Who::Operator(*id),
                role: proven.role,
                actor: proven.name.clone(),
                session: Some(digest),
            }),
            Holder::AdminKey(mark) => {
                (*mark == app.admin_key.mark()).then(|| Self::admin(Some(digest)))
            }
            Holder::Key(_) => None,
        }))
    }

    fn admin(session: Option<SecretDigest>) -> Self {
        Self { who: Who::AdminKey, role: Role::Owner, actor: ADMIN.into(), session }
    }

    /// Whose idempotency keys these are. A name may be somebody else's one day, an id may not.
    pub fn scope(&self) -> String {
        match self.who {
            Who::AdminKey => ADMIN.into(),
            Who::Key(id) => format!("key {id}"),
            Who::Operator(id) => format!("operator {id}"),
        }
    }

    /// # Errors
    /// `forbidden` when the role does not have the right.
    pub fn demand(&self, right: Right) -> Result<(), Problem> {
        if self.role.may(right) {
            return Ok(());
        }
        let (role, needs) = (self.role.as_str(), right.needs());
        Err(Problem::new(
            Code::Forbidden,
            format!("this needs the role {needs}, and you are {role}"),
        ))
    }
}

/// Whether a text looks like an API key of an account.
pub fn is_key(text: &str) -> bool {
    text.strip_prefix(KEY_PREFIX).is_some_and(is_secret)
}

fn is_secret(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() == SECRET_LENGTH && text.bytes().all(is_plain)
}

/// A right that a handler asks for, as a type.
pub trait Asks: Send + Sync + 'static {
    const RIGHT: Right;
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $name;
            impl Asks for $name {
                const RIGHT: Right = Right::$name;
            }
        )*
    };
}

asks! {
    /// Looks at sales.
    Look;
    /// Makes and steers sales.
    Steer;
    /// Says who may do what.
    Manage;
}

/// A caller who has the right `R`: a handler that takes this runs for nobody else, and one that does not say
/// which right it asks for does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator<R> {
    caller: Caller,
    right: PhantomData<R>,
}

impl<R> Deref for Operator<R> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<R: Asks> Operator<R> {
    /// # Errors
    /// `forbidden` when the caller does not have the right.
    pub fn new(caller: Caller) -> Result<Self, Problem> {
        caller.demand(R::RIGHT)?;
        Ok(Self { caller, right: PhantomData })
    }
}

impl<R: Asks> FromRequestParts<App> for Operator<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Caller::of(app, &parts.headers).await?.ok_or_else(|| {
            Problem::new(Code::NotAuthenticated, "send an operator's API key as a bearer token")
        })?;
        if bearer(&parts.headers).is_none() {
            app.check_origin(&parts.method, &parts.headers)?;
        }
        Self::new(caller)
    }
}

/// The digest of the session that a browser sent.
pub fn session_digest(app: &App, headers: &HeaderMap) -> Option<SecretDigest> {
    let jar = CookieJar::from_headers(headers);
    let sent = jar.iter().find(|cookie| cookie.name() == cookie_name(app, SESSION))?;
    is_secret(sent.value()).then(|| access::digest(sent.value()))
}

/// The `Set-Cookie` of a console session that begins now.
pub fn session_cookie(app: &App, token: &NewToken) -> String {
    cookie(app, SESSION, &token.0, "Strict", LASTS.as_secs().cast_signed() / 3600)
}

/// The `Set-Cookie` that ends a console session.
pub fn no_session_cookie(app: &App) -> String {
    cookie(app, SESSION, "", "Strict", 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_by_digest() {
        let digest = KeyDigest::new("an admin key of some length");
        assert!(digest.matches("an admin key of some length"));
        assert!(!digest.matches("an admin key of some lengt"));
    }
}
