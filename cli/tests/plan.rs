//! A plan made, kept, carried out, and its signed proof verified: between real Dovecots.

use std::{fs, path::Path, process::Command};

use melouvert_bench::{
    corpus, dovecot,
    dovecot::{Dovecot, PASSWORD},
    seeds,
};
use serde_json::Value;

const HEAD: &str = "source_url,source_user,source_password,target_url,target_user,target_password";

struct Lab {
    folder: tempfile::TempDir,
    old: Dovecot,
    new: Dovecot,
}

impl Lab {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        let mail = old.join("mail");
        let options = corpus::Options {
            messages: 60,
            mailboxes: 2,
            seed: 3,
            largest: 200_000,
        };
        corpus::write(&seeds::load().expect("seeds"), options, &mail).expect("corpus");
        dovecot::give_to_server(&mail).expect("chown");
        let source = dovecot::Options {
            format: dovecot::Format::Maildir,
            ..dovecot::Options::default()
        };
        fs::create_dir_all(&new).expect("folder");
        Self {
            old: Dovecot::start(&old, &source).expect("old server"),
            new: Dovecot::start(&new, &dovecot::Options::default()).expect("new server"),
            folder,
        }
    }

    fn write(&self, name: &str, passwords: [&str; 2]) {
        let (old, new) = (self.old.port, self.new.port);
        let mut csv = format!("{HEAD}\n");
        for (index, password) in passwords.into_iter().enumerate() {
            let user = corpus::mailbox_name(index);
            let from = format!("imap://127.0.0.1:{old},{user},{password}");
            let to = format!("imap://127.0.0.1:{new},{user},{PASSWORD}");
            csv.extend([from.as_str(), ",", &to, "\n"]);
        }
        fs::write(self.folder.path().join(name), csv).expect("written");
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
            .args(["migrate"])
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .current_dir(self.folder.path())
            .output()
            .expect("melouvert starts");
        let words = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let words = String::from_utf8(words).expect("UTF-8");
        (output.status.code().unwrap_or(-1), words)
    }

    fn json(&self, name: &str) -> Value {
        let text = fs::read(self.folder.path().join(name)).expect("read");
        serde_json::from_slice(&text).expect("JSON")
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }
}

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
