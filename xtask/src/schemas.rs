//! JSON schemas of what this very API server accepts, for kubeconform.

use std::{collections::BTreeMap, fs};

use anyhow::Context;
use serde_json::{Value, json};

use crate::platform::Platform;

/// Writes one schema a kind into a folder: `GROUP/KIND_VERSION.json`, references resolved.
pub fn write(platform: &Platform) -> anyhow::Result<tempfile::TempDir> {
    let dir = tempfile::tempdir().context("failed to make a folder")?;
    let index: Value =
        serde_json::from_str(&platform.cluster.kubectl(&["get", "--raw", "/openapi/v3"])?)?;
    let paths = index["paths"]
        .as_object()
        .context("the OpenAPI index has no paths")?;
    for (path, entry) in paths {
        if !path.starts_with("api") {
            continue;
        }
        let url = entry["serverRelativeURL"]
            .as_str()
            .context("an OpenAPI entry has no URL")?;
        let document: Value =
            serde_json::from_str(&platform.cluster.kubectl(&["get", "--raw", url])?)?;
        one_group(dir.path(), &document)?;
    }
    Ok(dir)
}

fn one_group(dir: &std::path::Path, document: &Value) -> anyhow::Result<()> {
    let empty = serde_json::Map::new();
    let schemas = document["components"]["schemas"]
        .as_object()
        .unwrap_or(&empty);
    let definitions: BTreeMap<&String, Value> = schemas
        .iter()
        .map(|(name, schema)| (name, strict(schema)))
        .collect();
    for schema in schemas.values() {
        for kind in schema["x-kubernetes-group-version-kind"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let [group, version, name] =
                ["group", "version", "kind"].map(|key| kind[key].as_str().unwrap_or(""));
            let mut whole = strict(schema);
            whole["components"] = json!({ "schemas": definitions });
            // kubeconform calls the core group by its version.
            let folder = dir.join(if group.is_empty() { "v1" } else { group });
            fs::create_dir_all(&folder).context("failed to make a folder")?;
            fs::write(
                folder.join(format!("{}_{version}.json", name.to_lowercase())),
                whole.to_string(),
            )
            .context("failed to write a schema")?;
        }
    }
    Ok(())
}

/// OpenAPI 3.0 made JSON Schema: nullable fields may be null, and unknown fields are errors.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut map: serde_json::Map<String, Value> = map
                .iter()
                .map(|(key, value)| match value {
                    // Names of fields, which may be those of keywords.
                    Value::Object(fields) if key == "properties" => {
                        let fields = fields
                            .iter()
                            .map(|(name, field)| (name.clone(), strict(field)));
                        (key.clone(), Value::Object(fields.collect()))
                    }
                    _ => (key.clone(), strict(value)),
                })
                .collect();
            // A default beside a reference makes no schema of its own.
            map.remove("default");
            if map.remove("nullable") == Some(Value::Bool(true))
                && let Some(Value::String(kind)) = map.get("type").cloned()
            {
                map.insert("type".into(), json!([kind, "null"]));
            }
            if map.get("format").and_then(Value::as_str) == Some("int-or-string")
                || map.contains_key("x-kubernetes-int-or-string")
            {
                map.remove("type");
            }
            let open = map.contains_key("additionalProperties")
                || map.contains_key("x-kubernetes-preserve-unknown-fields");
            if map.contains_key("properties")
                && !open
                && map.get("type").is_some_and(|t| t == "object")
            {
                map.insert("additionalProperties".into(), Value::Bool(false));
            }
            Value::Object(map)
        }
        Value::Array(items) => items.iter().map(strict).collect(),
        other => other.clone(),
    }
}
