//! Debian root file systems: mmdebstrap with this machine's own mirrors.

use super::error::{Error, io};
use super::recipe::Recipe;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const RELEASE: &str = "trixie";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether this process runs as root.
pub(super) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The two archives that Debian 13 comes from.
#[derive(Debug, Clone)]
pub(super) struct Mirrors {
    main: String,
    security: String,
    /// `Acquire::…` settings of this machine (proxies, validity) in apt's syntax.
    options: Vec<String>,
}

impl Mirrors {
    /// Reads the archives from the environment or from apt's configuration.
    pub fn of_this_machine() -> Result<Self, Error> {
        let targets = run(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(LABEL)|$(REPO_URI)",
            "Created-By: Packages",
        ]))?;
        let find = |label: &'static str, variable: &'static str| {
            std::env::var(variable)
                .ok()
                .or_else(|| labelled(&targets, label))
                .ok_or(Error::NoMirror { label, variable })
        };
        Ok(Self {
            main: find("Debian", "MELOUVERT_DEBIAN_MIRROR")?,
            security: find("Debian-Security", "MELOUVERT_DEBIAN_SECURITY_MIRROR")?,
            options: inherited_options(&run(Command::new("apt-config").arg("dump"))?),
        })
    }

    fn sources(&self) -> [String; 2] {
        [
            format!("deb [signed-by={KEYRING}] {} {RELEASE} main", self.main),
            format!(
                "deb [signed-by={KEYRING}] {} {RELEASE}-security main",
                self.security
            ),
        ]
    }
}

fn labelled(targets: &str, label: &str) -> Option<String> {
    targets
        .lines()
        .filter_map(|line| line.split_once('|'))
        .find(|(found, _)| *found == label)
        .map(|(_, uri)| uri.to_owned())
}

/// The lines of `apt-config dump` that decide how archives are reached.
fn inherited_options(dump: &str) -> Vec<String> {
    dump.lines()
        .filter(|line| {
            ["Acquire::http::", "Acquire::https::", "Acquire::Check-"]
                .iter()
                .any(|prefix| line.starts_with(prefix))
                && !line.ends_with("\"\";")
        })
        .map(str::to_owned)
        .collect()
}

/// One package as unpacked in a root.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub name: String,
    /// Its control paragraph.
    pub control: String,
}

/// An unpacked root with what is known about it.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// Where it lies.
    pub root: PathBuf,
    /// Kept packages, sorted by file name.
    pub packages: Vec<Package>,
    /// Absolute paths that came with dropped packages.
    pub dropped: BTreeSet<String>,
}

/// Unpacks the recipe's packages and their dependencies into `root`, without running any of
/// their scripts: what these would do for a container is in the recipe's files.
pub(super) fn unpack(recipe: &Recipe, mirrors: &Mirrors, root: PathBuf) -> Result<Unpacked, Error> {
    let mut command = Command::new("mmdebstrap");
    command.args([
        "--quiet",
        "--mode=root",
        "--variant=extract",
        "--format=directory",
    ]);
    command.arg("--skip=essential/unlink,cleanup/apt");
    command.arg(format!("--include={}", recipe.packages.join(",")));
    for option in &mirrors.options {
        command.arg(format!("--aptopt={option}"));
    }
    command.arg(RELEASE).arg(&root).args(mirrors.sources());
    run(&mut command)?;

    let mut unpacked = Unpacked {
        root,
        packages: Vec::new(),
        dropped: BTreeSet::new(),
    };
    let archives = unpacked.root.join("var/cache/apt/archives");
    let mut debs: Vec<PathBuf> = std::fs::read_dir(&archives)
        .map_err(io("list", &archives))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    debs.sort();
    for deb in debs {
        unpacked.register(&deb, recipe)?;
    }
    Ok(unpacked)
}

impl Unpacked {
    fn register(&mut self, deb: &Path, recipe: &Recipe) -> Result<(), Error> {
        let file = deb.file_name().unwrap_or_default().to_string_lossy();
        let name = file.split('_').next().unwrap_or(&file).to_owned();
        if recipe.drop.contains(&name) {
            let listing = run(Command::new("sh")
                .args(["-c", "dpkg-deb --fsys-tarfile \"$1\" | tar -t", "sh"])
                .arg(deb))?;
            self.dropped.extend(listing.lines().map(|line| {
                line.trim_start_matches('.')
                    .trim_end_matches('/')
                    .to_owned()
            }));
        } else {
            let control = run(Command::new("dpkg-deb").arg("-f").arg(deb))?;
            self.packages.push(Package { name, control });
        }
        Ok(())
    }
}

/// Runs a command to its end and returns its standard output.
pub(super) fn run(command: &mut Command) -> Result<String, Error> {
    command
        .env("LC_ALL", "C.UTF-8")
        .stdin(std::process::Stdio::null());
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Spawn {
        remedy: format!("apt-get install {program}"),
        program: program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let tail: Vec<&str> = text.lines().rev().take(8).collect();
    Err(Error::Program {
        program: format!("{command:?}"),
        status: output.status,
        output: tail.into_iter().rev().collect::<Vec<_>>().join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_told_apart_by_their_label() {
        let targets = "Debian-Security|http://a.invalid/s/\nDebian|http://a.invalid/d/\n";
        assert_eq!(
            labelled(targets, "Debian").as_deref(),
            Some("http://a.invalid/d/")
        );
        assert_eq!(
            labelled(targets, "Debian-Security").as_deref(),
            Some("http://a.invalid/s/")
        );
        assert_eq!(labelled(targets, "Ubuntu"), None);
    }

    #[test]
    fn a_proxy_is_inherited_and_an_empty_setting_is_not() {
        let dump =
            "Acquire::http::Proxy \"http://p.invalid:1\";\nAcquire::http::X \"\";\nDir \"/\";";
        assert_eq!(
            inherited_options(dump),
            ["Acquire::http::Proxy \"http://p.invalid:1\";"]
        );
    }
}
