//! Watches where calls come from, for the self-check: headers of trusted proxies that do not name the client, and
//! one address that has most of the calls because a proxy hides everybody behind it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use tokio::time::Instant;

use crate::engine::health::selfcheck::Finding;
use crate::web::server::forwarded::{Fault, Origin};
use crate::web::server::limits::network;

/// Calls are judged together for this long, or until there are enough.
const WINDOW: Duration = Duration::from_secs(60);
/// Enough calls to say that one address has most of them: a thousand within a minute are a sale, and fewer may well
/// be one person with a script.
const ENOUGH: u64 = 1_000;
/// So many headers in a window are no accident of one client.
const ENOUGH_FAULTS: u64 = 10;
/// Addresses that are counted at a time. One that has more than a ninth of the calls is always among them.
const COUNTED: usize = 8;
/// Characters of a header that are repeated in a finding.
const LONGEST_SAMPLE: usize = 100;

/// What was seen since the last judgement.
#[derive(Default)]
pub struct Traffic(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    since: Option<Instant>,
    calls: u64,
    /// By the algorithm of Misra and Gries: few counters, and none of an address with many calls is lost.
    addresses: HashMap<IpAddr, u64>,
    faults: HashMap<Fault, Faulty>,
}

struct Faulty {
    count: u64,
    fault: Fault,
    proxy: IpAddr,
    sample: String,
}

impl Traffic {
    /// Counts one call that came from `peer`.
    pub fn note(&self, peer: IpAddr, origin: Origin, headers: &HeaderMap) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.since.get_or_insert_with(Instant::now);
        seen.calls += 1;
        count(&mut seen.addresses, network(origin.address));
        if let Some(fault) = origin.fault {
            let faulty = seen.faults.entry(fault).or_insert_with(|| {
                let sample = sample(headers);
                Faulty { count: 0, fault, proxy: peer, sample }
            });
            faulty.count += 1;
        }
    }

    /// What is wrong with the calls of the last window; nothing until one is full.
    pub fn judge(&self, trusted: &[IpNet]) -> Option<Vec<Finding>> {
        let seen = {
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = seen.since.is_some_and(|since| since.elapsed() >= WINDOW);
            let faults: u64 = seen.faults.values().map(|faulty| faulty.count).sum();
            if !is_full && seen.calls < ENOUGH && faults < ENOUGH_FAULTS {
                return None;
            }
            std::mem::take(&mut *seen)
        };
        let is_enough = |faulty: &&Faulty| faulty.count >= ENOUGH_FAULTS;
        let mut found: Vec<Finding> =
            seen.faults.values().filter(is_enough).map(of_header).collect();
        found.sort_by_key(|finding| finding.name);
        let most = seen.addresses.iter().max_by_key(|(_, count)| **count);
        if let Some((address, count)) = most
            && seen.calls >= ENOUGH
            && count * 2 > seen.calls
        {
            found.push(of_one_address(*address, *count, seen.calls, trusted));
        }
        Some(found)
    }
}

fn count(addresses: &mut HashMap<IpAddr, u64>, address: IpAddr) {
    if let Some(count) = addresses.get_mut(&address) {
        *count += 1;
    } else if addresses.len() < COUNTED {
        addresses.insert(address, 1);
    } else {
        addresses.retain(|_, count| {
            *count -= 1;
            *count > 0
        });
    }
}

/// What the headers said, cut and made safe to print.
fn sample(headers: &HeaderMap) -> String {
    let mut said = Vec::new();
    for name in ["x-forwarded-for", header::FORWARDED.as_str()] {
        for value in headers.get_all(name) {
            said.push(format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    let said = said.join("; ");
    said.chars().take(LONGEST_SAMPLE).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn of_header(faulty: &Faulty) -> Finding {
    let Faulty { count, fault, proxy, sample } = faulty;
    match fault {
        Fault::Unreadable => Finding::warn(
            "proxy-header",
            format!(
                "{count} headers of the trusted proxy {proxy} could not be read ({sample:?}), and its shoppers count \
                 as one address: let it send X-Forwarded-For with the client's address last, or Forwarded as in RFC \
                 7239"
            ),
        ),
        Fault::Hidden => Finding::warn(
            "proxy-hides",
            format!(
                "{count} headers of the trusted proxy {proxy} hide the client ({sample:?}), and its shoppers count as \
                 one address: let it send the client's address in X-Forwarded-For, and no unknown and no obfuscated \
                 name"
            ),
        ),
        Fault::Contradiction => Finding::warn(
            "proxy-contradiction",
            format!(
                "{count} times X-Forwarded-For and Forwarded of the trusted proxy {proxy} named different clients \
                 ({sample:?}); such calls count as the proxy: let the proxy write one of the two headers and remove \
                 the other one from what clients send"
            ),
        ),
    }
}

fn of_one_address(address: IpAddr, count: u64, calls: u64, trusted: &[IpNet]) -> Finding {
    let percent = count * 100 / calls;
    let what = if trusted.iter().any(|net| net.contains(&address)) {
        "It is a trusted proxy that does not tell who its clients are: let it send X-Forwarded-For"
    } else {
        "If it is your proxy or load balancer, add it to ROPELINE_TRUSTED_PROXIES and let it send X-Forwarded-For; if \
         it is your shop's backend, give it an API key; if it is one visitor, the limits hold it back and nothing is \
         to be done"
    };
    Finding::warn(
        "proxy-one-address",
        format!(
            "the address {address} has {percent} % of the last {calls} calls, and all of them share the limits of one \
             address. {what}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn note(traffic: &Traffic, from: IpAddr, fault: Option<Fault>) {
        let headers = HeaderMap::from_iter([(
            "x-forwarded-for".parse().unwrap(),
            "some\tthing".parse().unwrap(),
        )]);
        traffic.note(ip("10.0.0.1"), Origin { address: from, fault }, &headers);
    }

    fn names(traffic: &Traffic) -> Option<Vec<&'static str>> {
        let found = traffic.judge(&[])?;
        Some(found.iter().map(|finding| finding.name).collect())
    }

    #[test]
    fn one_address_with_most_of_many_calls_is_found_and_a_crowd_is_not() {
        let traffic = Traffic::default();
        let crowd = |n: u32| IpAddr::V4((0x0100_0000 + n).into());
        for n in 0..2_000 {
            note(&traffic, if n % 5 < 3 { ip("192.0.2.1") } else { crowd(n) }, None);
        }
        let found = traffic.judge(&[]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("192.0.2.1"), "{}", found[0].text);
        assert!(found[0].text.contains("ROPELINE_TRUSTED_PROXIES"), "{}", found[0].text);
        for n in 0..2_000 {
            note(&traffic, crowd(n), None);
        }
        assert_eq!(names(&traffic), Some(vec![]));
        for n in 0..999 {
            note(&traffic, crowd(n), None);
        }
        assert_eq!(names(&traffic), None, "too few to judge");
    }

    #[test]
    fn headers_that_name_no_client_are_found_each_kind_by_its_name() {
        let traffic = Traffic::default();
        for (fault, name) in [
            (Fault::Unreadable, "proxy-header"),
            (Fault::Hidden, "proxy-hides"),
            (Fault::Contradiction, "proxy-contradiction"),
        ] {
            for _ in 0..ENOUGH_FAULTS - 1 {
                note(&traffic, ip("10.0.0.1"), Some(fault));
            }
            assert_eq!(names(&traffic), None, "so few may be an accident");
            note(&traffic, ip("10.0.0.1"), Some(fault));
            let found = traffic.judge(&[]).unwrap();
            assert_eq!((found.len(), found[0].name), (1, name));
            assert!(found[0].text.contains("some?thing"), "{}", found[0].text);
        }
    }
}
