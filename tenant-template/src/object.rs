//! Rendered objects: JSON with what is needed to apply it, and its hash.

use k8s_openapi::{Metadata, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::core::{ApiResource, DynamicObject};
use melouvert_api::labels;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One object to apply.
#[derive(Clone, PartialEq)]
pub struct Object {
    /// Where the API server serves its kind.
    pub resource: ApiResource,
    /// Its namespace; `None` for a Namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The value of its annotation [`labels::RENDERED_HASH`]: SHA-256 in hexadecimal.
    pub hash: String,
    /// The object itself, with `apiVersion` and `kind`.
    pub value: Value,
}

impl std::fmt::Debug for Object {
    /// Names the object; its content may be a Secret's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        write!(f, "{} {namespace}/{}", self.resource.kind, self.name)
    }
}

impl Object {
    /// The object for kube's dynamic API.
    pub fn dynamic(&self) -> Result<DynamicObject, serde_json::Error> {
        serde_json::from_value(self.value.clone())
    }

    /// Serializes a typed object and seals it with its hash.
    pub(crate) fn of<K>(object: &K) -> Self
    where
        K: Resource + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let mut value = serde_json::to_value(object)
            .expect("objects of k8s-openapi have string keys only and no other way to fail");
        let hash = hash(&value);
        value["metadata"]["annotations"][labels::RENDERED_HASH] = hash.clone().into();
        let metadata = object.metadata();
        Self {
            resource: ApiResource {
                group: K::GROUP.into(),
                version: K::VERSION.into(),
                api_version: K::API_VERSION.into(),
                kind: K::KIND.into(),
                plural: K::URL_PATH_SEGMENT.into(),
            },
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
            hash,
            value,
        }
    }
}

/// Objects that may be applied in any order, after those of the waves before.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// What the wave is for, for logs.
    pub name: &'static str,
    /// Its objects.
    pub objects: Vec<Object>,
}

/// SHA-256 of a value's canonical JSON, in hexadecimal.
pub fn hash(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// JSON with sorted keys and no spaces. `serde_json` alone sorts keys only as long as no crate of
/// the build asks it to keep their order.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            list(out, ['{', '}'], entries, |(key, value), out| {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            });
        }
        Value::Array(items) => list(out, ['[', ']'], items, canonical),
        scalar => out.push_str(&scalar.to_string()),
    }
}

fn list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_hash_ignores_the_order_of_keys_but_not_of_lists() {
        let a: Value = serde_json::from_str(r#"{"b":[1,2],"a":"x\"y"}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a":"x\"y","b":[1,2]}"#).unwrap();
        assert_eq!(hash(&a), hash(&b));
        assert_ne!(hash(&a), hash(&json!({"a": "x\"y", "b": [2, 1]})));
    }
}
