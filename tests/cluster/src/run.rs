//! Runs a program to its end and turns a failure into words.

use std::process::{Command, Stdio};

use crate::error::{At as _, Error, Result};

/// Runs `command` and returns what it wrote to its standard output.
///
/// # Errors
/// When it cannot be started or ends with an error, with the tail of its standard error, or of its
/// standard output when it wrote no error.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .when(format!("start `{shown}`"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let told = if errors.trim().is_empty() {
        &text
    } else {
        &*errors
    };
    Err(Error::Command {
        command: shown,
        status: output.status.to_string(),
        output: indented_tail(told, 20),
    })
}

/// A command line as one would type it.
pub fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The last lines of a text, each on a line of its own and set off; empty for an empty text.
pub fn indented_tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let start = all.len().saturating_sub(lines);
    let mut tail = String::new();
    for line in &all[start..] {
        tail.push_str("\n    ");
        tail.push_str(line);
    }
    tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_command_status_and_output() {
        let error = output(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]))
            .expect_err("it failed");
        let text = error.to_string();
        for part in ["sh -c", "exit status: 3", "\n    why"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn only_the_tail_is_shown() {
        assert_eq!(indented_tail("a\n\nb\nc\n", 2), "\n    b\n    c");
        assert_eq!(indented_tail("", 2), "");
    }
}
