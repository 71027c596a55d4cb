//! What becomes of folder names at the target: a pure function of both servers' ways.

use std::collections::{HashMap, HashSet};

use unicode_normalization::UnicodeNormalization;

use super::findings::{Concern, Finding};
use crate::mapping::NameStyle;
use crate::model::FolderPath;

/// Bytes that a level of a name may have on nearly all servers.
const LEVEL_MAX: usize = 255;

/// The target's name of each folder, in order, and what is to be told of them.
pub(super) fn map(
    paths: &[FolderPath],
    style: &NameStyle,
    known: &HashMap<FolderPath, String>,
) -> (Vec<String>, Vec<Finding>) {
    let mut taken: HashSet<String> = known.values().map(|name| name.to_lowercase()).collect();
    let mut findings = Vec::new();
    let names = paths
        .iter()
        .map(|path| {
            if let Some(name) = known.get(path) {
                return name.clone();
            }
            let plain = style.write(path);
            let name = style.write_apart(path, &mut taken);
            if name != plain {
                findings.push(Finding::new(Concern::NameClash, &name).in_folder(path));
            }
            if style
                .separator
                .is_some_and(|separator| path.0.iter().any(|level| level.contains(separator)))
            {
                findings.push(Finding::new(Concern::NameReplaced, &name).in_folder(path));
            }
            name
        })
        .collect();
    findings.extend(long(paths, style));
    findings.extend(twins(paths));
    (names, findings)
}

fn long<'a>(paths: &'a [FolderPath], style: &NameStyle) -> impl Iterator<Item = Finding> + 'a {
    let style = style.clone();
    paths.iter().filter_map(move |path| {
        let longest = path
            .0
            .iter()
            .map(|level| style.write(&FolderPath(vec![level.clone()])).len())
            .max()?;
        (longest > LEVEL_MAX)
            .then(|| Finding::new(Concern::NameTooLong, format!("{longest} bytes")).in_folder(path))
    })
}

/// Names that one person would read alike.
fn twins(paths: &[FolderPath]) -> Vec<Finding> {
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

    fn paths(names: &[&[&str]]) -> Vec<FolderPath> {
        names
            .iter()
            .map(|levels| FolderPath(levels.iter().map(ToString::to_string).collect()))
            .collect()
    }

    fn concerns(names: &[&[&str]]) -> Vec<(Concern, Option<String>)> {
        let style = NameStyle {
            separator: Some('/'),
            prefix: String::new(),
        };
        let (mapped, findings) = map(&paths(names), &style, &HashMap::new());
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
        assert_eq!(told, [(Concern::NameTwins, Some(decomposed.to_owned()))]);
        let long = "x".repeat(256);
        assert_eq!(concerns(&[&[&long]])[0].0, Concern::NameTooLong);
    }

    #[test]
    fn a_name_that_an_earlier_run_chose_stays() {
        let path = FolderPath(vec!["a/b".into()]);
        let known = HashMap::from([(path.clone(), "autre".to_owned())]);
        let (names, findings) = map(&[path], &NameStyle::default(), &known);
        assert_eq!((names, findings), (vec!["autre".to_owned()], vec![]));
    }
}
