//! Each dialect written as its programs write it, and read back byte for byte.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const FROM: &str = "From someone@example.org Thu Nov 24 19:41:21 2026\n";

/// What a walk of one file shows: bytes, flags, folder.
fn walk(archive: &mut Mbox) -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    archive
        .walk(&mut |found| {
            let mut bytes = Vec::new();
            let body = found.body.expect("readable");
            body.read_to_end(&mut bytes).expect("read");
            let text = String::from_utf8_lossy(&bytes).into_owned();
            all.push((text, found.flags.to_string(), found.folder.to_string()));
            ControlFlow::Continue(())
        })
        .expect("walk");
    all
}

fn read(file: &str, dialect: MboxDialect) -> Vec<String> {
    let directory = tempfile::tempdir().expect("dir");
    let path = directory.path().join("a.mbox");
    std::fs::write(&path, file).expect("write");
    let mut archive = Mbox::new(&path, dialect);
    walk(&mut archive)
        .into_iter()
        .map(|(text, ..)| text)
        .collect()
}

fn quoted(message: &str, every: bool) -> String {
    let mut out = String::new();
    for line in message.split_inclusive('\n') {
        let plain = if every {
            line.trim_start_matches('>')
        } else {
            line
        };
        if plain.starts_with("From ") {
            out.push('>');
        }
        out.push_str(line);
    }
    out
}

fn write(messages: &[String], dialect: MboxDialect) -> String {
    let mut file = String::new();
    for message in messages {
        file.push_str(FROM);
        let body = message.split_once("\n\n").map_or("", |(_, body)| body);
        match dialect {
            MboxDialect::Mboxrd => file.push_str(&quoted(message, true)),
            MboxDialect::Mboxcl2 => {
                let (head, _) = message.split_once("\n\n").expect("a header");
                write!(file, "{head}\nContent-Length: {}\n\n{body}", body.len()).expect("memory");
            }
            _ => file.push_str(&quoted(message, false)),
        }
        file.push('\n');
    }
    file
}

fn message() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[a-z ]{0,12}\n",
        Just(FROM.to_owned()),
        "[>]{0,3}From [a-z]{0,4}\n",
        Just("\n".to_owned()),
    ];
    ("[a-z]{1,8}", proptest::collection::vec(line, 0..8)).prop_map(|(subject, lines)| {
        let body = lines.concat();
        format!("Subject: {subject}\n\n{body}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn mboxrd_comes_back(messages in proptest::collection::vec(message(), 1..5)) {
        let file = write(&messages, MboxDialect::Mboxrd);
        prop_assert_eq!(read(&file, MboxDialect::Mboxrd), messages);
    }

    #[test]
    fn lengths_are_found_out(messages in proptest::collection::vec(message(), 1..5)) {
        let file = write(&messages, MboxDialect::Mboxcl2);
        prop_assert_eq!(read(&file, MboxDialect::Detect), messages);
    }

    #[test]
    fn mboxo_comes_back_with_its_marks(messages in proptest::collection::vec(message(), 1..5)) {
        let file = write(&messages, MboxDialect::Mboxo);
        let expected: Vec<String> = messages.iter().map(|one| quoted(one, false)).collect();
        prop_assert_eq!(&read(&file, MboxDialect::Detect), &expected);
        prop_assert_eq!(read(&file.replace('\n', "\r\n"), MboxDialect::Mboxo).len(), expected.len());
    }

    #[test]
    fn no_file_panics(file in "(From |>|From - Thu Nov 24 19:41:21 2026\n|Content-Length: [0-9]{1,3}\n|\r?\n|[a-z:]{1,5}){0,40}") {
        let directory = tempfile::tempdir().expect("dir");
        let path = directory.path().join("a.mbox");
        std::fs::write(&path, &file).expect("write");
        for dialect in [MboxDialect::Detect, MboxDialect::Mboxcl2, MboxDialect::Mboxrd] {
            let _ = Mbox::new(&path, dialect).walk(&mut |found| {
                let mut bytes = Vec::new();
                found.body.expect("whole").read_to_end(&mut bytes).expect("read");
                ControlFlow::Continue(())
            });
        }
    }
}

#[test]
fn a_lying_length_is_not_believed() {
    let file = format!("{FROM}A: b\nContent-Length: 4\n\nmore than four\n\n{FROM}C: d\n\nx\n\n");
    for dialect in [MboxDialect::Detect, MboxDialect::Mboxcl2] {
        assert_eq!(read(&file, dialect).len(), 2);
    }
    assert!(read(&file, MboxDialect::Detect)[0].contains("Content-Length"));
}

#[test]
fn separators_are_lines_with_a_date_or_in_front_of_a_header() {
    let file =
        format!("{FROM}A: b\n\ntext\n\nFrom here on it is text\nNote: yes\n\n{FROM}C: d\n\n");
    assert_eq!(read(&file, MboxDialect::Detect).len(), 2);
    let undated = "From nobody\nA: b\n\nx\n\nFrom nobody\nC: d\n\ny\n\nFrom here on text\n";
    assert_eq!(read(undated, MboxDialect::Detect).len(), 2);
    let unspaced = format!("{FROM}A: b\n\nx\n{FROM}C: d\n\ny\n");
    assert_eq!(
        read(&unspaced, MboxDialect::Detect),
        ["A: b\n\nx\n", "C: d\n\ny\n"]
    );
}

#[test]
fn a_file_goes_on_with_bare_lines_whatever_it_began_with() {
    let bodies: Vec<String> = (0..6)
        .map(|number| format!("X-Mozilla-Status: 0001\nSubject: {number}\n\ntext {number}\n"))
        .collect();
    let told = |text: &String| text.replace("X-Mozilla-Status: 0001\n", "");
    let expected: Vec<String> = bodies.iter().map(told).collect();
    for (first, later) in [
        (FROM, "From \n"),
        (FROM, "From -\n"),
        ("From \n", "From \n"),
        ("From -\n", FROM),
        ("From a@b Tue, 24 Nov 2026 19:41:21 +0100\n", "From - \n"),
    ] {
        let mut file = String::new();
        for (number, body) in bodies.iter().enumerate() {
            let from = if number < 2 { first } else { later };
            writeln!(file, "{from}{body}").expect("memory");
        }
        for ending in ["\n", "\r\n"] {
            let found = read(&file.replace('\n', ending), MboxDialect::Detect);
            let found: Vec<String> = found.iter().map(|one| one.replace("\r\n", "\n")).collect();
            assert_eq!(found, expected, "{first:?} then {later:?}, {ending:?}");
        }
    }
}

#[test]
fn bare_lines_that_are_text_stay_text() {
    // No header behind it, no blank line before it, other words on it.
    for text in [
        "x\n\nFrom \nand so on\n",
        "x\nFrom \nNote: yes\n",
        "x\n\nFrom me\nNote: yes\n",
    ] {
        let file = format!("{FROM}A: b\n\n{text}\n{FROM}C: d\n\ny\n\n");
        let found = read(&file, MboxDialect::Detect);
        assert_eq!(found, [format!("A: b\n\n{text}"), "C: d\n\ny\n".to_owned()]);
    }
}

#[test]
fn what_is_no_mbox_is_refused_and_an_empty_one_is_not() {
    let directory = tempfile::tempdir().expect("dir");
    let path = directory.path().join("a.mbox");
    std::fs::write(&path, "hello").expect("write");
    let refused = Mbox::new(&path, MboxDialect::Detect).walk(&mut |_| ControlFlow::Continue(()));
    assert!(refused.expect_err("text").to_string().contains("no mbox"));
    assert!(read("", MboxDialect::Detect).is_empty());
}

#[test]
fn takeout_files_each_message_once() {
    let directory = tempfile::tempdir().expect("dir");
    let path = directory
        .path()
        .join("All mail Including Spam and Trash.mbox");
    let mail = |labels: &str, text: &str| {
        format!(
            "From 17@xxx Mon Nov 24 19:41:21 +0000 2026\r\nX-GM-THRID: 17\r\n\
             X-Gmail-Labels: {labels}\r\nSubject: x\r\n\r\n{text}\r\n\r\n"
        )
    };
    let file = mail(
        "=?UTF-8?Q?Bo=C3=AEte_de_r=C3=A9ception?=,Ouvert,Projets/2024",
        "a",
    ) + &mail("Projets/2024,Non lus", "b");
    std::fs::write(&path, file).expect("write");
    let found = walk(&mut Mbox::takeout(&path));
    let body = |text: &str| format!("Subject: x\r\n\r\n{text}\r\n");
    assert_eq!(
        found,
        [
            (
                body("a"),
                "Projets/2024 \\Seen".to_owned(),
                "INBOX".to_owned()
            ),
            (body("b"), String::new(), "Projets/2024".to_owned()),
        ]
    );
}
