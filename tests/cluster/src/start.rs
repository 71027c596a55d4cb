//! The start of one cluster: its files, its node, the way in.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime};

use crate::cgroup::Cgroup;
use crate::cluster::Record;
use crate::error::{At as _, Error, Result};
use crate::layout::{Layout, write_json, write_private};
use crate::node::Event;
use crate::pki::{self, Pair};
use crate::plan::{self, API_ADDRESS};
use crate::{config, forward, manifests, run};

/// Writes all that the node reads.
pub fn prepare(layout: &Layout, programs: &Path, agent: &Path) -> Result<()> {
    for folder in ["log", "volumes", "pod-logs", "volume-plugins"] {
        let folder = layout.path(folder);
        fs::create_dir_all(&folder).at("create", &folder)?;
    }
    fs::copy(agent, layout.agent()).at("copy", agent)?;
    let pki = layout.path("pki");
    pki::create(&pki, SystemTime::now())?;
    for name in [
        "admin",
        "addons",
        "controllers",
        "scheduler",
        "proxy",
        "kubelet",
    ] {
        let text = kubeconfig(layout, name, &format!("https://{API_ADDRESS}"))?;
        write_private(&pki.join(format!("{name}.conf")), text.as_bytes())?;
    }
    for (path, text) in config::files(layout) {
        write_private(&layout.path(path), text.as_bytes())?;
    }
    write_json(&layout.path("addons.json"), &manifests::addons())?;
    write_json(&layout.path("helper-pod.json"), &manifests::helper_pod())?;
    write_json(
        &layout.path("plan.json"),
        &plan::plan(layout, &programs.to_string_lossy()),
    )?;
    load_kernel_modules();
    Cgroup::new(&layout.cgroup())?.create()
}

/// Where they are built into the kernel there is nothing to load, nor often a modprobe; what is
/// really missing fails by name when the node uses it.
fn load_kernel_modules() {
    for module in ["overlay", "br_netfilter", "nf_tables", "ip_set"] {
        let _ = Command::new("modprobe")
            .args(["--quiet", module])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn kubeconfig(layout: &Layout, user: &str, server: &str) -> Result<String> {
    let read = |name: String| {
        let path = layout.path("pki").join(name);
        fs::read_to_string(&path).at("read", &path)
    };
    let pair = Pair {
        certificate: read(format!("{user}.crt"))?,
        key: read(format!("{user}.key"))?,
    };
    Ok(config::kubeconfig(
        &layout.name,
        server,
        &read("ca.crt".to_owned())?,
        &pair,
    ))
}

/// Starts the node and follows it until it is ready. The node outlives this process, and its
/// parent: `setsid --fork` hands it to the host's first process.
pub fn launch(layout: &Layout, report: fn(&str), since: Instant) -> Result<()> {
    let path = layout.log("node");
    let log = File::create(&path).at("create", &path)?;
    let mut child = Command::new("setsid")
        .arg("--fork")
        .arg(layout.agent())
        .args(["launch", &layout.name])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .when("start setsid (package util-linux)")?;
    let output = child.stdout.take();
    child.wait().when("wait for setsid")?;
    let fail = |message: String| Error::Start {
        name: layout.name.clone(),
        message,
    };
    for line in output
        .into_iter()
        .flat_map(|output| BufReader::new(output).lines())
    {
        let line = line.when("follow the node's start")?;
        match serde_json::from_str(&line) {
            Ok(Event::Ready) => return Ok(()),
            Ok(Event::Failed(message)) => return Err(fail(message)),
            Ok(Event::Progress(what)) => report(&format!(
                "  {:5.1} s  {what}",
                since.elapsed().as_secs_f32()
            )),
            Err(_) => return Err(fail(format!("the node said {line:?}"))),
        }
    }
    let tail = run::indented_tail(&fs::read_to_string(&path).unwrap_or_default(), 10);
    Err(fail(format!("the node ended early:{tail}")))
}

/// Opens the way to the API server and records the cluster.
pub fn open(layout: &Layout, programs: &Path) -> Result<()> {
    let api_port = forward::ensure(layout, API_ADDRESS)?;
    let text = kubeconfig(layout, "admin", &format!("https://127.0.0.1:{api_port}"))?;
    write_private(&layout.path("kubeconfig"), text.as_bytes())?;
    let record = Record {
        programs: programs.to_owned(),
        api_port,
    };
    write_json(&layout.path("cluster.json"), &record)
}
