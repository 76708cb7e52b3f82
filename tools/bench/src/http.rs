//! The least HTTP client that keeps a connection: what a caller costs must not hide what is measured.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection(TcpStream);

impl Connection {
    pub async fn open(target: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self::over(TcpStream::connect(target).await?)?)
    }

    pub fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Sends one request; the status and the body of its answer.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        bearer: &str,
    ) -> anyhow::Result<(u16, String)> {
        let proof = match bearer {
            "" => String::new(),
            bearer => format!("authorization: Bearer {bearer}\r\n"),
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n{proof}\r\n");
        self.0.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            ensure!(self.0.read_buf(&mut answer).await? > 0, "hung up in the middle of an answer");
            let text = std::str::from_utf8(&answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let field = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            };
            let length: usize =
                head.lines().find_map(field).context("an answer without a length")?;
            if body.len() >= length {
                let status = head.get(9..12).context("no status")?.parse()?;
                return Ok((status, body.to_owned()));
            }
        }
    }
}
