//! One local authority.

use melouvert_domain::{CollectivityKind, InseeCode, Siren};
use serde::{Deserialize, Serialize};

/// The legal form, as the DGCL abbreviates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Form {
    /// A commune.
    #[serde(rename = "COM")]
    Commune,
    /// A communauté de communes.
    #[serde(rename = "CC")]
    CommunauteDeCommunes,
    /// A communauté d'agglomération.
    #[serde(rename = "CA")]
    CommunauteDAgglomeration,
    /// A communauté urbaine.
    #[serde(rename = "CU")]
    CommunauteUrbaine,
    /// A métropole.
    #[serde(rename = "METRO")]
    Metropole,
    /// The métropole de Lyon, which has its own status.
    #[serde(rename = "MET69")]
    MetropoleDeLyon,
}

const FORMS: [(Form, &str); 6] = [
    (Form::Commune, "COM"),
    (Form::CommunauteDeCommunes, "CC"),
    (Form::CommunauteDAgglomeration, "CA"),
    (Form::CommunauteUrbaine, "CU"),
    (Form::Metropole, "METRO"),
    (Form::MetropoleDeLyon, "MET69"),
];

impl Form {
    /// The abbreviation, e.g. `CC`.
    pub fn code(self) -> &'static str {
        FORMS
            .iter()
            .find(|(form, _)| *form == self)
            .map_or("", |(_, code)| code)
    }

    /// Reads an abbreviation; `None` when it is unknown.
    pub fn parse(code: &str) -> Option<Self> {
        FORMS
            .iter()
            .find(|(_, known)| *known == code)
            .map(|(form, _)| *form)
    }

    /// What Melouvert makes of it.
    pub fn kind(self) -> CollectivityKind {
        match self {
            Self::Commune => CollectivityKind::Commune,
            _ => CollectivityKind::Epci,
        }
    }
}

/// One local authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its legal form.
    pub form: Form,
    /// Its INSEE code, for a commune.
    pub insee: Option<InseeCode>,
    /// Its SIREN.
    pub siren: Siren,
    /// Its official name.
    pub name: String,
    /// Its inhabitants (population municipale).
    pub population: u32,
    /// The code of its département, e.g. `14` or `2A`; of most of its communes for an EPCI.
    pub departement: String,
    /// The code of its région, e.g. `28`; of most of its communes for an EPCI.
    pub region: String,
}
