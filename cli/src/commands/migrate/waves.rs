//! The waves of a migration, as asked for: a YAML file, or a size.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use melouvert_api::migration::WaveSpec;
use melouvert_waves::Window;
use serde::Deserialize;

use super::accounts::Line;
use crate::{
    errors::CliError,
    text::{Text, text},
};

/// A wave and the accounts that go with it.
#[derive(Debug)]
pub struct Planned<'a> {
    /// Its name, its hours and its logins; the Secret is named later.
    pub spec: WaveSpec,
    /// Its accounts.
    pub lines: Vec<&'a Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    waves: Vec<Stated>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Stated {
    name: String,
    accounts: Vec<String>,
    #[serde(default)]
    windows: Vec<String>,
    #[serde(default)]
    not_before: Option<String>,
}

/// Reads `--window`, in its canonical form.
pub fn windows(given: &[String]) -> Result<Vec<String>, CliError> {
    given.iter().map(|text| window("--window", text)).collect()
}

fn window(field: &str, text: &str) -> Result<String, CliError> {
    match text.parse::<Window>() {
        Ok(window) => Ok(window.to_string()),
        Err(error) => Err(CliError::usage(text!(
            "{field} « {text} » incorrecte ({error})",
            "wrong {field} {text:?}: {error}"
        ))
        .remedy(text!(
            "attendu : jours, heures et fuseau, p. ex. « ven 20:00-lun 06:00 Europe/Paris »",
            "expected days, hours and a time zone, e.g. \"Fri 20:00-Mon 06:00 Europe/Paris\""
        ))),
    }
}

/// Waves of so many accounts each, in the order of the file.
pub fn by_size<'a>(lines: &'a [Line], size: usize, windows: &[String]) -> Vec<Planned<'a>> {
    lines
        .chunks(size.max(1))
        .enumerate()
        .map(|(index, chunk)| Planned {
            spec: WaveSpec {
                name: format!("vague-{}", index + 1),
                accounts_secret: String::new(),
                accounts: chunk.iter().map(|line| line.source_user.clone()).collect(),
                windows: windows.to_vec(),
                not_before: None,
                stage: None,
            },
            lines: chunk.iter().collect(),
        })
        .collect()
}

/// Reads `--waves`: every account of the list must be in one wave, and in one alone.
pub fn from_file<'a>(
    path: &Path,
    lines: &'a [Line],
    common: &[String],
) -> Result<Vec<Planned<'a>>, CliError> {
    let shown = path.display().to_string();
    let yaml = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(text!(
            "--waves {shown} illisible",
            "--waves {shown} is unreadable"
        ))
        .caused_by(&error)
    })?;
    parse(&shown, &yaml, lines, common)
}

fn parse<'a>(
    shown: &str,
    yaml: &str,
    lines: &'a [Line],
    common: &[String],
) -> Result<Vec<Planned<'a>>, CliError> {
    let file: File = serde_saphyr::from_str(yaml).map_err(|error| {
        let why = error.to_string();
        wrong(shown, &Text::verbatim(why))
    })?;
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, wave) in file.waves.iter().enumerate() {
        if !is_name(&wave.name) {
            let name = &wave.name;
            return Err(wrong(
                shown,
                &text!(
                    "waves[{index}].name « {name} » : minuscules, chiffres et tirets, 40 au plus",
                    "waves[{index}].name {name:?}: at most 40 lower-case letters, digits and hyphens"
                ),
            ));
        }
        for user in &wave.accounts {
            if let Some(first) = taken.insert(user, &wave.name) {
                let name = &wave.name;
                return Err(wrong(
                    shown,
                    &text!(
                        "waves[{index}].accounts : {user} est dans {first} et dans {name}",
                        "waves[{index}].accounts: {user} is in {first} and in {name}"
                    ),
                ));
            }
        }
    }
    if let Some(left) = lines
        .iter()
        .find(|line| !taken.contains_key(line.source_user.as_str()))
    {
        let user = &left.source_user;
        return Err(wrong(
            shown,
            &text!(
                "{user}, du fichier de comptes, n'est dans aucune vague",
                "{user}, of the accounts file, is in no wave"
            ),
        ));
    }
    let waves = file.waves.iter().enumerate();
    waves
        .map(|(index, wave)| plan(shown, index, wave, lines, common))
        .collect()
}

fn plan<'a>(
    shown: &str,
    index: usize,
    wave: &Stated,
    lines: &'a [Line],
    common: &[String],
) -> Result<Planned<'a>, CliError> {
    let mut own = Vec::new();
    for user in &wave.accounts {
        let before = own.len();
        own.extend(lines.iter().filter(|line| line.source_user == *user));
        if own.len() == before {
            return Err(wrong(
                shown,
                &text!(
                    "waves[{index}].accounts : {user} n'est pas dans le fichier de comptes",
                    "waves[{index}].accounts: {user} is not in the accounts file"
                ),
            ));
        }
    }
    if own.is_empty() {
        return Err(wrong(
            shown,
            &text!(
                "waves[{index}].accounts est vide",
                "waves[{index}].accounts is empty"
            ),
        ));
    }
    let stated = wave.windows.iter().enumerate();
    let stated: Vec<String> = stated
        .map(|(place, text)| window(&format!("{shown}, waves[{index}].windows[{place}]"), text))
        .collect::<Result<_, _>>()?;
    if let Some(instant) = &wave.not_before
        && instant.parse::<Timestamp>().is_err()
    {
        return Err(wrong(
            shown,
            &text!(
                "waves[{index}].notBefore « {instant} » : attendu p. ex. 2026-11-27T19:00:00Z",
                "waves[{index}].notBefore {instant:?}: expected e.g. 2026-11-27T19:00:00Z"
            ),
        ));
    }
    Ok(Planned {
        spec: WaveSpec {
            name: wave.name.clone(),
            accounts_secret: String::new(),
            accounts: wave.accounts.clone(),
            windows: if stated.is_empty() {
                common.to_vec()
            } else {
                stated
            },
            not_before: wave.not_before.clone(),
            stage: None,
        },
        lines: own,
    })
}

fn is_name(name: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len())
        && name.bytes().all(good)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn wrong(shown: &str, why: &Text) -> CliError {
    let (fr, en) = (&why.fr, &why.en);
    CliError::usage(text!("--waves {shown} : {fr}", "--waves {shown}: {en}")).remedy(text!(
        "attendu : waves: [{{name, accounts: [identifiants de l'ancien serveur], windows, notBefore}}] ; rien n'a été envoyé",
        "expected waves: [{{name, accounts: [logins of the old server], windows, notBefore}}]; nothing was sent"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::migrate::accounts;

    fn lines() -> Vec<Line> {
        let csv = "source_user,source_password,target_user,target_password\n\
                   a,s3cret,a@caen.example,x\nb,s3cret,b@caen.example,x\nc,s3cret,c@caen.example,x\n";
        accounts::parse(csv.as_bytes(), None).unwrap()
    }

    #[test]
    fn a_file_is_read_with_its_hours() {
        let lines = lines();
        let yaml = "waves:\n- name: mairie\n  accounts: [c, a]\n  windows: [ven 20:00-lun 06:00 Europe/Paris]\n- name: ecoles\n  accounts: [b]\n  notBefore: 2026-11-27T19:00:00Z\n";
        let common = windows(&["Mon..Fri 20:00-06:00 UTC".into()]).unwrap();
        let planned = parse("f", yaml, &lines, &common).unwrap();
        assert_eq!(planned[0].spec.accounts, ["c", "a"]);
        assert_eq!(planned[0].lines[1].source_user, "a");
        assert_eq!(
            planned[0].spec.windows,
            ["Fri 20:00-Mon 06:00 Europe/Paris"]
        );
        assert_eq!(
            planned[1].spec.windows,
            ["Mon,Tue,Wed,Thu,Fri 20:00-06:00 UTC"]
        );
        let sized = by_size(&lines, 2, &[]);
        assert_eq!((sized.len(), sized[1].lines.len()), (2, 1));
        assert_eq!(sized[1].spec.name, "vague-2");
    }

    #[test]
    fn a_fault_is_named_and_nothing_secret_is_shown() {
        let lines = lines();
        for (yaml, place) in [
            (
                "waves:\n- name: a\n  accounts: [a, b]\n",
                "c, of the accounts file",
            ),
            (
                "waves:\n- name: a\n  accounts: [a, b, c, d]\n",
                "waves[0].accounts: d is not",
            ),
            (
                "waves:\n- name: a\n  accounts: [a, b, c]\n- name: b\n  accounts: [c]\n",
                "c is in a and in b",
            ),
            (
                "waves:\n- name: A\n  accounts: [a, b, c]\n",
                "waves[0].name",
            ),
            (
                "waves:\n- name: a\n  accounts: [a, b, c]\n  windows: [toujours]\n",
                "waves[0].windows[0]",
            ),
            (
                "waves:\n- name: a\n  accounts: [a, b, c]\n  notBefore: demain\n",
                "waves[0].notBefore",
            ),
            ("waves:\n- name: a\n  account: [a, b, c]\n", "account"),
        ] {
            let error = parse("f", yaml, &lines, &[]).unwrap_err();
            assert!(
                error.message.en.contains(place),
                "{error} should name {place}"
            );
            assert!(!format!("{error:?}").contains("s3cret"));
        }
        assert!(
            windows(&["Fri".into()])
                .unwrap_err()
                .message
                .en
                .contains("--window")
        );
    }
}
