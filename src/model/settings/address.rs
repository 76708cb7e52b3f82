//! Web addresses that are taken as settings: links that shoppers follow, and the gateway's own origin.

use url::{Host, Url};

/// Longest link that is taken.
const LONGEST: usize = 2_000;

/// What is wrong with a link that shoppers follow; none when it is good.
pub fn link_fault(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST {
        return Some("must have at most 2000 characters");
    }
    match parse(text) {
        Err(why) => Some(why),
        // The id of the hold is added at the end.
        Ok(url) if url.fragment().is_some() => Some("must have no # and nothing after it"),
        Ok(_) => None,
    }
}

/// Whether this is an origin as browsers write it in `Origin`; one slash at its end is let go.
pub fn is_origin(text: &str) -> bool {
    let bare = text.strip_suffix('/').unwrap_or(text);
    parse(bare).is_ok_and(|url| url.origin().ascii_serialization() == bare)
}

/// Whether an address names the machine that opens it, which for a shopper is another machine.
pub fn is_loopback(text: &str) -> bool {
    match parse(text).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => {
            let is_v4 =
                ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback() || ip.is_unspecified());
            ip.is_loopback() || ip.is_unspecified() || is_v4
        }
        None => false,
    }
}

/// Reads an address strictly. The parser itself forgives what browsers forgive: spaces, missing slashes,
/// backslashes.
fn parse(text: &str) -> Result<Url, &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(
            "must have no spaces, no backslashes and no letters outside ASCII; write them as %20",
        );
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("must begin with https:// or http://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.starts_with(':') {
        return Err("must have a host, such as https://shop.example/checkout");
    }
    if authority.contains('@') {
        return Err("must have no user name and no password");
    }
    let url = Url::parse(text).map_err(|_| "must have a good host and port")?;
    let is_named = match url.host() {
        Some(Host::Domain(name)) => {
            name.strip_suffix('.').unwrap_or(name).split('.').all(|label| !label.is_empty())
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    };
    if is_named && url.port() != Some(0) && !authority.ends_with(':') {
        return Ok(url);
    }
    Err("must have a good host and port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_a_host_and_neither_a_password_nor_a_fragment() {
        for good in [
            "https://shop.example/checkout",
            "http://127.0.0.1:9/pay?a=1&b=%20",
            "https://[2001:db8::1]:8443",
            "https://shop.example?basket=1",
            "https://xn--bcher-kva.example/",
            "https://Shop.Example/A",
        ] {
            assert_eq!(link_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "https://",
            "https://?",
            "https://?hold=1",
            "https://#",
            "https:///checkout",
            "https://:443/",
            "https://.",
            "https://a..b",
            "https://a:",
            "https://a:0",
            "https://a:70000",
            "https://[::1",
            "https://%zz",
            "https://me:word@shop.example",
            "https://@shop.example",
            "https://shop.example\\@evil.example",
            "https://shop.example/#pay",
            "https://shop.example/a b",
            "https://shop.exämple/",
            "https:shop.example",
            "//shop.example",
            "ftp://shop.example",
            "javascript:alert(1)",
        ] {
            assert!(link_fault(bad).is_some(), "{bad}");
        }
        assert!(link_fault(&format!("https://shop.example/{}", "a".repeat(2_000))).is_some());
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in ["https://q.example", "http://127.0.0.1:8080/", "https://[::1]:8443"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "https://",
            "https://?",
            "https://:8080",
            "https://[",
            "https://[::1",
            "https://a:b:1",
            "https://Q.example",
            "https://a:",
            "https://a:70000",
            "https://a..b",
            "q.example",
            "https://q.example:443", // Browsers leave it out.
            "https://q.example/queue",
            "https://q.example//",
            "https://me@q.example",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
