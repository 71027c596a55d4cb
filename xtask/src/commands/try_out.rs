//! `cargo xtask try`: Melouvert on this machine, and a walk through what it does.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::{
    debian::{self, Need},
    legacy::{LegacyAccount, LegacyServer},
    mailbox,
    platform::{Platform, Programs},
    progress::{data, say, seconds, step},
    shell,
    space::{self, ARROMANCHES, CAEN, ROUEN, Space},
};

/// The try-out's cluster.
const NAME: &str = "melouvert";
/// The agents' password: the try-out is reachable from this machine's loopback alone.
const PASSWORD: &str = "essai-de-Melouvert-2026";

/// The migration's name.
const MIGRATION: &str = "ancien-serveur";

/// Arguments of `cargo xtask try`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove the try-out and all that belongs to it
    #[arg(long)]
    down: bool,
}

/// Runs `cargo xtask try`.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if args.down {
        return step("Retirer l'essai", || Ok(melouvert_cluster::down(NAME)?));
    }
    let start = Instant::now();
    step("Installer les paquets Debian de l'essai", || {
        Ok(debian::require(&[
            Need::TryOut,
            Need::Cluster,
            Need::Images,
        ])?)
    })?;
    let platform = Platform::install(NAME, Programs::Alone)?;
    let caen = step("Ouvrir l'espace de Caen", || Space::open(&platform, CAEN))?;
    let rouen = step("Ouvrir l'espace de Rouen", || Space::open(&platform, ROUEN))?;
    let _arromanches = step(
        "Ouvrir l'espace d'Arromanches-les-Bains (413 habitants)",
        || Space::open(&platform, ARROMANCHES),
    )?;
    step("Créer une agente à Caen et un agent à Rouen", || {
        caen.agent("jeanne.martin", "Jeanne Martin", PASSWORD)?;
        rouen.agent("paul.durand", "Paul Durand", PASSWORD)
    })?;
    step("Reprendre l'ancienne boîte de Jeanne Martin", || {
        migrate(&platform, &caen)
    })?;
    step("Écrire de Caen à Rouen", || write(&caen, &rouen))?;
    step("Vérifier le cloisonnement", || {
        isolation(&platform, &caen, &rouen)
    })?;
    epilogue(&platform, &caen, start)
}

fn migrate(platform: &Platform, caen: &Space<'_>) -> anyhow::Result<()> {
    let namespace = caen.namespace();
    let phase = [
        "get",
        "migration",
        MIGRATION,
        "-n",
        &namespace,
        "-o",
        "jsonpath={.status.phase}",
    ];
    if platform
        .cluster
        .kubectl(&phase)
        .is_ok_and(|phase| phase == "Complete")
    {
        return proof(platform, caen);
    }
    // The old server is made anew: a migration left half way by an interrupted try has lost its source.
    platform.cluster.kubectl(&[
        "delete",
        "migration",
        MIGRATION,
        "-n",
        &namespace,
        "--ignore-not-found",
    ])?;
    let old = LegacyServer::start(
        platform,
        platform.image("dovecot")?,
        &[LegacyAccount {
            user: "jmartin",
            password: "ancien-mot-de-passe",
            messages: 300,
        }],
    )?;
    let accounts = tempfile::NamedTempFile::new().context("failed to make a file")?;
    let address = caen.address("jeanne.martin");
    std::fs::write(
        accounts.path(),
        format!(
            "source_user,source_password,target_user,target_password\njmartin,ancien-mot-de-passe,{address},{PASSWORD}\n"
        ),
    )
    .context("failed to write the accounts")?;
    let mut run = platform.melouvert();
    run.args([
        "migrate",
        "run",
        "--siren",
        caen.of.siren,
        "--name",
        MIGRATION,
    ])
    .arg("--source")
    .arg(format!("imaps://{}:{}", old.host, old.port))
    .arg("--source-cidr")
    .arg(format!("{}/32", old.address))
    .arg("--ca-file")
    .arg(&old.authority)
    .arg("--accounts")
    .arg(accounts.path());
    shell::run(&mut run)?;
    proof(platform, caen)
}

fn proof(platform: &Platform, caen: &Space<'_>) -> anyhow::Result<()> {
    shell::run(
        platform
            .melouvert()
            .args(["migrate", "proof", caen.of.siren, MIGRATION]),
    )
}

fn write(caen: &Space<'_>, rouen: &Space<'_>) -> anyhow::Result<()> {
    let (from, to) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    let receiver = rouen.mailbox(&to, PASSWORD);
    let before = receiver.count("INBOX")?;
    caen.mailbox(&from, PASSWORD).send(
        &to,
        &mailbox::message(
            &from,
            &to,
            "Bonjour de Caen",
            "Un premier message entre deux espaces.",
        ),
    )?;
    let number = crate::wait::until(
        "the message in Rouen",
        std::time::Duration::from_mins(1),
        || {
            let now = receiver.count("INBOX")?;
            ensure!(now > before, "INBOX still holds {now} messages");
            Ok(now)
        },
    )?;
    let text = receiver.read("INBOX", number)?;
    let path: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    say("    reçu à Rouen, avec ces en-têtes :");
    for line in path.iter().filter(|l| {
        l.starts_with("Received:") || l.starts_with("DKIM-Signature:") || l.starts_with("Subject:")
    }) {
        say(&format!("      {line}"));
    }
    ensure!(
        path.iter().any(|line| line.starts_with("DKIM-Signature:")),
        "the message is not signed"
    );
    Ok(())
}

fn isolation(platform: &Platform, caen: &Space<'_>, rouen: &Space<'_>) -> anyhow::Result<()> {
    let caens = caen.address("jeanne.martin");
    rouen
        .mailbox(&rouen.address("paul.durand"), PASSWORD)
        .login()
        .context("positive control")?;
    ensure!(
        rouen.mailbox(&caens, PASSWORD).login().is_err(),
        "Caen's agent could log in to Rouen's server"
    );
    say("    l'agente de Caen est refusée par le serveur de Rouen, l'agent de Rouen y entre");
    let pod_address = |space: &Space<'_>| {
        platform.cluster.kubectl(&[
            "get",
            "pod",
            "mail-0",
            "-n",
            &space.namespace(),
            "-o",
            "jsonpath={.status.podIP}",
        ])
    };
    let reach = |address: &str| {
        caen.exec(
            "dovecot",
            &[
                "busybox",
                "nc",
                "-w",
                "3",
                address,
                "1993",
                "-e",
                "/usr/bin/busybox",
                "true",
            ],
        )
    };
    reach("127.0.0.1").context("positive control")?;
    ensure!(
        reach(&pod_address(rouen)?).is_err(),
        "Caen's pod reached Rouen's"
    );
    say("    le pod de Caen atteint son propre serveur, pas celui de Rouen");
    Ok(())
}

fn epilogue(platform: &Platform, caen: &Space<'_>, start: Instant) -> anyhow::Result<()> {
    let (imaps, submissions) = caen.ports();
    let kubeconfig = platform.cluster.kubeconfig().display();
    data(&format!(
        "
Melouvert tourne sur cette machine ({elapsed}).

Pour continuer :
  export KUBECONFIG={kubeconfig}
  export PATH={cli}:{bin}:$PATH

  melouvert collectivity list
  melouvert agent list --siren {siren}
  melouvert journal show --siren {siren}
  melouvert journal verify --siren {siren}
  melouvert migrate proof {siren} {MIGRATION}
  kubectl get collectivities

  # Un client de messagerie : IMAPS 127.0.0.1:{imaps}, SMTP (TLS) 127.0.0.1:{submissions},
  # jeanne.martin@{domain}, mot de passe {PASSWORD}
  openssl s_client -quiet -connect 127.0.0.1:{imaps} -servername imap.{domain} -CAfile {authority}

Pour tout retirer : cargo xtask try --down",
        elapsed = seconds(start.elapsed()),
        cli = platform
            .cli()
            .parent()
            .map(|dir| dir.display().to_string())
            .unwrap_or_default(),
        bin = platform.cluster.bin_dir().display(),
        siren = caen.of.siren,
        domain = caen.of.domain,
        authority = space::authority(platform)?.display(),
    ));
    Ok(())
}
