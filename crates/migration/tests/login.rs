//! Every way in: STARTTLS or nothing, passwords, tokens, master users, compression, limits.

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Lab, summary, test_options};
use melouvert_bench::dovecot::{self, PASSWORD};
use melouvert_migration::account::parse_accounts;
use melouvert_migration::proof::NoteKind;
use melouvert_migration::{Account, EndpointOptions, Limits, Outcome, Report};

/// An account from a source said by URL, user and password to the lab's target.
fn from(lab: &Lab, url: &str, user: &str, password: &str) -> Vec<Account> {
    let port = lab.target.port;
    let csv = format!(
        "source_url,source_user,source_password,target_url,target_user,target_password\n\
         {url},{user},{password},imap://127.0.0.1:{port},agent01,{PASSWORD}\n"
    );
    let options = EndpointOptions {
        allow_cleartext: true,
        ca_file: Some(lab.source.certificate()),
    };
    parse_accounts(csv.as_bytes(), &options).expect("csv")
}

async fn copy(lab: &Lab, accounts: Vec<Account>) -> Report {
    lab.copy_with(accounts, &test_options()).await
}

fn lab_with(extra: &str, capability: Option<&str>) -> Lab {
    let source = dovecot::Options {
        format: dovecot::Format::Maildir,
        extra: extra.to_owned(),
        capability: capability.map(str::to_owned),
        ..dovecot::Options::default()
    };
    Lab::with_both(30, 1, &source, &dovecot::Options::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_and_each_password_login() {
    let lab = lab_with(
        "disable_plaintext_auth = yes\nssl = required\nlogin_trusted_networks =\n\
         auth_master_user_separator = *\n\
         passdb {\n  driver = static\n  args = password=maitre\n  master = yes\n}\n\
         protocol imap {\n  mail_plugins = imap_zlib\n}\n",
        None,
    );
    let (tls, clear) = (lab.source.tls_port, lab.source.port);
    for (url, user, password) in [
        (
            format!("imap+starttls://127.0.0.1:{clear}"),
            "agent01",
            PASSWORD,
        ),
        (
            format!("imap+starttls://127.0.0.1:{clear}?auth=login"),
            "agent01",
            PASSWORD,
        ),
        (
            format!("imaps://127.0.0.1:{tls}?auth=plain"),
            "agent01",
            PASSWORD,
        ),
        (
            format!("imaps://127.0.0.1:{tls}?compress=always"),
            "agent01",
            PASSWORD,
        ),
        (
            format!("imaps://127.0.0.1:{tls}"),
            "agent01*admin",
            "maitre",
        ),
        (
            format!("imaps://127.0.0.1:{tls}?auth=login"),
            "agent01*admin",
            "maitre",
        ),
        (
            format!("imaps://127.0.0.1:{tls}?master=admin"),
            "agent01",
            "maitre",
        ),
    ] {
        let report = copy(&lab, from(&lab, &url, user, password)).await;
        assert_eq!(
            report.outcome,
            Outcome::Complete,
            "{url} {user}: {}",
            summary(&report)
        );
        let account = &report.accounts[0];
        let all = account.written_messages + account.matched_messages;
        assert!(all == 30 || all == 0, "{url}: {all}");
        assert!(!summary(&report).contains("maitre"));
        lab.assert_alike();
    }
    let wrong = from(
        &lab,
        &format!("imaps://127.0.0.1:{tls}?master=admin"),
        "agent01",
        "faux",
    );
    let report = copy(&lab, wrong).await;
    let failure = report.accounts[0].failure.as_ref().expect("refused");
    assert_eq!(failure.reason, "source_login_refused");
}

/// A token as an identity provider signs them, which Dovecot checks by its own key.
fn token(key: &[u8], user: &str, life: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    let head = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(
        r#"{{"sub":"{user}","iss":"test","iat":{},"exp":{}}}"#,
        now - 60,
        now + life
    );
    let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_the_mailbox_and_stale_ones_do_not() {
    let keys = tempfile::tempdir().expect("dir");
    let place = keys.path().join("default/HS256");
    std::fs::create_dir_all(&place).expect("folder");
    let key = b"a key of thirty-two bytes or more";
    std::fs::write(place.join("default"), STANDARD.encode(key)).expect("key");
    let settings = keys.path().join("oauth2.conf");
    let root = keys.path().display();
    std::fs::write(
        &settings,
        format!(
            "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={root}/\n\
             username_attribute = sub\n"
        ),
    )
    .expect("settings");
    for path in [keys.path().to_owned(), keys.path().join("default"), place] {
        dovecot::give_to_server(&path).expect("chown");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, open).expect("chmod");
    }
    let lab = lab_with(
        &format!(
            "auth_mechanisms = plain login xoauth2 oauthbearer\n\
             passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {}\n}}\n",
            settings.display()
        ),
        None,
    );
    let port = lab.source.tls_port;
    for auth in ["xoauth2", "oauthbearer"] {
        let url = format!("imaps://127.0.0.1:{port}?auth={auth}");
        let good = token(key, "agent01", 600);
        let report = copy(&lab, from(&lab, &url, "agent01", &good)).await;
        let log = lab.source.log();
        assert_eq!(
            report.outcome,
            Outcome::Complete,
            "{auth}: {}\n{log}",
            summary(&report)
        );
        assert!(!summary(&report).contains(&good));
        let stale = token(key, "agent01", -30);
        let report = copy(&lab, from(&lab, &url, "agent01", &stale)).await;
        let failure = report.accounts[0].failure.as_ref().expect("refused");
        assert_eq!(
            failure.reason, "source_login_refused",
            "{auth}: {failure:?}"
        );
    }
    lab.assert_alike();
}

/// What a scripted server says to STARTTLS.
#[derive(Clone, Copy, Debug)]
enum Trap {
    /// It does not offer it.
    Absent,
    /// It greets as logged in, so that the client may forget about TLS.
    PreAuth,
    /// It refuses.
    Refused,
    /// Somebody on the way puts an answer behind its OK, to be read as if it came through TLS.
    Injected,
}

/// Serves one connection; returns every line that the client sent.
fn trap(listener: &TcpListener, trap: Trap) -> Vec<String> {
    let (mut stream, _) = listener.accept().expect("accept");
    let timeout = Some(Duration::from_secs(10));
    stream.set_read_timeout(timeout).expect("timeout");
    let greeting = match trap {
        Trap::PreAuth => "* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] welcome\r\n",
        Trap::Absent => "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n",
        _ => "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN SASL-IR] hello\r\n",
    };
    stream.write_all(greeting.as_bytes()).expect("greet");
    let mut said = Vec::new();
    let mut lines = BufReader::new(stream.try_clone().expect("clone"));
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|count| count > 0)
    {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let tag = text.split(' ').next().unwrap_or("*").to_owned();
        said.push(text);
        let answer = match trap {
            Trap::Injected => format!(
                "{tag} OK begin TLS\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\nm2 OK\r\n"
            ),
            Trap::Refused => format!("{tag} NO not today\r\n"),
            Trap::Absent | Trap::PreAuth => format!("{tag} OK done\r\n"),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn without_starttls_nothing_is_told_in_clear() {
    let lab = Lab::new(1, 1);
    for kind in [Trap::Absent, Trap::PreAuth, Trap::Refused, Trap::Injected] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let server = std::thread::spawn(move || trap(&listener, kind));
        let url = format!("imap+starttls://127.0.0.1:{port}");
        let report = copy(&lab, from(&lab, &url, "agent01", "tres-secret")).await;
        let failure = report.accounts[0].failure.as_ref().expect("refused");
        assert!(
            failure.message.contains("STARTTLS"),
            "{kind:?}: {failure:?}"
        );
        let said = server.join().expect("server");
        assert!(said.len() <= 1, "one try, then no more: {kind:?}: {said:?}");
        assert!(
            said.iter().all(|line| line.ends_with("STARTTLS")),
            "{kind:?}: {said:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_meet_and_the_folders_of_others_are_left_alone() {
    let shared = tempfile::tempdir().expect("dir");
    let public = shared.path().join("public");
    std::fs::create_dir_all(public.join(".Mairie/cur")).expect("folder");
    for part in ["new", "tmp"] {
        std::fs::create_dir_all(public.join(".Mairie").join(part)).expect("folder");
    }
    std::fs::write(
        public.join(".Mairie/cur/1.M1P1.x:2,"),
        "Subject: a tous\n\nx\n",
    )
    .expect("mail");
    dovecot::give_to_server(shared.path()).expect("chown");
    let source = dovecot::Options {
        format: dovecot::Format::Maildir,
        extra: format!(
            "namespace inbox {{\n  mailbox Archives {{\n    special_use = \\Archive\n  }}\n}}\n\
             namespace tous {{\n  type = public\n  separator = /\n  prefix = Public/\n  \
             location = maildir:{}\n  list = yes\n  subscriptions = no\n}}\n",
            public.display()
        ),
        ..dovecot::Options::default()
    };
    let target = dovecot::Options {
        extra: "namespace inbox {\n  mailbox Anciens {\n    special_use = \\Archive\n    \
                auto = create\n  }\n}\n"
            .to_owned(),
        ..dovecot::Options::default()
    };
    let lab = Lab::with_both(60, 1, &source, &target);
    for pass in 0..2 {
        let report = lab.copy().await;
        assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
        let account = &report.accounts[0];
        let at = |path: &str| account.folders.iter().find(|folder| folder.path == path);
        let archives = at("Archives").expect("copied");
        assert_eq!(archives.target_name, "Anciens", "pass {pass}");
        assert!(
            account
                .folders
                .iter()
                .all(|folder| !folder.path.starts_with("Public"))
        );
        let noted = |kind| {
            let mut notes = account.notes.iter().filter(|note| note.kind == kind);
            notes.next().map(|note| note.folder.as_str())
        };
        assert_eq!(noted(NoteKind::SpecialUse), Some("Archives"), "pass {pass}");
        assert_eq!(
            noted(NoteKind::FolderOfOthers),
            Some("Public/Mairie"),
            "pass {pass}"
        );
        assert_eq!(account.written_messages, if pass == 0 { 60 } else { 0 });
    }
    // Switched off, the name stays.
    let mut options = test_options();
    options.special_use = false;
    std::fs::remove_dir_all(lab.state()).expect("forget");
    let report = lab.copy_with(lab.accounts(), &options).await;
    let names = report.accounts[0]
        .folders
        .iter()
        .map(|folder| &folder.target_name);
    assert!(
        names.into_iter().any(|name| name == "Archives"),
        "{}",
        summary(&report)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_over_all_accounts() {
    let lab = Lab::new(60, 3);
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let to = lab.source.port;
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            seen.fetch_max(established(port), Ordering::SeqCst);
            std::thread::spawn(move || forward(&client, to));
        }
    });
    let mut options = test_options();
    options.jobs = 3;
    let rate = 1_000_000;
    options.limits = Limits {
        bytes_per_second: Some(rate),
        max_connections_per_host: Some(2),
    };
    let begun = Instant::now();
    let report = lab
        .copy_with(lab.accounts_with(port, lab.target.port), &options)
        .await;
    let took = begun.elapsed();
    assert_eq!(report.outcome, Outcome::Complete, "{}", summary(&report));
    let bytes: u64 = report
        .accounts
        .iter()
        .map(|account| account.written_bytes)
        .sum();
    // Lower bound only: a burst is allowed, a busy machine may be slower.
    let least = Duration::from_millis(bytes * 1000 / rate).saturating_sub(Duration::from_secs(1));
    assert!(bytes > 2 * rate, "the corpus is large enough: {bytes}");
    assert!(took >= least, "{bytes} bytes in {took:?}");
    assert_eq!(most.load(Ordering::SeqCst), 2, "connections at once");
    lab.assert_alike();
}

/// Connections to a local port that their client has not closed, as the kernel knows them. Its
/// table is read in pieces and may name one twice when others come and go meanwhile.
fn established(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let local = format!(":{port:04X}");
    let client = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ours = fields.next()?.ends_with(&local);
        let client = fields.next()?.to_owned();
        (ours && fields.next()? == "01").then_some(client)
    };
    table
        .lines()
        .filter_map(client)
        .collect::<HashSet<_>>()
        .len()
}

fn forward(client: &TcpStream, to: u16) {
    let server = TcpStream::connect(("127.0.0.1", to)).expect("source");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &*client, &mut &server);
            let _ = server.shutdown(std::net::Shutdown::Both);
        });
        let _ = std::io::copy(&mut &server, &mut &*client);
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
}
