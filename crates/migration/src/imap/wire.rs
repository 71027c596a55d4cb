//! Bytes in and out of one connection, with a deadline on each step.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::ImapError;
use super::connect::{Stream, Timeouts};
use super::cursor::ends_with_ignore_case;
use super::pace::Pace;
use crate::payload::{BodySink, Payload};

/// Size of the read buffer.
const READ_BUFFER: usize = 128 * 1024;
/// Longest response without its message bodies.
const MAX_TEXT: usize = 8 << 20;
/// Longest literal that is not a message body.
const MAX_LITERAL: u64 = 1 << 20;
/// All literals of one response together, bodies left out.
const MAX_LITERALS: u64 = 8 << 20;
/// Literals of one response, the empty ones too.
const MANY_LITERALS: usize = 10_000;

/// One response: its text, in which each literal's `{n}` stays as a marker, and the literals.
#[derive(Debug, Default)]
pub struct RawResponse {
    /// The text without line ends.
    pub text: Vec<u8>,
    /// Literals that are not bodies, in order.
    pub literals: Vec<Vec<u8>>,
    /// The body, in its place among the literals.
    pub body: Option<(usize, Payload)>,
}

/// One connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    input: BytesMut,
    address: String,
    timeouts: Timeouts,
    pace: Pace,
}

impl Wire {
    /// Wraps a stream; `address` is for messages.
    pub fn new(stream: Box<dyn Stream>, address: String, timeouts: Timeouts) -> Self {
        Self {
            stream,
            input: BytesMut::with_capacity(READ_BUFFER),
            address,
            timeouts,
            pace: Pace::default(),
        }
    }

    /// `host:port`, for messages.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes the stream out with what was read ahead, to put another layer on it.
    pub(super) fn take_stream(&mut self) -> (Box<dyn Stream>, BytesMut) {
        let nothing: Box<dyn Stream> = Box::new(tokio::io::empty());
        let stream = std::mem::replace(&mut self.stream, nothing);
        (stream, std::mem::take(&mut self.input))
    }

    /// Puts a stream back.
    pub(super) fn put_stream(&mut self, stream: Box<dyn Stream>) {
        self.stream = stream;
    }

    /// The deadlines in use.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Error for bytes that are not what the protocol promises.
    pub fn protocol(&self, reason: impl Into<String>) -> ImapError {
        ImapError::Protocol {
            address: self.address.clone(),
            reason: reason.into(),
        }
    }

    fn io(&self, source: std::io::Error) -> ImapError {
        ImapError::Io {
            address: self.address.clone(),
            source,
        }
    }

    fn late(&self, limit: Duration) -> ImapError {
        ImapError::Timeout {
            address: self.address.clone(),
            limit,
        }
    }

    fn slow(&self, window: Pace) -> ImapError {
        ImapError::TooSlow {
            address: self.address.clone(),
            bytes: window.bytes,
            waited: window.waited,
            least: self.timeouts.pace.bytes_per_second,
        }
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ImapError> {
        let limit = self.timeouts.transfer(bytes.len() as u64);
        let sent = timeout_at(Instant::now() + limit, self.stream.write_all(bytes)).await;
        match sent {
            Ok(Ok(())) => {
                self.pace.sent(bytes.len() as u64);
                Ok(())
            }
            Ok(Err(source)) => Err(self.io(source)),
            Err(_) => Err(self.late(limit)),
        }
    }

    /// Pushes what the TLS layer may still hold.
    pub async fn flush(&mut self) -> Result<(), ImapError> {
        let limit = self.timeouts.response;
        match timeout_at(Instant::now() + limit, self.stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) => Err(self.io(source)),
            Err(_) => Err(self.late(limit)),
        }
    }

    async fn fill(&mut self, deadline: Instant, limit: Duration) -> Result<(), ImapError> {
        if self.input.capacity() - self.input.len() < READ_BUFFER / 4 {
            self.input.reserve(READ_BUFFER);
        }
        let asked = Instant::now();
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.input)).await;
        match read {
            Ok(Ok(0)) => Err(ImapError::Closed {
                address: self.address.clone(),
                said: String::new(),
            }),
            Ok(Ok(count)) => {
                let least = &self.timeouts.pace;
                let slow = self.pace.received(count as u64, asked.elapsed(), least);
                slow.map_or(Ok(()), |window| Err(self.slow(window)))
            }
            Ok(Err(source)) => Err(self.io(source)),
            Err(_) => Err(self.late(limit)),
        }
    }

    /// Reads one response. Literals after `BODY[] ` go to `sink`.
    pub async fn receive(&mut self, sink: &BodySink) -> Result<RawResponse, ImapError> {
        let limit = self.timeouts.response;
        let mut raw = RawResponse::default();
        let mut held = 0;
        loop {
            let deadline = Instant::now() + limit;
            let before = raw.text.len();
            self.receive_line(&mut raw.text, deadline, limit).await?;
            // Nothing after a literal: the text still ends with that literal's own size.
            if raw.text.len() == before {
                return Ok(raw);
            }
            let Some(size) = literal_size(&raw.text) else {
                return Ok(raw);
            };
            if is_body(&raw.text) && raw.body.is_none() {
                let payload = self.receive_body(size, sink).await?;
                raw.body = Some((raw.literals.len(), payload));
            } else {
                held += size;
                let many = raw.literals.len() >= MANY_LITERALS;
                if size > MAX_LITERAL || held > MAX_LITERALS || many {
                    let reason = format!("literals of {held} bytes outside a message");
                    return Err(self.protocol(reason));
                }
                let literal = self.receive_literal(size).await?;
                raw.literals.push(literal);
            }
        }
    }

    async fn receive_line(
        &mut self,
        text: &mut Vec<u8>,
        deadline: Instant,
        limit: Duration,
    ) -> Result<(), ImapError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.input[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let end = searched + at;
                let line = &self.input[..end];
                text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                self.input.advance(end + 1);
                return Ok(());
            }
            searched = self.input.len();
            if searched + text.len() > MAX_TEXT {
                return Err(self.protocol(format!("a line longer than {MAX_TEXT} bytes")));
            }
            self.fill(deadline, limit).await?;
        }
    }

    async fn receive_literal(&mut self, size: u64) -> Result<Vec<u8>, ImapError> {
        let limit = self.timeouts.transfer(size);
        let deadline = Instant::now() + limit;
        let size = usize::try_from(size).map_err(|_| self.protocol("a literal beyond memory"))?;
        while self.input.len() < size {
            self.fill(deadline, limit).await?;
        }
        Ok(self.input.split_to(size).to_vec())
    }

    async fn receive_body(&mut self, size: u64, sink: &BodySink) -> Result<Payload, ImapError> {
        let mut writer = sink.open(size).await.map_err(ImapError::Spill)?;
        // The clock starts after the wait for room: that wait is ours, not the server's.
        let limit = self.timeouts.transfer(size);
        let deadline = Instant::now() + limit;
        let mut missing = size;
        while missing > 0 {
            if self.input.is_empty() {
                self.fill(deadline, limit).await?;
            }
            let take = self
                .input
                .len()
                .min(usize::try_from(missing).unwrap_or(usize::MAX));
            writer
                .write(&self.input[..take])
                .map_err(ImapError::Spill)?;
            self.input.advance(take);
            missing -= take as u64;
        }
        Ok(writer.finish())
    }
}

/// The size announced at the end of a line (`{12}`, `{12+}`, `~{12}`), unless the line is a
/// status response, whose human text may end in anything.
pub(super) fn literal_size(text: &[u8]) -> Option<u64> {
    let inner = text.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = &inner[open + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 18 || is_status_line(text) {
        return None;
    }
    digits.iter().try_fold(0u64, |size, digit| {
        digit
            .is_ascii_digit()
            .then(|| size * 10 + u64::from(digit - b'0'))
    })
}

fn is_status_line(text: &[u8]) -> bool {
    let Some(space) = text.iter().position(|byte| *byte == b' ') else {
        return true;
    };
    if text[0] == b'+' {
        return true;
    }
    let rest = &text[space + 1..];
    ["OK ", "NO ", "BAD ", "BYE ", "PREAUTH "]
        .iter()
        .any(|word| {
            rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
        })
}

fn is_body(text: &[u8]) -> bool {
    let Some(open) = text.iter().rposition(|byte| *byte == b'{') else {
        return false;
    };
    let before = text[..open].strip_suffix(b"~").unwrap_or(&text[..open]);
    ends_with_ignore_case(before, b"BODY[] ") || ends_with_ignore_case(before, b"RFC822 ")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn literals(count: usize, size: usize) -> Result<usize, String> {
        let mut bytes = b"* LIST ()".to_vec();
        for _ in 0..count {
            bytes.extend_from_slice(format!(" {{{size}}}\r\n").as_bytes());
            bytes.resize(bytes.len() + size, b'x');
        }
        bytes.extend_from_slice(b"\r\n");
        let stream = Box::new(std::io::Cursor::new(bytes));
        let mut wire = Wire::new(stream, "test:1".to_owned(), Timeouts::default());
        let raw = wire.receive(&BodySink::HashOnly).await;
        raw.map(|raw| raw.literals.len())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_response_holds_so_much_and_no_more() {
        assert_eq!(literals(8, 1 << 20).await, Ok(8));
        for (count, size) in [
            (9, 1 << 20),
            (300, 1 << 20),
            (1, (1 << 20) + 1),
            (10_001, 0),
        ] {
            let refused = literals(count, size).await.expect_err("too much");
            assert!(refused.contains("outside a message"), "{refused}");
        }
    }
}
