//! Who calls: bearer, subprotocol, cookies, `Origin`, `Host` and `X-Forwarded-For`, as bytes on the wire.
//! Held against plain models: nobody is known who sent nothing good, no page of another site changes
//! anything, and no address counts that an untrusted hop wrote.
#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ipnet::IpNet;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::engine::people::access;
use ropeline::engine::people::login::NewToken;
use ropeline::model::{Claim, SaleId, Seq, Ticket};
use ropeline::web::App;
use ropeline::web::api::caller;
use ropeline::web::api::caller::{Caller, Shopper};
use ropeline::web::fuzzing;
use ropeline_fuzz::{ADMIN_KEY, app};
use uuid::Uuid;

struct World {
    app: App,
    claim: Claim,
    credential: String,
    session: String,
}

/// As long as a console session's secret is.
const TOKEN: &str = "a-session-of-forty-three-characters-in-all_";

/// Without a public URL, and with one for each of HTTP and HTTPS.
static WORLDS: LazyLock<Vec<World>> = LazyLock::new(|| {
    let make = |url| {
        let app = app(url, Vec::new());
        let (sale, ticket) = (SaleId(Uuid::from_u128(7)), Ticket(Uuid::from_u128(8)));
        let claim = Claim { sale, ticket, seq: Seq(9), generation: 0 };
        let credential = app.gate.signer.sign(claim);
        let session = caller::session_cookie(&app, &NewToken(TOKEN.into()));
        let session = session.split(';').next().unwrap_or("").to_owned();
        World { app, claim, credential, session }
    };
    [None, Some("http://shop.example"), Some("https://shop.example/")].map(make).into()
});

const OURS: [&str; 3] = ["http://shop.example", "http://shop.example", "https://shop.example"];

#[derive(Debug, Arbitrary)]
enum Name {
    Authorization,
    Cookie,
    Origin,
    Host,
    Subprotocol,
    ForwardedFor,
    Upgrade,
}

/// Pieces of a header's value.
#[derive(Debug, Arbitrary)]
enum Piece<'a> {
    Raw(&'a [u8]),
    Bearer,
    Credential,
    Key,
    TicketCookie,
    Session,
    Separator,
    Comma,
    Offer,
    OurOrigin,
    OurHost,
    Address(IpAddr),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    world: u8,
    safe: bool,
    headers: Vec<(Name, Vec<Piece<'a>>)>,
    peer: IpAddr,
    trusted: Vec<(IpAddr, u8)>,
}

fn value(world: &World, which: usize, pieces: &[Piece]) -> Vec<u8> {
    let prefix = if which == 2 { "__Host-" } else { "" };
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Raw(raw) => bytes.extend_from_slice(raw),
            Piece::Bearer => bytes.extend(b"Bearer "),
            Piece::Credential => bytes.extend(world.credential.bytes()),
            Piece::Key => bytes.extend(ADMIN_KEY.bytes()),
            Piece::TicketCookie => {
                let name = format!("{prefix}ropeline-ticket-{}=", world.claim.sale);
                bytes.extend(name.bytes().chain(world.credential.bytes()));
            }
            Piece::Session => bytes.extend(world.session.bytes()),
            Piece::Separator => bytes.extend(b"; "),
            Piece::Comma => bytes.extend(b", "),
            Piece::Offer => bytes.extend(b"ropeline.v1"),
            Piece::OurOrigin => bytes.extend(OURS[which].bytes()),
            Piece::OurHost => bytes.extend(b"shop.example"),
            Piece::Address(ip) => bytes.extend(ip.to_string().bytes()),
        }
    }
    bytes
}

fn name(of: &Name) -> HeaderName {
    match of {
        Name::Authorization => header::AUTHORIZATION,
        Name::Cookie => header::COOKIE,
        Name::Origin => header::ORIGIN,
        Name::Host => header::HOST,
        Name::Subprotocol => header::SEC_WEBSOCKET_PROTOCOL,
        Name::ForwardedFor => HeaderName::from_static("x-forwarded-for"),
        Name::Upgrade => header::UPGRADE,
    }
}

/// Whether these bytes occur in any value of the header.
fn holds(headers: &HeaderMap, name: &HeaderName, what: &[u8]) -> bool {
    headers.get_all(name).iter().any(|v| v.as_bytes().windows(what.len()).any(|w| w == what))
}

fuzz_target!(|input: Input| {
    let which = usize::from(input.world) % WORLDS.len();
    let world = &WORLDS[which];
    let mut headers = HeaderMap::new();
    for (of, pieces) in &input.headers {
        if let Ok(value) = HeaderValue::from_bytes(&value(world, which, pieces)) {
            headers.append(name(of), value);
        }
    }
    knows_only_the_proven(world, &headers);
    lets_no_other_site_in(&world.app, which, input.safe, &headers);
    let trusted: Vec<IpNet> =
        input.trusted.iter().filter_map(|(ip, bits)| IpNet::new(*ip, bits % 129).ok()).collect();
    believes_only_the_trusted(input.peer, &headers, &trusted);

    let host = world.app.host(&headers);
    assert!(HeaderValue::from_str(&host).is_ok() && !host.contains([' ', ';', ',', '\'', '"']));
});

fn knows_only_the_proven(world: &World, headers: &HeaderMap) {
    let bearer = caller::bearer(headers);
    let shopper = Shopper::new(&world.app, headers);
    let found = shopper.of_sale(world.claim.sale);
    assert!(found.is_none_or(|claim| claim == world.claim));
    assert!(shopper.of_sale(SaleId(Uuid::from_u128(1))).is_none());
    let sent = [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL];
    let credential = world.credential.as_bytes();
    let has_it = sent.iter().any(|name| holds(headers, name, credential));
    assert!(has_it || !shopper.is_known());
    if let Some(token) = bearer {
        assert_eq!(found.is_some(), token == world.credential, "only the bearer token counts");
    }
    for claim in shopper.claims() {
        assert_eq!(claim, world.claim);
    }

    // Without stores, only the operator's own key is known; a session's secret is looked up by its digest.
    if let Some(token) = bearer {
        assert_eq!(Caller::known(&world.app, token).is_some(), token == ADMIN_KEY);
    }
    if caller::session_digest(&world.app, headers) == Some(access::digest(TOKEN)) {
        assert!(holds(headers, &header::COOKIE, TOKEN.as_bytes()));
    }
}

fn lets_no_other_site_in(app: &App, which: usize, safe: bool, headers: &HeaderMap) {
    let method = if safe { Method::GET } else { Method::POST };
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    let is_ours = origin.is_none_or(|origin| match which {
        0 => headers.get(header::HOST).is_some_and(|host| {
            let after = origin.windows(3).position(|three| three == b"://").map(|at| at + 3);
            after.is_some_and(|at| &origin[at..] == host.as_bytes())
        }),
        _ => origin == OURS[which].as_bytes(),
    });
    assert!(app.demand_origin(headers).is_err() || is_ours);
    let by_cookie_alone = headers.contains_key(header::COOKIE)
        && !headers.contains_key(header::AUTHORIZATION)
        && !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let changes = !safe || headers.contains_key(header::UPGRADE);
    if by_cookie_alone && changes && !is_ours {
        assert!(app.check_origin(&method, headers).is_err());
    }
    if !changes {
        assert!(app.check_origin(&method, headers).is_ok());
    }
}

fn believes_only_the_trusted(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) {
    let found = fuzzing::address(peer, headers, trusted);
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        assert_eq!(found, peer, "nobody vouches for what a stranger says");
    }
    // The plain model: from the right, as far as every hop is trusted. Other ways to write an address than the
    // plain one have tests of their own; with one of them in the way the model knows no more.
    let lines = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let hops = lines.iter().flat_map(|line| line.split(',').map(str::trim));
    let hops: Vec<&str> = hops.filter(|hop| !hop.is_empty()).collect();
    let mut expected = peer;
    for hop in hops.iter().rev() {
        if !is_trusted(&expected) {
            break;
        }
        let Ok(next) = hop.parse::<IpAddr>() else { return };
        expected = next.to_canonical();
    }
    assert_eq!(found, expected);
}
