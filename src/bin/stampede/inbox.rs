//! A connection that is read as a stream of whole things: answers, frames, chunks.
//!
//! Bytes are read into one buffer for each thread, and only what is not whole yet is kept. A connection
//! that waits has no buffer of its own: that is why tens of thousands fit into one process.

use std::cell::RefCell;
use std::io;

use tokio::net::TcpStream;

/// What is read at once. A state is below 2 kB.
const SCRATCH: usize = 16 * 1024;
/// Nothing that is larger is for us.
const LARGEST: usize = 1024 * 1024;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

pub struct Inbox {
    stream: TcpStream,
    kept: Vec<u8>,
}

/// Something whole and how many bytes it was; none when more must come first.
pub type Taken<T> = io::Result<Option<(T, usize)>>;

impl Inbox {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, kept: Vec::new() }
    }

    /// Whether nothing came that nobody asked for, and the other side is still there.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let nothing = self.stream.try_read(&mut byte);
        self.kept.is_empty() && nothing.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// # Errors
    /// When the connection is broken.
    pub async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next whole thing, as `take` finds it. Safe to cancel.
    ///
    /// # Errors
    /// When the connection is broken or ends, or when `take` says that it makes no sense.
    pub async fn next<T>(&mut self, mut take: impl FnMut(&[u8]) -> Taken<T>) -> io::Result<T> {
        if !self.kept.is_empty()
            && let Some((thing, used)) = take(&self.kept)?
        {
            self.kept.drain(..used);
            if self.kept.is_empty() {
                self.kept = Vec::new();
            }
            return Ok(thing);
        }
        loop {
            self.stream.readable().await?;
            if let Some(thing) = self.read(&mut take)? {
                return Ok(thing);
            }
        }
    }

    /// Reads what is there.
    fn read<T>(&mut self, take: &mut impl FnMut(&[u8]) -> Taken<T>) -> io::Result<Option<T>> {
        READ.with_borrow_mut(|scratch| {
            let count = match self.stream.try_read(scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            let fresh = &scratch[..count];
            if self.kept.is_empty() {
                let taken = take(fresh)?;
                let used = taken.as_ref().map_or(0, |(_, used)| *used);
                self.kept.extend_from_slice(&fresh[used..]);
                return Ok(taken.map(|(thing, _)| thing));
            }
            self.kept.extend_from_slice(fresh);
            if self.kept.len() > LARGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "more than a megabyte"));
            }
            let Some((thing, used)) = take(&self.kept)? else { return Ok(None) };
            self.kept.drain(..used);
            if self.kept.is_empty() {
                self.kept = Vec::new();
            }
            Ok(Some(thing))
        })
    }
}
