//! Servers that hang up after ten refusals.

use melouvert_migration::proof::{Exception, Reason};

use super::{copy, nothing};
use crate::scripted::{Answer, Ask, Server, State};

/// Exchange hangs up at the tenth refusal in a row, whichever command it is.
#[tokio::test(flavor = "multi_thread")]
async fn folders_that_are_refused_do_not_hide_the_others() {
    let names: Vec<String> = (0..25).map(|number| format!("casse {number:02}")).collect();
    for refused in ["STATUS", "EXAMINE"] {
        let mut folders: Vec<(&str, &[&str])> = vec![("INBOX", &["\\Seen"; 3]), ("zzz", &[""])];
        folders.extend(names.iter().map(|name| (name.as_str(), &["\\Seen"][..])));
        let from = Server::start(&folders, move |ask: &Ask<'_>, _: &State| {
            if !(ask.line.contains("casse") && ask.line.starts_with(refused)) {
                return None;
            }
            let words = "NO folder failed".to_owned();
            Some(if ask.refused_here >= 9 {
                Answer::HangUp(words)
            } else {
                Answer::Refuse(words)
            })
        })
        .await;
        let to = Server::start(&[("INBOX", &[])], nothing).await;
        let (account, _) = copy(&from, &to).await;
        assert!(
            account.failure.is_none(),
            "{refused}: {:?}",
            account.failure
        );
        assert_eq!(account.written_messages, 4, "{refused}");
        assert_eq!(account.exceptions.len(), 25, "{refused}");
        let told = |one: &Exception| one.reason == Reason::SourceFolderUnavailable;
        assert!(account.exceptions.iter().all(told), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_new_server_refuses_do_not_hide_the_others() {
    let names: Vec<String> = (0..12).map(|number| format!("casse {number:02}")).collect();
    let mut folders: Vec<(&str, &[&str])> = vec![("INBOX", &["\\Seen"; 3]), ("zzz", &[""])];
    folders.extend(names.iter().map(|name| (name.as_str(), &["\\Seen"][..])));
    let from = Server::start(&folders, nothing).await;
    let to = Server::start(&[("INBOX", &[])], |ask: &Ask<'_>, _: &State| {
        if !(ask.line.contains("casse") && ask.line.starts_with("CREATE")) {
            return None;
        }
        let words = "NO not here".to_owned();
        Some(if ask.refused_here >= 9 {
            Answer::HangUp(words)
        } else {
            Answer::Refuse(words)
        })
    })
    .await;
    let (account, _) = copy(&from, &to).await;
    assert!(account.failure.is_none(), "{:?}", account.failure);
    assert_eq!(account.written_messages, 4);
    assert_eq!(account.exceptions.len(), 12);
    let told = |one: &Exception| one.reason == Reason::TargetFolderRefused;
    assert!(account.exceptions.iter().all(told));
}
