//! Which collectivity is meant: by its SIREN, else by the address's domain.

use melouvert_api::Collectivity;
use melouvert_domain::{EmailAddress, MailDomain, Siren, address::AddressError};

use crate::{
    commands::collectivity,
    errors::{CliError, Kind},
    globals::Context,
    input,
    text::text,
};

/// An agent's address given on the command line.
pub fn address(text: &str) -> Result<EmailAddress, CliError> {
    text.parse().map_err(|error: AddressError| {
        CliError::usage(text!(
            "« {text} » n'est pas une adresse d'agent",
            "{text:?} is not an agent's address"
        ))
        .caused_by(&error)
        .remedy(text!(
            "attendu : nom@domaine, le nom fait de a-z, 0-9, point, tiret, « _ » ou « + »",
            "expected name@domain, the name made of a-z, 0-9, dot, hyphen, `_` or `+`"
        ))
    })
}

/// The collectivity of `--siren`, else the one that has the address's domain.
pub async fn of(
    context: &Context,
    siren: Option<&str>,
    address: &EmailAddress,
) -> Result<Siren, CliError> {
    if let Some(text) = siren {
        return input::siren(text);
    }
    let domain = address.domain();
    let all = match collectivity::all(&context.client().await?).await {
        Err(error) if error.kind == Kind::Refused => return Err(not_listed(error)),
        other => other?,
    };
    owner(&all.read, domain).ok_or_else(|| {
        CliError::new(
            Kind::NotFound,
            text!(
                "aucune collectivité n'a le domaine {domain}",
                "no collectivity has the domain {domain}"
            ),
        )
        .remedy(text!(
            "vérifiez l'adresse, ou nommez la collectivité par --siren",
            "check the address, or name the collectivity with --siren"
        ))
    })
}

fn not_listed(error: CliError) -> CliError {
    error.remedy(text!(
        "nommez la collectivité par --siren",
        "name the collectivity with --siren"
    ))
}

fn owner(all: &[Collectivity], domain: &MailDomain) -> Option<Siren> {
    all.iter()
        .find(|c| c.spec.domains.iter().any(|d| d == domain.as_str()))
        .and_then(|c| c.spec.siren.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collectivity(siren: &str, domains: &[&str]) -> Collectivity {
        let spec = serde_json::json!({
            "siren": siren, "legalName": "X", "kind": "Commune", "population": 1,
            "region": "r", "plan": "p", "domains": domains,
        });
        Collectivity::new(
            &format!("col-{siren}"),
            serde_json::from_value(spec).unwrap(),
        )
    }

    #[test]
    fn a_domain_leads_to_its_collectivity() {
        let all = [
            collectivity("211401187", &["caen.example", "caen-la-mer.example"]),
            collectivity("217605401", &["rouen.example"]),
        ];
        let found = |domain: &str| owner(&all, &domain.parse().unwrap());
        assert_eq!(found("caen-la-mer.example").unwrap().as_str(), "211401187");
        assert_eq!(found("rouen.example").unwrap().as_str(), "217605401");
        assert_eq!(found("la-mer.example"), None);
    }

    #[test]
    fn a_bad_address_is_a_usage_error() {
        assert_eq!(address("jeanne").unwrap_err().kind, Kind::Usage);
    }
}
