//! Servers that refuse for a while, or for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use melouvert_migration::patience::{Cause, Side};
use melouvert_migration::proof::Reason;

use super::{Spell, copy, nothing};
use crate::scripted::{Answer, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_that_asks_for_patience_gets_it() {
    for (words, cause) in [
        (
            "NO Request is throttled. Suggested Backoff Time: 150 milliseconds",
            Cause::Throttled,
        ),
        ("NO [UNAVAILABLE] not now", Cause::Unavailable),
        (
            "NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
            Cause::Bandwidth,
        ),
        // No words that anybody knows: but everything is refused.
        ("NO System error 17", Cause::Refusing),
        ("BAD internal", Cause::Refusing),
    ] {
        let spell = Spell::of(500);
        let from = Server::start(
            &[("INBOX", &["\\Seen"; 300]), ("Zed", &[""; 3])],
            move |ask, _| {
                let fetch = ask.line.contains("BODY");
                (fetch && spell.lasts()).then(|| Answer::Refuse(words.to_owned()))
            },
        )
        .await;
        let to = Server::start(&[("INBOX", &[])], nothing).await;
        let (account, waits) = copy(&from, &to).await;
        let said = format!(
            "{words}: {:?} {:?}",
            account.failure,
            account.exceptions.first()
        );
        assert!(
            account.failure.is_none() && account.exceptions.is_empty(),
            "{said}"
        );
        assert_eq!(account.written_messages, 303, "{said}");
        assert!(
            waits
                .iter()
                .all(|wait| (wait.0, wait.1) == (Side::Source, cause)),
            "{waits:?}"
        );
        assert!(
            !waits.is_empty() && from.state().refusals <= 30,
            "{words}: {}",
            from.state().refusals
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn some_broken_messages_are_no_refusal_of_everything() {
    let from = Server::start(&[("INBOX", &["\\Seen"; 300])], |ask, _| {
        let (_, rest) = ask.line.split_once("UID FETCH ")?;
        let (set, what) = rest.split_once(' ')?;
        let broken = (41..50).any(|uid| {
            set.split(',').any(|part| {
                let (first, last) = part.split_once(':').unwrap_or((part, part));
                let number = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
                (number(first)..=number(last)).contains(&uid)
            })
        });
        (broken && what.contains("BODY")).then(|| Answer::Refuse("NO broken".to_owned()))
    })
    .await;
    let to = Server::start(&[("INBOX", &[])], nothing).await;
    let (account, _) = copy(&from, &to).await;
    assert_eq!(account.written_messages, 291, "{:?}", account.failure);
    let reasons: Vec<_> = account
        .exceptions
        .iter()
        .map(|one| (one.uid, one.reason))
        .collect();
    let mut expected: Vec<_> = (41..50)
        .map(|uid| (Some(uid), Reason::SourceUndeliverable))
        .collect();
    expected.sort_unstable_by_key(|one| one.0);
    let mut reasons = reasons;
    reasons.sort_unstable_by_key(|one| one.0);
    assert_eq!(reasons, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_that_asks_for_patience_gets_it() {
    for words in [
        "NO [LIMIT] APPEND Rate limit hit.",
        "NO [UNAVAILABLE] Temporary failure",
        "NO [INUSE] Mailbox is locked",
        "NO Server Unavailable. 15",
    ] {
        let from = Server::start(&[("INBOX", &["\\Seen"; 100]), ("Zed", &[""; 3])], nothing).await;
        let spell = Spell::of(400);
        let to = Server::start(&[("INBOX", &[])], move |ask, _| {
            let write = ask.line.starts_with("APPEND") || ask.line.starts_with("CREATE");
            (write && spell.lasts()).then(|| Answer::Refuse(words.to_owned()))
        })
        .await;
        let (account, waits) = copy(&from, &to).await;
        assert!(account.failure.is_none(), "{words}: {:?}", account.failure);
        assert!(
            account.exceptions.is_empty(),
            "{words}: {:?}",
            account.exceptions
        );
        assert_eq!(account.written_messages, 103, "{words}");
        assert!(
            waits.iter().any(|wait| wait.0 == Side::Target),
            "{words}: {waits:?}"
        );
        // What was in flight when it began, and a probe at a time.
        assert!(
            to.state().refusals < 64 + 16,
            "{words}: {}",
            to.state().refusals
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_refused_for_a_while_is_no_wrong_password() {
    for (words, tries, reason) in [
        (
            "NO [ALERT] Too many simultaneous connections. (Failure)",
            3,
            None,
        ),
        ("NO [THROTTLED] try later", 3, None),
        (
            "NO [UNAVAILABLE] Maximum number of connections exceeded",
            3,
            None,
        ),
        ("NO Server Unavailable. 15", 3, None),
        (
            "NO [AUTHENTICATIONFAILED] try again later",
            1,
            Some("source_login_refused"),
        ),
        ("NO wrong", 1, Some("source_login_refused")),
    ] {
        let tried = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&tried);
        let from = Server::start(&[("INBOX", &["\\Seen"; 3])], move |ask, _| {
            if !ask.line.starts_with("AUTHENTICATE") {
                return None;
            }
            let before = counter.fetch_add(1, Ordering::SeqCst);
            (before < 2).then(|| Answer::Refuse(words.to_owned()))
        })
        .await;
        let to = Server::start(&[("INBOX", &[])], nothing).await;
        let (account, _) = copy(&from, &to).await;
        let failure = account
            .failure
            .as_ref()
            .map(|failure| failure.reason.as_str());
        assert_eq!(
            (failure, tried.load(Ordering::SeqCst)),
            (reason, tries),
            "{words}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_ends() {
    let from = Server::start(&[("INBOX", &["\\Seen"; 30])], |ask, _| {
        let fetch = ask.line.contains("BODY");
        fetch.then(|| Answer::Refuse("NO Request is throttled.".to_owned()))
    })
    .await;
    let to = Server::start(&[("INBOX", &[])], nothing).await;
    let (account, waits) = copy(&from, &to).await;
    let failure = account.failure.expect("a failure");
    assert_eq!(failure.reason, "source_busy");
    assert!(failure.message.contains("throttled"), "{}", failure.message);
    assert!((10..50).contains(&waits.len()) && from.state().refusals < 50);
}
