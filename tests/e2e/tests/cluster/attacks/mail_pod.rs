//! Whoever runs code in the mail pod of a space: its files, its certificates, its network.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    field, platform,
    smtp::{Door, Letter, send},
    two_spaces,
};
use xtask::{platform::SYSTEM, space};

use crate::crowd::client_of;

/// Attaque : depuis le conteneur d'Exim, lire la clé d'administration de Dovecot ou atteindre ses
/// prises d'administration.
/// Témoin : le conteneur de Dovecot les voit ; celui d'Exim voit ses propres secrets et la prise des
/// mots de passe.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn administers_the_store_from_exims_container() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let list = |container: &str, folder: &str| caen.exec(container, &["busybox", "ls", folder]);
    let own = list("dovecot", "/run/dovecot")?;
    ensure!(own.contains("master"), "control: Dovecot's sockets: {own}");
    let own = list("dovecot", "/etc/melouvert-secrets")?;
    ensure!(own.trim() == "dovecot-secrets.conf", "{own}");

    let seen = list("exim", "/etc/melouvert-secrets")?;
    ensure!(seen.trim() == "exim-secrets.conf", "Exim sees {seen}");
    let seen = list("exim", "/run/auth")?;
    ensure!(seen.trim() == "client", "Exim sees {seen}");
    ensure!(
        list("exim", "/run/dovecot").is_err(),
        "Exim sees Dovecot's sockets"
    );
    Ok(())
}

/// Attaque : avec le certificat de son espace, écrire sous sa propre enveloppe, ou sans enveloppe, au nom
/// d'un autre espace, par sept écritures de From, Sender et Resent-From.
/// Témoin : le même certificat envoie au nom de son propre espace, et ses rebonds.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_as_another_space_with_its_own_certificate() -> anyhow::Result<()> {
    const OWN: &str = "From: Maire <maire@caen.example>";
    const FORGED: [&str; 7] = [
        "From: maire@rouen.example",
        "From: maire@caen.example\r\nFrom: maire@rouen.example",
        "From: <;maire@caen.example>\r\nFrom: maire@rouen.example",
        "From: =?utf-8?Q?maire=40caen.example_=28?= <maire@rouen.example>",
        "From: \"maire@rouen.example\" <maire@caen.example>",
        "From: maire@caen.example\r\nSender: maire@rouen.example",
        "From: maire@caen.example\r\nResent-From: maire@rouen.example",
    ];
    let (caen, rouen) = two_spaces()?;
    let folder = tempfile::tempdir()?;
    let client = client_of(&caen.namespace(), folder.path())?;
    let address = field(
        "service",
        SYSTEM,
        "melouvert-relay-out",
        "{.spec.clusterIP}",
    )?;
    let authority = space::authority(platform())?;
    let door = Door {
        port: platform().cluster.forward(&format!("{address}:587"))?,
        name: "smtp-out.normandie.melouvert.example",
        how: "starttls",
        authority: &authority,
        client: Some(&client),
        login: None,
        held: 0,
    };
    let paul = rouen.address("paul.durand");
    let bounce = "From: Mail Delivery System <Mailer-Daemon@caen.example>";
    let honest = [
        Letter::new("maire@caen.example", &paul, OWN),
        Letter::new("", &paul, bounce),
    ];
    for reply in send(&door, &honest)? {
        ensure!(reply.taken(), "control: {reply:?}");
    }
    for from in ["maire@caen.example", ""] {
        let letters = FORGED.map(|header| Letter::new(from, &paul, header));
        for (header, reply) in FORGED.iter().zip(send(&door, &letters)?) {
            reply
                .refused("one plain address of the client's space")
                .with_context(|| format!("{header:?}"))?;
        }
    }
    let envelope = Letter::new("maire@rouen.example", &paul, OWN);
    send(&door, &[envelope])?
        .remove(0)
        .refused("Sender's domain does not belong")
}
