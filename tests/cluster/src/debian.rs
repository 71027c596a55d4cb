//! Debian packages of the host: what is missing is installed as root, or named.

use std::fs;
use std::process::{Command, Stdio};

use crate::error::{At as _, Error, Result};
use crate::host::require_root;
use crate::layout::{cache_root, lock_file};
use crate::run;

/// Installs those of `packages` that are missing; without root it says what to type.
///
/// # Errors
/// When something is missing and this is not root, or apt-get fails.
pub fn require(packages: &[&str], report: fn(&str)) -> Result<()> {
    let absent = || missing(packages, &installed(packages));
    let list = absent().join(" ");
    if list.is_empty() {
        return Ok(());
    }
    let failed = |source| Error::Packages {
        command: format!(
            "sudo apt-get update && sudo apt-get install --yes --no-install-recommends {list}"
        ),
        missing: list.clone(),
        source: Box::new(source),
    };
    require_root().map_err(failed)?;
    let _lock = lock().map_err(failed)?;
    // Whoever held it before may have installed them.
    let absent = absent();
    if absent.is_empty() {
        return Ok(());
    }
    report(&format!("installing Debian packages: {}", absent.join(" ")));
    apt(&["update"]).map_err(failed)?;
    install(&absent).map_err(failed)
}

/// One of our commands asks Debian for something at a time: apt-get waits for its own lock while it
/// installs, not while it reads lists. Dropping it lets the next one in.
pub(crate) fn lock() -> Result<fs::File> {
    let root = cache_root();
    fs::create_dir_all(&root).at("create", &root)?;
    lock_file(&root.join("apt.lock"))
}

/// `apt-get install` without recommended packages nor questions.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let options = ["install", "--yes", "--no-install-recommends"];
    apt(&[&options[..], packages].concat())
}

pub(crate) fn apt(arguments: &[&str]) -> Result<()> {
    run::output(
        Command::new("apt-get")
            // The machine's own updates may be under way.
            .args(["-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .map(drop)
}

/// `NAME STATUS PROVIDES` lines; empty where there is no dpkg.
fn installed(packages: &[&str]) -> String {
    // dpkg-query fails when one of the names is unknown, and still lists the others.
    Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat",
            "${Package} ${db:Status-Status} ${Provides}\n",
        ])
        .args(packages)
        .arg("pkgconf")
        .stdin(Stdio::null())
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

fn missing<'a>(packages: &[&'a str], installed: &str) -> Vec<&'a str> {
    let present = |package: &str| {
        installed.lines().any(|line| {
            let mut words = line.split([' ', ',']);
            let name = words.next();
            words.next() == Some("installed")
                && (name == Some(package) || words.any(|word| word == package))
        })
    };
    packages
        .iter()
        .copied()
        .filter(|package| !present(package))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_package_is_missing_and_a_provided_one_is_not() {
        let listed =
            "curl installed \npkgconf installed pkg-config (= 1.8.1)\nnftables config-files \n";
        let wanted = ["curl", "nftables", "pkg-config"];
        assert_eq!(missing(&wanted, listed), ["nftables"]);
        assert_eq!(missing(&wanted, "").len(), wanted.len());
    }
}
