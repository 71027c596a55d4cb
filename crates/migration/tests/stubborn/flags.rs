//! What a target's folders take of a message's flags.

use super::{copy, differ, flags, nothing, refuse};
use crate::scripted::{Answer, Ask, Server, State};

#[tokio::test(flavor = "multi_thread")]
async fn each_message_arrives_with_the_flags_that_its_folder_takes() {
    let many: Vec<String> = (0..20)
        .map(|number| format!("\\Seen mot{number}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = [
        "\\Seen court",
        "\\Seen un-mot-cle-qui-est-bien-trop-long",
        "court \\Flagged",
    ];
    let source = [
        ("INBOX", &["\\Seen \\Deleted", "\\Seen"][..]),
        ("long", &long),
        ("many", &many),
    ];
    let from = Server::start(&source, nothing).await;
    let to = Server::start(&[("INBOX", &[])], |ask: &Ask<'_>, state: &State| {
        let words: Vec<&str> = ask
            .flags
            .split(' ')
            .filter(|flag| !flag.is_empty())
            .collect();
        let append = ask.line.starts_with("APPEND");
        if append && words.contains(&"\\Deleted") {
            return Some(refuse("NO [CANNOT] APPEND contains Deleted flag"));
        }
        if words.iter().any(|flag| flag.len() > 30) {
            return Some(refuse("BAD keyword too long"));
        }
        let known = state.folders.get(ask.folder).into_iter().flatten();
        let mut known: Vec<&str> = known.flat_map(|letter| letter.flags.split(' ')).collect();
        known.extend(words);
        known.retain(|flag| flag.starts_with("mot"));
        known.sort_unstable();
        known.dedup();
        (known.len() > 5).then(|| refuse("NO [LIMIT] too many keywords"))
    })
    .await;
    let (account, _) = copy(&from, &to).await;
    assert!(account.failure.is_none(), "{:?}", account.failure);
    // \Deleted follows by STORE where APPEND does not take it.
    assert_eq!(flags(&to, "INBOX"), ["\\Seen", "\\Seen \\Deleted"]);
    let mut long = flags(&to, "long");
    long.sort_unstable();
    assert_eq!(long, ["\\Flagged court", "\\Seen", "\\Seen court"]);
    let there = flags(&to, "many");
    assert_eq!(there.len(), 20);
    assert!(
        there.iter().all(|flags| flags.contains("\\Seen")),
        "{there:?}"
    );
    assert_eq!(
        there.iter().filter(|flags| flags.contains("mot")).count(),
        5,
        "{there:?}"
    );
    assert_eq!(differ(&account), 1 + 15);
    // What was in flight, and twice three that teach the limit: longer ones first, then others.
    assert!(to.state().refusals < 36, "{}", to.state().refusals);
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_lines_that_are_not_understood_fail_nothing() {
    let odd: Vec<String> = (0..40)
        .map(|number| format!("\\Seen z{}", "k".repeat(number)))
        .collect();
    let odd: Vec<&str> = odd.iter().map(String::as_str).collect();
    let from = Server::start(&[("INBOX", &odd), ("Zed", &["\\Seen"; 10])], nothing).await;
    let to = Server::start(&[("INBOX", &[])], |ask: &Ask<'_>, _: &State| {
        if !ask.flags.split(' ').any(|flag| flag.starts_with('z')) {
            return None;
        }
        // As Dovecot does.
        let words = "BAD what?".to_owned();
        Some(if ask.refused_here >= 3 {
            Answer::HangUp(words)
        } else {
            Answer::Refuse(words)
        })
    })
    .await;
    let (account, _) = copy(&from, &to).await;
    assert!(account.failure.is_none(), "{:?}", account.failure);
    assert_eq!(flags(&to, "INBOX"), vec!["\\Seen"; 40]);
    assert_eq!(flags(&to, "Zed"), vec!["\\Seen"; 10]);
    assert_eq!(differ(&account), 40);
}
