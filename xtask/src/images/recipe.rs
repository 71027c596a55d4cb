//! Recipes: what goes into an image, as data.

use super::error::{Error, io};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Changes when the builder itself would make other bytes from the same recipe.
const BUILDER_VERSION: &str = "1";

/// One `recipe.yaml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Recipe {
    /// Debian packages; apt adds what they depend on.
    pub packages: Vec<String>,
    /// Packages that apt adds and that are left out.
    pub drop: Vec<String>,
    /// Packages that the base leaves out and this image needs.
    pub retain: Vec<String>,
    /// Path prefixes left out, with `*` inside a component.
    pub exclude: Vec<String>,
    /// Path prefixes kept in spite of `exclude`.
    pub keep: Vec<String>,
    /// Compiled programs put into `/usr/local/bin`.
    pub binaries: Vec<String>,
    /// The container's environment.
    pub environment: BTreeMap<String, String>,
    /// The container's command line.
    pub command: Vec<String>,
    /// The recipe's folder.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Recipe {
    /// Reads `folder/recipe.yaml`.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("recipe.yaml");
        let text = std::fs::read_to_string(&path).map_err(io("read", &path))?;
        let mut recipe: Self = serde_saphyr::from_str(&text).map_err(|error| Error::Recipe {
            path,
            reason: error.to_string(),
        })?;
        folder.clone_into(&mut recipe.folder);
        Ok(recipe)
    }

    /// The recipe of a server's whole root: the base's and its own together.
    pub fn on(&self, base: &Self) -> Self {
        let join = |ours: &[String], theirs: &[String]| [theirs, ours].concat();
        let mut drop = join(&self.drop, &base.drop);
        drop.retain(|package| !self.retain.contains(package));
        Self {
            packages: join(&self.packages, &base.packages),
            drop,
            exclude: join(&self.exclude, &base.exclude),
            keep: join(&self.keep, &base.keep),
            ..self.clone()
        }
    }

    /// Folds every file of the recipe's folder into `hash`: names, modes and bytes.
    pub fn digest_into(&self, hash: &mut Sha256) -> Result<(), Error> {
        hash.update(BUILDER_VERSION);
        for path in files_under(&self.folder)? {
            let bytes = if path.is_symlink() {
                let target = std::fs::read_link(&path).map_err(io("read", &path))?;
                target.into_os_string().into_encoded_bytes()
            } else {
                std::fs::read(&path).map_err(io("read", &path))?
            };
            let name = path.strip_prefix(&self.folder).unwrap_or(&path);
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update(mode_of(&path)?.to_le_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        Ok(())
    }

    /// Whether the absolute `path` goes into the image.
    pub fn admits(&self, path: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| is_under(path, pattern));
        any(&self.keep) || !any(&self.exclude)
    }

    /// Whether something below the excluded directory `path` may still be kept.
    pub fn may_keep_below(&self, path: &str) -> bool {
        self.keep.iter().any(|pattern| {
            components(path)
                .zip(components(pattern))
                .all(|(name, part)| matches(part, name))
                && components(path).count() < components(pattern).count()
        })
    }
}

/// All files and symbolic links below `folder`, sorted.
pub(super) fn files_under(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).map_err(io("list", &directory))? {
            let path = entry.map_err(io("list", &directory))?.path();
            if path.is_dir() && !path.is_symlink() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The mode that a recipe's file gets in the image: only the right to execute is kept, so that
/// the umask of a checkout changes nothing. A symbolic link counts as 0.
pub(super) fn mode_of(path: &Path) -> Result<u32, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = std::fs::symlink_metadata(path).map_err(io("inspect", path))?;
    Ok(
        match (meta.is_symlink(), meta.permissions().mode() & 0o111) {
            (true, _) => 0,
            (false, 0) => 0o644,
            (false, _) => 0o755,
        },
    )
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !component.is_empty())
}

/// Whether `path` is `pattern` or below it.
fn is_under(path: &str, pattern: &str) -> bool {
    let mut names = components(path);
    components(pattern).all(|part| names.next().is_some_and(|name| matches(part, name)))
}

/// Whether one component matches; `pattern` holds at most one `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(exclude: &[&str], keep: &[&str]) -> Recipe {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        Recipe {
            exclude: owned(exclude),
            keep: owned(keep),
            ..Recipe::default()
        }
    }

    #[test]
    fn excludes_whole_components_only() {
        let recipe = recipe(&["/usr/share/doc", "/etc/cron*"], &[]);
        assert!(!recipe.admits("/usr/share/doc"));
        assert!(!recipe.admits("/usr/share/doc/x/README"));
        assert!(recipe.admits("/usr/share/docbook"));
        assert!(!recipe.admits("/etc/cron.daily/exim"));
    }

    #[test]
    fn keeps_licences_below_an_excluded_directory() {
        let recipe = recipe(&["/usr/share/doc"], &["/usr/share/doc/*/copyright"]);
        assert!(recipe.admits("/usr/share/doc/exim4/copyright"));
        assert!(!recipe.admits("/usr/share/doc/exim4/README"));
        assert!(recipe.may_keep_below("/usr/share/doc/exim4"));
        assert!(!recipe.may_keep_below("/usr/share/man"));
    }

    #[test]
    fn a_server_may_retain_what_the_base_drops() {
        let base = Recipe {
            drop: vec!["perl".into(), "libperl5.40".into()],
            ..Recipe::default()
        };
        let exim = Recipe {
            retain: vec!["libperl5.40".into()],
            ..Recipe::default()
        };
        assert_eq!(exim.on(&base).drop, ["perl"]);
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("recipe.yaml"), "package: [exim]\n").expect("written");
        let error = Recipe::load(folder.path()).expect_err("`package` is no field");
        assert!(error.to_string().contains("package"), "{error}");
    }
}
