//! An agent of a space, with its password and nothing else.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, eventually, platform, psql,
    smtp::{Door, Letter, send},
    two_spaces,
};
use xtask::space::{self, Space};

const JEANNE: &str = "jeanne.martin@caen.example";
const MAYOR: &str = "maire@caen.example";
const NOT_OWN: &str = "must be one plain address, your own or an alias of it";
/// Ways to write her own address that mail programs use.
const HONEST: [&str; 6] = [
    "From: jeanne.martin@caen.example",
    "From: Jeanne Martin <Jeanne.Martin@caen.example>",
    "From: \"Martin, Jeanne (mairie)\" <jeanne.martin@caen.example>",
    "From: =?utf-8?Q?J=C3=A9r=C3=B4me?= Martin\r\n <jeanne.martin@caen.example>",
    "From: =?UTF-8?B?SsOpcsO0bWU=?= <jeanne.martin@caen.example>\r\nSender: jeanne.martin@caen.example",
    "From: jeanne.martin+listes@caen.example",
];
/// Ways to have the mayor, or another space, shown as the author.
const FORGED: [&str; 30] = [
    "From: maire@caen.example",
    "From: =?utf-8?Q?jeanne.martin=40caen.example_=28?= <maire@caen.example>",
    "From: =?utf-8?Q?jeanne.martin=40caen.example_=28?= <maire@rouen.example>",
    "From: jeanne.martin@caen.example\r\nFrom: maire@caen.example",
    "From: maire@caen.example\r\nFrom: jeanne.martin@caen.example",
    "From : maire@caen.example\r\nFrom: jeanne.martin@caen.example",
    "From:",
    "From: jeanne.martin@caen.example, maire@caen.example",
    "From: Mairie: maire@caen.example, jeanne.martin@caen.example;",
    "From: <@rouen.example:jeanne.martin@caen.example>",
    "From: jeanne.martin@caen.example (maire@caen.example)",
    "From: (jeanne.martin@caen.example)maire@caen.example",
    "From: <jeanne.martin@caen.example> <maire@caen.example>",
    "From: \"maire@caen.example\" <jeanne.martin@caen.example>",
    "From: =?utf-8?Q?maire=40caen.example?= <jeanne.martin@caen.example>",
    "From: =?utf-8?B?bWFpcmVAY2Flbi5leGFtcGxl?= <jeanne.martin@caen.example>",
    "From: =?utf-7?Q?maire+AEA-caen.example?= <jeanne.martin@caen.example>",
    "From: =?utf-8?Q?maire=EF=BC=A0caen.example?= <jeanne.martin@caen.example>",
    "From: =?utf-8?Q?maire=E2=80=AE?= <jeanne.martin@caen.example>",
    "From: \"maire\"@caen.example",
    "From: jeanne.martin@caen.example.",
    "From: maire%caen.example@caen.example",
    "From: J\u{e9}r\u{f4}me <jeanne.martin@caen.example>",
    "From: jeanne.martin@caen.example\rFrom: maire@caen.example",
    "From: jeanne.martin@caen.example\0, maire@caen.example",
    "From: jeanne.martin@caen.example\r\n , maire@caen.example",
    "From:\r\n maire@caen.example",
    "From: jeanne.martin@caen.example\r\nSender: maire@caen.example",
    "From: jeanne.martin@caen.example\r\nSender: jeanne.martin@caen.example\r\nSender: maire@caen.example",
    "From: jeanne.martin@caen.example\r\nResent-From: maire@caen.example",
];

/// Jeanne's submissions.
fn door(
    caen: &Space<'_>,
    letters: &[Letter],
    held: u32,
) -> anyhow::Result<Vec<melouvert_e2e::smtp::Reply>> {
    let authority = space::authority(platform())?;
    let door = Door {
        port: caen.ports().1,
        name: "smtp.caen.example",
        how: "tls",
        authority: &authority,
        client: None,
        login: Some((JEANNE, PASSWORD)),
        held,
    };
    send(&door, letters)
}

/// Attaque : un agent signe son message du nom d'un collègue, ou d'un autre espace, par trente
/// écritures de l'en-tête From, Sender ou Resent-From, et par l'enveloppe.
/// Témoin : six écritures de sa propre adresse, telles que les font les logiciels de messagerie.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_as_a_colleague() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let letter = |header: &&str| Letter::new(JEANNE, JEANNE, header);
    let honest: Vec<Letter> = HONEST.iter().map(letter).collect();
    for (header, reply) in HONEST.iter().zip(door(&caen, &honest, 0)?) {
        ensure!(reply.taken(), "control: {header:?}: {reply:?}");
    }
    let long = format!("From: {}<{JEANNE}>", "a ".repeat(2000));
    let far = format!(
        "From: {JEANNE}\r\nX-Loin: {}\r\nFrom : {MAYOR}",
        "x".repeat(70_000)
    );
    let forged: Vec<&str> = FORGED.into_iter().chain([&*long, &*far]).collect();
    let letters: Vec<Letter> = forged.iter().map(letter).collect();
    for (header, reply) in forged.iter().zip(door(&caen, &letters, 0)?) {
        let words = if header.contains("From :") {
            "A header name holds a blank"
        } else {
            NOT_OWN
        };
        reply
            .refused(words)
            .with_context(|| format!("{header:.90?}"))?;
    }
    let envelope = Letter::new(MAYOR, JEANNE, &format!("From: {JEANNE}"));
    let empty = Letter::new("", JEANNE, &format!("From: {JEANNE}"));
    for reply in door(&caen, &[envelope, empty], 0)? {
        reply.refused("Sender must be your own address")?;
    }
    Ok(())
}

/// Writes the agent's active filter, as ManageSieve would.
fn filter(caen: &Space<'_>, script: &str) -> anyhow::Result<()> {
    let write = "busybox mkdir -p \"$1\" && printf '%s' \"$2\" > \"$1/.dovecot.sieve\"";
    let home = "/srv/mail/caen.example/jeanne.martin";
    caen.exec(
        "dovecot",
        &["busybox", "sh", "-c", write, "sh", home, script],
    )
    .map(drop)
}

/// Attaque : la réponse automatique d'un agent se dit écrite par le maire, par `:from` et par un
/// second en-tête glissé dans `:mime`.
/// Témoin : la même réponse sous sa propre adresse arrive.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn replies_automatically_as_the_mayor() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let paul = rouen.address("paul.durand");
    let (inbox, writer) = (
        rouen.mailbox(&paul, PASSWORD),
        rouen.mailbox(&paul, PASSWORD),
    );
    let provoke = |subject: &str, action: &str| {
        filter(
            &caen,
            &format!("require [\"vacation\"];\r\nvacation :days 1 {action}"),
        )?;
        let jeanne = caen.mailbox(JEANNE, PASSWORD);
        let before = jeanne.count("INBOX")?;
        writer.send(
            JEANNE,
            &xtask::mailbox::message(&paul, JEANNE, subject, "Bonjour."),
        )?;
        eventually("the message that is answered", || {
            ensure!(jeanne.count("INBOX")? > before, "not yet");
            Ok(())
        })
    };
    let before = inbox.count("INBOX")?;
    provoke(
        "Réponse forgée 1",
        ":from \"maire@caen.example\" \"Absente\";",
    )?;
    provoke(
        "Réponse forgée 2",
        ":mime text:\r\nFrom: maire@caen.example\r\nContent-Type: text/plain\r\n\r\nAbsente\r\n.\r\n;",
    )?;
    provoke("Réponse honnête", "\"Absente, en vrai\";")?;
    let last = eventually("control: her own reply", || {
        let now = inbox.count("INBOX")?;
        ensure!(now > before, "no reply");
        Ok(now)
    });
    filter(&caen, "")?;
    for number in before + 1..=last? {
        let text = inbox.read("INBOX", number)?;
        ensure!(!text.contains(MAYOR), "a reply as the mayor:\n{text}");
    }
    Ok(())
}

/// Attaque : un message à mille destinataires, puis à ceux que la porte a pris avant de refuser.
/// Témoin : un message à vingt destinataires.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_to_a_thousand_at_once() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let wide = |to: &str, recipients: usize, whatever: bool| Letter {
        to: vec![to.to_owned(); recipients],
        whatever,
        ..Letter::new(JEANNE, JEANNE, &format!("From: {JEANNE}"))
    };
    // Addresses outside of the space are not asked for before the message is taken.
    let outside = "dehors@exterieur.example";
    let letters = [
        wide(JEANNE, 20, false),
        wide(outside, 1000, true),
        wide(outside, 201, true),
    ];
    let replies = door(&caen, &letters, 0)?;
    ensure!(replies[0].taken(), "control: {:?}", replies[0]);
    for reply in &replies[1..] {
        reply.refused("at most 200 in one message")?;
    }
    Ok(())
}

/// Attaque : vingt-cinq envois laissés ouverts par un agent, plus que l'espace n'a de connexions à sa
/// base.
/// Témoin : un message passe sans eux, et il passe avec eux.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn keeps_submissions_open() -> anyhow::Result<()> {
    const READERS: &str =
        "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'col_211401187_reader'";
    let (caen, _) = two_spaces()?;
    let limit: i32 = psql("postgres", READERS)?.trim().parse()?;
    ensure!(
        (0..25).contains(&limit),
        "control: {limit} connections are not exhausted by 25"
    );
    let letter = Letter::new(JEANNE, JEANNE, &format!("From: {JEANNE}"));
    for held in [0, 25] {
        let reply = door(&caen, std::slice::from_ref(&letter), held)?.remove(0);
        ensure!(reply.taken(), "with {held} sessions kept open: {reply:?}");
    }
    Ok(())
}
