//! How fast one address may call. Generous, because a whole office or a mobile network may share one; the
//! line itself, not this, keeps the sale fair.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock, QuantaInstant};
use governor::{DefaultKeyedRateLimiter, NotUntil, Quota};
use metrics::counter;

use super::problem::{Code, Problem};
use super::{App, caller};
use crate::telemetry;

/// Joins of one address: 20 a second, 500 at once. A carrier's gateway at the start of a sale stays under
/// it; a loop on one machine does not.
const JOINS_PER_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const JOINS_AT_ONCE: NonZeroU32 = NonZeroU32::new(500).expect("not zero");
/// All calls of one address: a thousand shoppers that poll every five seconds fit.
const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).expect("not zero");
const CALLS_AT_ONCE: NonZeroU32 = NonZeroU32::new(2_000).expect("not zero");
/// Attempts to log in or to call with an operator's key that was wrong.
const FAILURES_PER_SECOND: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
const FAILURES_AT_ONCE: NonZeroU32 = NonZeroU32::new(10).expect("not zero");

/// Attempts to log in, right or wrong, counted before anything is hashed: of one address, and of one name,
/// for guesses may come from everywhere. A name that is guessed at so fast cannot log in for that while;
/// who is in stays in.
const LOGINS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
const LOGINS_AT_ONCE: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
/// Characters of a name that are looked at; names are shorter.
const LONGEST_NAME: usize = 256;

/// The limiters of one gateway. Memory is about 70 bytes for each address seen in the last seconds.
pub struct Limits {
    joins: DefaultKeyedRateLimiter<IpAddr>,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    failures: DefaultKeyedRateLimiter<IpAddr>,
    logins: DefaultKeyedRateLimiter<IpAddr>,
    names: DefaultKeyedRateLimiter<String>,
}

impl Default for Limits {
    fn default() -> Self {
        let limiter = |rate, burst| {
            DefaultKeyedRateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        };
        Self {
            joins: limiter(JOINS_PER_SECOND, JOINS_AT_ONCE),
            calls: limiter(CALLS_PER_SECOND, CALLS_AT_ONCE),
            failures: limiter(FAILURES_PER_SECOND, FAILURES_AT_ONCE),
            logins: limiter(LOGINS_PER_SECOND, LOGINS_AT_ONCE),
            names: DefaultKeyedRateLimiter::keyed(
                Quota::per_second(LOGINS_PER_SECOND).allow_burst(LOGINS_AT_ONCE),
            ),
        }
    }
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Joins,
    Calls,
    Failures,
    Logins,
}

impl Limits {
    /// Counts one; refuses when there were too many.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count(&self, what: What, address: IpAddr) -> Result<(), Problem> {
        let (limiter, label) = match what {
            What::Joins => (&self.joins, "joins"),
            What::Calls => (&self.calls, "calls"),
            What::Failures => (&self.failures, "failures"),
            What::Logins => (&self.logins, "logins"),
        };
        let detail = || format!("this address sends {label} too fast");
        limiter.check_key(&network(address)).map_err(|until| refusal(&until, label, detail()))
    }

    /// Counts an attempt to log in under this name, whether somebody has it or not.
    ///
    /// # Errors
    /// `too-many-requests` with the seconds until the next one is taken.
    pub fn count_name(&self, name: &str) -> Result<(), Problem> {
        let name: String = name.chars().take(LONGEST_NAME).collect::<String>().to_lowercase();
        let detail = || "somebody tries to log in under this name too fast".to_owned();
        self.names.check_key(&name).map_err(|until| refusal(&until, "names", detail()))
    }

    /// Forgets addresses that were quiet for a while.
    pub fn forget_quiet(&self) {
        for limiter in [&self.joins, &self.calls, &self.failures, &self.logins] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        self.names.retain_recent();
        self.names.shrink_to_fit();
    }
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
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => {
            let bits = ip.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

/// Passes a call on with the address that it counts against; answers 429 to one that sends too many.
pub async fn pass(app: &App, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let from = caller::address(caller::peer(&parts), &parts.headers, &app.trusted_proxies);
    parts.extensions.insert(Address(from));
    let is_operators = parts.uri.path().starts_with("/api/v1/admin");
    let request = Request::from_parts(parts, body);
    let Some(limits) = &app.limits else { return next.run(request).await };
    if let Err(problem) = limits.count(What::Calls, from) {
        return problem.into_response();
    }
    let response = next.run(request).await;
    if response.status() == 401
        && is_operators
        && let Err(problem) = limits.count(What::Failures, from)
    {
        return problem.into_response();
    }
    response
}

/// The address that a request counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub IpAddr);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_held_back_and_another_is_not() {
        let limits = Limits::default();
        let (busy, calm) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let taken = (0..2_000).filter(|_| limits.count(What::Joins, busy).is_ok()).count();
        assert!((500..600).contains(&taken), "{taken}");
        let refused = limits.count(What::Joins, busy).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after_seconds.is_some_and(|seconds| seconds >= 1));
        assert!(limits.count(What::Joins, calm).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
