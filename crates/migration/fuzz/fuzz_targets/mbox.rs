//! Any bytes as an mbox of each dialect: never a panic, and every message is a stretch of the file
//! without what the mailbox itself put there.

#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use melouvert_migration::account::MboxDialect;
use melouvert_migration::source::file::mbox::Mbox;

fuzz_target!(|data: &[u8]| {
    let Some((first, file)) = data.split_first() else {
        return;
    };
    let dialect = [
        MboxDialect::Detect,
        MboxDialect::Mboxo,
        MboxDialect::Mboxrd,
        MboxDialect::Mboxcl,
        MboxDialect::Mboxcl2,
    ][usize::from(*first) % 5];
    let mut total = 0;
    Mbox::walk_bytes(file, dialect, first & 0x80 != 0, &mut |found| {
        let mut bytes = Vec::new();
        let body = found.body.expect("memory is readable");
        body.read_to_end(&mut bytes).expect("memory is readable");
        assert!(!found.folder.0.is_empty());
        total += bytes.len();
        ControlFlow::Continue(())
    })
    .expect("memory is readable");
    assert!(total <= file.len(), "no byte is told twice");
});
