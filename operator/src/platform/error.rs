//! Refusals of the platform API: a status and a body in both languages.

use std::error::Error;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use melouvert_api::wire::{BadLine, ErrorBody, ErrorDetail};

/// A refusal.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// What the caller is told.
    pub detail: Box<ErrorDetail>,
}

/// A sentence in French, then in English.
pub type Both<'a> = (&'a str, &'a str);

impl ApiError {
    /// A refusal with its message and remedy, each in French and English.
    pub fn new(status: StatusCode, code: &str, message: Both<'_>, remedy: Both<'_>) -> Self {
        Self {
            status,
            detail: Box::new(ErrorDetail {
                code: code.into(),
                message_fr: message.0.into(),
                message_en: message.1.into(),
                remedy_fr: remedy.0.into(),
                remedy_en: remedy.1.into(),
                ..ErrorDetail::default()
            }),
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.detail.field = Some(field.into());
        self
    }

    /// A field that does not hold what is expected.
    pub fn invalid(field: &str, message: Both<'_>, remedy: Both<'_>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "InvalidField",
            message,
            remedy,
        )
        .field(field)
    }

    /// An import of which some lines are bad: nothing was imported.
    pub fn bad_lines(lines: Vec<BadLine>) -> Self {
        let mut error = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "InvalidLines",
            (
                "des lignes sont incorrectes : rien n'a été importé",
                "some lines are wrong: nothing was imported",
            ),
            (
                "corrigez chaque ligne nommée puis relancez l'import",
                "correct each line named, then import again",
            ),
        )
        .field("agents");
        error.detail.lines = lines;
        error
    }

    /// A request that cannot be read.
    pub fn bad_request(why: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            (
                &format!("requête incompréhensible : {why}"),
                &format!("the request was not understood: {why}"),
            ),
            (
                "vérifiez que le client a la version de la plateforme",
                "check that the client has the platform's version",
            ),
        )
    }

    /// No identity, or one that the cluster refuses.
    pub fn unauthenticated(message: Both<'_>) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Unauthenticated",
            message,
            (
                "présentez le certificat client ou le jeton de votre kubeconfig ; il a peut-être expiré",
                "present your kubeconfig's client certificate or token; it may have expired",
            ),
        )
    }

    /// The caller lacks the right: the same words whether the tenant exists or not.
    pub fn forbidden(user: &str, verb: &str, resource: &str, namespace: Option<&str>) -> Self {
        let place = namespace.map_or_else(|| " -A".to_owned(), |n| format!(" -n {n}"));
        Self::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            (
                &format!("{user} n'a pas le droit « {verb} » sur {resource}.melouvert.fr{place}"),
                &format!("{user} lacks the right {verb:?} on {resource}.melouvert.fr{place}"),
            ),
            (
                &format!(
                    "demandez ce droit à votre hébergeur ; à vérifier par : kubectl auth can-i {verb} {resource}.melouvert.fr{place}"
                ),
                &format!(
                    "ask your hoster for this right; check with: kubectl auth can-i {verb} {resource}.melouvert.fr{place}"
                ),
            ),
        )
    }

    /// Something does not exist.
    pub fn not_found(code: &str, field: &str, message: Both<'_>, remedy: Both<'_>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message, remedy).field(field)
    }

    /// The state does not allow it.
    pub fn conflict(code: &str, message: Both<'_>, remedy: Both<'_>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message, remedy)
    }

    /// A part of the platform does not answer; `cause` goes to the log, not to the caller.
    pub fn unavailable(what: Both<'_>, cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(
            cause = chain(cause),
            what = what.1,
            "a part of the platform does not answer"
        );
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Unavailable",
            (
                &format!("{} : pas de réponse pour l'instant", what.0),
                &format!("{}: no answer for now", what.1),
            ),
            (
                "réessayez dans une minute ; si cela persiste, prévenez votre hébergeur (melouvert doctor)",
                "try again in a minute; if it persists, tell your hoster (melouvert doctor)",
            ),
        )
    }

    /// A failure that nobody foresaw; `cause` goes to the log, not to the caller.
    pub fn internal(cause: &(dyn Error + 'static)) -> Self {
        tracing::error!(cause = chain(cause), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal",
            (
                "échec inattendu de la plateforme",
                "the platform failed unexpectedly",
            ),
            (
                "prévenez votre hébergeur avec l'identifiant de requête (en-tête x-request-id)",
                "tell your hoster the request's identifier (header x-request-id)",
            ),
        )
    }
}

/// A failed request to the API server.
impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        Self::unavailable(("l'API Kubernetes", "the Kubernetes API"), &error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(ErrorBody {
                error: *self.detail,
            }),
        )
            .into_response()
    }
}

/// An error and its sources on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| (*e).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn body(error: ApiError) -> serde_json::Value {
        let bytes = to_bytes(error.into_response().into_body(), 10_000)
            .await
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_refusal_speaks_both_languages() {
        let error = ApiError::invalid("address", ("mauvaise", "bad"), ("corrigez", "correct it"));
        assert_eq!(
            body(error).await,
            serde_json::json!({"error": {
                "code": "InvalidField", "field": "address",
                "message_fr": "mauvaise", "message_en": "bad",
                "remedy_fr": "corrigez", "remedy_en": "correct it",
            }})
        );
    }

    #[tokio::test]
    async fn a_cause_stays_in_the_log() {
        let cause = std::io::Error::other("password=hunter2");
        for error in [
            ApiError::internal(&cause),
            ApiError::unavailable(("la base", "the database"), &cause),
        ] {
            assert!(!body(error).await.to_string().contains("hunter2"));
        }
    }
}
