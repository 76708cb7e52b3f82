//! The address of a client behind proxies: every common form of `X-Forwarded-For` and of `Forwarded` (RFC 7239),
//! read from the right through trusted proxies only.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The peer, or the nearest hop that no trusted proxy is.
    pub address: IpAddr,
    /// Why it is not the client's own address although a trusted proxy sent a header.
    pub fault: Option<Fault>,
}

/// Why the header of a trusted proxy does not name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It cannot be read.
    Unreadable,
    /// It hides the client: `unknown`, or an obfuscated identifier such as `_gazonk`.
    Hidden,
    /// `X-Forwarded-For` and `Forwarded` name different clients. A proxy that writes only one of them passes the
    /// other one on as the client sent it, so neither is believed.
    Contradiction,
}

/// One entry of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hop {
    Address(IpAddr),
    Fault(Fault),
}

/// The origin of a request that came from `peer`.
pub fn origin(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Origin {
    let peer = peer.to_canonical();
    let own = Origin { address: peer, fault: None };
    if !is_trusted(peer, trusted) {
        return own;
    }
    let read = |name: &HeaderName, hops: fn(&str) -> Vec<Hop>| {
        let lines = headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
        let hops: Vec<Hop> = lines.iter().flat_map(|line| hops(line)).collect();
        (!hops.is_empty()).then(|| follow(peer, &hops, trusted))
    };
    match (read(&X_FORWARDED_FOR, of_list), read(&header::FORWARDED, of_forwarded)) {
        (None, None) => own,
        (Some(origin), None) | (None, Some(origin)) => origin,
        (Some(one), Some(other)) if one == other => one,
        (Some(_), Some(_)) => Origin { address: peer, fault: Some(Fault::Contradiction) },
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// From the right, as long as the hop to the right is a trusted proxy.
fn follow(peer: IpAddr, hops: &[Hop], trusted: &[IpNet]) -> Origin {
    let mut origin = Origin { address: peer, fault: None };
    for hop in hops.iter().rev() {
        if !is_trusted(origin.address, trusted) {
            break;
        }
        match hop {
            Hop::Address(address) => origin.address = *address,
            Hop::Fault(fault) => return Origin { fault: Some(*fault), ..origin },
        }
    }
    origin
}

/// The hops of a line of `X-Forwarded-For`.
fn of_list(line: &str) -> Vec<Hop> {
    let entries = line.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(node).collect()
}

/// The hops of a line of `Forwarded`. A client that leaves a quoted string open would hide in it the element that
/// its proxy appends to the line, so nothing of such a line is believed.
fn of_forwarded(line: &str) -> Vec<Hop> {
    let Some(elements) = split(line, ',') else { return vec![Hop::Fault(Fault::Unreadable)] };
    let elements = elements.into_iter().map(str::trim);
    elements.filter(|element| !element.is_empty()).map(element).collect()
}

/// One element of `Forwarded`, such as `for="[2001:db8::1]:443";proto=https`.
fn element(text: &str) -> Hop {
    for pair in split(text, ';').unwrap_or_default() {
        let Some((name, value)) = pair.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("for") {
            return node(value.trim());
        }
    }
    Hop::Fault(Fault::Hidden) // The proxy tells something else than the client.
}

/// The parts of a text between separators that are not in a quoted string; none when a quoted string has no end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    (!is_quoted).then_some(parts)
}

/// A client: an address with or without a port, in quotes or not.
fn node(text: &str) -> Hop {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text = quoted.map_or_else(|| text.to_owned(), |inner| inner.replace('\\', ""));
    let text = text.trim();
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Hop::Fault(Fault::Hidden);
    }
    match address(text) {
        Some(address) => Hop::Address(address.to_canonical()),
        None => Hop::Fault(Fault::Unreadable),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, port) = rest.split_once(']')?;
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_port.then(|| of_v6(inner)).flatten();
    }
    if let Ok(both) = text.parse::<SocketAddr>() {
        return Some(both.ip());
    }
    if let Some((host, port)) = text.split_once(':')
        && is_port(port)
    {
        return host.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4);
    }
    of_v6(text)
}

/// An IPv6 address, whose zone is of no use elsewhere.
fn of_v6(text: &str) -> Option<IpAddr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// A port, or an obfuscated one.
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() || (text.len() > 1 && text.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The origin behind the trusted proxies 10.0.0.0/8 and fd00::/8, of which 10.0.0.1 is the peer.
    fn of(lines: &[(&'static str, &str)]) -> Origin {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        origin(ip("10.0.0.1"), &headers, &trusted)
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        const X: &str = "x-forwarded-for";
        const F: &str = "forwarded";
        for (name, value, expected) in [
            (X, "203.0.113.7", "203.0.113.7"),
            (X, "203.0.113.7:4711", "203.0.113.7"),
            (X, "  203.0.113.7 ", "203.0.113.7"),
            (X, "\"203.0.113.7\"", "203.0.113.7"),
            (X, "2001:db8::1", "2001:db8::1"),
            (X, "[2001:db8::1]", "2001:db8::1"),
            (X, "[2001:db8::1]:443", "2001:db8::1"),
            (X, "2001:db8::1%eth0", "2001:db8::1"),
            (X, "::ffff:203.0.113.7", "203.0.113.7"),
            (X, "[::ffff:203.0.113.7]:4711", "203.0.113.7"),
            (X, "6.6.6.6, 198.51.100.7:80", "198.51.100.7"),
            (X, "198.51.100.7, 10.0.0.2:9000", "198.51.100.7"),
            (X, "198.51.100.7, [fd00::2]:9000", "198.51.100.7"),
            (X, "198.51.100.7, , ::ffff:10.0.0.2,", "198.51.100.7"),
            (X, "nonsense, 198.51.100.7", "198.51.100.7"),
            (F, "for=203.0.113.7", "203.0.113.7"),
            (F, "For=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
            (F, "proto=https; FOR = \"203.0.113.7:4711\"", "203.0.113.7"),
            (F, "for=\"[2001:db8::1]:443\"", "2001:db8::1"),
            (F, "for=\"[2001:db8::1]:_port\"", "2001:db8::1"),
            (F, "for=[2001:db8::1]", "2001:db8::1"),
            (F, "for=\"2001:db8::1\"", "2001:db8::1"),
            (F, "for=\"\\2\\0\\3.0.113.7\"", "203.0.113.7"),
            (F, "for=6.6.6.6, for=198.51.100.7;host=\"a,b;for=1.1.1.1\"", "198.51.100.7"),
            (F, "for=198.51.100.7, for=10.0.0.2", "198.51.100.7"),
            (F, "for=\"_gazonk\", for=198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(
                of(&[(name, value)]),
                Origin { address: ip(expected), fault: None },
                "{value}"
            );
        }
    }

    #[test]
    fn a_header_that_names_no_client_counts_as_its_proxy_and_says_why() {
        let (x, f) = ("x-forwarded-for", "forwarded");
        for (lines, address, fault) in [
            (vec![(x, "nonsense")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "203.0.113.7:port")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "203.0.113.7:70000")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "203.0.113.7 and more")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "[2001:db8::1")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "203.0.113.7, \u{fffd}, 10.0.0.2")], "10.0.0.2", Fault::Unreadable),
            (vec![(x, "unknown")], "10.0.0.1", Fault::Hidden),
            (vec![(x, "203.0.113.7, unknown, 10.0.0.2")], "10.0.0.2", Fault::Hidden),
            (vec![(f, "for=unknown")], "10.0.0.1", Fault::Hidden),
            (vec![(f, "for=\"_gazonk\"")], "10.0.0.1", Fault::Hidden),
            (vec![(f, "for=_SEVKISEK:80")], "10.0.0.1", Fault::Hidden),
            (vec![(f, "proto=https")], "10.0.0.1", Fault::Hidden),
            (vec![(f, "for=\"203.0.113.7")], "10.0.0.1", Fault::Unreadable),
            (vec![(f, "for=1.1.1.1;by=\", for=\"203.0.113.7\"")], "10.0.0.1", Fault::Unreadable),
            (vec![(x, "203.0.113.7"), (f, "for=203.0.113.8")], "10.0.0.1", Fault::Contradiction),
            (vec![(x, "203.0.113.7"), (f, "for=unknown")], "10.0.0.1", Fault::Contradiction),
        ] {
            let expected = Origin { address: ip(address), fault: Some(fault) };
            assert_eq!(of(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn lines_of_a_header_are_one_list_and_both_headers_may_agree() {
        let (x, f) = ("x-forwarded-for", "forwarded");
        let told = |lines: &[(&'static str, &str)]| of(lines).address;
        assert_eq!(told(&[(x, "6.6.6.6"), (x, "198.51.100.7")]), ip("198.51.100.7"));
        assert_eq!(told(&[(x, "198.51.100.7"), (x, "10.0.0.2")]), ip("198.51.100.7"));
        assert_eq!(told(&[(f, "for=198.51.100.7"), (f, "for=10.0.0.2")]), ip("198.51.100.7"));
        let both = of(&[(x, "203.0.113.7:80"), (f, "for=203.0.113.7")]);
        assert_eq!(both, Origin { address: ip("203.0.113.7"), fault: None });
        assert_eq!(of(&[]), Origin { address: ip("10.0.0.1"), fault: None });
    }

    #[test]
    fn nobody_vouches_for_the_header_of_a_stranger() {
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "1.1.1.1".parse().unwrap())]);
        let stranger = Origin { address: ip("192.0.2.9"), fault: None };
        assert_eq!(origin(ip("192.0.2.9"), &headers, &["10.0.0.0/8".parse().unwrap()]), stranger);
        assert_eq!(origin(ip("::ffff:192.0.2.9"), &headers, &[]), stranger);
    }

    proptest! {
        /// What a client writes in front of its proxy's entry changes nothing.
        #[test]
        fn nothing_that_a_client_writes_hides_the_address_that_its_proxy_saw(
            written in "[ -~]{0,60}", v4 in any::<u32>(), port in any::<u16>(),
        ) {
            let client = IpAddr::V4(v4.into());
            prop_assume!(!is_trusted(client, &["10.0.0.0/8".parse().unwrap()]));
            let expected = Origin { address: client, fault: None };
            for seen in [format!("{client}"), format!("{client}:{port}"), format!("[::ffff:{client}]:{port}")] {
                prop_assert_eq!(of(&[("x-forwarded-for", &format!("{written}, {seen}"))]), expected);
                prop_assert_eq!(of(&[("x-forwarded-for", &written), ("x-forwarded-for", &seen)]),
                                expected);
            }
            let element = format!("for=\"{client}:{port}\"");
            prop_assert_eq!(of(&[("forwarded", &written), ("forwarded", &element)]), expected);
            for element in [element, format!("for={client}")] {
                // A quoted string without an end makes the line unreadable, and never another address.
                let told = of(&[("forwarded", &format!("{written}, {element}"))]);
                prop_assert!(told == expected || told.fault == Some(Fault::Unreadable), "{told:?}");
                prop_assert!([client, ip("10.0.0.1")].contains(&told.address), "{told:?}");
            }
        }
    }
}
