//! Any bytes as a ZIP of messages: never a panic, nor more bytes than its directory tells.

#![no_main]

use std::io::Read;
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use melouvert_migration::source::file::zipped::Zipped;

/// A fuzzer finds bombs at once: their bound is the archive's own, tested elsewhere.
const ENOUGH: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let _ = Zipped::walk_bytes(data, &mut |found| {
        assert!(found.folder.0.iter().all(|level| level != ".." && !level.contains('/')));
        if let Ok(body) = found.body {
            let _ = std::io::copy(&mut body.take(ENOUGH), &mut std::io::sink());
        }
        ControlFlow::Continue(())
    });
});
