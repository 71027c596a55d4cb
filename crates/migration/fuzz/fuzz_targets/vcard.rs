//! vCard: whatever comes, the check ends, and each card it accepts is a part of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use melouvert_migration::collection::{Kind, split};

fuzz_target!(|text: &str| {
    let first = split(Kind::Contacts, text);
    for object in &first.objects {
        assert!(text.contains(&object.text));
        let again = split(Kind::Contacts, &object.text);
        assert!(again.bad.is_empty(), "{:?} in {:?}", again.bad, object.text);
        assert_eq!(again.objects, [object.clone()]);
    }
});
