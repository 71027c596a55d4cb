//! `melouvert reference`: the whole tree in Markdown, kept in `docs/cli.md`.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::{
    app,
    errors::{CliError, EXIT_CODES},
    globals::Context,
    language::{self, French, about},
    text::Lang,
};

/// French help.
pub const FRENCH: &[French] = &[about(
    "reference",
    "Écrit la référence de la ligne de commande, en Markdown",
)];

/// Prints the reference.
pub fn run(context: &Context) -> Result<(), CliError> {
    context.printer.raw(&markdown(context.lang))
}

fn markdown(lang: Lang) -> String {
    let mut tree = language::localize(app::tree(), lang);
    tree.build();
    let mut out = lang
        .pick(
            "# Référence de la ligne de commande\n\nProduite par `melouvert reference` ; ne pas modifier à la main.\n",
            "# Command line reference\n\nMade by `melouvert reference`; not to be edited by hand.\n",
        )
        .to_owned();
    let _ = write!(
        out,
        "\n{}\n",
        long(tree.get_long_about().or(tree.get_about()))
    );
    heading(&mut out, 2, lang.pick("Options communes", "Global options"));
    let _ = write!(
        out,
        "\n{}\n",
        lang.pick(
            "Acceptées par toutes les commandes.",
            "Taken by every command."
        )
    );
    options(&mut out, tree.get_arguments());
    heading(&mut out, 2, lang.pick("Codes de sortie", "Exit codes"));
    out.push_str(lang.pick(
        "\n| Code | Sens |\n|---|---|\n| 0 | fait |\n",
        "\n| Code | Meaning |\n|---|---|\n| 0 | done |\n",
    ));
    for (kind, fr, en) in EXIT_CODES {
        let _ = writeln!(out, "| {} | {} |", kind.exit_code(), lang.pick(fr, en));
    }
    for sub in visible(&tree) {
        command(&mut out, sub, "melouvert", 2);
    }
    out
}

fn command(out: &mut String, command: &Command, parent: &str, level: usize) {
    let path = format!("{parent} {}", command.get_name());
    heading(out, level, &format!("`{path}`"));
    let _ = write!(
        out,
        "\n{}\n",
        long(command.get_long_about().or(command.get_about()))
    );
    if command.has_subcommands() {
        for sub in visible(command) {
            self::command(out, sub, &path, level + 1);
        }
        return;
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let _ = write!(out, "\n```text\n{usage}\n```\n");
    options(
        out,
        command.get_arguments().filter(|arg| !arg.is_global_set()),
    );
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set())
}

fn heading(out: &mut String, level: usize, text: &str) {
    let _ = write!(out, "\n{} {text}\n", "#".repeat(level));
}

fn options<'a>(out: &mut String, args: impl Iterator<Item = &'a Arg>) {
    let mut first = true;
    for arg in args.filter(|arg| !arg.is_hide_set()) {
        if std::mem::take(&mut first) {
            out.push('\n');
        }
        let _ = writeln!(
            out,
            "- `{}` : {}",
            name(arg),
            long(arg.get_long_help().or(arg.get_help()))
        );
    }
}

/// `-o, --output FORMAT`, or `SIREN` for a positional.
fn name(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let values = if arg.get_action().takes_values() {
        values
    } else {
        &[]
    };
    let short = arg.get_short().map(|short| format!("-{short}"));
    let dashed = arg.get_long().map(|long| format!("--{long}"));
    let flags: Vec<String> = short.into_iter().chain(dashed).collect();
    let mut parts = vec![flags.join(", ")];
    parts.extend(values.iter().map(ToString::to_string));
    parts.join(" ").trim().to_owned()
}

fn long(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}
