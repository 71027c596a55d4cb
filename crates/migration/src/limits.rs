//! Spares the old servers: bytes per second and connections, over all accounts of one run.
//!
//! It also remembers how fast each line was seen to be, which says where compression pays.
//!
//! Limits hold for sources only. What is written comes from a source, so it is bounded with it;
//! a cap on the target could keep two accounts waiting for each other for ever.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// What a run may take from the old servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Bytes per second received from all sources together, as they pass on the network.
    pub bytes_per_second: Option<u64>,
    /// Connections to one source host at once.
    pub max_connections_per_host: Option<usize>,
}

/// Time that a bucket lets pass at full speed after a pause.
const BURST: Duration = Duration::from_millis(250);

/// A token bucket told as debts: pure, its clock is an argument (time since any fixed moment).
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: u64,
    paid: Duration,
}

impl Bucket {
    /// A bucket for `rate` bytes per second.
    pub fn new(rate: u64) -> Self {
        Self {
            rate: rate.max(1),
            paid: Duration::ZERO,
        }
    }

    /// Takes bytes that have passed; returns how long to wait before the next ones.
    pub fn spend(&mut self, now: Duration, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid = self
            .paid
            .max(now.saturating_sub(BURST))
            .saturating_add(cost);
        self.paid.saturating_sub(now)
    }

    /// Bytes to read at once, so that many connections take their turns.
    pub fn portion(&self) -> usize {
        usize::try_from(self.rate / 20)
            .unwrap_or(usize::MAX)
            .clamp(512, 64 * 1024)
    }
}

/// Deflate yields about this many bytes per second: a faster line only loses by it.
const DEFLATE_RATE: u64 = 35_000_000;
/// A server that answers sooner is on the same network, where compression never pays.
const NEAR: Duration = Duration::from_millis(2);
/// Bytes to see before a line's speed is believed.
const SAMPLE: u64 = 4 << 20;

/// How fast a line was seen to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Bytes received.
    pub bytes: u64,
    /// Time spent waiting for them.
    pub waited: Duration,
}

impl Line {
    /// Whether compression pays: the line is far (`round_trip`) and, as measured or as `limited`
    /// in bytes per second, slower than deflate. Pure.
    pub fn gains_by_deflate(&self, round_trip: Option<Duration>, limited: Option<u64>) -> bool {
        if limited.is_some_and(|rate| rate < DEFLATE_RATE) {
            return true;
        }
        let far = round_trip.is_some_and(|time| time >= NEAR);
        let at_best = self.waited.as_micros() * u128::from(DEFLATE_RATE) / 1_000_000;
        let slow = u128::from(self.bytes) < at_best;
        far && slow && self.bytes >= SAMPLE
    }
}

/// Applies [`Limits`] to every connection of a run.
#[derive(Debug)]
pub struct Gate {
    limits: Limits,
    begun: Instant,
    bucket: Option<Mutex<Bucket>>,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// What is shared by the connections to one host.
#[derive(Debug)]
struct Host {
    places: Option<Arc<Semaphore>>,
    line: Mutex<Line>,
}

impl Gate {
    /// A gate for one run.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            begun: Instant::now(),
            bucket: limits
                .bytes_per_second
                .map(|rate| Mutex::new(Bucket::new(rate))),
            hosts: Mutex::default(),
        })
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.limits.max_connections_per_host;
        let host = hosts.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            Arc::new(Host {
                places: most.map(|most| Arc::new(Semaphore::new(most.max(1)))),
                line: Mutex::default(),
            })
        });
        Arc::clone(host)
    }

    /// Waits for a place at `host`; the pass is given back when dropped.
    pub async fn enter(self: &Arc<Self>, host: &str) -> Pass {
        let host = self.host(host);
        let place = match &host.places {
            None => None,
            // The semaphore is never closed.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
        };
        Pass {
            gate: Arc::clone(self),
            host,
            _place: place,
        }
    }

    /// Whether connections to `host` gain by compression, as far as is known.
    pub fn gains_by_deflate(&self, host: &str, round_trip: Option<Duration>) -> bool {
        let host = self.host(host);
        let line = *host.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.gains_by_deflate(round_trip, self.limits.bytes_per_second)
    }

    fn spend(&self, bytes: u64) -> Duration {
        let Some(bucket) = &self.bucket else {
            return Duration::ZERO;
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.spend(self.begun.elapsed(), bytes)
    }

    fn portion(&self) -> Option<usize> {
        let bucket = self.bucket.as_ref()?;
        let bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        Some(bucket.portion())
    }
}

/// A connection's place at its host.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    host: Arc<Host>,
    _place: Option<OwnedSemaphorePermit>,
}

/// A stream that is read no faster than its gate allows, and that keeps its place there.
#[derive(Debug)]
pub struct Metered<S> {
    inner: S,
    pass: Pass,
    portion: Vec<u8>,
    pause: Option<Pin<Box<Sleep>>>,
    waiting: Option<Instant>,
}

impl<S> Metered<S> {
    /// Wraps a connection.
    pub fn new(inner: S, pass: Pass) -> Self {
        let portion = vec![0; pass.gate.portion().unwrap_or(0)];
        Self {
            inner,
            pass,
            portion,
            pause: None,
            waiting: None,
        }
    }

    /// Keeps account of a read: of its bytes, and of the time that it was waited for.
    fn account(&mut self, bytes: usize, ready: bool) {
        if !ready {
            self.waiting.get_or_insert_with(Instant::now);
            return;
        }
        let waited = self.waiting.take().map(|since| since.elapsed());
        let line = &self.pass.host.line;
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        line.bytes += bytes as u64;
        line.waited += waited.unwrap_or_default();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        if this.portion.is_empty() {
            let before = buffer.filled().len();
            let read = Pin::new(&mut this.inner).poll_read(context, buffer);
            this.account(buffer.filled().len() - before, read.is_ready());
            return read;
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        let most = this.portion.len().min(buffer.remaining());
        let mut part = ReadBuf::new(&mut this.portion[..most]);
        ready!(Pin::new(&mut this.inner).poll_read(context, &mut part))?;
        buffer.put_slice(part.filled());
        let wait = this.pass.gate.spend(part.filled().len() as u64);
        if !wait.is_zero() {
            this.pause = Some(Box::pin(tokio::time::sleep(wait)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    proptest! {
        /// Whatever the readers do, what has passed at any moment is at most what the rate and one
        /// burst allow, plus the portion that is being paid for.
        #[test]
        fn never_faster_than_the_rate(
            rate in 1_000u64..10_000_000,
            steps in proptest::collection::vec((0u64..2_000, 1u64..100_000), 1..100),
        ) {
            let mut bucket = Bucket::new(rate);
            // The clock starts anywhere, since only differences count.
            let begun = Duration::from_secs(1000);
            let (mut now, mut passed, mut last) = (begun, 0u64, 0u64);
            for (idle, bytes) in steps {
                now += Duration::from_millis(idle);
                let time = now.saturating_sub(begun) + BURST;
                let allowed = u128::from(rate) * time.as_micros() / 1_000_000 + 1;
                prop_assert!(u128::from(passed - last) <= allowed, "{passed} by {now:?}");
                passed += bytes;
                last = bytes;
                now += bucket.spend(now, bytes);
            }
        }

        /// Nobody who asks for less than the rate ever waits.
        #[test]
        fn slower_than_the_rate_costs_nothing(rate in 1_000u64..1_000_000, count in 1u64..50) {
            let mut bucket = Bucket::new(rate);
            for turn in 1..=count {
                let now = Duration::from_secs(turn);
                prop_assert_eq!(bucket.spend(now, rate / 4), Duration::ZERO);
            }
        }
    }

    #[test]
    fn compression_pays_on_far_and_slow_lines_only() {
        let line = |megabytes: u64, seconds| Line {
            bytes: megabytes << 20,
            waited: Duration::from_secs(seconds),
        };
        let (near, far) = (
            Some(Duration::from_micros(300)),
            Some(Duration::from_millis(20)),
        );
        assert!(line(10, 1).gains_by_deflate(far, None));
        assert!(
            !line(10, 1).gains_by_deflate(near, None),
            "a slow server, not a slow line"
        );
        assert!(!line(10, 1).gains_by_deflate(None, None));
        assert!(
            !line(400, 1).gains_by_deflate(far, None),
            "faster than deflate"
        );
        assert!(!line(1, 1).gains_by_deflate(far, None), "not seen enough");
        assert!(
            line(0, 0).gains_by_deflate(near, Some(1_000_000)),
            "the limit is the line"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn two_connections_share_the_rate() {
        let gate = Gate::new(Limits {
            bytes_per_second: Some(100_000),
            max_connections_per_host: None,
        });
        let begun = Instant::now();
        let mut readers = Vec::new();
        for _ in 0..2 {
            let (mut near, far) = tokio::io::duplex(1 << 20);
            near.write_all(&vec![7; 500_000]).await.expect("fits");
            let mut metered = Metered::new(far, gate.enter("a").await);
            readers.push(tokio::spawn(async move {
                let mut bytes = vec![0; 500_000];
                metered.read_exact(&mut bytes).await.expect("all comes");
                assert!(bytes.iter().all(|byte| *byte == 7));
                drop(near);
            }));
        }
        for reader in readers {
            reader.await.expect("read");
        }
        let seconds = begun.elapsed().as_secs_f64();
        assert!((9.5..10.5).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_has_so_many_places() {
        let gate = Gate::new(Limits {
            bytes_per_second: None,
            max_connections_per_host: Some(2),
        });
        let first = gate.enter("Old.example").await;
        let _second = gate.enter("old.example").await;
        let _other = gate.enter("else.example").await;
        let third = gate.enter("old.example");
        tokio::pin!(third);
        let wait = Duration::from_hours(1);
        assert!(tokio::time::timeout(wait, &mut third).await.is_err());
        drop(first);
        assert!(tokio::time::timeout(wait, third).await.is_ok());
    }
}
