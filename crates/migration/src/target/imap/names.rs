//! Which name each folder gets at an IMAP target: pure.

use std::collections::{BTreeMap, HashSet};

use super::super::WantedFolder;
use crate::model::{FolderPath, Role};
use crate::source::imap::Listing;

/// Chooses names. What an earlier run chose stands. Then a folder with a use (sent mail, trash …)
/// gets the target's own folder for it, unless another folder has that name by right. The others
/// get their path's name, told apart where two would clash.
///
/// `taken` (lower case) gains every name chosen.
pub(crate) fn choose_names(
    listing: &Listing,
    wanted: &[WantedFolder],
    taken: &mut HashSet<String>,
) -> Vec<String> {
    let earlier = wanted.iter().filter_map(|folder| folder.name.as_ref());
    taken.extend(earlier.map(|name| name.to_lowercase()));
    let by_use = by_use(listing, wanted, taken);
    taken.extend(by_use.values().map(|name| name.to_lowercase()));
    wanted
        .iter()
        .enumerate()
        .map(|(index, folder)| match (&folder.name, by_use.get(&index)) {
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) => listing.style.write_apart(&folder.path, taken),
        })
        .collect()
}

/// Wanted folders (by index) that get the target's folder of the same use.
fn by_use(
    listing: &Listing,
    wanted: &[WantedFolder],
    taken: &HashSet<String>,
) -> BTreeMap<usize, String> {
    let mut places: BTreeMap<Role, &String> = BTreeMap::new();
    for item in &listing.folders {
        if let Some(role) = Role::among(item.attributes.iter().map(String::as_str)) {
            let place = places.entry(role).or_insert(&item.name);
            *place = (*place).min(&item.name);
        }
    }
    let natural: Vec<String> = wanted
        .iter()
        .map(|folder| listing.style.write(&folder.path).to_lowercase())
        .collect();
    let mut chosen = BTreeMap::new();
    for (role, place) in places {
        let name = place.to_lowercase();
        let of_role = |(_, folder): &(usize, &WantedFolder)| folder.role == Some(role);
        // One source may call several folders its sent mail: the first path in order is.
        let mut candidates = wanted.iter().enumerate().filter(of_role);
        let Some(first) = candidates.next() else {
            continue;
        };
        let (index, folder) = candidates.fold(first, |best, other| {
            if other.1.path < best.1.path {
                other
            } else {
                best
            }
        });
        let others = natural.iter().enumerate();
        let mut others = others.filter(|(other, _)| *other != index);
        let by_right = taken.contains(&name) || others.any(|(_, natural)| *natural == name);
        if folder.name.is_none() && !by_right && !folder.path.is_inbox() {
            chosen.insert(index, place.clone());
        }
    }
    chosen
}

/// A path without the characters that one server or another refuses in names.
pub(super) fn tamed(path: &FolderPath) -> FolderPath {
    let tame = |character: char| {
        if character.is_alphanumeric() || " -_.,()+=@".contains(character) {
            character
        } else {
            '_'
        }
    };
    let level = |level: &String| {
        let level: String = level.trim().chars().map(tame).collect();
        // Empty and dot-only levels mean something else to file systems.
        if level.trim_matches('.').is_empty() {
            format!("_{level}")
        } else {
            level
        }
    };
    FolderPath(path.0.iter().map(level).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::ListItem;
    use crate::mapping::NameStyle;

    fn listing(folders: &[(&str, &str)]) -> Listing {
        let item = |(name, attribute): &(&str, &str)| ListItem {
            attributes: vec![(*attribute).to_owned()],
            separator: Some('/'),
            name: (*name).to_owned(),
            lsub: false,
        };
        Listing {
            style: NameStyle {
                separator: Some('/'),
                prefix: String::new(),
            },
            folders: folders.iter().map(item).collect(),
            ..Listing::default()
        }
    }

    fn wanted(path: &str, role: Option<Role>) -> WantedFolder {
        WantedFolder {
            path: FolderPath(path.split('/').map(str::to_owned).collect()),
            role,
            ..WantedFolder::default()
        }
    }

    fn names(listing: &Listing, wanted: &[WantedFolder]) -> Vec<String> {
        choose_names(listing, wanted, &mut HashSet::new())
    }

    #[test]
    fn uses_meet() {
        let target = listing(&[("Sent", "\\Sent"), ("Trash", "\\Trash"), ("x", "\\Marked")]);
        let source = [
            wanted("INBOX", None),
            wanted("Envoyés", Some(Role::Sent)),
            wanted("Corbeille", Some(Role::Trash)),
            wanted("Brouillons", Some(Role::Drafts)),
        ];
        let expected = ["INBOX", "Sent", "Trash", "Brouillons"];
        assert_eq!(names(&target, &source), expected);
    }

    #[test]
    fn a_name_by_right_comes_first() {
        let target = listing(&[("Sent", "\\Sent")]);
        // The source has an ordinary folder of that name too: the two are not poured together.
        let source = [wanted("Envoyés", Some(Role::Sent)), wanted("sent", None)];
        assert_eq!(names(&target, &source), ["Envoy&AOk-s", "sent"]);
        // What an earlier run chose stands.
        let mut kept = wanted("Envoyés", Some(Role::Sent));
        kept.name = Some("Envoy&AOk-s".to_owned());
        assert_eq!(names(&target, &[kept]), ["Envoy&AOk-s"]);
        // A folder that is not wanted now holds the name.
        let mut taken = HashSet::from(["sent".to_owned()]);
        let source = [wanted("Envoyés", Some(Role::Sent)), wanted("Sent", None)];
        let found = choose_names(&target, &source, &mut taken);
        assert_eq!(found, ["Envoy&AOk-s", "Sent (2)"]);
    }

    #[test]
    fn two_of_one_use_are_kept_apart() {
        let target = listing(&[("Sent", "\\Sent"), ("Outbox", "\\sent")]);
        let source = [wanted("b", Some(Role::Sent)), wanted("a", Some(Role::Sent))];
        assert_eq!(names(&target, &source), ["b", "Outbox"]);
    }

    #[test]
    fn rare_characters_are_replaced() {
        let path = FolderPath(vec!["R&D \"x\\y\"!".into(), "..".into(), "Été 📫".into()]);
        let tame = FolderPath(vec!["R_D _x_y__".into(), "_..".into(), "Été _".into()]);
        assert_eq!(tamed(&path), tame);
    }
}
