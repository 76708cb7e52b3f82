//! How fast one address or one API key may call. Generous, because a whole office or a mobile network may share an
//! address; the line itself, not this, keeps the sale fair.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock, QuantaInstant};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota};
use metrics::counter;

use crate::model::Right;
use crate::telemetry;
use crate::web::App;
use crate::web::api::caller;
use crate::web::api::caller::{Caller, is_key};
use crate::web::api::problem::{Code, Problem};
use crate::web::server::forwarded;

/// Where a hold is confirmed.
const CONFIRM: &str = "/api/v1/holds/{hold}/confirm";

/// How fast calls are taken from one address or one API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: NonZeroU32,
    pub at_once: NonZeroU32,
}

impl Rate {
    pub const fn new(per_second: u32, at_once: u32) -> Self {
        let per_second = NonZeroU32::new(per_second).expect("not zero");
        Self { per_second, at_once: NonZeroU32::new(at_once).expect("not zero") }
    }

    fn quota(self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.at_once)
    }
}

/// The limits that an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Joins of one address. A carrier's gateway at the start of a sale stays under it; a loop on one machine does
    /// not.
    pub joins: Rate,
    /// All calls of one address: a thousand shoppers that poll every five seconds fit.
    pub calls: Rate,
    /// Joins with one API key: a shop's backend that joins for its visitors.
    pub key_joins: Rate,
    /// All calls with one API key: a shop's backend that asks for each of its visitors.
    pub key_calls: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            joins: Rate::new(20, 500),
            calls: Rate::new(200, 2_000),
            key_joins: Rate::new(500, 10_000),
            key_calls: Rate::new(2_000, 20_000),
        }
    }
}

/// Calls with an operator's key that was wrong, of one address. It is no setting and never off.
const FAILURES: Rate = Rate::new(1, 10);
/// Attempts to log in, right or wrong, counted before anything is hashed: of one address, and of one name,
/// for guesses may come from everywhere. A name that is guessed at so fast cannot log in for that while;
/// who is in stays in. It is no setting and never off.
const LOGINS: Rate = Rate::new(1, 20);
/// Look-ups of unknown API keys for an address that is over its limit. A good key is then known for an hour.
const LOOKUPS: Rate = Rate::new(20, 100);
/// Characters of a name that are looked at; names are shorter.
const LONGEST_NAME: usize = 256;

/// What a call counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Address(IpAddr),
    /// A good API key, by its name for idempotency.
    Key(String),
}

type OfAddress = DefaultKeyedRateLimiter<IpAddr>;
type OfText = DefaultKeyedRateLimiter<String>;

/// The limiters of one gateway. Memory is about 70 bytes for each address seen in the last seconds.
pub struct Limits {
    /// None when they are off.
    rates: Option<Rates>,
    joins: OfAddress,
    calls: OfAddress,
    key_joins: OfText,
    key_calls: OfText,
    lookups: OfAddress,
    failures: OfAddress,
    logins: OfAddress,
    names: OfText,
}

impl Limits {
    /// Without rates, joins and calls are not limited; log-ins and wrong keys always are.
    pub fn new(rates: Option<Rates>) -> Self {
        let some = rates.unwrap_or_default();
        let of_address = |rate: Rate| OfAddress::keyed(rate.quota());
        let of_text = |rate: Rate| OfText::keyed(rate.quota());
        Self {
            rates,
            joins: of_address(some.joins),
            calls: of_address(some.calls),
            key_joins: of_text(some.key_joins),
            key_calls: of_text(some.key_calls),
            lookups: of_address(LOOKUPS),
            failures: of_address(FAILURES),
            logins: of_address(LOGINS),
            names: of_text(LOGINS),
        }
    }

    /// Whether joins, calls and connections are limited.
    pub fn are_on(&self) -> bool {
        self.rates.is_some()
    }

    /// Counts a join.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_join(&self, source: &Source) -> Result<(), Problem> {
        let Some(Rates { joins, key_joins, .. }) = self.rates else { return Ok(()) };
        match source {
            Source::Address(address) => {
                let text = Refused("joins", "joins from this address", joins);
                check(&self.joins, &network(*address), text)
            }
            Source::Key(key) => {
                let text = Refused("key_joins", "joins with this API key", key_joins);
                check(&self.key_joins, key, text)
            }
        }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_call(&self, source: &Source) -> Result<(), Problem> {
        let Some(Rates { calls, key_calls, .. }) = self.rates else { return Ok(()) };
        match source {
            Source::Address(address) => {
                let text = Refused("calls", "calls from this address", calls);
                check(&self.calls, &network(*address), text)
            }
            Source::Key(key) => {
                let text = Refused("key_calls", "calls with this API key", key_calls);
                check(&self.key_calls, key, text)
            }
        }
    }

    /// Whether an unknown key may be looked up for this address now.
    fn may_look_up(&self, address: IpAddr) -> bool {
        self.lookups.check_key(&network(address)).is_ok()
    }

    /// Counts a call with a key that was wrong.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_failure(&self, address: IpAddr) -> Result<(), Problem> {
        let text = Refused("failures", "calls with a wrong API key from this address", FAILURES);
        check(&self.failures, &network(address), text)
    }

    /// Counts an attempt to log in from this address.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_login(&self, address: IpAddr) -> Result<(), Problem> {
        let text = Refused("logins", "log-ins from this address", LOGINS);
        check(&self.logins, &network(address), text)
    }

    /// Counts an attempt to log in under this name, whether somebody has it or not.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_name(&self, name: &str) -> Result<(), Problem> {
        let name: String = name.chars().take(LONGEST_NAME).collect::<String>().to_lowercase();
        check(&self.names, &name, Refused("names", "log-ins under this name", LOGINS))
    }

    /// Forgets addresses, keys and names that were quiet for a while.
    pub fn forget_quiet(&self) {
        for limiter in [&self.joins, &self.calls, &self.lookups, &self.failures, &self.logins] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        for limiter in [&self.key_joins, &self.key_calls, &self.names] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

/// A refusal: its label in metrics, what there was too much of, and how much is taken.
struct Refused(&'static str, &'static str, Rate);

fn check<K: Clone + Eq + Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    Refused(label, what, rate): Refused,
) -> Result<(), Problem> {
    limiter.check_key(key).map_err(|until| {
        let (second, burst) = (rate.per_second, rate.at_once);
        let detail = format!("too many {what}: {second} a second are taken, {burst} at once");
        refusal(&until, label, detail)
    })
}

fn refusal(until: &NotUntil<QuantaInstant>, label: &'static str, detail: String) -> Problem {
    counter!(telemetry::LIMITED, "limit" => label).increment(1);
    let wait = until.wait_time_from(DefaultClock::default().now());
    Problem {
        retry_after_seconds: Some(wait.as_secs() + 1),
        ..Problem::new(Code::TooManyRequests, detail)
    }
}

/// What counts as one address: a whole /64 of IPv6, which one household or one attacker has.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => {
            let bits = ip.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

/// Passes a call on with what it counts against; answers 429 to one that sends too many.
pub async fn pass(app: &App, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let peer = caller::peer(&parts);
    let origin = forwarded::origin(peer, &parts.headers, &app.trusted_proxies);
    let from = origin.address;
    let source = match source(app, &parts, from).await {
        Ok(source) => source,
        Err(problem) => return problem.into_response(),
    };
    if app.limits.are_on() && matches!(source, Source::Address(_)) {
        app.traffic.note(peer, origin, &parts.headers);
    }
    let may_guess = is_guess(app, &parts);
    parts.extensions.insert(Address(from));
    parts.extensions.insert(source);
    let response = next.run(Request::from_parts(parts, body)).await;
    if may_guess
        && response.status() == 401
        && let Err(problem) = app.limits.count_failure(from)
    {
        return problem.into_response();
    }
    response
}

/// Counts a call, and says against what. A confirm with a good key is taken always: its unit is paid.
async fn source(app: &App, parts: &Parts, from: IpAddr) -> Result<Source, Problem> {
    let address = Source::Address(from);
    if !app.limits.are_on() {
        return Ok(address);
    }
    let key = caller::bearer(&parts.headers);
    let mut caller = key.and_then(|key| Caller::known(app, key));
    if caller.is_none()
        && let Err(problem) = app.limits.count_call(&address)
    {
        // An address that is over its limit may have a good key that was not used for long.
        let Some(key) = key.filter(|key| is_key(key)) else { return Err(problem) };
        if !app.limits.may_look_up(from) {
            return Err(problem);
        }
        caller = Caller::of_key(app, key).await?;
        if caller.is_none() {
            return Err(problem);
        }
    }
    let Some(caller) = caller else { return Ok(address) };
    let source = Source::Key(caller.scope());
    let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let is_confirm = parts.method == Method::POST && path == Some(CONFIRM);
    if !(is_confirm && caller.role.may(Right::Settle)) {
        app.limits.count_call(&source)?;
    }
    Ok(source)
}

/// Whether a call may be a guess of an operator's key: its answer tells whether the key is good.
fn is_guess(app: &App, parts: &Parts) -> bool {
    let path = parts.uri.path();
    let asks_for_key = path.starts_with("/api/v1/admin") || path.starts_with("/api/v1/holds");
    let key = caller::bearer(&parts.headers).filter(|_| asks_for_key);
    key.is_some_and(|key| app.gate.signer.verify(key).is_none())
}

/// The address that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Source {
        Source::Address(text.parse().unwrap())
    }

    #[test]
    fn one_address_is_held_back_and_another_is_not() {
        let limits = Limits::new(Some(Rates::default()));
        let (busy, calm) = (of("192.0.2.1"), of("192.0.2.2"));
        let taken = (0..2_000).filter(|_| limits.count_join(&busy).is_ok()).count();
        assert!((500..600).contains(&taken), "{taken}");
        let refused = limits.count_join(&busy).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.detail.contains("20 a second"), "{}", refused.detail);
        assert!(refused.retry_after_seconds.is_some_and(|seconds| seconds >= 1));
        assert!(limits.count_join(&calm).is_ok());
    }

    #[test]
    fn what_is_set_counts_and_each_key_is_counted_by_itself() {
        let one = Rate::new(1, 1);
        let few = Rates { joins: one, calls: Rate::new(1, 3), key_joins: one, ..Rates::default() };
        let limits = Limits::new(Some(few));
        let (one, other) = (Source::Key("key 1".into()), Source::Key("key 2".into()));
        let address = of("192.0.2.1");
        let taken = |call: &dyn Fn() -> bool| (0..5).filter(|_| call()).count();
        assert_eq!(taken(&|| limits.count_join(&address).is_ok()), 1);
        assert_eq!(taken(&|| limits.count_call(&address).is_ok()), 3);
        assert_eq!(taken(&|| limits.count_join(&one).is_ok()), 1);
        assert_eq!(taken(&|| limits.count_join(&other).is_ok()), 1);
        assert_eq!(taken(&|| limits.count_call(&one).is_ok()), 5);
    }

    #[test]
    fn without_limits_log_ins_and_wrong_keys_are_limited_all_the_same() {
        let limits = Limits::new(None);
        let taken = |call: &dyn Fn() -> bool| (0..1_000).filter(|_| call()).count();
        let (source, address) = (of("192.0.2.1"), "192.0.2.1".parse().unwrap());
        assert_eq!(taken(&|| limits.count_join(&source).is_ok()), 1_000);
        assert_eq!(taken(&|| limits.count_call(&source).is_ok()), 1_000);
        assert!(taken(&|| limits.count_failure(address).is_ok()) < 20);
        assert!(taken(&|| limits.count_login(address).is_ok()) < 30);
        assert!(taken(&|| limits.count_name("ana").is_ok()) < 30);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
