//! Who calls: exactly the identities that the cluster's API server accepts.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::{Api, Client, api::PostParams};
use melouvert_api::wire::AUDIENCE;
use rustls_pki_types::CertificateDer;
use x509_parser::{oid_registry, prelude::*};

use super::{error::ApiError, state::Platform, waiting::Caller};

/// An authenticated Kubernetes user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name, which the journal keeps.
    pub name: String,
    /// The UID, when the cluster gives one.
    pub uid: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// What the authenticator adds.
    pub extra: BTreeMap<String, Vec<String>>,
    /// The connection it calls on.
    pub caller: Option<Caller>,
}

/// The certificate that the caller proved to hold in the TLS handshake, already verified against
/// the cluster's client CA.
#[derive(Debug, Clone)]
pub struct PeerCertificate(pub Option<Arc<CertificateDer<'static>>>);

/// A caller of the routes that a migration's Job uses.
#[derive(Debug, Clone)]
pub struct Worker(pub User);

const EVERYONE: &str = "system:authenticated";

impl FromRequestParts<Arc<Platform>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        platform: &Arc<Platform>,
    ) -> Result<Self, ApiError> {
        let user = authenticate(parts, &platform.kube).await?;
        Ok(user.on(parts))
    }
}

impl FromRequestParts<Arc<Platform>> for Worker {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        platform: &Arc<Platform>,
    ) -> Result<Self, ApiError> {
        let user = authenticate(parts, &platform.kube).await?;
        Ok(Worker(user.on(parts)))
    }
}

impl User {
    fn on(mut self, parts: &Parts) -> Self {
        self.caller = parts.extensions.get::<Caller>().cloned();
        self
    }
}

/// The certificate first, as the API server does, then the token: for the platform's own audience,
/// else for the API server's (`None`), which is all that people's tokens can be for.
async fn authenticate(parts: &Parts, kube: &Client) -> Result<User, ApiError> {
    if let Some(PeerCertificate(Some(certificate))) = parts.extensions.get() {
        return from_certificate(certificate);
    }
    let token = bearer(&parts.headers)?;
    for audience in [Some(AUDIENCE), None] {
        let request = review_request(token, audience);
        let review = Api::<TokenReview>::all(kube.clone())
            .create(&PostParams::default(), &request)
            .await?;
        let Some(user) = from_review(review.status.unwrap_or_default(), audience) else {
            continue;
        };
        if audience.is_none() && is_account(&user) {
            return Err(for_another_audience());
        }
        return Ok(user);
    }
    Err(ApiError::unauthenticated((
        "le cluster refuse ce jeton",
        "the cluster refuses this token",
    )))
}

/// Whether a user is a ServiceAccount: those alone can have tokens for the platform's audience, and
/// every pod may hold one for the API server's.
fn is_account(user: &User) -> bool {
    user.name.starts_with("system:serviceaccount:")
}

fn for_another_audience() -> ApiError {
    ApiError::unauthenticated((
        "ce jeton de ServiceAccount n'est pas fait pour cette API : demandez-en un avec « kubectl create token NOM --audience melouvert »",
        "this ServiceAccount's token is not for this API: ask for one with `kubectl create token NAME --audience melouvert`",
    ))
}

/// CN is the user, each O a group (the rule of Kubernetes' x509 authenticator).
fn from_certificate(certificate: &CertificateDer<'_>) -> Result<User, ApiError> {
    let unreadable = || {
        ApiError::unauthenticated((
            "le certificat client ne nomme personne (CN absent ou illisible)",
            "the client certificate names nobody (CN missing or unreadable)",
        ))
    };
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .and_then(|cn| cn.as_str().ok())
        .filter(|cn| !cn.is_empty())
        .ok_or_else(unreadable)?
        .to_owned();
    let mut groups = parsed
        .subject()
        .iter_by_oid(&oid_registry::OID_X509_ORGANIZATION_NAME)
        .map(|o| o.as_str().map(str::to_owned))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unreadable())?;
    groups.push(EVERYONE.into());
    Ok(User {
        name,
        uid: None,
        groups,
        extra: BTreeMap::new(),
        caller: None,
    })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = || {
        ApiError::unauthenticated((
            "ni certificat client ni jeton",
            "neither a client certificate nor a token",
        ))
    };
    let value = headers.get(AUTHORIZATION).ok_or_else(missing)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(missing)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(missing())
    }
}

fn review_request(token: &str, audience: Option<&str>) -> TokenReview {
    TokenReview {
        spec: TokenReviewSpec {
            token: token.into(),
            audiences: audience.map(|a| vec![a.into()]),
        },
        ..TokenReview::default()
    }
}

/// The user of a review that passed. A review that does not confirm the audience asked for is one
/// of an authenticator that ignores audiences: its token is not for us.
fn from_review(status: TokenReviewStatus, audience: Option<&str>) -> Option<User> {
    let confirmed = audience.is_none_or(|wanted| {
        status
            .audiences
            .iter()
            .flatten()
            .any(|granted| granted == wanted)
    });
    if status.authenticated != Some(true) || !confirmed {
        return None;
    }
    let user = status.user?;
    Some(User {
        name: user.username.filter(|name| !name.is_empty())?,
        uid: user.uid.filter(|uid| !uid.is_empty()),
        groups: user.groups.unwrap_or_default(),
        extra: user.extra.unwrap_or_default(),
        caller: None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, StatusCode};
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    fn certificate(subject: &[(rcgen::DnType, &str)]) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_gives_user_and_groups() {
        let certificate = certificate(&[
            (rcgen::DnType::CommonName, "jeanne"),
            (rcgen::DnType::OrganizationName, "dsi-caen"),
        ]);
        let user = from_certificate(&certificate).unwrap();
        assert_eq!(user.name, "jeanne");
        assert_eq!(user.groups, ["dsi-caen", "system:authenticated"]);
    }

    #[test]
    fn a_certificate_without_a_name_is_nobody() {
        for subject in [
            &[][..],
            &[(rcgen::DnType::OrganizationName, "system:masters")],
            &[(rcgen::DnType::CommonName, "")],
        ] {
            let error = from_certificate(&certificate(subject)).unwrap_err();
            assert_eq!(error.status, StatusCode::UNAUTHORIZED);
        }
    }

    #[test]
    fn only_a_bearer_token_is_read() {
        let with = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(text).unwrap());
            bearer(&headers).map(str::to_owned).ok()
        };
        assert_eq!(with("Bearer abc"), Some("abc".into()));
        assert_eq!(with("bearer  abc"), Some("abc".into()));
        for bad in ["Basic abc", "Bearer ", "Bearer", "abc"] {
            assert_eq!(with(bad), None, "{bad}");
        }
        assert!(bearer(&HeaderMap::new()).is_err());
    }

    fn review(authenticated: bool, audiences: &[&str]) -> TokenReviewStatus {
        TokenReviewStatus {
            authenticated: Some(authenticated),
            audiences: Some(audiences.iter().map(ToString::to_string).collect()),
            user: Some(UserInfo {
                username: Some("system:serviceaccount:col-211401187:migration".into()),
                groups: Some(vec!["system:serviceaccounts".into()]),
                ..UserInfo::default()
            }),
            error: None,
        }
    }

    #[test]
    fn a_review_counts_only_when_it_confirms_the_audience() {
        assert!(from_review(review(true, &["melouvert"]), Some("melouvert")).is_some());
        assert!(from_review(review(true, &["https://kubernetes"]), None).is_some());
        assert!(from_review(review(true, &["https://kubernetes"]), Some("melouvert")).is_none());
        assert!(from_review(review(true, &[]), Some("melouvert")).is_none());
        assert!(from_review(review(false, &["melouvert"]), Some("melouvert")).is_none());
        assert!(from_review(TokenReviewStatus::default(), None).is_none());
    }

    #[test]
    fn only_accounts_must_name_the_audience() {
        let user = |name: &str| User {
            name: name.into(),
            uid: None,
            groups: Vec::new(),
            extra: BTreeMap::new(),
            caller: None,
        };
        assert!(is_account(&user(
            "system:serviceaccount:col-211401187:mail"
        )));
        for person in ["jeanne", "oidc:system:serviceaccount:x:y", "system:admin"] {
            assert!(!is_account(&user(person)), "{person}");
        }
        let refusal = for_another_audience();
        assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
        assert!(format!("{refusal:?}").contains("--audience melouvert"));
    }

    #[test]
    fn a_review_asks_for_no_audience_unless_told() {
        assert_eq!(review_request("t", None).spec.audiences, None);
        assert_eq!(
            review_request("t", Some("melouvert")).spec.audiences,
            Some(vec!["melouvert".into()])
        );
    }
}
