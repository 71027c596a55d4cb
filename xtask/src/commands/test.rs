//! `cargo xtask test`: every test; those that need a cluster get one of their own.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{
    debian::{self, Need},
    platform::{Platform, Programs},
    progress::{say, seconds, step},
    shell,
};

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Leave the cluster standing, to look into a failure
    #[arg(long)]
    keep: bool,
    /// Only the tests that need no cluster
    #[arg(long, conflicts_with = "only_cluster")]
    without_cluster: bool,
    /// Only the tests that need a cluster
    #[arg(long)]
    only_cluster: bool,
    /// The tests' cluster: another name lets two checkouts test side by side
    #[arg(long, default_value = "melouvert-test")]
    name: String,
    /// Also the copies through GreenMail, a sloppy server from Maven, which take Java
    #[arg(long)]
    greenmail: bool,
    /// Only cluster tests whose name contains this
    filter: Option<String>,
}

/// Runs `cargo xtask test`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let needs: &[Need] = if args.without_cluster {
        &[Need::Tests]
    } else {
        &[Need::Tests, Need::Cluster, Need::Images]
    };
    step("Installer les paquets Debian des tests", || {
        Ok(debian::require(needs)?)
    })?;
    if !args.only_cluster {
        // They wait for servers and clocks more than they compute.
        let ahead = (!args.without_cluster).then(Ahead::start).transpose()?;
        step("Tests sans cluster", || {
            let mut test = shell::cargo();
            shell::run(seeded(test.args(["test", "--workspace"])))
        })?;
        if let Some(ahead) = ahead {
            step("Compiler Kubernetes", || ahead.wait())?;
        }
    }
    if args.greenmail {
        step("Tests avec GreenMail", greenmail)?;
    }
    if !args.without_cluster {
        on_cluster(args)?;
    }
    say(&format!(
        "==> tous les tests passent, en {}",
        seconds(start.elapsed())
    ));
    Ok(())
}

/// Kubernetes compiled from its modules at the lowest priority; stopped when it is dropped.
struct Ahead(Child);

impl Ahead {
    fn start() -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("failed to find this very program")?;
        let mut build = Command::new("nice");
        build.args(["-n", "19"]).arg(own).args(["cluster", "build"]);
        let child = build.process_group(0).spawn();
        Ok(Self(child.context("failed to start nice")?))
    }

    fn wait(mut self) -> anyhow::Result<()> {
        let ended = self.0.wait().context("failed to await the build")?;
        ensure!(ended.success(), "xtask cluster build ended with {ended}");
        Ok(())
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // It has ended already, but for a failure of the tests.
        if let Ok(None) = self.0.try_wait() {
            let group = format!("-{}", self.0.id());
            let _ = Command::new("kill").args(["--", &group]).status();
            let _ = self.0.wait();
        }
    }
}

/// One seed for the property tests, unless the caller gives another: a change is not refused for a
/// case that nobody had met before it. Plain `cargo test` draws new cases each time.
fn seeded(test: &mut Command) -> &mut Command {
    const SEED: &str = "PROPTEST_RNG_SEED";
    if std::env::var_os(SEED).is_none() {
        test.env(SEED, "20261128");
    }
    test
}

fn greenmail() -> anyhow::Result<()> {
    debian::require(&[Need::GreenMail])?;
    let mut test = shell::cargo();
    test.args(["test", "--package", "melouvert-migration"]);
    shell::run(test.args(["--test", "foreign", "--", "--ignored"]))
}

fn on_cluster(args: &Args) -> anyhow::Result<()> {
    let name = &args.name;
    let outcome = Platform::install(name, Programs::WithTests).and_then(|platform| {
        step("Vérifier les charts", || charts(&platform))?;
        step("Tests sur le cluster", || {
            let mut test = shell::cargo();
            test.args([
                "test",
                "--workspace",
                "--test",
                "cluster",
                "--",
                "--ignored",
                "--test-threads=1",
            ]);
            test.args(&args.filter).env("MELOUVERT_TEST_CLUSTER", name);
            shell::run(&mut test)
        })
    });
    if args.keep {
        say(&format!(
            "le cluster reste : cargo xtask cluster status --name {name}"
        ));
        return outcome;
    }
    let removed = step("Retirer le cluster", || Ok(melouvert_cluster::down(name)?));
    outcome.and(removed)
}

/// `helm lint --strict`, and every rendered object against this Kubernetes' own schemas.
fn charts(platform: &Platform) -> anyhow::Result<()> {
    let charts = shell::root().join("charts");
    for chart in ["melouvert-crds", "melouvert"] {
        shell::output(
            platform
                .tool("helm")
                .args(["lint", "--strict"])
                .arg(charts.join(chart)),
        )?;
    }
    let schemas = crate::schemas::write(platform).context("failed to write the schemas")?;
    for chart in ["melouvert-crds", "melouvert"] {
        let rendered = shell::output(
            platform
                .tool("helm")
                .args(["template", chart])
                .arg(charts.join(chart))
                .args(["--namespace", "melouvert-system"]),
        )?;
        let mut conform = platform.tool("kubeconform");
        conform
            .args(["-strict", "-summary", "-schema-location"])
            .arg(format!(
                "{}/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
                schemas.path().display()
            ));
        say(shell::output_with(&mut conform, Some(&rendered))?.trim());
    }
    Ok(())
}
