//! The official directory of French communes and EPCI, packed into the program.
//!
//! Owns: the packed format, look-ups by SIREN and INSEE code, search by name. The data come from
//! `@etalab/decoupage-administratif` (`cargo xtask directory`); see `data/LICENCE.md`.
//! Must not know: where the data are downloaded from, Kubernetes, the command line.
//!
//! What the source lacks: départements' and régions' SIRENs, syndicats, CCAS, domains.

mod entry;
mod fold;
mod packed;

use std::collections::HashMap;

use melouvert_domain::{InseeCode, Siren};

pub use entry::{Entry, Form};
pub use packed::{DirectoryError, pack};

/// Where the data come from, to be shown beside them.
pub const CREDITS: &str =
    "INSEE, DGCL, La Poste (@etalab/decoupage-administratif 6.0.0, Licence Ouverte 2.0)";

/// The directory in memory.
#[derive(Debug)]
pub struct Directory {
    entries: Vec<Entry>,
    by_siren: HashMap<Siren, usize>,
    by_insee: HashMap<InseeCode, usize>,
}

impl Directory {
    /// Unpacks the data that ship with the program: some tens of milliseconds, once per run.
    pub fn open() -> Result<Self, DirectoryError> {
        packed::unpack(include_bytes!("../data/directory.zst")).map(Self::new)
    }

    fn new(entries: Vec<Entry>) -> Self {
        let by_siren = entries
            .iter()
            .enumerate()
            .map(|(i, e)| (e.siren.clone(), i))
            .collect();
        let by_insee = entries
            .iter()
            .enumerate()
            .filter_map(|(i, e)| Some((e.insee.clone()?, i)))
            .collect();
        Self {
            entries,
            by_siren,
            by_insee,
        }
    }

    /// Every commune by INSEE code, then every EPCI by SIREN.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The authority with this SIREN.
    pub fn by_siren(&self, siren: &Siren) -> Option<&Entry> {
        self.by_siren.get(siren).map(|&place| &self.entries[place])
    }

    /// The commune with this INSEE code.
    pub fn by_insee(&self, code: &InseeCode) -> Option<&Entry> {
        self.by_insee.get(code).map(|&place| &self.entries[place])
    }

    /// Up to `limit` authorities whose name contains `text`, whatever its accents, case and
    /// punctuation: same name first, then names that start with it, the most populated first.
    pub fn search(&self, text: &str, limit: usize) -> Vec<&Entry> {
        let wanted = fold::fold(text);
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<_> = self
            .entries
            .iter()
            .filter_map(|entry| {
                let name = fold::fold(&entry.name);
                name.contains(&wanted)
                    .then(|| (name != wanted, !name.starts_with(&wanted), entry))
            })
            .collect();
        found.sort_by_key(|(other, inside, entry)| {
            (
                *other,
                *inside,
                std::cmp::Reverse(entry.population),
                entry.siren.clone(),
            )
        });
        found
            .into_iter()
            .take(limit)
            .map(|(.., entry)| entry)
            .collect()
    }
}
