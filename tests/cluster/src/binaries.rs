//! Builds upstream's programs from the Go modules next to this crate, once per content.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::error::{At as _, Error, Result};
use crate::host::Go;
use crate::layout::{cache_root, lock_file};
use crate::{images, run};

/// Raise it when the way of building changes in a way the keys do not see.
const GENERATION: &str = "1";

/// One Go module and what is built from it.
struct Module {
    folder: &'static str,
    packages: &'static [&'static str],
    /// Other names of the one program built.
    links: &'static [&'static str],
    /// Linked against C: the build tag.
    cgo: Option<&'static str>,
    flags: &'static str,
    /// What a person may expect on two cores, in seconds.
    usual_seconds: u32,
}

const STRIPPED: &str = "-s -w";
/// A quarter less time on two cores, together with [`COLLECT_LATE`]: what is stripped in the end is
/// not made, and packages are compiled side by side rather than each in several threads.
const COMPILER: &str = "-gcflags=all=-dwarf=false -c=1";
/// The compiler's own `GOGC`: it collects less often.
const COLLECT_LATE: &str = "400";

const MODULES: [Module; 8] = [
    Module {
        folder: "kube",
        packages: &["."],
        links: &[
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubectl",
        ],
        cgo: None,
        flags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
        usual_seconds: 480,
    },
    Module {
        folder: "containerd",
        packages: &[
            "github.com/containerd/containerd/v2/cmd/containerd",
            "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            "github.com/containerd/containerd/v2/cmd/ctr",
        ],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 115,
    },
    Module {
        folder: "runc",
        packages: &["github.com/opencontainers/runc"],
        links: &[],
        cgo: Some("seccomp"),
        flags: STRIPPED,
        usual_seconds: 20,
    },
    Module {
        folder: "netpol",
        packages: &["."],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 15,
    },
    Module {
        folder: "coredns",
        packages: &["."],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 60,
    },
    Module {
        folder: "local-path-provisioner",
        packages: &["github.com/rancher/local-path-provisioner"],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 20,
    },
    Module {
        folder: "helm",
        packages: &["helm.sh/helm/v4/cmd/helm"],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 200,
    },
    Module {
        folder: "kubeconform",
        packages: &["github.com/yannh/kubeconform/cmd/kubeconform"],
        links: &[],
        cgo: None,
        flags: STRIPPED,
        usual_seconds: 5,
    },
];

impl Module {
    fn source(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder)
    }

    fn arguments(&self) -> Vec<String> {
        let tags = self.cgo.unwrap_or("netgo");
        let mut arguments = vec![
            "-tags".to_owned(),
            tags.to_owned(),
            format!("-ldflags={}", self.flags),
            COMPILER.to_owned(),
        ];
        arguments.extend(self.packages.iter().map(|package| (*package).to_owned()));
        arguments
    }

    /// Hash of the module's files and of how it is built.
    fn key(&self) -> Result<String> {
        let source = self.source();
        let mut files: Vec<PathBuf> = fs::read_dir(&source)
            .at("list", &source)?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|kind| ["mod", "sum", "go"].iter().any(|known| kind == *known))
            })
            .collect();
        files.sort();
        let mut parts = vec![
            GENERATION.to_owned(),
            std::env::consts::ARCH.to_owned(),
            self.links.join(" "),
        ];
        parts.extend(self.arguments());
        for file in files {
            parts.push(
                file.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
            );
            parts.push(fs::read_to_string(&file).at("read", &file)?);
        }
        Ok(key_of(&parts))
    }

    fn build(&self, go: &Go, target: &Path) -> Result<()> {
        let log_path = target.join("build.log");
        let log = File::create(&log_path).at("create", &log_path)?;
        let errors = log.try_clone().at("open", &log_path)?;
        let mut command = go.command();
        command
            .arg("build")
            .arg("-o")
            .arg(target)
            .args(self.arguments())
            .current_dir(self.source())
            .env("GOGC", COLLECT_LATE)
            .env("CGO_ENABLED", if self.cgo.is_some() { "1" } else { "0" })
            .stdout(log)
            .stderr(errors);
        let status = command.status().when("start go")?;
        if !status.success() {
            let text = fs::read_to_string(&log_path).unwrap_or_default();
            return Err(Error::Command {
                command: run::shown(&command),
                status: status.to_string(),
                output: run::indented_tail(&text, 20),
            });
        }
        for link in self.links {
            symlink(self.folder, target.join(link)).at("link", target.join(link))?;
        }
        Ok(())
    }
}

/// Length-prefixed, so that no two lists give the same bytes.
fn key_of(parts: &[String]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..10])
}

/// The folder that holds every program by its name, and the base images; built when missing.
pub fn ensure(report: fn(&str)) -> Result<PathBuf> {
    let keys = MODULES
        .iter()
        .map(Module::key)
        .collect::<Result<Vec<_>>>()?;
    let mut parts = keys.clone();
    parts.push(images::FORMAT.to_owned());
    let root = cache_root().join("cluster");
    let set = root.join(format!("set-{}", key_of(&parts)));
    if set.exists() {
        return Ok(set);
    }
    fs::create_dir_all(&root).at("create", &root)?;
    report("preparing the Kubernetes programs (another build may have to end first)");
    let _lock = lock_file(&root.join("build.lock"))?;
    if set.exists() {
        return Ok(set);
    }
    crate::host::require_packages(report)?;
    let go = Go::require(report)?;
    let mut folders = Vec::new();
    for (index, (module, key)) in MODULES.iter().zip(&keys).enumerate() {
        let folder = root.join(format!("{}-{key}", module.folder));
        if !folder.exists() {
            let label = format!(
                "building {} ({} of {})",
                module.folder,
                index + 1,
                MODULES.len()
            );
            let usual = format!(
                "usually {} s on two cores the first time",
                module.usual_seconds
            );
            in_place(&root, &folder, |new| {
                with_clock(report, &label, &usual, || module.build(&go, new))
            })?;
        }
        folders.push(folder);
    }
    in_place(&root, &set, |new| assemble(&go, &folders, new, report))?;
    Ok(set)
}

/// Builds in a temporary folder and renames: what has its final name is whole.
fn in_place(root: &Path, target: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let new = tempfile::Builder::new()
        .prefix("new-")
        .tempdir_in(root)
        .at("create a folder in", root)?;
    build(new.path())?;
    let new = new.keep();
    fs::rename(&new, target).at("rename", &new)
}

fn assemble(go: &Go, folders: &[PathBuf], set: &Path, report: fn(&str)) -> Result<()> {
    for folder in folders {
        for entry in fs::read_dir(folder).at("list", folder)?.flatten() {
            let name = entry.file_name();
            if name != "build.log" {
                symlink(entry.path(), set.join(&name)).at("link", set.join(&name))?;
            }
        }
    }
    report("making the base images: pause, busybox, coredns");
    let kubernetes = run::output(
        go.command()
            .args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"])
            .current_dir(MODULES[0].source()),
    )?;
    images::build(Path::new(kubernetes.trim()), set)
}

/// Runs `work` and tells every 15 seconds how long it has taken.
fn with_clock(
    report: fn(&str),
    label: &str,
    usual: &str,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    report(&format!("{label}: {usual}"));
    let start = Instant::now();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(Duration::from_secs(15))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                report(&format!("{label}: {} s so far", start.elapsed().as_secs()));
            }
        });
        let result = work();
        drop(done);
        result
    })?;
    report(&format!("{label}: done in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// Builds this crate's agent with cargo and returns its path. A library cannot re-execute itself
/// when its caller is a test; cargo answers at once when nothing changed.
pub fn agent() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = run::output(
        Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "melouvert-cluster",
                "--bin",
                "melouvert-cluster-agent",
            ])
            .args(["--message-format", "json-render-diagnostics"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null()),
    )?;
    output
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| std::io::Error::other("cargo named no executable"))
        .when("build the cluster's agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_follows_every_part_and_its_bounds() {
        let key = |parts: &[&str]| {
            key_of(
                &parts
                    .iter()
                    .map(|part| (*part).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_ne!(key(&["ab", "c"]), key(&["ab", "d"]));
        assert_eq!(key(&["ab"]).len(), 20);
    }

    #[test]
    fn modules_are_pinned_and_have_keys_of_their_own() {
        let mut keys = Vec::new();
        for module in &MODULES {
            for file in ["go.mod", "go.sum"] {
                assert!(
                    module.source().join(file).is_file(),
                    "{}/{file}",
                    module.folder
                );
            }
            keys.push(module.key().expect("its files can be read"));
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), MODULES.len());
    }
}
