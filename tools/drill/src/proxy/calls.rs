//! Where calls end in what a gateway sends: a Redis command, or a Postgres message that asks for an answer.

/// Which protocol a wire speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    Redis,
    Postgres,
}

/// A reader of one connection's calls. It keeps its place between chunks.
pub(super) struct Calls {
    wire: Wire,
    part: Part,
    /// Bytes of the part that have come so far.
    head: Vec<u8>,
    /// Arguments of the command that have not come yet.
    missing: usize,
}

/// What comes next.
enum Part {
    /// A line of Redis that says how many or how long.
    Line,
    /// The first message of a Postgres connection: its length, without a letter.
    Startup,
    /// A letter and a length.
    Header,
    /// So many bytes that are not looked at; whether they end a call.
    Body { left: usize, ends: bool },
}

impl Calls {
    pub(super) fn new(wire: Wire) -> Self {
        let part = match wire {
            Wire::Redis => Part::Line,
            Wire::Postgres => Part::Startup,
        };
        Self { wire, part, head: Vec::new(), missing: 0 }
    }

    /// The places in this chunk behind which a call is complete.
    pub(super) fn ends(&mut self, chunk: &[u8]) -> Vec<usize> {
        let (mut ends, mut at) = (Vec::new(), 0);
        while at < chunk.len() {
            if let Part::Body { left, ends: is_end } = self.part {
                let taken = left.min(chunk.len() - at);
                at += taken;
                if taken < left {
                    self.part = Part::Body { left: left - taken, ends: is_end };
                    return ends;
                }
                if is_end {
                    ends.push(at);
                }
                self.next();
                continue;
            }
            self.head.push(chunk[at]);
            at += 1;
            match self.read_head() {
                // An empty body ends here already.
                Some(Part::Body { left: 0, ends: is_end }) => {
                    if is_end {
                        ends.push(at);
                    }
                    self.next();
                }
                Some(part) => self.part = part,
                None => {}
            }
        }
        ends
    }

    fn next(&mut self) {
        self.head.clear();
        self.part = match self.wire {
            Wire::Redis => Part::Line,
            Wire::Postgres => Part::Header,
        };
    }

    /// The part after the head, once the head is complete.
    fn read_head(&mut self) -> Option<Part> {
        match self.part {
            Part::Line => {
                let line = self.head.strip_suffix(b"\r\n")?;
                let number = std::str::from_utf8(line.get(1..)?).ok()?.parse().unwrap_or(0);
                let sign = line[0];
                self.head.clear();
                if sign == b'*' {
                    self.missing = number;
                    return Some(Part::Line);
                }
                self.missing = self.missing.saturating_sub(1);
                Some(Part::Body { left: number + 2, ends: self.missing == 0 })
            }
            Part::Startup => Some(Part::Body { left: self.length(0)?, ends: false }),
            Part::Header => {
                let left = self.length(1)?;
                // Sync and Query are answered; so is nothing else that sqlx sends.
                Some(Part::Body { left, ends: matches!(self.head[0], b'S' | b'Q') })
            }
            Part::Body { .. } => None,
        }
    }

    /// The length behind `skip` bytes, without the four bytes that it counts itself.
    fn length(&self, skip: usize) -> Option<usize> {
        let bytes: [u8; 4] = self.head.get(skip..skip + 4)?.try_into().ok()?;
        Some((u32::from_be_bytes(bytes) as usize).saturating_sub(4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends found when the bytes come in chunks of this size.
    fn ends(wire: Wire, bytes: &[u8], size: usize) -> Vec<usize> {
        let (mut calls, mut found) = (Calls::new(wire), Vec::new());
        for (index, chunk) in bytes.chunks(size).enumerate() {
            found.extend(calls.ends(chunk).into_iter().map(|end| end + index * size));
        }
        found
    }

    #[test]
    fn redis_commands_end_after_their_last_argument_however_they_are_cut() {
        let bytes = b"*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n";
        for size in 1..bytes.len() {
            assert_eq!(ends(Wire::Redis, bytes, size), [14, bytes.len()], "{size}");
        }
    }

    #[test]
    fn postgres_calls_end_with_a_sync_or_a_query_however_they_are_cut() {
        let mut bytes = vec![0, 0, 0, 8, 0, 3, 0, 0];
        bytes.extend([b'P', 0, 0, 0, 6, 0, 0, b'S', 0, 0, 0, 4]);
        let first = bytes.len();
        bytes.extend([b'Q', 0, 0, 0, 7, b'x', b'y', 0]);
        for size in 1..bytes.len() {
            assert_eq!(ends(Wire::Postgres, &bytes, size), [first, bytes.len()], "{size}");
        }
    }
}
