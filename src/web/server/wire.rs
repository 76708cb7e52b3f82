//! One accepted connection as bytes: a socket is read at a pace, and the last word is sent so that it
//! arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use crate::web::server::slots::Slot;

/// A socket may send so many bytes at once, the largest message and more, and then so many a second; an
/// honest one sends some hundreds. Frames that carry nothing are no messages, so they are bounded as bytes.
const SOCKET_BYTES_AT_ONCE: u32 = 32 * 1024;
const SOCKET_BYTES_PER_SECOND: u32 = 8 * 1024;
/// A peer has this long to take the last word and close; what it still sends is thrown away. To close while
/// something is unread would reset the connection, and the peer might never see why.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A peer that takes nothing of what is sent for so long is not there. A deadline of hyper's covers what
/// comes in, and none what goes out.
const TAKE_WITHIN: Duration = Duration::from_secs(20);

/// A connection, and what it takes up.
pub struct Wire {
    /// None only while it is dropped.
    stream: Option<TcpStream>,
    slot: Slot,
    /// When the bytes read so far would be due at the slowest pace.
    due: Instant,
    pause: Option<Pin<Box<Sleep>>>,
    /// The end of patience, while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// The peer closed it or broke it.
    is_over: bool,
}

impl Wire {
    pub fn new(stream: TcpStream, slot: Slot) -> Self {
        Self {
            stream: Some(stream),
            slot,
            due: Instant::now(),
            pause: None,
            stalled: None,
            is_over: false,
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Waits until a socket may be read again.
    fn poll_pace(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let burst = Duration::from_secs(1) * SOCKET_BYTES_AT_ONCE / SOCKET_BYTES_PER_SECOND;
        if self.due > Instant::now() + burst {
            let earliest = self.due - burst;
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep_until(earliest)));
            if pause.deadline() != earliest {
                pause.as_mut().reset(earliest);
            }
            ready!(pause.as_mut().poll(context));
        }
        self.pause = None;
        Poll::Ready(())
    }

    /// What became of writing, unless the peer has taken nothing for too long.
    fn within_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = || Box::pin(sleep(TAKE_WITHIN));
        ready!(self.stalled.get_or_insert_with(patience).as_mut().poll(context));
        self.is_over = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_socket = self.slot.is_socket();
        if is_socket {
            ready!(self.poll_pace(context));
        }
        let before = buffer.filled().len();
        let done = ready!(self.stream()?.poll_read(context, buffer));
        let read = buffer.filled().len() - before;
        self.is_over = done.is_err() || (read == 0 && buffer.remaining() > 0);
        if is_socket {
            let cost = Duration::from_secs(1) * read as u32 / SOCKET_BYTES_PER_SECOND;
            self.due = self.due.max(Instant::now()) + cost;
        }
        Poll::Ready(done)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(context, bytes);
        self.within_patience(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(context, parts);
        self.within_patience(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let gives_way = self.is_over || self.slot.evicted().is_cancelled();
        let Some(stream) = self.stream.take().filter(|_| !gives_way) else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(linger(stream, self.slot.clone()));
        }
    }
}

/// Lets the peer read the last word. It keeps its slot meanwhile, so that these are bounded too.
async fn linger(mut stream: TcpStream, slot: Slot) {
    let reading = async {
        stream.shutdown().await?;
        let (mut left, mut waste) = (LINGER_BYTES, [0; 4 * 1024]);
        while left > 0 {
            match stream.read(&mut waste).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // A peer that does not take it in time has had its chance.
    drop(timeout(LINGER, reading).await);
    drop(slot);
}
