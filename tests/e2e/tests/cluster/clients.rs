//! Mail clients that are not ours.

use std::process::Command;

use anyhow::ensure;
use melouvert_e2e::{PASSWORD, deliver, dkim, eventually, outcome, text, two_spaces};
use xtask::{
    mailbox,
    space::{self, CAEN, ROUEN},
};

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn openssl_sees_the_greeting_under_the_regions_root() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let authority = space::authority(melouvert_e2e::platform())?;
    let connect = format!("127.0.0.1:{}", caen.ports().0);
    let greet = |name: &str| {
        let mut client = Command::new("openssl");
        client
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-connect",
                &connect,
            ])
            .args(["-servername", name, "-verify_hostname", name, "-CAfile"])
            .arg(&authority);
        xtask::shell::output_with(&mut client, Some("a LOGOUT\r\n"))
    };
    let greeting = greet("imap.caen.example")?;
    ensure!(
        greeting.contains("* OK") && greeting.contains("* BYE"),
        "{greeting}"
    );
    ensure!(
        greet("imap.rouen.example").is_err(),
        "Caen's server showed Rouen's name"
    );
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn a_message_crosses_both_relays_signed() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let (from, to) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    let received = deliver((&caen, &from), (&rouen, &to), "De Caen à Rouen")?;
    for expected in [
        "Subject: De Caen",
        "DKIM-Signature:",
        "d=caen.example",
        "smtp-out.normandie.melouvert.example",
        "mx.normandie.melouvert.example",
    ] {
        ensure!(
            received.contains(expected),
            "{expected} is missing in:\n{received}"
        );
    }
    ensure!(
        received.contains("Bonjour à vous."),
        "the text was altered:\n{received}"
    );
    signed(&received)
}

/// Both signatures hold with the keys that the command line tells Caen to publish, and with those
/// alone.
fn signed(message: &str) -> anyhow::Result<()> {
    let caens = dkim::published(CAEN.siren)?;
    let mut found = dkim::verify(message, &caens)?;
    found.sort();
    ensure!(
        found
            == [
                "ed25519-sha256 m1 caen.example pass",
                "rsa-sha256 m2 caen.example pass"
            ],
        "{found:?}\n{message}"
    );
    let altered = message.replace("Bonjour", "Bonsoir");
    let rouens = dkim::published(ROUEN.siren)?;
    let swapped = rouens
        .into_iter()
        .map(|(name, text)| (name.replace(ROUEN.domain, CAEN.domain), text))
        .collect();
    for (text, records, what) in [
        (altered.as_str(), &caens, "an altered text"),
        (message, &swapped, "another collectivity's keys"),
    ] {
        let found = dkim::verify(text, records)?;
        ensure!(
            found.len() == 2 && found.iter().all(|line| line.ends_with(" fail")),
            "{what}: {found:?}"
        );
    }
    Ok(())
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn nobody_sends_as_somebody_else() -> anyhow::Result<()> {
    let (caen, rouen) = two_spaces()?;
    let (jeanne, paul) = (caen.address("jeanne.martin"), rouen.address("paul.durand"));
    let forged = mailbox::message(&paul, &paul, "Faux", "…");
    let sender = caen.mailbox(&jeanne, PASSWORD);
    ensure!(
        sender.send_as(&paul, &paul, &forged).is_err(),
        "Caen sent in Rouen's name"
    );
    let other = caen.address("maire");
    ensure!(
        sender.send_as(&other, &paul, &forged).is_err(),
        "Jeanne sent in the mayor's name"
    );
    Ok(())
}

/// What the region's MX answers, through swaks.
fn swaks(from: &str, to: &str) -> anyhow::Result<(bool, String)> {
    let platform = melouvert_e2e::platform();
    let address = melouvert_e2e::field(
        "service",
        "melouvert-system",
        "melouvert-relay-in",
        "{.spec.clusterIP}",
    )?;
    let port = platform.cluster.forward(&format!("{address}:25"))?;
    let output = outcome(Command::new("swaks").args([
        "--server",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--from",
        from,
        "--to",
        to,
        "--helo",
        "exterieur.example",
        "--timeout",
        "30",
    ]))?;
    Ok((output.status.success(), text(&output)))
}

#[test]
#[ignore = "needs a cluster: cargo xtask test"]
fn the_mx_accepts_known_recipients_only() -> anyhow::Result<()> {
    let (caen, _) = two_spaces()?;
    let jeanne = caen.address("jeanne.martin");
    let receiver = caen.mailbox(&jeanne, PASSWORD);
    let before = receiver.count("INBOX")?;
    let (accepted, said) = swaks("dehors@exterieur.example", &jeanne)?;
    ensure!(accepted, "{said}");
    eventually("the delivery from outside", || {
        ensure!(receiver.count("INBOX")? > before, "nothing arrived");
        Ok(())
    })?;
    let (accepted, said) = swaks("dehors@exterieur.example", &caen.address("personne"))?;
    ensure!(
        !accepted && said.contains("<** 550"),
        "an unknown recipient was not refused:\n{said}"
    );
    let (accepted, said) = swaks("dehors@exterieur.example", "ailleurs@autre.example")?;
    ensure!(
        !accepted && said.contains("<** 550"),
        "an open relay:\n{said}"
    );
    Ok(())
}
