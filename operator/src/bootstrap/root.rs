//! The region's root: made once, then only ever found again.
//!
//! Every mail client of the region trusts it. Its Secret may be gone while its certificate is still
//! known elsewhere: then nothing is made in its place, what needs no key goes on, and what does
//! waits for it. A key that is kept offline by choice says so by an annotation of its Secret.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, ResourceExt,
    api::{ListParams, ObjectList, PartialObjectMeta},
};
use melouvert_api::labels;
use melouvert_pki::{Authority, life};
use melouvert_tenant_template::platform::{REGION_CA_SECRET, TRUST_CONFIG_MAP};

use super::{Bootstrap, BootstrapError, api, store::Data};
use crate::cluster::secret;

/// On the root's Secret: its key is elsewhere, as somebody wanted it.
pub const KEY_OFFLINE: &str = "melouvert.fr/key-offline";
/// A Secret that any region had from its first start on; it carries the root's certificate too.
const WITNESS: &str = "melouvert-api-tls";

/// The region's root, with or without its key.
#[derive(Debug, Clone)]
pub struct RegionRoot {
    certificate_pem: String,
    key: RootKey,
}

#[derive(Debug, Clone)]
enum RootKey {
    Here(Box<Authority>),
    Away(RootAway),
}

/// Why nothing can be issued under the root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootAway {
    /// As somebody wanted it.
    #[error(
        "the key of the region's root is offline by choice: put tls.key back into Secret {REGION_CA_SECRET} for as long as it takes"
    )]
    Offline,
    /// Its Secret is gone, or holds another root than the one that is trusted.
    #[error("{0}: restore Secret {REGION_CA_SECRET} from a backup")]
    Lost(String),
}

impl RegionRoot {
    /// A root with its key.
    pub fn whole(authority: Authority) -> Self {
        Self {
            certificate_pem: authority.certificate_pem().into(),
            key: RootKey::Here(Box::new(authority)),
        }
    }

    /// A root whose key is not here.
    pub fn without_key(certificate_pem: String, away: RootAway) -> Self {
        Self {
            certificate_pem,
            key: RootKey::Away(away),
        }
    }

    /// Its certificate, PEM: always known.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What issues under it; why not when its key is away.
    pub fn authority(&self) -> Result<&Authority, RootAway> {
        match &self.key {
            RootKey::Here(authority) => Ok(authority),
            RootKey::Away(away) => Err(away.clone()),
        }
    }
}

/// The root as last seen: it may be restored while the operator runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CurrentRoot {
    now: Arc<RwLock<Arc<RegionRoot>>>,
}

impl CurrentRoot {
    /// Starts with `root`.
    pub fn new(root: RegionRoot) -> Self {
        Self {
            now: Arc::new(RwLock::new(Arc::new(root))),
        }
    }

    /// The root.
    pub fn get(&self) -> Arc<RegionRoot> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes what was seen, but never gives up a key of the same root: while its Secret is gone,
    /// this process may hold the only one.
    pub fn see(&self, seen: &RegionRoot) {
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let lost = matches!(&seen.key, RootKey::Away(RootAway::Lost(_)));
        if !(lost && now.authority().is_ok()) {
            *now = Arc::new(seen.clone());
        }
    }
}

/// What is stored and known of the root.
#[derive(Debug, Default, Clone)]
pub(super) struct Traces {
    /// The Secret's data, if there is one.
    pub stored: Option<Data>,
    /// Whether the Secret says that its key is elsewhere.
    pub offline: bool,
    /// The certificate that is trusted, by the ConfigMap for everybody.
    pub trusted: Option<String>,
    /// The certificate beside the platform API's own.
    pub witness: Option<String>,
    /// Whether there is any space.
    pub spaces: bool,
}

/// What the traces say.
#[derive(Debug)]
pub(super) enum Found {
    /// It was never made.
    Nothing,
    /// It is known.
    Root(RegionRoot),
}

/// Reads the traces: what was made once is found, or missed; never taken for never made.
pub(super) fn find(traces: &Traces) -> Result<Found, BootstrapError> {
    let known = traces.trusted.clone().or_else(|| traces.witness.clone());
    let missed = |why: &str| match &known {
        Some(certificate) => Ok(Found::Root(RegionRoot::without_key(
            certificate.clone(),
            RootAway::Lost(why.into()),
        ))),
        None => Err(BootstrapError::RootLost { why: why.into() }),
    };
    let Some(data) = &traces.stored else {
        return match (&known, traces.spaces) {
            (None, false) => Ok(Found::Nothing),
            _ => missed("the Secret of the region's root is gone"),
        };
    };
    let text = |key| {
        secret::value(data, key)
            .ok()
            .filter(|text| !text.is_empty())
    };
    let same = |certificate: &str| {
        known
            .as_deref()
            .is_none_or(|known| known.trim() == certificate.trim())
    };
    match (text("tls.crt"), text("tls.key")) {
        (Some(certificate), _) if !same(&certificate) => missed(
            "the Secret of the region's root holds another root than the one that is trusted",
        ),
        (Some(certificate), None) if traces.offline => Ok(Found::Root(RegionRoot::without_key(
            certificate,
            RootAway::Offline,
        ))),
        (Some(certificate), Some(key)) => match Authority::from_pem(&certificate, &key) {
            Ok(authority) => Ok(Found::Root(RegionRoot::whole(authority))),
            Err(error) => missed(&format!(
                "the Secret of the region's root cannot be read ({error})"
            )),
        },
        _ => missed("the Secret of the region's root has no key"),
    }
}

impl Bootstrap {
    /// The region's root: made once, by whoever is first.
    pub(super) async fn region_root(&self, now: Timestamp) -> Result<RegionRoot, BootstrapError> {
        if let Found::Root(root) = find(&self.traces().await?)? {
            return Ok(root);
        }
        let root =
            Authority::root("Melouvert", life::ROOT, now, &mut rand::rng()).map_err(|source| {
                BootstrapError::Pki {
                    secret: REGION_CA_SECRET.into(),
                    source,
                }
            })?;
        let data = [
            ("tls.crt", root.certificate_pem().to_owned()),
            ("tls.key", root.key().expose_pem().to_owned()),
            ("ca.crt", root.certificate_pem().to_owned()),
        ];
        if self
            .create(REGION_CA_SECRET, "kubernetes.io/tls", data)
            .await?
        {
            tracing::info!(serial = root.info().serial, "created the region's root");
            return Ok(RegionRoot::whole(root));
        }
        // Somebody was faster: theirs is the region's.
        self.look_at_root().await
    }

    /// The root as it stands now; makes nothing.
    pub(super) async fn look_at_root(&self) -> Result<RegionRoot, BootstrapError> {
        match find(&self.traces().await?)? {
            Found::Root(root) => Ok(root),
            Found::Nothing => Err(BootstrapError::RootLost {
                why: "nothing is left of it".into(),
            }),
        }
    }

    async fn traces(&self) -> Result<Traces, BootstrapError> {
        let root = self
            .secrets()
            .get_opt(REGION_CA_SECRET)
            .await
            .map_err(api("read Secret", REGION_CA_SECRET))?;
        let trust: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.settings.namespace);
        let trust = trust
            .get_opt(TRUST_CONFIG_MAP)
            .await
            .map_err(api("read ConfigMap", TRUST_CONFIG_MAP))?;
        let witness = self.read(WITNESS).await?;
        Ok(Traces {
            offline: root.as_ref().is_some_and(is_offline),
            stored: root.map(|secret| secret.data.unwrap_or_default()),
            trusted: trust
                .and_then(|map| map.data?.remove("ca.crt"))
                .filter(|text| !text.trim().is_empty()),
            witness: witness.and_then(|data| secret::value(&data, "ca.crt").ok()),
            spaces: has_spaces(&self.client)
                .await
                .map_err(api("list", "namespaces"))?,
        })
    }
}

fn is_offline(secret: &Secret) -> bool {
    secret.annotations().get(KEY_OFFLINE).map(String::as_str) == Some("true")
}

/// Whether any space was ever opened here and not erased.
pub async fn has_spaces(client: &kube::Client) -> Result<bool, kube::Error> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let params = ListParams::default().labels(labels::SIREN).limit(1);
    let found: ObjectList<PartialObjectMeta<Namespace>> = namespaces.list_metadata(&params).await?;
    Ok(!found.items.is_empty())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn root() -> Authority {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        Authority::root("test", life::ROOT, now, &mut rand::rng()).unwrap()
    }

    fn data(root: &Authority) -> Data {
        [
            ("tls.crt", root.certificate_pem()),
            ("tls.key", root.key().expose_pem()),
        ]
        .map(|(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec())))
        .into()
    }

    fn away(found: &Result<Found, BootstrapError>) -> &RootAway {
        match found {
            Ok(Found::Root(RegionRoot {
                key: RootKey::Away(away),
                ..
            })) => away,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_made_only_where_nothing_is_left_of_one() {
        assert!(matches!(find(&Traces::default()), Ok(Found::Nothing)));
        let pem = || Some(root().certificate_pem().to_owned());
        let trusted = Traces {
            trusted: pem(),
            ..Traces::default()
        };
        let witness = Traces {
            witness: pem(),
            ..Traces::default()
        };
        for traces in [&trusted, &witness] {
            let found = find(traces);
            assert!(matches!(away(&found), RootAway::Lost(_)), "{traces:?}");
        }
        // Spaces, but nobody knows their root any more.
        let spaces = Traces {
            spaces: true,
            ..Traces::default()
        };
        assert!(matches!(
            find(&spaces),
            Err(BootstrapError::RootLost { .. })
        ));
    }

    #[test]
    fn another_or_a_broken_root_is_not_taken_for_the_trusted_one() {
        let (ours, other) = (root(), root());
        let mut traces = Traces {
            stored: Some(data(&ours)),
            trusted: Some(ours.certificate_pem().to_owned()),
            ..Traces::default()
        };
        let found = find(&traces).unwrap();
        let Found::Root(whole) = found else { panic!() };
        assert!(whole.authority().is_ok(), "the control");
        traces.stored = Some(data(&other));
        assert!(matches!(away(&find(&traces)), RootAway::Lost(why) if why.contains("another")));
        for broken in ["", "garbage"] {
            let mut stored = data(&ours);
            stored.insert("tls.key".into(), ByteString(broken.as_bytes().to_vec()));
            traces.stored = Some(stored);
            let found = find(&traces);
            assert!(matches!(away(&found), RootAway::Lost(_)), "{broken:?}");
        }
        traces.stored = Some(Data::new());
        assert!(matches!(away(&find(&traces)), RootAway::Lost(_)));
        // Somebody who wants another root says so by taking the trusted one away.
        traces.stored = Some(data(&other));
        traces.trusted = None;
        assert!(matches!(find(&traces), Ok(Found::Root(root)) if root.authority().is_ok()));
    }

    #[test]
    fn a_key_kept_offline_is_a_state_of_its_own() {
        let ours = root();
        let mut stored = data(&ours);
        stored.remove("tls.key");
        let mut traces = Traces {
            stored: Some(stored),
            trusted: Some(ours.certificate_pem().to_owned()),
            ..Traces::default()
        };
        assert!(matches!(away(&find(&traces)), RootAway::Lost(_)));
        traces.offline = true;
        assert_eq!(away(&find(&traces)), &RootAway::Offline);
    }

    #[test]
    fn a_key_in_memory_outlives_its_secret_but_not_a_choice() {
        let ours = root();
        let lost = RootAway::Lost("gone".into());
        let pem = || ours.certificate_pem().to_owned();
        let current = CurrentRoot::new(RegionRoot::whole(ours.clone()));
        current.see(&RegionRoot::without_key(pem(), lost.clone()));
        assert!(current.get().authority().is_ok());
        current.see(&RegionRoot::without_key(pem(), RootAway::Offline));
        assert_eq!(current.get().authority().unwrap_err(), RootAway::Offline);
        let current = CurrentRoot::new(RegionRoot::without_key(pem(), lost));
        current.see(&RegionRoot::whole(ours.clone()));
        assert!(current.get().authority().is_ok(), "restored");
    }
}
