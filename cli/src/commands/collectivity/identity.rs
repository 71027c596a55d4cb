//! Who the collectivity is: the official data, or what the person says.

use clap::ValueEnum;
use melouvert_directory::Directory;
use melouvert_domain::{CollectivityKind, InseeCode, Siren};

use crate::{
    errors::{CliError, Kind},
    input,
    text::text,
};

/// What is said by hand of a body that the directory lacks.
#[derive(Debug, Clone, clap::Args)]
pub struct Manual {
    /// The official name, when the directory lacks it
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The kind, when the directory lacks it: commune, epci, departement, region, syndicat or other
    #[arg(long, value_name = "KIND")]
    pub kind: Option<KindArg>,
    /// The inhabitants, when the directory lacks them
    #[arg(long, value_name = "NUMBER")]
    pub population: Option<u32>,
}

/// The kinds, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// A commune.
    Commune,
    /// An EPCI.
    Epci,
    /// A département.
    Departement,
    /// A région.
    Region,
    /// A syndicat.
    Syndicat,
    /// Any other public body.
    Other,
}

impl From<KindArg> for CollectivityKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Commune => Self::Commune,
            KindArg::Epci => Self::Epci,
            KindArg::Departement => Self::Departement,
            KindArg::Region => Self::Region,
            KindArg::Syndicat => Self::Syndicat,
            KindArg::Other => Self::Other,
        }
    }
}

/// Who the collectivity is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its official name.
    pub name: String,
    /// Its kind.
    pub kind: CollectivityKind,
    /// Its INSEE code, for a commune.
    pub insee: Option<InseeCode>,
    /// Its inhabitants.
    pub population: u32,
}

/// The official data, each field replaced by what is said by hand; without data, all of it by hand.
pub fn identify(
    directory: &Directory,
    siren: &Siren,
    manual: &Manual,
) -> Result<Identity, CliError> {
    let kind = manual.kind.map(CollectivityKind::from);
    if let Some(name) = &manual.name {
        input::visible("--name", name)?;
    }
    if let Some(entry) = directory.by_siren(siren) {
        return Ok(Identity {
            name: manual.name.clone().unwrap_or_else(|| entry.name.clone()),
            kind: kind.unwrap_or(entry.form.kind()),
            insee: entry.insee.clone(),
            population: manual.population.unwrap_or(entry.population),
        });
    }
    match (&manual.name, kind, manual.population) {
        (Some(name), Some(kind), Some(population)) => Ok(Identity {
            name: name.clone(),
            kind,
            insee: None,
            population,
        }),
        _ => Err(unknown(directory, siren, manual.name.as_deref())),
    }
}

fn unknown(directory: &Directory, siren: &Siren, name: Option<&str>) -> CliError {
    let near = name
        .map(|name| directory.search(name, 3))
        .unwrap_or_default();
    let remedy = if near.is_empty() {
        text!(
            "vérifiez le SIREN ; pour un département, une région, un syndicat ou un CCAS, ajoutez --name, --kind et --population",
            "check the SIREN; for a département, région, syndicat or CCAS add --name, --kind and --population"
        )
    } else {
        let list: Vec<_> = near
            .iter()
            .map(|e| format!("{} {}", e.siren, e.name))
            .collect();
        let list = list.join(", ");
        text!(
            "vouliez-vous dire {list} ? Sinon ajoutez --name, --kind et --population",
            "did you mean {list}? Otherwise add --name, --kind and --population"
        )
    };
    CliError::new(
        Kind::NotFound,
        text!(
            "SIREN {siren} inconnu : ni commune ni EPCI dans les données officielles",
            "unknown SIREN {siren}: neither a commune nor an EPCI in the official data"
        ),
    )
    .remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Manual = Manual {
        name: None,
        kind: None,
        population: None,
    };

    #[test]
    fn the_official_data_are_taken() {
        let directory = Directory::open().unwrap();
        let caen = identify(&directory, &"211401187".parse().unwrap(), &NOTHING).unwrap();
        assert_eq!(
            (caen.name.as_str(), caen.kind, caen.population),
            ("Caen", CollectivityKind::Commune, 109_400)
        );
        assert_eq!(caen.insee.unwrap().as_str(), "14118");
    }

    #[test]
    fn an_unknown_body_needs_everything_by_hand() {
        let directory = Directory::open().unwrap();
        let siren = "356000000".parse().unwrap();
        let partial = Manual {
            name: Some("Evreu".into()),
            ..NOTHING
        };
        let error = identify(&directory, &siren, &partial).unwrap_err();
        assert_eq!(error.kind, Kind::NotFound);
        assert!(error.remedy.unwrap().fr.contains("Évreux"));
        let full = Manual {
            name: Some("Calvados".into()),
            kind: Some(KindArg::Departement),
            population: Some(700_000),
        };
        assert_eq!(
            identify(&directory, &siren, &full).unwrap().name,
            "Calvados"
        );
    }
}
