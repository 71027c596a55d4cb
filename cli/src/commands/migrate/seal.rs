//! The hash of a proof: BLAKE3 over its canonical JSON (keys sorted, no blank).

use serde_json::Value;

/// The hash in lower-case hexadecimal, the same wherever the proof was stored.
pub fn hash(report: &Value) -> String {
    let mut text = String::new();
    canonical(report, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            list(out, ['{', '}'], keys, |key, out| {
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                canonical(&map[key], out);
            });
        }
        Value::Array(items) => list(out, ['[', ']'], items, canonical),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn list<T>(
    out: &mut String,
    ends: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut String),
) {
    out.push(ends[0]);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(ends[1]);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_each_value_does() {
        let text = |value: &Value| {
            let mut out = String::new();
            canonical(value, &mut out);
            out
        };
        let proof = json!({ "b": [1, "é\"", null], "a": { "y": 1.5, "x": true } });
        assert_eq!(
            text(&proof),
            r#"{"a":{"x":true,"y":1.5},"b":[1,"é\"",null]}"#
        );
        let other = json!({ "b": [1, "é\"", null], "a": { "y": 1.5, "x": false } });
        assert_ne!(hash(&proof), hash(&other));
        assert_eq!(hash(&proof).len(), 64);
    }
}
