//! HTTP/1.1 as far as a load generator needs it: one request written at once, one answer read whole.

use std::io::{self, Write};
use std::time::Duration;

use super::inbox::Taken;

/// Fields of an answer's head; a gateway sends a dozen.
const MOST_FIELDS: usize = 48;
/// Larger than any answer to a shopper; an operator's list of a thousand is longer and not asked for.
const LARGEST_BODY: usize = 512 * 1024;

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// A credential or an API key; empty for none.
    pub bearer: &'a str,
    /// The idempotency key; empty for none.
    pub key: &'a str,
    /// JSON; empty for none.
    pub body: &'a str,
}

/// The head of an answer, and its body where that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// Whether the connection may be used again.
    pub keeps: bool,
    pub body: Vec<u8>,
}

impl Answer {
    /// The stable word of a refusal.
    pub fn code(&self) -> String {
        let said: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        said["code"].as_str().unwrap_or("without-a-code").to_owned()
    }
}

impl Call<'_> {
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = begin(self.method, self.path, host, self.bearer);
        if !self.key.is_empty() {
            field(&mut head, "idempotency-key", self.key);
        }
        if !self.body.is_empty() {
            field(&mut head, "content-type", "application/json");
        }
        if self.method != "GET" {
            field(&mut head, "content-length", &self.body.len().to_string());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(self.body.as_bytes());
        head
    }
}

/// The request that turns a connection into a WebSocket.
pub fn upgrade(path: &str, host: &str, bearer: &str) -> Vec<u8> {
    let mut head = begin("GET", path, host, bearer);
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        // It only guards browsers against caches; any sixteen bytes will do.
        ("sec-websocket-key", "c3RhbXBlZGVzdGFtcGVkZQ=="),
        ("sec-websocket-protocol", "ropeline.v1"),
    ] {
        field(&mut head, name, value);
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn begin(method: &str, path: &str, host: &str, bearer: &str) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    for part in [method, " ", path, " HTTP/1.1\r\n"] {
        head.extend_from_slice(part.as_bytes());
    }
    field(&mut head, "host", host);
    if !bearer.is_empty() {
        head.extend_from_slice(b"authorization: Bearer ");
        head.extend_from_slice(bearer.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head
}

fn field(head: &mut Vec<u8>, name: &str, value: &str) {
    // Writing to memory does not fail.
    let _ = write!(head, "{name}: {value}\r\n");
}

/// Where a body ends.
enum Length {
    Known(usize),
    Chunked,
}

/// An answer without its body, and how long its head was.
fn head(bytes: &[u8]) -> io::Result<Option<(Answer, Length, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let used = match parsed.parse(bytes).map_err(|error| wrong(error.to_string()))? {
        httparse::Status::Complete(used) => used,
        httparse::Status::Partial => return Ok(None),
    };
    let status = parsed.code.unwrap_or_default();
    let mut answer = Answer { status, keeps: parsed.version == Some(1), ..Answer::default() };
    let mut length = Length::Known(0);
    for field in parsed.headers.iter() {
        let text = std::str::from_utf8(field.value).unwrap_or_default().trim();
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let count = text.parse().ok().filter(|count| *count <= LARGEST_BODY);
            length = Length::Known(count.ok_or_else(|| wrong("a body of no sane length"))?);
        } else if is("transfer-encoding") {
            length = Length::Chunked;
        } else if is("retry-after") {
            answer.retry_after = text.parse().ok().map(Duration::from_secs);
        } else if is("connection") && text.eq_ignore_ascii_case("close") {
            answer.keeps = false;
        }
    }
    Ok(Some((answer, length, used)))
}

/// A whole answer.
pub fn take_answer(bytes: &[u8]) -> Taken<Answer> {
    let Some((mut answer, length, mut used)) = head(bytes)? else { return Ok(None) };
    match length {
        Length::Known(count) => {
            let Some(body) = bytes.get(used..used + count) else { return Ok(None) };
            answer.body = body.to_vec();
            used += count;
        }
        Length::Chunked => loop {
            let Some((chunk, more)) = take_chunk(&bytes[used..])? else { return Ok(None) };
            used += more;
            if chunk.is_empty() {
                break;
            }
            answer.body.extend_from_slice(&chunk);
        },
    }
    Ok(Some((answer, used)))
}

/// The head of an answer that goes on when its status is this one, and a whole answer otherwise.
pub fn take_opening(bytes: &[u8], opened: u16) -> Taken<Answer> {
    let Some((answer, _, used)) = head(bytes)? else { return Ok(None) };
    if answer.status == opened { Ok(Some((answer, used))) } else { take_answer(bytes) }
}

/// One chunk of a body; the last one is empty.
pub fn take_chunk(bytes: &[u8]) -> Taken<Vec<u8>> {
    let size = httparse::parse_chunk_size(bytes).map_err(|_| wrong("no chunk"))?;
    let httparse::Status::Complete((begin, size)) = size else { return Ok(None) };
    let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST_BODY);
    let end = begin + size.ok_or_else(|| wrong("a chunk of no sane length"))?;
    match bytes.get(end..end + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some((bytes[begin..end].to_vec(), end + 2))),
        Some(_) => Err(wrong("a chunk without its end")),
    }
}

pub fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_whole_and_leaves_what_follows() {
        let one = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 18\r\n\r\n{\"code\":\"so-full\"}";
        for cut in 0..one.len() {
            assert_eq!(take_answer(&one[..cut]).unwrap(), None, "{cut}");
        }
        let two = [&one[..], b"HTTP/1.1 200"].concat();
        let (answer, used) = take_answer(&two).unwrap().unwrap();
        assert_eq!((answer.status, used), (503, one.len()));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        assert!(answer.keeps && answer.code() == "so-full");
    }

    #[test]
    fn chunks_make_one_body() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for cut in 0..text.len() {
            assert_eq!(take_answer(&text[..cut]).unwrap(), None, "{cut}");
        }
        let (answer, used) = take_answer(text).unwrap().unwrap();
        assert_eq!((&answer.body[..], used, answer.keeps), (&b"abcde"[..], text.len(), false));
    }

    #[test]
    fn nonsense_is_an_error_and_not_a_wait() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(take_answer(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_call_says_what_it_carries() {
        let call = Call { method: "POST", path: "/p", bearer: "b", key: "k", body: "{}" };
        let text = String::from_utf8(call.bytes("h:1")).unwrap();
        assert_eq!(
            text,
            "POST /p HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer b\r\nidempotency-key: k\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }
}
