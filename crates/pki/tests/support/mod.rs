//! A region with two tenants, and `openssl` as an outside judge.
// Helpers of tests, not all used by each: what clippy.toml allows in tests it sees only in `#[test]`.
#![allow(missing_docs, dead_code, clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use jiff::Timestamp;
use melouvert_pki::{Authority, IntermediateRequest, Leaf, LeafRequest, Usage, life};
use rand::{SeedableRng, rngs::StdRng};

pub const HOST: &str = "imap.caen.example";

pub struct Region {
    pub rng: StdRng,
    pub now: Timestamp,
    pub root: Authority,
    pub caen: Authority,
}

pub fn region() -> Region {
    // The real clock: openssl judges by it.
    let now = Timestamp::now();
    let mut rng = StdRng::seed_from_u64(14_118);
    let root = Authority::root("Normandie", life::ROOT, now, &mut rng).unwrap();
    let permitted = ["caen.example", "col-211401187.melouvert.internal"].map(String::from);
    let request = IntermediateRequest {
        common_name: "Melouvert col-211401187",
        permitted_dns: &permitted,
        life: life::INTERMEDIATE,
    };
    let caen = root.intermediate(&request, now, &mut rng).unwrap();
    Region {
        rng,
        now,
        root,
        caen,
    }
}

impl Region {
    pub fn leaf(&mut self, name: &str, usage: Usage) -> Leaf {
        let request = LeafRequest {
            common_name: name,
            dns_names: &[name.to_owned()],
            usage,
            life: life::LEAF,
        };
        self.caen.issue(&request, self.now, &mut self.rng).unwrap()
    }
}

/// Files that openssl reads.
pub struct Files(tempfile::TempDir);

impl Files {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub fn openssl<'a>(args: impl IntoIterator<Item = &'a str>, files: &[(&str, &Path)]) -> Output {
    let mut command = Command::new("openssl");
    command.args(args);
    for (flag, path) in files {
        if !flag.is_empty() {
            command.arg(flag);
        }
        command.arg(path);
    }
    command.output().expect("openssl is installed")
}

/// `openssl verify -x509_strict` of a leaf; the words it said.
pub fn verify(root: &Authority, leaf: &Leaf, purpose: &str, host: &str) -> (bool, String) {
    let files = Files::new();
    let root = files.write("root.pem", root.certificate_pem());
    let chain = files.write("chain.pem", &leaf.chain_pem);
    let args = ["verify", "-x509_strict", "-purpose", purpose];
    let hosts = ["-verify_hostname", host];
    let output = openssl(
        args.into_iter().chain(hosts),
        &[("-CAfile", &root), ("-untrusted", &chain), ("", &chain)],
    );
    let words = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&words).into(),
    )
}
