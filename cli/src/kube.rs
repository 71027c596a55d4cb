//! The way to the cluster, and the cluster's refusals in words for people.

use std::path::Path;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

use crate::{
    errors::{CliError, Kind},
    text::{Text, de, text},
};

/// A client for the cluster of the kubeconfig (`path`, else `KUBECONFIG`, else `~/.kube/config`).
///
/// Only files are read: an unreachable cluster shows at the first request.
pub async fn connect(path: Option<&Path>, context: Option<&str>) -> Result<Client, CliError> {
    client(config(path, context).await?)
}

/// What the kubeconfig says: the cluster's address and the person's identity.
pub async fn config(path: Option<&Path>, context: Option<&str>) -> Result<Config, CliError> {
    let options = KubeConfigOptions {
        context: context.map(Into::into),
        ..Default::default()
    };
    let file = match path {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    match file {
        Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
        Err(error) => Err(error),
    }
    .map_err(|error| bad_kubeconfig(&error))
}

/// A client with this configuration.
pub fn client(config: Config) -> Result<Client, CliError> {
    Client::try_from(config).map_err(|error| unusable(&error))
}

/// A kubeconfig with which nothing can be done.
pub fn unusable(error: &kube::Error) -> CliError {
    CliError::usage(text!(
        "le kubeconfig ne permet pas de se connecter",
        "the kubeconfig does not allow a connection"
    ))
    .caused_by(error)
    .remedy(where_to_get_one())
}

fn bad_kubeconfig(error: &KubeconfigError) -> CliError {
    let message = match error {
        KubeconfigError::FindPath | KubeconfigError::ReadConfig(..) => {
            text!(
                "kubeconfig introuvable ou illisible",
                "kubeconfig missing or unreadable"
            )
        }
        KubeconfigError::LoadContext(name) => text!(
            "le contexte « {name} » n'est pas dans le kubeconfig",
            "context {name:?} is not in the kubeconfig"
        ),
        _ => text!("kubeconfig incorrect", "the kubeconfig is wrong"),
    };
    CliError::usage(message)
        .caused_by(error)
        .remedy(where_to_get_one())
}

fn where_to_get_one() -> Text {
    text!(
        "indiquez le fichier remis par votre hébergeur avec --kubeconfig FICHIER ou la variable KUBECONFIG",
        "give the file that your hoster handed you with --kubeconfig FILE or the variable KUBECONFIG"
    )
}

/// The failure of a request to the API server, `doing` being what was attempted
/// (« lire la collectivité 211401187 » / "read collectivity 211401187").
pub fn explain(error: &kube::Error, doing: &Text) -> CliError {
    let (fr, en) = (de(&doing.fr), &doing.en);
    match error {
        kube::Error::Api(status) => refusal(status, doing),
        kube::Error::Auth(_) => CliError::new(
            Kind::Refused,
            text!(
                "impossible {fr} : identification impossible",
                "failed to {en}: no identity"
            ),
        )
        .caused_by(error)
        .remedy(text!(
            "vérifiez l'identité du kubeconfig auprès de votre hébergeur",
            "check the kubeconfig's identity with your hoster"
        )),
        kube::Error::SerdeError(_) => CliError::failure(text!(
            "impossible {fr} : réponse du cluster incompréhensible",
            "failed to {en}: the cluster's answer was not understood"
        ))
        .caused_by(error)
        .remedy(text!(
            "vérifiez que cette version de melouvert est celle du cluster : melouvert doctor",
            "check that this melouvert has the cluster's version: melouvert doctor"
        )),
        _ => CliError::new(
            Kind::Unavailable,
            text!(
                "impossible {fr} : le cluster ne répond pas",
                "failed to {en}: the cluster does not answer"
            ),
        )
        .caused_by(error)
        .remedy(text!(
            "vérifiez l'adresse du serveur dans le kubeconfig et votre accès au réseau",
            "check the server's address in the kubeconfig and your network"
        )),
    }
}

/// A `Status` of the API server in words; also for those that the platform API relays.
pub fn refusal(status: &kube::core::Status, doing: &Text) -> CliError {
    let (fr, en) = (de(&doing.fr), &doing.en);
    let said = &status.message;
    match (status.code, status.reason.as_str()) {
        (401, _) => CliError::new(
            Kind::Refused,
            text!("impossible {fr} : identité refusée par le cluster", "failed to {en}: the cluster refuses this identity"),
        )
        .remedy(text!(
            "le certificat ou le jeton du kubeconfig a peut-être expiré : demandez-en un autre à votre hébergeur",
            "the kubeconfig's certificate or token may have expired: ask your hoster for another"
        )),
        (403, _) if said.contains("ValidatingAdmissionPolicy") => CliError::new(
            Kind::Refused,
            text!("impossible {fr} : une règle de la plateforme s'y oppose : {said}", "failed to {en}: a rule of the platform refuses it: {said}"),
        ),
        (403, _) => CliError::new(
            Kind::Refused,
            text!("impossible {fr} : vous n'en avez pas le droit", "failed to {en}: you lack the right"),
        )
        .caused_by(status)
        .remedy(text!(
            "demandez à votre hébergeur le rôle nécessaire ; « melouvert doctor » liste vos droits",
            "ask your hoster for the role; `melouvert doctor` lists your rights"
        )),
        (404, _) if said.contains("could not find the requested resource") || said.starts_with("404 page") => {
            CliError::new(
                Kind::Unavailable,
                text!("impossible {fr} : Melouvert n'est pas installé sur ce cluster", "failed to {en}: Melouvert is not installed on this cluster"),
            )
            .remedy(text!(
                "installez le chart charts/melouvert, ou vérifiez --context",
                "install the chart charts/melouvert, or check --context"
            ))
        }
        (404, _) => CliError::new(
            Kind::NotFound,
            text!("impossible {fr} : introuvable", "failed to {en}: not found"),
        )
        .caused_by(status),
        (409, "AlreadyExists") => CliError::new(
            Kind::Conflict,
            text!("impossible {fr} : existe déjà", "failed to {en}: it exists already"),
        ),
        (409, _) => CliError::new(
            Kind::Conflict,
            text!("impossible {fr} : changé entre-temps", "failed to {en}: it was changed meanwhile"),
        )
        .caused_by(status)
        .remedy(text!("relancez la commande", "run the command again")),
        (400 | 422, _) => CliError::new(
            Kind::Usage,
            text!("impossible {fr} : refusé par le schéma : {said}", "failed to {en}: refused by the schema: {said}"),
        ),
        (code, _) => CliError::new(
            Kind::Unavailable,
            text!("impossible {fr} : le cluster répond {code}", "failed to {en}: the cluster answers {code}"),
        )
        .caused_by(status)
        .remedy(text!("réessayez ; si cela persiste : melouvert doctor", "try again; if it persists: melouvert doctor")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(code: u16, message: &str, reason: &str) -> Kind {
        let mut status = kube::core::Status::failure(message, reason);
        status.code = code;
        refusal(&status, &text!("lire", "read")).kind
    }

    #[test]
    fn each_refusal_has_its_kind() {
        assert_eq!(kind_of(403, "forbidden", "Forbidden"), Kind::Refused);
        assert_eq!(
            kind_of(
                404,
                "collectivities.melouvert.fr \"x\" not found",
                "NotFound"
            ),
            Kind::NotFound
        );
        assert_eq!(
            kind_of(
                404,
                "the server could not find the requested resource",
                "NotFound"
            ),
            Kind::Unavailable
        );
        assert_eq!(kind_of(409, "exists", "AlreadyExists"), Kind::Conflict);
        assert_eq!(kind_of(422, "spec.siren", "Invalid"), Kind::Usage);
        assert_eq!(
            kind_of(503, "etcd", "ServiceUnavailable"),
            Kind::Unavailable
        );
    }
}
