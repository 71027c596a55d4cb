//! Whatever flags, dates, names and bodies come: every byte of a message reaches the server inside
//! a literal, and every command is one of ours.

#![no_main]

#[path = "../strict/mod.rs"]
mod strict;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime"),
    );
}

fuzz_target!(|data: &[u8]| {
    RUNTIME.with_borrow(|runtime| runtime.block_on(strict::drive(data)));
});
