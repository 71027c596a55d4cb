//! What a person types, checked, with a refusal that names the option.

use jiff::SignedDuration;
use melouvert_domain::{
    MailDomain, ResourceName, Siren,
    identity::SirenError,
    mail_domain::MailDomainError,
    visible::{code_point, hidden},
};

use crate::{
    errors::CliError,
    text::{Text, text},
};

/// A SIREN.
pub fn siren(text: &str) -> Result<Siren, CliError> {
    text.parse().map_err(|error| match error {
        SirenError::Shape { found } => CliError::usage(text!(
            "SIREN « {found} » incorrect : 9 chiffres attendus",
            "wrong SIREN {found:?}: 9 digits expected"
        ))
        .remedy(text!(
            "le SIREN est sur l'annuaire des entreprises ; ce n'est ni le SIRET ni le code INSEE",
            "find it in the Sirene directory; it is neither the SIRET nor the INSEE code"
        )),
        SirenError::Checksum { found } => CliError::usage(text!(
            "SIREN {found} incorrect : sa clé de contrôle (Luhn) est fausse",
            "wrong SIREN {found}: its check digit (Luhn) is wrong"
        ))
        .remedy(text!(
            "un chiffre est mal recopié : vérifiez-les",
            "a digit is mistyped: check them"
        )),
    })
}

/// A mail domain given by `--domain`.
pub fn domain(text: &str) -> Result<MailDomain, CliError> {
    text.parse().map_err(|error| match error {
        MailDomainError::Shape { found } => CliError::usage(text!(
            "--domain « {found} » n'est pas un nom de domaine",
            "--domain {found:?} is not a domain name"
        ))
        .remedy(text!(
            "attendu : des lettres, chiffres et tirets séparés par des points, p. ex. mairie-caen.fr",
            "expected letters, digits and hyphens joined by dots, e.g. mairie-caen.fr"
        )),
        MailDomainError::PublicSuffix { found } => CliError::usage(text!(
            "--domain {found} est un suffixe public : d'autres y déposent leurs noms",
            "--domain {found} is a public suffix: others register their names under it"
        ))
        .remedy(text!(
            "donnez un domaine que la collectivité a déposé, p. ex. mairie-caen.fr",
            "give a domain that the authority has registered, e.g. mairie-caen.fr"
        )),
        MailDomainError::Reserved { found } => CliError::usage(text!(
            "--domain {found} est réservé à l'État : gouv.fr et les noms en -gouv.fr sont fermés aux collectivités",
            "--domain {found} is the State's: gouv.fr and names in -gouv.fr are closed to local authorities"
        ))
        .remedy(text!(
            "choisissez un domaine que la collectivité a déposé, p. ex. en .fr",
            "choose a domain that the authority has registered, e.g. under .fr"
        )),
    })
}

/// A text that people will read, given by `option`: no character of it is invisible or turns others
/// around.
pub fn visible(option: &str, text: &str) -> Result<(), CliError> {
    let Some(character) = hidden(text) else {
        return Ok(());
    };
    let code = code_point(character);
    Err(CliError::usage(text!(
        "{option} porte un caractère invisible ({code})",
        "{option} holds an invisible character ({code})"
    ))
    .remedy(text!(
        "saisissez ce texte au clavier plutôt que de le coller",
        "type this text rather than paste it"
    )))
}

/// The name of a plan, region or migration given by `option`.
pub fn name(option: &str, text: &str) -> Result<ResourceName, CliError> {
    text.parse().map_err(|_| {
        CliError::usage(text!(
            "{option} « {text} » incorrect",
            "wrong {option} {text:?}"
        ))
        .remedy(text!(
            "attendu : 1 à 63 lettres minuscules, chiffres ou tirets, sans tiret au bord",
            "expected 1 to 63 lower-case letters, digits or hyphens, no hyphen at either end"
        ))
    })
}

/// A positive duration such as `5m` or `90s`, given by `--timeout`.
pub fn timeout(text: &str) -> Result<std::time::Duration, CliError> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| std::time::Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| {
            CliError::usage(text!(
                "--timeout « {text} » incorrect",
                "wrong --timeout {text:?}"
            ))
            .remedy(text!(
                "attendu : une durée, p. ex. 90s, 5m ou 1h",
                "expected a duration, e.g. 90s, 5m or 1h"
            ))
        })
}

/// An address given by `option`; only its shape, for it may be anywhere.
pub fn contact(option: &str, text: &str) -> Result<String, CliError> {
    let well_formed = text.len() <= 320
        && text.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && domain.contains('.') && !domain.contains('@')
        })
        && !text.contains(char::is_whitespace);
    if well_formed {
        Ok(text.to_owned())
    } else {
        Err(CliError::usage(text!(
            "{option} « {text} » n'est pas une adresse",
            "{option} {text:?} is not an address"
        ))
        .remedy(text!("attendu : nom@domaine", "expected name@domain")))
    }
}

/// « lire la collectivité 211401187 ».
pub fn reading(siren: &Siren) -> Text {
    text!("lire la collectivité {siren}", "read collectivity {siren}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Kind;

    #[test]
    fn bad_input_is_a_usage_error() {
        for error in [
            siren("211401188").unwrap_err(),
            siren("21140118").unwrap_err(),
            domain("caen").unwrap_err(),
            domain("calvados.gouv.fr").unwrap_err(),
            name("--plan", "Ville").unwrap_err(),
            timeout("5").unwrap_err(),
            timeout("-5m").unwrap_err(),
            contact("--dsi", "jeanne").unwrap_err(),
        ] {
            assert_eq!(error.kind, Kind::Usage, "{error}");
            assert!(error.remedy.is_some(), "{error}");
        }
    }

    #[test]
    fn good_input_is_read() {
        assert_eq!(siren("211 401 187").unwrap().as_str(), "211401187");
        assert_eq!(timeout("90s").unwrap().as_secs(), 90);
        assert_eq!(timeout("5m").unwrap().as_secs(), 300);
        assert_eq!(
            contact("--dsi", "dsi@caen.example").unwrap(),
            "dsi@caen.example"
        );
    }
}
