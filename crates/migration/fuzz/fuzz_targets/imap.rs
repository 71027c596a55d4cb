//! Whatever a server sends: it must be understood or refused, never panic, and a message body must
//! come out as it went in.

#![no_main]

use std::cell::RefCell;
use std::io::Cursor;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use melouvert_migration::imap::{Timeouts, Untagged, Response, Wire, parse_response, utf7};
use melouvert_migration::mapping::NameStyle;
use melouvert_migration::model::{FlagInterner, MessageHash};
use melouvert_migration::payload::BodySink;

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
    );
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(session(data)));
});

async fn session(data: &[u8]) {
    let timeouts = Timeouts {
        connect: Duration::from_secs(60),
        response: Duration::from_secs(60),
        min_rate: u64::MAX,
        ..Timeouts::default()
    };
    let stream = Box::new(Cursor::new(data.to_vec()));
    let mut wire = Wire::new(stream, "fuzz:1".to_owned(), timeouts);
    let mut flags = FlagInterner::default();
    let style = NameStyle { separator: Some('/'), prefix: "INBOX/".to_owned(), utf8: false };
    while let Ok(raw) = wire.receive(&BodySink::HashOnly).await {
        let body = raw.body.as_ref().map(|(_, body)| (body.size, body.hash));
        let Ok(response) = parse_response(raw, &mut flags) else { continue };
        match response {
            Response::Untagged(Untagged::Fetch(item)) => {
                if let (Some((size, hash)), Some(kept)) = (body, &item.body) {
                    // Another BODY[] may stand beside the one that was streamed, quoted or not.
                    if size > 0 {
                        assert!(holds(data, size, hash), "the body is none that was sent");
                    }
                    if kept.size > 0 && kept.hash != hash && kept.size == size {
                        assert!(holds(data, size, kept.hash), "the other body neither");
                    }
                }
            }
            Response::Untagged(Untagged::List(item)) => {
                let path = style.read(&item.name);
                let written = style.write(&path);
                assert!(written.is_ascii());
                let _ = utf7::decode(&item.name);
            }
            _ => {}
        }
    }
}

/// Whether some stretch of the input has this hash.
fn holds(data: &[u8], size: u64, hash: MessageHash) -> bool {
    let size = usize::try_from(size).expect("it was read");
    // Long inputs are rare; looking everywhere would cost their square.
    data.len() > 512 || data.windows(size).any(|part| MessageHash::of(part) == hash)
}
