//! The servers' files: what anybody may read in a ConfigMap, what must stay secret in a Secret.

use secrecy::ExposeSecret;

use crate::{
    Material, Object, ValidatedTenant,
    meta::{Place, Strings},
};

/// The ConfigMap with `dovecot.conf`, `exim.conf` and `domains`.
pub const CONFIG_MAP: &str = "mail-config";
/// The Secret with the servers' own secrets.
pub const SERVERS_SECRET: &str = "mail-db";
/// The Secret with the mail-signing keys.
pub const DKIM_SECRET: &str = "mail-dkim";

/// Files by name.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) public: Strings,
    pub(crate) secret: Strings,
}

/// The ConfigMap and Secrets that the mail pod mounts beside its certificates.
pub(crate) fn objects(files: &Files, material: &Material, place: &Place<'_>) -> [Object; 3] {
    let secret = files.secret.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let rsa = material.dkim_rsa.as_ref();
    let keys = std::iter::once(("ed25519.pem", material.dkim_ed25519.expose_secret()))
        .chain(rsa.map(|key| ("rsa.pem", key.expose_secret())));
    [
        Object::of(&place.config_map(CONFIG_MAP, files.public.clone())),
        Object::of(&place.secret(SERVERS_SECRET, "Opaque", secret)),
        Object::of(&place.secret(DKIM_SECRET, "Opaque", keys)),
    ]
}

/// The servers' files of one tenant.
pub(crate) fn files(_tenant: &ValidatedTenant, _material: &Material) -> Files {
    Files::default()
}
