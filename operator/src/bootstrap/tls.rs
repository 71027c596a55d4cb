//! The certificates of the region's own servers: which exist, and when each is made again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use melouvert_pki::{LeafRequest, PkiError, Usage, due, inspect, life};
use melouvert_tenant_template::{KeyPairPem, PlatformNames};
use secrecy::SecretString;

use super::{RegionRoot, RootAway};
use crate::cluster::secret;

/// A server of the region and its certificate.
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    /// The Secret that holds it.
    pub secret: &'static str,
    /// What it may be used for.
    pub usage: Usage,
    /// The names that it carries.
    pub dns_names: Vec<String>,
    /// The StatefulSet to restart after a renewal; `None` when the server reads it again by itself.
    pub workload: Option<&'static str>,
}

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// It could not be.
    #[error("failed to issue")]
    Pki(#[from] PkiError),
    /// Nothing can be issued now.
    #[error("failed to find the key of the region's root")]
    Root(#[from] RootAway),
}

/// What is done with a stored certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is good.
    Unchanged,
    /// There was none.
    Created,
    /// It was due, carries other names, is under another root or cannot be read.
    Renewed,
}

/// The region's own servers: database, inbound relay, outbound relay as server and as client,
/// platform API.
pub fn servers(names: PlatformNames) -> [ServerCertificate; 5] {
    let server = |secret, dns_names, workload| ServerCertificate {
        secret,
        usage: Usage::Server,
        dns_names,
        workload,
    };
    [
        server(
            "melouvert-postgresql-tls",
            names.database,
            Some("melouvert-postgresql"),
        ),
        server(
            "melouvert-relay-in-tls",
            names.relay_in,
            Some("melouvert-relay-in"),
        ),
        server(
            "melouvert-relay-out-tls",
            names.relay_out,
            Some("melouvert-relay-out"),
        ),
        ServerCertificate {
            usage: Usage::Client,
            ..server(
                "melouvert-relay-out-client-tls",
                names.relay_out_client,
                None,
            )
        },
        server("melouvert-api-tls", names.api, None),
    ]
}

/// Keeps a stored certificate that is still good at `now`, makes another otherwise.
pub fn prepare(
    stored: Option<&BTreeMap<String, ByteString>>,
    server: &ServerCertificate,
    root: &RegionRoot,
    now: Timestamp,
) -> Result<(KeyPairPem, Kept), NotMade> {
    let usable = stored.and_then(|data| usable(data, server, root, now));
    if let Some((pair, false)) = usable {
        return Ok((pair, Kept::Unchanged));
    }
    let root = match (root.authority(), usable) {
        (Ok(root), _) => root,
        // It is due, and serves until its end.
        (Err(_), Some((pair, true))) => return Ok((pair, Kept::Unchanged)),
        (Err(away), _) => return Err(away.into()),
    };
    let request = LeafRequest {
        common_name: server.secret.trim_end_matches("-tls"),
        dns_names: &server.dns_names,
        usage: server.usage,
        life: life::LEAF,
    };
    let leaf = root.issue(&request, now, &mut rand::rng())?;
    let key = SecretString::from(leaf.key.expose_pem().to_owned());
    let kept = if stored.is_some() {
        Kept::Renewed
    } else {
        Kept::Created
    };
    Ok((
        KeyPairPem {
            chain: leaf.chain_pem,
            key,
        },
        kept,
    ))
}

/// What is stored, if it serves now, and whether it is due.
fn usable(
    data: &BTreeMap<String, ByteString>,
    server: &ServerCertificate,
    root: &RegionRoot,
    now: Timestamp,
) -> Option<(KeyPairPem, bool)> {
    let text = |key| secret::value(data, key).ok();
    let (chain, key) = (text("tls.crt")?, text("tls.key")?);
    let info = inspect(&chain).ok()?;
    let mut names = server.dns_names.clone();
    names.sort_unstable();
    let usable = now < info.not_after
        && info.dns_names == names
        && text("ca.crt")? == root.certificate_pem()
        && !key.is_empty();
    let key = SecretString::from(key);
    usable.then(|| (KeyPairPem { chain, key }, due(&info, now)))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use secrecy::ExposeSecret;

    use super::*;

    fn root(now: Timestamp) -> RegionRoot {
        let root = melouvert_pki::Authority::root("test", life::ROOT, now, &mut rand::rng());
        RegionRoot::whole(root.unwrap())
    }

    fn server() -> ServerCertificate {
        ServerCertificate {
            secret: "melouvert-api-tls",
            usage: Usage::Server,
            dns_names: vec!["z.sys.svc".into(), "a.sys.svc".into()],
            workload: None,
        }
    }

    fn stored(pair: &KeyPairPem, root: &RegionRoot) -> BTreeMap<String, ByteString> {
        [
            ("tls.crt", pair.chain.clone()),
            ("tls.key", pair.key.expose_secret().to_owned()),
            ("ca.crt", root.certificate_pem().to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
        .into()
    }

    #[test]
    fn a_leaf_lives_until_it_is_due_and_under_its_root() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let root = root(now);
        let (pair, kept) = prepare(None, &server(), &root, now).unwrap();
        assert_eq!(kept, Kept::Created);
        let data = stored(&pair, &root);
        let at = |server: &_, root: &_, now| prepare(Some(&data), server, root, now).unwrap().1;
        let renewal = inspect(&pair.chain).unwrap().renewal_at;
        assert_eq!(at(&server(), &root, now), Kept::Unchanged);
        assert_eq!(
            at(&server(), &root, renewal - SignedDuration::from_secs(1)),
            Kept::Unchanged
        );
        assert_eq!(at(&server(), &root, renewal), Kept::Renewed);
        assert_eq!(at(&server(), &self::root(now), now), Kept::Renewed);
        let mut renamed = server();
        renamed.dns_names.push("x.sys".into());
        assert_eq!(at(&renamed, &root, now), Kept::Renewed);
        let mut broken = data.clone();
        broken.remove("tls.key");
        assert_eq!(
            prepare(Some(&broken), &server(), &root, now).unwrap().1,
            Kept::Renewed
        );
    }

    #[test]
    fn without_the_roots_key_a_leaf_serves_until_its_end() {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let whole = root(now);
        let (pair, _) = prepare(None, &server(), &whole, now).unwrap();
        let data = stored(&pair, &whole);
        let info = inspect(&pair.chain).unwrap();
        let away = RegionRoot::without_key(whole.certificate_pem().to_owned(), RootAway::Offline);
        let at = |data, now| prepare(data, &server(), &away, now).map(|(_, kept)| kept);
        assert_eq!(at(Some(&data), now).unwrap(), Kept::Unchanged);
        assert_eq!(at(Some(&data), info.renewal_at).unwrap(), Kept::Unchanged);
        for outcome in [at(Some(&data), info.not_after), at(None, now)] {
            assert!(matches!(outcome, Err(NotMade::Root(RootAway::Offline))));
        }
    }
}
