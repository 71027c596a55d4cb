//! Any text as the names and lists of a Maildir.

#![no_main]

use libfuzzer_sys::fuzz_target;
use melouvert_migration::source::file::maildir::read_names;

fuzz_target!(|data: &[u8]| {
    read_names(&String::from_utf8_lossy(data));
});
