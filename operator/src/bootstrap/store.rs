//! Secrets of the operator's namespace that are made once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use melouvert_api::labels::{self, component};
use melouvert_tenant_template::{KeyPairPem, platform::DATABASE_USER};
use secrecy::SecretString;

use super::{Bootstrap, BootstrapError, RegionRoot, api, hex_secret, tls};
use crate::cluster::secret;

pub(super) type Data = BTreeMap<String, ByteString>;

impl Bootstrap {
    /// The database administrator's password: made once, or given by the hoster.
    pub(super) async fn database_password(&self) -> Result<SecretString, BootstrapError> {
        let name = self.settings.database_secret.as_str();
        if self.read(name).await?.is_none() {
            let password = hex_secret(&mut rand::rng());
            let data = [
                ("username", DATABASE_USER.to_owned()),
                ("password", password),
            ];
            self.create(name, "Opaque", data).await?;
        }
        let data = self.read(name).await?.unwrap_or_default();
        secret::value(&data, "password")
            .map(SecretString::from)
            .map_err(|source| BootstrapError::Stored {
                secret: name.into(),
                source,
            })
    }

    /// The certificate of one of the region's servers, kept or made again.
    pub(super) async fn certificate(
        &self,
        server: &tls::ServerCertificate,
        root: &RegionRoot,
        now: Timestamp,
    ) -> Result<(KeyPairPem, tls::Kept), BootstrapError> {
        let stored = self.read(server.secret).await?;
        tls::prepare(stored.as_ref(), server, root, now).map_err(|error| match error {
            tls::NotMade::Pki(source) => BootstrapError::Pki {
                secret: server.secret.into(),
                source,
            },
            tls::NotMade::Root(source) => BootstrapError::RootNeeded {
                secret: server.secret.into(),
                source,
            },
        })
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<Data>, BootstrapError> {
        let found = self
            .secrets()
            .get_opt(name)
            .await
            .map_err(api("read Secret", name))?;
        Ok(found.map(|secret| secret.data.unwrap_or_default()))
    }

    /// Creates a Secret; `false` when it was there already.
    pub(super) async fn create<const N: usize>(
        &self,
        name: &str,
        kind: &str,
        data: [(&str, String); N],
    ) -> Result<bool, BootstrapError> {
        let labels = [
            (labels::MANAGED_BY, labels::MANAGER),
            (labels::COMPONENT, component::OPERATOR),
        ];
        let bytes = |(key, value): (&str, String)| (key.to_owned(), ByteString(value.into_bytes()));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.into()),
                labels: Some(labels.map(|(key, value)| (key.into(), value.into())).into()),
                ..ObjectMeta::default()
            },
            type_: Some(kind.into()),
            data: Some(data.map(bytes).into()),
            ..Secret::default()
        };
        match self.secrets().create(&PostParams::default(), &secret).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(source) => Err(api("create Secret", name)(source)),
        }
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }
}
