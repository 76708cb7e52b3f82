//! Bytes on a connection, for tests that say what no client library would.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{PATIENCE, Shop, Shopper};

/// A frame from a client, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![first];
    match u16::try_from(payload.len()).unwrap() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    Text(String),
    Pong(Vec<u8>),
    /// 1005 when it has no code.
    Closed(u16),
    /// The connection is over.
    Ended,
}

/// A connection with an open live socket.
pub struct Wire(pub TcpStream);

impl Wire {
    /// Connects, and takes little into the kernel unless it is read.
    pub async fn connect(address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 * 1024).unwrap();
        let stream = socket.connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub async fn open(shop: &Shop, who: &Shopper) -> Self {
        let mut stream = Self::connect(shop.gateway.address).await;
        let head = format!(
            "GET {} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            who.path("/live"),
            who.credential
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    pub async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn read(&mut self) -> std::io::Result<Told> {
        let (first, second) = (self.0.read_u8().await?, self.0.read_u8().await?);
        assert!(
            first & 0x70 == 0 && second & 0x80 == 0,
            "whole and unmasked: {first:x} {second:x}"
        );
        let length = if second == 126 { self.0.read_u16().await? } else { second.into() };
        let mut payload = vec![0; length.into()];
        self.0.read_exact(&mut payload).await?;
        Ok(match first & 0x0f {
            1 => Told::Text(String::from_utf8(payload).unwrap()),
            8 => Told::Closed(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
            10 => Told::Pong(payload),
            other => panic!("frame of kind {other}"),
        })
    }

    /// What the server says next, but for states of the line.
    pub async fn next(&mut self) -> Told {
        loop {
            match timeout(PATIENCE, self.read()).await.expect("it reacts") {
                Ok(Told::Text(state)) if !state.contains(r#""type""#) => {}
                Ok(told) => return told,
                Err(_) => return Told::Ended,
            }
        }
    }
}
