//! Which name each folder gets at an IMAP target: pure.

use std::collections::{BTreeMap, HashSet};

use super::super::WantedFolder;
use crate::model::{FolderPath, Role};
use crate::source::imap::Listing;

/// Chooses names. What an earlier run chose stands. Then a folder with a use (sent mail, trash …)
/// gets the target's own folder for it, unless another folder has that name by right. The others
/// get their path's name, told apart where two would clash.
///
/// `taken`, what names are the same as ([`NameStyle::sameness`]), gains every name chosen. INBOX is
/// INBOX, whatever the others are called, and what belongs to others or to all is nobody's.
///
/// [`NameStyle::sameness`]: crate::mapping::NameStyle::sameness
pub(crate) fn choose_names(
    listing: &Listing,
    wanted: &[WantedFolder],
    taken: &mut HashSet<String>,
) -> Vec<String> {
    let style = &listing.style;
    let same = |name: &String| style.sameness(name);
    taken.insert(style.sameness("INBOX"));
    taken.extend(listing.foreign.iter().map(|item| same(&item.name)));
    let earlier = wanted.iter().filter_map(|folder| folder.name.as_ref());
    taken.extend(earlier.map(same));
    let by_use = by_use(listing, wanted, taken);
    taken.extend(by_use.values().map(same));
    wanted
        .iter()
        .enumerate()
        .map(|(index, folder)| match (&folder.name, by_use.get(&index)) {
            (Some(name), _) | (None, Some(name)) => name.clone(),
            (None, None) if folder.path.is_inbox() => "INBOX".to_owned(),
            (None, None) => style.write_apart(&folder.path, taken),
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
        .map(|folder| listing.style.sameness(&listing.style.write(&folder.path)))
        .collect();
    let mut chosen = BTreeMap::new();
    for (role, place) in places {
        let name = listing.style.sameness(place);
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

/// How tame a name is tried when the server refuses a wilder one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tameness {
    /// Without the characters that one server or another refuses.
    Usual,
    /// Without dots too, which a Maildir++ takes for its separator.
    Undotted,
    /// Short and in ASCII.
    Plain,
}

impl Tameness {
    /// From the wildest on.
    pub(super) const ALL: [Self; 3] = [Self::Usual, Self::Undotted, Self::Plain];

    fn takes(self, character: char) -> bool {
        match self {
            Self::Usual => character.is_alphanumeric() || " -_.,()+=@".contains(character),
            Self::Undotted => character.is_alphanumeric() || " -_,()+=@".contains(character),
            Self::Plain => character.is_ascii_alphanumeric() || " -_".contains(character),
        }
    }
}

/// Characters of a level that every server takes.
const SHORT: usize = 40;

/// A path without the characters that one server or another refuses in names.
pub(super) fn tamed(path: &FolderPath, how: Tameness) -> FolderPath {
    let tame = |character: char| if how.takes(character) { character } else { '_' };
    let level = |level: &String| {
        let mut level: String = level.trim().chars().map(tame).collect();
        if how == Tameness::Plain && level.len() > SHORT {
            level.truncate(SHORT);
            level.truncate(level.trim_end().len());
        }
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
                ..NameStyle::default()
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
        let mut taken = HashSet::from([target.style.sameness("Sent")]);
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
        assert_eq!(tamed(&path, Tameness::Usual), tame);
        let dotted = FolderPath(vec!["M. Dupont".into(), "2. Factures.".into(), ".".into()]);
        let expected = ["M_ Dupont", "2_ Factures_", "_"];
        assert_eq!(tamed(&dotted, Tameness::Undotted).0, expected);
        let long = FolderPath(vec![format!("{} é", "x".repeat(60)), "é.é".into()]);
        let short = ["x".repeat(40), "___".to_owned()];
        assert_eq!(tamed(&long, Tameness::Plain).0, short);
    }

    #[test]
    fn inbox_is_inbox_in_whatever_order_and_case() {
        let target = listing(&[]);
        for (source, expected) in [
            (["inbox", "INBOX"], ["inbox (2)", "INBOX"]),
            (["INBOX", "inbox"], ["INBOX", "inbox (2)"]),
            (["INBOX (2)", "INBOX"], ["INBOX (2)", "INBOX"]),
        ] {
            let wanted = source.map(|path| wanted(path, None));
            assert_eq!(names(&target, &wanted), expected);
        }
    }

    #[test]
    fn folders_of_others_are_not_filled() {
        let mut target = listing(&[]);
        target.foreign = listing(&[("Shared/Team", "")]).folders;
        assert_eq!(
            names(&target, &[wanted("Shared/team", None)]),
            ["Shared/team (2)"]
        );
    }
}
