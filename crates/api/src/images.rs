//! The list of the images that a hoster lets run: a document with its signature, as `ConfigMap` data.
//!
//! Its text is what admission would look into; only a program can check its signature.

use std::collections::{BTreeMap, BTreeSet};

use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Serialize};

/// The `ConfigMap`.
pub const CONFIG_MAP: &str = "melouvert-images";
/// Its key with the document.
pub const DOCUMENT: &str = "images.json";
/// Its key with the document's signature, as minisign writes it.
pub const SIGNATURE: &str = "images.json.minisig";
/// Its key with the hoster's public key, as minisign writes it.
pub const KEY: &str = "minisign.pub";

/// What the document lists.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AllowList {
    /// The images.
    pub images: Vec<AllowedImage>,
}

/// One image.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct AllowedImage {
    /// What it is, for people.
    pub name: String,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The hash of its bill of materials (`CycloneDX`), in the same form.
    pub sbom: String,
}

/// Why a list cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A part is missing.
    #[error("failed to find {0} in ConfigMap {CONFIG_MAP}")]
    Missing(&'static str),
    /// The key is no minisign key.
    #[error("failed to read {KEY} as a minisign public key: {0}")]
    Key(minisign_verify::Error),
    /// The signature is no minisign signature.
    #[error("failed to read {SIGNATURE} as a minisign signature: {0}")]
    Signature(minisign_verify::Error),
    /// The document is not what was signed.
    #[error("failed to verify the signature of {DOCUMENT}: {0}")]
    Forged(minisign_verify::Error),
    /// The document is not as expected.
    #[error("failed to read {DOCUMENT}")]
    Document(#[from] serde_json::Error),
    /// Admission reads the document as text, which must have one form.
    #[error("failed to read {DOCUMENT}: {0}")]
    Form(String),
}

impl AllowList {
    /// The document: compact JSON, since admission looks for `"digest":"sha256:…"` in its text.
    pub fn to_document(&self) -> Result<String, ListError> {
        self.check()?;
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a document in its one form.
    pub fn from_document(document: &str) -> Result<Self, ListError> {
        let list: Self = serde_json::from_str(document)?;
        let form = list.to_document()?;
        if form != document.trim_end_matches('\n') {
            return Err(ListError::Form(
                "it must be compact JSON, as cargo xtask images writes it".into(),
            ));
        }
        Ok(list)
    }

    /// Reads and verifies what the `ConfigMap` holds; `key` is the hoster's public key when it is
    /// known from elsewhere.
    pub fn verified(data: &BTreeMap<String, String>, key: Option<&str>) -> Result<Self, ListError> {
        let part = |name| data.get(name).ok_or(ListError::Missing(name));
        let key = match key {
            Some(key) => key,
            None => part(KEY)?,
        };
        let document = part(DOCUMENT)?;
        let key = PublicKey::decode(key.trim())
            .or_else(|_| PublicKey::from_base64(key.trim()))
            .map_err(ListError::Key)?;
        let signature = Signature::decode(part(SIGNATURE)?).map_err(ListError::Signature)?;
        key.verify(document.as_bytes(), &signature, false)
            .map_err(ListError::Forged)?;
        Self::from_document(document)
    }

    /// Whether a reference names one of the images by its digest.
    pub fn allows(&self, reference: &str) -> bool {
        let digest = reference.split_once('@').map(|(_, digest)| digest);
        digest.is_some_and(|digest| self.images.iter().any(|image| image.digest == digest))
    }

    fn check(&self) -> Result<(), ListError> {
        let mut seen = BTreeSet::new();
        for image in &self.images {
            for (field, digest) in [("digest", &image.digest), ("sbom", &image.sbom)] {
                if !is_digest(digest) {
                    let name = &image.name;
                    return Err(ListError::Form(format!(
                        "{field} of {name} is {digest:?}: sha256: and 64 hexadecimal digits are expected"
                    )));
                }
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
            if image.name.is_empty() || !image.name.chars().all(plain) {
                return Err(ListError::Form(format!("{:?} is no name", image.name)));
            }
            if !seen.insert(&image.digest) {
                return Err(ListError::Form(format!("{} is listed twice", image.digest)));
            }
        }
        Ok(())
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64
            && digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use minisign::KeyPair;

    use super::*;

    fn list(digits: &str) -> AllowList {
        AllowList {
            images: vec![AllowedImage {
                name: "dovecot".into(),
                digest: format!("sha256:{}", digits.repeat(32)),
                sbom: format!("sha256:{}", "bb".repeat(32)),
            }],
        }
    }

    fn signed(list: &AllowList, pair: &KeyPair) -> BTreeMap<String, String> {
        let document = list.to_document().unwrap();
        let signature = minisign::sign(
            Some(&pair.pk),
            &pair.sk,
            Cursor::new(document.as_bytes()),
            None,
            None,
        );
        BTreeMap::from([
            (DOCUMENT.into(), document),
            (SIGNATURE.into(), signature.unwrap().into_string()),
            (KEY.into(), pair.pk.to_box().unwrap().into_string()),
        ])
    }

    #[test]
    fn a_signed_list_allows_its_digests_alone() {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let read = AllowList::verified(&signed(&list("aa"), &pair), None).unwrap();
        let digest = "aa".repeat(32);
        assert!(read.allows(&format!("registry.example/dovecot@sha256:{digest}")));
        for foreign in [
            "registry.example/dovecot:1".to_owned(),
            format!("registry.example/dovecot@sha256:{}", "ab".repeat(32)),
            // A bill of materials is no image.
            format!("registry.example/dovecot@sha256:{}", "bb".repeat(32)),
            format!("sha256:{digest}"),
        ] {
            assert!(!read.allows(&foreign), "{foreign}");
        }
    }

    #[test]
    fn what_was_not_signed_by_this_key_is_refused() {
        let [hoster, mallory] = [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
        let hosters = hoster.pk.to_box().unwrap().into_string();
        let good = signed(&list("aa"), &hoster);
        AllowList::verified(&good, Some(&hosters)).unwrap();

        let mut another = good.clone();
        another.insert(DOCUMENT.into(), list("ab").to_document().unwrap());
        assert!(matches!(
            AllowList::verified(&another, None),
            Err(ListError::Forged(_))
        ));
        // Signed anew, key included: only the key known from elsewhere tells.
        let forged = signed(&list("ab"), &mallory);
        AllowList::verified(&forged, None).unwrap();
        assert!(AllowList::verified(&forged, Some(&hosters)).is_err());
        for part in [DOCUMENT, SIGNATURE, KEY] {
            let mut short = good.clone();
            short.remove(part);
            assert!(matches!(
                AllowList::verified(&short, None),
                Err(ListError::Missing(_))
            ));
        }
    }

    #[test]
    fn the_document_has_one_form() {
        let document = list("aa").to_document().unwrap();
        AllowList::from_document(&document).unwrap();
        AllowList::from_document(&format!("{document}\n")).unwrap();
        let spaced = document.replace(':', ": ");
        let named = document.replace("dovecot", r#"x\",\"digest\":\"y"#);
        let short = document.replacen("aa", "", 1);
        let twice = AllowList {
            images: [list("aa").images, list("aa").images].concat(),
        };
        for wrong in [spaced, named, short] {
            assert!(AllowList::from_document(&wrong).is_err(), "{wrong}");
        }
        assert!(twice.to_document().is_err());
    }
}
