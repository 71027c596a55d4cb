//! What `melouvert migrate copy` says to a support team when a copy goes wrong in the middle.

mod lab;

use lab::Lab;
use melouvert_bench::{
    dovecot::{self, PASSWORD},
    proxy::{Behaviour, Proxy},
};

const COPY: [&str; 8] = [
    "copy",
    "--allow-cleartext",
    "--accounts",
    "comptes.csv",
    "--state",
    "etat",
    "--report",
    "preuve.json",
];

#[test]
fn a_full_mailbox_is_told_message_by_message_with_the_remedy() {
    let small = dovecot::Options {
        quota: Some(60_000),
        ..dovecot::Options::default()
    };
    let lab = Lab::start_with(&small);
    lab.write("comptes.csv", [PASSWORD, PASSWORD]);
    for (lang, words) in [
        (
            "fr",
            [
                "la nouvelle boîte est pleine",
                "→ augmentez le quota de la boîte, puis relancez : seul l'absent est copié",
                "des éléments manquent à la cible",
            ],
        ),
        (
            "en",
            [
                "the new mailbox is full",
                "quota",
                "some items are absent from the target",
            ],
        ),
    ] {
        let (code, said) = lab.run(&[&COPY[..], &["--lang", lang]].concat());
        assert_eq!(code, 10, "{said}");
        for wanted in words {
            assert!(said.contains(wanted), "{wanted} not in {said}");
        }
        assert!(said.contains("UID "), "{said}");
        let accounts = &lab.json("preuve.json")["report"]["accounts"];
        let accounts = accounts.as_array().expect("accounts");
        let absent: usize = accounts
            .iter()
            .map(|one| one["exceptions"].as_array().expect("exceptions").len())
            .sum();
        let there: u64 = accounts
            .iter()
            .flat_map(|one| one["folders"].as_array().expect("folders"))
            .map(|folder| folder["copied_messages"].as_u64().expect("a count"))
            .sum();
        assert!(there > 0 && absent > 0, "{there} copied, {absent} absent");
        assert_eq!(there + absent as u64, 60);
    }
}

#[test]
fn an_old_server_that_drops_the_connection_is_told_as_such() {
    let lab = Lab::start();
    let behaviour = Behaviour {
        cut_after: Some(600),
        cuts: u64::MAX,
        ..Behaviour::default()
    };
    let proxy = Proxy::start(lab.old.port, behaviour).expect("proxy");
    lab.write_from(proxy.port, "comptes.csv", [PASSWORD, PASSWORD]);
    let (code, said) = lab.run(&COPY);
    assert_eq!(code, 1, "{said}");
    for wanted in [
        "l'ancien serveur ne répond pas",
        "closed the connection",
        "→ vérifiez son adresse, son certificat et le réseau, puis relancez",
        "aucune boîte n'a pu être copiée",
    ] {
        assert!(said.contains(wanted), "{wanted} not in {said}");
    }
    assert!(proxy.connections() > 2, "it tried again");
    // Back again, the same command copies everything.
    lab.write("comptes.csv", [PASSWORD, PASSWORD]);
    let (code, said) = lab.run(&COPY);
    assert_eq!(code, 0, "{said}");
}
