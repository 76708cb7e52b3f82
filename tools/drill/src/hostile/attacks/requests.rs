//! Hostile HTTP clients: slow, silent, huge, odd, or simply too many.

use std::future::pending;
use std::io::Result;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::Lane;
use super::wire::{Speech, pour, read_to_end};

const SLOWLY: Duration = Duration::from_secs(1);
const DRIP: Duration = Duration::from_millis(200);
/// Bytes of the body that never comes.
const ANNOUNCED: usize = 10_000;
/// The gateway's own bounds, approached from below: the largest body and the largest head.
const MOST_BODY: usize = 16 * 1024;
const MOST_HEAD: usize = 32 * 1024;
/// Requests in one write.
const PIPELINED: usize = 32;

fn post(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    )
}

impl Lane {
    fn joins(&self) -> String {
        format!("/api/v1/sales/{}/tickets", self.target.sale)
    }

    async fn poured(&self, head: &str, piece: &[u8], every: Duration) -> Result<String> {
        let mut stream = self.connect().await?;
        stream.write_all(head.as_bytes()).await?;
        self.tally.wrote(1, head.len());
        pour(stream, &self.tally, Speech::Http, piece, every).await
    }

    async fn ask_with_body(&self, body: &str) -> Result<String> {
        self.ask(format!("{}{body}", post(&self.joins(), body.len())).as_bytes()).await
    }
}

pub(super) async fn slow_headers(lane: &Lane) -> Result<String> {
    lane.poured("GET / HTTP/1.1\r\nhost: x\r\n", b"x-more: y\r\n", SLOWLY).await
}

pub(super) async fn slow_body(lane: &Lane) -> Result<String> {
    lane.poured(&post(&lane.joins(), ANNOUNCED), b" ", DRIP).await
}

/// Its requests fit into one write, the answers into no buffer.
pub(super) async fn slow_reads(lane: &Lane) -> Result<String> {
    let mut stream = lane.connect_unread().await?;
    let request = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(PIPELINED);
    stream.write_all(request.as_bytes()).await?;
    lane.tally.wrote(PIPELINED, request.len());
    pending().await
}

pub(super) async fn silent(lane: &Lane) -> Result<String> {
    read_to_end(&mut lane.connect().await?, &lane.tally, Speech::Http).await
}

pub(super) async fn connect(lane: &Lane) -> Result<String> {
    lane.connect().await.map(|_| "connected".into())
}

pub(super) async fn deep_json(lane: &Lane) -> Result<String> {
    lane.ask_with_body(&"[".repeat(MOST_BODY)).await
}

pub(super) async fn huge_json(lane: &Lane) -> Result<String> {
    let mut body = String::from("{");
    while body.len() < MOST_BODY - 16 {
        body.push_str(&format!("\"{:x}\":0,", body.len()));
    }
    body.push_str("\"z\":0}");
    lane.ask_with_body(&body).await
}

/// In turn a header and an address, below the bound and above.
pub(super) async fn huge_head(lane: &Lane) -> Result<String> {
    let size = if lane.lives.is_multiple_of(2) { MOST_HEAD - 512 } else { MOST_HEAD * 2 };
    let filling = "x".repeat(size);
    let request = if lane.index.is_multiple_of(2) {
        format!("GET / HTTP/1.1\r\nhost: x\r\nx-filling: {filling}\r\n\r\n")
    } else {
        format!("GET /{filling} HTTP/1.1\r\nhost: x\r\n\r\n")
    };
    lane.ask(request.as_bytes()).await
}

pub(super) async fn join(lane: &Lane) -> Result<String> {
    lane.ask(post(&lane.joins(), 0).as_bytes()).await
}

/// In turn a poll, a socket and an operator's call.
pub(super) async fn forged(lane: &Lane) -> Result<String> {
    let credential: String = (0..3).map(|_| ropeline::random_text()).collect();
    let ticket = "01980000-0000-7000-8000-000000000000";
    let line = format!("/api/v1/sales/{}/tickets/{ticket}", lane.target.sale);
    let (path, more) = match lane.lives % 3 {
        0 => (line, ""),
        1 => (
            format!("{line}/live"),
            "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        _ => ("/api/v1/admin/sales".to_owned(), ""),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credential}\r\n{more}\r\n"
    );
    lane.ask(request.as_bytes()).await
}

pub(super) async fn pipelined(lane: &Lane) -> Result<String> {
    let stream = lane.connect().await?;
    let request = format!("GET /api/v1/sales/{} HTTP/1.1\r\nhost: x\r\n\r\n", lane.target.sale);
    let pace = Duration::from_millis(100);
    pour(stream, &lane.tally, Speech::Http, request.repeat(PIPELINED).as_bytes(), pace).await
}

/// What is read in two ways somewhere, and must be refused or read in one way here.
const ODD: &[&str] = &[
    "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nx-trailer: y\r\n\r\n",
    "transfer-encoding: chunked, identity\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "content-length: -1\r\n\r\n{}",
    "content-length: 99999999999999999999\r\n\r\n{}",
    "content-length : 2\r\n\r\n{}",
    "x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
    "x-null: \0\r\ncontent-length: 2\r\n\r\n{}",
    "expect: 100-continue\r\ncontent-length: 999999\r\n\r\n",
];

pub(super) async fn odd(lane: &Lane) -> Result<String> {
    let odd = ODD[(lane.index + lane.lives) % ODD.len()];
    lane.ask(format!("POST {} HTTP/1.1\r\nhost: x\r\n{odd}", lane.joins()).as_bytes()).await
}
