//! Whether a change comes from a page of ours. A set-up in which the gateway does not know its own address looks
//! the same as another site's attack, so a refusal names both addresses, and the log and the self-check do too.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, header};
use metrics::counter;

use crate::engine::health::selfcheck::Finding;
use crate::faults::{Mistake, made};
use crate::telemetry;
use crate::web::App;
use crate::web::api::caller::{bearer, subprotocol};
use crate::web::api::problem::{Code, Problem};

/// Longest address that is repeated in a log or in a finding.
const LONGEST: usize = 200;
/// How long a finding stays after the last refusal.
const SHOWN_FOR: Duration = Duration::from_secs(15 * 60);

impl App {
    /// Refuses a change that another site's page sent with this browser's cookies.
    ///
    /// # Errors
    /// `origin-not-allowed` when an `Origin` is named that is not ours.
    pub fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if made(Mistake::NoOriginCheck) {
            return Ok(());
        }
        let is_a_look = method.is_safe() && !headers.contains_key(header::UPGRADE);
        // Only cookies come along by themselves; whoever names a credential has it.
        let by_cookie = headers.contains_key(header::COOKIE)
            && bearer(headers).is_none()
            && subprotocol(headers).is_none();
        if is_a_look || !by_cookie { Ok(()) } else { self.demand_origin(headers) }
    }

    /// The same for the forms of our own pages, whoever sends them.
    ///
    /// # Errors
    /// `origin-not-allowed` when an `Origin` is named that is not ours.
    pub fn demand_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let is_ours = origin.to_str().is_ok_and(|origin| match &self.public_origin {
            Some(ours) => origin == ours,
            None => is_host(origin, headers.get(header::HOST)),
        });
        if is_ours { Ok(()) } else { Err(self.refused(origin, headers)) }
    }

    /// The refusal. What the log and the self-check say of it also names the `Host`, which may be the name of a
    /// machine that strangers need not know.
    fn refused(&self, origin: &HeaderValue, headers: &HeaderMap) -> Problem {
        let seen = shown(Some(origin));
        let setting = match &self.public_origin {
            Some(ours) => format!("ROPELINE_PUBLIC_URL is {ours}"),
            None => {
                "ROPELINE_PUBLIC_URL is not set and the request's Host is another one".to_owned()
            }
        };
        counter!(telemetry::ORIGIN_REFUSED).increment(1);
        // A browser says so itself when a page of another site sent it. Those are refused rightly.
        let is_foreign = headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site" || site == "same-site");
        if !is_foreign {
            let host = shown(headers.get(header::HOST));
            self.gate.selfcheck.met(self.finding(&seen, &host), SHOWN_FOR);
        }
        let detail = format!(
            "this request came from a page at {seen}, but {setting}; if that page is this gateway's, set \
             ROPELINE_PUBLIC_URL to its address, with the same scheme, host and port, on every gateway"
        );
        Problem::new(Code::OriginNotAllowed, detail)
    }

    fn finding(&self, seen: &str, host: &str) -> Finding {
        let (setting, advice) = match &self.public_origin {
            Some(ours) => (
                format!("ROPELINE_PUBLIC_URL is {ours}"),
                "open the pages at that address, or correct the setting",
            ),
            None => (
                format!("ROPELINE_PUBLIC_URL is not set, and the request's Host is {host}"),
                "set ROPELINE_PUBLIC_URL to that address on every gateway, or let the proxy pass Host on",
            ),
        };
        Finding::warn(
            "public-url",
            format!(
                "joins, log-ins or other changes from pages at {seen} are refused with 403, because {setting}. \
                 If {seen} is where people open this gateway's pages, {advice}. If it is not, another site or a \
                 program sent them, and nothing is wrong"
            ),
        )
    }
}

/// An address as it is repeated; what is no plain address is not.
fn shown(value: Option<&HeaderValue>) -> String {
    let is_plain = |text: &&str| {
        let is_of_address = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/[]".contains(&b);
        !text.is_empty() && text.len() <= LONGEST && text.bytes().all(is_of_address)
    };
    match value.and_then(|value| value.to_str().ok()).filter(is_plain) {
        Some("null") => "an address that the browser does not tell".to_owned(),
        Some(text) => text.to_owned(),
        None => "an address that cannot be read".to_owned(),
    }
}

/// Without a public URL, an origin is ours when it names the host that was asked.
fn is_host(origin: &str, host: Option<&HeaderValue>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_some() && authority == host.and_then(|host| host.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_without_a_public_url_must_name_the_host_asked() {
        let host = HeaderValue::from_static("127.0.0.1:8080");
        assert!(is_host("http://127.0.0.1:8080", Some(&host)));
        assert!(!is_host("http://127.0.0.1:9090", Some(&host)));
        assert!(!is_host("null", Some(&host)));
        assert!(!is_host("null", None));
    }

    #[test]
    fn only_a_plain_address_is_repeated() {
        let shown = |text: &'static str| shown(Some(&HeaderValue::from_static(text)));
        assert_eq!(shown("https://shop.example:8443"), "https://shop.example:8443");
        assert_eq!(shown("null"), "an address that the browser does not tell");
        for odd in ["https://<b>.example", "https://a b", ""] {
            assert_eq!(shown(odd), "an address that cannot be read", "{odd}");
        }
    }
}
