//! End-to-end tests: Melouvert through its users' doors on a real Kubernetes.
//!
//! Owns: what the tests share. `cargo xtask test` installs the platform and runs them.
//! Must not know: the inside of any product crate.

pub mod dkim;
pub mod external;
pub mod process;
pub mod smtp;
pub mod witness;

use std::{
    process::{Command, Output},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::Value;
use xtask::{
    platform::Platform,
    space::{CAEN, Example, ROUEN, Space},
    wait,
};

/// The password of every agent of the tests.
pub const PASSWORD: &str = "essai-de-Melouvert-2026";
/// Time within which the platform repairs what was broken.
pub const REPAIR: Duration = Duration::from_secs(90);

/// The platform that `cargo xtask test` installed.
pub fn platform() -> &'static Platform {
    static PLATFORM: OnceLock<Platform> = OnceLock::new();
    PLATFORM.get_or_init(|| {
        let name = std::env::var("MELOUVERT_TEST_CLUSTER")
            .expect("these tests need a cluster: run `cargo xtask test`");
        Platform::attach(&name).expect("the cluster named by MELOUVERT_TEST_CLUSTER is up")
    })
}

/// Caen's space with its agent Jeanne, and Rouen's with its agent Paul.
pub fn two_spaces() -> anyhow::Result<(Space<'static>, Space<'static>)> {
    let caen = Space::open(platform(), CAEN)?;
    // The test before may have killed the operator.
    eventually("the platform API", || {
        melouvert(&["agent", "list", "--siren", CAEN.siren])
    })?;
    caen.agent("jeanne.martin", "Jeanne Martin", PASSWORD)?;
    let rouen = Space::open(platform(), ROUEN)?;
    rouen.agent("paul.durand", "Paul Durand", PASSWORD)?;
    Ok((caen, rouen))
}

/// Runs `kubectl` as administrator.
pub fn kubectl(arguments: &[&str]) -> anyhow::Result<String> {
    Ok(platform().cluster.kubectl(arguments)?)
}

/// Runs SQL as the region's administrator, inside the server's own pod.
pub fn psql(database: &str, sql: &str) -> anyhow::Result<String> {
    let script = "read -r PGPASSWORD < /db/password || :; export PGPASSWORD; exec psql -X -A -t -v ON_ERROR_STOP=1 -h localhost -U melouvert -d \"$1\" -c \"$2\"";
    kubectl(&[
        "exec",
        "-n",
        "melouvert-system",
        "melouvert-postgresql-0",
        "--",
        "sh",
        "-c",
        script,
        "sh",
        database,
        sql,
    ])
}

/// Runs SQL as the reader of Caen's database, whose password lies in its mail pod.
pub fn psql_reader(database: &str, sql: &str) -> anyhow::Result<String> {
    let password = kubectl(&[
        "get",
        "secret",
        "mail-db",
        "-n",
        "col-211401187",
        "-o",
        "go-template={{index .data \"reader-password\" | base64decode}}",
    ])?;
    let script = "export PGPASSWORD=$1; exec psql -X -A -t -q -v ON_ERROR_STOP=1 -h localhost -U col_211401187_reader -d \"$2\" -c \"$3\"";
    let inside = [
        "exec",
        "-n",
        "melouvert-system",
        "melouvert-postgresql-0",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ];
    kubectl(&[&inside[..], &[&password, database, sql]].concat())
}

/// One field of an object, by JSONPath.
pub fn field(kind: &str, namespace: &str, name: &str, path: &str) -> anyhow::Result<String> {
    kubectl(&[
        "get",
        kind,
        name,
        "-n",
        namespace,
        "-o",
        &format!("jsonpath={path}"),
    ])
}

/// Runs a command to its end, whatever its exit status.
pub fn outcome(command: &mut Command) -> anyhow::Result<Output> {
    command
        .output()
        .with_context(|| format!("failed to start {command:?}"))
}

/// Both outputs of a command as one text.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs `melouvert`, which must succeed, and returns its data.
pub fn melouvert(arguments: &[&str]) -> anyhow::Result<String> {
    xtask::shell::output(platform().melouvert().args(arguments))
}

/// Runs `melouvert`, which must succeed, and reads its JSON.
pub fn melouvert_json(arguments: &[&str]) -> anyhow::Result<Value> {
    let text = melouvert(&[arguments, &["-o", "json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}

/// Runs `melouvert`, which must fail without any data on stdout, and returns what it says.
pub fn melouvert_refuses(arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    refuses(platform().melouvert().args(arguments))
}

/// Runs a command that must fail without any data on stdout.
pub fn refuses(command: &mut Command) -> anyhow::Result<(i32, String)> {
    let output = outcome(command)?;
    ensure!(
        !output.status.success(),
        "{command:?} succeeded: {}",
        text(&output)
    );
    ensure!(
        output.stdout.is_empty(),
        "data on stdout: {}",
        text(&output)
    );
    let code = output.status.code().context("ended by a signal")?;
    Ok((code, String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Waits until a collectivity is Ready.
pub fn await_ready(of: Example) -> anyhow::Result<()> {
    let name = format!("collectivity/col-{}", of.siren);
    kubectl(&["wait", &name, "--for=condition=Ready", "--timeout=120s"]).map(drop)
}

/// Waits for a condition within [`REPAIR`].
pub fn eventually<T>(what: &str, check: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    wait::until(what, REPAIR, check)
}

/// Delivers a message and waits until it stands in the receiver's INBOX; returns its text.
pub fn deliver(
    (from_space, from): (&Space<'_>, &str),
    (to_space, to): (&Space<'_>, &str),
    subject: &str,
) -> anyhow::Result<String> {
    let receiver = to_space.mailbox(to, PASSWORD);
    let before = receiver.count("INBOX")?;
    let message = xtask::mailbox::message(from, to, subject, "Bonjour à vous.");
    from_space.mailbox(from, PASSWORD).send(to, &message)?;
    let number = eventually("the delivery", || {
        let now = receiver.count("INBOX")?;
        ensure!(now > before, "INBOX still holds {now} messages");
        Ok(now)
    })?;
    receiver.read("INBOX", number)
}
