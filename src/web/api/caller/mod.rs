//! Who calls: a shopper with a credential, or an operator with an API key or a console session.

pub(crate) mod operator;
pub(crate) mod tickets;

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;

use crate::engine::Refusal;
use crate::model::{Claim, SaleId, Ticket};
use crate::web::App;
use crate::web::api::problem::{Code, Problem};

pub use crate::web::api::caller::tickets::{finished_cookie, ticket_cookies};

pub use crate::web::api::caller::operator::{
    Asks, Caller, KeyDigest, Look, Manage, Operator, Steer, Who, is_key, no_session_cookie,
    session_cookie, session_digest,
};

/// Names the browser that was asked whether it takes a place over.
const MOVER: &str = "ropeline-mover";
/// Longer than any link works.
const MOVER_HOURS: i64 = 1;
/// Followed by the sale's id.
const TICKET: &str = "ropeline-ticket-";

/// Says that this browser sends cookies back. The pages of a form give it, and what would give a cookie of its own
/// asks for it first: a place that the browser cannot prove later would be nobody's.
const KEEPS: &str = "ropeline-keeps";

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Every claim that a request proves: by bearer, by subprotocol, by cookies.
pub struct Shopper {
    claims: Vec<Claim>,
    /// Good once: the place is on another device by now.
    moved: Vec<Claim>,
    /// The request came with a bearer token, so cookies do not count.
    has_bearer: bool,
}

impl Shopper {
    pub fn new(app: &App, headers: &HeaderMap) -> Self {
        let signer = &app.gate.signer;
        let explicit = bearer(headers).or_else(|| subprotocol(headers));
        let sort = |claims: Vec<Claim>, has_bearer| {
            let (moved, claims) =
                claims.into_iter().partition(|claim| app.gate.moves.is_moved(claim));
            Self { claims, moved, has_bearer }
        };
        if let Some(credential) = explicit {
            return sort(signer.verify(credential).into_iter().collect(), true);
        }
        let jar = CookieJar::from_headers(headers);
        let claims = jar
            .iter()
            .filter(|cookie| cookie.name().starts_with(&cookie_name(app, TICKET)))
            .filter_map(|cookie| signer.verify(cookie.value()))
            .collect();
        sort(claims, false)
    }

    /// The claim to a ticket of this sale whose place went to another device.
    pub fn moved_of(&self, sale: SaleId) -> Option<Claim> {
        self.moved.iter().copied().find(|claim| claim.sale == sale)
    }

    /// The claim to any ticket of this sale.
    pub fn of_sale(&self, sale: SaleId) -> Option<Claim> {
        self.claims.iter().copied().find(|claim| claim.sale == sale)
    }

    /// The claim to this ticket of this sale.
    ///
    /// # Errors
    /// Not authenticated without any good credential; not found when it is somebody else's ticket.
    pub fn demand(&self, sale: SaleId, ticket: Ticket) -> Result<Claim, Problem> {
        let claim = self.claims.iter().find(|claim| claim.sale == sale && claim.ticket == ticket);
        claim.copied().ok_or_else(|| self.refusal("ticket"))
    }

    /// All claims, for who settles a hold of whichever sale.
    pub fn claims(self) -> Vec<Claim> {
        self.claims
    }

    pub fn is_known(&self) -> bool {
        !self.claims.is_empty()
    }

    pub fn refusal(&self, what: &str) -> Problem {
        if !self.moved.is_empty() {
            Refusal::Moved.into()
        } else if self.claims.is_empty() {
            let detail = if self.has_bearer {
                "this credential is not good"
            } else {
                "send the credential that the join gave, as a bearer token or in its cookie"
            };
            Problem::new(Code::NotAuthenticated, detail)
        } else {
            Problem::not_found(what)
        }
    }
}

/// The credential of a WebSocket client that can set no headers: the second subprotocol.
pub(crate) fn subprotocol(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let mut offered = offered.split(',').map(str::trim);
    (offered.next() == Some("ropeline.v1")).then(|| offered.next()).flatten()
}

impl App {
    /// Refuses a form whose outcome is a cookie, of a browser that keeps none.
    ///
    /// # Errors
    /// `cookies-needed` when the form came without any cookie of ours; nothing was done then.
    pub fn demand_cookies(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let jar = CookieJar::from_headers(headers);
        let is_ours = |name: &str| name.starts_with(&cookie_name(self, "ropeline-"));
        if bearer(headers).is_some() || jar.iter().any(|cookie| is_ours(cookie.name())) {
            return Ok(());
        }
        let mut detail = "this browser sent no cookie back, and this form gives one; allow cookies for this site, \
                          then open the page of the form again"
            .to_owned();
        if self.is_https() {
            let ours = self.public_origin.as_deref().unwrap_or_default();
            detail.push_str(&format!(
                ". Cookies are also lost where the page was opened over http: ROPELINE_PUBLIC_URL is {ours}, so \
                 open it there"
            ));
        }
        Err(Problem::new(Code::CookiesNeeded, detail))
    }

    /// The `Set-Cookie` of a page with such a form. It lasts as long as the browser runs.
    pub fn keeps_cookie(&self) -> String {
        let name = cookie_name(self, KEEPS);
        let secure = if self.is_https() { "; Secure" } else { "" };
        format!("{name}=1; Path=/; HttpOnly; SameSite=Lax{secure}")
    }
}

/// The name of the browser that takes a place over, so that pressing twice is the same as once.
pub fn mover(app: &App, headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    let name = cookie_name(app, MOVER);
    let value = jar.get(&name)?.value();
    (16..=64).contains(&value.len()).then(|| value.to_owned())
}

/// The `Set-Cookie` that gives it.
pub fn mover_cookie(app: &App, name: &str) -> String {
    cookie(app, MOVER, name, "Lax", MOVER_HOURS)
}

/// Names and values are of our own making and need no quoting.
fn cookie(app: &App, name: &str, value: &str, same_site: &str, hours: i64) -> String {
    let (name, seconds) = (cookie_name(app, name), hours * 3600);
    let secure = if app.is_https() { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}")
}

/// Over HTTPS a cookie's prefix binds it to this host, so that a neighbour of the same domain cannot plant
/// one; browsers take the prefix over HTTPS only.
fn cookie_name(app: &App, name: &str) -> String {
    if app.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The peer of a request.
pub fn peer(parts: &Parts) -> IpAddr {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_subprotocol_is_a_credential_only_after_ours() {
        let offer = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, text.parse().unwrap());
            subprotocol(&headers).map(str::to_owned)
        };
        assert_eq!(offer("ropeline.v1, abc").as_deref(), Some("abc"));
        assert_eq!(offer("ropeline.v1"), None);
        assert_eq!(offer("other, abc"), None);
    }
}
