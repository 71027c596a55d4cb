//! The databases' refusals as the platform API's.

use melouvert_store::StoreError;

use super::error::ApiError;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unreachable { .. }
            | StoreError::Locked { .. }
            | StoreError::Lost(_)
            | StoreError::Gone { .. }
            | StoreError::Tls { .. }
            | StoreError::Refused { .. } => {
                Self::unavailable(("la base de données", "the database"), &error)
            }
            StoreError::Conflict { field, value } => Self::conflict(
                "AlreadyExists",
                (
                    &format!("{value} existe déjà"),
                    &format!("{value} exists already"),
                ),
                ("choisissez-en un autre", "choose another"),
            )
            .field(field),
            StoreError::Invalid { field, expected } => Self::invalid(
                field,
                (
                    &format!("valeur refusée pour {field}"),
                    &format!("{field} is not acceptable: expected {expected}"),
                ),
                ("corrigez ce champ", "correct this field"),
            ),
            StoreError::NotFound { what, name } => not_found(what, name),
            StoreError::LimitReached {
                limit,
                used,
                requested,
            } => Self::conflict(
                "LimitReached",
                (
                    &format!("l'offre permet {limit} agents : il y en a {used}, {requested} de plus sont demandés"),
                    &format!("the plan allows {limit} agents: there are {used}, {requested} more were asked for"),
                ),
                (
                    "retirez des agents, ou demandez une offre plus grande à votre hébergeur",
                    "remove agents, or ask your hoster for a larger plan",
                ),
            )
            .field("agents"),
            StoreError::BrokenJournal(_) | StoreError::Migrate(_) | StoreError::Query(_) => {
                Self::internal(&error)
            }
        }
    }
}

fn not_found(what: &str, name: &str) -> ApiError {
    let (code, field, fr, list) = match what {
        "agent" => (
            "AgentNotFound",
            "address",
            "aucun agent",
            "melouvert agent list",
        ),
        "report" => (
            "ReportNotFound",
            "migration",
            "aucune preuve pour la migration",
            "melouvert migrate status",
        ),
        _ => (
            "NotFound",
            "siren",
            "rien au nom de",
            "melouvert collectivity list",
        ),
    };
    ApiError::not_found(
        code,
        field,
        (&format!("{fr} {name}"), &format!("no {what} {name}")),
        (&format!("à voir par : {list}"), &format!("see: {list}")),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn each_refusal_has_its_status() {
        let status = |error: StoreError| ApiError::from(error).status;
        let named = || "x".to_owned();
        assert_eq!(
            status(StoreError::Conflict {
                field: "address",
                value: named()
            }),
            StatusCode::CONFLICT
        );
        assert_eq!(
            status(StoreError::NotFound {
                what: "agent",
                name: named()
            }),
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            status(StoreError::LimitReached {
                limit: 1,
                used: 1,
                requested: 1
            }),
            StatusCode::CONFLICT
        );
        assert_eq!(
            status(StoreError::Invalid {
                field: "address",
                expected: "x"
            }),
            StatusCode::UNPROCESSABLE_ENTITY
        );
    }
}
