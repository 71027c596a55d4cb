//! Debian packages that the tests and the try-out call.

use std::process::Command;

use anyhow::bail;

use crate::{progress::say, shell};

/// What the tests call: a second mail server and client, an SQL server, a TLS tool, a clock that
/// jumps.
pub const TESTS: [&str; 8] = [
    "curl",
    "dovecot-imapd",
    "libfaketime",
    "openssl",
    "postgresql",
    "pst-utils",
    "python3",
    "swaks",
];
/// The servers, the peers and the witness of the benchmark.
pub const BENCH: [&str; 4] = ["dovecot-imapd", "isync", "offlineimap3", "python3"];
/// What the tests with GreenMail call besides.
pub const GREENMAIL: [&str; 2] = ["default-jre-headless", "maven"];
/// What the try-out calls.
pub const TRY_OUT: [&str; 2] = ["curl", "openssl"];

/// Installs what is missing as root; otherwise says what to type.
pub fn require(packages: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|name| !installed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !nix::unistd::geteuid().is_root() {
        bail!("missing Debian packages: sudo apt-get install --no-install-recommends {list}");
    }
    say(&format!("    apt-get install {list}"));
    let apt = |arguments: &[&str]| {
        shell::output(
            Command::new("apt-get")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .args(arguments),
        )
    };
    apt(&["update"])?;
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(missing);
    apt(&install).map(drop)
}

fn installed(package: &str) -> bool {
    Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status}", package])
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}
