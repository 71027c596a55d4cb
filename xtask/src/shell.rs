//! Running other programs: their output is shown when they fail, or as it comes.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_owned()
}

/// A command that runs in the root of the checkout.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Cargo, as this process was started by it.
pub fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end with output shown as it comes.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("failed to start {}", program(command)))?;
    if status.success() {
        return Ok(());
    }
    bail!("{} ended with {status}", program(command))
}

/// Runs to the end and returns stdout; stderr is part of the error.
pub fn output(command: &mut Command) -> anyhow::Result<String> {
    output_with(command, None)
}

/// The same with `input` on stdin: what must not be seen in an argument list goes this way.
pub fn output_with(command: &mut Command, input: Option<&str>) -> anyhow::Result<String> {
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {}", program(command)))?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        stdin
            .write_all(text.as_bytes())
            .with_context(|| format!("failed to write to {}", program(command)))?;
    }
    let done = child
        .wait_with_output()
        .with_context(|| format!("failed to wait for {}", program(command)))?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if done.status.success() {
        return Ok(stdout);
    }
    bail!(
        "{} ended with {}\n{}{}",
        program(command),
        done.status,
        stdout,
        String::from_utf8_lossy(&done.stderr)
    )
}

fn program(command: &Command) -> String {
    let words = command
        .get_args()
        .take(6)
        .map(|word| word.to_string_lossy());
    let name = command.get_program().to_string_lossy();
    std::iter::once(name)
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
