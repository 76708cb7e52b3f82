//! A caller that allocates nothing while it is measured: what it costs must not count as the gateway's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer: a page of a thousand holds.
const MOST_BYTES: usize = 1024 * 1024;

/// A kept connection.
pub struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A request, written out before anything is measured.
pub fn request(method: &str, path: &str, bearer: &str, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    let proof = match bearer {
        "" => String::new(),
        bearer => format!("authorization: Bearer {bearer}\r\n"),
    };
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: counts\r\n{proof}{kind}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn connect(target: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Caller {
    pub fn connect(target: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { stream: connect(target)?, buffer: vec![0; MOST_BYTES] })
    }

    /// Sends a request; the body of its answer, which must have this status.
    pub fn ask(&mut self, request: &[u8], expected: u16) -> anyhow::Result<&str> {
        self.stream.write_all(request)?;
        let mut read = 0;
        let (status, body) = loop {
            let more = self.stream.read(&mut self.buffer[read..])?;
            ensure!(more > 0, "hung up in the middle of an answer");
            read += more;
            if let Some((status, body)) = answer(&self.buffer[..read])? {
                break (status, body);
            }
        };
        let body = std::str::from_utf8(&self.buffer[body..read])?;
        ensure!(status == expected, "{status}: {body}");
        Ok(body)
    }
}

/// The status of an answer and where its body begins, once it is whole.
fn answer(bytes: &[u8]) -> anyhow::Result<Option<(u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    };
    // 204 has no body and names no length.
    let length: usize = head.lines().find_map(field).unwrap_or_default();
    Ok((bytes.len() >= end + 4 + length).then_some((status, end + 4)))
}

/// A shopper's open socket.
pub struct Watcher {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The place that was shown last.
    pub position: u64,
}

/// Largest frame that a gateway sends, some times over.
const MOST_FRAME: usize = 8 * 1024;

impl Watcher {
    pub fn open(target: SocketAddr, path: &str, credential: &str) -> anyhow::Result<Self> {
        let mut stream = connect(target)?;
        let asked = format!(
            "GET {path} HTTP/1.1\r\nhost: counts\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             authorization: Bearer {credential}\r\n\r\n"
        );
        stream.write_all(asked.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut one = [0];
            stream.read_exact(&mut one)?;
            head.extend(one);
        }
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let mut watcher = Self { stream, buffer: vec![0; MOST_FRAME], position: 0 };
        watcher.position = watcher.next()?;
        Ok(watcher)
    }

    /// Reads the next frame: the place that it shows.
    pub fn next(&mut self) -> anyhow::Result<u64> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        // A whole text, unmasked, with a length of 16 bits: every state is.
        ensure!(head == [0x81, 126], "not a state: {head:?}");
        let mut length = [0; 2];
        self.stream.read_exact(&mut length)?;
        let length = usize::from(u16::from_be_bytes(length));
        let frame = self.buffer.get_mut(..length).context("a state of more than 8 KiB")?;
        self.stream.read_exact(frame)?;
        position(std::str::from_utf8(frame)?)
    }
}

fn position(state: &str) -> anyhow::Result<u64> {
    let Some((_, after)) = state.split_once("\"position\":") else { bail!("no place in {state}") };
    let (digits, _) = after.split_once(',').context("cut off")?;
    Ok(digits.parse()?)
}
