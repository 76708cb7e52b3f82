//! What arrives on a socket or a stream: frames of a WebSocket, events of a stream.

use std::io;

use super::http::{take_chunk, wrong};
use super::inbox::Taken;

/// A gateway's frames are states; one that is larger is not from a gateway.
const LARGEST: u64 = 256 * 1024;

/// One thing that a socket or a stream said. The text is handed to the reader in place.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<T> {
    State(T),
    /// Asks whether we are there.
    Ping(Vec<u8>),
    /// Nothing that matters: an answer to a ping, a comment.
    Nothing,
    /// The other side says farewell, with a code.
    Close(u16),
}

/// One frame of a WebSocket, as a server sends them: unmasked, and states in one piece.
pub fn take_frame<T>(bytes: &[u8], read: impl FnOnce(&[u8]) -> io::Result<T>) -> Taken<Frame<T>> {
    let [first, second, ..] = bytes else { return Ok(None) };
    if second & 0x80 != 0 {
        return Err(wrong("a server's frame with a mask"));
    }
    let (length, begin) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(more) => (u64::from(u16::from_be_bytes([more[0], more[1]])), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|more| more.try_into().ok()) {
            Some(more) => (u64::from_be_bytes(more), 10),
            None => return Ok(None),
        },
        short => (u64::from(short), 2),
    };
    if length > LARGEST {
        return Err(wrong("a frame that is too large"));
    }
    let end = begin + length as usize;
    let Some(payload) = bytes.get(begin..end) else { return Ok(None) };
    let frame = match first {
        0x81 => Frame::State(read(payload)?),
        0x89 => Frame::Ping(payload.to_vec()),
        0x8a => Frame::Nothing,
        0x88 => match payload {
            [high, low, ..] => Frame::Close(u16::from_be_bytes([*high, *low])),
            _ => Frame::Close(1005), // The code that stands for none.
        },
        _ => return Err(wrong("a frame that no gateway sends")),
    };
    Ok(Some((frame, end)))
}

/// The answer to a ping. A client's frames are masked; a mask of zeros changes nothing.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    let length = payload.len().min(125);
    let head = [0x8a, 0x80 | length as u8, 0, 0, 0, 0];
    [&head[..], &payload[..length]].concat()
}

/// One chunk of a stream with whole events in it, as every server sends them that flushes events.
pub fn take_events<T>(
    bytes: &[u8],
    mut read: impl FnMut(&[u8]) -> io::Result<T>,
) -> Taken<Vec<Frame<T>>> {
    let Some((chunk, used)) = take_chunk(bytes)? else { return Ok(None) };
    if chunk.is_empty() {
        return Ok(Some((vec![Frame::Close(1005)], used)));
    }
    if !chunk.ends_with(b"\n\n") {
        return Err(wrong("a part of an event"));
    }
    let mut frames = Vec::new();
    for line in chunk.split(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data:") {
            frames.push(Frame::State(read(data.trim_ascii_start())?));
        }
    }
    Ok(Some((frames, used)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> io::Result<String> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    #[test]
    fn frames_of_every_length_are_taken_whole() {
        for length in [0, 1, 125, 126, 700, 70_000_usize] {
            let mut bytes = vec![0x81];
            match length {
                0..126 => bytes.push(length as u8),
                126..65_536 => {
                    bytes.push(126);
                    bytes.extend((length as u16).to_be_bytes());
                }
                _ => {
                    bytes.push(127);
                    bytes.extend((length as u64).to_be_bytes());
                }
            }
            bytes.extend(vec![b'x'; length]);
            let whole = bytes.len();
            assert_eq!(take_frame(&bytes[..whole - 1], text).unwrap(), None);
            bytes.extend(b"next");
            let taken = take_frame(&bytes, text).unwrap();
            assert_eq!(taken, Some((Frame::State("x".repeat(length)), whole)));
        }
    }

    #[test]
    fn farewells_pings_and_nonsense_are_told_apart() {
        let taken = |bytes: &[u8]| take_frame(bytes, text).map(|taken| taken.map(|(f, _)| f));
        assert_eq!(taken(&[0x88, 2, 3, 0xe9]).unwrap(), Some(Frame::Close(1001)));
        assert_eq!(taken(&[0x88, 0]).unwrap(), Some(Frame::Close(1005)));
        assert_eq!(taken(&[0x89, 2, b'h', b'i']).unwrap(), Some(Frame::Ping(b"hi".to_vec())));
        assert_eq!(pong(b"hi"), [0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
        assert!(taken(&[0x81, 0x81, 0, 0, 0, 0, b'x']).is_err());
        assert!(taken(&[0x01, 0]).is_err());
        assert!(taken(&[0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn events_are_read_by_their_data_and_comments_are_not() {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
        let event = chunk("event: state\ndata: {\"a\":1}\n\n");
        let (frames, used) = take_events(&event, text).unwrap().unwrap();
        assert_eq!((frames, used), (vec![Frame::State("{\"a\":1}".into())], event.len()));
        let (frames, _) = take_events(&chunk(":\n\n"), text).unwrap().unwrap();
        assert_eq!(frames, []);
        let (frames, _) = take_events(b"0\r\n\r\n", text).unwrap().unwrap();
        assert_eq!(frames, [Frame::Close(1005)]);
        assert!(take_events(&chunk("data: {"), text).is_err());
    }
}
