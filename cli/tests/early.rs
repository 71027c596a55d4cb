//! What `melouvert migrate` tries before it copies, and what reaches the terminal from a hostile
//! server.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

const HEAD: &str = "source_url,source_user,source_password,target_url,target_user,target_password";

/// Exit code and all that was said.
fn migrate(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_melouvert"))
        .arg("migrate")
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .current_dir(folder)
        .output()
        .expect("melouvert starts");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(said).expect("UTF-8"),
    )
}

/// An mbox of one message and its accounts file.
fn lab() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mbox = folder.path().join("a.mbox");
    let mail = "From a@b Thu Nov 24 19:41:21 2026\nSubject: x\n\nbody\n";
    fs::write(&mbox, mail).expect("written");
    let export = folder.path().join("export");
    let row = format!(
        "{HEAD}\nmbox:{},,,export:{},,\n",
        mbox.display(),
        export.display()
    );
    fs::write(folder.path().join("c.csv"), row).expect("written");
    folder
}

#[test]
fn outputs_that_cannot_be_written_are_refused_before_anything_is_copied() {
    let lab = lab();
    fs::write(lab.path().join("file"), "").expect("written");
    let copy = ["copy", "--accounts", "c.csv", "--state"];
    for (state, more) in [
        ("etat", &["--report", "nulle/part/r.json"][..]),
        ("etat", &["--html", "nulle/part/r.html"]),
        ("etat", &["--report", "."]),
        ("etat", &["--report", "p", "--html", "p"]),
        ("file/etat", &[]),
    ] {
        let (code, said) = migrate(lab.path(), &[&copy[..], &[state], more].concat());
        assert_eq!(code, 2, "{more:?}: {said}");
        assert!(said.contains("rien n'a été fait"), "{said}");
        assert!(!lab.path().join("export").exists(), "{more:?}");
    }
    let plan = ["plan", "--accounts", "c.csv", "--save", "nulle/part/p.json"];
    let (code, said) = migrate(lab.path(), &plan);
    assert_eq!(code, 2, "{said}");
    // The same with paths that can be written.
    let good = ["etat", "--report", "r.json", "--html", "r.html"];
    let (code, said) = migrate(lab.path(), &[&copy[..], &good].concat());
    assert_eq!(code, 0, "{said}");
    assert!(lab.path().join("r.json").exists() && lab.path().join("r.html").exists());
}

/// Answers each command's line with what `answer` makes of its verb; `$` stands for the tag.
fn serve(answer: fn(&str) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut write = stream.try_clone().expect("a socket");
                write.write_all(b"* OK ready\r\n").expect("sent");
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let mut words = line.split(' ');
                    let (tag, verb) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                    let out = answer(verb).replace('$', tag);
                    if write.write_all(out.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// Clears the screen, sets the title, writes over the line, turns the reading.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{2066}\u{8}complète";

#[test]
fn what_a_server_says_does_not_move_the_terminal() {
    let refusing = |verb: &str| match verb {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK\r\n".to_owned(),
        _ => format!("$ NO [AUTHENTICATIONFAILED] {EVIL}\r\n"),
    };
    let listing = |verb: &str| match verb {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK\r\n".to_owned(),
        "LIST" => {
            format!("* LIST () \"/\" INBOX\r\n* LIST () \"/\" \"{EVIL}&AAo-INBOX\"\r\n$ OK\r\n")
        }
        "STATUS" => format!("$ NO {EVIL}\r\n"),
        _ => "$ OK\r\n".to_owned(),
    };
    for answer in [refusing as fn(&str) -> String, listing] {
        let lab = tempfile::tempdir().expect("a folder");
        let port = serve(answer);
        let export = lab.path().join("export");
        let row = format!(
            "{HEAD}\nimap://127.0.0.1:{port},a,b,export:{},,\n",
            export.display()
        );
        fs::write(lab.path().join("c.csv"), row).expect("written");
        for more in [
            &[][..],
            &["-v"],
            &["-o", "json"],
            &["-o", "yaml"],
            &["--lang", "en"],
        ] {
            let copy = [
                "copy",
                "--allow-cleartext",
                "--accounts",
                "c.csv",
                "--state",
                "etat",
            ];
            let (code, said) = migrate(lab.path(), &[&copy[..], more].concat());
            assert_ne!(code, 0, "{said}");
            let moves = |one: char| {
                (one.is_control() && one != '\n')
                    || ('\u{202a}'..='\u{202e}').contains(&one)
                    || ('\u{2066}'..='\u{2069}').contains(&one)
            };
            assert!(!said.chars().any(moves), "{more:?}: {said:?}");
            assert!(said.contains("complète"), "what it said is shown: {said}");
        }
    }
}
