//! Container images from Debian packages, without any registry of images.
//!
//! Owns: turning `tenant-template/images/NAME/recipe.yaml` into an OCI archive, and the cache of
//! these. Must not know: what a server does with its configuration.
//!
//! Packages are unpacked, never installed: no maintainer script runs, so nothing machine-made
//! (keys, databases, caches) can enter an image, and two builds from the same packages are the
//! same bytes. Every image is the shared base layer and one layer of its own.

pub mod allowed;
mod cache;
mod debian;
mod error;
mod oci;
mod recipe;
mod sbom;
mod tree;

pub use error::Error;

use cache::Cache;
use debian::Mirrors;
use oci::{Documents, Layer};
use recipe::Recipe;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tree::{Manifest, Tree};

/// An image this workspace builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// The mail store.
    Dovecot,
    /// The mail transfer agent, of tenants and of the region's relays.
    Exim,
    /// The embedded database server.
    Postgresql,
    /// The operator and the command line, from a directory of compiled programs.
    Operator {
        /// For example `target/debug`.
        binaries: PathBuf,
    },
}

impl Image {
    /// The image's name: its folder under `tenant-template/images` and in its reference.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dovecot => "dovecot",
            Self::Exim => "exim",
            Self::Postgresql => "postgresql",
            Self::Operator { .. } => "operator",
        }
    }

    /// Every image; the operator's programs come from `binaries`.
    pub fn all(binaries: &Path) -> Vec<Self> {
        let operator = Self::Operator {
            binaries: binaries.to_owned(),
        };
        vec![Self::Dovecot, Self::Exim, Self::Postgresql, operator]
    }
}

/// An image in the cache.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuiltImage {
    /// The image's name.
    pub name: String,
    /// What a pod names it by; the tag follows from the content.
    pub reference: String,
    /// The OCI archive.
    pub archive: PathBuf,
    /// The image's digest, `sha256:…`.
    pub digest: String,
    /// Compressed size of all layers, in bytes.
    pub size: u64,
    /// Unpacked size of all layers, in bytes.
    pub unpacked: u64,
}

/// Whether the cache may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Build only what the recipes' hash does not find in the cache.
    Cached,
    /// Build anew, to take in Debian's security updates.
    Rebuilt,
}

/// Builds what is not in the cache. Results come in the order of `images`.
pub fn ensure(
    images: &[Image],
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<BuiltImage>, Error> {
    ensure_with(images, Freshness::Cached, progress)
}

/// As [`ensure`], with a choice of freshness.
pub fn ensure_with(
    images: &[Image],
    freshness: Freshness,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<BuiltImage>, Error> {
    let cache = Cache::open(&|| progress("waiting for another build of images to end"))?;
    let builder = Builder {
        base: Recipe::load(&recipes().join("base"))?,
        cache,
        freshness,
        progress,
    };
    let jobs = images
        .iter()
        .map(|image| builder.plan(image))
        .collect::<Result<Vec<_>, _>>()?;
    if jobs.iter().all(|job| job.built.is_some()) {
        return Ok(jobs.into_iter().filter_map(|job| job.built).collect());
    }
    builder.build_all(&jobs)
}

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tenant-template/images")
}

/// One image to build or found.
struct Job {
    name: &'static str,
    recipe: Recipe,
    binaries: Vec<PathBuf>,
    key: String,
    built: Option<BuiltImage>,
}

/// The lowest layer with what is in it.
#[derive(Serialize, Deserialize)]
struct Base {
    layer: Layer,
    manifest: Manifest,
}

struct Builder<'a> {
    base: Recipe,
    cache: Cache,
    freshness: Freshness,
    progress: &'a (dyn Fn(&str) + Sync),
}

impl Builder<'_> {
    fn plan(&self, image: &Image) -> Result<Job, Error> {
        let recipe = Recipe::load(&recipes().join(image.name()))?;
        let mut hash = self.key_of_base()?;
        recipe.digest_into(&mut hash)?;
        let mut binaries = Vec::new();
        if let Image::Operator {
            binaries: directory,
        } = image
        {
            for name in &recipe.binaries {
                let path = directory.join(name);
                if !path.is_file() {
                    return Err(Error::MissingBinary(path));
                }
                hash.update(oci::sha256_file(&path)?);
                binaries.push(path);
            }
        }
        let key = hex::encode(hash.finalize());
        let built = match self.freshness {
            Freshness::Rebuilt => None,
            Freshness::Cached => self.cache.get::<BuiltImage>(&key)?,
        }
        .filter(|built| built.archive.is_file());
        Ok(Job {
            name: image.name(),
            recipe,
            binaries,
            key,
            built,
        })
    }

    fn key_of_base(&self) -> Result<Sha256, Error> {
        let mut hash = Sha256::new();
        hash.update(oci::epoch().to_le_bytes());
        self.base.digest_into(&mut hash)?;
        Ok(hash)
    }

    fn build_all(&self, jobs: &[Job]) -> Result<Vec<BuiltImage>, Error> {
        self.cache.sweep()?;
        let (base, mirrors) = self.ensure_base(jobs)?;
        let build = |job: &Job| match &job.built {
            Some(built) => Ok(built.clone()),
            None => self.build(job, &base, mirrors.as_ref()),
        };
        std::thread::scope(|scope| {
            let running: Vec<_> = jobs
                .iter()
                .map(|job| (job.name, scope.spawn(|| build(job))))
                .collect();
            running
                .into_iter()
                .map(|(name, thread)| thread.join().unwrap_or(Err(Error::Panicked(name))))
                .collect()
        })
    }

    /// The base layer, and the mirrors when any package is still to be fetched.
    fn ensure_base(&self, jobs: &[Job]) -> Result<(Base, Option<Mirrors>), Error> {
        let key = hex::encode(self.key_of_base()?.finalize());
        let cached = match self.freshness {
            Freshness::Rebuilt => None,
            Freshness::Cached => self.cache.get::<Base>(&key)?,
        }
        .filter(|base| base.layer.path.is_file());
        let fetches = |job: &Job| job.built.is_none() && !job.recipe.packages.is_empty();
        if cached.is_none() || jobs.iter().any(fetches) {
            if !debian::is_root() {
                return Err(Error::NotRoot);
            }
            crate::debian::require(&[crate::debian::Need::Images])
                .map_err(|error| Error::Packages(Box::new(error)))?;
            let mirrors = Mirrors::of_this_machine()?;
            let base = match cached {
                Some(base) => base,
                None => self.build_base(&key, &mirrors)?,
            };
            return Ok((base, Some(mirrors)));
        }
        let base = cached.expect("the branch above returns when there is none");
        Ok((base, None))
    }

    fn build_base(&self, key: &str, mirrors: &Mirrors) -> Result<Base, Error> {
        (self.progress)("base: unpacking Debian 13");
        let work = self.cache.work()?;
        let unpacked = debian::unpack(&self.base, mirrors, work.path().join("root"))?;
        let mut tree = Tree::of_root(&unpacked, &self.base)?;
        tree.overlay(&self.base)?;
        let layer = oci::write_layer(&tree, &self.cache.layers())?;
        let base = Base {
            layer,
            manifest: tree.manifest()?,
        };
        self.cache.put(key, &base)?;
        Ok(base)
    }

    fn build(
        &self,
        job: &Job,
        base: &Base,
        mirrors: Option<&Mirrors>,
    ) -> Result<BuiltImage, Error> {
        (self.progress)(&format!("{}: building", job.name));
        let work = self.cache.work()?;
        let mut tree = Tree::default();
        if let (false, Some(mirrors)) = (job.recipe.packages.is_empty(), mirrors) {
            let whole = job.recipe.on(&self.base);
            let unpacked = debian::unpack(&whole, mirrors, work.path().join("root"))?;
            tree = Tree::of_root(&unpacked, &whole)?;
            tree.overlay(&self.base)?;
        }
        tree.overlay(&job.recipe)?;
        for program in &job.binaries {
            let name = program.file_name().unwrap_or_default();
            let stripped = work.path().join(name);
            debian::run(
                std::process::Command::new("strip")
                    .arg("-o")
                    .arg(&stripped)
                    .arg(program),
            )?;
            tree.file(
                &format!("/usr/local/bin/{}", name.to_string_lossy()),
                0o755,
                stripped,
            );
        }
        tree.subtract(&base.manifest)?;
        let layers = [
            base.layer.clone(),
            oci::write_layer(&tree, &self.cache.layers())?,
        ];
        let built = self.archive(job, &layers)?;
        self.cache.put(&job.key, &built)?;
        self.cache.prune(job.name)?;
        (self.progress)(&format!("{}: {}", job.name, built.reference));
        Ok(built)
    }

    fn archive(&self, job: &Job, layers: &[Layer]) -> Result<BuiltImage, Error> {
        let documents = Documents::new(&job.recipe, layers);
        let digest = documents.digest();
        let tag = &digest[..12];
        // `localhost` is no public registry: a node that lacks the image cannot be led elsewhere.
        let reference = format!("localhost/melouvert/{}:{tag}", job.name);
        let archive = self.cache.archive(job.name, tag);
        documents.write_archive(layers, &reference, &archive)?;
        Ok(BuiltImage {
            name: job.name.to_owned(),
            reference,
            archive,
            digest: format!("sha256:{digest}"),
            size: layers.iter().map(|layer| layer.size).sum(),
            unpacked: layers.iter().map(|layer| layer.unpacked).sum(),
        })
    }
}
