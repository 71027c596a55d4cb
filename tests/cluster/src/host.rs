//! What the host must bring: root, Debian packages, Go.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::debian::{self, apt};
use crate::error::{Error, Result};
use crate::run;

/// The Debian packages that the build and the node call.
pub const PACKAGES: [&str; 14] = [
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containernetworking-plugins",
    "gcc",
    "iproute2",
    "ipset",
    "iptables",
    "libc6-dev",
    "libseccomp-dev",
    "nftables",
    "pkg-config",
    "tar",
    "util-linux",
];

/// Oldest Go that can fetch the Go it needs as a module.
const OLDEST_GO: (u32, u32) = (1, 21);

/// Fails unless root.
pub fn require_root() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        Ok(())
    } else {
        Err(Error::NotRoot)
    }
}

/// Installs missing Debian packages as root; otherwise says what to type.
pub fn require_packages(report: fn(&str)) -> Result<()> {
    debian::require(&PACKAGES, report)
}

/// A usable Go.
#[derive(Debug)]
pub struct Go {
    /// The program.
    pub program: PathBuf,
    /// Proxies without `direct`, which would reach for repositories.
    pub proxy: String,
}

impl Go {
    /// Finds Go; as root installs Debian's when it is recent enough.
    pub fn require(report: fn(&str)) -> Result<Self> {
        let found = find_go();
        let (program, version) = if let Some(found) = found {
            found
        } else {
            install_go(report)?;
            find_go()
                .ok_or_else(|| go_error("Debian's package golang-go brought no `go`".to_owned()))?
        };
        if version < OLDEST_GO {
            return Err(go_error(format!(
                "{} is Go {}.{}",
                program.display(),
                version.0,
                version.1
            )));
        }
        let listed = run::output(Command::new(&program).args(["env", "GOPROXY"]))?;
        Ok(Self {
            program,
            proxy: proxy_without_direct(listed.trim()),
        })
    }

    /// A `go` command that neither leaves the proxies nor heeds the caller's settings; it
    /// fetches the Go that a module asks for when this one is older.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("GOPROXY", &self.proxy)
            .env("GOFLAGS", "-buildvcs=false")
            .env("GOWORK", "off")
            .env("GOTOOLCHAIN", "local+auto")
            .env("GOEXPERIMENT", "")
            .stdin(Stdio::null());
        command
    }
}

fn find_go() -> Option<(PathBuf, (u32, u32))> {
    ["go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go"]
        .into_iter()
        .find_map(|program| {
            let text = run::output(
                Command::new(program)
                    .args(["env", "GOVERSION"])
                    .env("GOTOOLCHAIN", "local"),
            )
            .ok()?;
            Some((PathBuf::from(program), go_version(&text)?))
        })
}

fn install_go(report: fn(&str)) -> Result<()> {
    let missing = |found: &str| go_error(found.to_owned());
    require_root().map_err(|_| missing("none is installed"))?;
    report("Go is missing: asking Debian for it");
    let _lock = debian::lock()?;
    apt(&["update"]).map_err(because("none is installed and apt-get update failed"))?;
    let policy =
        run::output(Command::new("apt-cache").args(["show", "--no-all-versions", "golang-go"]))
            .map_err(because("none is installed and Debian offers none"))?;
    let offered = debian_go_version(&policy)
        .ok_or_else(|| missing("none is installed and Debian offers none"))?;
    if offered < OLDEST_GO {
        return Err(missing(&format!(
            "none is installed and Debian offers Go {}.{}",
            offered.0, offered.1
        )));
    }
    debian::install(&["golang-go"])
        .map_err(because("none is installed and installing golang-go failed"))
}

fn go_error(found: String) -> Error {
    Error::Go {
        found,
        remedy: "install a current Go in /usr/local/go or put it in PATH".to_owned(),
        source: None,
    }
}

/// The same with what apt said.
fn because(found: &str) -> impl FnOnce(Error) -> Error + use<'_> {
    move |cause| match go_error(found.to_owned()) {
        Error::Go { found, remedy, .. } => Error::Go {
            found,
            remedy,
            source: Some(Box::new(cause)),
        },
        other => other,
    }
}

/// Major and minor out of `go1.26.8`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text
        .trim()
        .strip_prefix("go")?
        .split(['.', 'r', 'b', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Major and minor out of `Version: 2:1.24~2`.
fn debian_go_version(control: &str) -> Option<(u32, u32)> {
    let version = control
        .lines()
        .find_map(|line| line.strip_prefix("Version: "))?;
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let mut numbers = version.split(['.', '~', '-', '+']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn proxy_without_direct(listed: &str) -> String {
    let mut kept = String::new();
    for (index, part) in listed.split_inclusive([',', '|']).enumerate() {
        let (name, separator) = match part.char_indices().last() {
            Some((position, separator @ (',' | '|'))) => (&part[..position], Some(separator)),
            _ => (part, None),
        };
        if name != "direct" && (index == 0 || !name.is_empty()) {
            kept.push_str(name);
            kept.extend(separator);
        }
    }
    kept.trim_end_matches([',', '|']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_is_dropped_and_the_rest_kept_in_order() {
        assert_eq!(
            proxy_without_direct("https://a.example,direct"),
            "https://a.example"
        );
        assert_eq!(
            proxy_without_direct("https://a.example|https://b.example,direct"),
            "https://a.example|https://b.example"
        );
        assert_eq!(
            proxy_without_direct("direct,https://a.example"),
            "https://a.example"
        );
        assert_eq!(proxy_without_direct("off"), "off");
    }

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!(go_version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(go_version("go1.27rc1"), Some((1, 27)));
        assert_eq!(go_version("devel"), None);
        assert_eq!(
            debian_go_version("Package: golang-go\nVersion: 2:1.24~2\n"),
            Some((1, 24))
        );
        assert_eq!(debian_go_version("Package: golang-go\n"), None);
    }
}
