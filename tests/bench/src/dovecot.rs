//! A Dovecot of its own: its own folder, ports, users and log; gone when dropped.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::unistd::{Gid, Uid, chown};

/// Password of every user.
pub const PASSWORD: &str = "mot-de-passe";

/// How messages are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One file per message.
    Maildir,
    /// Dovecot's many messages per file.
    Mdbox,
}

/// What kind of server to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// How messages are stored.
    pub format: Format,
    /// Capabilities to announce instead of the usual ones.
    pub capability: Option<String>,
    /// Bytes that each mailbox may hold.
    pub quota: Option<u64>,
    /// Separator and prefix of the personal namespace.
    pub namespace: (char, String),
    /// Value of `mail_fsync`.
    pub fsync: &'static str,
    /// Further settings.
    pub extra: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::Mdbox,
            capability: None,
            quota: None,
            namespace: ('/', String::new()),
            fsync: "optimized",
            extra: String::new(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Dovecot {
    directory: PathBuf,
    /// Port for cleartext and STARTTLS.
    pub port: u16,
    /// Port for TLS.
    pub tls_port: u16,
    child: Child,
}

/// The command that installs what is needed.
pub const INSTALL: &str = "apt-get install -y dovecot-imapd";

impl Dovecot {
    /// Starts a server whose files live in `directory`, and waits until it answers.
    pub fn start(directory: &Path, options: &Options) -> anyhow::Result<Self> {
        Self::start_on(directory, options, free_ports()?)
    }

    /// The same on given ports: cleartext, TLS.
    pub fn start_on(
        directory: &Path,
        options: &Options,
        (port, tls_port): (u16, u16),
    ) -> anyhow::Result<Self> {
        let binary = ["/usr/sbin/dovecot", "/usr/local/sbin/dovecot"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .with_context(|| format!("failed to find dovecot; as root: {INSTALL}"))?;
        end_orphan(directory)?;
        prepare(directory)?;
        let configuration = directory.join("dovecot.conf");
        fs::write(&configuration, render(directory, options, port, tls_port))?;
        let child = Command::new(binary)
            .arg("-F")
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("stderr"))?)
            .spawn()
            .context("failed to start dovecot")?;
        let mut server = Self {
            directory: directory.to_owned(),
            port,
            tls_port,
            child,
        };
        server.wait_until_up()?;
        Ok(server)
    }

    fn wait_until_up(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let up = [self.port, self.tls_port]
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok());
            if up {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("failed to start dovecot: {}", self.log());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The end of what the server logged.
    pub fn log(&self) -> String {
        let lines: Vec<String> = ["stderr", "log"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.directory.join(name)).ok())
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The mailbox folder of a user.
    pub fn mailbox(&self, user: &str) -> PathBuf {
        mailbox(&self.directory, user)
    }

    /// The configuration, for `doveadm -c`.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("dovecot.conf")
    }

    /// The certificate, which signs itself.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    /// The master process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Where a server started in `directory` keeps a user's mail.
pub fn mailbox(directory: &Path, user: &str) -> PathBuf {
    directory.join("mail").join(user)
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // The master ends its children on SIGTERM.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        if pid.as_raw() > 0 {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

/// Ends the server that a killed run left behind in this very folder.
fn end_orphan(directory: &Path) -> anyhow::Result<()> {
    let Ok(text) = fs::read_to_string(directory.join("run/master.pid")) else {
        return Ok(());
    };
    let Ok(number) = text.trim().parse::<i32>() else {
        return Ok(());
    };
    let alive = || {
        fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|line| {
            let wanted = directory.join("dovecot.conf");
            String::from_utf8_lossy(&line)
                .split('\0')
                .any(|word| Path::new(word) == wanted)
        })
    };
    if !alive() {
        return Ok(());
    }
    let pid = nix::unistd::Pid::from_raw(number);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while alive() {
        if Instant::now() > deadline {
            bail!("failed to end the server of an earlier run, process {number}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn free_ports() -> anyhow::Result<(u16, u16)> {
    let (first, second) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    Ok((first.local_addr()?.port(), second.local_addr()?.port()))
}

/// The account that owns the mail: nobody when we are root, ourselves otherwise.
fn owner() -> (Uid, Gid) {
    if Uid::effective().is_root() {
        (Uid::from_raw(65534), Gid::from_raw(65534))
    } else {
        (Uid::effective(), Gid::effective())
    }
}

/// Gives a folder to the account that serves it, with everything in it.
pub fn give_to_server(path: &Path) -> anyhow::Result<()> {
    let (uid, gid) = owner();
    chown(path, Some(uid), Some(gid))
        .with_context(|| format!("failed to chown {}", path.display()))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to_server(&entry?.path())?;
        }
    }
    Ok(())
}

fn prepare(directory: &Path) -> anyhow::Result<()> {
    for part in ["run", "state", "mail", "home"] {
        fs::create_dir_all(directory.join(part))?;
    }
    // The server's unprivileged processes must pass through.
    let mut path = Some(directory);
    while let Some(part) = path.filter(|part| part.starts_with(std::env::temp_dir())) {
        let mut mode = fs::metadata(part)?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(
            &mut mode,
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(part)?.permissions()) | 0o111,
        );
        if part != std::env::temp_dir() {
            fs::set_permissions(part, mode)?;
        }
        path = part.parent();
    }
    give_to_server(&directory.join("mail"))?;
    give_to_server(&directory.join("home"))?;
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()])?;
    fs::write(directory.join("cert.pem"), pair.cert.pem())?;
    fs::write(directory.join("key.pem"), pair.signing_key.serialize_pem())?;
    Ok(())
}

fn render(directory: &Path, options: &Options, port: u16, tls_port: u16) -> String {
    let root = directory.display();
    let (uid, gid) = owner();
    let location = match options.format {
        Format::Maildir => format!("maildir:{root}/mail/%u"),
        Format::Mdbox => format!("mdbox:{root}/mail/%u"),
    };
    let (separator, prefix) = &options.namespace;
    let mut text = format!(
        "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/log\n\
         protocols = imap\nlisten = 127.0.0.1\nssl = yes\n\
         ssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem\nssl_min_protocol = TLSv1.2\n\
         disable_plaintext_auth = no\nauth_mechanisms = plain login\n\
         first_valid_uid = 1\nfirst_valid_gid = 1\n\
         mail_location = {location}\nmail_fsync = {}\nmail_max_userip_connections = 1000\n\
         mail_max_keyword_length = 200\nmail_always_cache_fields =\n\
         passdb {{\n  driver = static\n  args = password={}\n}}\n\
         userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={root}/home/%u\n}}\n\
         namespace inbox {{\n  inbox = yes\n  separator = {separator}\n  prefix = {prefix}\n}}\n\
         service imap-login {{\n  service_count = 0\n\
         \x20 inet_listener imap {{\n    port = {port}\n  }}\n\
         \x20 inet_listener imaps {{\n    port = {tls_port}\n    ssl = yes\n  }}\n}}\n",
        options.fsync, PASSWORD,
    );
    if !Uid::effective().is_root() {
        let name = nix::unistd::User::from_uid(uid)
            .ok()
            .flatten()
            .map(|user| user.name);
        let name = name.unwrap_or_else(|| uid.to_string());
        let _ = write!(
            text,
            "default_internal_user = {name}\ndefault_login_user = {name}\n\
             service anvil {{\n  chroot =\n}}\nservice imap-login {{\n  chroot =\n}}\n\
             service stats {{\n  chroot =\n}}\n"
        );
    }
    if let Some(capability) = &options.capability {
        let _ = writeln!(text, "imap_capability = {capability}");
    }
    if let Some(bytes) = options.quota {
        let _ = write!(
            text,
            "mail_plugins = quota\nprotocol imap {{\n  mail_plugins = quota imap_quota\n}}\n\
             plugin {{\n  quota = count:User quota\n  quota_rule = *:bytes={bytes}\n\
             \x20 quota_vsizes = yes\n  quota_grace = 0\n}}\n"
        );
    }
    text.push_str(&options.extra);
    text
}
