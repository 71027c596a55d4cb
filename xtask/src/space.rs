//! One collectivity's space, driven through the command line and read with an ordinary mail client.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::{
    mailbox::Mailbox,
    platform::{Platform, SYSTEM},
    shell,
};

/// A collectivity of the try-out and of the tests: real, but for its domain.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// Its SIREN, from the official data.
    pub siren: &'static str,
    /// Its name.
    pub name: &'static str,
    /// An invented domain.
    pub domain: &'static str,
}

/// Caen, 109,400 inhabitants.
pub const CAEN: Example = Example {
    siren: "211401187",
    name: "Caen",
    domain: "caen.example",
};
/// Rouen, 117,662 inhabitants.
pub const ROUEN: Example = Example {
    siren: "217605401",
    name: "Rouen",
    domain: "rouen.example",
};
/// Arromanches-les-Bains, 413 inhabitants.
pub const ARROMANCHES: Example = Example {
    siren: "211400213",
    name: "Arromanches-les-Bains",
    domain: "arromanches.example",
};

/// An opened space and the ways into it.
pub struct Space<'a> {
    platform: &'a Platform,
    /// Whose it is.
    pub of: Example,
    imaps: u16,
    submissions: u16,
    authority: PathBuf,
}

impl<'a> Space<'a> {
    /// Opens the space, or finds it open, and waits until it is Ready.
    pub fn open(platform: &'a Platform, of: Example) -> anyhow::Result<Self> {
        if platform
            .cluster
            .kubectl(&["get", "collectivity", &namespace(of)])
            .is_err()
        {
            let arguments = [
                "collectivity",
                "onboard",
                "--siren",
                of.siren,
                "--domain",
                of.domain,
            ];
            shell::run(platform.melouvert().args(arguments))?;
        }
        Self::attach(platform, of)
    }

    /// The ways into a space that is open.
    pub fn attach(platform: &'a Platform, of: Example) -> anyhow::Result<Self> {
        let address = platform.cluster.kubectl(&[
            "get",
            "service",
            "mail",
            "-n",
            &namespace(of),
            "-o",
            "jsonpath={.spec.clusterIP}",
        ])?;
        let forward = |port: u16| {
            Ok::<_, anyhow::Error>(platform.cluster.forward(&format!("{address}:{port}"))?)
        };
        Ok(Self {
            platform,
            of,
            imaps: forward(993)?,
            submissions: forward(465)?,
            authority: authority(platform)?,
        })
    }

    /// The namespace.
    pub fn namespace(&self) -> String {
        namespace(self.of)
    }

    /// `name@domain` in this space.
    pub fn address(&self, name: &str) -> String {
        format!("{name}@{}", self.of.domain)
    }

    /// Adds an agent with a password, unless it is there.
    pub fn agent(&self, name: &str, full_name: &str, password: &str) -> anyhow::Result<()> {
        let address = self.address(name);
        let list = shell::output(self.platform.melouvert().args([
            "agent",
            "list",
            "--siren",
            self.of.siren,
            "-o",
            "json",
        ]))?;
        let agents: Value =
            serde_json::from_str(&list).context("failed to read the list of agents")?;
        let there = agents
            .as_array()
            .is_some_and(|all| all.iter().any(|agent| agent["address"] == address.as_str()));
        if there {
            return Ok(());
        }
        let mut add = self.platform.melouvert();
        add.args([
            "agent",
            "add",
            &address,
            "--name",
            full_name,
            "--password-stdin",
        ]);
        shell::output_with(&mut add, Some(&format!("{password}\n"))).map(drop)
    }

    /// The mailbox of an agent, through a mail client.
    pub fn mailbox<'b>(&'b self, address: &'b str, password: &'b str) -> Mailbox<'b> {
        Mailbox {
            address,
            server: self.of.domain,
            password,
            authority: &self.authority,
            imaps: self.imaps,
            submissions: self.submissions,
        }
    }

    /// Local ports that lead to IMAPS and to submissions.
    pub fn ports(&self) -> (u16, u16) {
        (self.imaps, self.submissions)
    }

    /// Runs a program in a container of the space's mail pod.
    pub fn exec(&self, container: &str, program: &[&str]) -> anyhow::Result<String> {
        let namespace = self.namespace();
        let mut arguments = vec!["exec", "-n", &namespace, "mail-0", "-c", container, "--"];
        arguments.extend(program);
        Ok(self.platform.cluster.kubectl(&arguments)?)
    }
}

/// The namespace of a collectivity.
pub fn namespace(of: Example) -> String {
    format!("col-{}", of.siren)
}

/// The region's root certificate, in a file beside the cluster's kubeconfig.
pub fn authority(platform: &Platform) -> anyhow::Result<PathBuf> {
    let pem = platform.cluster.kubectl(&[
        "get",
        "configmap",
        "melouvert-trust",
        "-n",
        SYSTEM,
        "-o",
        "jsonpath={.data.ca\\.crt}",
    ])?;
    let file = platform
        .cluster
        .kubeconfig()
        .with_file_name("region-ca.pem");
    std::fs::write(&file, pem).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}
