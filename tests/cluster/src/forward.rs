//! Forwarders: from a port on the host's loopback to an address inside a cluster.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroup;
use crate::error::{At as _, Error, Result};
use crate::layout::{Layout, read_json, write_json};
use crate::process::Identity;
use crate::teardown::init;

/// One forwarder, as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// ADDRESS:PORT inside.
    pub target: SocketAddr,
    /// Port on the host's 127.0.0.1.
    pub port: u16,
    /// The forwarder.
    pub process: Identity,
}

/// The forwards of a cluster.
pub fn recorded(layout: &Layout) -> Result<Vec<Forward>> {
    Ok(read_json(&layout.path("forwards.json"))?.unwrap_or_default())
}

/// Starts a forwarder, or returns the one that already leads there. The caller holds the lock.
pub fn ensure(layout: &Layout, target: &str) -> Result<u16> {
    let address: SocketAddr = target
        .parse()
        .map_err(|_| Error::Target(target.to_owned()))?;
    let mut forwards = recorded(layout)?;
    forwards.retain(|forward| forward.process.alive());
    if let Some(forward) = forwards.iter().find(|forward| forward.target == address) {
        return Ok(forward.port);
    }
    let forward = start(layout, address)?;
    let port = forward.port;
    forwards.push(forward);
    write_json(&layout.path("forwards.json"), &forwards)?;
    Ok(port)
}

/// The forwarder says who and where it is on its first line.
fn start(layout: &Layout, target: SocketAddr) -> Result<Forward> {
    let path = layout.log("forward");
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .at("open", &path)?;
    let mut child = Command::new("setsid")
        .arg("--fork")
        .arg(layout.agent())
        .args(["forward", &layout.name, &target.to_string(), "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .when("start setsid (package util-linux)")?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output)
            .read_line(&mut line)
            .when("hear from the forwarder")?;
    }
    child.wait().when("wait for setsid")?;
    serde_json::from_str(&line).map_err(|_| {
        let log = fs::read_to_string(&path).unwrap_or_default();
        Error::Start {
            name: layout.name.clone(),
            message: format!(
                "the forwarder did not start:{}",
                crate::run::indented_tail(&log, 5)
            ),
        }
    })
}

/// Runs a forwarder until its cluster ends.
pub fn serve(layout: &Layout, target: &str, port: &str) -> Result<()> {
    let target: SocketAddr = target
        .parse()
        .map_err(|_| Error::Target(target.to_owned()))?;
    let port: u16 = port.parse().map_err(|_| Error::Target(port.to_owned()))?;
    Cgroup::new(&layout.cgroup())?.join()?;
    let node = init(layout)?.ok_or_else(|| Error::NotRunning(layout.name.clone()))?;
    let path = PathBuf::from(format!("/proc/{}/ns/net", node.pid));
    let network = Arc::new(File::open(&path).at("open", &path)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .when(format!("listen on 127.0.0.1:{port}"))?;
    let port = listener.local_addr().when("read the port")?.port();
    let forward = Forward {
        target,
        port,
        process: Identity::of_self()?,
    };
    let mut line = serde_json::to_vec(&forward)
        .map_err(io::Error::from)
        .when("encode the forward")?;
    line.push(b'\n');
    io::stdout()
        .lock()
        .write_all(&line)
        .when("report the port")?;

    std::thread::spawn(move || {
        while node.alive() {
            std::thread::sleep(Duration::from_secs(1));
        }
        // The open namespace would outlive its cluster.
        std::process::exit(0);
    });
    loop {
        let (client, _) = listener.accept().when("accept a connection")?;
        let network = Arc::clone(&network);
        // Detached: a connection ends with either of its ends.
        std::thread::spawn(move || {
            if let Err(error) = carry(&client, &network, target) {
                crate::agent::complain(&error);
            }
        });
    }
}

/// Carries one connection. The socket made after `setns` belongs to the cluster's network for
/// good, whatever this thread does later.
fn carry(client: &TcpStream, network: &File, target: SocketAddr) -> Result<()> {
    setns(network, CloneFlags::CLONE_NEWNET).when("enter the cluster's network")?;
    let server = TcpStream::connect_timeout(&target, Duration::from_secs(10))
        .when(format!("connect to {target}"))?;
    for stream in [client, &server] {
        stream.set_nodelay(true).when("set up a connection")?;
    }
    std::thread::scope(|scope| {
        scope.spawn(|| pass(client, &server));
        pass(&server, client);
    });
    Ok(())
}

/// Copies one direction; a broken connection ends it like a closed one.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    if io::copy(&mut from, &mut to).is_err() {
        let _ = from.shutdown(Shutdown::Both);
    }
    let _ = to.shutdown(Shutdown::Write);
}
