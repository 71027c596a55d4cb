//! A signed proof, verified offline by the command line and by openssl alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use jiff::Timestamp;
use melouvert_migration::model::{MessageHash, hash_of_hashes};
use melouvert_pki::{Authority, IntermediateRequest, PrivateKey, document, life};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

/// The collectivity's proof as the platform would sign it, in a folder with the root authority.
struct Handed {
    folder: tempfile::TempDir,
    key: PrivateKey,
    chain: String,
}

fn report() -> Value {
    let hash = hash_of_hashes([MessageHash::of(b"a"), MessageHash::of(b"b")]).to_string();
    json!({
        "format": "melouvert-migration-report/1",
        "started": "2026-11-24T10:00:00Z", "finished": "2026-11-24T10:01:00Z",
        "outcome": "partial",
        "accounts": [{
            "source_url": "imaps://ancien.example:993", "source_user": "jeanne <ancienne>",
            "target_url": "imaps://mail:993", "target_user": "jeanne@caen.example",
            "status": "partial", "failure": null, "seconds": 1.5,
            "written_messages": 2, "written_bytes": 10, "matched_messages": 0,
            "flag_changes": 0, "vanished_messages": 0,
            "folders": [{
                "path": "INBOX", "target_name": "INBOX", "source_messages": 3,
                "copied_messages": 2, "copied_bytes": 10, "source_hash": hash,
                "verified_messages": 2, "target_hash": hash,
                "exceptions": 1, "complete": false,
            }],
            "exceptions": [{
                "account": "jeanne <ancienne>", "folder": "INBOX", "uid": 3, "size": 61_200_000,
                "date": "17-Jul-1996 02:44:25 -0700", "reason": "too_large",
                "detail": "[TOOBIG] no", "remedy": "Raise the target's message size limit, then run again.",
            }],
        }],
    })
}

/// BLAKE3 of JSON whose keys are sorted already, as `serde_json` sorts them.
fn hash(report: &Value) -> String {
    blake3::hash(report.to_string().as_bytes())
        .to_hex()
        .to_string()
}

fn proof(report: &Value, issued: Timestamp) -> String {
    let proof = json!({
        "format": "melouvert-migration-proof/1",
        "issued": Timestamp::from_second(issued.as_second()).expect("a date").to_string(),
        "by": "system:serviceaccount:col-211401187:migration",
        "collectivity": { "siren": "211401187", "name": "Commune de Caen" },
        "migration": { "name": "juin", "uid": "0", "run": 0 },
        "hash": hash(report),
        "report": report,
    });
    serde_json::to_string_pretty(&proof).expect("JSON") + "\n"
}

impl Handed {
    fn new() -> Self {
        let (now, mut rng) = (Timestamp::now(), StdRng::seed_from_u64(7));
        let root = Authority::root("Normandie", life::ROOT, now, &mut rng).expect("a root");
        let request = IntermediateRequest {
            common_name: "Melouvert col-211401187",
            permitted_dns: &["caen.example".to_owned()],
            life: life::INTERMEDIATE,
        };
        let caen = root
            .intermediate(&request, now, &mut rng)
            .expect("an authority");
        let signer = caen
            .issue_signer("Preuves de migration de col-211401187", now, &mut rng)
            .expect("a signer");
        let handed = Self {
            folder: tempfile::tempdir().expect("a folder"),
            key: signer.key,
            chain: signer.chain_pem,
        };
        handed.put("racine.pem", root.certificate_pem());
        let other = Authority::root("Bretagne", life::ROOT, now, &mut rng).expect("a root");
        handed.put("autre.pem", other.certificate_pem());
        handed.put("cle.pem", handed.key.expose_pem());
        handed.put("certificat.pem", &handed.chain);
        handed.sign(&proof(&report(), now));
        handed
    }

    fn sign(&self, text: &str) {
        let signature = document::sign(text.as_bytes(), &self.chain, &self.key).expect("signed");
        self.put("preuve.json", text);
        self.put("preuve.json.p7s", &signature);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// `melouvert migrate proof verify preuve.json …`: exit code and all words.
    fn verify(&self, more: &[&str]) -> (i32, String) {
        let mut command = melouvert(self.folder.path());
        command
            .args(["migrate", "proof", "verify", "preuve.json"])
            .args(more);
        said(&command.output().expect("melouvert starts"))
    }

    /// The commands of the DSI's guide, as they stand there.
    fn documented(&self) -> (bool, String) {
        let output = Command::new("bash")
            .args(["-e", "-u", "-o", "pipefail", "-c", &guide()])
            .current_dir(self.folder.path())
            .output()
            .expect("bash starts");
        let (code, words) = said(&output);
        (code == 0, words)
    }
}

fn melouvert(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_melouvert"));
    command
        .env_clear()
        .env("HOME", "/nonexistent")
        .current_dir(folder);
    command
}

fn said(output: &Output) -> (i32, String) {
    let words = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let words = String::from_utf8(words).expect("UTF-8");
    (output.status.code().unwrap_or(-1), words)
}

/// The block of the guide that verifies with openssl.
fn guide() -> String {
    let guide = include_str!("../../docs/dsi.md");
    let (_, after) = guide
        .split_once("cli/tests/proof.rs. -->\n```sh\n")
        .expect("the guide shows the commands");
    let (commands, _) = after.split_once("```").expect("the block ends");
    assert!(commands.contains("openssl cms -verify"), "{commands}");
    commands.to_owned()
}

#[test]
fn the_command_line_and_the_documented_openssl_accept_a_good_proof() {
    let handed = Handed::new();
    let (code, words) = handed.verify(&["--ca", "racine.pem"]);
    assert_eq!(code, 0, "{words}");
    assert!(
        words.contains("Commune de Caen") && words.contains("cohérent"),
        "{words}"
    );
    let (good, words) = handed.documented();
    assert!(good, "{words}");
    assert!(words.contains("CMS Verification successful"), "{words}");
    assert!(
        words.contains("Preuves de migration de col-211401187"),
        "{words}"
    );
    assert!(words.contains("1.3.6.1.5.5.7.3.36"), "{words}");
}

#[test]
fn one_altered_byte_is_seen_by_both() {
    let handed = Handed::new();
    let text = fs::read_to_string(handed.path("preuve.json")).expect("read");
    for (good, bad) in [
        ("\"uid\": 3\n", "\"uid\": 4\n"),
        ("Commune de Caen", "Commune de Caem"),
        ("{\n", "{\r\n"),
        ("}\n", "} \n"),
    ] {
        let altered = text.replacen(good, bad, 1);
        assert_ne!(altered, text);
        handed.put("preuve.json", &altered);
        let (code, words) = handed.verify(&["--ca", "racine.pem"]);
        assert_eq!(code, 1, "{good:?}: {words}");
        assert!(
            words.contains("altérée") && words.contains("que faire"),
            "{words}"
        );
        assert!(!handed.documented().0, "{good:?}: openssl accepts");
    }
}

#[test]
fn an_authority_that_is_absent_or_another_is_told() {
    let handed = Handed::new();
    let (code, words) = handed.verify(&[]);
    assert_eq!(code, 10, "{words}");
    assert!(
        words.contains("NON VÉRIFIÉE") && words.contains("--ca"),
        "{words}"
    );
    let (code, words) = handed.verify(&["--ca", "autre.pem"]);
    assert_eq!(code, 1, "{words}");
    fs::copy(handed.path("autre.pem"), handed.path("racine.pem")).expect("copied");
    assert!(!handed.documented().0, "openssl accepts another root");
    fs::remove_file(handed.path("preuve.json.p7s")).expect("removed");
    let (code, words) = handed.verify(&[]);
    assert_eq!(code, 3, "{words}");
    assert!(words.contains("preuve.json.p7s"), "{words}");
}

#[test]
fn a_proof_under_another_spaces_authority_is_refused() {
    let handed = Handed::new();
    let (now, mut rng) = (Timestamp::now(), StdRng::seed_from_u64(7));
    // The same region's root, made again from the same seed, and a space of it that is not Caen's.
    let root = Authority::root("Normandie", life::ROOT, now, &mut rng).expect("a root");
    handed.put("racine.pem", root.certificate_pem());
    let text = proof(&report(), now);
    for (space, taken) in [
        ("Melouvert col-211401187", true),
        ("Melouvert col-217605401", false),
        ("Melouvert col-211401187 (copie)", false),
    ] {
        let request = IntermediateRequest {
            common_name: space,
            permitted_dns: &["rouen.example".to_owned()],
            life: life::INTERMEDIATE,
        };
        let authority = root.intermediate(&request, now, &mut rng).expect("one");
        // The signer calls itself what it likes.
        let signer = authority
            .issue_signer("Melouvert col-211401187", now, &mut rng)
            .expect("a signer");
        let signature =
            document::sign(text.as_bytes(), &signer.chain_pem, &signer.key).expect("signed");
        handed.put("preuve.json", &text);
        handed.put("preuve.json.p7s", &signature);
        let (code, words) = handed.verify(&["--ca", "racine.pem"]);
        assert_eq!(code == 0, taken, "{space}: {words}");
        assert_eq!(
            words.contains("c'est une autre autorité"),
            !taken,
            "{words}"
        );
        let (code, words) = handed.verify(&[]);
        assert_eq!(code == 10, taken, "{space}, without --ca: {words}");
    }
}

#[test]
fn a_signed_proof_that_contradicts_itself_is_refused() {
    let handed = Handed::new();
    let mut embellished = report();
    embellished["accounts"][0]["exceptions"] = json!([]);
    handed.sign(&proof(&embellished, Timestamp::now()));
    let (code, words) = handed.verify(&["--ca", "racine.pem"]);
    assert_eq!(code, 1, "{words}");
    assert!(
        words.contains("1 exceptions annoncées, 0 listées"),
        "{words}"
    );
    let text = proof(&report(), Timestamp::now()).replace(&hash(&report()), &"0".repeat(64));
    handed.sign(&text);
    let (code, words) = handed.verify(&["--ca", "racine.pem"]);
    assert_eq!(code, 1, "{words}");
    assert!(words.contains("empreinte du contenu"), "{words}");
}

#[test]
fn a_copy_without_accounts_refuses_a_key_that_cannot_sign_before_it_begins() {
    let handed = Handed::new();
    let run = |cert: &str| {
        let mut command = melouvert(handed.folder.path());
        command.args([
            "migrate",
            "copy",
            "--accounts",
            "vide.csv",
            "--state",
            "etat",
        ]);
        command.args([
            "--report",
            "p.json",
            "--sign-key",
            "cle.pem",
            "--sign-cert",
            cert,
        ]);
        said(&command.output().expect("melouvert starts"))
    };
    handed.put("vide.csv", "source_url,source_user,source_password,target_url,target_user,target_password\nimaps://127.0.0.1:1,a,b,imaps://127.0.0.1:1,c,d\n");
    let (code, words) = run("autre.pem");
    assert_eq!(code, 2, "{words}");
    assert!(
        words.contains("ne peut pas signer") && words.contains("P-256"),
        "{words}"
    );
    assert!(!handed.path("p.json").exists());
}
