//! The configuration files of the node's programs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::layout::Layout;
use crate::pki::Pair;
use crate::plan::{DNS_ADDRESS, NODE_NAME, POD_NETWORK, POD_SUBNET};

/// Text of each file, with its path below the state folder.
pub fn files(layout: &Layout) -> Vec<(&'static str, String)> {
    vec![
        ("containerd.toml", containerd(layout)),
        ("cni/10-bridge.conflist", pretty(&cni(layout))),
        ("kubelet.yaml", pretty(&kubelet(layout))),
        ("proxy.yaml", pretty(&proxy(layout))),
        ("resolv.conf", format!("nameserver {DNS_ADDRESS}\n")),
        ("volumes.json", pretty(&volumes(layout))),
    ]
}

// YAML is a superset of JSON: every component reads it.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A kubeconfig with everything embedded.
pub fn kubeconfig(name: &str, server: &str, authority: &str, user: &Pair) -> String {
    pretty(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": server,
            "certificate-authority-data": BASE64.encode(authority),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": BASE64.encode(&user.certificate),
            "client-key-data": BASE64.encode(&user.key),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }))
}

fn containerd(layout: &Layout) -> String {
    let (root, cni, optional) = (
        layout.text("containerd"),
        layout.text("cni"),
        layout.text("opt"),
    );
    let socket = layout.containerd_socket();
    let socket = socket.display();
    // `state` lies in the node's own /run. Without restrict_oom_score_adj no sandbox starts
    // where CAP_SYS_RESOURCE is missing.
    format!(
        r#"version = 3
root = "{root}"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "/run/containerd/containerd.sock.ttrpc"
[plugins.'io.containerd.internal.v1.opt']
  path = "{optional}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:1"
"#
    )
}

fn cni(layout: &Layout) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": layout.cgroup(),
        "plugins": [
            {
                "type": "bridge",
                "bridge": "kube-bridge",
                "isDefaultGateway": true,
                "hairpinMode": true,
                "ipam": {"type": "host-local", "subnet": POD_SUBNET, "dataDir": layout.text("leases")},
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet(layout: &Layout) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}/pods", layout.cgroup()),
        "failCgroupV1": false,
        "failSwapOn": false,
        "oomScoreAdj": 0,
        "maxPods": 250,
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": format!("unix://{}", layout.containerd_socket().display()),
        "podLogsDir": layout.text("pod-logs"),
        "volumePluginDir": layout.text("volume-plugins"),
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": layout.text("resolv.conf"),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": layout.text("pki/ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": layout.text("pki/kubelet-server.crt"),
        "tlsPrivateKeyFile": layout.text("pki/kubelet-server.key"),
        // A changed Secret or ConfigMap reaches its volume at the next sync.
        "syncFrequency": "10s",
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        // Images come from archives and cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "200Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
            "nodefs.inodesFree": "1%",
        },
        "shutdownGracePeriod": "0s",
    })
}

fn proxy(layout: &Layout) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": layout.text("pki/proxy.conf")},
        "conntrack": {"maxPerCore": 0},
        "nftables": {"minSyncPeriod": "100ms"},
    })
}

fn volumes(layout: &Layout) -> Value {
    json!({"nodePathMap": [{
        "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES",
        "paths": [layout.text("volumes")],
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout {
            name: "demo".to_owned(),
            root: "/state/demo".into(),
        }
    }

    #[test]
    fn a_kubeconfig_embeds_its_certificates() {
        let pair = Pair {
            certificate: "crt".to_owned(),
            key: "key".to_owned(),
        };
        let text = kubeconfig("demo", "https://127.0.0.1:4321", "ca", &pair);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            value["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:4321"
        );
        assert_eq!(
            value["clusters"][0]["cluster"]["certificate-authority-data"],
            "Y2E="
        );
        assert_eq!(value["users"][0]["user"]["client-key-data"], "a2V5");
        assert!(!text.contains("/state"));
    }

    #[test]
    fn two_clusters_share_no_path_and_no_cgroup() {
        let other = Layout {
            name: "other".to_owned(),
            root: "/state/other".into(),
        };
        for ((path, one), (_, two)) in files(&layout()).iter().zip(files(&other)) {
            assert!(!two.contains("/state/demo"), "{path}");
            assert!(!one.contains("other"), "{path}");
        }
        assert_eq!(kubelet(&layout())["cgroupRoot"], "/melouvert-demo/pods");
    }
}
