//! Servers of other makers, private ones on loopback: Cyrus (strict) and GreenMail (sloppy).
//!
//! Cyrus' package excludes Dovecot's, so its files are unpacked into a cache instead of being
//! installed. GreenMail is a Maven artifact. `None` when a tool to fetch them is absent; that is
//! said aloud.

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

const PACKAGES: [&str; 5] = [
    "cyrus-imapd",
    "cyrus-common",
    "libxapian30",
    "libpcre3",
    "libical3",
];
const GREENMAIL: &str = "2.1.3";

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

#[allow(clippy::print_stderr, reason = "a skipped test says so")]
fn absent(what: &str, how: &str) {
    eprintln!("SKIPPED: {what} cannot be fetched here; {how}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("address").port()
}

/// Fills a folder of the cache once, whoever comes first.
fn fetched(name: &str, fill: impl FnOnce(&Path) -> bool) -> Option<PathBuf> {
    let place = cache(name);
    if place.is_dir() {
        return Some(place);
    }
    fs::create_dir_all(place.parent().expect("it has one")).expect("folder");
    let partial = tempfile::tempdir_in(place.parent().expect("it has one")).expect("folder");
    if !fill(partial.path()) {
        return None;
    }
    fs::set_permissions(partial.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    // Another test may have been faster.
    if fs::rename(partial.path(), &place).is_ok() {
        let _ = partial.keep();
    }
    place.is_dir().then_some(place)
}

fn ran(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Debian's Cyrus in `directory`, with the mailbox `agent01`; any password opens it.
pub fn cyrus(directory: &Path) -> Option<Foreign> {
    let files = fetched("cyrus", |place| {
        ran(Command::new("apt-get")
            .arg("-qq")
            .arg("download")
            .args(PACKAGES)
            .current_dir(place))
            && fs::read_dir(place).expect("list").flatten().all(|entry| {
                let package = entry.path();
                package.is_dir() || ran(Command::new("dpkg-deb").arg("-x").arg(&package).arg(place))
            })
    });
    let Some(files) = files else {
        absent("Cyrus", "apt-get download cyrus-imapd must work");
        return None;
    };
    let root = directory.display();
    let port = free_port();
    for part in ["conf", "spool", "sock", "proc", "lock"] {
        fs::create_dir_all(directory.join(part)).expect("folder");
    }
    let binaries = files.join("usr/lib/cyrus/bin");
    let user = if nix::unistd::Uid::effective().is_root() {
        "nobody".to_owned()
    } else {
        std::env::var("USER").expect("USER is set")
    };
    let settings = format!(
        "configdirectory: {root}/conf\npartition-default: {root}/spool\n\
         defaultpartition: default\nadmins: admin\ncyrus_user: {user}\nallowplaintext: yes\n\
         sasl_pwcheck_method: alwaystrue\nsasl_mech_list: PLAIN\nunixhierarchysep: no\n\
         altnamespace: no\nvirtdomains: off\nidlesocket: {root}/sock/idle\n\
         notifysocket: {root}/sock/notify\nlmtpsocket: {root}/sock/lmtp\n\
         mboxname_lockpath: {root}/lock\nproc_path: {root}/proc\n"
    );
    fs::write(directory.join("imapd.conf"), settings).expect("settings");
    let (run, settings) = (binaries.display(), directory.join("imapd.conf"));
    let conf = settings.display();
    let services = format!(
        "START {{\n  recover cmd=\"{run}/ctl_cyrusdb -C {conf} -r\"\n}}\n\
         SERVICES {{\n  imap cmd=\"{run}/imapd -C {conf}\" listen=\"127.0.0.1:{port}\" \
         prefork=0\n}}\nEVENTS {{\n}}\n"
    );
    fs::write(directory.join("cyrus.conf"), services).expect("settings");
    melouvert_bench::dovecot::give_to_server(directory).expect("chown");
    // The server's unprivileged processes must pass through.
    let mut path = Some(directory);
    while let Some(part) = path.filter(|part| *part != std::env::temp_dir()) {
        if part.starts_with(std::env::temp_dir()) {
            fs::set_permissions(part, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        path = part.parent();
    }
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
        .map(|part| files.join(part).display().to_string())
        .join(":");
    let child = Command::new(binaries.join("master"))
        .env("LD_LIBRARY_PATH", libraries)
        .arg("-D")
        .arg("-C")
        .arg(&settings)
        .arg("-M")
        .arg(directory.join("cyrus.conf"))
        .arg("-p")
        .arg(directory.join("master.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("cyrus starts");
    let directory = directory.to_owned();
    let server = Foreign {
        port,
        directory,
        child,
    };
    server.wait();
    server.ask("admin", &["CREATE user.agent01"]);
    Some(server)
}

/// GreenMail with the user `agent01`.
pub fn greenmail(directory: &Path, password: &str) -> Option<Foreign> {
    let files = fetched("greenmail", |place| {
        ran(Command::new("mvn")
            .args(["-q", "-B", "dependency:copy"])
            .arg(format!(
                "-Dartifact=com.icegreen:greenmail-standalone:{GREENMAIL}"
            ))
            .arg(format!("-DoutputDirectory={}", place.display())))
    });
    let Some(files) = files else {
        absent("GreenMail", "java and mvn must be installed");
        return None;
    };
    let port = free_port();
    let child = Command::new("java")
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
        .arg(format!("-Dgreenmail.imap.port={port}"))
        .arg("-Dgreenmail.imap.hostname=127.0.0.1")
        .arg(format!("-Dgreenmail.users=agent01:{password}"))
        .arg("-Dgreenmail.users.login=local_part")
        .arg("-jar")
        .arg(files.join(format!("greenmail-standalone-{GREENMAIL}.jar")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("stderr")).expect("file"))
        .spawn();
    let Ok(child) = child else {
        absent("GreenMail", "java must be installed");
        return None;
    };
    let directory = directory.to_owned();
    let server = Foreign {
        port,
        directory,
        child,
    };
    server.wait();
    Some(server)
}

impl Foreign {
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
