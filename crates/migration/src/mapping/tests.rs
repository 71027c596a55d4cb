//! Names between servers, and that no two of them ever meet.

use proptest::prelude::*;

use super::*;

fn style(separator: char, prefix: &str) -> NameStyle {
    NameStyle {
        separator: Some(separator),
        prefix: prefix.to_owned(),
        utf8: false,
    }
}

fn shown(style: &NameStyle, names: &[&str]) -> Vec<String> {
    let paths = style.read_all(names);
    paths.iter().map(ToString::to_string).collect()
}

#[test]
fn maps_separators_prefixes_and_accents() {
    let (old, new) = (style('.', "INBOX."), style('/', ""));
    let path = old.read("INBOX.Archives.&AMk-t&AOk-.a/b");
    assert_eq!(path.to_string(), "Archives/Été/a/b");
    assert_eq!(path.0.len(), 3);
    assert_eq!(new.write(&path), "Archives/&AMk-t&AOk-/a_b");
    assert!(old.read("inbox").is_inbox());
    assert_eq!(old.write(&new.read("Sent")), "INBOX.Sent");
    assert_eq!(new.read("R&D").0, ["R&D"]);
}

#[test]
fn servers_of_utf8_write_what_is_meant() {
    let style = NameStyle {
        utf8: true,
        ..style('/', "")
    };
    for name in ["R&D", "R&-D", "Été/fêtes", "&AMk-"] {
        assert_eq!(style.write(&style.read(name)), name);
    }
    assert_eq!(style.read("R&-D").0, ["R&-D"]);
    assert_eq!(style.write(&FolderPath(vec!["a\nb".into()])), "a_b");
}

#[test]
fn clashing_names_are_told_apart() {
    let style = style('/', "");
    let mut taken = HashSet::new();
    let mut name = |level: &str| style.write_apart(&FolderPath(vec![level.into()]), &mut taken);
    assert_eq!((name("a_b"), name("a/b")), ("a_b".into(), "a_b (2)".into()));
    assert_eq!((name("c"), name("C")), ("c".into(), "C (2)".into()));
    assert_eq!((name("d"), name("d ")), ("d".into(), "d (2)".into()));
    assert_eq!(name("Été"), "&AMk-t&AOk-");
    assert_eq!(name("E\u{301}te\u{301}"), "E&AwE-te&AwE- (2)");
}

#[test]
fn folders_that_read_alike_keep_their_own_paths() {
    let cyrus = style('.', "INBOX.");
    for names in [["INBOX", "INBOX.INBOX"], ["INBOX.INBOX", "INBOX"]] {
        let mut found = shown(&cyrus, &names);
        found.sort();
        assert_eq!(found, ["INBOX", "INBOX (2)"]);
        let paths = cyrus.read_all(&names);
        let inbox = names.iter().position(|name| *name == "INBOX");
        assert!(paths[inbox.expect("there")].is_inbox());
    }
    let names = ["INBOX.INBOX", "INBOX.INBOX.a", "INBOX.INBOX (2)"];
    assert_eq!(
        shown(&cyrus, &names),
        ["INBOX (2) (2)", "INBOX/a", "INBOX (2)"]
    );
    // Modified UTF-7 has the right to the name, then raw UTF-8, then raw Latin-1.
    let latin = raw::text(b"\xc9t\xe9");
    let names = [latin.as_str(), "Été", "&AMk-t&AOk-"];
    let plain = style('/', "");
    let mut found = shown(&plain, &names);
    assert_eq!(found.pop().as_deref(), Some("Été"));
    found.sort();
    assert_eq!(found, ["Été (2)", "Été (3)"]);
    // A flat server's slash is none.
    let flat = NameStyle::default();
    assert_eq!(shown(&flat, &["a/b"]), ["a/b"]);
    assert_eq!(shown(&style('.', ""), &["a.b", "a/b"]), ["a/b", "a/b (2)"]);
}

/// A level of a name as servers may write it.
fn level() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"INBOX".to_vec()),
        Just(b"inbox".to_vec()),
        Just(b"INBOX (2)".to_vec()),
        Just("Été".as_bytes().to_vec()),
        Just(b"\xc9t\xe9".to_vec()),
        Just(b"&AMk-t&AOk-".to_vec()),
        Just(b"E&AwE-te&AwE-".to_vec()),
        "[aA]{1,2}[ _]{0,1}".prop_map(String::into_bytes),
        "[a&A/._-]{1,3}".prop_map(String::into_bytes),
    ]
}

fn names(separator: char) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let name = proptest::collection::vec(level(), 1..4)
        .prop_map(move |levels| levels.join(separator.to_string().as_bytes()));
    let prefixed = (any::<bool>(), name).prop_map(move |(prefixed, mut name)| {
        if prefixed {
            name.splice(0..0, format!("INBOX{separator}").into_bytes());
        }
        name
    });
    proptest::collection::btree_set(prefixed, 1..12)
        .prop_map(|names| names.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// From any server to any server: each folder has a path of its own, and a name that no other
    /// one's is the same as; INBOX is INBOX, and the order of the listing says nothing.
    #[test]
    fn no_two_folders_meet(
        (from, names) in prop_oneof![Just('.'), Just('/')].prop_flat_map(|from| (Just(from), names(from))),
        old_prefix in any::<bool>(),
        new_prefix in any::<bool>(),
        to in prop_oneof![Just('.'), Just('/'), Just('^')],
        utf8 in any::<bool>(),
        turn in 0usize..12,
    ) {
        let prefix = |used: bool, separator: char| if used { format!("INBOX{separator}") } else { String::new() };
        let old = style(from, &prefix(old_prefix, from));
        let new = NameStyle { utf8, ..style(to, &prefix(new_prefix, to)) };
        // INBOX in whatever case is one folder.
        let mut met = false;
        let texts: Vec<String> = names
            .iter()
            .map(|name| raw::text(name))
            .filter(|name| !name.eq_ignore_ascii_case("INBOX") || !std::mem::replace(&mut met, true))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let paths = old.read_all(&texts);
        let own: HashSet<String> = paths.iter().map(ToString::to_string).collect();
        prop_assert_eq!(own.len(), texts.len(), "{:?}", paths);
        for (name, path) in texts.iter().zip(&paths) {
            prop_assert_eq!(name.eq_ignore_ascii_case("INBOX"), path.is_inbox(), "{}", name);
        }
        let mut turned = texts.clone();
        turned.rotate_left(turn % texts.len());
        let again = old.read_all(&turned);
        for (name, path) in turned.iter().zip(&again) {
            let place = texts.iter().position(|text| text == name).expect("there");
            prop_assert_eq!(path, &paths[place]);
        }
        let mut taken = HashSet::from([new.sameness("INBOX")]);
        let mut written = HashSet::new();
        for path in paths.iter().filter(|path| !path.is_inbox()) {
            let name = new.write_apart(path, &mut taken);
            prop_assert!(!name.eq_ignore_ascii_case("INBOX"), "{:?}", path);
            prop_assert!(written.insert(new.sameness(&name)), "{}", name);
        }
    }
}
