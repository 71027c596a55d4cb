//! The door of our own store, as the tenants' Dovecot has it, for a Dovecot of the tests' own: a
//! second listener that syncs nothing per message, and everything at each login.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::Context;

use crate::dovecot::Options;

/// What the door announces.
pub const CAPABILITY: &str = "X-SYNC-ON-LOGIN";
/// The script of the tenants' image, and where it finds the mail.
const SYNC_LOGIN: &str =
    include_str!("../../../tenant-template/images/dovecot/files/usr/local/bin/sync-login");
const STORE: &str = "/srv/mail";

/// Adds the door to a server whose mail is under `mail`, one file per message; its script goes into
/// `directory`. Returns its port, for cleartext.
pub fn open(options: &mut Options, directory: &Path, mail: &Path) -> anyhow::Result<u16> {
    let script = directory.join("sync-login");
    let text = SYNC_LOGIN.replace(STORE, &mail.display().to_string());
    fs::write(&script, text).with_context(|| format!("failed to write {}", script.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let (mail, script) = (mail.display(), script.display());
    let _ = write!(
        options.extra,
        "mail_location = sdbox:{mail}/%u\n\
         service imap-door-login {{\n  executable = imap-login -l imap-door\n  type = login\n\
         \x20 user = $default_login_user\n  chroot =\n  service_count = 0\n  client_limit = 100\n\
         \x20 inet_listener imap-door {{\n    port = {port}\n  }}\n}}\n\
         service imap-door {{\n\
         \x20 executable = imap -o mail_fsync=never -o imap_capability=+{CAPABILITY} imap-sync\n\
         \x20 client_limit = 1\n  service_count = 1\n  process_limit = 100\n\
         \x20 unix_listener login/imap-door {{\n    mode = 0666\n  }}\n}}\n\
         service imap-sync {{\n  executable = script-login {script}\n\
         \x20 unix_listener imap-sync {{\n    mode = 0600\n  }}\n}}\n"
    );
    Ok(port)
}
