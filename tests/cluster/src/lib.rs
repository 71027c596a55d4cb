//! A real Kubernetes on this machine, for tests and try-outs, without any registry of images.
//!
//! Every cluster is one Linux "node" with its own network, process and mount namespaces and its
//! own cgroup: etcd, the control plane, kubelet, kube-proxy, containerd, CoreDNS, NetworkPolicy
//! enforcement and dynamic volumes, all upstream's code compiled from Go modules. Nothing inside
//! has a route out; forwarders on the host's loopback let ordinary clients in. When the first
//! process of a cluster dies, the kernel ends all the others and drops their mounts.
//!
//! Owns: building those programs, starting, watching and removing clusters.
//! Must not know: Melouvert's resources, images or charts.
//!
//! ```no_run
//! # fn main() -> Result<(), melouvert_cluster::Error> {
//! use melouvert_cluster::{Cluster, Options};
//! let cluster = Cluster::up(&Options::named("demo"))?;
//! println!("{}", cluster.kubectl(&["get", "nodes"])?);
//! cluster.down()?;
//! # Ok(())
//! # }
//! ```

pub mod agent;
mod binaries;
mod cgroup;
mod cluster;
mod config;
pub mod debian;
mod error;
mod forward;
mod host;
mod images;
mod layout;
mod manifests;
mod node;
mod pki;
mod plan;
mod probe;
mod process;
mod run;
mod start;
mod status;
mod teardown;

pub use agent::with_causes;
pub use cluster::{Cluster, Options, build};
pub use error::Error;
pub use host::PACKAGES;
pub use layout::{DEFAULT_NAME, cache_root};
pub use status::{ComponentStatus, ForwardStatus, Status};
pub use teardown::down;
