//! RFC 6455 by hand against the live endpoint: what is allowed is understood, and what is not closes the
//! socket with the code that says why.

use crate::support::wire::{Told, Wire, frame};
use crate::support::{Sale, Shop};
use serde_json::json;

/// The final bit and the kinds of frames.
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

fn text(payload: &[u8]) -> Vec<u8> {
    frame(FIN | TEXT, payload)
}
fn begin(payload: &[u8]) -> Vec<u8> {
    frame(TEXT, payload)
}
fn more(payload: &[u8]) -> Vec<u8> {
    frame(0, payload)
}
fn end(payload: &[u8]) -> Vec<u8> {
    frame(FIN, payload)
}
fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What an error of ours looks like.
fn error(code: &str) -> Told {
    Told::Text(json!({ "code": code, "type": "error" }).to_string())
}

/// A name, what is sent, and what comes back.
type Vector = (String, Vec<u8>, Vec<Told>);

fn vector(name: impl Into<String>, sent: &[Vec<u8>], told: impl Into<Vec<Told>>) -> Vector {
    (name.into(), sent.concat(), told.into())
}

/// Says each on a socket of its own. After an answer the socket still answers; after a farewell it ends.
async fn hold(vectors: Vec<Vector>) {
    let shop = Shop::open().await;
    let sale: Sale<'_> = shop.sale_of_nothing(json!({})).await;
    for (name, sent, expected) in vectors {
        let mut wire = Wire::open(&shop, &sale.join().await).await;
        wire.say(&sent).await;
        let mut is_open = true;
        for expected in expected {
            is_open = !matches!(expected, Told::Closed(_));
            assert_eq!(wire.next().await, expected, "{name}");
        }
        if is_open {
            wire.say(&frame(FIN | PING, b"still there?")).await;
            assert_eq!(wire.next().await, Told::Pong(b"still there?".to_vec()), "{name}");
        } else {
            assert_eq!(wire.next().await, Told::Ended, "{name}");
        }
    }
}

#[tokio::test]
async fn messages_arrive_however_they_are_cut() {
    let unknown = || [error("unknown-type")];
    let padded = |length: usize| format!("{}{{}}", " ".repeat(length - 2)).into_bytes();
    let pong = |payload: &[u8]| Told::Pong(payload.to_vec());
    hold(vec![
        vector("one frame", &[text(b"{}")], unknown()),
        vector("two frames", &[begin(b"{"), end(b"}")], unknown()),
        vector("an empty first frame", &[begin(b""), end(b"{}")], unknown()),
        vector("an empty last frame", &[begin(b"{}"), end(b"")], unknown()),
        vector("empty frames between", &[begin(b"{"), more(b"").repeat(50), end(b"}")], unknown()),
        vector("an empty message", &[text(b"")], [error("not-json")]),
        vector("125 bytes", &[text(&padded(125))], unknown()),
        vector("126 bytes", &[text(&padded(126))], unknown()),
        vector("the largest message", &[text(&padded(4096))], unknown()),
        vector("the largest in two", &[begin(&padded(96)[..94]), end(&padded(4002))], unknown()),
        vector("a letter cut in two", &[begin(b"\"\xc3"), end(b"\xbc\"")], unknown()),
        vector("the last letter", &[text("\"\u{10ffff}\"".as_bytes())], unknown()),
        vector("bytes", &[frame(FIN | BINARY, b"\xff")], [error("binary-not-understood")]),
        vector("as deep as it is long", &[text(&[b'['; 4096])], [error("not-json")]),
        vector("a ping between", &[begin(b"{"), frame(FIN | PING, b"p"), end(b"}")], {
            [pong(b"p"), error("unknown-type")]
        }),
        vector("a pong between", &[begin(b"{"), frame(FIN | PONG, b"p"), end(b"}")], unknown()),
        vector("a ping", &[frame(FIN | PING, b"")], [pong(b"")]),
        vector("the largest ping", &[frame(FIN | PING, &[7; 125])], [pong(&[7; 125])]),
        vector("a pong nobody asked for", &[frame(FIN | PONG, b"x")], []),
    ])
    .await;
}

#[tokio::test]
async fn what_breaks_the_protocol_is_closed_with_1002() {
    let mut vectors = vec![
        vector("not masked", &[vec![FIN | TEXT, 2, b'{', b'}']], []),
        vector("the rest without a beginning", &[end(b"x")], []),
        vector("more without a beginning", &[more(b"x")], []),
        vector("a beginning within a message", &[begin(b"{"), text(b"}")], []),
        vector("bytes within a text", &[begin(b"{"), frame(FIN | BINARY, b"}")], []),
        vector("a ping that is too long", &[frame(FIN | PING, &[7; 126])], []),
        vector("a pong that is too long", &[frame(FIN | PONG, &[7; 126])], []),
        vector("a farewell that is too long", &[close(1000, &[b'x'; 124])], []),
        vector("a ping in pieces", &[frame(PING, b"p"), end(b"p")], []),
        vector("a farewell in pieces", &[frame(CLOSE, &1000_u16.to_be_bytes())], []),
        vector("half a code", &[frame(FIN | CLOSE, &[3])], []),
    ];
    for bit in [0x40, 0x20, 0x10] {
        vectors.push(vector(
            format!("reserved bit {bit:x}"),
            &[frame(FIN | TEXT | bit, b"{}")],
            [],
        ));
        vectors.push(vector(format!("ping with bit {bit:x}"), &[frame(FIN | PING | bit, b"")], []));
    }
    for kind in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        vectors.push(vector(format!("reserved kind {kind:x}"), &[frame(FIN | kind, b"")], []));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535] {
        vectors.push(vector(format!("farewell with {code}"), &[close(code, b"")], []));
    }
    for (_, _, told) in &mut vectors {
        told.push(Told::Closed(1002));
    }
    hold(vectors).await;
}

#[tokio::test]
async fn what_is_not_text_is_closed_with_1007_and_what_is_too_big_with_1009() {
    let mut vectors = Vec::new();
    for (name, bad) in [
        ("a lone byte", &b"\x80"[..]),
        ("cut short", b"\xe2\x82"),
        ("too long a form", b"\xc0\xaf"),
        ("half a pair", b"\xed\xa0\x80"),
        ("beyond the last", b"\xf4\x90\x80\x80"),
    ] {
        vectors.push(vector(name, &[text(bad)], [Told::Closed(1007)]));
        vectors.push(vector(name, &[begin(b"\""), end(bad)], [Told::Closed(1007)]));
    }
    vectors.push(vector("a reason", &[close(1000, b"\xff")], [Told::Closed(1007)]));

    let head = |length: [u8; 8]| [&[FIN | TEXT, 0x80 | 127][..], &length, &[0; 4]].concat();
    let big = [Told::Closed(1009)];
    let sizes = [
        vector("one byte too many", &[text(&[b' '; 4097])], big),
        vector("too many in pieces", &[begin(&[b' '; 4096]), more(b" ")], [Told::Closed(1009)]),
        vector("a gibibyte, announced", &[head((1_u64 << 30).to_be_bytes())], [Told::Closed(1009)]),
        vector("more than there can be", &[head([0xff; 8])], [Told::Closed(1009)]),
    ];
    vectors.extend(sizes);
    hold(vectors).await;
}

#[tokio::test]
async fn a_farewell_is_answered_with_its_own_code_and_is_the_last_word() {
    let mut vectors = vec![
        vector("without a code", &[frame(FIN | CLOSE, b"")], [Told::Closed(1005)]),
        vector("with a reason", &[close(1000, "bye \u{2714}".as_bytes())], [Told::Closed(1000)]),
        vector("the longest", &[close(1000, &[b'x'; 123])], [Told::Closed(1000)]),
        vector("then a ping", &[close(1000, b""), frame(FIN | PING, b"")], [Told::Closed(1000)]),
        vector("then a text", &[close(1000, b""), text(b"{}")], [Told::Closed(1000)]),
        vector("within a text", &[begin(b"{"), close(1000, b"")], [Told::Closed(1000)]),
    ];
    for code in [1001, 1002, 1003, 1007, 1011, 3000, 4999] {
        vectors.push(vector(format!("{code}"), &[close(code, b"")], [Told::Closed(code)]));
    }
    hold(vectors).await;
}
