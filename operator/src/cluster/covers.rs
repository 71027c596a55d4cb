//! Whether a live object still says what was rendered.

use serde_json::{Map, Value};

/// Whether `live` holds everything that `rendered` states, so that no write is needed.
///
/// Server defaults are extra keys and are tolerated, except in the parts where an extra key grants
/// something (`strict_parts`): there, both must be the same. Lists must be of the same length.
pub fn covers(live: &Value, rendered: &Value) -> bool {
    let kind = rendered
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let strict = strict_parts(kind);
    let Some(wanted) = rendered.as_object() else {
        return live == rendered;
    };
    wanted
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "apiVersion" | "kind" | "status"))
        .all(|(key, value)| {
            let found = live.get(key).unwrap_or(&Value::Null);
            subset(found, value) && (!strict.contains(&key.as_str()) || subset(value, found))
        })
        && strict
            .iter()
            .all(|key| wanted.contains_key(*key) || is_empty(live.get(*key)))
        && same_owners(live, rendered)
}

/// Whether no owner was added: an object goes with its owner, and one that states none goes with
/// nobody.
pub fn same_owners(live: &Value, rendered: &Value) -> bool {
    let uids = |object: &Value| -> Vec<String> {
        let owners = object.pointer("/metadata/ownerReferences");
        let owners = owners.and_then(Value::as_array).into_iter().flatten();
        owners.map(|owner| owner["uid"].to_string()).collect()
    };
    let wanted = uids(rendered);
    uids(live).iter().all(|uid| wanted.contains(uid))
}

/// The JSON merge patch (RFC 7396) that turns `live` into what was rendered: lists are replaced
/// whole, and keys that were added in the strict parts are removed, which server-side apply leaves
/// to whoever added them.
pub fn repair(live: &Value, rendered: &Value) -> Value {
    let mut patch = rendered.clone();
    let kind = rendered
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if let Some(patch) = patch.as_object_mut() {
        for key in strict_parts(kind) {
            let Some(found) = live.get(*key) else {
                continue;
            };
            match patch.get_mut(*key) {
                Some(wanted) => remove_added(found, wanted),
                None => {
                    patch.insert((*key).into(), Value::Null);
                }
            }
        }
    }
    if !same_owners(live, rendered)
        && let Some(metadata) = patch["metadata"].as_object_mut()
    {
        metadata.entry("ownerReferences").or_insert(Value::Null);
    }
    patch
}

fn remove_added(found: &Value, wanted: &mut Value) {
    let (Value::Object(found), Value::Object(wanted)) = (found, wanted) else {
        return;
    };
    for (key, value) in found {
        match wanted.get_mut(key) {
            Some(wanted) => remove_added(value, wanted),
            None => {
                wanted.insert(key.clone(), Value::Null);
            }
        }
    }
}

/// The top-level keys whose content grants access or is configuration: anything added there by
/// hand is drift.
fn strict_parts(kind: &str) -> &'static [&'static str] {
    match kind {
        "NetworkPolicy" => &["spec"],
        "RoleBinding" => &["roleRef", "subjects"],
        "ConfigMap" | "Secret" => &["data", "binaryData"],
        _ => &[],
    }
}

/// Whether everything stated in `wanted` is in `found`; empty values equal absent ones.
fn subset(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (_, wanted) if is_empty(Some(wanted)) => is_empty(Some(found)) || !found.is_array(),
        (Value::Object(found), Value::Object(wanted)) => subset_map(found, wanted),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && wanted.iter().enumerate().all(|(place, wanted)| {
                    counterpart(found, wanted, place).is_some_and(|found| subset(found, wanted))
                })
        }
        (Value::String(found), Value::String(wanted)) => {
            found == wanted || same_quantity(found, wanted)
        }
        _ => found == wanted,
    }
}

fn subset_map(found: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, value)| {
        let found = found.get(key).unwrap_or(&Value::Null);
        // What the server fills in when a port or a peer leaves it out.
        subset(found, value) || (found.is_null() && is_server_default(key, value))
    })
}

fn is_server_default(key: &str, value: &Value) -> bool {
    key == "protocol" && value == "TCP"
}

/// The element of `found` that stands for `wanted`: by name in lists of named elements, else by
/// place. Place decides between two of one name (a person and a group).
fn counterpart<'a>(found: &'a [Value], wanted: &Value, place: usize) -> Option<&'a Value> {
    match wanted.get("name").filter(|name| name.is_string()) {
        Some(name) => {
            let named = |element: &&Value| element.get("name") == Some(name);
            let here = found.get(place).filter(named);
            here.or_else(|| found.iter().find(named))
        }
        None => found.get(place),
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        _ => false,
    }
}

/// Whether two Kubernetes quantities are the same amount: the server rewrites `1000m` as `1`.
fn same_quantity(left: &str, right: &str) -> bool {
    matches!((milli(left), milli(right)), (Some(left), Some(right)) if left == right)
}

/// Thousandths in a quantity such as `500m`, `1Gi`, `2`; `None` when it is none.
fn milli(text: &str) -> Option<u128> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u128 = match unit {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| u128::from(number).checked_mul(factor))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mail", "labels": {"a": "b"}},
            "spec": {"type": "ClusterIP", "selector": {"app": "mail"},
                "ports": [{"name": "imaps", "port": 993, "targetPort": 1993}, {"name": "smtp", "port": 1025}]}})
    }

    #[test]
    fn defaults_status_and_order_of_named_elements_are_no_drift() {
        let live = json!({"metadata": {"name": "mail", "uid": "1", "labels": {"a": "b", "c": "d"}},
            "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "selector": {"app": "mail"},
                "ports": [{"name": "smtp", "port": 1025, "protocol": "TCP"},
                          {"name": "imaps", "port": 993, "targetPort": 1993, "protocol": "TCP"}]},
            "status": {"loadBalancer": {}}});
        assert!(covers(&live, &service()));
    }

    #[test]
    fn each_change_by_hand_is_drift() {
        for (pointer, value) in [
            ("/spec/selector/app", json!("web")),
            ("/spec/ports/0/port", json!(994)),
            ("/metadata/labels", json!({})),
            (
                "/spec/ports",
                json!([{"name": "imaps", "port": 993, "targetPort": 1993}]),
            ),
        ] {
            let mut live = service();
            *live.pointer_mut(pointer).unwrap() = value;
            assert!(!covers(&live, &service()), "{pointer}");
        }
        let mut live = service();
        live["spec"]["ports"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "x", "port": 1}));
        assert!(!covers(&live, &service()), "a port was added");
    }

    #[test]
    fn a_hole_in_a_network_policy_is_drift() {
        let closed = json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}});
        let mut live = closed.clone();
        assert!(covers(&live, &closed));
        live["spec"]["ingress"] = json!([{}]);
        assert!(!covers(&live, &closed));
        let port =
            json!({"kind": "NetworkPolicy", "spec": {"egress": [{"ports": [{"port": 53}]}]}});
        let mut live = port.clone();
        live["spec"]["egress"][0]["ports"][0]["protocol"] = json!("TCP");
        assert!(covers(&live, &port), "the default protocol");
        live["spec"]["egress"][0]["to"] = json!([{"podSelector": {}}]);
        assert!(!covers(&live, &port));
    }

    #[test]
    fn an_added_subject_or_key_is_drift() {
        let binding =
            json!({"kind": "RoleBinding", "roleRef": {"name": "r"}, "subjects": [{"name": "a"}]});
        let mut live = binding.clone();
        live["subjects"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "mallory"}));
        assert!(!covers(&live, &binding));
        let map = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        assert!(!covers(&json!({"data": {"a": "1", "b": "2"}}), &map));
    }

    #[test]
    fn an_owner_that_was_added_is_drift_and_goes() {
        let owner = |uid: &str| json!([{"kind": "Migration", "name": "m", "uid": uid}]);
        let secret =
            json!({"kind": "Secret", "metadata": {"name": "tenant-ca"}, "data": {"a": "MQ=="}});
        let mut live = secret.clone();
        assert!(covers(&live, &secret));
        live["metadata"]["ownerReferences"] = owner("m");
        assert!(!covers(&live, &secret));
        assert_eq!(
            repair(&live, &secret)["metadata"],
            json!({"name": "tenant-ca", "ownerReferences": null})
        );
        let mut with_owner = secret.clone();
        with_owner["metadata"]["ownerReferences"] = owner("m");
        assert!(covers(&live, &with_owner), "its own owner");
        live["metadata"]["ownerReferences"] = owner("another");
        assert!(!covers(&live, &with_owner));
        assert_eq!(
            repair(&live, &with_owner)["metadata"],
            with_owner["metadata"]
        );
    }

    #[test]
    fn a_person_and_a_group_of_one_name_are_no_drift() {
        let subjects = json!([{"kind": "Group", "name": "a"}, {"kind": "User", "name": "a"}]);
        let binding = json!({"kind": "RoleBinding", "subjects": subjects});
        assert!(covers(&binding, &binding));
        let mut live = binding.clone();
        live["subjects"][0]["kind"] = json!("User");
        assert!(!covers(&live, &binding));
    }

    #[test]
    fn a_repair_removes_what_was_added() {
        let map = json!({"kind": "ConfigMap", "data": {"a": "1"}});
        let live = json!({"data": {"a": "2", "b": "2"}, "binaryData": {"c": "eA=="}});
        let patch = repair(&live, &map);
        assert_eq!(
            patch,
            json!({"kind": "ConfigMap", "data": {"a": "1", "b": null}, "binaryData": null})
        );
        let closed = json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}}});
        let open = json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{}]}});
        let spec = json!({"podSelector": {"matchLabels": null}, "ingress": null});
        assert_eq!(repair(&open, &closed)["spec"], spec);
        assert_eq!(
            repair(&json!({"spec": {"type": "x"}}), &service()),
            service(),
            "others as rendered"
        );
    }

    #[test]
    fn quantities_are_compared_as_amounts() {
        let quota =
            |cpu: &str| json!({"kind": "ResourceQuota", "spec": {"hard": {"limits.cpu": cpu}}});
        assert!(covers(&quota("1"), &quota("1000m")));
        assert!(covers(&quota("1Gi"), &quota("1024Mi")));
        assert!(!covers(&quota("2"), &quota("1000m")));
        assert!(!covers(&quota("1"), &quota("1Gi")));
    }

    #[test]
    fn empty_is_the_same_as_absent_but_not_as_filled() {
        let policy = json!({"kind": "NetworkPolicy", "spec": {"podSelector": {}, "ingress": []}});
        assert!(covers(&json!({"spec": {"podSelector": {}}}), &policy));
        assert!(!covers(
            &json!({"spec": {"podSelector": {}, "ingress": [{}]}}),
            &policy
        ));
        assert!(!covers(
            &json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}),
            &policy
        ));
    }
}
