//! A plan made, kept, carried out, and its signed proof verified: between real Dovecots.

mod lab;

use std::{fs, path::Path};

use lab::Lab;
use melouvert_bench::dovecot::PASSWORD;

fn signer(folder: &Path) {
    use melouvert_pki::{Authority, life};
    use rand::{SeedableRng, rngs::StdRng};
    let (now, mut rng) = (jiff::Timestamp::now(), StdRng::seed_from_u64(9));
    let root = Authority::root("Essai", life::ROOT, now, &mut rng).expect("a root");
    let signer = root
        .issue_signer("Preuves d'essai", now, &mut rng)
        .expect("a signer");
    let put = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
    put("racine.pem", root.certificate_pem());
    put("cle.pem", signer.key.expose_pem());
    put("certificat.pem", &signer.chain_pem);
}

#[test]
fn only_what_a_plan_allows_is_copied_and_the_rest_is_listed() {
    let lab = Lab::start();
    lab.write("comptes.csv", [PASSWORD, "faux"]);
    let reach = ["--allow-cleartext", "--accounts", "comptes.csv"];
    let (code, words) = lab.run(&[&["plan", "--save", "plan.json"][..], &reach].concat());
    assert_eq!(code, 10, "{words}");
    for said in [
        "oui",
        "NON",
        "refuse l'identifiant ou le mot de passe",
        "→ corrigez",
    ] {
        assert!(words.contains(said), "{said} not in {words}");
    }
    assert!(!words.contains("faux"), "a secret in {words}");

    signer(lab.folder.path());
    let copy = [
        &[
            "copy",
            "--state",
            "etat",
            "--plan",
            "plan.json",
            "--report",
            "preuve.json",
        ][..],
        &[
            "--html",
            "preuve.html",
            "--sign-key",
            "cle.pem",
            "--sign-cert",
            "certificat.pem",
        ],
        &reach,
    ]
    .concat();
    let (code, words) = lab.run(&copy);
    assert_eq!(code, 10, "{words}");
    assert!(words.contains("écartée par le plan"), "{words}");
    let accounts = &lab.json("preuve.json")["report"]["accounts"];
    assert_eq!(accounts[0]["status"], "complete", "{words}");
    assert_eq!(accounts[1]["failure"]["reason"], "no_go");
    let page = fs::read_to_string(lab.folder.path().join("preuve.html")).expect("a page");
    assert!(
        page.contains("écartée par le plan") && page.contains("Signée par"),
        "{page}"
    );
    let (code, words) = lab.run(&["proof", "verify", "preuve.json", "--ca", "racine.pem"]);
    assert_eq!(code, 0, "{words}");

    lab.write("comptes.csv", [PASSWORD, PASSWORD]);
    let (code, words) = lab.run(
        &[
            &["plan", "--state", "etat", "--save", "plan.json"][..],
            &reach,
        ]
        .concat(),
    );
    assert_eq!(code, 0, "{words}");
    let plan = lab.json("plan.json");
    assert_eq!(plan["accounts"][0]["pending_messages"], 0);
    let (code, words) = lab.run(&copy);
    assert_eq!(code, 0, "{words}");
}

#[test]
fn a_plan_for_others_or_changed_copies_nothing() {
    let lab = Lab::start();
    lab.write("comptes.csv", [PASSWORD, PASSWORD]);
    let reach = ["--allow-cleartext", "--accounts", "comptes.csv"];
    let (code, words) = lab.run(&[&["plan", "--save", "plan.json"][..], &reach].concat());
    assert_eq!(code, 0, "{words}");
    let copy = [
        &["copy", "--state", "etat", "--plan", "plan.json"][..],
        &reach,
    ]
    .concat();
    let good = fs::read_to_string(lab.folder.path().join("plan.json")).expect("a plan");
    let put =
        |name: &str, text: &str| fs::write(lab.folder.path().join(name), text).expect("written");
    put(
        "plan.json",
        &good.replace("\"messages\": ", "\"messages\": 1"),
    );
    let (code, words) = lab.run(&copy);
    assert_eq!(code, 2, "{words}");
    assert!(
        words.contains("modifié depuis") && words.contains("que faire"),
        "{words}"
    );
    put("plan.json", &good);
    let csv = fs::read_to_string(lab.folder.path().join("comptes.csv")).expect("accounts");
    put(
        "comptes.csv",
        &csv.lines().take(2).collect::<Vec<_>>().join("\n"),
    );
    let (code, words) = lab.run(&copy);
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("pour d'autres comptes"), "{words}");
    assert!(!lab.exists("etat"), "something was begun");
}
