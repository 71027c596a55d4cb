//! The files of an image, in the order and with the metadata they get in its layer.

use super::debian::Unpacked;
use super::error::{Error, io};
use super::recipe::{Recipe, files_under, mode_of};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// One entry of a layer. Owner, group and times are the same for all.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A directory with its mode.
    Directory(u32),
    /// A symbolic link with its target.
    Link(PathBuf),
    /// A regular file, read from a path when the layer is written.
    File {
        /// Permission bits, without setuid and setgid.
        mode: u32,
        /// Where its bytes are.
        source: PathBuf,
    },
    /// A regular file made by the builder.
    Made(Vec<u8>),
}

/// What identifies an entry: kind, mode and content.
pub(super) type Manifest = BTreeMap<String, String>;

/// Entries by absolute path; a directory sorts before what is in it.
#[derive(Debug, Default)]
pub(super) struct Tree(pub BTreeMap<String, Node>);

impl Tree {
    /// The admitted files of an unpacked root.
    pub fn of_root(unpacked: &Unpacked, recipe: &Recipe) -> Result<Self, Error> {
        let mut tree = Self::default();
        tree.walk(&unpacked.root, "", unpacked, recipe)?;
        tree.add_trust_anchors(&unpacked.root)?;
        for package in &unpacked.packages {
            // Where vulnerability scanners look for the packages of an image without dpkg.
            tree.make(
                &format!("/var/lib/dpkg/status.d/{}", package.name),
                package.control.clone().into_bytes(),
            );
        }
        for directory in ["/dev", "/proc", "/sys", "/run", "/home", "/var/log"] {
            tree.directory(directory, 0o755);
        }
        tree.directory("/tmp", 0o1777);
        Ok(tree)
    }

    fn walk(
        &mut self,
        directory: &Path,
        prefix: &str,
        unpacked: &Unpacked,
        recipe: &Recipe,
    ) -> Result<bool, Error> {
        let mut found = false;
        for entry in std::fs::read_dir(directory).map_err(io("list", directory))? {
            let path = entry.map_err(io("list", directory))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let inside = format!("{prefix}/{name}");
            let meta = std::fs::symlink_metadata(&path).map_err(io("inspect", &path))?;
            let admitted = recipe.admits(&inside);
            if meta.is_dir() {
                if !admitted && !recipe.may_keep_below(&inside) {
                    continue;
                }
                let filled = self.walk(&path, &inside, unpacked, recipe)?;
                if filled || (admitted && !unpacked.dropped.contains(&inside)) {
                    self.directory(&inside, meta.permissions().mode() & 0o1777);
                    found = true;
                }
                continue;
            }
            if !admitted || unpacked.dropped.contains(&inside) {
                continue;
            }
            found = true;
            let node = if meta.is_symlink() {
                Node::Link(std::fs::read_link(&path).map_err(io("read", &path))?)
            } else {
                // No program in a pod gains rights by being started.
                Node::File {
                    mode: meta.permissions().mode() & 0o777,
                    source: path,
                }
            };
            self.0.insert(inside, node);
        }
        Ok(found)
    }

    /// The bundle that OpenSSL and GnuTLS read, as `update-ca-certificates` would write it.
    fn add_trust_anchors(&mut self, root: &Path) -> Result<(), Error> {
        let anchors = root.join("usr/share/ca-certificates/mozilla");
        if !anchors.is_dir() {
            return Ok(());
        }
        let mut bundle = Vec::new();
        for path in files_under(&anchors)? {
            bundle.extend(std::fs::read(&path).map_err(io("read", &path))?);
            bundle.push(b'\n');
        }
        self.make("/etc/ssl/certs/ca-certificates.crt", bundle);
        self.directory("/usr/lib/ssl", 0o755);
        let target = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
        self.0
            .insert("/usr/lib/ssl/cert.pem".into(), Node::Link(target));
        Ok(())
    }

    /// Lays the recipe's `files/` over the tree.
    pub fn overlay(&mut self, recipe: &Recipe) -> Result<(), Error> {
        let files = recipe.folder.join("files");
        if !files.is_dir() {
            return Ok(());
        }
        for source in files_under(&files)? {
            let inside = source
                .strip_prefix(&files)
                .unwrap_or(&source)
                .to_string_lossy();
            let inside = format!("/{inside}");
            match mode_of(&source)? {
                0 => {
                    let target = std::fs::read_link(&source).map_err(io("read", &source))?;
                    self.parents(&inside);
                    self.0.insert(inside, Node::Link(target));
                }
                mode => self.file(&inside, mode, source.clone()),
            }
        }
        Ok(())
    }

    /// Adds a file whose bytes are at `source`, with the directories above it.
    pub fn file(&mut self, path: &str, mode: u32, source: PathBuf) {
        self.parents(path);
        self.0.insert(path.to_owned(), Node::File { mode, source });
    }

    fn make(&mut self, path: &str, bytes: Vec<u8>) {
        self.parents(path);
        self.0.insert(path.to_owned(), Node::Made(bytes));
    }

    fn directory(&mut self, path: &str, mode: u32) {
        self.parents(path);
        self.0.insert(path.to_owned(), Node::Directory(mode));
    }

    fn parents(&mut self, path: &str) {
        for (index, _) in path.match_indices('/').skip(1) {
            self.0
                .entry(path[..index].to_owned())
                .or_insert(Node::Directory(0o755));
        }
    }

    /// What is in the tree, in a form that can be compared and stored.
    pub fn manifest(&self) -> Result<Manifest, Error> {
        self.0
            .iter()
            .map(|(path, node)| Ok((path.clone(), describe(node)?)))
            .collect()
    }

    /// Leaves out what a lower layer already has.
    pub fn subtract(&mut self, lower: &Manifest) -> Result<(), Error> {
        let mut upper = BTreeMap::new();
        for (path, node) in std::mem::take(&mut self.0) {
            if lower.get(&path) != Some(&describe(&node)?) {
                upper.insert(path, node);
            }
        }
        self.0 = upper;
        Ok(())
    }
}

fn describe(node: &Node) -> Result<String, Error> {
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    Ok(match node {
        Node::Directory(mode) => format!("directory {mode:o}"),
        Node::Link(target) => format!("link {}", target.display()),
        Node::File { mode, source } => {
            let bytes = std::fs::read(source).map_err(io("read", source))?;
            format!("file {mode:o} {}", digest(&bytes))
        }
        Node::Made(bytes) => format!("file 644 {}", digest(bytes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_layer_is_left_out_and_a_change_is_not() {
        let mut tree = Tree::default();
        tree.make("/etc/same", b"1".to_vec());
        tree.make("/etc/changed", b"1".to_vec());
        let lower = tree.manifest().expect("nothing to read");
        tree.make("/etc/changed", b"2".to_vec());
        tree.make("/etc/new", b"3".to_vec());
        tree.subtract(&lower).expect("nothing to read");
        assert_eq!(
            tree.0.keys().collect::<Vec<_>>(),
            ["/etc/changed", "/etc/new"]
        );
    }

    #[test]
    fn a_file_brings_the_directories_above_it() {
        let mut tree = Tree::default();
        tree.make("/a/b/c", Vec::new());
        assert_eq!(tree.0.keys().collect::<Vec<_>>(), ["/a", "/a/b", "/a/b/c"]);
    }
}
