//! What becomes of folder names at the target: a pure function of both servers' ways.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::findings::{Concern, Finding};
use crate::mapping::NameStyle;
use crate::model::FolderPath;
use crate::source::imap::Listing;
use crate::target::WantedFolder;
use crate::target::imap::choose_names;

/// Bytes that a level of a name may have on nearly all servers.
const LEVEL_MAX: usize = 255;

/// The target's name of each folder, in order, as a copy will choose it, and what is to be told of
/// them. `taken` are names that belong to folders that are not wanted now.
pub(super) fn map(
    wanted: &[WantedFolder],
    listing: &Listing,
    taken: &HashSet<String>,
) -> (Vec<String>, Vec<Finding>) {
    let taken = taken.iter().map(|name| listing.style.sameness(name));
    let mut taken: HashSet<String> = taken.collect();
    let names = choose_names(listing, wanted, &mut taken);
    let mut findings: Vec<Finding> = wanted
        .iter()
        .zip(&names)
        .filter(|(folder, _)| folder.name.is_none())
        .flat_map(|(folder, name)| of_name(folder, name, listing))
        .collect();
    let paths: Vec<&FolderPath> = wanted.iter().map(|folder| &folder.path).collect();
    findings.extend(long(&paths, &listing.style));
    findings.extend(twins(&paths));
    (names, findings)
}

/// What is to be told of a name that the copy will choose.
fn of_name(folder: &WantedFolder, name: &str, listing: &Listing) -> Vec<Finding> {
    let (style, path) = (&listing.style, &folder.path);
    let told = |concern| Finding::new(concern, style.read(name).to_string()).in_folder(path);
    let has_role = |attributes: &[String]| {
        let mut attributes = attributes.iter();
        folder
            .role
            .is_some_and(|role| attributes.any(|a| a.eq_ignore_ascii_case(role.attribute())))
    };
    let mut findings = Vec::new();
    if name != style.write(path) {
        let mut there = listing.folders.iter();
        let by_use = there.any(|item| item.name == name && has_role(&item.attributes));
        if by_use {
            return vec![told(Concern::SpecialUse)];
        }
        findings.push(told(Concern::NameClash));
    }
    if style
        .separator
        .is_some_and(|separator| path.0.iter().any(|level| level.contains(separator)))
    {
        findings.push(told(Concern::NameReplaced));
    }
    findings
}

fn long(paths: &[&FolderPath], style: &NameStyle) -> Vec<Finding> {
    let told = |path: &&FolderPath| {
        let longest = path
            .0
            .iter()
            .map(|level| style.write(&FolderPath(vec![level.clone()])).len())
            .max()?;
        (longest > LEVEL_MAX)
            .then(|| Finding::new(Concern::NameTooLong, format!("{longest} bytes")).in_folder(path))
    };
    paths.iter().filter_map(told).collect()
}

/// Names that one person would read alike.
fn twins(paths: &[&FolderPath]) -> Vec<Finding> {
    let mut seen: HashMap<String, &FolderPath> = HashMap::new();
    let mut findings = Vec::new();
    for path in paths {
        let composed: String = path.to_string().nfc().collect();
        match seen.get(&composed) {
            Some(first) => {
                let written = |path: &FolderPath| path.to_string().escape_unicode().to_string();
                let detail = format!("{} / {}", written(first), written(path));
                findings.push(Finding::new(Concern::NameTwins, detail).in_folder(path));
            }
            None => {
                seen.insert(composed, path);
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::ListItem;
    use crate::model::Role;

    fn wanted(levels: &[&str]) -> WantedFolder {
        WantedFolder {
            path: FolderPath(levels.iter().map(ToString::to_string).collect()),
            ..WantedFolder::default()
        }
    }

    fn target() -> Listing {
        let sent = ListItem {
            attributes: vec!["\\Sent".to_owned()],
            separator: Some('/'),
            name: "Envoy&AOk-s".to_owned(),
            lsub: false,
        };
        Listing {
            style: NameStyle {
                separator: Some('/'),
                ..NameStyle::default()
            },
            folders: vec![sent],
            ..Listing::default()
        }
    }

    fn concerns(names: &[&[&str]]) -> Vec<(Concern, Option<String>)> {
        let folders: Vec<WantedFolder> = names.iter().map(|levels| wanted(levels)).collect();
        let (mapped, findings) = map(&folders, &target(), &HashSet::new());
        assert_eq!(mapped.len(), names.len());
        findings
            .into_iter()
            .map(|finding| (finding.concern, finding.folder))
            .collect()
    }

    #[test]
    fn ordinary_names_are_not_told() {
        assert_eq!(concerns(&[&["INBOX"], &["Été", "2019"], &["Sent"]]), []);
    }

    #[test]
    fn separators_case_accents_and_length_are_told() {
        assert_eq!(
            concerns(&[&["a/b"]]),
            [(Concern::NameReplaced, Some("a/b".to_owned()))]
        );
        assert_eq!(
            concerns(&[&["Projets"], &["projets"]]),
            [(Concern::NameClash, Some("projets".to_owned()))]
        );
        let decomposed = "E\u{301}te\u{301}";
        let told = concerns(&[&["Été"], &[decomposed]]);
        let both = [Concern::NameClash, Concern::NameTwins];
        assert_eq!(told, both.map(|one| (one, Some(decomposed.to_owned()))));
        let long = "x".repeat(256);
        assert_eq!(concerns(&[&[&long]])[0].0, Concern::NameTooLong);
    }

    #[test]
    fn the_folder_that_a_use_fills_is_named() {
        let sent = WantedFolder {
            role: Some(Role::Sent),
            ..wanted(&["Sent Items"])
        };
        let (names, findings) = map(&[sent], &target(), &HashSet::new());
        assert_eq!(names, ["Envoy&AOk-s"]);
        let told = &findings[0];
        assert_eq!(
            (told.concern, told.detail.as_str(), findings.len()),
            (Concern::SpecialUse, "Envoyés", 1)
        );
        // Without the use, the path's name stands.
        let (names, findings) = map(&[wanted(&["Sent Items"])], &target(), &HashSet::new());
        assert_eq!((names[0].as_str(), findings.len()), ("Sent Items", 0));
    }

    #[test]
    fn a_name_that_an_earlier_run_chose_stays() {
        let mut folder = wanted(&["a/b"]);
        folder.name = Some("autre".to_owned());
        let (names, findings) = map(&[folder], &Listing::default(), &HashSet::new());
        assert_eq!((names, findings), (vec!["autre".to_owned()], vec![]));
    }
}
