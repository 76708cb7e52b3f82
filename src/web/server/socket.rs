//! One WebSocket, whatever is said over it: its bounds, the pace at which it is heard, and how it ends.

use std::error::Error;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use crate::web::server::slots::Slot;

/// Largest frame and message a client may send; an honest one is 19 bytes.
const MOST_BYTES: usize = 4 * 1024;
/// Read buffer of a socket; the default of 128 KiB is allocated at once for each.
const READ_BUFFER: usize = 1_024;
/// Unsent bytes after which a slow reader's socket is given up.
const MOST_UNSENT: usize = 32 * 1024;
/// A frame that cannot be sent in this time ends the socket.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// What a client says is heard, pings included: so much at once, and then one in so long, which is how often
/// the line is looked at, so that an answer sooner would say nothing new. The rest waits in the kernel, and
/// a flood costs whoever sends it.
const HEARD_AT_ONCE: u32 = 20;
const HEARD_EVERY: Duration = Duration::from_millis(250);
/// How long a client has to answer a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

pub const NORMAL: u16 = 1000;
pub const GOING_AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const NOT_TEXT: u16 = 1007;
pub const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;
pub const TRY_AGAIN: u16 = 1013;

/// Gives a socket its bounds, and its connection those of a socket.
pub fn bounded(upgrade: WebSocketUpgrade, slot: Option<&Slot>) -> WebSocketUpgrade {
    if let Some(slot) = slot {
        slot.becomes_socket();
    }
    upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MOST_UNSENT)
        .max_message_size(MOST_BYTES)
        .max_frame_size(MOST_BYTES)
}

/// An open socket.
pub struct Socket {
    inner: WebSocket,
    every: Duration,
    /// When everything heard so far would be due at the slowest pace (the generic cell rate algorithm).
    due: Instant,
}

/// What a client did.
pub enum Heard {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// A ping, which is answered already, or the answer to one.
    Control,
    /// It closes the socket.
    Bye,
    /// It is not there any more.
    Gone,
    /// It broke a rule; the socket is to be closed with this.
    Wrong(u16, &'static str),
}

impl From<Message> for Heard {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self::Text(text),
            Message::Binary(bytes) => Self::Binary(bytes),
            Message::Ping(_) | Message::Pong(_) => Self::Control,
            Message::Close(_) => Self::Bye,
        }
    }
}

/// The connection is no good any more.
pub struct Broken;

impl Socket {
    pub fn new(inner: WebSocket) -> Self {
        Self { inner, every: HEARD_EVERY, due: Instant::now() }
    }

    /// A socket that is heard as fast as it speaks; for measuring, not for strangers.
    pub fn without_pace(inner: WebSocket) -> Self {
        Self { every: Duration::ZERO, ..Self::new(inner) }
    }

    /// The next thing that the client did. Safe to cancel.
    pub async fn hear(&mut self) -> Heard {
        sleep_until(self.due - self.every * HEARD_AT_ONCE).await;
        let message = self.inner.recv().await;
        self.due = self.due.max(Instant::now()) + self.every;
        match message {
            Some(Ok(message)) => message.into(),
            Some(Err(error)) => broken(&error),
            None => Heard::Gone,
        }
    }

    /// # Errors
    /// Broken when it cannot be sent in time.
    pub async fn send(&mut self, message: Message) -> Result<(), Broken> {
        match timeout(SEND_WITHIN, self.inner.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Broken),
        }
    }

    /// Says farewell.
    pub async fn close(&mut self, code: u16, why: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(why) };
        // On the heap: an open socket must not be larger for what happens once, at its end.
        Box::pin(async {
            if self.send(Message::Close(Some(frame))).await.is_ok() {
                // Give the client a moment to answer, so that it sees the code and not a reset.
                let answered = async { while let Some(Ok(_)) = self.inner.recv().await {} };
                let _ = timeout(FAREWELL, answered).await;
            }
        })
        .await;
    }

    /// Answers the client's farewell.
    pub async fn farewell(&mut self) {
        // Reading on sends the answer.
        let heard = async { while self.inner.recv().await.is_some() {} };
        let _ = Box::pin(timeout(FAREWELL, heard)).await;
    }
}

/// What follows from a message that could not be read.
fn broken(error: &axum::Error) -> Heard {
    use tungstenite::error::{Error as Cause, ProtocolError};
    match error.source().and_then(|cause| cause.downcast_ref::<Cause>()) {
        Some(Cause::Capacity(_)) => Heard::Wrong(TOO_BIG, "a message has at most 4 KiB"),
        Some(Cause::Utf8(_)) => Heard::Wrong(NOT_TEXT, "text must be UTF-8"),
        Some(Cause::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Heard::Gone,
        Some(Cause::Protocol(_)) => Heard::Wrong(PROTOCOL, "this is not how WebSockets are spoken"),
        Some(_) | None => Heard::Gone,
    }
}
