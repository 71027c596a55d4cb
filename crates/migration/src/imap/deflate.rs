//! COMPRESS=DEFLATE (RFC 4978): a raw deflate stream each way, above TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::Stream;

/// Bytes read or kept back at once, each way.
const BUFFER: usize = 64 * 1024;

/// When to compress a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compressing {
    /// Only where the line was measured to be slower than deflate is.
    #[default]
    Auto,
    /// Wherever the server offers it.
    Always,
    /// Never.
    Never,
}

impl Compressing {
    /// Reads `auto`, `always` or `never`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "always" => Self::Always,
            "never" => Self::Never,
            _ => return None,
        })
    }
}

/// A stream whose bytes are deflated.
pub(super) struct Deflated {
    inner: Box<dyn Stream>,
    inflate: Decompress,
    input: Vec<u8>,
    taken: usize,
    deflate: Compress,
    output: Vec<u8>,
    sent: usize,
    /// Set while the compressor holds bytes that the server has not got.
    dirty: bool,
}

impl Deflated {
    /// Wraps a stream; `early` is what the server has sent already behind its answer.
    pub(super) fn new(inner: Box<dyn Stream>, early: &[u8]) -> Self {
        Self {
            inner,
            inflate: Decompress::new(false),
            input: early.to_vec(),
            taken: 0,
            deflate: Compress::new(Compression::fast(), false),
            output: Vec::with_capacity(BUFFER),
            sent: 0,
            dirty: false,
        }
    }

    /// Hands what is compressed to the stream beneath.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let rest = &self.output[self.sent..];
            let sent = ready!(Pin::new(&mut self.inner).poll_write(context, rest))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        self.output.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    fn squeeze(&mut self, bytes: &[u8], flush: FlushCompress) -> io::Result<usize> {
        self.output.reserve(BUFFER);
        let before = self.deflate.total_in();
        self.deflate
            .compress_vec(bytes, &mut self.output, flush)
            .map_err(io::Error::other)?;
        let taken = self.deflate.total_in() - before;
        Ok(usize::try_from(taken).unwrap_or(bytes.len()))
    }
}

impl AsyncRead for Deflated {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            let room = buffer.remaining().min(BUFFER);
            let out = buffer.initialize_unfilled_to(room);
            let (before_in, before_out) = (this.inflate.total_in(), this.inflate.total_out());
            let status = this
                .inflate
                .decompress(&this.input[this.taken..], out, FlushDecompress::Sync)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(0);
            this.taken += count(this.inflate.total_in(), before_in);
            let made = count(this.inflate.total_out(), before_out);
            if made > 0 {
                buffer.advance(made);
                return Poll::Ready(Ok(()));
            }
            if status == Status::StreamEnd {
                return Poll::Ready(Ok(()));
            }
            if this.taken < this.input.len() {
                let error = "the compressed stream stands still";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            this.input.resize(BUFFER, 0);
            this.taken = 0;
            let mut part = ReadBuf::new(&mut this.input);
            let read = Pin::new(&mut this.inner).poll_read(context, &mut part);
            let length = part.filled().len();
            this.input
                .truncate(if read.is_ready() { length } else { 0 });
            ready!(read)?;
            if length == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Deflated {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.output.len() >= BUFFER {
            ready!(this.drain(context))?;
        }
        let part = &bytes[..bytes.len().min(BUFFER)];
        let taken = this.squeeze(part, FlushCompress::None)?;
        this.dirty |= taken > 0;
        if taken == 0 && !part.is_empty() {
            let error = "the compressor stands still";
            return Poll::Ready(Err(io::Error::other(error)));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.dirty {
            ready!(this.drain(context))?;
            this.squeeze(&[], FlushCompress::Sync)?;
            // A full buffer may hide that there is more.
            this.dirty = this.output.len() == this.output.capacity();
        }
        ready!(this.drain(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn pass(parts: &[Vec<u8>], pipe: usize) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime");
        runtime.block_on(async {
            let (near, far) = tokio::io::duplex(pipe);
            let mut near = Deflated::new(Box::new(near), &[]);
            let mut far = Deflated::new(Box::new(far), &[]);
            let send = async {
                for part in parts {
                    near.write_all(part).await.expect("write");
                    near.flush().await.expect("flush");
                }
                near.shutdown().await.expect("shutdown");
            };
            // To its end: a flush ends in bytes that stand for none, which a narrow pipe may hold.
            let receive = async {
                let mut got = Vec::new();
                far.read_to_end(&mut got).await.expect("read");
                got
            };
            futures::future::join(send, receive).await.1
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// What was flushed arrives, whole and in order, through any pipe.
        #[test]
        fn bytes_survive(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..5000), 1..8),
            pipe in 1usize..4096,
        ) {
            prop_assert_eq!(pass(&parts, pipe), parts.concat());
        }

        /// No bytes of a server make it panic or spin.
        #[test]
        fn garbage_ends(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
            runtime.block_on(async {
                let mut stream = Deflated::new(Box::new(tokio::io::empty()), &bytes);
                let mut out = Vec::new();
                let _ = stream.read_to_end(&mut out).await;
            });
        }
    }

    #[test]
    fn large_incompressible_data_pass() {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u8::try_from(state >> 56).expect("a byte")
        };
        let bytes: Vec<u8> = (0..1_000_000).map(|_| random()).collect();
        assert_eq!(pass(std::slice::from_ref(&bytes), 8192), bytes);
    }
}
