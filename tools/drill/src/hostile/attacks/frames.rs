//! Hostile WebSocket clients. Each has a ticket and gets its upgrade; what follows is not what a browser does.

use std::future::pending;
use std::io::Result;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use super::Lane;
use super::wire::{Speech, frame, pour};

/// Announced by the frame that never ends.
const GIBIBYTE: u64 = 1 << 30;
const ASK: &[u8] = br#"{"type":"position"}"#;

/// Upgrades and then never reads, writes or closes.
pub(super) async fn never_reads(lane: &Lane) -> Result<String> {
    match lane.upgrade(false).await? {
        Ok(_stream) => pending().await,
        Err(status) => Ok(status),
    }
}

/// Twenty times a second, which the gateway answers; none of it is read.
pub(super) async fn asks_and_never_reads(lane: &Lane) -> Result<String> {
    let mut stream = match lane.upgrade(false).await? {
        Ok(stream) => stream,
        Err(status) => return Ok(status),
    };
    let ask = frame(0x81, ASK);
    loop {
        if stream.write_all(&ask).await.is_err() {
            return Ok("reset".into());
        }
        lane.tally.wrote(1, ask.len());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Opens the socket and pours.
async fn pouring(lane: &Lane, head: &[u8], piece: &[u8], every_ms: u64) -> Result<String> {
    match lane.upgrade(true).await? {
        Ok(mut stream) => {
            if !head.is_empty() {
                stream.write_all(head).await?;
                lane.tally.wrote(1, head.len());
            }
            let every = Duration::from_millis(every_ms);
            pour(stream, &lane.tally, Speech::Frames, piece, every).await
        }
        Err(status) => Ok(status),
    }
}

pub(super) async fn huge(lane: &Lane) -> Result<String> {
    let mut head = vec![0x81, 0x80 | 127];
    head.extend(GIBIBYTE.to_be_bytes());
    head.extend([0; 4]);
    pouring(lane, &head, &[b'x'; 16 * 1024], 5).await
}

pub(super) async fn tiny_fragments(lane: &Lane) -> Result<String> {
    pouring(lane, &frame(0x01, b"x"), &frame(0x00, b"x").repeat(50), 10).await
}

pub(super) async fn empty_fragments(lane: &Lane) -> Result<String> {
    pouring(lane, &frame(0x01, b""), &frame(0x00, b"").repeat(50), 10).await
}

pub(super) async fn pings(lane: &Lane) -> Result<String> {
    pouring(lane, &[], &frame(0x89, &[b'p'; 125]).repeat(10), 10).await
}

/// Says one thing, and waits for what the gateway makes of it.
pub(super) async fn once(lane: &Lane, first: u8, payload: &[u8]) -> Result<String> {
    pouring(lane, &[], &frame(first, payload), 1_000).await
}

/// As long as a message may be.
pub(super) async fn deep_json(lane: &Lane) -> Result<String> {
    pouring(lane, &[], &frame(0x81, &[b'['; 4 * 1024]), 20).await
}

/// Opens it and drops it.
pub(super) async fn reconnect(lane: &Lane) -> Result<String> {
    Ok(lane.upgrade(true).await?.map_or_else(|status| status, |_| "101".into()))
}
