//! The program that runs inside and next to a cluster: `melouvert-cluster-agent`.
//!
//! * `launch NAME` joins the cluster's cgroup and makes its namespaces;
//! * `node NAME` is the first process in them (see [`crate::node`]);
//! * `forward NAME TARGET PORT` carries connections from the host's loopback inside.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::cgroup::Cgroup;
use crate::error::{At as _, Result};
use crate::layout::Layout;
use crate::{forward, node};

/// Runs the agent with its command line, without the program's name.
///
/// # Errors
/// Whatever stops it; it is written to the agent's log by the caller.
pub fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["launch", name] => launch(&Layout::new(name)?),
        ["node", name] => node::run(&Layout::new(name)?),
        ["forward", name, target, port] => forward::serve(&Layout::new(name)?, target, port),
        _ => Err(std::io::Error::other(
            "usage: launch NAME | node NAME | forward NAME TARGET PORT",
        ))
        .when("read the agent's command line"),
    }
}

/// Never returns when it succeeds. `--kill-child` ties the node's life to the process recorded
/// in the cgroup; the mounts are private, so nothing of them is seen on the host.
fn launch(layout: &Layout) -> Result<()> {
    Cgroup::new(&layout.cgroup())?.join()?;
    let error = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--ipc",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
            "--",
        ])
        .arg(layout.agent())
        .args(["node", &layout.name])
        .exec();
    Err(error).when("start unshare (package util-linux)")
}

/// Writes an error and its causes to the standard error, the agent's log.
pub fn complain(error: &dyn std::error::Error) {
    use std::io::Write as _;
    // Nobody is left to tell when the log cannot be written.
    let _ = writeln!(std::io::stderr().lock(), "{}", with_causes(error));
}

/// An error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
