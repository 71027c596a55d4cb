//! Which language to speak, and clap's tree in that language.
//!
//! English help is the doc comments of the clap structs. French help is the `FRENCH` table beside
//! each command; a test compares both sides.

use clap::{Arg, Command};

use crate::{commands, text::Lang};

/// The French help of one command (`arg` empty) or of one of its arguments.
#[derive(Debug, Clone, Copy)]
pub struct French {
    /// The command, e.g. `agent add`; empty for global options.
    pub command: &'static str,
    /// The argument's identifier (its field's name); empty for the command itself.
    pub arg: &'static str,
    /// The text; what follows a blank line is shown by `--help` only.
    pub text: &'static str,
}

/// The French help of a command.
pub const fn about(command: &'static str, text: &'static str) -> French {
    French {
        command,
        arg: "",
        text,
    }
}

/// The French help of an argument.
pub const fn arg(command: &'static str, arg: &'static str, text: &'static str) -> French {
    French { command, arg, text }
}

const GLOBAL: &[French] = &[
    about(
        "",
        "Ouvre, administre et migre les espaces de collectivités hébergés par Melouvert",
    ),
    arg("", "lang", "Langue des textes : fr ou en"),
    arg(
        "",
        "output",
        "Présentation des données : table, json, yaml ou name",
    ),
    arg(
        "",
        "kubeconfig",
        "Fichier kubeconfig ; à défaut KUBECONFIG, puis ~/.kube/config",
    ),
    arg("", "context", "Contexte du kubeconfig"),
    arg(
        "",
        "system_namespace",
        "Espace de noms où tourne Melouvert lui-même",
    ),
    arg(
        "",
        "verbose",
        "Dit ce qui est fait, sur stderr ; deux fois pour les requêtes",
    ),
    arg("", "color", "Quand colorer : auto, always ou never"),
    arg("", "help", "Affiche l'aide ; plus complète avec --help"),
    arg("", "version", "Affiche la version"),
];

/// The language: `--lang`, else `MELOUVERT_LANG`, else English for an English locale, else French.
///
/// Read before clap, since clap's own words depend on it.
pub fn detect(args: &[String], env: impl Fn(&str) -> Option<String>) -> Lang {
    let asked = args.iter().enumerate().find_map(|(place, arg)| {
        arg.strip_prefix("--lang=").map(str::to_owned).or_else(|| {
            (arg == "--lang")
                .then(|| args.get(place + 1).cloned())
                .flatten()
        })
    });
    match asked
        .or_else(|| env("MELOUVERT_LANG").filter(|lang| !lang.is_empty()))
        .as_deref()
    {
        Some("en") => Lang::En,
        Some(_) => Lang::Fr,
        None => ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| env(name).filter(|locale| !locale.is_empty()))
            .filter(|locale| locale.starts_with("en"))
            .map_or(Lang::Fr, |_| Lang::En),
    }
}

/// clap's tree in `lang`: helps, headings, defaults.
pub fn localize(command: Command, lang: Lang) -> Command {
    let french = (lang == Lang::Fr).then(catalogue);
    walk(command, "", lang, french.as_deref()).disable_help_subcommand(true)
}

/// Every French entry.
fn catalogue() -> Vec<French> {
    [GLOBAL]
        .iter()
        .chain(commands::FRENCH)
        .flat_map(|part| part.iter().copied())
        .collect()
}

fn find(french: &[French], command: &str, arg: &str) -> Option<&'static str> {
    french
        .iter()
        .find(|e| e.command == command && e.arg == arg)
        .map(|e| e.text)
}

fn walk(command: Command, path: &str, lang: Lang, french: Option<&[French]>) -> Command {
    let usage = lang.pick("Utilisation :", "Usage:");
    let template =
        format!("{{about-with-newline}}\n{usage} {{usage}}\n\n{{all-args}}{{after-help}}");
    let mut command = command
        .help_template(template)
        .subcommand_help_heading(lang.pick("Commandes\u{a0}", "Commands"))
        .subcommand_value_name(lang.pick("COMMANDE", "COMMAND"))
        .mut_args(|arg| argument(arg, path, lang, french));
    if let Some(text) = french.and_then(|french| find(french, path, "")) {
        command = command.about(first(text)).long_about(text);
    }
    let paths: Vec<(String, String)> = command
        .get_subcommands()
        .map(|sub| {
            let name = sub.get_name().to_owned();
            (name.clone(), format!("{path} {name}").trim().to_owned())
        })
        .collect();
    for (name, path) in paths {
        command = command.mut_subcommand(name, |sub| walk(sub, &path, lang, french));
    }
    command
}

fn argument(mut arg: Arg, path: &str, lang: Lang, french: Option<&[French]>) -> Arg {
    let heading = match (path.is_empty(), arg.is_positional()) {
        (true, _) => lang.pick("Options communes\u{a0}", "Global options"),
        (false, true) => lang.pick("Arguments\u{a0}", "Arguments"),
        (false, false) => lang.pick("Options\u{a0}", "Options"),
    };
    if let Some(text) = french.and_then(|french| find(french, path, arg.get_id().as_str())) {
        arg = arg.help(first(text)).long_help(text.to_owned());
    }
    if let Some(names) = arg.get_value_names().map(|names| {
        names
            .iter()
            .map(|n| value_name(n, lang))
            .collect::<Vec<_>>()
    }) {
        arg = arg.value_names(names);
    }
    let notes = notes(&arg, lang);
    if !notes.is_empty() {
        let with = |text: &clap::builder::StyledStr| format!("{text} {notes}");
        let brief = arg.get_help().map(with).unwrap_or_default();
        let whole = arg.get_long_help().map_or_else(|| brief.clone(), with);
        arg = arg.help(brief).long_help(whole);
    }
    let arg = arg.help_heading(heading);
    if arg.get_action().takes_values() {
        arg.hide_default_value(true)
            .hide_env(true)
            .hide_possible_values(true)
    } else {
        arg
    }
}

/// The placeholder of a value.
fn value_name(name: &str, lang: Lang) -> String {
    const FRENCH: [(&str, &str); 18] = [
        ("LANG", "LANGUE"),
        ("FILE", "FICHIER"),
        ("DIR", "DOSSIER"),
        ("SIZE", "TAILLE"),
        ("FOLDER", "DOSSIER"),
        ("NAME", "NOM"),
        ("NAMESPACE", "ESPACE"),
        ("WHEN", "QUAND"),
        ("DOMAIN", "DOMAINE"),
        ("PLAN", "OFFRE"),
        ("REGION", "RÉGION"),
        ("ADDRESS", "ADRESSE"),
        ("KIND", "NATURE"),
        ("NUMBER", "NOMBRE"),
        ("DURATION", "DURÉE"),
        ("HOURS", "HEURES"),
        ("WAVE", "VAGUE"),
        ("CERTIFICATE", "CERTIFICAT"),
    ];
    let french = FRENCH
        .iter()
        .find(|(english, _)| *english == name)
        .map_or(name, |(_, fr)| fr);
    lang.pick(french, name).to_owned()
}

/// What clap would say of defaults and environment variables, in `lang`.
fn notes(arg: &Arg, lang: Lang) -> String {
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|v| v.to_string_lossy().into_owned())
        .collect();
    let mut notes = Vec::new();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        notes.push(format!(
            "[{} {}]",
            lang.pick("défaut :", "default:"),
            defaults.join(" ")
        ));
    }
    if let Some(name) = arg.get_env() {
        notes.push(format!("[env: {}]", name.to_string_lossy()));
    }
    notes.join(" ")
}

fn first(text: &'static str) -> &'static str {
    text.split("\n\n").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::app;

    fn expected(command: &Command, path: &str, into: &mut BTreeSet<(String, String)>) {
        assert!(
            command.get_about().is_some(),
            "no English help for command {path:?}"
        );
        into.insert((path.into(), String::new()));
        for arg in command.get_arguments() {
            assert!(
                arg.get_help().is_some(),
                "no English help for {path:?} {}",
                arg.get_id()
            );
            into.insert((path.into(), arg.get_id().to_string()));
        }
        for sub in command.get_subcommands() {
            expected(sub, format!("{path} {}", sub.get_name()).trim(), into);
        }
    }

    #[test]
    fn every_command_and_argument_is_in_both_languages() {
        let mut english = BTreeSet::new();
        expected(&app::tree(), "", &mut english);
        let french: Vec<_> = catalogue();
        let keys: BTreeSet<_> = french
            .iter()
            .map(|e| (e.command.into(), e.arg.into()))
            .collect();
        let missing: Vec<_> = english.difference(&keys).collect();
        let stale: Vec<_> = keys.difference(&english).collect();
        assert!(missing.is_empty(), "no French help for {missing:?}");
        assert!(
            stale.is_empty(),
            "French help for what does not exist: {stale:?}"
        );
        assert_eq!(keys.len(), french.len(), "a French entry is written twice");
    }

    #[test]
    fn the_tree_is_well_formed_in_both_languages() {
        for lang in [Lang::Fr, Lang::En] {
            localize(app::tree(), lang).debug_assert();
        }
    }

    #[test]
    fn the_language_is_asked_then_guessed() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let none = |_: &str| None;
        let english = |name: &str| (name == "LANG").then(|| "en_GB.UTF-8".to_owned());
        assert_eq!(detect(&args("melouvert doctor"), none), Lang::Fr);
        assert_eq!(detect(&args("melouvert doctor"), english), Lang::En);
        assert_eq!(
            detect(&args("melouvert --lang fr doctor"), english),
            Lang::Fr
        );
        assert_eq!(detect(&args("melouvert doctor --lang=en"), none), Lang::En);
    }
}
