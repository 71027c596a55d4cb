//! The library's face: bring up, use, take down.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{At as _, Error, Result};
use crate::layout::{DEFAULT_NAME, Layout, lock_file, read_json, write_json, write_private};
use crate::pki::Authority;
use crate::status::{self, Status};
use crate::{binaries, config, forward, host, run, start, teardown};

/// How to bring a cluster up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name: 1 to 24 of a-z, 0-9 and '-'. Clusters of different names share nothing.
    pub name: String,
    /// Receives lines of progress; the standard error by default.
    pub report: fn(&str),
}

impl Options {
    /// Options for a cluster of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            report: report_to_stderr,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::named(DEFAULT_NAME)
    }
}

fn report_to_stderr(line: &str) {
    // Progress that nobody can read is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// What is recorded of a cluster that came up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) programs: PathBuf,
    pub(crate) api_port: u16,
}

/// A running cluster. Dropping the value leaves it running: see [`Cluster::down`].
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    kubeconfig: PathBuf,
    record: Record,
}

/// Builds the programs of a cluster that are missing, and starts nothing.
///
/// # Errors
/// Without root, Go or a package; when a build fails.
pub fn build() -> Result<()> {
    host::require_root()?;
    host::require_packages(report_to_stderr)?;
    binaries::ensure(report_to_stderr).map(drop)
}

impl Cluster {
    /// Builds what is missing and brings the cluster up; one that runs already is returned as it
    /// is, one that died half-way is removed first.
    ///
    /// # Errors
    /// Without root, Go or a package; when a build fails; when a component does not come up, with
    /// the tail of its log (all its processes are then ended, the logs stay).
    pub fn up(options: &Options) -> Result<Self> {
        let layout = Layout::new(&options.name)?;
        host::require_root()?;
        host::require_packages(options.report)?;
        let programs = binaries::ensure(options.report)?;
        let agent = binaries::agent()?;
        let _lock = layout.lock()?;
        if let Some(cluster) = Self::running(&layout)? {
            (options.report)(&format!("cluster {} is already up", layout.name));
            return Ok(cluster);
        }
        teardown::remove(&layout)?;
        let since = Instant::now();
        let started = start::prepare(&layout, &programs, &agent)
            .and_then(|()| start::launch(&layout, options.report, since))
            .and_then(|()| start::open(&layout, &programs));
        if let Err(error) = started {
            teardown::end(&layout)?;
            return Err(error);
        }
        (options.report)(&format!(
            "cluster {} is up ({:.1} s)",
            layout.name,
            since.elapsed().as_secs_f32()
        ));
        Self::running(&layout)?.ok_or(Error::NotRunning(layout.name))
    }

    /// Takes up a cluster that runs already.
    ///
    /// # Errors
    /// [`Error::NotRunning`] when there is none of that name.
    pub fn attach(name: &str) -> Result<Self> {
        let layout = Layout::new(name)?;
        Self::running(&layout)?.ok_or(Error::NotRunning(layout.name))
    }

    fn running(layout: &Layout) -> Result<Option<Self>> {
        let record: Option<Record> = read_json(&layout.path("cluster.json"))?;
        let (Some(record), Some(_)) = (record, teardown::init(layout)?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            kubeconfig: layout.path("kubeconfig"),
            layout: layout.clone(),
            record,
        }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.layout.name
    }

    /// Kubeconfig of a cluster administrator, for programs on the host: everything is embedded,
    /// the server is `https://127.0.0.1:PORT`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs the cluster's own kubectl as administrator and returns its standard output.
    ///
    /// # Errors
    /// When kubectl ends with an error, with what it wrote.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run::output(
            Command::new(self.bin("kubectl"))
                .arg("--kubeconfig")
                .arg(&self.kubeconfig)
                .args(arguments),
        )
    }

    /// Path of a built program: `kubectl`, `helm`, `kubeconform`, `ctr`, `etcd`…
    pub fn bin(&self, name: &str) -> PathBuf {
        self.record.programs.join(name)
    }

    /// Folder of the built programs, for a `PATH`.
    pub fn bin_dir(&self) -> &Path {
        &self.record.programs
    }

    /// Imports an OCI archive so that pods can use its image by the name in its annotation
    /// `io.containerd.image.name` (set `imagePullPolicy` to `Never` or `IfNotPresent`). An archive
    /// imported before is recognized by its content, and first by its size and time.
    ///
    /// # Errors
    /// When the archive cannot be read or containerd refuses it.
    pub fn load_image(&self, oci_archive: &Path) -> Result<()> {
        let _lock = lock_file(&self.layout.path("images.lock"))?;
        let known_path = self.layout.path("images.json");
        let mut known: BTreeSet<String> = read_json(&known_path)?.unwrap_or_default();
        let stamp = stamp(oci_archive)?;
        if known.contains(&stamp) {
            return Ok(());
        }
        let digest = file_digest(oci_archive)?;
        if !known.contains(&digest) {
            run::output(
                Command::new(self.bin("ctr"))
                    .arg("--address")
                    .arg(self.layout.containerd_socket())
                    .args(["--namespace", "k8s.io", "images", "import"])
                    .arg(oci_archive),
            )?;
        }
        known.extend([stamp, digest]);
        write_json(&known_path, &known)
    }

    /// A command that runs another one in the cluster's network, where ClusterIPs and pod
    /// addresses are reachable: append program and arguments. Files and processes are the host's;
    /// `KUBECONFIG` is set to an address that works in there.
    pub fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        // A cluster that has died since has no such process: nsenter then says so.
        let pid = teardown::init(&self.layout)
            .ok()
            .flatten()
            .map_or(0, |init| init.pid);
        command
            .arg(format!("--net=/proc/{pid}/ns/net"))
            .arg("--")
            .env("KUBECONFIG", self.layout.path("pki/admin.conf"));
        command
    }

    /// Opens a port on the host's 127.0.0.1 that leads to `ADDRESS:PORT` inside (a ClusterIP or a
    /// pod) and returns it. It outlives the caller and ends with the cluster; asking again for
    /// the same target returns the same port.
    ///
    /// # Errors
    /// When the target is no address or the forwarder does not start.
    pub fn forward(&self, target: &str) -> Result<u16> {
        let _lock = self.layout.lock()?;
        forward::ensure(&self.layout, target)
    }

    /// Makes a kubeconfig for another user, by a client certificate (X.509 version 3) that the
    /// cluster's authority signs: `user` and `groups` are what RBAC sees.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate or the file cannot be written.
    pub fn client_kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let authority = Authority::load(&self.layout.path("pki"), "ca", SystemTime::now())?;
        let pair = authority.client(user, groups)?;
        let digest = hex::encode(&Sha256::digest(format!("{user}\n{}", groups.join("\n")))[..8]);
        let path = self.layout.path(&format!("users/{digest}.kubeconfig"));
        let server = format!("https://127.0.0.1:{}", self.record.api_port);
        let text = config::kubeconfig(
            &self.layout.name,
            &server,
            &authority.pair.certificate,
            &pair,
        );
        write_private(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Components, memory, readiness, forwards.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn status(&self) -> Result<Status> {
        status::collect(self, &self.layout)
    }

    /// Folder of the components' logs.
    pub fn logs(&self) -> PathBuf {
        self.layout.path("log")
    }

    /// Removes the cluster: see [`crate::down`].
    ///
    /// # Errors
    /// When something refuses to go.
    pub fn down(self) -> Result<()> {
        teardown::down(&self.layout.name)
    }
}

/// Path, size and time of an archive: enough to know it again without reading it.
fn stamp(file: &Path) -> Result<String> {
    let path = file.canonicalize().at("find", file)?;
    let meta = fs::metadata(&path).at("read", &path)?;
    Ok(format!(
        "{} {} {}.{:09}",
        path.display(),
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec()
    ))
}

fn file_digest(file: &Path) -> Result<String> {
    let mut source = File::open(file).at("open", file)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer).at("read", file)? {
            0 => return Ok(format!("sha256:{}", hex::encode(hash.finalize()))),
            length => hash.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_content_and_by_stamp() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "same").expect("written");
        fs::write(&two, "same").expect("written");
        assert_eq!(
            file_digest(&one).expect("read"),
            file_digest(&two).expect("read")
        );
        let before = stamp(&one).expect("there");
        assert_ne!(before, stamp(&two).expect("there"));
        fs::write(&one, "longer").expect("written");
        assert_ne!(before, stamp(&one).expect("there"));
    }
}
