//! A TCP proxy on loopback that adds a delay, or misbehaves in a chosen way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// What the proxy does to a connection.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Added to each direction: half of the round trip.
    pub delay: Duration,
    /// The connection is cut after this many bytes from the server; the count starts again with
    /// each connection.
    pub cut_after: Option<u64>,
    /// The connection is cut when these bytes come from the server.
    pub cut_at: Option<Vec<u8>>,
    /// Cuts happen this many times only.
    pub cuts: u64,
    /// Bytes from the server come one by one with this pause.
    pub trickle: Option<Duration>,
}

/// A running proxy; it stops accepting when dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Its port on loopback.
    pub port: u16,
    stop: Arc<AtomicBool>,
    refusing: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
}

/// Bytes per read, and reads in flight: a window of 4 MB, as a wide-area TCP would have.
const CHUNK: usize = 64 * 1024;
const IN_FLIGHT: usize = 64;

impl Proxy {
    /// Forwards to a port on loopback.
    pub fn start(to: u16, behaviour: Behaviour) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let refusing = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicU64::new(0));
        let cuts = Arc::new(AtomicU64::new(behaviour.cuts));
        let behaviour = Arc::new(behaviour);
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&connections));
        let deaf = Arc::clone(&refusing);
        thread::spawn(move || {
            for client in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = client else { continue };
                if deaf.load(Ordering::SeqCst) {
                    continue;
                }
                counting.fetch_add(1, Ordering::SeqCst);
                let (behaviour, cuts) = (Arc::clone(&behaviour), Arc::clone(&cuts));
                thread::spawn(move || {
                    // A refused or broken connection shows at the client's end.
                    let _ = serve(&client, to, &behaviour, &cuts);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Ok(Self {
            port,
            stop,
            refusing,
            connections,
        })
    }

    /// From now on each new connection is closed at once; those that stand are cut as they were
    /// to be.
    pub fn refuse(&self) {
        self.refusing.store(true, Ordering::SeqCst);
    }

    /// From now on connections are taken again.
    pub fn accept(&self) {
        self.refusing.store(false, Ordering::SeqCst);
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], self.port)));
    }
}

fn serve(
    client: &TcpStream,
    to: u16,
    behaviour: &Behaviour,
    cuts: &Arc<AtomicU64>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", to))?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (client_in, server_out) = (client.try_clone()?, server.try_clone()?);
    let plain = Behaviour {
        delay: behaviour.delay,
        ..Behaviour::default()
    };
    let none = Arc::new(AtomicU64::new(0));
    let up = thread::spawn(move || pump(client_in, server_out, &plain, &none));
    pump(server, client.try_clone()?, behaviour, cuts);
    let _ = up.join();
    Ok(())
}

fn pump(mut from: TcpStream, to: TcpStream, behaviour: &Behaviour, cuts: &Arc<AtomicU64>) {
    let (send, receive) = sync_channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let (delay, trickle) = (behaviour.delay, behaviour.trickle);
    let writer = thread::spawn(move || deliver(to, &receive, delay, trickle));
    forward(&mut from, &send, behaviour, cuts);
    drop(send);
    let _ = writer.join();
    let _ = from.shutdown(Shutdown::Both);
}

fn forward(
    from: &mut TcpStream,
    send: &SyncSender<(Instant, Vec<u8>)>,
    behaviour: &Behaviour,
    cuts: &Arc<AtomicU64>,
) {
    let mut buffer = vec![0; CHUNK];
    let mut passed = 0u64;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            return;
        }
        let mut bytes = buffer[..count].to_vec();
        let by_count = behaviour
            .cut_after
            .filter(|limit| passed + count as u64 > *limit)
            .map(|limit| usize::try_from(limit - passed.min(limit)).unwrap_or(0));
        let by_text = behaviour.cut_at.as_ref().and_then(|wanted| {
            bytes
                .windows(wanted.len())
                .position(|window| window == wanted.as_slice())
        });
        if let Some(keep) = by_count.or(by_text) {
            let left = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if left.is_ok() {
                bytes.truncate(keep);
                let _ = send.send((Instant::now(), bytes));
                return;
            }
        }
        passed += count as u64;
        if send.send((Instant::now(), bytes)).is_err() {
            return;
        }
    }
}

fn deliver(
    mut to: TcpStream,
    receive: &Receiver<(Instant, Vec<u8>)>,
    delay: Duration,
    trickle: Option<Duration>,
) {
    for (came, bytes) in receive {
        let due = came + delay;
        let now = Instant::now();
        if due > now {
            thread::sleep(due - now);
        }
        let sent = match trickle {
            Some(pause) => bytes.iter().try_for_each(|byte| {
                thread::sleep(pause);
                to.write_all(&[*byte])
            }),
            None => to.write_all(&bytes),
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
