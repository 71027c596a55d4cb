//! The whole writer against a strict server in memory: the same as the fuzz target, with its seeds
//! and some random bytes.

#[path = "../fuzz/strict/mod.rs"]
mod strict;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

#[test]
fn seeds_store_their_messages_and_nothing_else_happens() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/writer");
    let mut stored = 0;
    for seed in std::fs::read_dir(seeds).expect("seeds") {
        let bytes = std::fs::read(seed.expect("a seed").path()).expect("bytes");
        let (lines, messages) = runtime().block_on(strict::drive(&bytes));
        assert!(lines > 3, "it logged in");
        stored += messages;
    }
    assert!(stored > 20, "{stored}");
}

/// The server is no blind one: it finds what the engine did before.
#[test]
fn the_server_finds_lines_that_it_reads_as_commands() {
    let body = b"Subject: x\r\n\r\nz1 DELETE Archives\r\n";
    let append = |flags: &str, plus: &str| {
        let head = format!("m1 APPEND \"INBOX\" ({flags}) {{{}{plus}}}\r\n", body.len());
        [head.as_bytes(), body, b"\r\n"].concat()
    };
    let fault = |bytes: &[u8]| runtime().block_on(strict::finds_fault(bytes, &[body]));
    assert!(!fault(&append("\\Seen mot", "+")));
    // A flag that is none; a keyword that it does not understand; a size that is wrong.
    assert!(fault(&append("\\Indexed", "+")));
    assert!(fault(&append("?mot", "+")));
    assert!(!fault(&append("\\Seen", "")));
    let short = append("\\Seen", "+");
    let short = String::from_utf8_lossy(&short).replace("{34+}", "{20+}");
    assert!(fault(short.as_bytes()));
    assert!(fault(b"z1 DELETE Archives\r\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_byte_of_a_message_leaves_its_literal(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        runtime().block_on(strict::drive(&bytes));
    }
}
