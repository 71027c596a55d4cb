//! Any value of `X-Gmail-Labels`: one folder, and keywords that a server takes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use melouvert_migration::source::file::mbox::Mbox;

fuzz_target!(|data: &[u8]| {
    let (folder, flags) = Mbox::read_labels(&String::from_utf8_lossy(data));
    assert!(!folder.0.is_empty() && folder.0.iter().all(|level| !level.is_empty()));
    for flag in flags.iter() {
        let atom = flag.strip_prefix('\\').unwrap_or(flag);
        let good = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\]".contains(&byte);
        assert!(atom.bytes().all(|byte| good(byte) || byte == b'}'), "{flag}");
    }
});
