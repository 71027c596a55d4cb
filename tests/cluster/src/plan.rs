//! How a node starts: a list of steps made here, as data, and carried out by the node's first
//! process (see [`crate::node`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::manifests;

/// The one node's name.
pub const NODE_NAME: &str = "node0";
/// Its address, in its own network namespace.
pub const NODE_ADDRESS: &str = "10.77.0.1";
/// ClusterIPs.
pub const SERVICE_NETWORK: &str = "10.96.0.0/16";
/// The cluster's DNS server.
pub const DNS_ADDRESS: &str = "10.96.0.10";
/// Pods of all nodes.
pub const POD_NETWORK: &str = "10.244.0.0/16";
/// Pods of the one node.
pub const POD_SUBNET: &str = "10.244.0.0/24";
/// Where the API server listens inside.
pub const API_ADDRESS: &str = "127.0.0.1:6443";

/// What the node's first process carries out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Plan {
    /// `PATH` of every program.
    pub path: String,
    /// Folder of `COMPONENT.log` files.
    pub logs: PathBuf,
    /// Where the components and their ends are recorded.
    pub components: PathBuf,
    /// In order.
    pub steps: Vec<Step>,
}

/// One step of the start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Runs a program to its end.
    Run(Vec<String>),
    /// Writes a kernel setting.
    Setting(PathBuf, String),
    /// Starts a component, which stays.
    Start(String, Vec<String>),
    /// Polls until the probe succeeds, while every started component lives.
    Await {
        /// Shown to a person.
        what: String,
        /// The component to blame, whose log is shown.
        component: String,
        /// What to try.
        probe: Probe,
        /// Deadline in seconds.
        seconds: u64,
    },
}

/// Something that can be tried again until it works.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// A program ends well, and writes this text if one is given.
    Command(Vec<String>, Option<String>),
    /// A Unix socket accepts.
    Socket(PathBuf),
    /// A DNS server answers with an address for the name.
    Dns {
        /// ADDRESS:PORT.
        server: String,
        /// The name to ask for.
        name: String,
    },
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The whole start of one cluster; `programs` is the folder of the built programs.
pub fn plan(layout: &Layout, programs: &str) -> Plan {
    let mut steps = network();
    steps.extend(control_plane(layout));
    steps.extend(node(layout, programs));
    steps.extend(addons(layout));
    Plan {
        path: format!("{programs}:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"),
        logs: layout.path("log"),
        components: layout.path("components.json"),
        steps,
    }
}

/// No route leads out: the default one ends at a bridge without ports, so that ClusterIPs have a
/// route before kube-proxy rewrites them.
fn network() -> Vec<Step> {
    let mut steps: Vec<Step> = [
        "ip link set lo up".to_owned(),
        "ip link add node0 type bridge".to_owned(),
        format!("ip addr add {NODE_ADDRESS}/32 dev node0"),
        "ip link set node0 up".to_owned(),
        "ip route add default dev node0".to_owned(),
    ]
    .iter()
    .map(|line| Step::Run(words(line)))
    .collect();
    for setting in ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"] {
        steps.push(Step::Setting(
            format!("/proc/sys/{setting}").into(),
            "1".to_owned(),
        ));
    }
    steps
}

fn control_plane(layout: &Layout) -> Vec<Step> {
    let data = layout.text("etcd");
    let pki = layout.text("pki");
    let etcd = format!(
        "etcd --data-dir {data} --unsafe-no-fsync --log-level warn \
         --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
         --listen-peer-urls http://127.0.0.1:2380"
    );
    let identity = |name: &str| {
        let file = format!("{pki}/{name}.conf");
        format!(
            "--kubeconfig={file} --authentication-kubeconfig={file} --authorization-kubeconfig={file} \
             --leader-elect=false --kube-api-qps=100 --kube-api-burst=200"
        )
    };
    let controllers = format!(
        "kube-controller-manager {} --use-service-account-credentials \
         --service-account-private-key-file={pki}/sa.key --root-ca-file={pki}/ca.crt \
         --cluster-signing-cert-file={pki}/ca.crt --cluster-signing-key-file={pki}/ca.key \
         --allocate-node-cidrs --cluster-cidr={POD_NETWORK} --service-cluster-ip-range={SERVICE_NETWORK}",
        identity("controllers")
    );
    let scheduler = format!("kube-scheduler {}", identity("scheduler"));
    vec![
        Step::Start("etcd".to_owned(), words(&etcd)),
        Step::Start("kube-apiserver".to_owned(), words(&api_server(&pki))),
        Step::Start(
            "containerd".to_owned(),
            vec![
                "containerd".to_owned(),
                "-c".to_owned(),
                layout.text("containerd.toml"),
            ],
        ),
        Step::Await {
            what: "API server".to_owned(),
            component: "kube-apiserver".to_owned(),
            probe: Probe::Command(kubectl(layout, "get --raw=/readyz"), None),
            seconds: 60,
        },
        Step::Start("kube-controller-manager".to_owned(), words(&controllers)),
        Step::Start("kube-scheduler".to_owned(), words(&scheduler)),
    ]
}

/// The request-header flags make the API server publish the client authorities in
/// kube-system/extension-apiserver-authentication.
fn api_server(pki: &str) -> String {
    format!(
        "kube-apiserver --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 \
         --advertise-address={NODE_ADDRESS} --service-cluster-ip-range={SERVICE_NETWORK} \
         --client-ca-file={pki}/ca.crt --tls-cert-file={pki}/apiserver.crt --tls-private-key-file={pki}/apiserver.key \
         --service-account-key-file={pki}/sa.pub --service-account-signing-key-file={pki}/sa.key \
         --service-account-issuer=https://kubernetes.default.svc \
         --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
         --kubelet-client-certificate={pki}/kubelet-client.crt --kubelet-client-key={pki}/kubelet-client.key \
         --kubelet-certificate-authority={pki}/ca.crt --kubelet-preferred-address-types=InternalIP \
         --requestheader-client-ca-file={pki}/front-proxy-ca.crt --requestheader-allowed-names=front-proxy-client \
         --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
         --requestheader-extra-headers-prefix=X-Remote-Extra- \
         --proxy-client-cert-file={pki}/front-proxy-client.crt --proxy-client-key-file={pki}/front-proxy-client.key"
    )
}

fn node(layout: &Layout, programs: &str) -> Vec<Step> {
    let socket = layout.containerd_socket();
    let mut steps = vec![Step::Await {
        what: "containerd".to_owned(),
        component: "containerd".to_owned(),
        probe: Probe::Socket(socket.clone()),
        seconds: 30,
    }];
    for image in ["pause", "busybox", "coredns"] {
        steps.push(Step::Run(words(&format!(
            "ctr --address {} --namespace k8s.io images import {programs}/images/{image}.tar",
            socket.display()
        ))));
    }
    let kubelet = format!(
        "kubelet --config={} --kubeconfig={} --hostname-override={NODE_NAME} --node-ip={NODE_ADDRESS} --root-dir={} --cert-dir={}",
        layout.text("kubelet.yaml"),
        layout.text("pki/kubelet.conf"),
        layout.text("kubelet"),
        layout.text("kubelet-pki"),
    );
    let proxy = format!("kube-proxy --config={}", layout.text("proxy.yaml"));
    steps.push(Step::Start("kubelet".to_owned(), words(&kubelet)));
    steps.push(Step::Start("kube-proxy".to_owned(), words(&proxy)));
    steps
}

fn addons(layout: &Layout) -> Vec<Step> {
    let until = |what: &str, component: &str, probe: Probe| Step::Await {
        what: what.to_owned(),
        component: component.to_owned(),
        probe,
        seconds: 60,
    };
    let apply = format!(
        "apply --server-side --force-conflicts --validate=false -f {}",
        layout.text("addons.json")
    );
    let volumes = format!(
        "local-path-provisioner start --kubeconfig {} --config {} --namespace {} --helper-image {} \
         --helper-pod-file {} --service-account-name default --worker-threads 8",
        layout.text("pki/addons.conf"),
        layout.text("volumes.json"),
        manifests::VOLUMES_NAMESPACE,
        manifests::BUSYBOX_IMAGE,
        layout.text("helper-pod.json"),
    );
    let policies = format!(
        "netpol {} {NODE_NAME} {SERVICE_NETWORK}",
        layout.text("pki/addons.conf")
    );
    let ready = "get node node0 -o jsonpath={.status.conditions[?(@.type=='Ready')].status}";
    vec![
        until(
            "add-ons",
            "kube-apiserver",
            Probe::Command(kubectl(layout, &apply), None),
        ),
        Step::Start("local-path-provisioner".to_owned(), words(&volumes)),
        until(
            "node registration",
            "kubelet",
            Probe::Command(kubectl(layout, "get node node0"), None),
        ),
        // The policy controller exits when its node is not there yet.
        Step::Start("netpol".to_owned(), words(&policies)),
        until(
            "node",
            "kubelet",
            Probe::Command(kubectl(layout, ready), Some("True".to_owned())),
        ),
        until(
            "default service account",
            "kube-controller-manager",
            Probe::Command(kubectl(layout, "get serviceaccount default"), None),
        ),
        until(
            "NetworkPolicy enforcement",
            "netpol",
            Probe::Command(words("iptables -w 5 -nL KUBE-ROUTER-FORWARD"), None),
        ),
        until(
            "cluster DNS",
            "kubelet",
            Probe::Dns {
                server: format!("{DNS_ADDRESS}:53"),
                name: "kubernetes.default.svc.cluster.local".to_owned(),
            },
        ),
    ]
}

fn kubectl(layout: &Layout, arguments: &str) -> Vec<String> {
    let mut argv = vec![
        "kubectl".to_owned(),
        "--kubeconfig".to_owned(),
        layout.text("pki/admin.conf"),
    ];
    argv.extend(words(arguments));
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(plan: &Plan) -> Vec<&str> {
        plan.steps
            .iter()
            .filter_map(|step| match step {
                Step::Start(name, _) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_component_starts_once_after_what_it_needs() {
        let layout = Layout {
            name: "demo".to_owned(),
            root: "/state/demo".into(),
        };
        let plan = plan(&layout, "/cache/programs");
        let names = started(&plan);
        assert_eq!(
            names,
            [
                "etcd",
                "kube-apiserver",
                "containerd",
                "kube-controller-manager",
                "kube-scheduler",
                "kubelet",
                "kube-proxy",
                "local-path-provisioner",
                "netpol",
            ]
        );
        let position =
            |wanted: &dyn Fn(&Step) -> bool| plan.steps.iter().position(wanted).expect("a step");
        let socket = position(&|step| {
            matches!(
                step,
                Step::Await {
                    probe: Probe::Socket(_),
                    ..
                }
            )
        });
        let kubelet = position(&|step| matches!(step, Step::Start(name, _) if name == "kubelet"));
        assert!(
            socket < kubelet,
            "kubelet exits when containerd's socket is missing"
        );
    }

    #[test]
    fn a_plan_survives_its_file() {
        let layout = Layout {
            name: "demo".to_owned(),
            root: "/state/demo".into(),
        };
        let before = serde_json::to_string(&plan(&layout, "/p")).expect("written");
        let read: Plan = serde_json::from_str(&before).expect("read");
        assert_eq!(serde_json::to_string(&read).expect("written"), before);
    }

    #[test]
    fn nothing_routes_out_of_the_node() {
        let routes: Vec<String> = network()
            .iter()
            .filter_map(|step| match step {
                Step::Run(argv) => Some(argv.join(" ")),
                _ => None,
            })
            .collect();
        assert!(
            routes
                .iter()
                .all(|line| !line.contains("via") && !line.contains("veth")),
            "{routes:?}"
        );
    }
}
