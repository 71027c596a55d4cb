//! Melouvert installed on an embedded cluster, as a hoster would: images, Helm, then the CLI.

use std::{path::PathBuf, process::Command};

use anyhow::Context;
use melouvert_cluster::{Cluster, Options};

use crate::{
    images,
    progress::{say, step},
    shell,
};

/// The namespace that Melouvert is installed in.
pub const SYSTEM: &str = "melouvert-system";

/// The label, with value `true`, of [`SYSTEM`] where everything may be attacked: nobody works there.
pub const FOR_TESTS: &str = "melouvert.fr/for-tests";

/// How the programs are compiled.
#[derive(Clone, Copy, Debug)]
pub enum Programs {
    /// Alone: the least to compile.
    Alone,
    /// With the tests: the same features of every dependency as in `cargo test --workspace`, so
    /// that nothing compiled for those is compiled a second time.
    WithTests,
}

/// A cluster with Melouvert on it.
pub struct Platform {
    /// The cluster.
    pub cluster: Cluster,
    /// The images that it runs.
    pub images: Vec<images::BuiltImage>,
    cli: PathBuf,
}

impl Platform {
    /// Builds everything and installs it on the cluster of this name; again, it upgrades.
    pub fn install(name: &str, programs: Programs) -> anyhow::Result<Self> {
        let platform = Self::prepare(name, programs)?;
        step("Installer Melouvert avec Helm", || platform.helm(&[]))?;
        if matches!(programs, Programs::WithTests) {
            let mark = format!("{FOR_TESTS}=true");
            platform
                .cluster
                .kubectl(&["label", "--overwrite", "namespace", SYSTEM, &mark])?;
        }
        Ok(platform)
    }

    /// Builds everything and starts the cluster of this name, without Melouvert.
    pub fn prepare(name: &str, programs: Programs) -> anyhow::Result<Self> {
        let programs = step("Compiler l'opérateur et la ligne de commande", || {
            build(programs)
        })?;
        let built = step("Construire les images", || {
            Ok(images::ensure(&images::Image::all(&programs), &say)?)
        })?;
        let cluster = step("Démarrer Kubernetes", || {
            Ok(Cluster::up(&Options::named(name))?)
        })?;
        step("Charger les images", || {
            built
                .iter()
                .try_for_each(|image| Ok(cluster.load_image(&image.archive)?))
        })?;
        Ok(Self {
            cluster,
            images: built,
            cli: programs.join("melouvert"),
        })
    }

    /// Finds an installed platform again.
    pub fn attach(name: &str) -> anyhow::Result<Self> {
        let cluster = Cluster::attach(name)?;
        let programs = target();
        let images = images::ensure(&images::Image::all(&programs), &say)?;
        Ok(Self {
            cluster,
            images,
            cli: programs.join("melouvert"),
        })
    }

    /// Installs or upgrades both charts, `more` being arguments for the second one.
    pub fn helm(&self, more: &[&str]) -> anyhow::Result<()> {
        let charts = shell::root().join("charts");
        shell::output(
            self.tool("helm")
                .args(["upgrade", "--install", "melouvert-crds"])
                .arg(charts.join("melouvert-crds"))
                .args(["--namespace", SYSTEM, "--create-namespace", "--wait"]),
        )?;
        self.cluster.kubectl(&[
            "label",
            "--overwrite",
            "namespace",
            SYSTEM,
            "pod-security.kubernetes.io/enforce=restricted",
        ])?;
        let mut upgrade = self.tool("helm");
        upgrade
            .args(["upgrade", "--install", "melouvert"])
            .arg(charts.join("melouvert"))
            .args(["--namespace", SYSTEM, "--wait", "--timeout", "5m"])
            .arg("--values")
            .arg(shell::root().join("tests/cluster/values.yaml"));
        for image in &self.images {
            upgrade.args([
                "--set-string",
                &format!("images.{}={}", image.name, image.reference),
            ]);
        }
        upgrade.args(more);
        shell::output(&mut upgrade)
            .map(drop)
            .with_context(|| self.pods().unwrap_or_else(|error| format!("{error:#}")))
    }

    /// How the platform's own pods stand, for an error message.
    fn pods(&self) -> anyhow::Result<String> {
        let pods = self
            .cluster
            .kubectl(&["get", "pods", "-n", SYSTEM, "-o", "wide"])?;
        let events = self.cluster.kubectl(&[
            "get",
            "events",
            "-n",
            SYSTEM,
            "--field-selector",
            "type=Warning",
        ])?;
        Ok(format!("{pods}\n{events}"))
    }

    /// The image of this name.
    pub fn image(&self, name: &str) -> anyhow::Result<&images::BuiltImage> {
        self.images
            .iter()
            .find(|image| image.name == name)
            .with_context(|| format!("no image {name}"))
    }

    /// A tool of the cluster's (`kubectl`, `helm`), as administrator.
    pub fn tool(&self, name: &str) -> Command {
        let mut command = shell::command(self.cluster.bin(name));
        command.env("KUBECONFIG", self.cluster.kubeconfig());
        command
    }

    /// The `melouvert` command line, as administrator.
    pub fn melouvert(&self) -> Command {
        let mut command = shell::command(&self.cli);
        command
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("MELOUVERT_LANG", "fr");
        command
    }

    /// The path of the `melouvert` binary.
    pub fn cli(&self) -> &std::path::Path {
        &self.cli
    }
}

/// Builds the two programs and returns the folder that holds them.
fn build(programs: Programs) -> anyhow::Result<PathBuf> {
    let selection: &[&str] = match programs {
        Programs::Alone => &[
            "--package",
            "melouvert-operator",
            "--package",
            "melouvert-cli",
        ],
        Programs::WithTests => &["--workspace", "--tests"],
    };
    shell::run(shell::cargo().args(["build", "--bins"]).args(selection))?;
    Ok(target())
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| shell::root().join("target"), PathBuf::from)
        .join("debug")
}
