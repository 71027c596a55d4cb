//! The hash of a JSON document: BLAKE3 over its canonical text (keys sorted, no blank).

use melouvert_journal::canonical;
use serde_json::{Number, Value};

/// The hash in lower-case hexadecimal, the same wherever the proof was stored.
pub fn hash(report: &Value) -> String {
    let text = canonical::to_string(report);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The report with at most three decimals in each figure: JSON readers agree on short decimals, not
/// on seventeen digits, so that the hash survives a database and another program.
pub fn settled(report: Value) -> Value {
    match report {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key, settled(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(settled).collect(),
        Value::Number(number) if number.is_f64() => {
            let rounded = number
                .as_f64()
                .map(|figure| (figure * 1000.0).round() / 1000.0);
            rounded
                .and_then(Number::from_f64)
                .map_or(Value::Null, Value::Number)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_settled_report_reads_back_with_the_same_hash() {
        for step in 1..2000_u32 {
            let report = settled(json!({ "seconds": f64::from(step) / 7.0, "count": u64::MAX }));
            let read: Value = serde_json::from_str(&report.to_string()).unwrap();
            assert_eq!(hash(&read), hash(&report), "{report}");
        }
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_each_value_does() {
        let proof = json!({ "b": [1, "é\"", null], "a": { "y": 1.5, "x": true } });
        assert_eq!(
            canonical::to_string(&proof),
            r#"{"a":{"x":true,"y":1.5},"b":[1,"é\"",null]}"#
        );
        let other = json!({ "b": [1, "é\"", null], "a": { "y": 1.5, "x": false } });
        assert_ne!(hash(&proof), hash(&other));
        assert_eq!(hash(&proof).len(), 64);
    }
}
