//! A stranger: whoever reaches the public ports (MX, IMAPS, submissions, the API server) without
//! an account.

use anyhow::{Context, ensure};
use melouvert_e2e::{
    PASSWORD, eventually, field, melouvert, platform,
    smtp::{Door, Letter, Reply, send},
    two_spaces,
};
use xtask::{
    platform::SYSTEM,
    space::{self, ROUEN, Space},
};

const JEANNE: &str = "jeanne.martin@caen.example";
const STRANGER: &str = "dehors@exterieur.example";
const HOSTED: &str = "is hosted here";
/// Ways to have an address of a hosted domain as the author.
const FORGED: [&str; 11] = [
    "From: maire@caen.example",
    "From: Le maire <MAIRE@Caen.Example>",
    "From: Le maire\r\n <maire@caen.example>",
    "From: \"maire\"@caen.example",
    "From: maire@caen.example.",
    "From: maire @ caen.example",
    "From: (dehors@exterieur.example) maire@(x)caen.example",
    "From: dehors@exterieur.example, maire@rouen.example",
    "From: Mairie: maire@caen.example;",
    "From: <@exterieur.example:maire@caen.example>",
    "From: maire@caen.example\r\nAuthentication-Results: mx.normandie.melouvert.example; spf=pass; dkim=pass header.d=caen.example",
];
/// Ways to be two authors, or none.
const TORN: [&str; 5] = [
    "From: dehors@exterieur.example\r\nFrom: maire@caen.example",
    "From: <;dehors@exterieur.example>\r\nFrom: maire@caen.example",
    "From : maire@caen.example\r\nFrom: dehors@exterieur.example",
    "From : maire@caen.example",
    "X-Auteur: maire@caen.example",
];
/// Ways to show an address of a hosted domain without claiming it.
const SHOWN: [&str; 3] = [
    "From: \"maire@caen.example\" <dehors@exterieur.example>",
    "From: =?utf-8?Q?maire=40caen.example?= <dehors@exterieur.example>",
    "From: dehors@exterieur.example\r\nSender: maire@caen.example",
];

fn mx(letters: &[Letter]) -> anyhow::Result<Vec<Reply>> {
    let platform = platform();
    let address = field("service", SYSTEM, "melouvert-relay-in", "{.spec.clusterIP}")?;
    let authority = space::authority(platform)?;
    let door = Door {
        port: platform.cluster.forward(&format!("{address}:25"))?,
        name: "mx.normandie.melouvert.example",
        how: "starttls",
        authority: &authority,
        client: None,
        login: None,
        held: 0,
    };
    send(&door, letters)
}

/// The newest message of a folder, once there are more than `before`.
fn arrived(space: &Space<'_>, address: &str, folder: &str, before: u32) -> anyhow::Result<String> {
    let mailbox = space.mailbox(address, PASSWORD);
    let last = eventually("the delivery", || {
        let now = mailbox.count(folder)?;
        ensure!(now > before, "{folder} still holds {now}");
        Ok(now)
    })?;
    mailbox.read(folder, last)
}

/// Attaque : un inconnu écrit au nom d'un domaine hébergé, par seize écritures de From et par
/// l'enveloppe, et joint un faux verdict d'authentification.
/// Témoin : un courrier honnête du dehors arrive ; le faux verdict qu'il portait a disparu, celui du
/// relais est là ; de Caen à Rouen, le courrier passe.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn writes_in_the_name_of_a_hosted_domain() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let before = caen.mailbox(JEANNE, PASSWORD).count("INBOX")?;
    let honest = format!(
        "From: {STRANGER}\r\nAuthentication-Results: mx.normandie.melouvert.example; spf=pass\r\nX-Melouvert-Verdict: space\r\nReceived-SPF: pass"
    );
    let reply = mx(&[Letter::new(STRANGER, JEANNE, &honest)])?.remove(0);
    ensure!(reply.taken(), "control: {reply:?}");
    let text = arrived(&caen, JEANNE, "INBOX", before)?;
    for forged in ["spf=pass", "Verdict: space", "Received-SPF"] {
        ensure!(!text.contains(forged), "{forged} was kept:\n{text}");
    }
    for own in [
        "Authentication-Results: mx.normandie.melouvert.example",
        "X-Melouvert-Verdict: outside",
    ] {
        ensure!(text.contains(own), "{own} is missing:\n{text}");
    }
    let paul = rouen.address("paul.durand");
    let text = melouvert_e2e::deliver((&caen, JEANNE), (&rouen, &paul), "Entre espaces")?;
    ensure!(text.contains("X-Melouvert-Verdict: space"), "{text}");

    let letter = |header: &&str| Letter::new(STRANGER, JEANNE, header);
    let forged: Vec<Letter> = FORGED.iter().map(letter).collect();
    for (header, reply) in FORGED.iter().zip(mx(&forged)?) {
        reply
            .refused(HOSTED)
            .with_context(|| format!("{header:?}"))?;
    }
    let torn: Vec<Letter> = TORN.iter().map(letter).collect();
    for (header, reply) in TORN.iter().zip(mx(&torn)?) {
        reply
            .refused("5.6.0")
            .with_context(|| format!("{header:?}"))?;
    }
    let envelope = Letter::new("maire@caen.example", JEANNE, &format!("From: {STRANGER}"));
    let bounce = Letter::new("", JEANNE, "From: maire@caen.example");
    for reply in mx(&[envelope, bounce])? {
        reply.refused(HOSTED)?;
    }
    Ok(())
}

/// Attaque : un inconnu montre l'adresse du maire sans l'employer : dans le nom affiché, même encodé, ou
/// dans Sender.
/// Témoin : le message arrive, marqué, dans Junk et non dans la boîte de réception.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn shows_the_mayors_address_in_a_name() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    for header in SHOWN {
        let before = caen.mailbox(JEANNE, PASSWORD).count("Junk")?;
        let reply = mx(&[Letter::new(STRANGER, JEANNE, header)])?.remove(0);
        ensure!(reply.taken(), "{header:?}: {reply:?}");
        let text = arrived(&caen, JEANNE, "Junk", before)?;
        ensure!(text.contains("X-Melouvert-Verdict: junk"), "{text}");
    }
    Ok(())
}

/// Sets back what Rouen chose, also after a failure.
struct Lenient;

impl Lenient {
    fn set(choice: &str) -> anyhow::Result<()> {
        let change = ["collectivity", "mail", ROUEN.siren, "--unaligned", choice];
        melouvert(&change).map(drop)
    }
}

impl Drop for Lenient {
    #[expect(clippy::print_stderr, reason = "nobody else hears of it")]
    fn drop(&mut self) {
        if let Err(error) = Self::set("refuse") {
            eprintln!("{error:#}");
        }
    }
}

/// Attaque : un inconnu écrit au nom d'un domaine hébergé à un espace qui reçoit ses listes de diffusion
/// dans Junk, puis se sert du choix de cet espace pour atteindre son voisin.
/// Témoin : chez le premier, le message arrive dans Junk ; chez le voisin, il est refusé.
#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn reaches_a_space_by_its_neighbours_choice() -> anyhow::Result<()> {
    let (_, rouen) = two_spaces()?;
    let paul = rouen.address("paul.durand");
    let lenient = Lenient;
    Lenient::set("junk")?;
    let before = rouen.mailbox(&paul, PASSWORD).count("Junk")?;
    let forged = "From: maire@caen.example";
    eventually("Rouen's choice at the relay", || {
        let reply = mx(&[Letter::new(STRANGER, &paul, forged)])?.remove(0);
        ensure!(reply.taken(), "{reply:?}");
        Ok(())
    })?;
    arrived(&rouen, &paul, "Junk", before)?;
    mx(&[Letter::new(STRANGER, JEANNE, forged)])?
        .remove(0)
        .refused(HOSTED)?;
    for to in [[JEANNE, paul.as_str()], [paul.as_str(), JEANNE]] {
        let both = Letter {
            to: to.map(str::to_owned).to_vec(),
            ..Letter::new(STRANGER, JEANNE, forged)
        };
        let reply = mx(&[both])?.remove(0);
        ensure!(
            reply.code == 450 && reply.said.contains("One space at a time"),
            "one answer for both: {reply:?}"
        );
    }
    drop(lenient);
    eventually("Rouen's choice to be forgotten", || {
        mx(&[Letter::new(STRANGER, &paul, forged)])?
            .remove(0)
            .refused(HOSTED)
    })
}
