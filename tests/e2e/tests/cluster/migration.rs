//! An old mailbox moved into a space, by a Job in its namespace.

use anyhow::{Context, ensure};
use melouvert_e2e::{PASSWORD, field, kubectl, outcome, platform, text, two_spaces};
use serde_json::Value;
use xtask::legacy::{self, LegacyAccount, LegacyServer};

const MESSAGES: u32 = 120;

fn run(
    name: &str,
    old: &LegacyServer,
    source: &str,
    password: &str,
) -> anyhow::Result<std::process::Output> {
    let accounts = tempfile::NamedTempFile::new()?;
    std::fs::write(
        accounts.path(),
        format!(
            "source_user,source_password,target_user,target_password\nancien,{password},reprise@caen.example,{PASSWORD}\n"
        ),
    )?;
    outcome(
        platform()
            .melouvert()
            .args([
                "migrate",
                "run",
                "--siren",
                "211401187",
                "--name",
                name,
                "--source",
                source,
            ])
            .args(["--source-cidr", &format!("{}/32", old.address), "--ca-file"])
            .arg(&old.authority)
            .arg("--accounts")
            .arg(accounts.path()),
    )
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_mailbox_moves_with_a_proof() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    caen.agent("reprise", "Boîte reprise", PASSWORD)?;
    let account = LegacyAccount {
        user: "ancien",
        password: "ancien-mot-de-passe",
        messages: MESSAGES,
    };
    let old = LegacyServer::start(platform(), platform().image("dovecot")?, &[account])?;

    let source = format!("imaps://{}:{}", old.host, old.port);
    let wrong = run("ancien-serveur", &old, &source, "faux")?;
    ensure!(
        !wrong.status.success(),
        "a wrong password passed: {}",
        text(&wrong)
    );
    // Made again under its name, a migration counts from the start and hands in a proof of its own.
    kubectl(&[
        "delete",
        "migration",
        "ancien-serveur",
        "-n",
        "col-211401187",
    ])?;

    // The old server's administrator opens the agent's mailbox, over STARTTLS.
    let (master, password) = legacy::MASTER;
    let source = format!("imap+starttls://{}:143?master={master}", old.host);
    let first = run("ancien-serveur", &old, &source, password)?;
    ensure!(first.status.success(), "{}", text(&first));
    let absent = field(
        "migration",
        "col-211401187",
        "ancien-serveur",
        "{.status.messages.absent}",
    )?;
    let copied = field(
        "migration",
        "col-211401187",
        "ancien-serveur",
        "{.status.messages.copied}",
    )?;
    ensure!(
        absent == "0" && copied == MESSAGES.to_string(),
        "copied {copied}, absent {absent}"
    );

    let proof = xtask::shell::output(platform().melouvert().args([
        "migrate",
        "proof",
        "211401187",
        "ancien-serveur",
        "-o",
        "json",
    ]))?;
    let proof: Value = serde_json::from_str(&proof).context("the proof is no JSON")?;
    ensure!(proof.to_string().contains("INBOX"), "{proof}");

    // Beside what the space's own pods may reach, by label, the Job reaches the source alone.
    let source = format!("{}/32", old.address);
    ensure!(
        opened("migration-ancien-serveur")? == source,
        "more than {source}"
    );
    ensure!(
        opened("default-deny")?.is_empty(),
        "default-deny opens something"
    );

    let mailbox = caen.address("reprise");
    let listed = caen
        .mailbox(&mailbox, PASSWORD)
        .imap("", "LIST \\\"\\\" *")?;
    ensure!(listed.lines().count() > 5, "few folders arrived:\n{listed}");
    Ok(())
}

/// What a policy of Caen's opens by address, one CIDR a word.
fn opened(policy: &str) -> anyhow::Result<String> {
    field(
        "networkpolicy",
        "col-211401187",
        policy,
        "{.spec.egress[*].to[*].ipBlock.cidr}",
    )
}
