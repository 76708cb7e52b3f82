//! Bytes on a hostile connection: connecting from an address, frames by hand, and reading what comes back.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::{Lane, Tally};

/// A hostile client waits this long for an answer to a request.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A client that does not read has a small window, so that the server's side fills up soon.
const SMALL_WINDOW: u32 = 4 * 1024;
const BEGINNING: &[u8] = b"HTTP/1.1 ";

impl Lane {
    pub(super) async fn connect(&self) -> Result<TcpStream> {
        self.connect_with(None).await
    }

    /// A connection that will take little, since nobody reads it.
    pub(super) async fn connect_unread(&self) -> Result<TcpStream> {
        self.connect_with(Some(SMALL_WINDOW)).await
    }

    async fn connect_with(&self, window: Option<u32>) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(window) = window {
            socket.set_recv_buffer_size(window)?;
        }
        socket.bind(SocketAddr::from((self.source, 0)))?;
        let stream = socket.connect(self.target.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends one request on a connection of its own: its status, or how the connection ended.
    pub(super) async fn ask(&self, request: &[u8]) -> Result<String> {
        let mut stream = self.connect().await?;
        // A server may answer, and close, before it has everything.
        let written = stream.write_all(request).await;
        self.tally.wrote(1, request.len());
        let mut answer = [0; 16 * 1024];
        let read = timeout(ANSWER_WITHIN, stream.read(&mut answer)).await;
        let read = read.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        self.tally.read(read);
        written.or_else(|error| if read > 0 { Ok(()) } else { Err(error) })?;
        Ok(status(&answer[..read]))
    }

    /// Opens the live socket of this lane's ticket.
    pub(super) async fn upgrade(
        &self,
        reads: bool,
    ) -> Result<std::result::Result<TcpStream, String>> {
        let connecting = if reads { self.connect().await } else { self.connect_unread().await };
        let mut stream = connecting?;
        let waiter = &self.target.tickets[self.index % self.target.tickets.len()];
        let request = format!(
            "GET {}/live HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            waiter.path, waiter.credential
        );
        stream.write_all(request.as_bytes()).await?;
        self.tally.wrote(1, request.len());
        let mut answer = [0; 12];
        timeout(ANSWER_WITHIN, stream.read_exact(&mut answer))
            .await
            .map_err(|_| Error::from(ErrorKind::TimedOut))??;
        self.tally.read(answer.len());
        let status = status(&answer);
        if status != "101" {
            return Ok(Err(status));
        }
        // To the end of the head, byte by byte: frames may follow at once.
        let mut last = [0; 4];
        while &last != b"\r\n\r\n" {
            last.rotate_left(1);
            last[3] = stream.read_u8().await?;
        }
        Ok(Ok(stream))
    }
}

fn status(answer: &[u8]) -> String {
    if answer.is_empty() {
        return "closed".into();
    }
    let digits = answer.strip_prefix(BEGINNING).and_then(|rest| rest.get(..3));
    digits.map_or("no HTTP".into(), |digits| String::from_utf8_lossy(digits).into_owned())
}

/// A frame from a client. A mask of zeros is a mask like any other.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// What a connection speaks, so that its end can be told.
#[derive(Clone, Copy)]
pub enum Speech {
    Http,
    Frames,
}

/// Sends the same piece again and again, at a pace, and reads meanwhile until the server ends it.
pub async fn pour(
    stream: TcpStream,
    tally: &Tally,
    speech: Speech,
    piece: &[u8],
    every: Duration,
) -> Result<String> {
    let (mut reader, mut writer) = stream.into_split();
    let reading = read_to_end(&mut reader, tally, speech);
    tokio::pin!(reading);
    loop {
        tokio::select! {
            ending = &mut reading => return ending,
            written = writer.write_all(piece) => {
                if written.is_err() {
                    return reading.await;
                }
            }
        }
        tally.wrote(1, piece.len());
        tokio::select! { ending = &mut reading => return ending, () = sleep(every) => {} }
    }
}

/// Reads until the server ends the connection: with which status or code.
pub async fn read_to_end(
    stream: &mut (impl AsyncRead + Unpin),
    tally: &Tally,
    speech: Speech,
) -> Result<String> {
    match speech {
        Speech::Http => {
            let (mut said, mut buffer) = (String::new(), [0; 4 * 1024]);
            loop {
                match stream.read(&mut buffer).await {
                    Ok(0) => return Ok(format!("{said} closed").trim().to_owned()),
                    Err(_) => return Ok(format!("{said} reset").trim().to_owned()),
                    Ok(read) => {
                        tally.read(read);
                        if said.is_empty() {
                            said = status(&buffer[..read]);
                        }
                    }
                }
            }
        }
        Speech::Frames => loop {
            match read_frame(stream, tally).await {
                Ok(Some(code)) => return Ok(format!("closed {code}")),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok("closed without a code".into());
                }
                Err(_) => return Ok("reset".into()),
            }
        },
    }
}

/// One frame of the server: its code if it is a farewell.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin), tally: &Tally) -> Result<Option<u16>> {
    let (first, second) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = match second & 0x7f {
        126 => usize::from(stream.read_u16().await?),
        127 => return Err(ErrorKind::InvalidData.into()),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    tally.read(2 + length);
    let is_farewell = first & 0x0f == 8;
    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
    Ok(is_farewell.then_some(code))
}
