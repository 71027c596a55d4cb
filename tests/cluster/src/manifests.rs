//! The objects that make a bare API server a usable cluster: DNS and a storage class.

use serde_json::{Value, json};

use crate::plan::DNS_ADDRESS;

/// Where volumes' helper pods run.
pub const VOLUMES_NAMESPACE: &str = "local-path-storage";
/// A shell and small tools, for helper pods and tests.
pub const BUSYBOX_IMAGE: &str = "localhost/busybox:1";
/// The DNS server.
pub const COREDNS_IMAGE: &str = "localhost/coredns:1";

/// Names outside the cluster do not exist: there is no way out, and an answer is better than a
/// time-out. A block of its own, since `template` would otherwise answer before `kubernetes`.
/// `reload` lets a test add zones through the ConfigMap.
const COREFILE: &str = "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    health
    ready
    reload 3s 1s
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
}
.:53 {
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
";

/// All objects, as one List.
pub fn addons() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [dns_account(), dns_role(), dns_binding(), dns_config(), dns_deployment(), dns_service(),
                  volumes_namespace(), volumes_scripts(), storage_class()],
    })
}

fn dns_meta(name: &str) -> Value {
    json!({"name": name, "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}})
}

fn dns_account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": dns_meta("coredns")})
}

fn dns_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns"},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
        ],
    })
}

fn dns_binding() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    })
}

fn dns_config() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": dns_meta("coredns"),
        "data": {"Corefile": COREFILE},
    })
}

/// A pod with the customary labels, so that policies which allow DNS work as on any cluster.
fn dns_deployment() -> Value {
    let labels = json!({"k8s-app": "kube-dns"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": dns_meta("coredns"),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "coredns",
                    "priorityClassName": "system-cluster-critical",
                    "dnsPolicy": "Default",
                    "securityContext": {
                        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [{
                        "name": "coredns",
                        "image": COREDNS_IMAGE,
                        "imagePullPolicy": "Never",
                        "args": ["-conf", "/etc/coredns/Corefile"],
                        "ports": [
                            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
                            {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                        ],
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "readinessProbe": {
                            "httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1,
                        },
                        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": true}],
                    }],
                    "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
                },
            },
        },
    })
}

fn dns_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": dns_meta("kube-dns"),
        "spec": {
            "clusterIP": DNS_ADDRESS,
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
    })
}

fn volumes_namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": VOLUMES_NAMESPACE}})
}

/// The provisioner's helper pod runs these with `VOL_DIR` set.
fn volumes_scripts() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "local-path-config", "namespace": VOLUMES_NAMESPACE},
        "data": {
            "setup": "#!/bin/sh\nset -eu\nmkdir -m 0777 -p \"$VOL_DIR\"\n",
            "teardown": "#!/bin/sh\nset -eu\nrm -rf \"$VOL_DIR\"\n",
        },
    })
}

/// The pod that makes or removes one volume's folder.
pub fn helper_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "helper-pod"},
        "spec": {
            "priorityClassName": "system-node-critical",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "helper-pod", "image": BUSYBOX_IMAGE, "imagePullPolicy": "Never"}],
        },
    })
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {
            "name": "local-path",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_names_itself() {
        let list = addons();
        let items = list["items"].as_array().expect("a list");
        for item in items {
            for field in ["/apiVersion", "/kind", "/metadata/name"] {
                assert!(
                    item.pointer(field).is_some_and(Value::is_string),
                    "{field} of {item}"
                );
            }
        }
        assert_eq!(items.len(), 9);
    }

    #[test]
    fn no_image_is_ever_pulled() {
        for object in [dns_deployment(), helper_pod()] {
            let text = object.to_string();
            assert!(text.contains("\"imagePullPolicy\":\"Never\""), "{text}");
            assert!(text.contains("localhost/"), "{text}");
        }
    }
}
