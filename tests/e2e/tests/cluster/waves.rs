//! A commune's mailboxes moved in waves by its helpdesk: paused, operator restarted, resumed, cut over,
//! proven, rolled back.

use std::{fmt::Write, process::Command, time::Duration};

use crate::access::as_person;
use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, eventually, field, kubectl, melouvert, melouvert_json, outcome, platform, text,
    witness,
};
use serde_json::Value;
use xtask::{
    legacy::{LegacyAccount, LegacyServer},
    space::{ARROMANCHES, Space},
    wait,
};

const ACCOUNTS: usize = 30;
const MESSAGES: u32 = 12;
const NAME: &str = "weekend";
const SUPPORT: &str = "support-normandie";
const NAMESPACE: &str = "col-211400213";
const OLD_PASSWORD: &str = "ancien-mot-de-passe";
/// Longer than a whole pass over all accounts takes on a loaded machine.
const PASS: Duration = Duration::from_mins(7);

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_commune_moves_in_waves() -> anyhow::Result<()> {
    let space = Space::open(platform(), ARROMANCHES)?;
    support_may_create_accounts_secrets_alone()?;
    let old_users: Vec<String> = (1..=ACCOUNTS).map(|n| format!("ancien{n:02}")).collect();
    let new_users: Vec<String> = (1..=ACCOUNTS)
        .map(|n| space.address(&format!("agent{n:02}")))
        .collect();
    agents(&new_users)?;
    let accounts: Vec<LegacyAccount> = old_users
        .iter()
        .map(|user| LegacyAccount {
            user,
            password: OLD_PASSWORD,
            messages: MESSAGES,
        })
        .collect();
    let old = LegacyServer::start(platform(), platform().image("dovecot")?, &accounts)?;
    start(&old, &old_users, &new_users)?;

    pause_midway()?;
    restart_operator()?;
    ensure!(phase()? == "Paused", "the restart ended the pause");
    ensure!(jobs()?.is_empty(), "the restart started Jobs");
    support(&["migrate", "resume", ARROMANCHES.siren, NAME])?;
    wait::until("the presync", PASS, || {
        let now = phase()?;
        ensure!(now == "Complete", "{now}: {}", counts()?);
        Ok(())
    })?;

    // What arrives after the presync is caught up by the cut-over.
    let late = xtask::mailbox::message(
        "a@ailleurs.example",
        "b@ailleurs.example",
        "Tard",
        "Juste avant.",
    );
    old.deliver(&old_users[0], "1764021600.M1P1.ailleurs", &late)?;
    support(&["migrate", "cutover", ARROMANCHES.siren, NAME])?;
    ensure!(phase()? == "CutOver", "{}", counts()?);
    ensure!(status("{.reference}")? == "Space");
    ensure!(
        !status("{.rollbackUntil}")?.is_empty(),
        "no date of roll-back"
    );

    same_mail(&space, &old, (&old_users, &new_users))?;
    proven()?;
    journalled_and_forgotten()?;

    support(&[
        "migrate",
        "rollback",
        ARROMANCHES.siren,
        NAME,
        "--confirm",
        NAME,
    ])?;
    eventually("the roll-back", || {
        ensure!(status("{.reference}")? == "Source", "{}", phase()?);
        Ok(())
    })?;
    // Nothing is deleted in the space.
    same_mail(&space, &old, (&old_users, &new_users))
}

/// `melouvert` as the support, which must succeed.
fn support(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = as_person(SUPPORT, &["melouvert:clients"])?;
    let done = outcome(command.args(arguments))?;
    ensure!(done.status.success(), "{}", text(&done));
    Ok(())
}

/// The support has its role by the chart's values; it may create the Secrets that migrations need and
/// read none.
fn support_may_create_accounts_secrets_alone() -> anyhow::Result<()> {
    let secret = |verb: &str, name: &str| {
        kubectl(&[
            verb,
            "secret",
            "generic",
            name,
            "-n",
            NAMESPACE,
            "--from-literal=a=b",
            "--dry-run=server",
            "--as",
            SUPPORT,
        ])
    };
    eventually("the support's right", || {
        secret("create", "migration-essai-accounts").map(drop)
    })?;
    let refused = secret("create", "mail-tls-2")
        .err()
        .context("the support made a server's Secret")?;
    ensure!(format!("{refused:#}").contains("migration-"), "{refused:#}");
    for verb in ["get", "list", "watch", "update", "patch", "delete"] {
        let may = kubectl(&[
            "auth", "can-i", verb, "secrets", "-n", NAMESPACE, "--as", SUPPORT,
        ]);
        ensure!(may.is_err(), "the support may {verb} Secrets");
    }
    let may = kubectl(&[
        "auth",
        "can-i",
        "get",
        "mailboxes.melouvert.fr",
        "-n",
        NAMESPACE,
        "--as",
        SUPPORT,
    ]);
    ensure!(may.is_err(), "the support may see mailboxes");
    Ok(())
}

fn agents(addresses: &[String]) -> anyhow::Result<()> {
    let list = melouvert_json(&["agent", "list", "--siren", ARROMANCHES.siren])?;
    if list.to_string().contains(&addresses[0]) {
        return Ok(());
    }
    let mut csv = String::from("address,name,quota,password\n");
    for (place, address) in addresses.iter().enumerate() {
        writeln!(csv, "{address},Agent {place},50Mi,{PASSWORD}")?;
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), csv)?;
    let path = file.path().to_string_lossy().into_owned();
    melouvert(&["agent", "import", "--siren", ARROMANCHES.siren, &path]).map(drop)
}

/// Two waves, one of them in a window that is always open, under caps.
fn start(old: &LegacyServer, from: &[String], to: &[String]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (accounts, waves) = (
        folder.path().join("comptes.csv"),
        folder.path().join("vagues.yaml"),
    );
    let mut csv = String::from("source_user,source_password,target_user,target_password\n");
    for (from, to) in from.iter().zip(to) {
        writeln!(csv, "{from},{OLD_PASSWORD},{to},{PASSWORD}")?;
    }
    std::fs::write(&accounts, csv)?;
    let (mairie, ecoles) = from.split_at(18);
    let yaml = format!(
        "waves:\n- name: mairie\n  accounts: [{}]\n  windows: [lun 00:00-lun 00:00 Europe/Paris]\n- name: ecoles\n  accounts: [{}]\n",
        mairie.join(", "),
        ecoles.join(", ")
    );
    std::fs::write(&waves, yaml)?;
    let mut run = as_person(SUPPORT, &["melouvert:clients"])?;
    run.args([
        "migrate",
        "run",
        "--siren",
        ARROMANCHES.siren,
        "--name",
        NAME,
        "--no-wait",
    ])
    .args([
        "--jobs",
        "4",
        "--max-connections",
        "8",
        "--limit-rate",
        "20MB",
    ])
    .args(["--source", &format!("imaps://{}:{}", old.host, old.port)])
    .args(["--source-cidr", &format!("{}/32", old.address)])
    .arg("--ca-file")
    .arg(&old.authority)
    .arg("--accounts")
    .arg(&accounts)
    .arg("--waves")
    .arg(&waves);
    let run = outcome(&mut run)?;
    ensure!(run.status.success(), "{}", text(&run));
    Ok(())
}

/// Pauses once some accounts are complete and others are being copied.
fn pause_midway() -> anyhow::Result<()> {
    wait::until("some accounts complete", PASS, || {
        let complete: usize = status("{.accounts.complete}")?.parse().unwrap_or(0);
        ensure!(complete >= 3, "{}", counts()?);
        ensure!(jobs()?.len() <= 4, "more Jobs than asked for");
        Ok(())
    })?;
    support(&["migrate", "pause", ARROMANCHES.siren, NAME])?;
    eventually("the pause", || {
        ensure!(phase()? == "Paused", "{}", counts()?);
        ensure!(jobs()?.is_empty(), "Jobs still run");
        Ok(())
    })?;
    let complete: usize = status("{.accounts.complete}")?.parse()?;
    ensure!(complete < ACCOUNTS, "it had ended before the pause");
    Ok(())
}

fn restart_operator() -> anyhow::Result<()> {
    let pod = |path: &str| field("pod", "melouvert-system", "melouvert-operator-0", path);
    let before = pod("{.metadata.uid}")?;
    kubectl(&[
        "delete",
        "pod",
        "melouvert-operator-0",
        "-n",
        "melouvert-system",
        "--wait=false",
    ])?;
    eventually("the operator's restart", || {
        ensure!(pod("{.metadata.uid}")? != before, "not replaced yet");
        let ready = pod("{.status.conditions[?(@.type==\"Ready\")].status}")?;
        ensure!(ready == "True", "not ready");
        Ok(())
    })
}

/// An outside client finds the same bytes and flags on both sides.
fn same_mail(
    space: &Space<'_>,
    old: &LegacyServer,
    (from, to): (&[String], &[String]),
) -> anyhow::Result<()> {
    let with = |users: &[String], password: &str| -> Vec<(String, String)> {
        users
            .iter()
            .map(|user| (user.clone(), password.to_owned()))
            .collect()
    };
    let port = platform()
        .cluster
        .forward(&format!("{}:{}", old.address, old.port))?;
    let there = witness::read((port, &old.host, &old.authority), &with(from, OLD_PASSWORD))?;
    let authority = xtask::space::authority(platform())?;
    let name = format!("imap.{}", ARROMANCHES.domain);
    let here = witness::read((space.ports().0, &name, &authority), &with(to, PASSWORD))?;
    for (place, (from, to)) in from.iter().zip(to).enumerate() {
        let (source, target) = (&there[from], &here[to]);
        let expected = MESSAGES as usize + usize::from(place == 0);
        ensure!(
            source.len() == expected,
            "{from} holds {} messages",
            source.len()
        );
        ensure!(
            source == target,
            "{from} and {to} differ: {} and {}",
            source.len(),
            target.len()
        );
    }
    Ok(())
}

/// The proof names every account, and both verifiers accept it.
fn proven() -> anyhow::Result<()> {
    melouvert(&["migrate", "verify", ARROMANCHES.siren, NAME])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("preuve.json");
    let path = file.to_string_lossy().into_owned();
    melouvert(&["migrate", "proof", ARROMANCHES.siren, NAME, "--file", &path])?;
    let proof: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let accounts = proof.pointer("/report/accounts").and_then(Value::as_array);
    let accounts = accounts.context("the proof lists no accounts")?;
    ensure!(
        accounts.len() == ACCOUNTS,
        "{} accounts in the proof",
        accounts.len()
    );
    let authority = xtask::space::authority(platform())?;
    let root = authority.to_string_lossy().into_owned();
    melouvert(&["migrate", "proof", "verify", &path, "--ca", &root])?;
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "cms", "-verify", "-binary", "-inform", "PEM", "-purpose", "any", "-in",
        ])
        .arg(format!("{path}.p7s"))
        .arg("-content")
        .arg(&file)
        .arg("-CAfile")
        .arg(&authority)
        .args(["-out", "/dev/null"]);
    let verified = outcome(&mut openssl)?;
    ensure!(verified.status.success(), "{}", text(&verified));
    Ok(())
}

/// Each turn is in the journal, and no password is left.
fn journalled_and_forgotten() -> anyhow::Result<()> {
    let journal = melouvert_json(&["journal", "show", "--siren", ARROMANCHES.siren])?.to_string();
    for action in [
        "migration.spec-changed",
        "migration.account-passed",
        "migration.reported",
        "migration.cut-over",
        "migration.credentials-deleted",
    ] {
        ensure!(journal.contains(action), "the journal lacks {action}");
    }
    let kept = kubectl(&[
        "get",
        "secrets",
        "-n",
        NAMESPACE,
        "-l",
        &format!("melouvert.fr/migration={NAME}"),
        "-o",
        "name",
    ])?;
    ensure!(kept.trim().is_empty(), "passwords are kept: {kept}");
    Ok(())
}

fn status(path: &str) -> anyhow::Result<String> {
    let path = path.replacen('.', ".status.", 1);
    field("migration", NAMESPACE, NAME, &path)
}

fn phase() -> anyhow::Result<String> {
    status("{.phase}")
}

fn counts() -> anyhow::Result<String> {
    status("{.accounts}")
}

/// The Jobs of the migration.
fn jobs() -> anyhow::Result<Vec<String>> {
    let label = format!("melouvert.fr/migration={NAME}");
    let all = kubectl(&["get", "jobs", "-n", NAMESPACE, "-l", &label, "-o", "name"])?;
    Ok(all.lines().map(ToOwned::to_owned).collect())
}
