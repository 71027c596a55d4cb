//! Steps shown to a person on stderr, each with its time.

use std::time::{Duration, Instant};

use anyhow::Context;

/// Runs one step and says what it is, then how long it took.
pub fn step<T>(title: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    say(&format!("==> {title}"));
    let start = Instant::now();
    let done = work().with_context(|| format!("échec de l'étape « {title} »"))?;
    say(&format!("    fait en {}", seconds(start.elapsed())));
    Ok(done)
}

/// Writes one line to stderr.
#[expect(clippy::print_stderr, reason = "the one place that prints progress")]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Writes data to stdout.
#[expect(clippy::print_stdout, reason = "the one place that prints data")]
pub fn data(text: &str) {
    println!("{text}");
}

/// `12.3 s`, or `3 min 05 s`.
pub fn seconds(elapsed: Duration) -> String {
    let whole = elapsed.as_secs();
    if whole < 100 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}
