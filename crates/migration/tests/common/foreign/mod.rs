//! Servers of other makers, private ones on loopback: Cyrus (strict) and GreenMail (sloppy).
//!
//! What they are made of is fetched once into a cache.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod cyrus;
pub mod greenmail;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; gone when dropped.
pub struct Foreign {
    pub port: u16,
    directory: PathBuf,
    child: Child,
}

fn cache(name: &str) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    // Cyrus does not stay root, and nobody else passes through root's home.
    if nix::unistd::Uid::effective().is_root() {
        return Path::new("/var/cache/melouvert-foreign").join(name);
    }
    let root = variable("MELOUVERT_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|path| path.join("melouvert")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache/melouvert")))
        .expect("HOME is set");
    root.join("foreign").join(name)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}

/// Fills a folder of the cache once, whoever comes first.
fn fetched(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let place = cache(name);
    if place.is_dir() {
        return place;
    }
    let parent = place.parent().expect("it has one");
    fs::create_dir_all(parent).expect("folder");
    let partial = tempfile::tempdir_in(parent).expect("folder");
    fill(partial.path());
    fs::set_permissions(partial.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    // Another test may have been faster.
    if fs::rename(partial.path(), &place).is_ok() {
        let _ = partial.keep();
    }
    assert!(place.is_dir(), "{} cannot be filled", place.display());
    place
}

/// Runs a command to its end; `how` says what it takes.
fn run(command: &mut Command, how: &str) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; {how}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}; {how}");
}

impl Foreign {
    /// Waits until it greets.
    fn started(port: u16, directory: &Path, child: Child) -> Self {
        let server = Self {
            port,
            directory: directory.to_owned(),
            child,
        };
        server.wait();
        server
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while !self.greets() {
            let place = self.directory.display();
            assert!(
                Instant::now() < deadline,
                "no greeting; its files are in {place}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("* OK")
    }

    /// Runs commands one after the other; returns everything that was said.
    pub fn ask(&self, user: &str, commands: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("timeout");
        let mut lines = BufReader::new(stream.try_clone().expect("clone"));
        let mut said = String::new();
        lines.read_line(&mut said).expect("greeting");
        let login = format!("LOGIN {user} {}", melouvert_bench::dovecot::PASSWORD);
        for (number, command) in [login.as_str()].iter().chain(commands).enumerate() {
            let tag = format!("a{number} ");
            stream
                .write_all(format!("{tag}{command}\r\n").as_bytes())
                .expect("send");
            loop {
                let mut line = Vec::new();
                let count = lines.read_until(b'\n', &mut line).expect("an answer");
                let line = String::from_utf8_lossy(&line).into_owned();
                said.push_str(&line);
                if count == 0 || line.starts_with(&tag) {
                    assert!(line.starts_with(&format!("{tag}OK")), "{command}: {said}");
                    break;
                }
            }
        }
        said
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        if pid.as_raw() > 0 {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}
