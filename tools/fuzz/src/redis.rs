//! A Redis that answers every script with what it was told to, well formed and as hostile as you like.

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

/// One reply, in the protocol that redis-rs asks for at first.
#[derive(Debug, Clone, Arbitrary)]
pub enum Said {
    Number(i64),
    /// A number as text, such as a score.
    Digits(i64),
    Text(String),
    Bytes(Vec<u8>),
    Status(String),
    Error(String),
    Nothing,
    List(Vec<Said>),
}

impl Said {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub fn encode(&self, to: &mut Vec<u8>) {
        let line = |text: &str| text.replace(['\r', '\n'], " ");
        let bulk = |to: &mut Vec<u8>, bytes: &[u8]| {
            to.extend(format!("${}\r\n", bytes.len()).bytes());
            to.extend(bytes);
            to.extend(b"\r\n");
        };
        match self {
            Self::Number(number) => to.extend(format!(":{number}\r\n").bytes()),
            Self::Digits(number) => bulk(to, number.to_string().as_bytes()),
            Self::Text(text) => bulk(to, text.as_bytes()),
            Self::Bytes(bytes) => bulk(to, bytes),
            Self::Status(text) => to.extend(format!("+{}\r\n", line(text)).bytes()),
            Self::Error(text) => to.extend(format!("-{}\r\n", line(text)).bytes()),
            Self::Nothing => to.extend(b"$-1\r\n"),
            Self::List(items) => {
                to.extend(format!("*{}\r\n", items.len()).bytes());
                items.iter().for_each(|item| item.encode(to));
            }
        }
    }
}

/// What every script is answered with.
pub type Next = Rc<RefCell<Vec<u8>>>;

/// Listens, and gives the URL to reach it by. Runs on the current thread's local tasks.
pub async fn serve(next: Next) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it listens");
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            spawn_local(talk(stream, next.clone()));
        }
    });
    format!("redis://{address}")
}

async fn talk(mut stream: TcpStream, next: Next) {
    let mut heard = Vec::new();
    loop {
        while let Some((command, length)) = command(&heard) {
            heard.drain(..length);
            let is_script = command.starts_with(b"EVAL");
            let answer = if is_script { next.borrow().clone() } else { b"+OK\r\n".to_vec() };
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        match stream.read_buf(&mut heard).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The first whole command's name, and how many bytes the command takes.
fn command(heard: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (parts, mut at) = header(heard, 0)?;
    let mut name = Vec::new();
    for part in 0..parts {
        let (length, begin) = header(heard, at)?;
        at = begin + length + 2;
        let text = heard.get(begin..at)?;
        if part == 0 {
            name = text[..length].to_vec();
        }
    }
    Some((name, at))
}

/// The number in the line at `at`, and where the next line begins.
fn header(heard: &[u8], at: usize) -> Option<(usize, usize)> {
    let end = at + heard.get(at..)?.iter().position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(&heard[at + 1..end - 1]).expect("digits");
    Some((text.parse().expect("a number"), end + 1))
}
