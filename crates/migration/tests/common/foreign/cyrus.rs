//! Debian's Cyrus. Its package excludes Dovecot's, so its files are unpacked into the cache instead
//! of being installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Foreign, fetched, free_port, run};

/// Cyrus, and of the libraries that it needs those that a system with Dovecot may lack.
const PACKAGES: [&str; 5] = [
    "cyrus-imapd",
    "cyrus-common",
    "libxapian30",
    "libpcre3",
    "libical3",
];
const PARTS: [&str; 5] = ["conf", "spool", "sock", "proc", "lock"];

/// Cyrus in `directory`, with the mailbox `agent01`; any password opens it.
pub fn start(directory: &Path) -> Foreign {
    let files = fetched("cyrus", unpack);
    let binaries = files.join("usr/lib/cyrus/bin");
    let port = free_port();
    for part in PARTS {
        fs::create_dir_all(directory.join(part)).expect("folder");
    }
    configure(directory, &binaries, port);
    melouvert_bench::dovecot::give_to_server(directory).expect("chown");
    let_through(directory);
    let libraries = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"]
        .map(|part| files.join(part).display().to_string())
        .join(":");
    let child = Command::new(binaries.join("master"))
        .env("LD_LIBRARY_PATH", libraries)
        .arg("-D")
        .arg("-C")
        .arg(directory.join("imapd.conf"))
        .arg("-M")
        .arg(directory.join("cyrus.conf"))
        .arg("-p")
        .arg(directory.join("master.pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("stderr")).expect("file"))
        .spawn()
        .expect("cyrus starts");
    let server = Foreign::started(port, directory, child);
    server.ask("admin", &["CREATE user.agent01"]);
    server
}

fn unpack(place: &Path) {
    let mut download = Command::new("apt-get");
    download.arg("-qq").arg("download").args(PACKAGES);
    run(
        download.current_dir(place),
        "as root: apt-get update, on Debian",
    );
    let packages: Vec<PathBuf> = fs::read_dir(place)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .collect();
    for package in packages {
        let mut unpack = Command::new("dpkg-deb");
        run(
            unpack.arg("-x").arg(&package).arg(place),
            "dpkg-deb unpacks packages",
        );
    }
}

fn configure(directory: &Path, binaries: &Path, port: u16) {
    let root = directory.display();
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
    let conf = directory.join("imapd.conf");
    fs::write(&conf, settings).expect("settings");
    let (run, conf) = (binaries.display(), conf.display());
    let services = format!(
        "START {{\n  recover cmd=\"{run}/ctl_cyrusdb -C {conf} -r\"\n}}\n\
         SERVICES {{\n  imap cmd=\"{run}/imapd -C {conf}\" listen=\"127.0.0.1:{port}\" \
         prefork=0\n}}\nEVENTS {{\n}}\n"
    );
    fs::write(directory.join("cyrus.conf"), services).expect("settings");
}

/// Lets the server's unprivileged processes pass.
fn let_through(directory: &Path) {
    let temporary = std::env::temp_dir();
    let parts = directory.ancestors();
    let parts = parts.take_while(|part| part.starts_with(&temporary) && *part != temporary);
    for part in parts {
        fs::set_permissions(part, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
}
