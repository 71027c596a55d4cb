//! iCalendar: whatever comes, the check ends, and what it calls well-formed stays so when it is
//! split again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melouvert_migration::collection::{Kind, split};

fuzz_target!(|text: &str| {
    let first = split(Kind::Calendar, text);
    for object in &first.objects {
        let again = split(Kind::Calendar, &object.text);
        assert!(again.bad.is_empty(), "{:?} in {:?}", again.bad, object.text);
        assert_eq!(again.objects, [object.clone()]);
    }
    for bad in &first.bad {
        assert!(text.get(bad.bytes.clone()).is_some());
    }
});
