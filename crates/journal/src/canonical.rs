//! Canonical JSON: keys sorted by their UTF-8 bytes, no space, only the escapes that JSON demands
//! (`\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t`, `\u00xx` in lower case below U+0020), other characters
//! as they are. Python's `json.dumps(v, sort_keys=True, separators=(',', ':'),
//! ensure_ascii=False)` writes the same.

use serde_json::Value;

/// Writes `value` in its one canonical form.
///
/// # Examples
///
/// ```
/// use melouvert_journal::canonical;
/// let value = serde_json::json!({"b": [1, true], "a": "é\n"});
/// assert_eq!(canonical::to_string(&value), r#"{"a":"é\n","b":[1,true]}"#);
/// ```
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            // Sorted here: serde_json's map keeps insertion order as soon as any crate of the
            // build asks for it.
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (place, (key, item)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

/// Whether PostgreSQL's `jsonb` gives `value` back unchanged: integers only, no NUL in texts.
pub fn survives_jsonb(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => items.iter().all(survives_jsonb),
        Value::Object(map) => map
            .iter()
            .all(|(key, item)| !key.contains('\0') && survives_jsonb(item)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(
            r#"{"z": {"b": 1, "a": [ {"d": null, "c": "\u0001\u007f/"} ]}, "é": 2, "Z": 3}"#,
        )
        .unwrap();
        assert_eq!(
            to_string(&value),
            "{\"Z\":3,\"z\":{\"a\":[{\"c\":\"\\u0001\u{7f}/\",\"d\":null}],\"b\":1},\"é\":2}"
        );
    }

    #[test]
    fn what_jsonb_would_change_is_seen() {
        for bad in [json!(1.5), json!(["a\0"]), json!({"a": {"b\0": 1}})] {
            assert!(!survives_jsonb(&bad), "{bad}");
        }
        assert!(survives_jsonb(
            &json!({"a": [u64::MAX, i64::MIN, "é", null, true]})
        ));
    }

    proptest! {
        #[test]
        fn it_reads_back(texts in proptest::collection::btree_map(".*", ".*", 0..5)) {
            let value = json!(texts);
            let read: Value = serde_json::from_str(&to_string(&value)).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
