//! Bad input: the exit code, nothing on stdout, words that name the field and the remedy.

use assert_cmd::Command;

/// Runs without any environment, so without a kubeconfig. Returns the exit code and stderr.
fn refuse(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .output()
        .expect("melouvert starts");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(stdout, "", "{args:?} wrote to stdout");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code().unwrap_or(-1), stderr)
}

/// `(name, arguments, exit code)`.
const CASES: [(&str, &[&str], i32); 14] = [
    (
        "siren-luhn",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "211401188",
            "--domain",
            "caen.example",
        ],
        2,
    ),
    ("siren-shape", &["collectivity", "show", "2114011"], 2),
    (
        "siren-unknown",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "356000000",
            "--domain",
            "poste.example",
        ],
        3,
    ),
    (
        "domain-state",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "211401187",
            "--domain",
            "caen.gouv.fr",
        ],
        2,
    ),
    (
        "domain-state-suffix",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "211401187",
            "--domain",
            "caen-gouv.fr",
        ],
        2,
    ),
    (
        "domain-shape",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "211401187",
            "--domain",
            "caen",
        ],
        2,
    ),
    (
        "domain-twice",
        &[
            "collectivity",
            "onboard",
            "--siren",
            "211401187",
            "--domain",
            "caen.example",
            "--domain",
            "CAEN.example",
        ],
        2,
    ),
    (
        "timeout",
        &["collectivity", "suspend", "211401187", "--timeout", "5"],
        2,
    ),
    ("no-kubeconfig", &["collectivity", "list"], 2),
    (
        "kubeconfig-absent",
        &[
            "collectivity",
            "list",
            "--kubeconfig",
            "/nonexistent/config",
        ],
        2,
    ),
    (
        "erase-unconfirmed",
        &["collectivity", "delete", "211401187", "--erase"],
        2,
    ),
    (
        "erase-mistaken",
        &[
            "collectivity",
            "delete",
            "211401187",
            "--erase",
            "--confirm",
            "217605401",
        ],
        2,
    ),
    (
        "cleartext",
        &[
            "migrate",
            "run",
            "--siren",
            "211401187",
            "--source",
            "imap://old.example",
            "--source-cidr",
            "10.0.0.1/32",
            "--accounts",
            "/nonexistent",
        ],
        2,
    ),
    ("unknown-command", &["colectivity"], 2),
];

#[test]
fn each_case_has_its_code_and_words() {
    for (name, args, code) in CASES {
        for lang in ["fr", "en"] {
            let (found, stderr) = refuse(&[args, &["--lang", lang]].concat());
            assert_eq!(found, code, "{name}: {stderr}");
            insta::assert_snapshot!(format!("{name}-{lang}"), stderr);
        }
    }
}

#[test]
fn an_unreachable_cluster_has_its_own_code() {
    // A port that was free a moment ago: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    let config = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\nusers: [{{name: u, user: {{token: t}}}}]\n"
    );
    std::fs::write(&path, config).unwrap();
    let kubeconfig = path.to_str().unwrap();
    let (code, stderr) = refuse(&[
        "collectivity",
        "show",
        "211401187",
        "--kubeconfig",
        kubeconfig,
    ]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("le cluster ne répond pas"), "{stderr}");
    let (code, stderr) = refuse(&[
        "collectivity",
        "list",
        "--kubeconfig",
        kubeconfig,
        "--context",
        "x",
    ]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("« x »"), "{stderr}");
}

#[test]
fn a_bad_accounts_file_names_line_and_column_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.csv");
    std::fs::write(
        &path,
        "source_user,source_password,target_user,target_password\na,s3cret,b@caen.example,x\na,s3cret,personne,x\n",
    )
    .unwrap();
    let (code, stderr) = refuse(&[
        "migrate",
        "run",
        "--siren",
        "211401187",
        "--source",
        "imaps://old.example",
        "--source-cidr",
        "10.0.0.1/32",
        "--accounts",
        path.to_str().unwrap(),
    ]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("ligne 3, colonne target_user"), "{stderr}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
}

/// An archive that is not there is no server that does not answer.
#[test]
fn files_that_cannot_be_read_are_told_as_files() {
    let folder = tempfile::tempdir().expect("folder");
    let target = folder.path().join("arrivée");
    let list = folder.path().join("comptes.csv");
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         mbox:/nonexistent/archive.mbox,,,maildir:{},,\n",
        target.display()
    );
    std::fs::write(&list, csv).expect("write");
    let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .args(["migrate", "copy", "--accounts"])
        .arg(&list)
        .arg("--state")
        .arg(folder.path().join("état"))
        .env_clear()
        .output()
        .expect("melouvert starts");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("/nonexistent/archive.mbox")
            && said.contains("les fichiers à importer ne peuvent être lus")
            && said.contains("vérifiez le chemin"),
        "{said}"
    );
    assert!(!target.exists(), "a target was made for nothing");
}
