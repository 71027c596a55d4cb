//! The allow-list of images: the document that an installation is given, and its signature.

use super::{BuiltImage, oci, sbom};
use anyhow::Context;
use melouvert_api::images::{AllowList, AllowedImage};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use std::{
    fs,
    io::{Cursor, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// What the chart is given.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The document.
    pub document: PathBuf,
    /// Its signature.
    pub signature: PathBuf,
    /// The public key.
    pub key: PathBuf,
}

/// The list of these images, each with the hash of its bill of materials.
pub fn list(images: &[BuiltImage]) -> anyhow::Result<AllowList> {
    let lock = fs::read_to_string(crate::shell::root().join("Cargo.lock"))
        .context("failed to read Cargo.lock")?;
    let images = images
        .iter()
        .map(|image| {
            let bill = sbom::ensure(image, &lock)?;
            Ok(AllowedImage {
                name: image.name.clone(),
                digest: image.digest.clone(),
                sbom: format!("sha256:{}", oci::sha256_file(&bill)?),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(AllowList { images })
}

/// Writes the list into a folder, signed by the key that stands there; a first call makes it. The
/// try-out's own: a hoster signs with minisign and a key of its own.
pub fn sign(list: &AllowList, folder: &Path) -> anyhow::Result<Signed> {
    fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    let secret = folder.join("minisign.key");
    let pair = pair(&secret)?;
    let document = list.to_document()?;
    let signature = minisign::sign(
        Some(&pair.0),
        &pair.1,
        Cursor::new(document.as_bytes()),
        None,
        None,
    )
    .context("failed to sign the list of images")?;
    let signed = Signed {
        document: folder.join("images.json"),
        signature: folder.join("images.json.minisig"),
        key: folder.join("minisign.pub"),
    };
    let key = pair.0.to_box().context("failed to write the public key")?;
    for (path, text) in [
        (&signed.document, document),
        (&signed.signature, signature.into_string()),
        (&signed.key, key.into_string()),
    ] {
        fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(signed)
}

fn pair(path: &Path) -> anyhow::Result<(PublicKey, SecretKey)> {
    let secret = match fs::read_to_string(path) {
        Ok(text) => SecretKeyBox::from_string(&text)
            .and_then(SecretKeyBox::into_unencrypted_secret_key)
            .with_context(|| format!("failed to read the key {}", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = KeyPair::generate_unencrypted_keypair().context("failed to make a key")?;
            let text = made.sk.to_box(None).context("failed to write the key")?;
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(|| format!("failed to create {}", path.display()))?;
            file.write_all(text.into_string().as_bytes())
                .with_context(|| format!("failed to write {}", path.display()))?;
            made.sk
        }
        Err(error) => {
            return Err(error).with_context(|| format!("failed to read {}", path.display()));
        }
    };
    let public = PublicKey::from_secret_key(&secret).context("failed to derive the public key")?;
    Ok((public, secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use melouvert_api::images::{CONFIG_MAP, DOCUMENT, KEY, SIGNATURE};

    #[test]
    fn what_is_signed_is_verified_with_the_key_that_stays() {
        let folder = tempfile::tempdir().unwrap();
        let list = AllowList {
            images: vec![AllowedImage {
                name: "exim".into(),
                digest: format!("sha256:{}", "a".repeat(64)),
                sbom: format!("sha256:{}", "b".repeat(64)),
            }],
        };
        let keys: Vec<_> = (0..2)
            .map(|_| {
                let signed = sign(&list, folder.path()).unwrap();
                let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
                let data = [
                    (DOCUMENT.to_owned(), read(&signed.document)),
                    (SIGNATURE.to_owned(), read(&signed.signature)),
                    (KEY.to_owned(), read(&signed.key)),
                ];
                let found = AllowList::verified(&data.into(), None).unwrap();
                assert_eq!(found, list, "{CONFIG_MAP}");
                read(&signed.key)
            })
            .collect();
        assert_eq!(keys[0], keys[1]);
    }
}
