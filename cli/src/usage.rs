//! clap's complaints in the person's language.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::{
    errors::CliError,
    text::{Lang, Text, text},
};

/// What clap found wrong with the arguments, as a [`CliError`].
pub fn explain(error: &clap::Error, lang: Lang) -> CliError {
    let message = match lang {
        Lang::En => Text::verbatim(english(error)),
        Lang::Fr => french(error),
    };
    let suggestion = [
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
    ]
    .iter()
    .filter_map(|kind| error.get(*kind))
    .find_map(closest);
    CliError::usage(message).remedy(match suggestion {
        Some(name) => text!("vouliez-vous dire « {name} » ?", "did you mean {name:?}?"),
        None => text!("ajoutez --help à la commande", "add --help to the command"),
    })
}

/// The first paragraph of clap's own words.
fn english(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    paragraph.trim_start_matches("error: ").replace("\n ", "")
}

fn french(error: &clap::Error) -> Text {
    let get = |kind| value(error, kind).unwrap_or_default();
    let arg = get(ContextKind::InvalidArg);
    let given = get(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::UnknownArgument => text!("argument « {arg} » inconnu", ""),
        ErrorKind::InvalidSubcommand => {
            let name = get(ContextKind::InvalidSubcommand);
            text!("commande « {name} » inconnue", "")
        }
        ErrorKind::MissingRequiredArgument => text!("argument obligatoire absent : {arg}", ""),
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let names = get(ContextKind::ValidSubcommand);
            text!("il manque une sous-commande, parmi : {names}", "")
        }
        ErrorKind::InvalidValue if given.is_empty() => {
            text!("l'option {arg} attend une valeur", "")
        }
        ErrorKind::InvalidValue => {
            let valid = get(ContextKind::ValidValue);
            text!(
                "valeur « {given} » refusée pour {arg} ; attendu : {valid}",
                ""
            )
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error)
                .map(ToString::to_string)
                .unwrap_or_default();
            text!("valeur « {given} » refusée pour {arg} : {why}", "")
        }
        ErrorKind::ArgumentConflict => {
            let other = get(ContextKind::PriorArg);
            text!("{arg} ne va pas avec {other}", "")
        }
        ErrorKind::TooManyValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            text!("nombre de valeurs incorrect pour {arg}", "")
        }
        ErrorKind::InvalidUtf8 => text!("un argument n'est pas en UTF-8", ""),
        _ => Text::verbatim(english(error)),
    }
}

/// The last of clap's suggestions is the most alike.
fn closest(suggested: &ContextValue) -> Option<String> {
    match suggested {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(all) => all.last().cloned(),
        _ => None,
    }
}

fn value(error: &clap::Error, kind: ContextKind) -> Option<String> {
    Some(match error.get(kind)? {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(all) => all.join(", "),
        other => other.to_string(),
    })
}
